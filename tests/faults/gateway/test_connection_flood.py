"""05.4: more connections than the gateway takes: the cap is exact, and who is in is served."""

import resource
import select
import socket
import time

import httpx2

from support.attacker import Target, attack
from support.edge import Edge
from support.good_client import CALLERS, GoodClient
from support.machine import wait_until

MORE = 300
_AT_ONCE = 20  # a moment's rest after so many: on two cores the attacker's own work must not be what is measured


def connect_often(target: Target, most: int) -> dict[str, float]:
    """Opens `most` connections and says how many of them are open a moment later; then holds them for a while."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, most + 200), hard))
    held: list[socket.socket] = []
    began = time.monotonic()
    for number in range(most):
        one = socket.socket()
        one.connect(("127.0.0.1", target.port))
        one.setblocking(False)
        held.append(one)
        if number % _AT_ONCE == 0:
            time.sleep(0.04)
    opened = time.monotonic() - began
    time.sleep(0.5)
    poll = select.poll()
    for one in held:
        poll.register(one, select.POLLIN | select.POLLHUP)
    cut = len(poll.poll(0))
    return {"open": most - cut, "seconds": opened}


def served(http: httpx2.Client, own: Edge) -> bool:
    try:
        return http.get("/v1/guests", headers=own.bearer()).status_code == 200
    except httpx2.TransportError:
        return False


def test_the_cap_is_exact_and_whoever_is_in_is_served(own: Edge, good: GoodClient, target: Target, cap: int) -> None:
    # Who comes new while the house is full has to wait; who was in is served as ever.
    seen, runs = good.through(lambda: attack(connect_often, target, most=cap + MORE), fresh=False)
    print(runs)
    for run in runs:
        assert run["seconds"] < 4, "the first have been let go before the last came: nothing is shown"
        # The good client has its kept connections, and one more while somebody new is being served.
        assert cap - CALLERS - 1 <= run["open"] <= cap - CALLERS
    seen.assert_served()
    with own.client() as http:
        wait_until(lambda: served(http, own), within=10, what="peace")


def test_whoever_watches_gets_in_while_the_house_is_full(own: Edge, cap: int) -> None:
    held = [socket.create_connection(("127.0.0.1", own.stack.port)) for _ in range(cap + 50)]
    try:
        assert own.statistic("listener.admin.downstream_cx_active") >= 1
        admin = f"http://127.0.0.1:{own.stack.port_of('envoy_admin')}"
        assert httpx2.get(f"{admin}/ready", trust_env=False, timeout=5).status_code == 200
    finally:
        for one in held:
            one.close()
