"""The object book: for every route of the contract, a request of its owner that succeeds, with objects made for it.

Nothing here names a collection. An id comes from the `POST` of the collection that its path begins with, or from its
list; a body from the schema. Only what no schema can tell (a password, a code) is a ceremony, by its route.
"""

import io
import re
import secrets
import wave
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import httpx2

from support.ceremonies import CEREMONIES
from support.hotel import Hotel, Person, patiently

METHODS = ("get", "head", "post", "put", "patch", "delete")


def _silence() -> bytes:
    """A second of silence as a telephone exchange records it, no two alike."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, 8_000, 0, "NONE", "not compressed"))
        out.writeframes(bytes(15_984) + secrets.token_bytes(16))
    return file.getvalue()


FILES = {"audio/wav": _silence}
"""A body of each media type that is no JSON; a type that is missing here is a KeyError that names it."""


class NotInTheBook(AssertionError):
    """No request could be made for a route: the line says what to add, and where."""


@dataclass(frozen=True)
class Route:
    """One operation of the OpenAPI document that the gateway serves."""

    method: str
    path: str
    operation: Mapping[str, Any]
    contract: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def title(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def ids(self) -> list[str]:
        """The collections that the ids in the path belong to: `/v1/guests` of `/v1/guests/{guest_id}`."""
        return [self.path[: match.start() - 1] for match in re.finditer(r"\{[^}]+\}", self.path)]

    @property
    def schema(self) -> Mapping[str, Any] | None:
        """The schema of its JSON body."""
        content = self.operation.get("requestBody", {}).get("content", {}).get("application/json")
        return None if content is None else self.resolved(content["schema"])

    @property
    def media(self) -> str | None:
        """The first media type of a body that is no JSON."""
        kinds = self.operation.get("requestBody", {}).get("content", {})
        return next((kind for kind in sorted(kinds, reverse=True) if kind != "application/json"), None)

    @property
    def queries(self) -> dict[str, Mapping[str, Any]]:
        """Its query parameters, by name."""
        return {one["name"]: one for one in self.operation.get("parameters", []) if one["in"] == "query"}

    def resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in schema:
            schema = self.contract["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return schema

    def filled(self, ids: list[str]) -> str:
        """The path with these ids in place of its parameters."""
        remaining = iter(ids)
        return re.sub(r"\{[^}]+\}", lambda _: next(remaining), self.path)


def routes(contract: Mapping[str, Any]) -> list[Route]:
    """Every operation of the contract."""
    return [
        Route(method.upper(), path, operation, contract)
        for path, operations in contract["paths"].items()
        for method, operation in operations.items()
        if method in METHODS
    ]


@dataclass(frozen=True)
class Ask:
    """A request that its owner may make: ready to be sent, or to be bent by an attacker."""

    route: Route
    person: Person | None  # None: needs no token
    ids: tuple[str, ...] = ()
    body: Mapping[str, Any] | bytes | None = None
    query: Mapping[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return self.route.filled(list(self.ids))

    def send(self, sender: Person | httpx2.Client, **options: Any) -> httpx2.Response:
        """Sends it, with `options` in place of its parts."""
        told = {"params": dict(self.query), **options}
        if isinstance(self.body, bytes) and "json" not in told:
            told = {"content": self.body} | told
            told["headers"] = {"Content-Type": self.route.media, **told.get("headers", {})}
        elif not {"content", "json"} & told.keys():
            told["json"] = self.body
        path = told.pop("path", self.path)
        return sender.request(told.pop("method", self.route.method), path, **told)

    def by_owner(self, **options: Any) -> httpx2.Response:
        """By whom it belongs to, who comes back when told to (`Retry-After`), as any client would."""
        assert self.person is not None, f"{self.route.title} needs nobody"
        sender = self.person
        return patiently(lambda: self.send(sender, **options))


@dataclass
class Book:
    """Objects of one hotel, made on demand, each fresh."""

    hotel: Hotel
    all_routes: list[Route]
    made: set[str] = field(default_factory=set)  # every id of the hotel that an answer named

    def with_ids(self) -> Iterator[Route]:
        """The routes that take an id in their path."""
        yield from (route for route in self.all_routes if route.ids)

    def ask(self, route: Route) -> Ask:
        """A request for `route` that its owner may make, with objects of its own."""
        if route.title in CEREMONIES:
            person, ids, body = CEREMONIES[route.title](self.hotel)
            return Ask(route, person, ids, body)
        ids = self.path_ids(route)
        return Ask(route, self.hotel.admin, ids, self.body(route), self._query(route))

    def path_ids(self, route: Route) -> tuple[str, ...]:
        """Fresh objects for every id in the path, the later ones below the earlier ones."""
        ids: list[str] = []
        for collection in route.ids:
            ids.append(self.object(collection, ids))
        if route.method in ("GET", "DELETE", "PATCH"):
            self._fill(route, ids)
        return tuple(ids)

    def object(self, collection: str, above: list[str] | None = None) -> str:
        """The id of a fresh object of `collection`: made by its `POST`, else taken from its list."""
        creating = self._route("POST", collection)
        tried = []
        if creating is None and (below := self._below(collection)) is not None:
            answer = Ask(below, self.hotel.admin, self.path_ids(below), self.body(below)).by_owner()
            if answer.status_code in (200, 201, 202):
                return self._noted(answer.json(), collection)
            tried.append(f"POST {below.path}: {answer.status_code} {answer.text[:200]}")
        if creating is not None and creating.title not in CEREMONIES:
            ids = list(above or [])
            answer = Ask(creating, self.hotel.admin, tuple(ids), self.body(creating)).by_owner()
            if answer.status_code in (200, 201, 202):
                return self._noted(answer.json(), collection)
            tried.append(f"POST {collection}: {answer.status_code} {answer.text[:200]}")
        listing = self._route("GET", collection)
        if listing is not None:
            answer = Ask(listing, self.hotel.admin, tuple(above or [])).by_owner()
            if answer.status_code == 200 and answer.json().get("items"):
                return self._noted(answer.json()["items"][-1], collection)
            tried.append(f"GET {collection}: {answer.status_code} {answer.text[:200]}")
        raise NotInTheBook(
            f"no object of {collection} could be made ({'; '.join(tried) or 'no POST and no GET'}): "
            "give its schema `examples`, or add a ceremony to tests/support/ceremonies.py"
        )

    def body(self, route: Route, **changes: Any) -> dict[str, Any] | bytes | None:
        """A valid body of `route`: what its schema requires, one optional field when it requires none; or a file."""
        if route.media is not None:
            return FILES[route.media]()
        schema = route.schema
        if schema is None:
            return None
        made = self._object_of(route, schema)
        if not made and (optional := self._one_optional(route, schema)) is not None:
            made = optional
        return {**made, **changes}

    def references(self, route: Route) -> dict[str, str]:
        """Fields of the body that hold an id of another collection: `guest_id` -> `/v1/guests`."""
        properties = (route.schema or {}).get("properties", {})
        return {name: at for name in properties if (at := self._collection_of(name)) is not None}

    def id_queries(self, route: Route) -> dict[str, str | None]:
        """Query parameters that take an id, with the collection that it is of, where the name tells."""
        return {name: self._collection_of(name) for name in route.queries if name.endswith("_id")}

    def _fill(self, route: Route, ids: list[str]) -> None:
        """For a part that is put below an object (`/calls/{id}/transcript`): puts it there first."""
        if route.path.endswith("}"):
            return
        putting = self._route("PUT", route.path)
        if putting is not None:
            answer = Ask(putting, self.hotel.admin, tuple(ids), self.body(putting)).by_owner()
            assert answer.status_code < 300, f"{putting.title}: {answer.status_code} {answer.text[:300]}"

    def _route(self, method: str, path: str) -> Route | None:
        return next((one for one in self.all_routes if (one.method, one.path) == (method, path)), None)

    def _below(self, collection: str) -> Route | None:
        """The `POST` of a collection of the same name below another object: `/v1/calls/{call_id}/recordings`."""
        name = collection.rpartition("/")[2]
        return next((one for one in self.all_routes if one.method == "POST" and one.path.endswith(f"}}/{name}")), None)

    def _collection_of(self, name: str) -> str | None:
        stem = name.removesuffix("_id")
        if stem == name:
            return None
        return next(
            (one.path for one in self.all_routes if one.method == "POST" and one.path.endswith(f"/{stem}s")), None
        )

    def _noted(self, shown: Mapping[str, Any], collection: str) -> str:
        found = shown.get("id") or next(
            (part["id"] for part in shown.values() if isinstance(part, dict) and "id" in part), None
        )
        if found is None:
            raise NotInTheBook(f"the answer of {collection} names no id: add a ceremony to tests/support/ceremonies.py")
        self.made.add(str(found))
        return str(found)

    def _query(self, route: Route) -> dict[str, Any]:
        return {
            name: self._value(route, name, route.resolved(one["schema"]))
            for name, one in route.queries.items()
            if one.get("required")
        }

    def _object_of(self, route: Route, schema: Mapping[str, Any]) -> dict[str, Any]:
        required = schema.get("required", [])
        return {name: self._value(route, name, schema["properties"][name]) for name in required}

    def _one_optional(self, route: Route, schema: Mapping[str, Any]) -> dict[str, Any] | None:
        for name, part in schema.get("properties", {}).items():
            part = _first(route.resolved(part))  # noqa: PLW2901 - the same part, read through its reference
            if part.get("type") == "string" and "enum" not in part and "format" not in part:
                return {name: self._value(route, name, part)}
        return None

    def _value(self, route: Route, name: str, schema: Mapping[str, Any]) -> Any:
        schema = _first(route.resolved(schema))
        if listed := [schema["const"]] if "const" in schema else schema.get("enum") or schema.get("examples"):
            return listed[0]
        kind = schema.get("type")
        if kind == "object" or "properties" in schema:
            return self._object_of(route, schema)
        if kind == "array":
            return [self._value(route, name, schema["items"])] if schema.get("items") else []
        if kind in ("integer", "number", "boolean"):
            return schema.get("minimum", 1) if kind != "boolean" else True
        return _text(name, schema)


def _first(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first kind that is not null."""
    kinds = [one for one in schema.get("anyOf", schema.get("oneOf", [])) if one.get("type") != "null"]
    return kinds[0] if kinds else schema


def _text(name: str, schema: Mapping[str, Any]) -> str:
    if schema.get("format") == "date-time" or name.endswith("_at"):
        return "2026-11-01T10:00:00Z"
    if schema.get("format") == "uuid":
        return str(uuid4())
    if "email" in name:
        return f"book-{secrets.token_hex(5)}@example.com"
    return f"book {secrets.token_hex(4)}"[: schema.get("maxLength", 64)]


def as_of(ask: Ask, **changes: Any) -> Ask:
    """The same request with other parts."""
    return replace(ask, **changes)
