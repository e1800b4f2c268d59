"""What a stack was configured from: a digest of each part's files, left in the run folder when it is applied (05.2).

`guard.build` says which code a process runs; this says under which policies, tables and limits. It must never be
written before what it tells of is done.
"""

from pathlib import Path

from guard import build
from stack import private_file
from stack.settings import SERVICES, Stack

# Each part's files, below the root of the repository.
PARTS: dict[str, tuple[str, ...]] = {
    "openbao": ("deploy/openbao/*.hcl",),
    "databases": ("deploy/postgres/*.sql", "libs/guard/guard/sql/*.sql"),
    "envoy": ("services/gateway/*.yaml",),
    "kafka": ("deploy/kafka/server.properties",),
    "prometheus": ("deploy/prometheus/*.yml",),
    **{f"{service}-migrate": (f"services/{service}/migrations/*.sql",) for service in SERVICES},
}
_CODE = "deploy/local/stack/*.py"  # what reads those files, and says the rest


def note(stack: Stack, part: str) -> None:
    """Part `part` of this stack is now what this tree says."""
    folder = private_file.folder(_folder(stack))
    private_file.write_if_changed(folder / part, _digest(stack, part))


def strange(stack: Stack) -> list[str]:
    """The parts that were last configured from other files than this tree's, or never."""
    return [part for part in PARTS if _noted(stack, part) != _digest(stack, part)]


def _folder(stack: Stack) -> Path:
    return stack.folder("configured")


def _noted(stack: Stack, part: str) -> str | None:
    try:
        return (_folder(stack) / part).read_text()
    except FileNotFoundError:
        return None


def _digest(stack: Stack, part: str) -> str:
    found = [path for pattern in (*PARTS[part], _CODE) for path in stack.repo.glob(pattern)]
    return build.digest_of((path.relative_to(stack.repo).as_posix(), path) for path in found)
