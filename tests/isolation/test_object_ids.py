"""03.4, 03.3: every route, with another client's id in every place that takes one: as if that object did not exist.

Generated from the contract that the gateway serves: a new route is attacked without being named. Beside each attempt
stands the owner's own request, with the same object; a route for which that cannot be made is red.
"""

from typing import Any
from uuid import uuid4

from events.uuid7 import uuid7
from pentest.evidence import Probes
from support.book import Ask, Book, NotInTheBook, Route, as_of
from support.ceremonies import CEREMONIES
from support.hotel import expect
from support.telltale import headers_of, shown, tells

# What a body may try to set that is not the caller's to choose.
MASS = ("client_id", "tenant_id", "id", "user_id", "owner_id", "is_admin", "rights", "kind", "version", "created_at")


def test_every_route_has_an_owner_who_succeeds(own: Book, theirs: Book, probes: Probes) -> None:
    """And nobody does without a token, where the owner needs one."""
    for route in own.all_routes:
        try:
            ask = own.ask(route)
        except NotInTheBook as missing:
            probes.allowed("its owner's request", False, missing, on=route.title)
            continue
        bare = ask.send(own.hotel.http)
        if ask.person is not None:
            probes.denied("no token", bare.status_code == 401, bare.text, route=route.title)
            for token in ("x", "null", "undefined", ask.person.token + "x", ask.person.token.rsplit(".", 1)[0] + "."):
                answer = ask.send(own.hotel.http, headers={"Authorization": f"Bearer {token}"})
                probes.denied("a token that is none", answer.status_code == 401, answer.text, route=route.title)
            answer = ask.by_owner()
        else:
            answer = bare
            probes.denied("an open route that tells of a client", not tells(bare, theirs), bare.text, route=route.title)
        holds = answer.status_code < 300
        hint = "" if holds else f"{answer.status_code} {answer.text} - give its schema `examples` or add a ceremony to"
        probes.allowed("its owner's request", holds, f"{hint} tests/support/book.py", on=route.title)


def test_another_clients_id(own: Book, theirs: Book, probes: Probes) -> None:
    """Foreign and absent: the same status, bytes and headers; and the object is its owner's afterwards."""
    for route in own.with_ids():
        if route.title in CEREMONIES:
            ask = theirs.ask(route)
            probe = as_of(ask, person=own.hotel.admin)
        else:
            ask = theirs.ask(route)
            probe = as_of(ask, body=own.body(route))
        absent = as_of(probe, ids=tuple(str(uuid7()) for _ in ask.ids))
        for headers in ({}, {"If-Match": '"1"'}, {"If-None-Match": '"1"'}, {"X-HTTP-Method-Override": "GET"}):
            foreign, nothing = (one.send(own.hotel.admin, headers=headers) for one in (probe, absent))
            holds = shown(foreign) == shown(nothing) and foreign.status_code == 404
            told = f"{foreign.status_code} {foreign.text} against {nothing.status_code} {nothing.text}"
            probes.denied("another client's id in the path", holds, told, route=route.title)
            same = headers_of(foreign) == headers_of(nothing)
            probes.denied("headers that tell of it", same, f"{foreign.headers} {nothing.headers}", route=route.title)
            probes.denied("a refusal that tells of it", not tells(foreign, theirs), foreign.text, route=route.title)
        mine = ask.by_owner()
        probes.allowed("its owner, with the same id", mine.status_code < 300, mine.text, on=route.title)


def test_ids_that_are_none(own: Book, probes: Probes) -> None:
    for route in own.with_ids():
        mine = own.ask(route)
        for wrong in (
            "me2",
            "0",
            "*",
            "null",
            str(uuid4()) + ",x",
            "' OR 1=1 --",
            "00000000-0000-0000-0000-000000000000",
            "%25",
        ):
            answer = as_of(mine, ids=tuple(wrong for _ in mine.ids)).send(own.hotel.admin)
            holds = answer.status_code in (400, 404, 405, 422)
            probes.denied(
                "an id that is none", holds, f"{wrong}: {answer.status_code} {answer.text}", route=route.title
            )
        answer = mine.by_owner()
        probes.allowed("its owner, with its own id", answer.status_code < 300, answer.text, on=route.title)


