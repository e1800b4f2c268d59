"""`konci recording decrypt`: a client that holds its key opens a recording by itself (docs/formats/recording.md).

It needs no stack and no network, and leaves no file but one that is the whole recording.
"""

import hashlib
import os
import re
import secrets
from pathlib import Path
from typing import Annotated, BinaryIO
from uuid import UUID

import typer
from rich.text import Text

from konci import screen
from konci.failure import Failed
from konci.screen import AsJson
from recording_storage.segment import KEY, SEGMENT, Damaged, Sealer, sealed_length

app = typer.Typer(
    help="Recordings as they are stored, opened without the platform.\n\nExample: konci recording decrypt --help",
    no_args_is_help=True,
)

_NUMBER = re.compile(r"[0-9]{6}")
_HEX = re.compile(r"[0-9a-fA-F]{64}")


def _a_key(value: str) -> bytes:
    if _HEX.fullmatch(value):
        return bytes.fromhex(value)
    try:
        with Path(value).open("rb") as file:
            told = file.read(256)
    except (OSError, ValueError):
        # Its words may be a key that was mistyped: they are not repeated.
        raise typer.BadParameter("neither 64 hex digits nor a file that can be read") from None
    if len(told) == KEY:
        return told
    text = told.decode("ascii", errors="replace").strip()
    if not _HEX.fullmatch(text):
        raise typer.BadParameter("the file holds neither 32 bytes nor 64 hex digits")
    return bytes.fromhex(text)


@app.command()
def decrypt(
    key: Annotated[
        bytes,
        typer.Option(
            parser=_a_key,
            metavar="HEX|FILE",
            help="The recording's key; in a file nobody sees it in the list of programs.",
        ),
    ],
    client: Annotated[UUID, typer.Option(help="The client's id.")],
    recording: Annotated[UUID, typer.Option(help="The recording's id.")],
    folder: Annotated[
        Path, typer.Option("--in", metavar="FOLDER", help="The recording's segments: 000000, 000001 and so on.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the audio goes; must not be there yet.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Decrypt a recording from its segments; nothing of one that was cut, swapped or damaged is kept.

    Example: konci recording decrypt --key key.hex --client 01890a5d-ac96-774b-bcce-b302099a8057
    --recording 01890a5d-b3c4-7e21-9d0f-6a1f1c2b3d4e --in segments --out call.wav
    """
    segments = _segments(folder)
    if out.exists() or out.is_symlink():
        raise Failed(f"{out} is there already", "name another file")
    if not out.parent.is_dir():
        raise Failed(f"{out.parent} is no folder", "name a file in one that is there")
    length, digest = _written(segments, Sealer(key, client, recording), out)
    result = {"recording_id": str(recording), "segments": len(segments), "bytes": length, "sha256": digest}
    words = f"{out}: {length} bytes, every one authenticated\nsha256 {digest}"
    screen.show({**result, "file": str(out)}, Text(words), as_json=as_json)


def _segments(folder: Path) -> list[Path]:
    """The segments' files in their order; what has another name is none."""
    if not folder.is_dir():
        raise Failed(f"{folder} is no folder", "name the one that holds the recording's segments")
    found = sorted(path for path in folder.iterdir() if _NUMBER.fullmatch(path.name))
    if not found:
        raise Failed(f"{folder} holds no segment", "copy the recording's objects into it, from 000000 on")
    for number, path in enumerate(found):
        if int(path.name) != number:
            raise Failed(f"segment {number:06d} is missing", "copy it from a zone")
    return found


def _written(segments: list[Path], sealer: Sealer, out: Path) -> tuple[int, str]:
    """The recording, at `out`, whole or not at all; its bytes and their SHA-256."""
    aside = out.parent / f".{out.name}.{secrets.token_hex(4)}"
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            told = _decrypt(segments, sealer, file)
            file.flush()
            os.fsync(file.fileno())
        aside.rename(out)
    finally:
        aside.unlink(missing_ok=True)
    return told


def _decrypt(segments: list[Path], sealer: Sealer, file: BinaryIO) -> tuple[int, str]:
    digest, last = hashlib.sha256(), len(segments) - 1
    for number, path in enumerate(segments):
        with path.open("rb") as stored:
            sealed = stored.read(sealed_length(SEGMENT) + 1)
        try:
            plain = sealer.open(number, sealed, is_last=number == last)
        except Damaged:
            whose = "is damaged, of another place or recording, or of another key"
            what = f"segment {path.name} {whose}" + (", or is not the last" if number == last else "")
            raise Failed(what, "check the ids and the key, or copy it from the other zone") from None
        digest.update(plain)
        file.write(plain)
    return file.tell(), digest.hexdigest()


def register(root: typer.Typer) -> None:
    """Adds `konci recording`."""
    root.add_typer(app, name="recording")
