"""05.3, 03.4: no request can be written so that the gateway sees one thing and the service behind it another.

The real Envoy with the real configuration, in front of services that only tell what reached them; what must not have
reached them is looked for there. And the platform's own gateway, where its access log tells what was believed.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from pentest.evidence import Probes
from stack.envoy import Limits
from support.edge import Edge, edge
from support.hotel import Hotel
from support.machine import Machine
from support.wire import Headers, ask

MARK = "smuggled"
NAMING = (
    "x-client-id", "x-tenant-id", "x-user-id", "x-jwt-payload", "x-forwarded-for", "x-forwarded-client-cert",
    "x-real-ip", "x-envoy-external-address", "x-envoy-original-path", "x-request-id", "x-original-url", "x-rewrite-url",
    "forwarded", "via", "true-client-ip", "cf-connecting-ip", "client-ip", "fastly-client-ip", "proxy", "traceparent",
    "baggage",
)  # fmt: skip
ADDRESSES = (
    "x-forwarded-for",
    "x-envoy-external-address",
    "x-real-ip",
    "forwarded",
    "true-client-ip",
    "cf-connecting-ip",
)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    with edge(tmp_path_factory.mktemp("front"), Limits()) as ready:
        yield ready


def _reached(front: Edge) -> list[str]:
    """The paths of the inside, or of a hidden request, that a service was asked for since the last look."""
    seen = [path for service in front.services.values() for path in service.seen]
    for service in front.services.values():
        service.seen.clear()
    # As a service reads it (decoded once), below a known route it is an id that nobody has: unless it leads out again.
    return [path for path in seen if MARK in path and (not path.startswith("/v1/guests/") or ".." in path)]


def _answers(raw: bytes) -> list[tuple[int, dict[str, Any]]]:
    """Status and body of each answer that came back on one connection."""
    answers = []
    while raw:
        head, _, rest = raw.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        length = next(int(line[15:]) for line in lines if line.lower().startswith("content-length:"))
        answers.append((int(lines[0].split(" ")[1]), json.loads(rest[:length] or b"{}")))
        raw = rest[length:]
    return answers


def _asked_by(body: dict[str, Any]) -> list[str]:
    """Every Authorization header with which a request reached its service."""
    return [value for name, value in body.get("headers", []) if name == "authorization"]


def _control(front: Edge, probes: Probes, sid: str) -> None:
    """Afterwards an honest request is served, and sees nothing of what went before."""
    with front.client() as http:
        answer = http.get("/v1/guests", headers=front.bearer(sid=sid))
    probes.allowed("an honest request", answer.status_code == 200 and MARK not in answer.text, answer.text)


INNER = f"GET /internal/{MARK} HTTP/1.1\r\nHost: localhost\r\n\r\n"
LENGTH = len(INNER)
HIDDEN = "0\r\n\r\n" + INNER
# Requests that two readers may end at different places: header lines, and a body that hides a second request.
ENDS = {
    "a length and chunks (CL.TE)": (f"Content-Length: {len(HIDDEN)}\r\nTransfer-Encoding: chunked", HIDDEN),
    "chunks and a length (TE.CL)": (
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        f"{LENGTH:x}\r\n{INNER}\r\n0\r\n\r\n",
    ),
    "chunks twice": ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", HIDDEN),
    "chunks by another name": (f"Transfer-Encoding: xchunked\r\nContent-Length: {LENGTH}", INNER),
    "chunks with a tab": (f"Transfer-Encoding:\tchunked\r\nContent-Length: {LENGTH}", INNER),
    "chunks before a space": (f"Transfer-Encoding : chunked\r\nContent-Length: {len(HIDDEN)}", HIDDEN),
    "chunks on a folded line": (f"Transfer-Encoding:\r\n chunked\r\nContent-Length: {len(HIDDEN)}", HIDDEN),
    "two lengths": (f"Content-Length: 0\r\nContent-Length: {LENGTH}", INNER),
    "two lengths in one": (f"Content-Length: 0, {LENGTH}", INNER),
    "a length with a sign": (f"Content-Length: +{LENGTH}", INNER),
    "a length in hex": ("Content-Length: 0x0", INNER),
    "a length below zero": ("Content-Length: -1", INNER),
    "a chunk size that overflows": ("Transfer-Encoding: chunked", f"ffffffffffffffff1\r\n{INNER}"),
    "a chunk size with a sign": ("Transfer-Encoding: chunked", f"-1\r\n{INNER}"),
    "a chunk extension that ends a line": ("Transfer-Encoding: chunked", f"1;a=b\nx\r\n0\r\n\r\n{INNER}"),
    "a bare line feed": (f"X-A: b\nTransfer-Encoding: chunked\r\nContent-Length: {LENGTH}", INNER),
    "a NUL in a value": ("X-A: a\0b\r\nContent-Length: 0", ""),
    "another protocol": (
        f"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\nContent-Length: {LENGTH}",
        INNER,
    ),
}


# The gateway reads it as the service does: one request, whose body is the other.
SERVED = "another protocol"


def test_a_request_inside_a_request(front: Edge, probes: Probes) -> None:
    """Refused with one answer, or served as the one request that it is; never a second one, under nobody's name."""
    with front.client() as http:
        http.get(f"/v1/calls/{MARK}", headers=front.bearer(sid="look"))
    probes.allowed("what does reach a service is seen", _reached(front) == [f"/v1/calls/{MARK}"])
    bearer = front.bearer(sid="inside")["Authorization"]
    for number, (case, (lines, body)) in enumerate(ENDS.items()):
        for method in ("POST", "GET"):
            start = f"{method} /v1/guests HTTP/1.1\r\nHost: localhost\r\nAuthorization: {bearer}\r\n"
            raw = front.raw(f"{start}Content-Type: application/json\r\n{lines}\r\n\r\n{body}".encode("latin-1"))
            inner, answers = _reached(front), _answers(raw)
            probes.denied(f"HTTP/1.1: {case}", not inner, inner)
            probes.denied("more answers than requests", len(answers) == 1, raw)
            if case == SERVED:
                ((status, told),) = answers
                whole = status == 200 and told["bytes"] == LENGTH and _asked_by(told) == [bearer]
                probes.denied("a body that is more than a body", whole, raw)
            else:
                # 500: a coding of transfer that the gateway does not know; it tells of no 501.
                statuses = [status for status, _ in answers]
                probes.denied("an end that two may read differently", statuses in ([400], [500]), raw)
        _control(front, probes, f"control-{number}")


