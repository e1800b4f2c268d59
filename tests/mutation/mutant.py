"""A mutant as data: which safeguard is switched off, how, and which tests must each notice. It runs nothing.

A mutant whose text is not found exactly once has lost its safeguard: that is a fault to mend, never a pass.
"""

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack.settings import SERVICES

FOLDER = Path(__file__).with_name("mutants")
# What can be made to see a change: a service, OpenBao's policies, the databases' roles and `guard` schema, the keeper.
TOUCHED = (*SERVICES, "policies", "databases", "keeper")
_WITHOUT_STACK = ("tests/unit/", "tests/contracts/", "tests/architecture/", "tests/integration/gateway/")
_FIELDS = {"name", "safeguard", "control", "killers", "touches", "edits", "sql", "file", "old", "new"}


class Broken(Exception):
    """A mutant that cannot be applied as it stands: one line that says which, and why."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One place of one file."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Change:
    """A statement of the superuser in one database, and the one that undoes it."""

    database: str
    do: str
    undo: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """One safeguard switched off."""

    name: str
    safeguard: str
    control: str
    killers: tuple[str, ...]
    touches: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()
    sql: tuple[Change, ...] = ()

    @property
    def needs_stack(self) -> bool:
        """Whether one of its killers asks real servers."""
        return any(needs_stack(killer) for killer in self.killers)


def needs_stack(killer: str) -> bool:
    """Whether a test asks the stack's servers; the gateway's bring an Envoy and its echoes of their own."""
    return not killer.startswith(_WITHOUT_STACK)


def load(folder: Path = FOLDER) -> list[Mutant]:
    """Every mutant, those that touch the same side by side. Raises Broken for one that is not well made."""
    found = [mutant for path in sorted(folder.glob("*.toml")) for mutant in _read(path)]
    names = [mutant.name for mutant in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Broken(f"two mutants are called {twice[0]}: rename one")
    return sorted(found, key=lambda mutant: (mutant.needs_stack, mutant.touches, mutant.name))


def _read(path: Path) -> Iterator[Mutant]:
    for entry in tomllib.loads(path.read_text(encoding="utf-8"))["mutant"]:
        yield _made(path.name, entry)


def _made(file: str, entry: dict[str, Any]) -> Mutant:
    name = entry.get("name", f"a mutant of {file}")
    if unknown := set(entry) - _FIELDS:
        raise Broken(f"{name}: no mutant has a field {min(unknown)}")
    edits = [Edit(**edit) for edit in entry.pop("edits", [])]
    if "file" in entry:
        edits.append(Edit(entry.pop("file"), entry.pop("old"), entry.pop("new")))
    changes = tuple(Change(**change) for change in entry.pop("sql", []))
    killers, touches = tuple(entry.pop("killers")), tuple(entry.pop("touches", ()))
    if not killers or not (edits or changes) or set(touches) - set(TOUCHED):
        raise Broken(f"{name}: it needs killers, an edit or a statement, and touches only {', '.join(TOUCHED)}")
    return Mutant(killers=killers, touches=touches, edits=tuple(edits), sql=changes, **entry)


def mutated(edits: Iterable[Edit], tree: Path) -> dict[Path, str]:
    """The text of each file with the edits made. Raises Broken when an old text is not there exactly once."""
    texts: dict[Path, str] = {}
    for edit in edits:
        path = tree / edit.file
        text = texts.get(path) or (path.read_text(encoding="utf-8") if path.is_file() else "")
        if (times := text.count(edit.old)) != 1 or edit.old == edit.new:
            raise Broken(f"its old text is there {times} times in {edit.file}: mend the mutant")
        texts[path] = text.replace(edit.old, edit.new)
    return texts
