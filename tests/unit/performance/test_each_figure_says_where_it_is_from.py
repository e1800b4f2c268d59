"""The bench's page claims no single run: beside each figure stand the commit and the day it was measured at."""

import json
from pathlib import Path

import pytest

from performance import kept, page
from performance.figure import Figure

READ = Figure("guarded read", 0.61, 0.5, "seven windows")
HASH = Figure("sign-ins", 0.7, 0.9, "five windows")


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(kept, "_FILE", tmp_path / "performance" / "figures.json")
    monkeypatch.setattr(page, "PAGE", tmp_path / "performance.md")


def lines() -> list[str]:
    return page.write(kept.load().values()).read_text().splitlines()


def test_figures_of_two_commits_each_with_its_own() -> None:
    kept.save("guarded_read", [READ], "one commit", "2026-11-20")
    kept.save("sign_in", [HASH], "another-dirty", "2026-11-26")
    told = lines()
    assert "| guarded read | 0.61 | ≥ 0.5 | kept | `one commit`, 2026-11-20 |" in told
    assert "| sign-ins | 0.7 | ≥ 0.9 | **missed** | `another-dirty`, 2026-11-26 |" in told


def test_figures_of_two_machines_each_with_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_processor", lambda: "One")
    kept.save("guarded_read", [READ], "one commit", "2026-11-20")
    assert not [line for line in lines() if line.endswith(", on A |")]
    monkeypatch.setattr(kept, "_processor", lambda: "Other")
    kept.save("sign_in", [HASH], "another", "2026-11-26")
    told = lines()
    assert [line for line in told if line.startswith("Measured on A, One (") and "; B, Other (" in line]
    [row] = [line for line in told if line.startswith("| sign-ins")]
    assert row.endswith(", on B |")


def test_one_that_is_measured_anew_is_of_its_new_commit_alone() -> None:
    for commit in ("one commit", "another"):
        kept.save("guarded_read", [READ], commit, "2026-11-20")
    assert [measured.commit for measured in kept.load().values()] == ["another"]


def test_what_does_not_say_where_it_is_from_is_not_kept() -> None:
    kept._FILE.parent.mkdir()
    kept._FILE.write_text(json.dumps({"sign_in": [{"name": "sign-ins", "value": 1, "bound": 0.9, "how": ""}]}))
    assert kept.load() == {}
    kept.save("guarded_read", [READ], "one commit", "2026-11-20")
    assert set(kept.load()) == {"guarded_read"}


def test_what_was_not_measured_yet_is_said() -> None:
    kept.save("guarded_read", [READ], "one commit", "2026-11-20")
    told = page.write(kept.load().values(), ["memory"]).read_text().splitlines()
    assert "| memory | not measured yet | | | |" in told


def test_a_plot_has_the_names_of_its_own_axes() -> None:
    held = Figure("memory", 90, 200, "", series={"Rss": [1.0] * 30}, axes=("looks", "MiB more"))
    kept.save("recordings", [held], "one commit", "2026-11-20")
    [drawn] = page.write(kept.load().values()).parent.glob("performance/*.svg")
    told = drawn.read_text()
    assert "<!-- looks -->" in told
    assert "<!-- MiB more -->" in told
    assert "<!-- per second -->" not in told
