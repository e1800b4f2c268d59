"""05.4: a flood is refused where it begins and harms no neighbour; what is away is a 503 that says when to return."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx2

from support.edge import Edge, assert_problem


def flood(http: httpx2.Client, method: str, path: str, headers: list[dict[str, str]]) -> list[httpx2.Response]:
    with ThreadPoolExecutor(4) as threads:
        return list(threads.map(lambda one: http.request(method, path, headers=one), headers))


class TestLimits:
    def test_of_a_session_and_not_of_its_neighbour(self, own: Edge, http: httpx2.Client) -> None:
        busy = own.bearer(sid="busy", client_id="hotel-1")
        answers = flood(http, "GET", "/v1/guests", [busy] * 40)
        refused = [answer for answer in answers if answer.status_code != 200]
        assert len(refused) >= 15
        assert_problem(refused[0], 429, "too-many")
        assert int(refused[0].headers["retry-after"]) >= 1
        assert http.get("/v1/guests", headers=own.bearer(sid="calm", client_id="hotel-2")).status_code == 200

    def test_of_a_client_over_many_sessions(self, own: Edge, http: httpx2.Client) -> None:
        many = [own.bearer(sid=f"s{number}", client_id="hotel-3") for number in range(120)]
        answers = flood(http, "GET", "/v1/guests", many)
        assert sum(answer.status_code == 429 for answer in answers) >= 30

    def test_of_sign_in_from_one_address_and_nothing_else(self, own: Edge, http: httpx2.Client) -> None:
        answers = flood(http, "POST", "/v1/sessions", [{}] * 80)
        refused = [answer for answer in answers if answer.status_code != 200]
        assert len(refused) >= 20
        assert_problem(refused[0], 429, "too-many")
        assert http.get("/v1/guests", headers=own.bearer(sid="other")).status_code == 200


class TestAway:
    def test_a_service_that_is_not_there(self, own: Edge, http: httpx2.Client) -> None:
        own.services["audit"].stop()
        answer = http.get("/v1/access-events", headers=own.bearer(sid="away"))
        assert_problem(answer, 503, "unavailable")
        assert int(answer.headers["retry-after"]) >= 1

    def test_a_service_that_thinks_for_too_long(self, own: Edge, http: httpx2.Client) -> None:
        began = time.monotonic()
        answer = http.post("/v1/guests/never", headers=own.bearer(sid="patient"), json={})
        assert_problem(answer, 503, "unavailable")
        assert 14 < time.monotonic() - began < 18

    def test_an_impostor_with_another_workload_s_certificate(self, own: Edge, http: httpx2.Client) -> None:
        """What listens on a service's port must be that service."""
        own.services["audit"].stop()
        (own.stack.identity("audit") / "identity.pem").write_bytes(
            (own.stack.identity("auth") / "identity.pem").read_bytes()
        )
        impostor = type(own.services["audit"])(own.stack, "audit", {})
        impostor.start()
        try:
            answer = http.get("/v1/access-events", headers=own.bearer(sid="impostor"))
            assert_problem(answer, 503, "unavailable")
            assert impostor.seen == []
        finally:
            impostor.stop()
