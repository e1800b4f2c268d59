"""03.4, 04.3: an administrator governs the users of its own client and no others; a client is never without one."""

from uuid import UUID, uuid4

import pytest

from events.uuid7 import uuid7
from support.database import superuser
from support.hotel import PASSWORD, Hotel, Person, expect, found, invite
from support.machine import Machine, wait_until
from support.newcomer import newcomer, secret_of, told


def test_without_a_token(otter: Hotel) -> None:
    assert otter.http.get("/v1/users").status_code == 401


@pytest.mark.parametrize("role", ["agent", "viewer"])
def test_without_the_right(otter: Hotel, role: str) -> None:
    person: Person = getattr(otter, role)
    for answer in (
        person.get("/v1/users"),
        person.get(f"/v1/users/{otter.admin.user_id}"),
        person.post("/v1/users", json={"email": "x@example.com", "name": "X", "role": "viewer"}),
        person.patch(f"/v1/users/{person.user_id}", json={"role": "admin"}),
        person.delete(f"/v1/users/{person.user_id}"),
    ):
        assert answer.status_code == 403
        assert otter.event(answer.headers["Access-Event"])["outcome"] == "denied"


def test_of_another_client(otter: Hotel, heron: Hotel) -> None:
    foreign, absent = heron.agent.user_id, str(uuid7())
    for method, body in (("GET", None), ("PATCH", {"role": "viewer"}), ("DELETE", None)):
        answers = [otter.admin.request(method, f"/v1/users/{wanted}", json=body) for wanted in (foreign, absent)]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert told(answers[0]) == told(answers[1])
        assert all("Access-Event" in answer.headers for answer in answers)
    assert foreign not in otter.admin.get("/v1/users?limit=200").text
    assert heron.agent.get("/v1/users/me").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"email": "no address", "name": "X", "role": "viewer"},
        {"email": "x@example.com", "name": " ", "role": "viewer"},
        {"email": "x@example.com", "name": "X", "role": "owner"},
        {"email": "x@example.com", "name": "X", "role": "viewer", "status": "active"},
        {"email": "x@example.com", "name": "X", "role": "viewer", "client_id": str(uuid4())},
    ],
)
def test_nobody_to_invite(otter: Hotel, body: dict[str, str]) -> None:
    assert otter.admin.post("/v1/users", json=body).status_code == 422


def test_an_e_mail_is_taken_on_the_whole_platform(otter: Hotel, heron: Hotel) -> None:
    for hotel in (otter, heron):
        body = {"email": otter.agent.email.upper(), "name": "Twin", "role": "agent"}
        answer = hotel.admin.post("/v1/users", json=body)
        assert answer.status_code == 409
        entry = hotel.event(answer.headers["Access-Event"])
        assert (entry["action"], entry["outcome"], entry["resources"]) == ("user:invite", "denied", [])
        assert entry["actor"]["id"] == hotel.admin.user_id
        assert otter.agent.email not in str(entry).lower()


def test_an_activation_token_once(otter: Hotel) -> None:
    _, token = invite(otter.admin, "viewer")
    forged = secret_of("activation", otter.client_id, uuid7())
    assert otter.http.post("/v1/users/activate", json={"token": forged, "password": PASSWORD}).status_code == 401
    weak = otter.http.post("/v1/users/activate", json={"token": token, "password": "aaaaaaaaaaaaaaaa"})
    assert weak.status_code == 422
    assert weak.json()["errors"][0]["pointer"] == "/password"
    expect(otter.http.post("/v1/users/activate", json={"token": token, "password": PASSWORD}), 204)
    assert otter.http.post("/v1/users/activate", json={"token": token, "password": PASSWORD}).status_code == 401


def test_invited_again(otter: Hotel) -> None:
    body = {"email": f"{uuid4().hex}@example.com", "name": "Gräce 🦦 \u202eabc", "role": "agent"}
    first = expect(otter.admin.post("/v1/users", json=body), 201).json()
    assert first["user"]["name"] == body["name"]
    path = f"/v1/users/{first['user']['id']}/invitation"
    second = expect(otter.admin.post(path), 201).json()
    old, new = ({"token": told["activation_token"], "password": PASSWORD} for told in (first, second))
    assert otter.http.post("/v1/users/activate", json=old).status_code == 401
    expect(otter.http.post("/v1/users/activate", json=new), 204)
    assert otter.admin.post(path).status_code == 409


