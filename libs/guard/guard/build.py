"""Which code a process runs: a digest of the sources of `guard`, `events` and the service (05.2).

It tells one build from another, so that evidence about a stack is evidence about its code. It must never name a path.
"""

import hashlib
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

_SOURCES = (".py", ".sql", ".yaml")  # what runs or is read as rules; not what was compiled from it


def digest(service: str) -> str:
    """The first 16 hex of a SHA-256 over names and contents of the sources of `service`, as they are on disk now.

    A process says what it took at its start: what is edited later is not what it runs. Raises ModuleNotFoundError.
    """
    files: list[tuple[str, Path]] = []
    for package in ("events", "guard", service):
        folder = _folder(package)
        found = (path for path in folder.rglob("*") if path.suffix in _SOURCES)
        files += ((f"{package}/{path.relative_to(folder).as_posix()}", path) for path in found)
    return digest_of(files)


def digest_of(files: Iterable[tuple[str, Path]]) -> str:
    """The first 16 hex of a SHA-256 over these names and the contents of their files, whatever their order."""
    total = hashlib.sha256()
    for name, path in sorted(files):
        content = path.read_bytes()
        # Each part with its length: no two sets of files have one text.
        total.update(f"{name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()[:16]


def _folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(package)
    return Path(next(iter(spec.submodule_search_locations)))
