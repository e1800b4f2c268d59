"""`konci demo`: two hotels work, and each finds every access in its own log (03.4, 04.1, 04.4).

It does only what users and a named operator can do, through the gateway; it fails when a log is wrong by one entry.
"""

import secrets
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from events.uuid7 import uuid7
from guard.rights import Right
from konci import access_log, certificate, client, dialogue, hotel, operator, screen, speech
from konci.access_log import Entry
from konci.api import Answer, trust
from konci.failure import Failed
from konci.hotel import Hotel
from konci.internal import Desk
from konci.screen import AsJson
from stack.settings import Stack

NAMES = ("Hotel Otter", "Hotel Heron")
REASON = "demo: an operator looks at this log"
# 04.4 is measured in seconds at the 99th percentile; a machine that has just started may need longer.
LOG_SECONDS = 30.0
_POLL_SECONDS = 0.5
_LOADING = ("guest:create", "call:create", "transcript:write")


def demo(
    dialogues: Annotated[int, typer.Option(min=4, max=200, help="How many dialogues each hotel loads.")] = 20,
    everything: Annotated[bool, typer.Option("--all", help="Show the entries of loading too.")] = False,
    *,
    as_json: AsJson = False,
) -> None:
    """Two hotels sign in with 2FA, load dialogues and read guests; then their access logs must tell all of it, once.

    Example: konci demo --dialogues 20
    """
    stack = Stack.here()
    began_at = datetime.now(UTC)
    with ExitStack() as closing:
        who = closing.enter_context(_operator(stack))
        hotels = _open(stack, who, closing)
        _work(stack, hotels, dialogues)
        attempts = [_trespass(hotels[0], hotels[1]), _trespass(hotels[1], hotels[0])]
        looks = _look_as_operator(stack, who, hotels[0])
        logs = [_settled_log(hotels[0], began_at, looks), _settled_log(hotels[1], began_at, [])]
    _verify(hotels, logs, attempts, looks)
    _print(hotels, logs, everything=everything, as_json=as_json)


def _open(stack: Stack, who: certificate.Certificate, closing: ExitStack) -> list[Hotel]:
    context = trust(str(stack.ca))
    hotels = []
    with Desk(stack, who.file) as desk:
        for name in NAMES:
            screen.say(f"{name}: client, admin and agent are invited, activate and enrol TOTP")
            hotels.append(hotel.found(desk, stack.url_of("gateway"), context, name))
            closing.callback(hotels[-1].close)
    screen.say("signing in with 2FA (a one-time code works once: waiting for the next, up to 30 s)")
    for one in hotels:
        one.sign_in()
    return hotels


@contextmanager
def _operator(stack: Stack) -> Iterator[certificate.Certificate]:
    """An operator of this run alone: an hour, the two rights it needs, and gone at the end."""
    name = f"demo-{secrets.token_hex(3)}"
    screen.say(f"operator {name}: a personal certificate of an hour")
    made, _ = operator.enrol(stack, name, hours=1, rights=[Right.CLIENT_CREATE, Right.ACCESS_EVENT_READ])
    try:
        yield made
    finally:
        operator.dismiss(stack, name)


def _work(stack: Stack, hotels: list[Hotel], count: int) -> None:
    talks, origin = dialogue.load(stack.repo, count * len(hotels))
    spoken, voice = speech.load()
    now = datetime.now(UTC)
    for number, one in enumerate(hotels):
        screen.say(f"{one.name}: loading {count} dialogues of {origin} as guests, calls and transcripts")
        hotel.load(one, talks[number * count : (number + 1) * count], now)
        screen.say(f"{one.name}: reading some of them")
        hotel.read_some(one)
        said = spoken[: len(spoken) - number]
        screen.say(f"{one.name}: recording {len(said)} calls with {voice}, playing them and seeking in one")
        hotel.record(one, said)
        hotel.listen(one, said)


def _trespass(attacker: Hotel, victim: Hotel) -> tuple[str, str]:
    """The ids asked for: one of the other hotel, one of nobody. Raises Failed when the answers differ."""
    screen.say(f"{attacker.name}: trying to read a guest of {victim.name}")
    foreign, absent = victim.guests[0], str(uuid7())
    answers = [
        attacker.agent.do("guest:read", "GET", f"/v1/guests/{wanted}", expect=(404,), resource=wanted, outcome="denied")
        for wanted in (foreign, absent)
    ]
    if _told(answers[0]) != _told(answers[1]):
        raise Failed("the answers for a foreign and an absent guest differ", "report this: it is a defect")
    return foreign, absent


