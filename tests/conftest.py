"""One stack for the whole run, two hotels in it, and no sockets for unit tests."""

import os
import socket
from collections.abc import Iterator

import pytest

from stack.settings import REPO
from support.hotel import Hotel, found
from support.machine import Machine, settings

_LATE = ("/faults/", "/journeys/")  # what breaks servers comes after what only asks them


def pytest_configure() -> None:
    vectors = REPO.parent / "shared" / "vectors"
    if not vectors.is_dir():
        raise pytest.UsageError(f"the test vectors are not there: put the shared folder at {vectors.parent}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: next((n for n, folder in enumerate(_LATE, 1) if folder in str(item.path)), 0))


@pytest.fixture(autouse=True)
def _no_sockets_in_unit_tests(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "/unit/" not in str(request.path):
        return

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a unit test opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)


@pytest.fixture(scope="session")
def stack() -> Iterator[Machine]:
    machine = Machine(settings())
    # One that stands is attacked or changed as it is: bringing it up would heal what was changed.
    if not os.environ.get("KONCI_TEST_AS_IT_IS"):
        machine.up()
    try:
        yield machine
    finally:
        if not os.environ.get("KONCI_TEST_KEEP"):
            machine.konci("down", check=False)


@pytest.fixture(scope="session")
def otter(stack: Machine) -> Iterator[Hotel]:
    """One hotel, with an admin, an agent and a viewer who have signed in with their second factor."""
    with found(stack, "Otter House") as hotel:
        yield hotel


@pytest.fixture(scope="session")
def heron(stack: Machine) -> Iterator[Hotel]:
    """Another hotel on the same platform: whatever is its, is not Otter House's."""
    with found(stack, "Heron Inn") as hotel:
        yield hotel
