"""A zone in a local folder: what obstore's LocalStore leaves to be done. It never reaches outside its folder.

LocalStore writes `000001#1` and renames it. It syncs nothing, gives modes by the process's mask, and hides what a
killed process left half-written; a folder that is not there it makes anew, also where a disk should be mounted; and it
follows links.
"""

import asyncio
import errno
import os
import re
import stat
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import TypeVar

from obstore.store import LocalStore

from recording_storage import segment
from recording_storage.mark import MARK, Recognise

_DEBRIS = re.compile(r".+#\d+")
_THREADS = 64  # of this zone alone, as many as calls under way: one that hangs takes none of its neighbour, nor another

T = TypeVar("T")


class Folder:
    """A folder of this machine, or of a disk mounted on it."""

    believed = 0.0  # seconds: at any time its disk can be gone, and what is written is written beside it
    must_settle = True  # a power cut takes an object whose entry in its folder, or its folder's, is not on the disk

    def __init__(self, root: str) -> None:
        self._root = Path(root)
        self._store: LocalStore | None = None
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="zone")

    async def store(self) -> LocalStore:
        """What reads and writes here. Raises FileNotFoundError while there is no folder."""
        if self._store is None:
            self._store = await self._run(self._open)
        return self._store

    def _open(self) -> LocalStore:
        # LocalStore stays where a link led to when it was opened; so must all else, or a mark is looked for in one
        # place and what it stands for is written to another.
        self._root = self._root.resolve(strict=True)
        return LocalStore(self._root, automatic_cleanup=True)

    async def stay_inside(self, paths: Iterable[str]) -> None:
        """Raises OSError when one of these paths leads through a link, or is one."""
        await self._run(lambda: _refuse_links(self._root, paths))

    async def make(self) -> None:
        """The folder itself, for its owner only. Raises OSError."""
        await self._run(lambda: _make(self._root))

    async def mark(self) -> bytes | None:
        """What it says that it is. Raises OSError."""
        store = await self.store()
        return await self._run(lambda: _mark(store))

    # Handed over once for all of it: five times, step by step, cost a seventh of an upload's processor.
    async def put(self, path: str, body: bytes | memoryview, recognise: Recognise | None = None) -> None:
        """Writes an object, whole or not at all, once its mark is recognised; its contents are on the disk then, and
        its owner's only. Raises OSError, BaseError.
        """
        store = await self.store()

        def put() -> None:
            if recognise is not None:
                recognise(_mark(store))
            _refuse_links(self._root, PurePosixPath(path).parents)  # the object itself is replaced, whatever it is
            store.put(path, body, use_multipart=False)
            _sync(self._root / path, 0o600)

        await self._run(put)

    async def get(self, path: str) -> memoryview:
        """An object. Raises FileNotFoundError, OSError, BaseError, and Damaged for what is longer than any segment."""
        store = await self.store()

        def get() -> memoryview:
            _refuse_links(self._root, [path])
            answer = store.get(path)
            segment.require_length(answer.meta["size"])
            return memoryview(answer.bytes())

        return await self._run(get)

    async def settle(self, below: str) -> None:
        """What was put into the folder `below` is found there after a power cut, and not before. Raises OSError."""
        await self._run(lambda: _settle(self._root, below))

    async def clear(self, below: str, older_than: timedelta) -> int:
        """Removes what killed processes left below `below`; how many files that were. Raises OSError."""
        return await self._run(lambda: _clear(self._root, below, older_than))

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _mark(store: LocalStore) -> bytes | None:
    try:
        return bytes(store.get(MARK).bytes())
    except FileNotFoundError:
        return None


def _refuse_links(root: Path, paths: Iterable[str | PurePosixPath]) -> None:
    # The zone itself may be one. Whoever can make links in it is not kept away by this, if he is quick: it is against
    # links that are left there, behind which audio would be written, and what is not ours read and erased.
    parts = {part for path in map(PurePosixPath, paths) for part in (path, *path.parents)} - {PurePosixPath()}
    for part in parts:
        if (root / part).is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def _make(root: Path) -> None:
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    root.chmod(0o700)
    for above in root.parents:
        with suppress(PermissionError):  # of what may not be read none was made here
            _sync(above)


def _settle(root: Path, below: str) -> None:
    _refuse_links(root, [below])
    # A new file is in its folder, and a new folder in the one above, only when these are synced too. All of them each
    # time: which of them are new is not known here, as another process may have made one and been killed.
    for folder in (root / below, *(root / below).parents):
        _sync(folder, 0o700)
        if folder == root:
            return


def _sync(path: Path, mode: int | None = None) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        # Not when it is so already: that too would have to be written, each time.
        if mode is not None and stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:
            os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _clear(root: Path, below: str, older_than: timedelta) -> int:
    _refuse_links(root, [below])
    before = time.time() - older_than.total_seconds()
    try:
        return _clear_folder(root / below, before, is_top=True)
    except FileNotFoundError:  # nothing was ever written there
        return 0


def _clear_folder(folder: Path, before: float, *, is_top: bool = False) -> int:
    removed = 0
    is_old = folder.stat().st_mtime <= before  # asked first: what is removed makes it young
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # it was renamed or erased meanwhile
                if entry.is_dir(follow_symlinks=False):
                    removed += _clear_folder(Path(entry.path), before)
                elif _DEBRIS.fullmatch(entry.name) and entry.stat(follow_symlinks=False).st_mtime <= before:
                    Path(entry.path).unlink()
                    removed += 1
    if is_old and not is_top:
        with suppress(OSError):  # it holds something; a writer that loses an empty one makes it again
            folder.rmdir()
    return removed
