"""03.4: the mutation gate's own data. A mutant that has lost its safeguard's text is an error and never a pass."""

import ast
from pathlib import Path

import pytest

from mutation.mutant import Broken, Edit, Mutant, load, mutated
from support.tree import REPO

MUTANTS = load()


def planted(folder: Path, text: str) -> Path:
    (folder / "planted.toml").write_text(text, encoding="utf-8")
    return folder


class TestBroken:
    @pytest.mark.parametrize("text", ["", "x = 1", "y = 2; y = 2"], ids=["no file", "not there", "twice"])
    def test_an_old_text_that_is_not_there_exactly_once(self, tmp_path: Path, text: str) -> None:
        if text:
            (tmp_path / "code.py").write_text(text)
        with pytest.raises(Broken, match="mend the mutant"):
            mutated([Edit("code.py", "y = 2", "y = 3")], tmp_path)

    def test_an_edit_that_changes_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "code.py").write_text("y = 2")
        with pytest.raises(Broken):
            mutated([Edit("code.py", "y = 2", "y = 2")], tmp_path)

    @pytest.mark.parametrize(
        "entry",
        [
            'killers = []\nfile = "f"\nold = "a"\nnew = "b"',
            'killers = ["tests/unit/x.py"]',
            'killers = ["tests/unit/x.py"]\nfile = "f"\nold = "a"\nnew = "b"\ntouches = ["everything"]',
            'killers = ["tests/unit/x.py"]\nfile = "f"\nold = "a"\nnew = "b"\nskip = true',
        ],
        ids=["no killer", "no change", "touches nothing known", "an unknown field"],
    )
    def test_one_that_is_not_well_made(self, tmp_path: Path, entry: str) -> None:
        with pytest.raises(Broken):
            load(planted(tmp_path, f'[[mutant]]\nname = "m"\nsafeguard = "s"\ncontrol = "03.2"\n{entry}\n'))

    def test_two_of_one_name(self, tmp_path: Path) -> None:
        entry = '[[mutant]]\nname = "m"\nsafeguard = "s"\ncontrol = "03.2"\nkillers = ["tests/unit/x.py"]\n'
        entry += 'file = "f"\nold = "a"\nnew = "b"\n'
        with pytest.raises(Broken, match="rename"):
            load(planted(tmp_path, entry * 2))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_fits(mutant: Mutant) -> None:
    for path, text in mutated(mutant.edits, REPO).items():
        if path.suffix == ".py":
            ast.parse(text)  # a mutant that is no Python would be noticed by any test, and prove nothing


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_killer_is_there(mutant: Mutant) -> None:
    for killer in mutant.killers:
        file, *names = killer.partition("[")[0].split("::")
        body: list[ast.stmt] = ast.parse((REPO / file).read_text(encoding="utf-8")).body
        for name in names:
            found = [node for node in body if getattr(node, "name", None) == name]
            assert found, f"{file} has no {name}"
            body = getattr(found[0], "body", [])


def test_there_are_enough_and_of_every_kind() -> None:
    assert len(MUTANTS) >= 45
    files = {Path(edit.file).parts[0:2] for mutant in MUTANTS for edit in mutant.edits}
    assert {("libs", "guard"), ("services", "auth"), ("services", "gateway"), ("deploy", "openbao")} <= files
    assert any(mutant.sql for mutant in MUTANTS)
