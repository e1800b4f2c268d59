"""People who have just joined a hotel, without a second factor yet, and ways to knock at `auth` from anywhere."""

from uuid import UUID

import httpx2

from support.hotel import PASSWORD, Hotel, Person, expect, invite, patiently
from support.machine import Machine
from support.workload import workload


def newcomer(hotel: Hotel, role: str = "agent", *, password: str = PASSWORD) -> Person:
    """A user with a password and a session of its own."""
    email, token = invite(hotel.admin, role)
    person = Person(hotel.http, email, role, password)
    expect(patiently(lambda: hotel.http.post("/v1/users/activate", json={"token": token, "password": password})), 204)
    expect(patiently(person.sign_in), 201)
    return person


def from_elsewhere(stack: Machine, address: str) -> httpx2.AsyncClient:
    """`auth` as the gateway reaches it for a caller at `address`: by the gateway's certificate, past its limits."""
    return workload(stack, "gateway", "auth", headers={"x-envoy-external-address": address})


def told(answer: httpx2.Response) -> dict[str, object]:
    """The problem without what names the request: equal wherever nobody may see a difference."""
    return {name: value for name, value in answer.json().items() if name not in {"request_id", "instance"}}


def secret_of(kind: str, client: UUID | str, row: UUID | str) -> str:
    """A well-formed secret that nobody has given out."""
    return f"{kind}.{UUID(str(client)).hex}.{UUID(str(row)).hex}.{'A' * 43}"