def _told(answer: Answer) -> dict[str, Any]:
    # Both name the request that was answered; everything else must be equal (invariant 12).
    return {name: value for name, value in answer.body.items() if name not in {"request_id", "instance"}}


def _look_as_operator(stack: Stack, who: certificate.Certificate, one: Hotel) -> list[str]:
    screen.say(f"operator {who.name}: looking at the log of {one.name}, with a reason")
    _, looks = client.look(stack, who, UUID(one.client_id), REASON, timedelta(hours=1))
    return looks


def _settled_log(one: Hotel, since: datetime, looks: list[str]) -> list[Entry]:
    screen.say(f"{one.name}: its admin reads the access log until all {len(one.deeds)} accesses are in it")
    wanted = {*(deed.event_id for deed in one.deeds), *looks}
    played = Counter(one.plays)
    deadline = time.monotonic() + LOG_SECONDS
    while True:
        entries, _ = access_log.read(one.admin.api, since)
        _, untold = access_log.without_steps(access_log.unexplained(entries, one.deeds), one.steps)
        is_whole = (
            wanted <= {entry.event_id for entry in entries} and access_log.heard(entries) == played and not untold
        )
        if is_whole or time.monotonic() > deadline:
            return entries
        time.sleep(_POLL_SECONDS)


def _verify(hotels: list[Hotel], logs: list[list[Entry]], attempts: list[tuple[str, str]], looks: list[str]) -> None:
    wrong: list[str] = []
    for one, entries, (foreign, absent) in zip(hotels, logs, attempts, strict=True):
        found = access_log.discrepancies(entries, one.deeds)
        # A request that was repeated may have been carried out twice: only then is a second entry no mistake.
        if not one.retries:
            extra, untold = access_log.without_steps(access_log.unexplained(entries, one.deeds), one.steps)
            found += [f"{entry.action} {entry.event_id} is in the log, but nobody did it" for entry in extra]
            found += [
                f"{action} of {resource}, a step of an upload, is not in the log" for _, action, resource in untold
            ]
        if _attempt(entries, foreign) != _attempt(entries, absent):
            found.append("the entries of the attempts tell whether the guest exists")
        if access_log.heard(entries) != Counter(one.plays):
            found.append("the log does not tell how each play ended")
        others = {user_id for other in hotels if other is not one for user_id in other.roles}
        found += [f"{entry.event_id} shows another hotel's user" for entry in entries if entry.actor_id in others]
        wrong += [f"{one.name}: {what}" for what in found]
    seen = [entry.event_id for entry in logs[0] if entry.actor_type == "operator" and entry.reason == REASON]
    if not looks or any(seen.count(event_id) != 1 for event_id in looks):
        wrong.append(f"{hotels[0].name}: the operator's look is not in the log, once, with its reason")
    for line in wrong:
        screen.say(line)
    if wrong:
        raise Failed(f"the access logs are wrong in {len(wrong)} points, listed above", "see `konci logs audit`")


def _attempt(entries: list[Entry], wanted: str) -> list[tuple[str, ...]]:
    return [
        (
            entry.actor_id,
            entry.action,
            entry.outcome,
            entry.reason or "",
            entry.address,
            *(kind for kind, _ in entry.resources),
        )
        for entry in entries
        if wanted in {identifier for _, identifier in entry.resources}
    ]


def _print(hotels: list[Hotel], logs: list[list[Entry]], *, everything: bool, as_json: bool) -> None:
    pictures: list[RenderableType] = []
    result = []
    for one, entries in zip(hotels, logs, strict=True):
        shown = [
            entry for entry in entries if everything or not (entry.action in _LOADING and entry.outcome == "allowed")
        ]
        pictures += [
            access_log.draw(f"{one.name}: what its administrator sees", shown, one.roles),
            Text(f"and {len(entries) - len(shown)} entries of loading (--all shows them)\n" if not everything else ""),
            Text(f"{one.name}: {len(one.deeds)} accesses made, each in the log exactly once\n", style="green"),
        ]
        result.append(
            {
                "name": one.name,
                "client_id": one.client_id,
                "accesses": len(one.deeds),
                "denied": sum(deed.outcome == "denied" for deed in one.deeds),
                "entries": [access_log.plain(entry) for entry in entries],
            }
        )
    screen.show(result, Group(*pictures), as_json=as_json)


def register(root: typer.Typer) -> None:
    """Adds `konci demo`."""
    root.command()(demo)
