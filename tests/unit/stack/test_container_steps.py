"""The steps that compose.yaml calls: each prepares one server and becomes it, and says when it was called wrongly."""

import pytest

from stack import container, kafka
from stack.settings import Stack


class Became(Exception):
    """The process would be the server now."""


@pytest.fixture
def stack(tmp_path):
    return Stack(run=tmp_path / "run")


@pytest.fixture
def became(monkeypatch):
    seen = []

    def exec_instead(path, command, environment):
        seen.append((path, command, environment))
        raise Became

    monkeypatch.setattr(container.os, "execve", exec_instead)
    return seen


@pytest.mark.parametrize("wrong", [[], ["run"], ["run", "auth"], ["ready", "nobody"], ["trust", "me"]], ids=str)
def test_wrong_use_is_2(stack, wrong, capsys):
    assert container.step(stack, wrong) == 2
    assert "usage" in capsys.readouterr().err


def test_a_server_that_does_not_serve_is_not_ready(stack, monkeypatch, capsys):
    async def refuse(_stack):
        raise container.NotReady("the broker does not listen yet")

    monkeypatch.setattr(kafka, "ready", refuse)
    assert container.step(stack, ["ready", "kafka"]) == 1
    assert "does not listen" in capsys.readouterr().err


def test_a_server_is_prepared_and_becomes_the_process(stack, became):
    with pytest.raises(Became):
        container.step(stack, ["run", "kafka"])
    ((path, command, environment),) = became
    assert command[0] == path
    assert environment["KONCI_RUN"] == str(stack.run)
    assert (stack.run / "kafka" / "server.properties").is_file()


def test_openbao_gets_its_root_first(stack, became):
    with pytest.raises(Became):
        container.step(stack, ["run", "openbao"])
    assert (stack.run / "bootstrap" / "root.key").stat().st_mode & 0o777 == 0o600
    assert became[0][1][1] == "server"
