"""What a request brings: read here as a whole, or handed on piece by piece to the one route that streams (04.1).

Too large, cut short, of another type, too deep: none of it reaches a route as if it were a body.
"""

import itertools
import re
from collections.abc import Mapping

from starlette.types import Message, Receive

from guard import errors

BODY = 2**20  # bytes (API.md)
_DEPTH = 32  # of nested JSON; nothing here is deeper than four
_QUOTES = 40_000  # the longest transcript has 24 000; a megabyte of small fields took 50 ms of everybody's time
# A text (closed or not), or a run of anything but brackets. Possessive: linear in time whatever is sent.
_TEXT_OR_BRACKET = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[]["{}]', re.DOTALL)
_RISE = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}
_NO_BRACKET = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[^]["{}]++', re.DOTALL)
_ENDED_EARLY = "The body ended early."  # its sender has gone: half a request is none


async def whole(receive: Receive, headers: Mapping[str, str]) -> Receive:
    """The body, read: JSON of 1 MiB at most. Raises TooLarge, WrongMedia, or Malformed (also: too deep, cut short)."""
    body = await _read(receive, headers)
    if body:
        media = headers.get("content-type", "").partition(";")[0].strip().lower()
        if media != "application/json":
            raise errors.WrongMedia
        if b"\0" in body:
            raise errors.Malformed("The body is not valid JSON in UTF-8.")  # but UTF-16, or no JSON at all
        if body.count(b'"') - body.count(b'\\"') > _QUOTES or _is_too_deep(body):
            raise errors.Malformed("The body is nested too deeply, has too many fields, or is not closed.")
    is_given = False

    async def given() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return given


def pieces(receive: Receive, headers: Mapping[str, str], most: int) -> Receive:
    """The body as it comes, of `most` bytes at most, for a route that reads it itself. Not a byte is read here.

    Raises TooLarge at once when that is announced; read, it raises TooLarge beyond, and Malformed when it is cut short.
    """
    _require_announced(headers, most)
    taken = 0
    is_there = False

    async def given() -> Message:
        nonlocal taken, is_there
        message = await receive()
        if is_there:
            return message  # the caller's leaving, for whoever listens while it answers
        if message["type"] != "http.request":
            raise errors.Malformed(_ENDED_EARLY)
        taken += len(message.get("body", b""))
        if taken > most:
            raise errors.TooLarge
        is_there = not message.get("more_body", False)
        return message

    return given


def _require_announced(headers: Mapping[str, str], most: int) -> None:
    length = headers.get("content-length", "0")
    if length.isdecimal() and int(length[:20]) > most:
        raise errors.TooLarge


async def _read(receive: Receive, headers: Mapping[str, str]) -> bytes:
    _require_announced(headers, BODY)
    body = bytearray()
    more = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise errors.Malformed(_ENDED_EARLY)
        body += message.get("body", b"")
        if len(body) > BODY:
            raise errors.TooLarge
        more = message.get("more_body", False)
    return bytes(body)


def _is_too_deep(body: bytes) -> bool:
    if body.count(b"[") + body.count(b"{") <= _DEPTH:
        return False
    first = itertools.islice(_TEXT_OR_BRACKET.finditer(body), 1000)  # an attack is seen at its beginning
    if max(itertools.accumulate(_RISE.get(step[0], 0) for step in first), default=0) > _DEPTH:
        return True
    brackets = _NO_BRACKET.sub(b"", body)
    for _ in range(_DEPTH):  # each round takes the innermost pairs away
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    return bool(brackets)
