"""04.1: a session ends by disuse and by age, a challenge after minutes, an invitation after days; nothing revives them.

Time is not moved: the rows are made older, as the clock would have made them.
"""

from uuid import UUID

import pytest

from support.database import superuser
from support.hotel import PASSWORD, Hotel, activate, expect, invite
from support.machine import Machine
from support.newcomer import newcomer

AGES = {
    "unused for an hour": ("UPDATE session SET used_at = used_at - interval '1 hour' WHERE session_id = $1", 401),
    "unused for less": ("UPDATE session SET used_at = used_at - interval '50 minutes' WHERE session_id = $1", 200),
    "begun a day ago": ("UPDATE session SET created_at = created_at - interval '1 day' WHERE session_id = $1", 401),
    "begun later": ("UPDATE session SET created_at = created_at - interval '23 hours' WHERE session_id = $1", 200),
}


def _row(secret: str) -> UUID:
    """The row that an opaque secret names: `<kind>.<client>.<row>.<random>`."""
    return UUID(hex=secret.split(".")[2])


@pytest.mark.parametrize(("age", "status"), AGES.values(), ids=AGES)
async def test_a_session(stack: Machine, otter: Hotel, age: str, status: int) -> None:
    person = newcomer(otter)
    async with superuser(stack, "auth") as connection:
        assert await connection.execute(age, UUID(person.session["session_id"])) == "UPDATE 1"
    body = {"refresh_token": person.session["refresh_token"]}
    assert otter.http.post("/v1/sessions/refresh", json=body).status_code == status


@pytest.mark.parametrize(("seconds", "status"), [(301, 401), (240, 201)])
async def test_a_challenge(stack: Machine, otter: Hotel, seconds: int, status: int) -> None:
    email, token = invite(otter.admin, "viewer")
    person = activate(otter.http, email, "viewer", token)
    challenge = expect(person.enter_password(), 202).json()["challenge"]
    async with superuser(stack, "auth") as connection:
        sql = "UPDATE challenge SET expires_at = expires_at - make_interval(secs => $2) WHERE challenge_id = $1"
        assert await connection.execute(sql, _row(challenge), float(seconds)) == "UPDATE 1"
    assert person.totp is not None
    body = {"challenge": challenge, "code": person.totp.code()}
    assert otter.http.post("/v1/sessions/challenge", json=body).status_code == status


@pytest.mark.parametrize(("hours", "status"), [(72, 401), (71, 204)])
async def test_an_invitation(stack: Machine, otter: Hotel, hours: int, status: int) -> None:
    _, token = invite(otter.admin, "viewer")
    async with superuser(stack, "auth") as connection:
        sql = "UPDATE invitation SET expires_at = expires_at - make_interval(hours => $2) WHERE invitation_id = $1"
        assert await connection.execute(sql, _row(token), hours) == "UPDATE 1"
    answer = otter.http.post("/v1/users/activate", json={"token": token, "password": PASSWORD})
    assert answer.status_code == status


async def test_a_password_has_no_age(stack: Machine) -> None:
    """It is good until its owner changes it: nothing knows since when it is."""
    async with superuser(stack, "auth") as connection:
        columns = await connection.fetch(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'credential'"
        )
    times = {row["column_name"] for row in columns if row["data_type"].startswith(("timestamp", "date", "interval"))}
    assert times == {"totp_confirmed_at", "totp_offered_at"}
