"""Documents are true: each path, link, command and problem type that they name exists."""

import re
import shlex

import pytest
import typer

from guard import errors
from konci.__main__ import build
from stack import envoy
from support import tree

CODE = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^ *```(.*?)^ *```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
MADE = re.compile(r"^```\S* file=(\S+)", re.MULTILINE)
INDENTED = re.compile(r"^ {4}(\S.*)$", re.MULTILINE)
TOP = {path.parts[0] for path in tree.files()}
# Parts of the running platform, not of the repository.
ELSEWHERE = (".run", ".venv", "http", "spiffe:", "/v1", "/internal", "/problems", "/requests", "application/")


def prose(document):
    return FENCE.sub("", tree.text(document))


def paths(document):
    made = set(MADE.findall(tree.text(document)))
    folders = {name.rsplit("/", n)[0] for name in made for n in range(1, name.count("/") + 1)}
    for code in CODE.findall(prose(document)):
        word = code.removesuffix("/")
        if code.startswith(ELSEWHERE) or not re.fullmatch(r"[\w./*-]+", code):
            continue
        if code.split("/")[0] in TOP and ("/" in code or "." in code) and word not in made | folders:
            yield word


def exists(path):
    return any(tree.REPO.glob(path)) if "*" in path else (tree.REPO / path).exists()


@pytest.mark.parametrize("document", tree.documents(), ids=str)
def test_each_path_exists(document):
    assert not [path for path in paths(document) if not exists(path)]


@pytest.mark.parametrize("document", tree.documents(), ids=str)
def test_each_link_leads_somewhere(document):
    links = [link for link in LINK.findall(prose(document)) if not link.startswith(("http", "mailto:"))]
    assert not [link for link in links if not (tree.REPO / document.parent / link).exists()]


def commands(document, program):
    """What follows `program` where a document shows it as a command."""
    text = tree.text(document)
    shown = [*CODE.findall(FENCE.sub("", text)), *INDENTED.findall(text)]
    shown += [line.strip() for block in FENCE.findall(text) for line in block.splitlines()]
    for line in shown:
        if line.startswith(f"{program} ") and "…" not in line and "|" not in line:
            yield line.removeprefix(f"{program} ")


def test_each_make_target_exists():
    targets = set(re.findall(r"^([a-z][a-z-]*):", tree.text(tree.Path("Makefile")), re.MULTILINE))
    named = {name for document in tree.documents() for name in commands(document, "make")}
    assert named
    assert not {name for name in named if not {*name.split()} <= targets}


def unknown(line):
    """Why `konci line` is no command of ours, or None."""
    words = shlex.split(line)
    command = typer.main.get_command(build())
    while words and hasattr(command, "commands"):
        if words[0] not in command.commands:
            return f"konci {line}: no command {words[0]}"
        command = command.commands[words.pop(0)]
    options = {name for parameter in command.params for name in parameter.opts}
    wrong = [word for word in words if word.startswith("-") and word not in options | {"--help"}]
    return f"konci {line}: no option {wrong[0]}" if wrong else None


@pytest.mark.parametrize("document", tree.documents(), ids=str)
def test_each_konci_command_exists(document):
    assert not [found for line in commands(document, "konci") if (found := unknown(line))]


def kinds():
    waiting = [errors.Problem]
    while waiting:
        problem = waiting.pop()
        waiting += problem.__subclasses__()
        yield problem.kind


def test_each_problem_has_its_paragraph_and_each_paragraph_its_problem():
    documented = re.findall(r"^## /problems/(\S+)$", tree.text(tree.Path("docs/problems.md")), re.MULTILINE)
    assert {reply.problem.kind for reply in envoy.REPLIES} <= set(kinds())
    # A service's own subclass says the same kind with other words.
    assert sorted(documented) == sorted(set(kinds()))


def test_each_alert_has_a_runbook():
    alerts = re.findall(r"- alert: (\w+)", tree.text(tree.Path("deploy/prometheus/rules.yml")))
    runbooks = "".join(tree.text(path) for path in tree.documents() if path.match("docs/runbooks/*.md"))
    assert alerts
    assert not [alert for alert in alerts if f"`{alert}`" not in runbooks]


@pytest.mark.parametrize("document", [path for path in tree.documents() if path.match("docs/adr/*.md")], ids=str)
def test_each_decision_says_what_it_costs(document):
    headings = re.findall(r"^## (.+)$", tree.text(document), re.MULTILINE)
    assert headings == ["Context", "Decision", "Consequences", "Alternatives"]
    assert "\n- Bad: " in tree.text(document)


def test_architecture_fits_on_a_page_or_two():
    assert len(tree.text(tree.Path("ARCHITECTURE.md")).splitlines()) <= 150


def test_the_checks_can_tell():
    assert unknown("clients list")
    assert unknown("client list --loud")
    assert unknown("client list --json") is None
    assert not exists("libs/guard/guard/nothing.py")
