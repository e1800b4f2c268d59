"""01.3, 05.4: an upload has its place before a byte of it is read and before tenant_data is asked, a play before it is
looked for; and gives it back however it ends.
"""

import asyncio
from collections.abc import AsyncIterable
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI, Response

from events.access import Action
from guard import errors, http
from guard.identity import Caller
from guard.places import Bounds, Places
from guard.rights import ROLES
from recording_storage import playing, routes, upload
from recording_storage.archive import running
from recording_storage.recording import Recording

OTTER, HERON = uuid4(), uuid4()
UPLOAD = ("POST", f"/v1/calls/{uuid4()}/recordings")
PLAY = ("GET", f"/v1/recordings/{uuid4()}/audio")
STORED = Recording(
    id=uuid4(), call_id=uuid4(), bytes=1, sha256="00", content_type="audio/wav", duration_ms=1,
    created_at="2026-11-27T00:00:00Z", expires_at=None, legal_hold=False,
)  # fmt: skip


class Desk:
    """Who calls, and where refusals go."""

    def __init__(self) -> None:
        self.role = "agent"

    async def caller(self, request: Any) -> Caller:
        return Caller("user", "u", "u", OTTER, ROLES[self.role])

    def entry(self, state: Any) -> Any:
        async def refuse(caller: Caller, action: Action, *resources: Any) -> None:
            state["access_event"] = str(uuid4())

        return SimpleNamespace(refuse=refuse)


class Room:
    """What the routes work with: places, and a tenant_data that answers as it is told."""

    def __init__(self) -> None:
        self.uploads, self.plays = (
            Places(what, Bounds(1, 2, kept=0), retry_after=5, running=running.labels(what)) for what in ("ups", "plays")
        )
        self.calls = self
        self.asked = 0
        self.is_asked = asyncio.Event()
        self.answer: Any = None  # a guest, an error, or an event that is waited for

    async def guest_of(self, call_id: UUID, on_behalf: Any) -> UUID | None:
        self.asked += 1
        self.is_asked.set()
        if isinstance(self.answer, Exception):
            raise self.answer
        if isinstance(self.answer, asyncio.Event):
            await self.answer.wait()
        return None

    def taken(self) -> int:
        return self.uploads._held.total() + self.plays._held.total()


class Sender:
    """A body of one piece, or of one piece and then its sender's leaving; how often it was asked for more."""

    def __init__(self, *, leaves: bool = False) -> None:
        self.leaves = leaves
        self.reads = 0

    async def receive(self) -> dict[str, Any]:
        self.reads += 1
        if self.reads > 1:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": b"RIFF", "more_body": self.leaves}


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def room() -> Room:
    return Room()


@pytest.fixture
def api(desk: Desk, room: Room) -> FastAPI:
    made = http.app("recording_storage", [routes.router], lifespan=lambda _: None, streamed=routes.STREAMED)
    made.state.identity = made.state.door = desk
    made.state.archive = room
    return made


async def ask(api: FastAPI, sender: Sender, asked: tuple[str, str], media: str = "audio/wav") -> tuple[int, dict]:
    """Status and headers of the answer; nothing is read of the body but what the route takes."""
    answers: list[Any] = []

    async def note(message: Any) -> None:
        if message["type"] == "http.response.start":
            answers.append(message)

    method, path = asked
    headers = {"content-type": media, "transfer-encoding": "chunked"} if method == "POST" else {}
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path,
        "raw_path": path.encode(), "query_string": b"", "scheme": "https", "root_path": "", "client": None,
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    await api(scope, sender.receive, note)
    return answers[0]["status"], {name.decode(): value.decode() for name, value in answers[0]["headers"]}


class TestRefused:
    @pytest.mark.parametrize("asked", [UPLOAD, PLAY], ids=["upload", "play"])
    @pytest.mark.parametrize(("holders", "status"), [([OTTER], 429), ([HERON, uuid4()], 503)])
    async def test_nothing_is_read_or_asked(
        self, api: FastAPI, room: Room, asked: tuple[str, str], holders: list[UUID], status: int
    ) -> None:
        sender = Sender()
        with ExitStack() as held:
            for client_id in holders:
                held.enter_context((room.uploads if asked is UPLOAD else room.plays).taken(client_id))
            answered, headers = await ask(api, sender, asked)
            assert (answered, headers["retry-after"], headers["content-type"]) == (
                status, "5", "application/problem+json"
            )  # fmt: skip
            assert "access-event" not in headers
            assert room.taken() == len(holders)
        assert (sender.reads if asked is UPLOAD else 0, room.asked, room.taken()) == (0, 0, 0)

    async def test_without_the_right_none_is_taken(self, api: FastAPI, desk: Desk, room: Room) -> None:
        desk.role = "viewer"
        with room.uploads.taken(OTTER), room.plays.taken(OTTER):  # with one to take it would be a 429
            for asked in (UPLOAD, PLAY):
                assert (await ask(api, Sender(), asked))[0] == 403


