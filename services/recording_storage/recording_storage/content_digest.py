"""The `Content-Digest` of a body (RFC 9530): what its sender says that its SHA-256 is."""

import base64
import binascii
import re

from guard import errors

_FIELD = "/Content-Digest"
# A dictionary of structured fields (RFC 8941): algorithms, each with bytes between colons.
_MEMBER = re.compile(r"([a-z*][a-z0-9_.*-]{0,63})=:([A-Za-z0-9+/]{0,128}={0,2}):")
_MOST = 512  # characters


def announced(field: str | None) -> bytes | None:
    """The 32 bytes of its `sha-256`; None without the header. Raises Invalid for what cannot be checked."""
    if field is None:
        return None
    members = [_MEMBER.fullmatch(part.strip()) for part in field.split(",")] if len(field) <= _MOST else [None]
    found = [member[2] for member in members if member is not None and member[1] == "sha-256"]
    if None in members or len(found) != 1:
        raise errors.Invalid([(_FIELD, "This is read as sha-256=:BASE64: and nothing else is checked.")])
    try:
        digest = base64.b64decode(found[0] + "=" * (-len(found[0]) % 4))
    except binascii.Error:  # one character over, of which no byte can be made
        digest = b""
    if len(digest) != 32:  # noqa: PLR2004 - bytes of a SHA-256
        raise errors.Invalid([(_FIELD, "A SHA-256 has 32 bytes.")])
    return digest


def require(told: bytes | None, found: bytes) -> None:
    """Raises Invalid when the body is not the one that was announced."""
    if told is not None and told != found:
        raise errors.Invalid([(_FIELD, "The body has another SHA-256.")])
