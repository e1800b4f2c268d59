"""A decryptor of stored recordings, written from docs/formats/recording.md alone, with none of our code."""

from collections.abc import Sequence
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

CHUNK = 16384


def context(client: UUID, recording: UUID, number: int, *, is_last: bool) -> bytes:
    return b"konci.recording.v1\0" + client.bytes + recording.bytes + number.to_bytes(8, "big") + bytes([is_last])


def message(key: bytes, place: bytes, sealed: bytes) -> bytes:
    """The audio of one object; ValueError or InvalidTag when there is none to be had."""
    salt, commitment, chunks = sealed[:24], sealed[24:56], sealed[56:]
    info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + salt + place
    derived = HKDFExpand(SHA512(), 76, info).derive(key)
    if len(key) != 32 or derived[44:] != commitment:
        raise ValueError("another key or another place")
    cipher, base, plain = AESGCM(derived[:32]), int.from_bytes(derived[32:44], "big"), []
    for number, at in enumerate(range(0, len(chunks) + 1, CHUNK + 16)):
        nonce = (base ^ number).to_bytes(12, "big")
        plain.append(cipher.decrypt(nonce, chunks[at : at + CHUNK + 16], None))
    if len(plain[-1]) == CHUNK:
        raise ValueError("cut")
    return b"".join(plain)


def recording(key: bytes, client: UUID, name: UUID, objects: Sequence[bytes]) -> bytes:
    last = len(objects) - 1
    places = [context(client, name, number, is_last=number == last) for number in range(len(objects))]
    return b"".join(message(key, place, sealed) for place, sealed in zip(places, objects, strict=True))
