"""05.4, 04.1: a gateway that starts while `auth` is away knows no key: a good token is asked to wait, not refused."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from stack import envoy
from stack.envoy import Limits
from support.edge import Edge, assert_problem, edge
from support.machine import wait_until


@contextmanager
def _started_again(own: Edge, log: Path) -> Iterator[None]:
    """The gateway after a kill -9, as its supervisor would start it."""
    own.envoy.send_signal(signal.SIGKILL)
    own.envoy.wait(10)
    with log.open("wb") as output:
        again = subprocess.Popen(envoy.program(own.stack).command, stdout=output, stderr=output)
    try:
        yield
    finally:
        again.terminate()
        again.wait(10)


def _listens(http: httpx2.Client) -> bool:
    try:
        return http.get("/.well-known/nothing").status_code in {401, 404}
    except httpx2.TransportError:
        return False


def test_started_without_auth(tmp_path: Path) -> None:
    with edge(tmp_path, Limits()) as own:
        own.services["auth"].stop()
        with _started_again(own, tmp_path / "again.log"), own.client() as http:
            wait_until(lambda: _listens(http), within=20, what="the gateway")
            for _ in range(3):
                answer = http.get("/v1/guests", headers=own.bearer(sid="good"))
                assert_problem(answer, 503, "unavailable")
                assert int(answer.headers["retry-after"]) >= 1
            assert "/v1/guests" not in own.services["tenant_data"].seen[1:], "nothing passes unchecked"
            assert_problem(http.get("/v1/guests"), 401, "unauthenticated")
