"""A gateway in front of echoes, one for each file of tests, and a caller of it."""

from collections.abc import Iterator

import httpx2
import pytest

from stack.envoy import Limits
from support.edge import Edge, edge


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """A gateway in front of echoes, with limits low enough to meet."""
    limits = Limits(session=5, client=20, sign_in=3, trace_percent=1)
    with edge(tmp_path_factory.mktemp("edge"), limits) as ready:
        yield ready


@pytest.fixture
def http(own: Edge) -> Iterator[httpx2.Client]:
    with own.client() as client:
        yield client
