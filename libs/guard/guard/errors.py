"""The one family of errors: domain words, raised where known, rendered once at the edge as RFC 9457 problems.

Each kind is a page of docs/problems.md. Nothing here may carry a stack, a table's name or a foreign id.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar


class Problem(Exception):
    """An answer that is not a success. `detail` is shown to the caller."""

    status: ClassVar[int] = 500
    kind: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong here"

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.headers: Mapping[str, str] = {}
        self.errors: Sequence[tuple[str, str]] = ()

    @property
    def type(self) -> str:
        """The stable URI path of this kind (RFC 9457)."""
        return f"/problems/{self.kind}"


class Malformed(Problem):
    """400: the request cannot be read at all."""

    status, kind, title = 400, "malformed", "The request cannot be read"


class Unauthenticated(Problem):
    """401: no valid token."""

    status, kind, title = 401, "unauthenticated", "A valid access token is needed"

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail)
        self.headers = {"WWW-Authenticate": "Bearer"}


class Forbidden(Problem):
    """403: the caller is known and lacks `right`."""

    status, kind, title = 403, "forbidden", "This needs a right that you do not have"

    def __init__(self, right: str) -> None:
        super().__init__(f"The right {right} is needed.")
        self.right = right


class SignInAgain(Problem):
    """403: the caller may, but its password was entered too long ago for this."""

    status, kind, title = 403, "sign-in-again", "Sign in again before you do this"


class NotFound(Problem):
    """404: the same for what is not there and what is not yours (invariant 12)."""

    status, kind, title = 404, "not-found", "There is nothing here"


class NotAllowed(Problem):
    """405: the route does not know this method; `Allow` names those it knows."""

    status, kind, title = 405, "not-allowed", "This method is not allowed here"


class Slow(Problem):
    """408, the gateway's: the request did not arrive in time."""

    status, kind, title = 408, "slow", "The request did not arrive in time"


class Conflict(Problem):
    """409: what is there forbids it."""

    status, kind, title = 409, "conflict", "This conflicts with what is there"


class Stale(Problem):
    """412: the resource has changed since it was read."""

    status, kind, title = 412, "stale", "This has changed since you read it"


class TooLarge(Problem):
    """413: the body is over the limit."""

    status, kind, title = 413, "too-large", "The body is too large"


class WrongMedia(Problem):
    """415: not a media type that this route reads."""

    status, kind, title = 415, "wrong-media", "The media type is not supported"


class Unsatisfiable(Problem):
    """416: no one range of what has `length` bytes; `Content-Range` says how many there are (RFC 9110, 15.5.17)."""

    status, kind, title = 416, "unsatisfiable", "The range is not to be had"

    def __init__(self, length: int, detail: str | None = None) -> None:
        super().__init__(detail)
        self.headers = {"Content-Range": f"bytes */{length}"}


class Invalid(Problem):
    """422: well-formed and wrong; `errors` are (JSON pointer, detail) pairs that never quote the input."""

    status, kind, title = 422, "invalid", "Some fields are not acceptable"

    def __init__(self, errors: Sequence[tuple[str, str]], detail: str | None = None) -> None:
        super().__init__(detail)
        self.errors = errors


class TooGuessable(Invalid):
    """422: a password that could be guessed, and why."""

    kind, title = "too-guessable", "This password is too easy to guess"

    def __init__(self, detail: str, pointer: str = "/password") -> None:
        super().__init__([(pointer, detail)], detail)


class TooMany(Problem):
    """429: try again after `retry_after` seconds."""

    status, kind, title = 429, "too-many", "Too many attempts"

    def __init__(self, retry_after: int, detail: str | None = None) -> None:
        super().__init__(detail)
        self.headers = {"Retry-After": str(retry_after)}


class HeadersTooLarge(Problem):
    """431, the gateway's: too many headers, or too long."""

    status, kind, title = 431, "headers-too-large", "The headers are too large"


class Unavailable(Problem):
    """503: a part that is needed is away; nothing was answered, nothing was lost, try again (invariant 14)."""

    status, kind, title = 503, "unavailable", "This cannot be answered at the moment"

    def __init__(self, detail: str | None = None, *, retry_after: int = 2) -> None:
        super().__init__(detail)
        self.headers = {"Retry-After": str(retry_after)}
