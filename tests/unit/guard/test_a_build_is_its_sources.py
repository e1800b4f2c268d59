"""05.2: a process says which sources it runs: the same for the same files, another for any change of name or byte."""

import sys
from pathlib import Path

import pytest

from guard import build


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "made_up_part"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "one.py").write_text("A = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


def test_no_such_service() -> None:
    with pytest.raises(ModuleNotFoundError):
        build.digest("no_such_service")


def test_a_changed_byte_a_new_name_a_moved_border(package: Path) -> None:
    seen = {build.digest("made_up_part")}
    (package / "one.py").write_text("A = 2\n")
    seen.add(build.digest("made_up_part"))
    (package / "one.py").rename(package / "two.py")
    seen.add(build.digest("made_up_part"))
    (package / "rules.sql").write_text("SELECT 1")
    seen.add(build.digest("made_up_part"))
    (package / "rules.sql").write_text("SELECT 1\nmade_up_part/two.py")
    seen.add(build.digest("made_up_part"))
    assert len(seen) == 5


def test_the_same_sources_and_what_is_compiled_from_them(package: Path) -> None:
    before = build.digest("made_up_part")
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / f"one.{sys.implementation.cache_tag}.pyc").write_bytes(b"compiled")
    assert build.digest("made_up_part") == before
    assert len(before) == 16
    assert int(before, 16) >= 0


def test_services_are_told_apart() -> None:
    assert len({build.digest(service) for service in ("auth", "tenant_data", "audit", "recording_storage")}) == 4
