"""03.4, 05.3: another form of a path, or another method, reaches nothing that the plain one does not.

Generated from the contract: every route with an id, every form, against another client's object.
"""

import httpx2
import pytest

from pentest.evidence import Probes
from support.book import Book
from support.ceremonies import CEREMONIES
from support.telltale import tells

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


@pytest.mark.parametrize("form", range(len(FORMS)))
def test_another_form_of_the_path(own: Book, theirs: Book, probes: Probes, form: int) -> None:
    for route in own.with_ids():
        if route.method != "GET":
            continue
        ask = theirs.ask(route)
        # Sent as it is written, not as a client library would tidy it.
        url = httpx2.URL(str(own.hotel.http.base_url)).copy_with(raw_path=FORMS[form](ask.path).encode())
        answer = own.hotel.admin.request("GET", url)
        holds = 400 <= answer.status_code < 500 and not tells(answer, theirs, ask.ids)
        probes.denied(
            "another form of the path", holds, f"{url.path}: {answer.status_code} {answer.text}", route=route.title
        )
        mine = ask.by_owner()
        probes.allowed("its owner, by its plain form", mine.status_code == 200, mine.text, on=route.title)


def test_another_method(own: Book, theirs: Book, probes: Probes) -> None:
    """A method in a header or a field does nothing; HEAD, OPTIONS and TRACE show nothing."""
    overrides = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")
    for route in own.with_ids():
        ask = theirs.ask(route)
        if route.title in CEREMONIES or ask.person is None:
            continue
        for method in ("HEAD", "OPTIONS", "TRACE", "PROPFIND", "get", "CONNECT"):
            if method == "CONNECT":
                continue  # has no path: tests/isolation/test_gateway_smuggling.py
            answer = ask.send(own.hotel.admin, method=method, json=None)
            holds = answer.status_code >= 400 and not tells(answer, theirs)
            probes.denied("a method that is not offered", holds, f"{method} {answer.status_code}", route=route.title)
        for name in overrides:
            for sender in (own.hotel.admin, theirs.hotel.viewer):
                sender.get(ask.path, headers={name: "DELETE"}, params={"_method": "DELETE"})
        answer = ask.by_owner()
        probes.allowed("its owner still has it", answer.status_code < 300, answer.text, on=route.title)
