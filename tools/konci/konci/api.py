"""HTTP as `konci` speaks it: TLS 1.3, our own CA, one person's token. It knows no route and keeps no token on disk."""

import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, cast

import httpx2

from konci.failure import Failed

# How long one request may be put off by 429 and 503 answers, in seconds, before the command gives up.
PATIENCE = 60.0
TIMEOUT = 15.0


def trust(ca: str) -> ssl.SSLContext:
    """TLS 1.3 and nothing older (02.2), against the platform's own root: `ca` is the path of its PEM file."""
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, the body (read from JSON, audio as bytes, `None` if empty), its entry in the log."""

    status: int
    body: Any
    access_event: str | None
    etag: str | None

    def problem(self) -> str:
        """The problem's title and detail on one line; for an answer that is none, its status."""
        if isinstance(self.body, dict):
            words = cast("dict[str, Any]", self.body)
            told = (str(words[key]) for key in ("title", "detail") if words.get(key))
            said = ": ".join(dict.fromkeys(told))  # some have nothing to add to their title
            # A 422 names its fields in `errors`; without them the line would say only that something is wrong.
            fields = "; ".join(f"{error.get('pointer')} {error.get('detail')}" for error in words.get("errors") or ())
            return f"{self.status} {said} {fields}".strip()
        return str(self.status)


class Api:
    """A connection that is kept alive. Counts `retries`, because a repeated request is a second access in the log."""

    def __init__(self, url: str, context: ssl.SSLContext, token: str | None = None) -> None:
        """`url` is the origin of the gateway or of a service's internal listener; `token` a bearer token, or none."""
        self.url = url
        self.token = token
        self.retries = 0
        # trust_env off: a proxy variable of the machine must not see tokens and guest data.
        self._http = httpx2.Client(
            base_url=url, verify=context, timeout=TIMEOUT, trust_env=False, headers={"User-Agent": "konci"}
        )

    def __enter__(self) -> Self:
        """Nothing is opened yet: the first request connects."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the connections."""
        self.close()

    def close(self) -> None:
        """Closes the connections; safe to call again."""
        self._http.close()

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: object | None = None,
        expect: tuple[int, ...] = (200,),
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer, if its status was expected. Waits out 429 and 503 as `Retry-After` says, up to PATIENCE.

        A `body` of bytes is sent as it is, and `headers` say what it is; any other as JSON.

        Raises Failed for any other status, and when nobody answers.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            answer, retry_after = self._once(method, path, body, query, headers)
            if answer.status in expect:
                return answer
            if retry_after is None or time.monotonic() + retry_after > deadline:
                # The path may hold ids, never personal data (API: look-ups go in a body).
                raise Failed(f"{method} {path} was answered {answer.problem()}", "see docs/problems.md")
            self.retries += 1
            time.sleep(retry_after)

    def _once(
        self,
        method: str,
        path: str,
        body: object | None,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
    ) -> tuple[Answer, float | None]:
        sent = dict(headers or {})
        if self.token is not None:
            sent["Authorization"] = f"Bearer {self.token}"
        content = body if isinstance(body, bytes) else None
        if body is not None and content is None:
            content = json.dumps(body, ensure_ascii=False).encode()
            sent["Content-Type"] = "application/json"
        try:
            response = self._http.request(method, path, content=content, params=dict(query or {}), headers=sent)
        except httpx2.TransportError as error:
            raise Failed(
                f"{self.url} does not answer ({type(error).__name__}: {error})", "run `konci status`, then `konci up`"
            ) from error
        return _read(response)


def _body(response: httpx2.Response) -> Any:
    media = response.headers.get("Content-Type", "")
    if media.startswith("audio/"):
        return response.content
    return response.json() if "json" in media and response.content else response.text or None


def _read(response: httpx2.Response) -> tuple[Answer, float | None]:
    answer = Answer(
        status=response.status_code,
        body=_body(response),
        access_event=response.headers.get("Access-Event"),
        etag=response.headers.get("ETag"),
    )
    after = response.headers.get("Retry-After", "1")
    seconds = float(after) if after.isdigit() else 1.0
    return answer, max(seconds, 0.2) if response.status_code in {429, 503} else None
