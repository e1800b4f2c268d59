"""The environment of a judge that has dependencies of its own, made from its hashed lock. Never the product's own."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from judges.verdict import CannotJudge
from support.tree import REPO

HERE = Path(__file__).parent
_UV = Path(sys.executable).parent / "uv"
_PATIENCE = 300  # seconds for a first install


def tool(judge: str, program: str) -> Path:
    """The path of `program` in the environment of `judge`, which is made first when its lock has changed.

    Raises CannotJudge when a package is not to be had: a judge without its tool has not judged.
    """
    folder = REPO / ".judges" / judge
    lock = HERE / f"{judge}.lock"
    digest = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    stamp = folder / ".installed"
    if not stamp.exists() or stamp.read_text() != digest:
        print(f"{judge}: installing {lock.name} into .judges/{judge}", flush=True)
        _run([str(_UV), "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)])
        python = folder / "bin" / "python"
        _run([str(_UV), "pip", "install", "--quiet", "--python", str(python), "--require-hashes", "-r", str(lock)])
        stamp.write_text(digest)
    found = folder / "bin" / program
    if not found.exists():
        raise CannotJudge(f"{program} is not in .judges/{judge}: remove that folder and try again")
    return found


def version(program: Path, *arguments: str) -> str:
    """What `program` says of its version, in one line."""
    done = subprocess.run([str(program), *arguments], capture_output=True, text=True, timeout=60, check=False)
    return " ".join((done.stdout or done.stderr).split())


def _run(command: list[str]) -> None:
    # uv would otherwise bring trust anchors of its own, which do not know a mirror of the registry.
    told = {**os.environ, "UV_SYSTEM_CERTS": "1"}
    try:
        done = subprocess.run(command, env=told, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired) as failed:
        raise CannotJudge(f"the tool was not installed ({type(failed).__name__}): run `make install`") from failed
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        raise CannotJudge(f"the tool was not installed ({said[:200]}): see whether the package index is reached")
