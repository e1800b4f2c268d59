"""Invariant 14 at the first door: with the keys away, nobody learns whether an e-mail is somebody's."""

import asyncio
import secrets

import httpx2

from support.database import superuser
from support.hotel import PASSWORD, Hotel, Person, expect
from support.machine import Machine, wait_until
from support.newcomer import from_elsewhere, newcomer, told

ADDRESS = "198.51.100.77"


async def knock(http: httpx2.AsyncClient, email: str, password: str) -> httpx2.Response:
    return await http.post("/v1/sessions", json={"email": email, "password": password})


def nobody() -> str:
    return f"{secrets.token_hex(8)}@example.com"


async def knocks(http: httpx2.AsyncClient, known: Person, disabled: Person) -> list[httpx2.Response]:
    return [
        await knock(http, nobody(), PASSWORD),
        await knock(http, known.email, "not the password"),
        await knock(http, known.email, PASSWORD),
        await knock(http, disabled.email, PASSWORD),
    ]


def alike(answers: list[httpx2.Response], status: int) -> None:
    assert [answer.status_code for answer in answers] == [status] * len(answers)
    assert all(told(answer) == told(answers[0]) for answer in answers)
    assert len({frozenset(answer.headers) for answer in answers}) == 1
    assert len({len(answer.content) for answer in answers}) == 1


async def test_openbao_stopped(stack: Machine, otter: Hotel) -> None:
    known, disabled = newcomer(otter), newcomer(otter)
    expect(otter.admin.patch(f"/v1/users/{disabled.user_id}", json={"status": "disabled"}), 200)
    async with from_elsewhere(stack, ADDRESS) as http:
        assert (await knock(http, nobody(), PASSWORD)).status_code == 401
        assert (await knock(http, disabled.email, PASSWORD)).status_code == 401
        stack.stop("openbao")
        try:
            alike(await knocks(http, known, disabled), 503)  # the keys of the one who was just here are still in memory
            await asyncio.sleep(stack.stack.key_cache_seconds + 0.5)
            alike(await knocks(http, known, disabled), 503)
        finally:
            stack.start("openbao")
        _opens(stack, otter)
        answers = await knocks(http, known, disabled)
    alike([answers[0], answers[1], answers[3]], 401)
    assert answers[2].status_code == 201  # six attempts, and those that nobody looked at were not counted


async def test_nobody_has_a_key_like_anybody(stack: Machine, otter: Hotel) -> None:
    async with from_elsewhere(stack, ADDRESS) as http:
        for _ in range(2):
            assert (await knock(http, nobody(), PASSWORD)).status_code == 401
    async with superuser(stack, "auth") as connection:
        kept = await connection.fetchval(
            "SELECT count(*) FROM guard.subject_key WHERE client_id = $1 AND subject_id = $1",
            "00000000-0000-0000-0000-000000000000",
        )
    assert kept == 1


def _opens(stack: Machine, otter: Hotel) -> None:
    def is_open() -> bool:
        return otter.agent.get("/v1/users/me").status_code == 200 and otter.agent.enter_password().status_code == 202

    wait_until(is_open, within=20, every=0.5, what="sign-in")
