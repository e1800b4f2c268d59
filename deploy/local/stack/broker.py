"""The keeper's hand on a Kafka broker: makes topics and rules what `topics.py` says, and has certificates read again.
Blocking (kafka-python is): call it in a thread. It must never read or write a record.
"""

import socket
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self

from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ConfigResource,
    ConfigResourceType,
    KafkaAdminClient,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
)
from kafka.errors import KafkaError
from kafka.structs import TopicPartition

from events.topic import Topic
from stack import bao, kafka
from stack.settings import Stack
from stack.topics import Grant, settings

__all__ = ["Broker", "KafkaError"]

# aiokafka's admin client has no ACL calls, and Kafka's own tools start a JVM (1.4 s) for each.
_TIMEOUT_MS = 5_000


class Broker:
    """One admin connection under one identity. Raises KafkaError (or OSError) when the broker is away or refuses."""

    def __init__(self, stack: Stack, identity: str) -> None:
        address = ("127.0.0.1", stack.port_of("kafka"))
        # A refused connection is told at once here; the client would try for its whole patience.
        socket.create_connection(address, timeout=_TIMEOUT_MS / 1000).close()
        self._client = KafkaAdminClient.__new__(KafkaAdminClient)
        try:
            self._client.__init__(
                bootstrap_servers="{}:{}".format(*address),
                client_id=identity,
                security_protocol="SSL",
                ssl_context=bao.tls(stack, identity),
                request_timeout_ms=_TIMEOUT_MS,
                bootstrap_timeout_ms=2_000,
                reconnect_backoff_max_ms=1_000,
            )
        except KafkaError:
            # It starts a thread before it connects, and forgets it when it cannot: one more at each try.
            self._client._client.close()  # noqa: SLF001 - no public way: close() does nothing before it is connected
            self._client._net.stop()  # noqa: SLF001 - as above
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection and its thread."""
        self._client.close()

    def topics(self) -> frozenset[str]:
        """Names of the topics that are there."""
        return frozenset(self._client.list_topics())

    def create(self, topics: Iterable[Topic]) -> None:
        """Create topics with their settings, on one broker."""
        self._client.create_topics(
            {
                topic.name: {
                    "num_partitions": topic.partitions,
                    "replication_factor": -1,
                    "configs": settings(topic),
                }
                for topic in topics
            },
        )

    def delete(self, names: Iterable[str]) -> None:
        """Remove topics with all they hold. The keeper has no right to; the broker's own identity does."""
        self._client.delete_topics(list(names))

    def configure(self, topics: Iterable[Topic]) -> None:
        """Bring the settings of topics that are there to what topics.yaml says now."""
        self._alter({(ConfigResourceType.TOPIC, topic.name): settings(topic) for topic in topics})

    def grants(self) -> frozenset[Grant]:
        """Every ALLOW rule for any host. Other rules cannot be expressed as a Grant and do not occur here."""
        anything = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
        found, _ = self._client.describe_acls(
            ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ANY, anything),
        )
        return frozenset(_grant(acl) for acl in found)

    def allow(self, grants: Iterable[Grant]) -> None:
        """Add rules."""
        result = self._client.create_acls([_acl(grant) for grant in grants])
        for refused in result["failed"]:
            raise refused

    def forbid(self, grants: Iterable[Grant]) -> None:
        """Remove rules: one that nobody declared is a hole."""
        for _, _, error in self._client.delete_acls([_acl(grant) for grant in grants]):
            if error.errno:
                raise error

    def records(self, topics: Iterable[str]) -> dict[str, int]:
        """How many records each topic has ever taken in (the sum of its partitions' ends)."""
        wanted = set(topics)
        partitions = [
            TopicPartition(topic["name"], partition["partition_index"])
            for topic in self._client.describe_topics(sorted(wanted))
            for partition in topic["partitions"]
        ]
        counts = dict.fromkeys(wanted, 0)
        for partition, end in self._client.list_partition_offsets(dict.fromkeys(partitions, -1)).items():
            counts[partition.topic] += end.offset
        return counts

    def reread_certificate(self, stack: Stack) -> None:
        """Have both listeners read their key store again. Kafka looks at the file's time, so the same path will do."""
        path = str(stack.identity("kafka") / "identity.pem")
        listeners = {
            f"listener.name.{listener}.ssl.keystore.{key}": value
            for listener in ("broker", "controller")
            for key, value in (("location", path), ("type", "PEM"))
        }
        self._alter({(ConfigResourceType.BROKER, str(kafka.NODE_ID)): listeners})

    def _alter(self, wanted: Mapping[tuple[ConfigResourceType, str], dict[str, str]]) -> None:
        resources = [ConfigResource(kind, name, configs=values) for (kind, name), values in wanted.items()]
        answers = self._client.alter_configs(resources, raise_on_unknown=False)
        for result in (text for kind in answers.values() for text in kind.values()):
            if result != "OK":
                raise KafkaError(result)


def _acl(grant: Grant) -> ACL:
    pattern = ACLResourcePatternType.PREFIXED if grant.prefixed else ACLResourcePatternType.LITERAL
    return ACL(
        f"User:{grant.principal}",
        "*",
        ACLOperation[grant.operation],
        ACLPermissionType.ALLOW,
        ResourcePattern(ResourceType[grant.resource], grant.name, pattern),
    )


def _grant(acl: ACL) -> Grant:
    pattern = acl.resource_pattern
    return Grant(
        acl.principal.removeprefix("User:"),
        acl.operation.name,
        pattern.resource_type.name,
        pattern.resource_name,
        pattern.pattern_type is ACLResourcePatternType.PREFIXED,
    )
