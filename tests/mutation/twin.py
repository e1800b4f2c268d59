"""A twin of this tree to switch safeguards off in: its own files, its own environment that finds them first, its git.

The environment borrows every installed package of ours but for the workspace's own, which are the twin's. What is
written into it is written with a time of its own, so that no compiled module of a mutant outlives it.
"""

import itertools
import os
import shutil
import subprocess
import sys
import time
import tomllib
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
FOLDER = REPO / ".mutants" / "tree"
# What lies beside the repository and is read by tests (vectors); it lies beside the twin too.
_BESIDE = "shared"


class Twin:
    """The copy in `.mutants/tree`, made afresh."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self.folder = folder
        self._seconds = itertools.count(int(time.time()))

    @property
    def python(self) -> Path:
        """Its interpreter: `sys.executable` of everything that runs in it."""
        return self.folder / ".venv" / "bin" / "python"

    @property
    def run(self) -> Path:
        """The run folder of its stack."""
        return self.folder / ".run-test"

    def make(self) -> None:
        """Copies what git tracks or would, as it lies there now, and gives it an environment."""
        shutil.rmtree(self.folder.parent, ignore_errors=True)
        self.folder.mkdir(parents=True)
        if (REPO.parent / _BESIDE).exists():
            (self.folder.parent / _BESIDE).symlink_to((REPO.parent / _BESIDE).resolve())
        for name in _listed():
            target = self.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPO / name, target)
        # The architecture tests ask git which files there are, the attack suite's report which commit it attacked.
        who = ("-c", "user.name=twin", "-c", "user.email=twin@example.org", "-c", "commit.gpgsign=false")
        for command in (["init", "-q"], ["add", "-A"], [*who, "commit", "-q", "--no-verify", "-m", "The twin"]):
            subprocess.run(["git", *command], cwd=self.folder, check=True)
        self._environment()

    def _environment(self) -> None:
        home = self.folder / ".venv"
        venv.EnvBuilder(symlinks=True).create(home)
        ours = Path(sys.prefix)
        packages = next((ours / "lib").glob("python*/site-packages"))
        told = tomllib.loads((self.folder / "pyproject.toml").read_text(encoding="utf-8"))
        patterns = told["tool"]["uv"]["workspace"]["members"]
        members = [path for pattern in patterns for path in sorted(self.folder.glob(pattern))]
        # A line of a .pth file is a place to look, in order; ours is named as a bare place, so that its own .pth files,
        # which lead to the originals, are not read.
        lines = "".join(f"{path}\n" for path in (*members, packages))
        next((home / "lib").glob("python*/site-packages")).joinpath("twin.pth").write_text(lines)
        for program in (ours / "bin").iterdir():
            self._program(program, home / "bin" / program.name)

    def _program(self, source: Path, target: Path) -> None:
        if target.exists() or not source.is_file():
            return
        content = source.read_bytes()
        if content.startswith(b"#!"):  # a console program names its interpreter, on its first or its second line
            ours, its = (os.fsencode(Path(place) / "bin" / "python") for place in (sys.prefix, self.folder / ".venv"))
            target.write_bytes(content.replace(ours, its))
            target.chmod(0o755)
        else:
            target.symlink_to(source)

    def environment(self, **more: str) -> dict[str, str]:
        """What a program of the twin sees of ours."""
        kept = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
        kept = {name: value for name, value in kept.items() if not name.startswith("KONCI_")}
        return {**kept, "PATH": f"{self.python.parent}:{os.environ['PATH']}", **more}

    @contextmanager
    def with_texts(self, texts: dict[Path, str]) -> Iterator[None]:
        """These files hold these texts inside the block, and what they held before after it."""
        before = {path: path.read_text(encoding="utf-8") for path in texts}
        try:
            for path, text in texts.items():
                self._write(path, text)
            yield
        finally:
            for path, text in before.items():
                self._write(path, text)

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text, encoding="utf-8")
        # Python knows a stale .pyc by whole seconds and size: each writing gets a second that no other has.
        moment = next(self._seconds)
        os.utime(path, (moment, moment))


def _listed() -> list[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPO, check=True, capture_output=True, text=True).stdout
    return [name for name in listed.split("\0") if name and (REPO / name).is_file()]
