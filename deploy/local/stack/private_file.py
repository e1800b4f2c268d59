"""Files that are whole or absent: written aside, flushed, renamed, and closed to everybody but their owner."""

import os
import secrets
from pathlib import Path


def write(path: Path, content: str | bytes, *, mode: int = 0o600) -> None:
    """Replace `path` in one step; the file gets the owner of its folder (a server that runs as its own user)."""
    data = content.encode() if isinstance(content, str) else content
    aside = path.parent / f".{path.name}.{secrets.token_hex(4)}"
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            if os.geteuid() == 0:
                owner = path.parent.stat()
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            os.fchmod(file.fileno(), mode)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def write_if_changed(path: Path, content: str | bytes, *, mode: int = 0o600) -> bool:
    """Like `write`, but leaves an equal file alone; says whether it wrote."""
    data = content.encode() if isinstance(content, str) else content
    try:
        if path.read_bytes() == data:
            return False
    except FileNotFoundError:
        pass
    write(path, data, mode=mode)
    return True


def folder(path: Path, *, mode: int = 0o700) -> Path:
    """The folder, made with its parents when absent, with exactly these rights."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
    return path
