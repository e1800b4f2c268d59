"""04.4: a copy that holds no partition is replaced when its whole group stands still, and only then."""

from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import TopicPartition

from guard import inbox
from guard.inbox import Consumer

PLACE = TopicPartition("audit.stored", 0)


class Idle:
    """A member that holds nothing; what its group has committed, look by look. The last look ends the test."""

    def __init__(self, *committed: int) -> None:
        self._committed = list(committed)

    def assignment(self) -> set[TopicPartition]:
        return set()

    def partitions_for_topic(self, _: str) -> set[int]:
        return {0}

    async def getmany(self, **_: Any) -> dict[TopicPartition, Any]:
        return {}

    async def end_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, 10)

    async def beginning_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, 0)

    async def committed(self, _: TopicPartition) -> int:
        if not self._committed:
            raise EOFError
        return self._committed.pop(0)


async def consume(*committed: int) -> None:
    consumer = Consumer(None, [PLACE.topic], None, purpose="test")  # type: ignore[arg-type]  # none is asked
    await consumer._consume(Idle(*committed))  # type: ignore[arg-type]  # a stand-in


@pytest.fixture(autouse=True)
def _looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "_STUCK_AFTER", -1.0)


async def test_while_the_group_gets_on_it_waits() -> None:
    with pytest.raises(EOFError):
        await consume(3, 5, 7)


async def test_when_all_is_read_it_waits() -> None:
    with pytest.raises(EOFError):
        await consume(10, 10, 10)


async def test_when_the_group_stands_still_it_is_replaced() -> None:
    await consume(3, 5, 5)
