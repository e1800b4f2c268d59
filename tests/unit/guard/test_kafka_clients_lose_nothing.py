"""04.4, invariant 6: the settings of every Kafka client that the libraries' lossy defaults would otherwise decide."""

import ssl
from typing import Any

import pytest

from guard import kafka
from guard.kafka import Kafka


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the library's constructor was last told."""
    said: dict[str, Any] = {}

    def client(*_: str, **options: Any) -> dict[str, Any]:
        said.clear()
        said.update(options)
        return said

    for name in ("AIOKafkaProducer", "AIOKafkaConsumer"):
        monkeypatch.setattr(kafka, name, client)
    return said


@pytest.fixture
def ours() -> Kafka:
    return Kafka("localhost:1", ssl.create_default_context(), "audit")


def test_what_is_acknowledged_is_on_every_replica_and_there_once(ours: Kafka, told: dict[str, Any]) -> None:
    ours.producer()
    assert (told["acks"], told["enable_idempotence"]) == ("all", True)


@pytest.mark.parametrize("make", [lambda ours: ours.consumer(["audit.stored"], "p"), lambda ours: ours.reader()])
def test_nothing_is_passed_over(ours: Kafka, told: dict[str, Any], make: Any) -> None:
    """Neither acknowledged by itself before it was handled, nor skipped because a group is new or was away too long."""
    make(ours)
    assert (told["enable_auto_commit"], told["auto_offset_reset"]) == (False, "earliest")


@pytest.mark.parametrize(
    "make",
    [lambda ours: ours.producer(), lambda ours: ours.consumer(["audit.stored"], "p"), lambda ours: ours.reader()],
)
def test_every_client_is_known_by_its_certificate(ours: Kafka, told: dict[str, Any], make: Any) -> None:
    make(ours)
    assert told["security_protocol"] == "SSL"
    assert told["ssl_context"].verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize(("topic", "most"), [("access.auth", 0.1), ("audit.stored", 0.5)])
def test_a_busy_partition_does_not_wait_long_for_silent_ones(
    ours: Kafka, told: dict[str, Any], topic: str, most: float
) -> None:
    """While a fetch that names the others alone is under way: six tenths of audit's ingest went there."""
    ours.consumer([topic], "p")
    assert told["fetch_max_wait_ms"] <= most * 1000