def test_another_clients_parent(own: Book, theirs: Book, probes: Probes) -> None:
    """Below another's object; and of two ids in a path, either one of another's."""
    for route in own.with_ids():
        if route.title in CEREMONIES:
            continue
        mine = own.ask(route)
        foreign = theirs.path_ids(route)
        mixed = [mine.ids[:n] + foreign[n : n + 1] + mine.ids[n + 1 :] for n in range(len(mine.ids))]
        for ids in mixed:
            answer = as_of(mine, ids=ids).send(own.hotel.admin)
            probes.denied("a parent or a child of another's", answer.status_code == 404, answer.text, route=route.title)
        answer = mine.by_owner()
        probes.allowed("a parent of one's own", answer.status_code < 300, answer.text, on=route.title)


def test_another_clients_id_in_a_body(own: Book, theirs: Book, probes: Probes) -> None:
    for route in own.all_routes:
        for name, collection in own.references(route).items():
            if route.title in CEREMONIES:
                continue
            answers = []
            for referred in (theirs.object(collection), str(uuid7())):
                ask = own.ask(route)
                answers.append(as_of(ask, body={**(ask.body or {}), name: referred}).send(own.hotel.admin))
            foreign, absent = answers
            holds = shown(foreign) == shown(absent) and 400 <= foreign.status_code < 500
            told = f"{name}: {foreign.status_code} {foreign.text} against {absent.status_code} {absent.text}"
            probes.denied("another client's id in the body", holds, told, route=route.title)
            ask = own.ask(route)
            mine = as_of(ask, body={**(ask.body or {}), name: own.object(collection)}).by_owner()
            probes.allowed("one's own id in the body", mine.status_code < 300, mine.text, on=f"{route.title} {name}")


def test_fields_that_are_not_the_callers(own: Book, theirs: Book, probes: Probes) -> None:
    """Mass assignment: what the contract does not name is refused, whoever it names."""
    values = {"is_admin": True, "rights": ["client:list"], "kind": "operator", "version": 99}
    for route in own.all_routes:
        schema = route.schema
        if schema is None:
            continue
        ask = own.ask(route)
        sender = ask.person or own.hotel.http
        for name in sorted(set(MASS) - set(schema.get("properties", {}))):
            value = values.get(name, str(theirs.hotel.client_id))
            answer = ask.send(sender, json={**(ask.body or {}), name: value})
            probes.denied(
                "a field of no caller's", answer.status_code == 422, f"{name}: {answer.text}", route=route.title
            )
            probes.denied("an error that tells", not tells(answer, theirs), answer.text, route=route.title)
        answer = ask.send(sender)
        probes.allowed("the same body without it", answer.status_code < 300, answer.text, on=route.title)


def test_the_other_client_in_a_query(own: Book, theirs: Book, probes: Probes) -> None:
    client = str(theirs.hotel.client_id)
    for route in own.all_routes:
        ask = own.ask(route)
        if ask.person is None or route.method != "GET":
            continue
        for name in (
            "client_id",
            "client",
            "tenant",
            "tenant_id",
            "as",
            "on_behalf_of",
            "filter[client_id]",
            "access_token",
        ):
            answer = as_of(ask, query={**ask.query, name: client}).send(ask.person)
            # One's own log names the ids that one has tried, and nothing else of theirs.
            tried = tuple(theirs.made) if "access-events" in route.path else ()
            holds = answer.status_code < 300 and not tells(answer, theirs, tried)
            probes.denied("another client in the query", holds, f"{name}: {answer.text}", route=route.title)
        for name, collection in own.id_queries(route).items():
            foreign = theirs.object(collection) if collection else theirs.hotel.admin.user_id
            answers = [
                as_of(ask, query={**ask.query, name: asked}).send(ask.person) for asked in (foreign, str(uuid7()))
            ]
            rows = [
                answer.json().get("items") if "json" in answer.headers["content-type"] else answer.text
                for answer in answers
            ]
            holds = all(answer.status_code == 200 for answer in answers) and not tells(
                answers[0], theirs, (foreign, *theirs.made)
            )
            # The log of one's own attempts may name the id that was asked for; a list of data is empty.
            holds = holds and (not rows[0] or "access-events" in route.path)
            probes.denied("another client's id in a filter", holds, f"{name}: {rows[0]}", route=route.title)
        answer = ask.by_owner()
        probes.allowed("its owner's list", answer.status_code < 300, answer.text, on=route.title)


