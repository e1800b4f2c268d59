"""How `konci` asks: what it waits out, what it gives up on, and what it says then (05.4)."""

import ssl

import httpx2
import pytest

from konci import api
from konci.api import Api
from konci.failure import Failed
from stack import bootstrap_ca
from stack.settings import Stack

PROBLEM = {"type": "/problems/not-found", "title": "Not found", "status": 404, "detail": "There is nothing here."}


def asked(handler):
    one = Api("https://localhost:1", ssl.create_default_context(), token="t")
    one.close()
    one._http = httpx2.Client(base_url="https://localhost:1", transport=httpx2.MockTransport(handler))
    return one


def test_an_unexpected_answer_is_one_line():
    with asked(lambda _: httpx2.Response(404, json=PROBLEM)) as one, pytest.raises(Failed) as failed:
        one.ask("GET", "/v1/guests/1")
    assert "GET /v1/guests/1 was answered 404 Not found: There is nothing here." in str(failed.value)
    assert "\n" not in str(failed.value)


def test_what_only_repeats_the_title_is_said_once():
    problem = {"title": "There is nothing here", "detail": "There is nothing here"}
    with asked(lambda _: httpx2.Response(404, json=problem)) as one, pytest.raises(Failed, match="404 There") as failed:
        one.ask("GET", "/")
    assert str(failed.value).count("There is nothing here") == 1


def test_a_422_names_its_fields():
    problem = {"title": "Invalid", "errors": [{"pointer": "/email", "detail": "is no address"}]}
    with (
        asked(lambda _: httpx2.Response(422, json=problem)) as one,
        pytest.raises(Failed, match="/email is no address"),
    ):
        one.ask("POST", "/v1/users", body={})


def test_nobody_there():
    def refuse(request):
        raise httpx2.ConnectError("refused", request=request)

    with asked(refuse) as one, pytest.raises(Failed, match="konci up"):
        one.ask("GET", "/")


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_platform_is_waited_for(status, monkeypatch):
    naps = []
    monkeypatch.setattr(api.time, "sleep", naps.append)
    answers = iter([httpx2.Response(status, headers={"Retry-After": "3"}), httpx2.Response(200, json={})])
    with asked(lambda _: next(answers)) as one:
        assert one.ask("GET", "/").status == 200
    assert (naps, one.retries) == ([3.0], 1)


def test_not_for_ever(monkeypatch):
    clock = iter(range(0, 1000, 20))
    monkeypatch.setattr(api.time, "sleep", lambda _: None)
    monkeypatch.setattr(api.time, "monotonic", lambda: float(next(clock)))
    with asked(lambda _: httpx2.Response(503)) as one, pytest.raises(Failed, match="503"):
        one.ask("GET", "/")


def test_the_entry_of_the_log_is_kept():
    headers = {"Access-Event": "e1", "ETag": '"3"'}
    with asked(lambda _: httpx2.Response(200, json={"id": "g"}, headers=headers)) as one:
        answer = one.ask("GET", "/v1/guests/g")
    assert (answer.access_event, answer.etag, answer.body) == ("e1", '"3"', {"id": "g"})


def test_the_token_travels_in_its_header():
    seen = []
    with asked(lambda request: seen.append(request) or httpx2.Response(204)) as one:
        one.ask("DELETE", "/v1/sessions/current", expect=(204,))
    assert seen[0].headers["Authorization"] == "Bearer t"
    assert "t" not in str(seen[0].url.query)


def test_nothing_older_than_tls_13_and_only_our_root(tmp_path):
    bootstrap_ca.prepare(Stack(run=tmp_path))
    context = api.trust(str(tmp_path / "ca.pem"))
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert len(context.get_ca_certs()) == 1
