"""04.1: the OpenAPI document names every problem, header and scheme of a route; a word in a path is no id."""

from typing import Annotated
from uuid import UUID

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI, Response

from events.access import Action
from guard import contract, errors, http
from guard.idempotency import IdempotencyKey
from guard.identity import Caller, may
from guard.version import IfMatch

router = APIRouter()


@router.post("/v1/things", status_code=201, responses=contract.problems(errors.NotFound))
async def create(
    caller: Annotated[Caller, Depends(may(Action.GUEST_CREATE))], once: IdempotencyKey = None
) -> dict[str, str]:
    return {}


@router.get("/v1/things/{thing_id}")
async def one(thing_id: UUID, if_match: IfMatch = None) -> dict[str, str]:
    return {}


@router.post("/v1/things/search")
async def search() -> dict[str, str]:
    return {}


TAPE = contract.binary("audio/wav")
OF_TAPE = {200: {"content": TAPE}, 206: {"content": TAPE}, **contract.problems(errors.Unsatisfiable)}


@router.head("/v1/things/{thing_id}/tape", responses=OF_TAPE, response_class=Response)
@router.get("/v1/things/{thing_id}/tape", responses=OF_TAPE, response_class=Response)
async def play(thing_id: UUID) -> Response:
    raise errors.Unsatisfiable(7)


@pytest.fixture(scope="module")
def api() -> FastAPI:
    return http.app("things", [router], lifespan=lambda _: None)


def answers(api: FastAPI, path: str, method: str) -> set[str]:
    return set(api.openapi()["paths"][path][method]["responses"])


EVERYWHERE = {"400", "408", "413", "415", "422", "429", "431", "500", "503"}


def test_what_each_route_can_answer(api: FastAPI) -> None:
    assert answers(api, "/v1/things/search", "post") == EVERYWHERE | {"200"}
    assert answers(api, "/v1/things/{thing_id}", "get") == EVERYWHERE | {"200", "404", "412"}
    assert answers(api, "/v1/things", "post") == EVERYWHERE | {"201", "401", "403", "404", "409"}


def test_a_route_with_a_right_names_its_scheme_and_its_event(api: FastAPI) -> None:
    create_one = api.openapi()["paths"]["/v1/things"]["post"]
    assert create_one["security"] == [{"access_token": []}]
    assert set(create_one["responses"]["201"]["headers"]) == {"X-Request-Id", "Access-Event"}
    assert "security" not in api.openapi()["paths"]["/v1/things/search"]["post"]
    assert api.openapi()["components"]["securitySchemes"]["access_token"]["scheme"] == "bearer"


def test_every_problem_is_a_problem(api: FastAPI) -> None:
    responses = api.openapi()["components"]["responses"]
    assert {"Unauthenticated", "Forbidden", "NotFound", "Stale", "TooMany", "Unavailable"} <= set(responses)
    for response in responses.values():
        assert list(response["content"]) == ["application/problem+json"]
    assert "Retry-After" in responses["TooMany"]["headers"]
    assert "HTTPValidationError" not in api.openapi()["components"]["schemas"]


def test_a_method_that_is_not_there(api: FastAPI) -> None:
    """It has no place of its own in the document: the whole says it."""
    assert "405 (NotAllowed)" in api.openapi()["info"]["description"]
    assert list(api.openapi()["components"]["responses"]["NotAllowed"]["headers"]) == ["Allow"]


async def test_a_word_is_no_id(api: FastAPI) -> None:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=api), base_url="http://things") as client:
        answer = await client.get("/v1/things/search")
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
        assert (await client.post("/v1/things/search")).status_code == 200
        assert (await client.get("/v1/things/none")).status_code == 422


def test_bytes_of_another_kind(api: FastAPI) -> None:
    operations = api.openapi()["paths"]["/v1/things/{thing_id}/tape"]
    assert set(operations) == {"get", "head"}
    for operation in operations.values():
        assert list(operation["responses"]["200"]["content"]) == ["audio/wav"]
        assert operation["responses"]["206"]["content"] == TAPE
    assert list(api.openapi()["components"]["responses"]["Unsatisfiable"]["headers"]) == ["Content-Range"]


async def test_what_is_asked_for_by_its_head_alone(api: FastAPI) -> None:
    tape = f"/v1/things/{UUID(int=7)}/tape"
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=api), base_url="http://things") as client:
        for method in ("GET", "HEAD"):
            answer = await client.request(method, tape)
            assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */7")
        assert (await client.post(tape)).headers["allow"] == "GET, HEAD"
