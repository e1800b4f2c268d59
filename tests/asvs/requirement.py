"""The requirements of ASVS 5.0, what `docs/controls/asvs.yaml` says to each, and what is wrong with that."""

import ast
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from support import tree

LIST = tree.REPO.parent / "shared" / "vectors" / "asvs-5.0.0.json"
DATA = tree.REPO / "docs" / "controls" / "asvs.yaml"
LEVELS = (1, 2)
STATES = ("covered", "not_applicable", "open")


@dataclass(frozen=True)
class Requirement:
    """One requirement as OWASP publishes it; its text stays there (CC BY-SA)."""

    id: str
    chapter: str
    chapter_name: str
    level: int


@dataclass(frozen=True)
class Evidence:
    """A test (a file, a class or a function of it), and how it shows that the requirement is met."""

    test: str
    shows: str


@dataclass(frozen=True)
class Answer:
    """What is said to one requirement: its gist in our words, and either evidence, or why not, or what is missing."""

    id: str
    gist: str
    state: str
    reason: str = ""
    evidence: tuple[Evidence, ...] = field(default=())


def published(path: Path = LIST) -> list[Requirement]:
    """The requirements of level 1 and 2, in their order."""
    entries = json.loads(path.read_text(encoding="utf-8"))["requirements"]
    wanted = [entry for entry in entries if int(entry["L"]) in LEVELS]
    return [
        Requirement(entry["req_id"], entry["chapter_id"], entry["chapter_name"], int(entry["L"])) for entry in wanted
    ]


def said(path: Path = DATA) -> list[Answer]:
    """The answers of the data file, in its order."""
    return [_answer(name, entry) for name, entry in yaml.safe_load(path.read_text(encoding="utf-8")).items()]


def _answer(name: str, entry: Mapping[str, Any]) -> Answer:
    states = [state for state in STATES if state in entry]
    gist = str(entry.get("gist") or "")
    if len(states) != 1 or set(entry) != {"gist", *states}:
        return Answer(name, gist, "/".join(states) or "none")
    (state,) = states
    if state != "covered":
        return Answer(name, gist, state, str(entry[state] or ""))
    evidence = tuple(Evidence(test, str(shows or "")) for one in entry[state] for test, shows in one.items())
    return Answer(name, gist, state, evidence=evidence)


def faults(answers: list[Answer], requirements: list[Requirement]) -> Iterator[str]:
    """Everything that is wrong with the answers, in words."""
    wanted, given = [one.id for one in requirements], [one.id for one in answers]
    yield from (f"{name}: no answer" for name in wanted if name not in given)
    yield from (f"{name}: no requirement of level 1 or 2" for name in given if name not in wanted)
    for answer in answers:
        yield from (f"{answer.id}: {fault}" for fault in _faults(answer))


def _faults(answer: Answer) -> Iterator[str]:
    if not answer.gist.strip():
        yield "its gist is empty"
    if answer.state not in STATES:
        yield f"is {answer.state}, not one of {', '.join(STATES)}"
    elif answer.state != "covered" and not answer.reason.strip():
        yield "its reason is empty"
    elif answer.state == "covered" and not answer.evidence:
        yield "no test is named"
    for evidence in answer.evidence:
        if not evidence.shows.strip():
            yield f"{evidence.test}: not a word on how it shows it"
        if not is_there(evidence.test):
            yield f"{evidence.test}: there is no such test"


def is_there(node: str) -> bool:
    """Whether a pytest node of ours exists: a test file, or a class or function in it that pytest would collect."""
    path, *names = node.split("::")
    if not path.startswith("tests/") or Path(path) not in tree.files() or not Path(path).name.startswith("test_"):
        return False
    body: list[ast.stmt] = tree.parsed(Path(path)).body
    for name in names:
        found = [one for one in body if getattr(one, "name", None) == name and name.startswith(("test_", "Test"))]
        if not found:
            return False
        body = found[0].body if isinstance(found[0], ast.ClassDef) else []
    return bool(names) or _holds_a_test(body)


def _holds_a_test(body: list[ast.stmt]) -> bool:
    return any(getattr(one, "name", "").startswith(("test_", "Test")) for one in body)
