"""What Kafka itself tells of a fault: what is on its topics and since when, and which member holds which partition."""

import asyncio
import time
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from events.topic import TOPICS
from guard.patience import within
from soak.stage import Stage
from stack import bao
from support.bus import kafka

PURPOSE = "accesses"  # of audit's group
_PATIENCE = 20.0
_ENDS = 3.0


@dataclass(frozen=True, slots=True)
class Contents:
    """The topics that audit reads together: how many records, and when the first one of each partition that has any was
    made.
    """

    records: int
    first: dict[TopicPartition, int]

    def keeps(self, before: "Contents") -> int:
        """How many partitions still begin as they did `before`."""
        return len(self.first.items() & before.first.items())


async def contents(stage: Stage) -> Contents | None:
    """What is on the topics now; None while not all of them are there."""
    reader = kafka(stage.stack, "audit").reader()
    try:
        await within(_PATIENCE, reader.start())
        topics = [one for one in TOPICS.values() if "audit" in one.readers]  # of others Kafka tells it nothing
        places = [TopicPartition(one.name, number) for one in topics for number in range(one.partitions)]
        reader.assign(places)
        begins = await within(_PATIENCE, reader.beginning_offsets(places))
        ends = await within(_PATIENCE, reader.end_offsets(places))
        filled = [place for place in places if ends[place] > begins[place]]
        await within(_PATIENCE, reader.seek_to_beginning(*filled))
        first = {place: (await within(_PATIENCE, reader.getone(place))).timestamp for place in filled}
    except TopicAuthorizationFailedError:
        raise  # no fault of the run's: nothing would ever be seen
    except (KafkaError, OSError, TimeoutError, AssertionError):
        return None
    finally:
        await ended(stage, reader)
    return Contents(sum(ends[place] - begins[place] for place in filled), first)


async def filled(stage: Stage, seconds: float) -> Contents | None:
    """What is on the topics once there is something: Kafka may be on its way back from the fault before."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = await contents(stage)
        if found is not None and found.records:
            return found
        await asyncio.sleep(0.5)
    return None


async def holdings(stage: Stage) -> dict[str, int]:
    """How many partitions each member of audit's group holds; empty while the group is about to share anew."""
    admin = AIOKafkaAdminClient(
        bootstrap_servers=f"127.0.0.1:{stage.stack.port_of('kafka')}", security_protocol="SSL",
        ssl_context=bao.tls(stage.stack.stack, "keeper"),
    )  # fmt: skip
    try:
        await within(_PATIENCE, admin.start())
        (answer,) = await within(_PATIENCE, admin.describe_consumer_groups([f"audit.{PURPOSE}"]))
    except (KafkaError, OSError, TimeoutError):
        return {}
    finally:
        await admin.close()
    ((_, _, state, _, _, members, *_),) = answer.groups
    if state != "Stable":
        return {}
    return {
        member: len(ConsumerProtocolMemberAssignment.decode(assignment).partitions())
        for member, _, _, _, assignment in members
    }


async def ended(stage: Stage, client: object) -> None:
    """Stops a client of the harness. Some of aiokafka's never end; what they were for is done by now."""
    try:
        await within(_ENDS, client.stop())
    except (KafkaError, OSError, TimeoutError) as stuck:
        stage.say(f"a Kafka client of the harness did not stop ({type(stuck).__name__})")


async def takes_over(stage: Stage, seconds: float) -> float | None:
    """Seconds until one member holds everything, if that comes about; None when it does not in so many."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    everything = sum(one.partitions for one in TOPICS.values() if "AccessEvent" in one.events)
    while loop.time() - began < seconds:
        if list((await holdings(stage)).values()) == [everything]:
            return round(loop.time() - began, 1)
        await asyncio.sleep(0.5)
    return None