class TestGivenBack:
    @pytest.mark.parametrize(
        ("answer", "media", "status"),
        [
            (errors.NotFound(), "audio/wav", 404),
            (errors.Forbidden("call:read"), "audio/wav", 403),
            (errors.Unavailable(), "audio/wav", 503),
            (ValueError(), "audio/wav", 500),
            (None, "text/plain", 415),
        ],
    )
    async def test_by_an_upload_that_is_refused(
        self, api: FastAPI, room: Room, answer: Any, media: str, status: int
    ) -> None:
        room.answer = answer
        sender = Sender()
        assert (await ask(api, sender, UPLOAD, media))[0] == status
        assert (sender.reads, room.taken()) == (0, 0)

    @pytest.mark.parametrize("answer", [errors.NotFound(), errors.Forbidden("call:read")])
    async def test_a_call_that_the_caller_may_not_see_leaves_an_entry(
        self, api: FastAPI, room: Room, answer: errors.Problem
    ) -> None:
        room.answer = answer
        _, headers = await ask(api, Sender(), UPLOAD)
        assert UUID(headers["access-event"])

    async def test_by_an_upload_that_is_cancelled_while_tenant_data_is_asked(self, api: FastAPI, room: Room) -> None:
        room.answer = asyncio.Event()
        asking = asyncio.create_task(ask(api, Sender(), UPLOAD))
        await asyncio.wait_for(room.is_asked.wait(), 5)
        assert room.taken() == 1
        asking.cancel()
        await asyncio.wait({asking})
        assert room.taken() == 0

    @pytest.mark.parametrize(("leaves", "status"), [(False, 201), (True, 400)], ids=["whole", "its sender leaves"])
    async def test_by_an_upload_of_which_some_was_read(
        self, api: FastAPI, room: Room, monkeypatch: pytest.MonkeyPatch, leaves: bool, status: int
    ) -> None:
        held: set[int] = set()

        async def receive(archive: Any, door: Any, order: Any, pieces: AsyncIterable[bytes]) -> Recording:
            async for _ in pieces:
                held.add(room.taken())
            return STORED

        monkeypatch.setattr(upload, "receive", receive)
        assert (await ask(api, Sender(leaves=leaves), UPLOAD))[0] == status
        assert held == {1}
        assert room.taken() == 0

    @pytest.mark.parametrize("refused", [errors.NotFound(), errors.Unsatisfiable(7), ValueError()], ids=repr)
    async def test_by_a_play_that_is_refused(
        self, api: FastAPI, room: Room, monkeypatch: pytest.MonkeyPatch, refused: Exception
    ) -> None:
        async def admit(*_: Any) -> None:
            assert room.taken() == 1
            raise refused

        monkeypatch.setattr(playing, "admit", admit)
        assert (await ask(api, Sender(), PLAY))[0] == getattr(refused, "status", 500)
        assert room.taken() == 0

    @pytest.mark.parametrize("end", ["complete", "broken", "cancelled"])
    async def test_by_a_play_once_it_has_ended(
        self, api: FastAPI, room: Room, monkeypatch: pytest.MonkeyPatch, end: str
    ) -> None:
        is_sending, may_end = asyncio.Event(), asyncio.Event()

        class Play(Response):
            def __init__(self, *_: Any) -> None:
                super().__init__()

            async def begin(self) -> None:
                return

            async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
                await send({"type": "http.response.start", "status": 200, "headers": []})
                is_sending.set()
                await may_end.wait()
                if end == "broken":
                    raise OSError("the line is cut")

        async def admit(*_: Any) -> None:
            return

        monkeypatch.setattr(playing, "admit", admit)
        monkeypatch.setattr(routes, "Playing", Play)
        asking = asyncio.create_task(ask(api, Sender(), PLAY))
        await asyncio.wait_for(is_sending.wait(), 5)
        assert room.taken() == 1  # for as long as it is listened to, not until it begins
        may_end.set() if end != "cancelled" else asking.cancel()
        await asyncio.wait({asking})
        assert (asking.cancelled() or asking.exception() is not None) is (end != "complete")
        assert room.taken() == 0
