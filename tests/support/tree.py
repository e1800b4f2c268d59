"""The project's own files, as the architecture tests read them: what git tracks or would, and nothing generated."""

import ast
import subprocess
from functools import cache
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
# Folders of code that runs in production or starts it; tests follow the same names but not the same lengths.
SOURCES = ("libs", "services", "deploy", "tools")


@cache
def files() -> tuple[Path, ...]:
    """Every file of the project, relative to its root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPO,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    found = sorted(Path(name) for name in listed.split("\0") if name and (REPO / name).is_file())
    assert found, "git lists no file: these tests would see nothing"
    return tuple(found)


def modules(*folders: str) -> list[Path]:
    """Python files below `folders` (default: all sources), relative to the root."""
    return [path for path in files() if path.suffix == ".py" and path.parts[0] in (folders or SOURCES)]


def documents() -> list[Path]:
    """Every Markdown file."""
    return [path for path in files() if path.suffix == ".md"]


def commit() -> str:
    """The commit that is checked out, with `-dirty` when files other than the bench's own differ from it."""
    name = _git("describe", "--always", "--abbrev=12")
    others = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs/performance*")
    return f"{name}-dirty" if others else name


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=REPO, check=True, capture_output=True, text=True).stdout.strip()


@cache
def text(path: Path) -> str:
    return (REPO / path).read_text(encoding="utf-8")


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(text(path))