def test_another_clients_cursor(own: Book, theirs: Book, probes: Probes) -> None:
    for route in own.all_routes:
        if "cursor" not in route.queries:
            continue
        ask = theirs.ask(route)
        assert ask.person is not None
        for collection in {
            other.path
            for other in own.all_routes
            if other.method == "POST" and other.path == route.path and "cursor" not in other.queries
        }:
            if f"POST {collection}" not in CEREMONIES:
                theirs.object(collection)
                theirs.object(collection)
        body = _found_by(theirs, route, ask)
        page = ask.by_owner(params={"limit": 1}, json=body)
        cursor = page.json().get("next_cursor") if page.status_code == 200 else None
        probes.allowed("a second page to ask for", cursor is not None, page.text, on=route.title)
        mine = ask.by_owner(params={"limit": 1, "cursor": cursor}, json=body)
        probes.allowed(
            "the cursor in its own hands", mine.status_code == 200 and mine.json()["items"], mine.text, on=route.title
        )
        answer = ask.send(own.hotel.admin, params={"limit": 1, "cursor": cursor}, json=body)
        probes.denied("another client's cursor", answer.status_code == 422, answer.text, route=route.title)
        for other in own.all_routes:
            if other.path != route.path and "cursor" in other.queries:
                answer = theirs.ask(other).by_owner(params={"cursor": cursor})
                probes.denied("another list's cursor", answer.status_code == 422, answer.text, route=other.title)


def _found_by(book: Book, route: Route, ask: Ask) -> dict[str, Any] | None:
    """For a search: a body that finds two objects, made with the same words."""
    if route.method != "POST" or ask.body is None:
        return None
    creating = next((one for one in book.all_routes if one.title == f"POST {route.path.rpartition('/')[0]}"), None)
    if creating is None:
        return {}
    shared = {name: value for name, value in ask.body.items() if name in (creating.schema or {}).get("properties", {})}
    for _ in range(2):
        expect(Ask(creating, book.hotel.admin, body=book.body(creating, **shared)).by_owner(), 201)
    return shared


def test_after_its_deletion(own: Book, theirs: Book, probes: Probes) -> None:
    """What was deleted is, for its owner and for everybody, what never was."""
    deleting = {route.path for route in own.all_routes if route.method == "DELETE" and route.ids}
    for path in sorted(deleting):
        route = next(one for one in own.all_routes if one.title == f"DELETE {path}")
        if route.title in CEREMONIES:
            continue
        gone = own.ask(route)
        answer = gone.by_owner()
        probes.allowed("its owner deletes it", answer.status_code < 300, answer.text, on=route.title)
        for other in own.all_routes:
            if not other.path.startswith(path) or not other.ids:
                continue
            if other.method == "PUT" and other.path == path:
                continue  # putting it again is how it is made
            probe = Ask(other, own.hotel.admin, gone.ids, own.body(other))
            never = as_of(probe, ids=tuple(str(uuid7()) for _ in gone.ids))
            for sender in (own.hotel.admin, theirs.hotel.admin):
                after, nothing = probe.send(sender), never.send(sender)
                holds = shown(after) == shown(nothing) and after.status_code == 404
                probes.denied("use after deletion", holds, f"{after.status_code} {after.text}", route=other.title)