def test_two_callers_on_one_connection(front: Edge, probes: Probes) -> None:
    """Two honest requests sent at once: each is answered, and each reached its service as its own token's alone."""
    first = front.bearer(sid="first")["Authorization"]
    second = front.bearer(sid="second", client_id="another-client")["Authorization"]
    start = "GET /v1/guests HTTP/1.1\r\nHost: localhost\r\n"
    forged = f"{second[:-8]}AAAAAAAA"
    for names in ((first, second), (second, first), (first, None), (None, first), (first, forged), (forged, first)):
        sent = "".join(start + (f"Authorization: {name}\r\n\r\n" if name else "\r\n") for name in names)
        answers = _answers(front.raw(sent.encode()))
        own = [(200, [name]) if name in (first, second) else (401, []) for name in names]
        told = [(status, _asked_by(body)) for status, body in answers]
        probes.denied("another's name on one connection", told == own, told)
    _control(front, probes, "one connection")


def test_who_is_asked(front: Edge, probes: Probes) -> None:
    """Whatever host is named, in whatever form, the same routes and the same rules."""
    inner, auth = f"/internal/{MARK}", front.stack.port_of("auth")
    forms = {
        "an absolute address": (f"GET https://elsewhere.example{inner}", "Host: localhost"),
        "an absolute address of plain HTTP": (f"GET http://localhost{inner}", "Host: localhost"),
        "two hosts": (f"GET {inner}", "Host: localhost\r\nHost: tenant-data"),
        "no host": (f"GET {inner}", "Accept: a"),
        "a host with a path": (f"GET {inner}", "Host: localhost/internal"),
        "another host": (f"GET {inner}", "Host: 127.0.0.1:8200"),
        "only an authority": (f"CONNECT localhost:{auth}", "Host: localhost"),
        "an asterisk": ("OPTIONS *", "Host: localhost"),
        "dots": (f"GET /v1/guests/../..{inner}", "Host: localhost"),
        "encoded dots": (f"GET /v1/guests/%2e%2e/%2e%2e{inner}", "Host: localhost"),
        "twice encoded dots": (f"GET /v1/guests/%252e%252e{inner}", "Host: localhost"),
        "encoded slashes": (f"GET /v1/guests%2f..%2f..%2finternal%2f{MARK}", "Host: localhost"),
        "backslashes": (f"GET /v1/guests\\..\\..\\internal\\{MARK}", "Host: localhost"),
        "two slashes": (f"GET /{inner}", "Host: localhost"),
        "a fragment": (f"GET /v1/guests#/..{inner}", "Host: localhost"),
        "a parameter in the path": (f"GET /v1;x=/..{inner}", "Host: localhost"),
        "a tab in the line": (f"GET /v1/guests\t{inner}", "Host: localhost"),
        "a space in the path": (f"GET /v1/guests {inner}", "Host: localhost"),
    }
    bearer = front.bearer(sid="host")["Authorization"]
    for number, (case, (line, host)) in enumerate(forms.items()):
        answer = front.raw(f"{line} HTTP/1.1\r\n{host}\r\nAuthorization: {bearer}\r\n\r\n".encode())
        probes.denied(f"a path or host: {case}", not _reached(front), answer)
        _control(front, probes, f"path-{number}")


