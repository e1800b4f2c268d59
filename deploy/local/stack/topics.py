"""What Kafka must hold: the settings of each topic in topics.yaml, and who may do what with it.
Pure: it works out what must be; `broker.py` makes it so. A principal has what stands here and nothing else.
"""

from collections.abc import Iterable
from typing import NamedTuple

from events.topic import Topic

KEEPER = "keeper"
_MEGABYTE = 1_048_576
_HOUR_MS = 3_600_000


class Grant(NamedTuple):
    """One ALLOW rule. `operation` and `resource` by Kafka's own names (KIP-11, KIP-290 for `prefixed`)."""

    principal: str
    operation: str
    resource: str
    name: str
    prefixed: bool = False


def settings(topic: Topic) -> dict[str, str]:
    """Kafka's settings of a topic."""
    # A dead letter is an unreadable record plus headers that say why: it must fit where the record did not.
    size = 2 * _MEGABYTE if topic.name.endswith(".dlq") else _MEGABYTE
    chosen = {"cleanup.policy": topic.cleanup, "max.message.bytes": str(size)}
    if topic.retention_hours is not None:
        return {**chosen, "retention.ms": str(topic.retention_hours * _HOUR_MS)}
    # The active segment is never compacted: without a roll each hour a heartbeat a second would pile up for a week,
    # and every process reads such a topic to its end before it is ready.
    return {**chosen, "segment.ms": str(_HOUR_MS), "min.cleanable.dirty.ratio": "0.1"}


def grants(topics: Iterable[Topic]) -> frozenset[Grant]:
    """Every rule: each owner writes, each reader reads in groups named after itself, the keeper keeps."""
    rules: set[Grant] = set(keeper_grants())
    for topic in topics:
        rules |= {
            Grant(topic.owner, "WRITE", "TOPIC", topic.name),
            Grant(topic.owner, "DESCRIBE", "TOPIC", topic.name),
            Grant(topic.owner, "IDEMPOTENT_WRITE", "CLUSTER", "kafka-cluster"),
        }
        for reader in topic.readers:
            rules |= {
                Grant(reader, "READ", "TOPIC", topic.name),
                Grant(reader, "DESCRIBE", "TOPIC", topic.name),
                Grant(reader, "READ", "GROUP", reader, prefixed=True),
            }
    return frozenset(rules)


def keeper_grants() -> frozenset[Grant]:
    """The keeper makes topics, rules and settings; it reads and writes no record."""
    cluster = ("CREATE", "ALTER", "DESCRIBE", "ALTER_CONFIGS", "DESCRIBE_CONFIGS")
    topic = ("CREATE", "ALTER", "DESCRIBE", "ALTER_CONFIGS", "DESCRIBE_CONFIGS")
    return frozenset(
        {Grant(KEEPER, operation, "CLUSTER", "kafka-cluster") for operation in cluster}
        | {Grant(KEEPER, operation, "TOPIC", "*") for operation in topic}
        | {Grant(KEEPER, "DESCRIBE", "GROUP", "*")},
    )
