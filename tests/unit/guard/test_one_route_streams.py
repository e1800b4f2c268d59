"""04.1, 05.4: a route that streams reads its body itself, once it is known who asks; all others are bounded as ever."""

from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Annotated, Any
from uuid import UUID, uuid4

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI, Request, status

from events.access import Action
from guard import contract, errors, http
from guard.identity import Caller, may
from guard.rights import ROLES

MOST = 3 * 2**20
TAPES = "/v1/calls/{call_id}/tapes"
HERE = f"/v1/calls/{UUID(int=7)}/tapes"
OF_TAPE = {"requestBody": {"required": True, "content": contract.binary("audio/wav")}}
router = APIRouter()
MayRecord = Annotated[Caller, Depends(may(Action.CALL_CREATE))]


@router.post(TAPES, status_code=status.HTTP_201_CREATED, openapi_extra=OF_TAPE)
async def record(call_id: UUID, caller: MayRecord, request: Request) -> dict[str, int]:
    return {"bytes": sum([len(piece) async for piece in request.stream()])}


@router.put(TAPES)
@router.post("/v1/calls/{call_id}/words")
async def write(call_id: UUID, words: dict[str, str]) -> dict[str, str]:
    return words


class Desk:
    """Who calls, as the check of identity would say it."""

    def __init__(self) -> None:
        self.role: str | None = "agent"

    async def caller(self, request: Request) -> Caller:
        if self.role is None:
            raise errors.Unauthenticated
        return Caller("user", "u", "u", uuid4(), ROLES[self.role])

    def entry(self, state: Any) -> Any:
        async def refuse(caller: Caller, action: Action) -> None:
            state["access_event"] = str(uuid4())

        return SimpleNamespace(refuse=refuse)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def api(desk: Desk) -> FastAPI:
    made = http.app("calls", [router], lifespan=lambda _: None, streamed={("POST", TAPES): MOST})
    made.state.identity = made.state.door = desk
    return made


class Sender:
    """A body of as many pieces as are asked for; how many were taken."""

    def __init__(self, pieces: int, size: int = 2**16, *, leaves: bool = False) -> None:
        self.left = pieces
        self.size = size
        self.leaves = leaves
        self.taken = 0

    async def receive(self) -> dict[str, Any]:
        if self.left == 0 and self.leaves:
            return {"type": "http.disconnect"}
        self.left -= 1
        self.taken += 1
        return {"type": "http.request", "body": b"\0" * self.size, "more_body": self.left > 0 or self.leaves}


Send = Callable[..., Awaitable[int]]


@pytest.fixture
def send(api: FastAPI) -> Send:
    """Sends a body by hand, so that what is read of it can be counted; the status of the answer."""

    async def sent(sender: Sender, method: str = "POST", path: str = HERE, **headers: str) -> int:
        answers: list[int] = []

        async def note(message: Any) -> None:
            if message["type"] == "http.response.start":
                answers.append(message["status"])

        named = {"content-type": "audio/wav", "transfer-encoding": "chunked"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path,
            "raw_path": path.encode(), "query_string": b"", "scheme": "https", "root_path": "", "client": None,
            "headers": [(name.encode(), value.encode()) for name, value in named.items()],
        }  # fmt: skip
        await api(scope, sender.receive, note)
        return answers[0]

    return sent


class TestRefusedUnread:
    async def test_without_a_token(self, desk: Desk, send: Send) -> None:
        desk.role = None
        sender = Sender(4)
        assert await send(sender) == 401
        assert sender.taken == 0

    async def test_without_the_right(self, desk: Desk, send: Send) -> None:
        desk.role = "viewer"
        sender = Sender(4)
        assert await send(sender) == 403
        assert sender.taken == 0

    async def test_announced_as_too_long(self, send: Send) -> None:
        sender = Sender(4)
        assert await send(sender, content_length=str(MOST + 1)) == 413
        assert sender.taken == 0


class TestRefused:
    async def test_too_long_without_saying_so(self, send: Send) -> None:
        sender = Sender(1000)
        assert await send(sender) == 413
        assert sender.taken == MOST // 2**16 + 1  # and not a piece more

    async def test_cut_short(self, send: Send) -> None:
        assert await send(Sender(2, leaves=True)) == 400


class TestAllOthers:
    """The bound of 1 MiB, the media type and the depth are everybody else's still."""

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("PUT", HERE),
            ("POST", f"/v1/calls/{UUID(int=7)}/words"),
            ("GET", HERE),
            ("HEAD", HERE),
            ("POST", HERE + "/"),
            ("POST", HERE + "/x"),
            ("POST", f"/v1/calls/a/{UUID(int=7)}/tapes"),
            ("POST", "/v1/nothing"),
        ],
    )
    async def test_is_bounded(self, send: Send, method: str, path: str) -> None:
        sender = Sender(1000)
        assert await send(sender, method, path) == 413
        assert sender.taken == 2**20 // 2**16 + 1
        assert await send(Sender(1), method, path) == 415


class TestStreamed:
    async def test_beyond_a_mebibyte_and_of_any_type(self, send: Send) -> None:
        assert await send(Sender(MOST // 2**16), content_type="audio/flac") == 201

    async def test_whole(self, api: FastAPI) -> None:
        async def body() -> AsyncIterator[bytes]:
            for _ in range(5):
                yield b"[" * 300_000

        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=api), base_url="http://calls") as client:
            answer = await client.post(HERE, content=body(), headers={"content-type": "audio/wav"})
        assert (answer.status_code, answer.json()) == (201, {"bytes": 1_500_000})

    def test_its_document_says_what_it_takes(self, api: FastAPI) -> None:
        operations = api.openapi()["paths"][TAPES]
        assert operations["post"]["requestBody"]["content"]["audio/wav"]["schema"]["format"] == "binary"
        assert operations["post"]["responses"]["413"]["description"] == f"The body is over {MOST // 1024} KiB"
        assert operations["put"]["responses"]["413"]["description"] != f"The body is over {MOST // 1024} KiB"