def _h2(bearer: str, path: str = "/v1/guests", method: str = "GET") -> Headers:
    named = {":method": method, ":scheme": "https", ":authority": "localhost", ":path": path, "authorization": bearer}
    return [(name.encode(), value.encode()) for name, value in named.items()]


def test_http2_that_becomes_http1(front: Edge, probes: Probes) -> None:
    bearer = front.bearer(sid="h2")["Authorization"]
    line = f"x\r\nGET /internal/{MARK} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    plain = _h2(bearer)
    changed = {
        "a line end in a value": [*plain, (b"accept-language", b"en" + line)],
        "a bare line feed in a value": [*plain, (b"accept-language", b"en\nx-client-id: " + MARK.encode())],
        "a NUL in a value": [*plain, (b"accept-language", b"en\0" + MARK.encode())],
        "a line end in a name": [*plain, (b"a: b\r\nx-client-id", MARK.encode())],
        "a colon in a name": [*plain, (b"x-client-id: " + MARK.encode(), b"1")],
        "a line end in the path": _h2(bearer, f"/v1/guests HTTP/1.1\r\nHost: a\r\n\r\nGET /internal/{MARK}"),
        "a space in the path": _h2(bearer, f"/v1/guests /internal/{MARK}"),
        "a line end in the method": _h2(bearer, method=f"GET /internal/{MARK} HTTP/1.1\r\nX: "),
        "a path that is no path": _h2(bearer, f"internal/{MARK}"),
        "two paths": [*plain, (b":path", f"/internal/{MARK}".encode())],
        "two authorities": [*plain, (b":authority", b"tenant-data")],
        "a host beside the authority": [*plain, (b"host", b"127.0.0.1:8200")],
        "a path after the headers": [*plain[:3], plain[4], (b":path", f"/internal/{MARK}".encode())],
        "chunks": [*plain, (b"transfer-encoding", b"chunked")],
        "a connection header": [*plain, (b"connection", b"x-envoy-external-address, authorization")],
        "an upgrade": [*plain, (b"upgrade", b"h2c"), (b"http2-settings", b"AAMAAABk")],
        "capitals in a name": [*plain, (b"X-Client-Id", MARK.encode())],
        "an underscore twin": [*plain, (b"x_client_id", MARK.encode())],
        "a pseudo header of ours": [*plain, (b":client-id", MARK.encode())],
        "an address of its own": [
            *plain,
            (b"x-envoy-external-address", b"203.0.113.66"),
            (b"x-client-id", b"smuggled"),
        ],
    }
    for number, (case, headers) in enumerate(changed.items()):
        answered = ask(front.stack.port, str(front.stack.ca), headers)
        clean = MARK.encode() not in answered.body and b"203.0.113.66" not in answered.body
        probes.denied(f"HTTP/2: {case}", not _reached(front) and clean, answered)
        _control(front, probes, f"h2-{number}")
    body = INNER.encode()
    posted = [*_h2(bearer, method="POST"), (b"content-type", b"application/json")]
    lengths = {"a length that is too small": b"0", "a length that is too large": b"9999", "two lengths": b"0, 9"}
    for case, length in lengths.items():
        answered = ask(front.stack.port, str(front.stack.ca), [*posted, (b"content-length", length)], body)
        probes.denied(f"HTTP/2: {case}", not _reached(front) and answered.status != 200, answered)
    honest = ask(front.stack.port, str(front.stack.ca), _h2(bearer))
    probes.allowed("an honest request over HTTP/2", honest.status == 200, honest)