async def test_an_answer_with_a_token_is_never_kept(stack: Machine, otter: Hotel) -> None:
    body = {"email": f"{uuid4().hex}@example.com", "name": "Once", "role": "agent"}
    headers = {"Idempotency-Key": uuid4().hex}
    first, second = (otter.admin.post("/v1/users", json=body, headers=headers) for _ in range(2))
    assert expect(first, 201).json()["activation_token"]
    assert second.status_code == 409
    assert "activation_token" not in second.text
    async with superuser(stack, "auth") as connection:
        kept = await connection.fetchval(
            "SELECT count(*) FROM guard.idempotency WHERE resource_id = $1", UUID(first.json()["user"]["id"])
        )
    assert kept == 0


def test_a_client_keeps_an_administrator(stack: Machine) -> None:
    with found(stack, "Lone Badger") as badger:  # a hotel of its own: another test's second administrator would do
        path = f"/v1/users/{badger.admin.user_id}"
        for answer in (
            badger.admin.patch(path, json={"role": "agent"}),
            badger.admin.patch(path, json={"status": "disabled"}),
            badger.admin.delete(path),
        ):
            assert answer.status_code == 409


def test_a_stale_change(otter: Hotel) -> None:
    path = f"/v1/users/{newcomer(otter).user_id}"
    seen = expect(otter.admin.get(path), 200).headers["ETag"]
    expect(otter.admin.patch(path, json={"name": "First"}, headers={"If-Match": seen}), 200)
    assert otter.admin.patch(path, json={"name": "Second"}, headers={"If-Match": seen}).status_code == 412
    assert otter.admin.patch(path, json={"name": None}).status_code == 422


def test_disabled_is_refused_by_every_service_within_a_second(otter: Hotel) -> None:
    person = newcomer(otter, "admin")
    paths = ("/v1/users/me", "/v1/guests", "/v1/access-events")
    assert [person.get(path).status_code for path in paths] == [200, 200, 200]
    expect(otter.admin.patch(f"/v1/users/{person.user_id}", json={"status": "disabled"}), 200)
    wait_until(lambda: all(person.get(path).status_code == 401 for path in paths), within=1, what="the refusal")
    assert person.enter_password().status_code == 401
    body = {"refresh_token": person.session["refresh_token"]}
    assert otter.http.post("/v1/sessions/refresh", json=body).status_code == 401


def test_another_role_is_felt_within_a_second(otter: Hotel) -> None:
    person = newcomer(otter, "agent")
    expect(otter.admin.patch(f"/v1/users/{person.user_id}", json={"role": "viewer"}), 200)
    wait_until(lambda: person.get("/v1/guests").status_code == 401, within=1, what="the old role's end")
    expect(person.sign_in(), 201)
    assert person.post("/v1/guests", json={"name": "X"}).status_code == 403
    assert person.get("/v1/guests").status_code == 200


def test_deleted(otter: Hotel) -> None:
    person = newcomer(otter)
    expect(otter.admin.delete(f"/v1/users/{person.user_id}"), 204)
    assert otter.admin.get(f"/v1/users/{person.user_id}").status_code == 404
    wait_until(lambda: person.get("/v1/guests").status_code == 401, within=1, what="the refusal")
    invite(otter.admin, "viewer", email=person.email)  # the address is free again


def test_pages_hold_everybody_once(otter: Hotel) -> None:
    for _ in range(3):
        invite(otter.admin, "viewer")
    everybody = [user["id"] for user in otter.admin.get("/v1/users?limit=200").json()["items"]]
    seen: list[str] = []
    query = "/v1/users?limit=2"
    while True:
        page = expect(otter.admin.get(query), 200).json()
        seen += [user["id"] for user in page["items"]]
        if page["next_cursor"] is None:
            break
        query = f"/v1/users?limit=2&cursor={page['next_cursor']}"
    assert seen == everybody == sorted(everybody, reverse=True)
