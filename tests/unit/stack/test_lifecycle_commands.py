"""`konci up|down|status|logs|doctor`: wrong use ends 2, each has an example, and --json is JSON."""

import json
import os
import pty
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from konci import lifecycle
from stack import run_folder
from stack.settings import Stack

COMMANDS = ("up", "down", "status", "logs", "doctor")


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("KONCI_RUN", str(tmp_path / "run"))
    app = typer.Typer()
    lifecycle.register(app)
    return lambda *arguments: CliRunner().invoke(app, arguments)


WRONG = [("up", "--only", "mysql"), ("logs",), ("logs", "mysql"), ("logs", "kafka", "-n", "0"), ("down", "--now")]


@pytest.mark.parametrize("arguments", WRONG)
def test_wrong_use_ends_2(run, arguments):
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(run, command):
    done = run(command, "--help")
    assert done.exit_code == 0
    assert f"Example: konci {command}" in done.output


def test_down_when_nothing_runs(run):
    done = run("down", "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"stopped": [], "wiped": False})


def test_status_when_nothing_runs_is_not_success(run):
    done = run("status", "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (1, [])


def test_the_last_lines_of_a_log(run, tmp_path):
    (tmp_path / "run" / "log").mkdir(parents=True)
    (tmp_path / "run" / "log" / "kafka.log").write_bytes(b"one\ntwo\n\xff three\n")
    assert json.loads(run("logs", "kafka", "-n", "2", "--json").stdout)["lines"] == ["two", "\ufffd three"]


class TestWiping:
    @pytest.fixture
    def there(self, run):
        run_folder.prepare(Stack.here())
        return Stack.here().run

    @pytest.mark.parametrize(
        ("options", "said", "code"), [((), b"n\n", 2), ((), b"y\n", 0), (("--yes",), b"", 0), (("--json",), b"", 2)]
    )
    def test_a_person_is_asked(self, there, options, said, code):
        ours, terminal = pty.openpty()
        os.write(ours, said)
        try:
            done = subprocess.run(
                [sys.executable, "-m", "konci", "down", "--wipe", *options],
                env={**os.environ, "KONCI_RUN": str(there)},
                stdin=terminal,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        finally:
            os.close(ours)
            os.close(terminal)
        assert done.returncode == code, done.stderr
        assert ("Nothing brings them back" in done.stdout) == bool(said)
        assert there.exists() == (code != 0)

    def test_a_script_is_not(self, run, there):
        assert run("down", "--wipe").exit_code == 0
        assert not there.exists()
