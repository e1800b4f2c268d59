"""A hotel as the demo plays one: a client of the platform with an admin, an agent, and its guests' dialogues."""

import base64
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from ssl import SSLContext

from konci import speech
from konci.access_log import Deed, Step
from konci.api import Api
from konci.dialogue import Dialogue, call_body, guest_body, transcript_body
from konci.failure import Failed
from konci.internal import Desk
from konci.member import Member

PLAN = "business"


@dataclass(slots=True)
class Hotel:
    """One client with its two users; `guests`, `calls` and `recordings` are the ids of what its agent loaded."""

    name: str
    client_id: str
    admin: Member
    agent: Member
    guests: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    recordings: list[str] = field(default_factory=list)
    plays: list[tuple[str, str]] = field(default_factory=list)  # user and recording, one for each answer with audio
    steps: list[Step] = field(default_factory=list)  # of its uploads

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


def record(hotel: Hotel, spoken: Sequence[bytes]) -> None:
    """One recording for each of the first calls, with its digest (RFC 9530), stored by the hotel's agent."""
    for call_id, audio in zip(hotel.calls, spoken, strict=False):
        digest = base64.b64encode(hashlib.sha256(audio).digest()).decode()
        said = {"Content-Type": speech.TYPE, "Content-Digest": f"sha-256=:{digest}:"}
        path = f"/v1/calls/{call_id}/recordings"
        stored = hotel.agent.do(
            "recording:create", "POST", path, body=audio, headers=said, expect=(201,), key=_new_key()
        ).body
        if stored["sha256"] != hashlib.sha256(audio).hexdigest():
            raise Failed(f"recording {stored['id']} is not what was sent", "report this: it is a defect")
        hotel.recordings.append(stored["id"])
        # The call is looked up as the agent, and the upload let in before its first byte.
        who = hotel.agent.user_id
        hotel.steps += [(who, "call:read", call_id), (who, "recording:create", call_id)]


def listen(hotel: Hotel, spoken: Sequence[bytes]) -> None:
    """Each recording is played whole by the agent, and the first from its middle by the admin, as a player seeks."""
    for recording_id, audio in zip(hotel.recordings, spoken, strict=True):
        _play(hotel, hotel.agent, recording_id, audio)
    middle = len(spoken[0]) // 2
    for first, last in ((middle, middle + 65_535), (2**20 - 1_000, 2**20 + 1_000), (len(spoken[0]) - 500, None)):
        _play(hotel, hotel.admin, hotel.recordings[0], spoken[0], (first, last))


def _play(hotel: Hotel, who: Member, recording_id: str, audio: bytes, part: tuple[int, int | None] = (0, None)) -> None:
    first, last = part
    is_whole = part == (0, None)
    asked = {} if is_whole else {"Range": f"bytes={first}-{'' if last is None else last}"}
    path = f"/v1/recordings/{recording_id}/audio"
    expect = (200,) if is_whole else (206,)
    played = who.do("recording:play", "GET", path, headers=asked, expect=expect, resource=recording_id).body
    if played != audio[first : None if last is None else last + 1]:
        raise Failed(f"recording {recording_id} does not play what was recorded", "report this: it is a defect")
    hotel.plays.append((who.user_id, recording_id))


def _new_key() -> str:
    # So that a request repeated after a 503 does not create a second guest.
    return secrets.token_hex(16)
