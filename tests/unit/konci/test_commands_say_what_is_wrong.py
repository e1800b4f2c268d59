"""The command line: 2 on wrong use, one line with what to do when a thing is missing, an example in each help."""

import pytest
import typer
from typer.testing import CliRunner

from konci import certificate, dlq, operator
from konci.__main__ import _MODULES, build
from konci.failure import Failed
from stack.settings import Stack

RUN = CliRunner()
APP = build()
ROOT = typer.main.get_command(APP)


def commands(group, path=()):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


@pytest.fixture(autouse=True)
def nothing_is_there(tmp_path, monkeypatch):
    monkeypatch.setenv("KONCI_RUN", str(tmp_path))
    monkeypatch.delenv("KONCI_OPERATOR", raising=False)


@pytest.mark.parametrize("path", list(commands(ROOT)), ids=" ".join)
def test_help_has_an_example_and_json_is_an_option(path):
    answer = RUN.invoke(APP, [*path, "--help"])
    assert answer.exit_code == 0
    assert f"Example: konci {' '.join(path)}" in " ".join(answer.output.split())
    assert "--json" in answer.output


@pytest.mark.parametrize(
    "wrong",
    [
        ["client", "create"],
        ["client", "create", "--name", "N", "--admin-email", "a@b.example", "--plan", "gold"],
        ["client", "list"],
        ["client", "list", "--reason", " "],
        ["client", "log", "not-an-id", "--reason", "r"],
        ["client", "log", "01890a5d-ac96-774b-bcce-b302099a8057"],
        ["client", "log", "01890a5d-ac96-774b-bcce-b302099a8057", "--reason", " "],
        ["operator", "add", "../root"],
        ["operator", "add", "Alice"],
        ["operator", "add", "alice", "--hours", "13"],
        ["demo", "--dialogues", "0"],
        ["dlq", "list", "access.nobody"],
        ["dlq", "replay"],
        ["dlq", "discard", "access.auth", "--json"],
    ],
    ids=" ".join,
)
def test_wrong_use_is_2(wrong):
    assert RUN.invoke(APP, wrong).exit_code == 2


@pytest.mark.parametrize(
    "early",
    [
        ["client", "list", "--reason", "r"],
        ["operator", "add", "alice"],
        ["operator", "list"],
        ["operator", "remove", "alice"],
        ["demo"],
        ["dlq", "list"],
    ],
    ids=" ".join,
)
def test_before_the_platform_is_up_it_says_what_to_do(early):
    raised = RUN.invoke(APP, early).exception
    assert isinstance(raised, Failed)
    assert "run `" in str(raised)
    assert "\n" not in str(raised)


def test_operators_names_are_one_path_segment():
    for name in ("a/b", "..", "a", "-ab", "a.b", "é" * 3, "a" * 33):
        with pytest.raises(typer.BadParameter):
            operator._a_name(name)
    assert operator._a_name("alice-2") == "alice-2"


def test_a_certificate_that_is_not_there():
    with pytest.raises(Failed, match="konci operator add bob"):
        certificate.chosen(Stack.here(), "bob")


def test_a_topic_by_either_name():
    assert dlq._a_topic("access.auth") == dlq._a_topic("access.auth.dlq") == "access.auth.dlq"


@pytest.mark.parametrize("module", _MODULES)
def test_who_asks_for_one_command_waits_for_no_other(module: str) -> None:
    for command in _MODULES[module]:
        assert set(typer.main.get_command(build(command)).commands) == set(_MODULES[module])


def test_all_commands_are_there_for_who_asks_for_none() -> None:
    assert set(ROOT.commands) == {command for commands in _MODULES.values() for command in commands}
