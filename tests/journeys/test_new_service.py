"""docs/new-service.md is true: its blocks, as they stand, are a service that keeps its promises (03.1, 04.3, 04.4).

It serves under tenant_data's identity and roles (support.example); what it is told apart from that is its own.
"""

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest

from events.uuid7 import uuid7
from stack.settings import REPO
from support import example
from support.database import superuser
from support.hotel import Hotel, Person
from support.machine import Machine

TEXT = "prefers the room above the garden 🌿 חדר"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return example.write(tmp_path_factory.mktemp("services"))


@pytest.fixture(scope="module")
async def note(stack: Machine, service: Path) -> AsyncIterator[httpx2.AsyncClient]:
    async with example.running(stack, service) as http:
        yield http


async def ask(
    http: httpx2.AsyncClient, person: Person | None, method: str, path: str, **options: Any
) -> httpx2.Response:
    """The answer to `person`, as the gateway would pass the request on."""
    token = {"Authorization": f"Bearer {person.token}"} if person else {}
    return await http.request(method, path, headers={**token, "x-envoy-external-address": "192.0.2.7"}, **options)


async def written(http: httpx2.AsyncClient, hotel: Hotel) -> dict[str, Any]:
    answer = await ask(http, hotel.agent, "POST", "/v1/notes", json={"guest_id": str(uuid7()), "text": TEXT})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made | {"event": answer.headers["access-event"]}


def run(service: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(
        command, env=example.environment(service), check=False, capture_output=True, text=True, **options
    )


class TestOnPaper:
    def test_it_is_strictly_typed(self, service: Path, tmp_path: Path) -> None:
        search = ":".join(str(REPO / folder) for folder in ("libs/events", "libs/guard"))
        options = ["--strict", "--config-file", str(REPO / "pyproject.toml"), "--cache-dir", str(tmp_path)]
        environment = example.environment(service, MYPYPATH=f"{service}:{search}")
        done = subprocess.run(
            [sys.executable, "-m", "mypy", *options, "-p", "note"],
            env=environment, cwd=service, check=False, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert "7 source files" in done.stdout

    def test_without_settings_it_says_which(self, service: Path) -> None:
        done = run(service, "note", "serve")
        assert done.returncode == 2
        assert "KONCI_IDENTITY" in done.stderr


class TestRefused:
    async def test_without_a_token(self, note: httpx2.AsyncClient) -> None:
        assert (await ask(note, None, "GET", f"/v1/notes/{uuid7()}")).status_code == 401

    async def test_without_the_right(self, note: httpx2.AsyncClient, otter: Hotel) -> None:
        body = {"guest_id": str(uuid7()), "text": TEXT}
        answer = await ask(note, otter.viewer, "POST", "/v1/notes", json=body)
        assert answer.status_code == 403
        entry = otter.event(answer.headers["access-event"])
        assert (entry["action"], entry["outcome"]) == ("guest:update", "denied")

    async def test_of_another_client(self, note: httpx2.AsyncClient, otter: Hotel, heron: Hotel) -> None:
        foreign, absent = (await written(note, heron))["id"], str(uuid7())
        answers = [await ask(note, otter.agent, "GET", f"/v1/notes/{asked}") for asked in (foreign, absent)]
        assert [answer.status_code for answer in answers] == [404, 404]
        bodies = [answer.text.replace(asked, "") for answer, asked in zip(answers, (foreign, absent), strict=True)]
        ids = [answer.headers["x-request-id"] for answer in answers]
        assert bodies[0].replace(ids[0], "") == bodies[1].replace(ids[1], "")
        entry = otter.event(answers[0].headers["access-event"])
        assert entry["outcome"] == "denied"
        assert entry["resources"] == [{"type": "note", "id": foreign}]
        assert foreign not in (await ask(note, otter.agent, "GET", "/v1/notes?limit=200")).text

    async def test_a_field_too_many(self, note: httpx2.AsyncClient, otter: Hotel) -> None:
        body = {"guest_id": str(uuid7()), "text": TEXT, "client_id": str(otter.client_id)}
        answer = await ask(note, otter.agent, "POST", "/v1/notes", json=body)
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/client_id"]


class TestOwn:
    async def test_a_read_is_answered_and_is_in_the_log(self, note: httpx2.AsyncClient, otter: Hotel) -> None:
        made = await written(note, otter)
        answer = await ask(note, otter.agent, "GET", f"/v1/notes/{made['id']}")
        assert answer.status_code == 200, answer.text
        assert answer.json() == {name: value for name, value in made.items() if name != "event"}
        assert answer.json()["text"] == TEXT
        for event, action in ((made["event"], "guest:update"), (answer.headers["access-event"], "guest:read")):
            entry = otter.event(event)
            assert (entry["action"], entry["outcome"], entry["ip"]) == (action, "allowed", "192.0.2.7")
            assert entry["actor"]["id"] == otter.agent.user_id
            assert entry["resources"] == [{"type": "note", "id": made["id"]}]

    async def test_pages_follow_each_other(self, note: httpx2.AsyncClient, otter: Hotel) -> None:
        made = [(await written(note, otter))["id"] for _ in range(3)]
        first = (await ask(note, otter.agent, "GET", "/v1/notes?limit=2")).json()
        rest = await ask(note, otter.agent, "GET", "/v1/notes", params={"limit": 2, "cursor": first["next_cursor"]})
        listed = [item["id"] for item in [*first["items"], *rest.json()["items"]]]
        assert listed[:3] == made[::-1]

    async def test_the_words_are_sealed(self, note: httpx2.AsyncClient, otter: Hotel, stack: Machine) -> None:
        made = await written(note, otter)
        async with superuser(stack, example.DATABASE) as connection:
            row = await connection.fetchrow("SELECT client_id, sealed FROM note WHERE note_id = $1", UUID(made["id"]))
            protected = await connection.fetchval(
                "SELECT relrowsecurity AND relforcerowsecurity FROM pg_class WHERE oid = 'note'::regclass"
            )
        assert row["client_id"] == otter.client_id
        assert TEXT.encode() not in row["sealed"]
        assert b"garden" not in row["sealed"]
        assert protected