def test_headers_that_name_somebody(front: Edge, probes: Probes) -> None:
    """No header that a service could take for the gateway's arrives: single, twice, joined, by any spelling."""
    with front.client() as http:
        for name in NAMING:
            for spelled in (name, name.upper(), name.title()):
                for value in (MARK, f"{MARK}, {MARK}", f'"{MARK}"'):
                    headers = [*front.bearer(sid="named").items(), (spelled, value), (spelled, MARK)]
                    answer = http.get("/v1/guests", headers=headers)
                    probes.denied("a header that names somebody", MARK not in answer.text, f"{spelled} {answer.text}")
            twin = http.get("/v1/guests", headers={**front.bearer(sid="twins"), name.replace("-", "_"): MARK})
            probes.denied(
                "its underscore twin", MARK not in twin.text and ("-" not in name or twin.status_code == 400), twin.text
            )
            hop = http.get(
                "/v1/guests", headers={**front.bearer(sid="hops"), "Connection": f"close, {name}", name: MARK}
            )
            probes.denied("declared as for one hop", MARK not in hop.text, hop.text)
        for hop in ("x-envoy-external-address", "x-request-id", "authorization"):
            answer = http.get("/v1/guests", headers={**front.bearer(sid="strip"), "Connection": f"keep-alive, {hop}"})
            arrived = dict(answer.json()["headers"]) if answer.status_code == 200 else {}
            probes.denied(
                "the gateway's own header taken away", answer.status_code != 200 or hop in arrived, answer.text
            )
        answer = http.get("/v1/guests", headers={**front.bearer(sid="lang"), "Accept-Language": "fi"})
        arrived = dict(answer.json()["headers"])
        probes.allowed("a header of no meaning arrives", arrived.get("accept-language") == "fi", arrived)
        probes.allowed("the caller's address arrives", arrived["x-envoy-external-address"] == "127.0.0.1", arrived)


def test_two_tokens_in_one_request(front: Edge, probes: Probes) -> None:
    """Whoever sends two is nobody, whichever of them is valid: a service behind might read the one not verified."""
    good, other = front.token(sid="one"), front.token(sid="two", client_id="another-client")
    forged = good.rsplit(".", 1)[0] + ".AAAA"
    start = "GET /v1/guests HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    for values in ((forged, good), (good, forged), (good, other), (good, good)):
        lines = "".join(f"Authorization: Bearer {value}\r\n" for value in values)
        line = f"Authorization: Bearer {', Bearer '.join(values)}\r\n"
        for case, header in {"two tokens in two headers": lines, "two tokens in one header": line}.items():
            answers = _answers(front.raw(f"{start}{header}\r\n".encode()))
            probes.denied(case, [status for status, _ in answers] == [401], answers)
    for value in (good, other):
        ((_, told),) = _answers(front.raw(f"{start}Authorization: Bearer {value}\r\n\r\n".encode()))
        probes.allowed("one token alone", _asked_by(told) == [f"Bearer {value}"], told)


def test_what_the_platform_believes(stack: Machine, otter: Hotel, heron: Hotel, probes: Probes) -> None:
    """Through the platform's own gateway: the address in the log is the connection's, the client is the token's."""
    theirs = heron.guest()["id"]
    own = otter.guest()["id"]
    for name in ADDRESSES:
        for value in ("203.0.113.66", "203.0.113.66, 127.0.0.1", "for=203.0.113.66", "127.0.0.1, 203.0.113.66"):
            answer = otter.agent.get(f"/v1/guests/{own}", headers={name: value})
            probes.allowed("its own guest", answer.status_code == 200, answer.text, on=name)
            entry = otter.event(answer.headers["access-event"])
            probes.denied(
                "an address of its own choice", entry["ip"] == "127.0.0.1", entry, route="GET /v1/guests/{guest_id}"
            )
    bearer = f"Bearer {otter.agent.token}"
    for headers in (
        [(b"host", b"tenant-data")],
        [(b"x-client-id", str(heron.client_id).encode())],
        [(b"cookie", b"client=" + str(heron.client_id).encode())],
    ):
        answered = ask(stack.stack.port, str(stack.stack.ca), [*_h2(bearer, f"/v1/guests/{theirs}"), *headers])
        probes.denied("another's guest by HTTP/2", answered.status == 404, answered, route="GET /v1/guests/{guest_id}")
    answered = ask(stack.stack.port, str(stack.stack.ca), _h2(bearer, f"/v1/guests/{own}"))
    body: dict[str, Any] = json.loads(answered.body or b"{}")
    probes.allowed("its own by HTTP/2", body.get("id") == own, answered)
