"""05.2: the judge of the code has judged only what its tools have read: all of it, and past every comment."""

import json
from pathlib import Path

import pytest

from judges import code
from judges.verdict import CannotJudge
from support import tree

ALL = [str(path) for path in tree.modules()]
EXAMPLES = [f".judges/code/examples/{number}.py" for number in range(len(ALL))]
PROGRAM = Path("a tool")


def bandit(read: list[str], errors: list[str]) -> str:
    metrics = {name: {} for name in [*(f"./{name}" for name in read), *EXAMPLES, "_totals"]}
    return json.dumps({"errors": errors, "metrics": metrics, "results": []})


def semgrep(read: list[str], errors: list[str]) -> str:
    return json.dumps({"errors": errors, "paths": {"scanned": [*read, *EXAMPLES]}, "results": []})


JUDGES = {code._bandit: bandit, code._semgrep: semgrep}


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """What was run; nothing is written into the tree."""
    commands: list[list[str]] = []
    monkeypatch.setattr(code, "REPO", tmp_path)
    (tmp_path / ".judges" / "code").mkdir(parents=True)
    return commands


def answer(monkeypatch: pytest.MonkeyPatch, said: list[list[str]], text: str) -> None:
    def run(command: list[str], *_: int) -> str:
        said.append(command)
        return text

    monkeypatch.setattr(code, "_run", run)


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("missing", [ALL[0], ALL[len(ALL) // 2], ALL[-1]])
def test_one_module_left_out(judge, missing: str, monkeypatch: pytest.MonkeyPatch, said: list[list[str]]) -> None:
    answer(monkeypatch, said, JUDGES[judge]([name for name in ALL if name != missing], []))
    with pytest.raises(CannotJudge, match=missing):
        judge(PROGRAM)


@pytest.mark.parametrize("judge", JUDGES)
def test_a_fault_of_the_tool(judge, monkeypatch: pytest.MonkeyPatch, said: list[list[str]]) -> None:
    answer(monkeypatch, said, JUDGES[judge](ALL, ["it stumbled"]))
    with pytest.raises(CannotJudge, match="it stumbled"):
        judge(PROGRAM)


@pytest.mark.parametrize(("judge", "switch"), [(code._bandit, "--ignore-nosec"), (code._semgrep, "--disable-nosem")])
def test_all_of_it_read(judge, switch: str, monkeypatch: pytest.MonkeyPatch, said: list[list[str]]) -> None:
    answer(monkeypatch, said, JUDGES[judge](ALL, []))
    judge(PROGRAM)
    assert switch in said[0]
