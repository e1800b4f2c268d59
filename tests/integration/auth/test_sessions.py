"""04.1: a user sees and ends its own sessions, and no one else's."""

from events.uuid7 import uuid7
from support.hotel import Hotel, Person, expect
from support.machine import wait_until
from support.newcomer import newcomer, told


def test_of_somebody_else(otter: Hotel, heron: Hotel) -> None:
    person = newcomer(otter)
    wanted = [newcomer(otter).session["session_id"], newcomer(heron).session["session_id"], str(uuid7())]
    answers = [person.delete(f"/v1/sessions/{session}") for session in wanted]
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert told(answers[0]) == told(answers[1]) == told(answers[2])


def test_a_bad_id(otter: Hotel) -> None:
    assert otter.agent.delete("/v1/sessions/7").status_code == 422


def test_own(otter: Hotel) -> None:
    person = newcomer(otter)
    other = Person(otter.http, person.email, person.role)
    expect(other.sign_in(), 201)
    listed = expect(person.get("/v1/sessions"), 200).json()["items"]
    assert [item["id"] for item in listed] == [other.session["session_id"], person.session["session_id"]]
    assert [item["is_current"] for item in listed] == [False, True]
    assert listed[0]["ip"]
    expect(person.delete(f"/v1/sessions/{other.session['session_id']}"), 204)
    wait_until(lambda: other.get("/v1/guests").status_code == 401, within=1, what="the session's end")
    assert person.delete(f"/v1/sessions/{other.session['session_id']}").status_code == 404


def test_all_others(otter: Hotel) -> None:
    person = newcomer(otter)
    others = [Person(otter.http, person.email, person.role) for _ in range(3)]
    for other in others:
        expect(other.sign_in(), 201)
    expect(person.delete("/v1/sessions"), 204)
    for other in others:
        wait_until(lambda other=other: other.get("/v1/guests").status_code == 401, within=1, what="the others' end")
    assert person.get("/v1/guests").status_code == 200


def test_signing_out(otter: Hotel) -> None:
    person = newcomer(otter)
    answer = expect(person.delete("/v1/sessions/current"), 204)
    wait_until(lambda: person.get("/v1/guests").status_code == 401, within=1, what="the session's end")
    body = {"refresh_token": person.session["refresh_token"]}
    assert otter.http.post("/v1/sessions/refresh", json=body).status_code == 401
    entry = otter.event(answer.headers["Access-Event"])
    assert (entry["action"], entry["actor"]["id"]) == ("session:revoke", person.user_id)
