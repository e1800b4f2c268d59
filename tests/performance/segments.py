"""Sealing and opening of a recording's segments against bare AES-256-GCM of OpenSSL at 16 KiB, on one core."""

import os
import time
from collections.abc import Callable

from cryptography.hazmat.backends.openssl import backend
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from events.uuid7 import uuid7
from performance.figure import Figure
from performance.load import middle
from recording_storage.segment import SEGMENT, Sealer, new_key

PIECE = 16 * 1024
CALLS = 400  # segments in a window: some 0.2 s
ROUNDS = 9


def measure() -> list[Figure]:
    """One figure for each way; both sides work on the same megabyte, in turns."""
    audio, sealer = os.urandom(SEGMENT), Sealer(new_key(), uuid7(), uuid7())
    sealed = sealer.seal(0, audio, is_last=False)
    return [
        _figure("encryption", lambda: sealer.seal(0, audio, is_last=False), _bare(audio, is_opening=False)),
        _figure("decryption", lambda: sealer.open(0, sealed, is_last=False), _bare(audio, is_opening=True)),
    ]


def _bare(audio: bytes, *, is_opening: bool) -> Callable[[], object]:
    """As little as can be around OpenSSL's calls: one key, one nonce, one buffer."""
    cipher, nonce, about = AESGCM(os.urandom(32)), bytes(12), None
    pieces = [audio[at : at + PIECE] for at in range(0, len(audio), PIECE)]
    if is_opening:
        pieces = [cipher.encrypt(nonce, piece, about) for piece in pieces]
    work, buffer = (
        (cipher.decrypt_into, bytearray(PIECE)) if is_opening else (cipher.encrypt_into, bytearray(PIECE + 16))
    )

    def through() -> None:
        for piece in pieces:
            work(nonce, piece, about, buffer)

    return through


def _figure(what: str, ours: Callable[[], object], bare: Callable[[], object]) -> Figure:
    _rate(ours), _rate(bare)
    pairs = [(_rate(ours), _rate(bare)) for _ in range(ROUNDS)]
    return Figure(
        f"recording {what} against OpenSSL's AES-256-GCM at 16 KiB",
        middle([own / theirs for own, theirs in pairs]), 0.5,
        f"median of {ROUNDS} rounds of {CALLS} segments of 1 MiB, one core:"
        f" {middle([own for own, _ in pairs]):.0f} MiB/s, bare {middle([theirs for _, theirs in pairs]):.0f} MiB/s"
        f" ({backend.openssl_version_text()})",
        series={"recording": [own for own, _ in pairs], "bare": [theirs for _, theirs in pairs]},
    )  # fmt: skip


def _rate(work: Callable[[], object]) -> float:
    """MiB in a second of processor."""
    began = time.process_time()
    for _ in range(CALLS):
        work()
    return CALLS / (time.process_time() - began)
