"""Audio of any length that nobody has to hold: a WAV whose samples are a key stream, so that a place tells its bytes.

AES in counter mode: any range is computed by itself, and no two places, lengths or seeds have the same bytes.
"""

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

PIECE = 2**18  # bytes made at once
_HEAD, _BLOCK, _SAMPLE = 44, 16, 2  # bytes: of the header, of a block of AES, of a sample
_RATE = 8000  # samples a second


@dataclass(frozen=True)
class Source:
    """A mono 16-bit WAV of `length` bytes, header and all, another one for each seed."""

    seed: int
    length: int

    def __post_init__(self) -> None:
        if self.length <= _HEAD or self.length % _SAMPLE:
            raise ValueError("a header and whole samples")

    @property
    def size(self) -> str:
        """Its length as a person says it."""
        mib, rest = divmod(self.length, 2**20)
        return f"{self.length} bytes" if rest else f"{mib} MiB" if mib % 1024 else f"{mib // 1024} GiB"

    def at(self, first: int, length: int) -> bytes:
        """So many bytes from `first` on, fewer where it ends."""
        last = min(first + length, self.length)
        return self._head()[first:last] + self._samples(max(first - _HEAD, 0), max(last - _HEAD, 0))

    def pieces(self) -> Iterator[bytes]:
        """All of it."""
        for first in range(0, self.length, PIECE):
            yield self.at(first, PIECE)

    def _head(self) -> bytes:
        form = struct.pack("<IHHIIHH", 16, 1, 1, _RATE, _RATE * _SAMPLE, _SAMPLE, 8 * _SAMPLE)
        riff = b"RIFF" + struct.pack("<I", self.length - 8) + b"WAVEfmt "
        return riff + form + b"data" + struct.pack("<I", self.length - _HEAD)

    def _samples(self, first: int, last: int) -> bytes:
        block, skipped = divmod(first, _BLOCK)
        key = hashlib.sha256(f"{self.seed} {self.length}".encode()).digest()[:16]
        stream = Cipher(algorithms.AES(key), modes.CTR(block.to_bytes(_BLOCK, "big"))).encryptor()
        return stream.update(bytes(skipped + last - first))[skipped:]
