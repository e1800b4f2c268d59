"""A client's access log as its administrator sees it: read whole, drawn as a table, held against what was done (04.4).

It only reads. Each reading is itself an access, and so an entry in the same log.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import RenderableType

from konci import screen
from konci.api import Api

PAGE = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log. `reason` is what an operator gave, or why an access was denied."""

    event_id: str
    at: datetime
    actor_type: str
    actor_id: str
    actor_label: str
    action: str
    resources: tuple[tuple[str, str], ...]
    address: str
    outcome: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Deed:
    """An access that was answered, as its maker knows it. `resource` is None where the answer names several."""

    event_id: str
    actor_id: str
    action: str
    resource: str | None
    outcome: str


def read(admin: Api, since: datetime) -> tuple[list[Entry], list[str]]:
    """All entries from `since` on, oldest first, and the ids of the entries that this reading itself made."""
    query = {"from": since.astimezone(UTC).isoformat().replace("+00:00", "Z"), "limit": str(PAGE)}
    entries: list[Entry] = []
    made: list[str] = []
    while True:
        answer = admin.ask("GET", "/v1/access-events", query=query)
        page = answer.body
        made.append(answer.access_event or "none")
        entries.extend(_entry(item) for item in page["items"])
        if not page["next_cursor"]:
            return sorted(entries, key=lambda entry: (entry.at, entry.event_id)), made
        query["cursor"] = page["next_cursor"]


def _entry(item: Mapping[str, Any]) -> Entry:
    actor = item["actor"]
    return Entry(
        event_id=item["id"],
        at=datetime.fromisoformat(item["occurred_at"]),
        actor_type=actor["type"],
        actor_id=actor["id"],
        actor_label=actor["label"],
        action=item["action"],
        resources=tuple((resource["type"], resource["id"]) for resource in item["resources"]),
        address=item["ip"],
        outcome=item["outcome"],
        reason=item.get("reason"),
    )


def discrepancies(entries: Iterable[Entry], deeds: Sequence[Deed]) -> list[str]:
    """What the log gets wrong about `deeds`, one sentence each; an empty list means that it gets nothing wrong."""
    by_id: dict[str, list[Entry]] = {}
    for entry in entries:
        by_id.setdefault(entry.event_id, []).append(entry)
    wrong = [
        f"{event_id} was given to two answers" for event_id, n in Counter(d.event_id for d in deeds).items() if n > 1
    ]
    for deed in deeds:
        found = by_id.get(deed.event_id, [])
        if len(found) == 1:
            wrong.extend(_differences(found[0], deed))
        else:
            wrong.append(f"{deed.action} {deed.event_id} is in the log {len(found)} times, not once")
    return wrong


def _differences(entry: Entry, deed: Deed) -> Iterable[str]:
    if (entry.actor_id, entry.action, entry.outcome) != (deed.actor_id, deed.action, deed.outcome):
        yield (
            f"{deed.event_id} says {entry.actor_id} {entry.action} {entry.outcome}, "
            f"but {deed.actor_id} did {deed.action} {deed.outcome}"
        )
    if deed.resource is not None and deed.resource not in {identifier for _, identifier in entry.resources}:
        yield f"{deed.event_id} does not name the resource {deed.resource}"
    if not entry.address:
        yield f"{deed.event_id} has no address"


def unexplained(entries: Iterable[Entry], deeds: Sequence[Deed]) -> list[Entry]:
    """Entries of the actors of `deeds`, with an action that occurs in `deeds`, that no deed accounts for."""
    known = {deed.event_id for deed in deeds}
    actors = {deed.actor_id for deed in deeds}
    actions = {deed.action for deed in deeds}
    return [
        entry
        for entry in entries
        if entry.event_id not in known and entry.actor_id in actors and entry.action in actions
    ]


Step = tuple[str, str, str]
"""Who, what and of which resource: an access that an upload makes on the way, beside the one that its answer names."""


def without_steps(extra: Iterable[Entry], steps: Sequence[Step]) -> tuple[list[Entry], list[Step]]:
    """Of entries that no answer named: those that are no step of an upload. And the steps that have no entry."""
    left = Counter(steps)
    others = []
    for entry in extra:
        named = [(entry.actor_id, entry.action, identifier) for _, identifier in entry.resources]
        step = next((one for one in named if left[one] and entry.outcome == "allowed"), None)
        if step is None:
            others.append(entry)
        else:
            left[step] -= 1
    return others, list(left.elements())


def heard(entries: Iterable[Entry]) -> Counter[tuple[str, str]]:
    """How often each user played each recording to its end, by the entries that tell how a play ended."""
    return Counter(
        (entry.actor_id, identifier)
        for entry in entries
        if entry.action == "recording:played" and entry.outcome == "allowed"
        for kind, identifier in entry.resources
        if kind == "recording"
    )


def plain(entry: Entry) -> dict[str, Any]:
    """The entry as the API gives it, for `--json`."""
    return {
        "id": entry.event_id,
        "occurred_at": entry.at.isoformat(),
        "actor": {"type": entry.actor_type, "id": entry.actor_id, "label": entry.actor_label},
        "action": entry.action,
        "resources": [{"type": kind, "id": identifier} for kind, identifier in entry.resources],
        "ip": entry.address,
        "outcome": entry.outcome,
        "reason": entry.reason,
    }


def draw(title: str, entries: Iterable[Entry], roles: Mapping[str, str]) -> RenderableType:
    """The log as a table; `roles` gives the role of a user id, and the kind of actor stands in where there is none."""
    columns = ("date and time (UTC)", "who", "role" if roles else "kind", "action", "resources")
    return screen.table(
        title,
        (*columns, "address", "outcome", "reason"),
        [
            (
                entry.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3],
                entry.actor_label or entry.actor_id,
                roles.get(entry.actor_id, entry.actor_type),
                entry.action,
                _resources(entry),
                entry.address,
                entry.outcome,
                entry.reason or "",
            )
            for entry in entries
        ],
    )


def _resources(entry: Entry) -> str:
    # The last characters of a UUIDv7 are its random ones: they tell rows apart, the first only tell the time.
    shown = [f"{kind} …{identifier[-8:]}" for kind, identifier in entry.resources[:2]]
    more = len(entry.resources) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
