"""A hotel as the demo plays one: a client of the platform with an admin, an agent, and its guests' dialogues."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from ssl import SSLContext

from konci.access_log import Deed
from konci.api import Api
from konci.dialogue import Dialogue, call_body, guest_body, transcript_body
from konci.internal import Desk
from konci.member import Member

PLAN = "business"


@dataclass(slots=True)
class Hotel:
    """One client with its two users; `guests` and `calls` are the ids of what its agent loaded, in order."""

    name: str
    client_id: str
    admin: Member
    agent: Member
    guests: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    @property
    def deeds(self) -> list[Deed]:
        """Everything its users did to customer data."""
        return [*self.admin.deeds, *self.agent.deeds]

    @property
    def retries(self) -> int:
        """How often a request of its users had to be repeated."""
        return self.admin.api.retries + self.agent.api.retries

    @property
    def roles(self) -> dict[str, str]:
        """The role of each of its users, by id."""
        return {member.user_id: member.role for member in (self.admin, self.agent)}

    def sign_in(self) -> None:
        """New sessions for both users, with password and one-time code."""
        self.admin.sign_in()
        self.agent.sign_in()

    def close(self) -> None:
        """Closes its users' connections."""
        self.admin.api.close()
        self.agent.api.close()


def found(desk: Desk, url: str, trust: SSLContext, name: str) -> Hotel:
    """A new client whose two users have activated their accounts and enrolled a second factor.

    E-mails are new at each call (they are unique on the platform), on a domain that RFC 2606 reserves.
    """
    run = secrets.token_hex(4)
    slug = name.lower().replace(" ", "-")
    admin = Member(f"admin.{run}@{slug}.example", "admin", Api(url, trust))
    agent = Member(f"agent.{run}@{slug}.example", "agent", Api(url, trust))
    created = desk.create_client(f"{name} {run}", PLAN, admin.email)
    admin.activate(created["activation_token"])
    invitation = {"email": agent.email, "name": f"Agent of {name}", "role": agent.role}
    invited = admin.api.ask("POST", "/v1/users", body=invitation, expect=(201,)).body
    agent.activate(invited["activation_token"])
    return Hotel(name=name, client_id=created["client_id"], admin=admin, agent=agent)


def load(hotel: Hotel, dialogues: Sequence[Dialogue], at: datetime) -> None:
    """Each dialogue as a guest, a call and a transcript, written by the hotel's agent."""
    agent = hotel.agent
    for number, dialogue in enumerate(dialogues):
        guest_id = agent.do(
            "guest:create", "POST", "/v1/guests", body=guest_body(dialogue, number), expect=(201,), key=_new_key()
        ).body["id"]
        call_id = agent.do(
            "call:create",
            "POST",
            "/v1/calls",
            body=call_body(dialogue, guest_id, number, at),
            expect=(201,),
            key=_new_key(),
        ).body["id"]
        agent.do(
            "transcript:write",
            "PUT",
            f"/v1/calls/{call_id}/transcript",
            body=transcript_body(dialogue, number, at),
            expect=(200, 201),
            resource=call_id,
        )
        hotel.guests.append(guest_id)
        hotel.calls.append(call_id)


def read_some(hotel: Hotel) -> None:
    """What a day's work reads: a list, a look-up by e-mail, guests, a call and its transcript, by both users."""
    agent, admin = hotel.agent, hotel.admin
    agent.do("guest:list", "GET", "/v1/guests?limit=10")
    agent.do(
        "guest:search", "POST", "/v1/guests/search", body={"email": "guest.1@example.org"}, resource=hotel.guests[1]
    )
    for guest_id in hotel.guests[:4]:
        agent.do("guest:read", "GET", f"/v1/guests/{guest_id}", resource=guest_id)
    for call_id in hotel.calls[:2]:
        agent.do("call:read", "GET", f"/v1/calls/{call_id}", resource=call_id)
        agent.do("transcript:read", "GET", f"/v1/calls/{call_id}/transcript", resource=call_id)
    # The same guest again, by somebody else: two entries, not one.
    admin.do("guest:read", "GET", f"/v1/guests/{hotel.guests[0]}", resource=hotel.guests[0])
    admin.do("call:list", "GET", f"/v1/calls?guest_id={hotel.guests[0]}", resource=hotel.calls[0])


def _new_key() -> str:
    # So that a request repeated after a 503 does not create a second guest.
    return secrets.token_hex(16)
