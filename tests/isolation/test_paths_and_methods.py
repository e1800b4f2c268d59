"""03.4, 05.3: another form of a path, or another method, reaches nothing that the plain one does not.

Generated from the contract: every route with an id, every form, by another client, by nobody and by the object's owner.
"""

from collections.abc import Iterator

import httpx2
import pytest

from pentest.evidence import Probes
from support.book import Ask, Book
from support.ceremonies import CEREMONIES
from support.telltale import shown, tells

FORMS = (  # of a path, by which one component may see another object than the next
    lambda path: path + "/",
    lambda path: path.replace("/v1/", "/v1//"),
    lambda path: "/" + path,
    lambda path: path.replace("/v1/", "/V1/"),
    lambda path: path.replace("/v1/", "/v1/./"),
    lambda path: path.replace("/v1/", "/v1/x/../"),
    lambda path: path.replace("/v1/", "/v1/%2e/"),
    lambda path: path.replace("/v1/", "/v1%2f"),
    lambda path: path + ";client_id=x",
    lambda path: path + "%00",
    lambda path: path + "%20",
    lambda path: path + "/.",
    lambda path: path + ".json",
    lambda path: path + "?client_id=x",
)


NOBODY = (400, 401, 404, 405)  # what one without a token is told
METHODS = ("HEAD", "OPTIONS", "TRACE", "PROPFIND")  # CONNECT has no path: tests/isolation/test_gateway_smuggling.py
OVERRIDES = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")


def _reads(book: Book) -> Iterator[tuple[Ask, httpx2.Response]]:
    """Every route that reads an object by its id, and what its owner is answered."""
    for route in book.with_ids():
        if route.method == "GET":
            ask = book.ask(route)
            yield ask, ask.by_owner()


def _is_refused(answer: httpx2.Response) -> bool:
    return 400 <= answer.status_code < 500


def _adds_nothing(answer: httpx2.Response, plain: httpx2.Response) -> bool:
    """Whether an owner, who could do whatever was meant by it, got exactly the plain answer or none."""
    return _is_refused(answer) or shown(answer) == shown(plain)


@pytest.mark.parametrize("form", range(len(FORMS)))
def test_another_form_of_the_path(own: Book, theirs: Book, probes: Probes, form: int) -> None:
    """By its owner too: another client is refused the plain form as well, so it cannot show where another one leads."""
    for ask, plain in _reads(theirs):
        assert ask.person is not None
        route = ask.route.title
        probes.allowed("its owner, by its plain form", plain.status_code == 200, plain.text, on=route)
        # Sent as it is written, not as a client library would tidy it.
        url = httpx2.URL(str(own.hotel.http.base_url)).copy_with(raw_path=FORMS[form](ask.path).encode())
        foreign, bare, mine = (sender.request("GET", url) for sender in (own.hotel.admin, own.hotel.http, ask.person))
        holds = {
            "by another client": (foreign, _is_refused(foreign) and not tells(foreign, theirs, ask.ids)),
            "without a token": (bare, bare.status_code in NOBODY and not tells(bare, theirs, ask.ids)),
            "by its owner": (mine, _adds_nothing(mine, plain)),
        }
        for who, (answer, is_held) in holds.items():
            told = f"{url.raw_path!r}: {answer.status_code} {answer.text}"
            probes.denied(f"another form of the path, {who}", is_held, told, route=route)


def test_a_method_that_is_not_offered(own: Book, theirs: Book, probes: Probes) -> None:
    """HEAD, OPTIONS and TRACE show nothing, to nobody."""
    for route in own.with_ids():
        ask = theirs.ask(route)
        if route.title in CEREMONIES or ask.person is None:
            continue
        senders = {"another client": own.hotel.admin, "its owner": ask.person, "nobody": own.hotel.http}
        offered = {other.method for other in own.all_routes if other.path == route.path}
        for method in sorted({*METHODS} - offered):
            for who, sender in senders.items():
                answer = ask.send(sender, method=method, json=None)
                holds = _is_refused(answer) and not tells(answer, theirs, ask.ids)
                told = f"{method} by {who}: {answer.status_code} {answer.text}"
                probes.denied("a method that is not offered", holds, told, route=route.title)
        answer = ask.by_owner()
        probes.allowed("its owner still has it", answer.status_code < 300, answer.text, on=route.title)


def test_a_method_in_a_header(own: Book, theirs: Book, probes: Probes) -> None:
    """Or in a field: a read stays one, also for who might delete."""
    for ask, plain in _reads(theirs):
        assert ask.person is not None
        for name in OVERRIDES:
            for sender in (own.hotel.admin, theirs.hotel.viewer, ask.person):
                answer = sender.get(ask.path, headers={name: "DELETE"}, params={"_method": "DELETE"})
                told = f"{name} {answer.status_code} {answer.text}"
                probes.denied("a method in a header", _adds_nothing(answer, plain), told, route=ask.route.title)
        again = ask.by_owner()
        is_there = again.status_code == 200 and shown(again) == shown(plain)
        probes.allowed("its owner still has it", is_there, again.text, on=ask.route.title)
