"""The OpenAPI document of a service, completed with what the edge answers for every route: its problems and headers.

Never a promise that the code does not keep: `make judge-api` holds the running platform against every line.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI

from guard import errors
from guard.errors import Problem

_EVERYWHERE: tuple[type[Problem], ...] = (
    errors.Malformed, errors.Slow, errors.TooLarge, errors.WrongMedia, errors.Invalid, errors.TooMany,
    errors.HeadersTooLarge, Problem, errors.Unavailable,
)  # fmt: skip
_WITH_TOKEN: tuple[type[Problem], ...] = (errors.Unauthenticated, errors.Forbidden)
# What a parameter can go wrong by.
_BY_PARAMETER: dict[tuple[str, str], type[Problem]] = {
    ("header", "If-Match"): errors.Stale,
    ("header", "Idempotency-Key"): errors.Conflict,
}
# What the gateway takes in of a body: with a token, without one, and without one where none is read (its envoy.yaml).
LIMITS = (2**20, 2**14, 2**10)
_ABOUT = (
    "An answer that is no success is a Problem; those of a method stand with it. A method that an address does not "
    "know is a 405 (NotAllowed) for whoever has a token, and a 401 without one."
)
_HEADERS: dict[str, tuple[str, dict[str, Any]]] = {
    "X-Request-Id": ("Names this request, in the gateway's log and in every service's.", {"type": "string"}),
    "Access-Event": ("The entry of the client's access log.", {"type": "string", "format": "uuid"}),
    "WWW-Authenticate": ("RFC 6750.", {"type": "string", "pattern": "^Bearer"}),
    "Allow": ("The methods that this address knows.", {"type": "string"}),
    "Retry-After": ("Seconds.", {"type": "string", "pattern": "^[0-9]+$"}),
    "Content-Range": ("RFC 9110: how long the whole is.", {"type": "string", "pattern": r"^bytes \*/[0-9]+$"}),
}
_PROBLEM = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457. Each type is a page of docs/problems.md; `errors` are the places of a 422.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "pattern": "^/problems/[a-z-]+$"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}


class Api(FastAPI):
    """An application whose document is complete, and which keeps to it where the router alone would not."""

    streamed: Mapping[tuple[str, str], int] = MappingProxyType({})  # see guard.http.app

    @cached_property
    def words(self) -> dict[str, list[str]]:
        """The methods of each path that is a word throughout: `/v1/guests/search` is no guest of that id."""
        paths = self.openapi()["paths"]
        return {path: sorted(map(str.upper, item)) for path, item in paths.items() if "{" not in path}

    def openapi(self) -> dict[str, Any]:
        """OpenAPI 3.1 of every public route; made once."""
        if self.openapi_schema is None:
            complete(super().openapi(), self.streamed)
        assert self.openapi_schema is not None  # noqa: S101 - FastAPI keeps what it has made
        return self.openapi_schema


def problems(*kinds: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """What a route may answer beside the rest, as its `responses`: `responses=contract.problems(errors.Conflict)`."""
    return {kind.status: {"description": kind.title} for kind in kinds}


def binary(*media_types: str) -> dict[str, Any]:
    """The `content` of a body or an answer that is bytes of one of these media types, for a route to declare."""
    return {media: {"schema": {"type": "string", "format": "binary"}} for media in media_types}


def complete(document: dict[str, Any], streamed: Mapping[tuple[str, str], int] = MappingProxyType({})) -> None:
    """Adds to FastAPI's document, in place: problem responses, and the headers of each answer.

    `streamed`: bytes that a route (method, path) takes which reads its body itself.
    """
    document["info"]["description"] = _ABOUT
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = _PROBLEM
    components["responses"] = {kind.__name__: _response(kind) for kind in _family(Problem)}
    components["headers"] = {
        name: {"description": said, "schema": schema, "required": True} for name, (said, schema) in _HEADERS.items()
    }
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            _complete(path, operation, streamed.get((method.upper(), path)))


def _complete(path: str, operation: dict[str, Any], streamed: int | None) -> None:
    answers = operation["responses"]
    kinds = {kind.status: kind for kind in _family(Problem)}
    here = [kinds[int(status)] for status in answers if status[0] in "45" and status != "422"]
    here += [*_EVERYWHERE, *(_WITH_TOKEN if "security" in operation else ())]
    here += [errors.NotFound] if "{" in path else []
    named = {(parameter["in"], parameter["name"]) for parameter in operation.get("parameters", ())}
    here += [kind for parameter, kind in _BY_PARAMETER.items() if parameter in named]
    told = ["X-Request-Id", *(["Access-Event"] if "security" in operation else [])]
    for answer in answers.values():
        answer.setdefault("headers", {}).update(_headers(*told))
    for kind in here:
        answers[str(kind.status)] = {"$ref": f"#/components/responses/{kind.__name__}"}
    with_token, without, without_body = LIMITS
    gateways = with_token if "security" in operation else without if "requestBody" in operation else without_body
    most = streamed or gateways
    answers[str(errors.TooLarge.status)]["description"] = f"The body is over {most // 1024} KiB"


def _response(kind: type[Problem]) -> dict[str, Any]:
    about = {"schema": {"$ref": "#/components/schemas/Problem"}}
    answer: dict[str, Any] = {"description": kind.title, "content": {"application/problem+json": about}}
    if kind.status == errors.Unauthenticated.status:
        answer["headers"] = _headers("WWW-Authenticate")
    elif kind.status == errors.NotAllowed.status:
        answer["headers"] = _headers("Allow")
    elif kind.status == errors.Unsatisfiable.status:
        answer["headers"] = _headers("Content-Range")
    elif kind.status in {errors.TooMany.status, errors.Unavailable.status}:
        answer["headers"] = _headers("Retry-After")
    return answer


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _family(kind: type[Problem]) -> Iterator[type[Problem]]:
    """`kind` and those below it that have a status of their own; of two with one status the first stands for both."""
    seen: set[int] = set()
    waiting = [kind]
    while waiting:
        next_kind = waiting.pop(0)
        waiting += next_kind.__subclasses__()
        if next_kind.__module__ == errors.__name__ and next_kind.status not in seen:
            seen.add(next_kind.status)
            yield next_kind
