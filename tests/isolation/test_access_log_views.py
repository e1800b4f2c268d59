"""04.4: each client's access log shows its own, all of its own, and none of another's; an attempt is in the attacker's.

What is written of an attempt on another's object is the same as of one on nothing: the log is no oracle either.
"""

import json
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx2

from events.uuid7 import uuid7
from pentest.evidence import Probes
from support.book import Ask, Book, Route, as_of
from support.ceremonies import CEREMONIES
from support.hotel import Hotel, expect


def _ways(hotel: Hotel, **filters: str) -> Iterator[tuple[str, str]]:
    """Every way to read one's own log, with what it answered."""
    admin = hotel.admin
    yield "GET /v1/access-events", json.dumps(hotel.log(**filters))
    found = expect(admin.post("/v1/access-events/search", params={"limit": 200}, json=filters), 200)
    yield "POST /v1/access-events/search", found.text
    for kind in ("csv", "jsonl"):
        yield (
            "GET /v1/access-events/export",
            expect(admin.get("/v1/access-events/export", params={"format": kind, **filters}), 200).text,
        )


def test_nothing_of_another(otter: Hotel, heron: Hotel, probes: Probes) -> None:
    guest = heron.guest(name="A guest of theirs")
    people = [person.user_id for person in (heron.admin, heron.agent, heron.viewer)]
    answer = heron.agent.get(f"/v1/guests/{guest['id']}")
    event = answer.headers["access-event"]
    heron.event(event)
    theirs = {str(heron.client_id), heron.name, event, guest["id"], *people}
    for route, text in _ways(otter):
        seen = sorted(mark for mark in theirs if mark in text)
        probes.denied("another client's entries", not seen, seen, route=route)
    for name, value in (("actor_id", people[0]), ("resource_id", guest["id"])):
        for route, text in _ways(otter, **{name: value}):
            probes.denied("asking for another's by a filter", event not in text, text, route=route)
    answer = otter.admin.get(f"/v1/access-events/{event}")
    absent = otter.admin.get(f"/v1/access-events/{uuid7()}")
    told = {name: value for name, value in answer.json().items() if name not in ("request_id", "instance")}
    never = {name: value for name, value in absent.json().items() if name not in ("request_id", "instance")}
    holds = answer.status_code == 404 and told == never
    probes.denied("another's entry by its id", holds, answer.text, route="GET /v1/access-events/{event_id}")
    for route, text in _ways(heron, resource_id=guest["id"]):
        probes.allowed("its own client sees it", event in text, on=route)


def test_each_attempt_is_in_the_attackers_log(own: Book, theirs: Book, probes: Probes) -> None:
    """Foreign id and absent id leave the same entry behind, as refused, in one's own log and in nobody else's."""
    noted: list[tuple[Route, dict[str, str]]] = []
    for route in own.all_routes:
        if not route.ids or route.title in CEREMONIES:
            continue
        probe = Ask(route, own.hotel.admin, theirs.path_ids(route), own.body(route))
        absent = as_of(probe, ids=tuple(str(uuid7()) for _ in probe.ids))
        answers = {"foreign": probe.send(own.hotel.admin), "absent": absent.send(own.hotel.admin)}
        named = {which: answer.headers.get("access-event", "") for which, answer in answers.items()}
        probes.denied("an attempt without an entry", all(named.values()), _told(answers), route=route.title)
        noted.append((route, named))
    for route, named in noted:
        entries = {which: own.hotel.event(event) for which, event in named.items() if event}
        outcomes = {entry["outcome"] for entry in entries.values()}
        probes.denied("an attempt that is not noted as refused", outcomes == {"denied"}, entries, route=route.title)
        shapes = {_shape(entry) for entry in entries.values()}
        probes.denied("an entry that tells of existence", len(shapes) == 1, entries, route=route.title)
        for event in named.values():
            answer = theirs.hotel.admin.get(f"/v1/access-events/{event}")
            probes.denied("an attempt in the other's log", answer.status_code == 404, answer.text, route=route.title)
    mine = own.hotel.agent.get(f"/v1/guests/{own.hotel.guest()['id']}")
    entry = own.hotel.event(mine.headers["access-event"])
    probes.allowed("an access of one's own is noted as allowed", entry["outcome"] == "allowed", entry)


def _told(answers: dict[str, httpx2.Response]) -> dict[str, str]:
    return {which: f"{answer.status_code} {dict(answer.headers)}" for which, answer in answers.items()}


def _shape(entry: dict[str, Any]) -> str:
    """The entry without what every request has of its own."""
    own = {name: value for name, value in entry.items() if name not in ("id", "occurred_at", "request_id", "resources")}
    return json.dumps([own, [resource["type"] for resource in entry["resources"]]], sort_keys=True)


def test_every_access_of_ones_own_is_there(otter: Hotel, probes: Probes) -> None:
    """The other direction: reading, listing, searching, changing, deleting: each has an entry that names the guest."""
    guest = otter.guest(email=f"log-{time.time_ns()}@example.com")
    at = f"/v1/guests/{guest['id']}"
    done = {
        "guest:read": otter.agent.get(at),
        "guest:list": otter.agent.get("/v1/guests"),
        "guest:search": otter.agent.post("/v1/guests/search", json={"email": guest["email"]}),
        "guest:update": otter.agent.patch(at, json={"name": "Changed"}),
        "guest:delete": otter.agent.delete(at),
    }
    for action, answer in done.items():
        entry = otter.event(expect(answer, 200, 202, 204).headers["access-event"])
        named = guest["id"] in {resource["id"] for resource in entry["resources"]}
        probes.denied("an access without its entry", entry["action"] == action and named, entry)
        who = entry["actor"]["id"] == otter.agent.user_id and entry["ip"] == "127.0.0.1"
        probes.denied("an entry that names another", who and entry["outcome"] == "allowed", entry)
        probes.denied("an id that does not order it in time", UUID(entry["id"]).version == 7, entry["id"])
    seen = {entry["action"] for entry in otter.log(resource_id=guest["id"])}
    probes.allowed("the log finds all of them by the guest", set(done) <= seen, seen)
