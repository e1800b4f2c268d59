"""What the platform does without being asked for it by an attempt, and how often it may: all else is invented (04.4).

Nothing is explained by its kind alone. Each entry is one that the run knows of by its id, or one of a counted few.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from events.access import PLATFORM
from soak.calls import Call
from soak.entry import Entry


@dataclass(frozen=True)
class Account:
    """What a run knows beside its attempts."""

    clients: frozenset[str] = frozenset()
    # Events that answers named before the run, while the hotels were founded and furnished.
    heard: frozenset[str] = frozenset()
    calls: Mapping[str, Call] = field(default_factory=dict)
    # How many of the calls must be in the log by now; those of the last moment may still be on their way.
    calls_due: int = 0
    # How often `auth` may have told of each client again: Kafka was wiped, and it may have been interrupted once.
    retold: int = 0
    # A stack that was kept has entries of earlier runs: none of them was stored after this.
    kept_before: float = 0.0


@dataclass
class Settling:
    """The account being settled: every entry of the log that no attempt asked for goes through here once."""

    account: Account
    by_request: Mapping[str, str]  # request id -> client, as far as answers told
    seen: set[str] = field(default_factory=set)
    counted: Counter[tuple[str, str]] = field(default_factory=Counter)

    def knows(self, entry: Entry) -> bool:
        """Whether it is for this account to explain; what carries an attempt's number never is."""
        return entry.service == "openbao" or not entry.user_agent.startswith("soak/")

    def is_there(self, entry: Entry) -> bool:
        """Whether it was seen before; from now on it was."""
        before = len(self.seen)
        self.seen.add(entry.event)
        return len(self.seen) == before

    def explain(self, entry: Entry) -> tuple[str, str]:
        """What explains it, or an empty word and what is wrong with it."""
        if entry.stored < self.account.kept_before:
            return "an earlier run", ""
        if entry.event in self.account.heard:
            return "before the run", ""
        if entry.service == "openbao":
            return self._call(entry)
        return self._few(entry)

    def missing(self) -> list[str]:
        """What the run knows of, and the log does not hold."""
        heard = [f"event {event}, answered before the run" for event in self.account.heard if event not in self.seen]
        due = list(self.account.calls.items())[: self.account.calls_due]
        calls = [f"OpenBao's call {call.path} by {call.actor}" for event, call in due if event not in self.seen]
        # Of a stack that was kept, some have joined in an earlier run.
        joined = () if self.account.kept_before else self.account.clients
        absent = [f"that client {client} joined" for client in joined if not self.counted["client:create", client]]
        return heard + calls + absent

    def _call(self, entry: Entry) -> tuple[str, str]:
        call = self.account.calls.get(entry.event)
        if call is None:
            return "", "OpenBao's own file knows of no such call"
        path = entry.resources[0][1] if entry.resources else ""
        is_key, is_allowed = entry.action.startswith("key:"), entry.outcome == "allowed"
        logged = Call(entry.client, entry.actor, path, entry.request_id, is_key, is_allowed)
        if logged != call:
            return "", f"OpenBao's own file says {call}"
        if call.client not in {str(PLATFORM), *self.account.clients}:
            return "", "a key of no client of the run"
        asked_for = self.by_request.get(call.request_id, call.client)
        if call.client not in (str(PLATFORM), asked_for):
            return "", f"the request that needed it was of client {asked_for}"
        return "openbao", ""

    def _few(self, entry: Entry) -> tuple[str, str]:
        few = {
            ("auth", "service", "client:read"): (self.account.clients, self.account.retold),
            ("auth", "operator", "client:create"): (self.account.clients, 1),
            ("auth", "service", "operator:register"): ({str(PLATFORM)}, 1),
        }
        clients, most = few.get((entry.service, entry.actor_type, entry.action), ((), 0))
        if entry.client not in clients or entry.outcome != "allowed":
            return "", "nobody asked for it"
        self.counted[entry.action, entry.client] += 1
        if self.counted[entry.action, entry.client] > most:
            return "", f"more often than the {most} times that the run can have caused"
        return f"{entry.service}'s own {entry.action}", ""
