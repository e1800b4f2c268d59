"""Passwords: what is good enough (04.1, SP 800-63B-4), and Argon2id off the event loop. It stores and logs none."""

import asyncio
import re
import secrets
import unicodedata
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import matching, zxcvbn
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from guard import errors

_T = TypeVar("_T")

LONGEST = 128  # code points
SHORTEST = 15  # as the only factor (SP 800-63B-4, 3.1.1.2)
SHORTEST_WITH_TOTP = 12
_SCORE = 3  # of zxcvbn's 0 to 4: "safely unguessable" begins here
_SCORED = 72  # characters; zxcvbn's time grows with the square of the length, and it refuses more
# What somebody would try first here, of the product and its trade (ASVS 6.1.2); documented in README.md.
CONTEXT_WORDS = ("MyKonci", "Konci", "concierge", "hotel", "reception")
_REST = 8  # characters that must remain once the words that everybody knows are taken out
_WORKERS = 2
_QUEUE = 64  # requests that may wait for a hash before others are sent away

_argon2 = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=4)  # RFC 9106, section 4, second choice
_COMMON = frozenset(word.casefold() for word in FREQUENCY_LISTS["passwords"])
_LETTERS = {glyph: letter for letter, glyphs in matching.L33T_TABLE.items() for glyph in glyphs}
_WAYS = [
    _LETTERS | dict(zip("1|7", read, strict=True)) for read in ("iit", "iil", "llt", "lll")
]  # may be one of two letters


def normalise(password: str) -> str:
    """NFKC, so that one password typed on two keyboards is one password. Nothing is cut off."""
    return unicodedata.normalize("NFKC", password)


def is_short(password: str) -> bool:
    """Whether it is only good enough beside a second factor."""
    return _length(password) < SHORTEST


def check(password: str, known_words: Iterable[str], *, may_be_short: bool, pointer: str = "/password") -> None:
    """Raises TooGuessable, with what is wrong, for a password that may not be set.

    `known_words` are the user's e-mail and name and the client's name, `pointer` its place in the body.
    Blocks for up to 0.2 s, and zxcvbn keeps the caller's words in a global: call `Hasher.check`, which has one thread.
    """
    if len(password) > LONGEST:
        raise errors.TooGuessable(f"The password is longer than {LONGEST} characters.", pointer)
    shortest = SHORTEST_WITH_TOTP if may_be_short else SHORTEST
    if _length(password) < shortest:
        raise errors.TooGuessable(f"The password needs {shortest} characters or more.", pointer)
    normalised = normalise(password)
    if normalised.casefold() in _COMMON:
        raise errors.TooGuessable("The password is on the list of common passwords.", pointer)
    words = _words([*known_words, *CONTEXT_WORDS])
    plain = _plain(normalised)
    rest = _without(plain, words)
    if rest != plain and len(rest) < _REST:
        raise errors.TooGuessable("The password is little more than an e-mail address or a name.", pointer)
    if _score(normalised, words) < _SCORE:
        raise errors.TooGuessable("The password is too easy to guess: use several unrelated words.", pointer)


def _length(password: str) -> int:
    # The smaller of both: one typed ligature must not count as three characters.
    return min(len(password), len(normalise(password)))


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.casefold())


def _words(known: Iterable[str]) -> list[str]:
    found: set[str] = set()
    for text in known:
        normalised = normalise(text)
        found.update(_plain(part) for part in (normalised, *re.split(r"[\W_]+", normalised)))
    return sorted(word for word in found if len(word) > 3)  # noqa: PLR2004 - shorter words are in every password


def _without(text: str, words: list[str]) -> str:
    # The longest first: a name goes as a whole before its parts do.
    for word in sorted(words, key=len, reverse=True):
        text = text.replace(word, "")
    return text


def _score(password: str, words: list[str]) -> int:
    # Both ends, so that neither a strong beginning hides behind a weak one nor the other way round.
    parts = {password[:_SCORED], password[-_SCORED:]}
    return max(int(zxcvbn(part, user_inputs=words)["score"]) for part in parts)


def _readings(table: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """What the glyphs of a text stand for (`p4ssw0rd`), in four ways at most; `table` is the part of it that is there.

    In place of zxcvbn's own, which takes one glyph for each letter in every combination: 576 of them for one text, and
    six seconds of a core for its 72 characters. Here all glyphs of a letter are read at once, and only those that may
    be one of two letters make more readings than one.
    """
    there = {glyph for glyphs in table.values() for glyph in glyphs}
    ways = {tuple((glyph, way[glyph]) for glyph in sorted(there)) for way in _WAYS}
    return [dict(way) for way in sorted(ways)]


matching.enumerate_l33t_subs = _readings


class Hasher:
    """Argon2id on two threads. Whoever holds a `slot` may hash; others wait, and too many are sent away.

    New passwords are scored on a thread apart, so that no sign-in waits for what somebody wants to set.
    """

    def __init__(self) -> None:
        """Makes the hash that unknown users are compared with: 0.1 s."""
        self._threads = ThreadPoolExecutor(_WORKERS, thread_name_prefix="argon2")
        self._scorer = ThreadPoolExecutor(1, thread_name_prefix="zxcvbn")
        # One more than threads: while two hash, a third is at the database, before its hash or after it.
        self._slots = asyncio.Semaphore(_WORKERS + 1)
        self._waiting = self._scoring = 0
        self._nobodys = _argon2.hash(secrets.token_urlsafe(32))

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Room for one hash, and for what a sign-in does around it. Nobody waits here with a connection."""
        if self._waiting >= _QUEUE:
            raise errors.Unavailable(retry_after=1)
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._slots.release()

    async def check(
        self, password: str, known_words: Iterable[str], *, may_be_short: bool, pointer: str = "/password"
    ) -> None:
        """As `check`, in a thread. Raises Unavailable when too many wait for it."""
        if self._scoring >= _QUEUE:
            raise errors.Unavailable(retry_after=1)
        words = list(known_words)
        self._scoring += 1
        try:
            await self._run(self._scorer, lambda: check(password, words, may_be_short=may_be_short, pointer=pointer))
        finally:
            self._scoring -= 1

    async def hash(self, password: str) -> str:
        """The PHC string to store."""
        return await self._run(self._threads, lambda: _argon2.hash(normalise(password)))

    async def matches(self, stored: str | None, password: str) -> bool:
        """Whether the password is right. Without a stored hash: never, after the same work."""
        is_right = await self._run(self._threads, lambda: _verify(stored or self._nobodys, password))
        return is_right and stored is not None

    @staticmethod
    def is_outdated(stored: str) -> bool:
        """Whether it was made with other parameters than today's."""
        return _argon2.check_needs_rehash(stored)

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._scorer.shutdown(wait=False, cancel_futures=True)

    @staticmethod
    async def _run(threads: ThreadPoolExecutor, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(threads, work)


def _verify(stored: str, password: str) -> bool:
    try:
        return _argon2.verify(stored, normalise(password))
    except (VerificationError, InvalidHashError):
        return False
