"""One gateway with the limits of production in front of echoes, its target for attackers, and its good client."""

from collections.abc import Iterator

import pytest

from stack.envoy import Limits
from support.attacker import Target
from support.edge import Edge, edge
from support.good_client import GoodClient, good_client

CAP = 1000


# One for each file: a good client that goes on asking would take a core from every later test.
@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    # Production's limits, but for a house that is full sooner (5000 connections take a busy machine longer than the
    # gateway waits for a handshake), and for spans, since no collector runs here.
    with edge(tmp_path_factory.mktemp("attacked"), Limits(connections=CAP, trace_percent=1)) as ready:
        yield ready


@pytest.fixture(scope="module")
def good(own: Edge) -> Iterator[GoodClient]:
    token = own.token(sid="good", client_id="good-hotel")
    with good_client(
        own.stack.run, port=own.stack.port, ca=str(own.stack.ca), token=token, path="/v1/guests/good-{}", echo=True
    ) as client:
        yield client


@pytest.fixture(scope="session")
def cap() -> int:
    return CAP


@pytest.fixture
def target(own: Edge) -> Target:
    return Target(own.stack.port, str(own.stack.ca), own.token(sid="attacker", client_id="attacking-hotel"))
