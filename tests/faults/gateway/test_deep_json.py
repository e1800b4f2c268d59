"""05.3: JSON that is deep or wide, sent through the real gateway to real services, harms nobody else."""

import time
from collections import Counter
from pathlib import Path

from support.attacker import Target, attack
from support.good_client import ENOUGH, good_client
from support.hotel import Hotel, expect
from support.machine import Machine
from support.newcomer import newcomer
from support.wire import Line

DEEP = 100_000  # levels
PACE = 0.05  # seconds between two bodies: twenty a second, of up to 1 MB
EVERY = 0.3  # of the good client: 67 a second, a fifth of the guarded reads that two cores serve


def send_json(target: Target, seconds: float) -> dict[str, dict[str, int]]:
    end = time.monotonic() + seconds
    bodies = {
        "arrays": "[" * DEEP + "]" * DEEP,
        "objects": '{"name":' * DEEP + "1" + "}" * DEEP,
        "a deep field": '{"name": ' + "[" * DEEP + "]" * DEEP + "}",
        "many fields": "{" + ",".join(f'"f{number}": {number}' for number in range(60_000)) + "}",
        "a long number": '{"name": ' + "9" * 900_000 + "}",
        "never closed": "[" * DEEP,
    }
    answered: dict[str, Counter[str]] = {name: Counter() for name in bodies}
    first = True
    while first or time.monotonic() < end:
        first = False
        for name, body in bodies.items():
            for path in ("/v1/guests", "/v1/calls"):
                with Line(target) as line:
                    head = [
                        f"POST {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {target.token}",
                        "Content-Type: application/json", f"Content-Length: {len(body)}", "Connection: close", "", "",
                    ]  # fmt: skip
                    line.send("\r\n".join(head).encode() + body.encode())
                    line.read(10)
                    answered[name][line.received[9:12].decode() or "cut"] += 1
                time.sleep(PACE)
    return {name: dict(statuses) for name, statuses in answered.items()}


def test_it_is_refused_and_others_are_served(stack: Machine, otter: Hotel, heron: Hotel, tmp_path: Path) -> None:
    ca = str(stack.run / "ca.pem")
    attacker = newcomer(otter)
    guest = heron.guest()["id"]
    reader = newcomer(heron)
    expect(reader.get(f"/v1/guests/{guest}"), 200)
    target = Target(stack.port_of("gateway"), ca, attacker.token)
    path = f"/v1/guests/{guest}?number={{}}"
    with good_client(tmp_path, port=target.port, ca=ca, token=reader.token, path=path, every=EVERY) as good:
        # Every second or two the events on their way to the log keep both cores busy for a moment: peace is uneven.
        seen, runs = good.through(lambda: attack(send_json, target, seconds=5), peace=2 * ENOUGH)
    for name in runs[0]:
        statuses = {status for run in runs for status in run[name]}
        print(f"{name}: {sorted(statuses)}")
        assert statuses <= {"400", "422"}, name
    seen.assert_served()
