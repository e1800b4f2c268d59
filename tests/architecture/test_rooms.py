"""Same rooms in every service: who has seen one knows all."""

import ast
import re

import pytest

from support import tree

SERVICES = sorted(path.parent.name for path in tree.files() if path.match("services/*/pyproject.toml"))
ROOMS = ("__main__.py", "app.py", "settings.py", "routes.py", "store.py")
HEADINGS = ("Owns", "Endpoints", "Events in/out", "Tables", "Keys", "When it fails")


def below(*parts):
    return [path for path in tree.files() if path.parts[: len(parts)] == parts]


def test_there_are_services():
    assert SERVICES == ["audit", "auth", "recording_storage", "tenant_data"]


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("room", ROOMS)
def test_each_service_has_each_room(service, room):
    package = ("services", service, service)
    # A room with several nouns in it is a folder of the same name.
    assert below(*package, room) or below(*package, room.removesuffix(".py"))


@pytest.mark.parametrize("service", SERVICES)
def test_migrations_are_numbered_without_a_gap(service):
    names = sorted(path.name for path in below("services", service, "migrations") if path.suffix == ".sql")
    assert names
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    assert all(re.fullmatch(r"\d{4}_[a-z_]+\.sql", name) for name in names)


@pytest.mark.parametrize("service", [*SERVICES, "gateway"])
def test_each_readme_answers_the_same_questions(service):
    (readme,) = [path for path in below("services", service) if path.name == "README.md"]
    found = re.findall(r"^## (.+?)\s*$", tree.text(readme), re.MULTILINE)
    assert tuple(found) == HEADINGS


def calls_at_import(path):
    for statement in tree.parsed(path).body:
        if isinstance(statement, ast.Assign | ast.AnnAssign | ast.Expr):
            yield from (ast.unparse(node.func) for node in ast.walk(statement) if isinstance(node, ast.Call))


def test_settings_are_read_where_a_process_begins():
    # Read at import, they would make every test set up an environment first.
    read = [(str(path), call) for path in tree.modules("services", "libs") for call in calls_at_import(path)]
    assert not [(path, call) for path, call in read if call.endswith("Settings") or call.startswith("os.environ")]
