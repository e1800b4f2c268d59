"""Kafka lets in nobody without our certificate and TLS 1.3, and each only to what topics.yaml grants (02.2, 02.3)."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError

from events.topic import TOPICS
from stack import bao, topics
from stack.broker import Broker, KafkaError
from stack.topics import Grant
from support.machine import Machine, wait_until

LISTENERS = ("kafka", "kafka_controller")


def address(stack: Machine) -> str:
    return f"127.0.0.1:{stack.port_of('kafka')}"


@asynccontextmanager
async def producer(stack: Machine, identity: str) -> AsyncIterator[AIOKafkaProducer]:
    one = AIOKafkaProducer(
        bootstrap_servers=address(stack),
        security_protocol="SSL",
        ssl_context=bao.tls(stack.stack, identity),
        acks="all",
        request_timeout_ms=5_000,
    )
    try:
        await one.start()
        yield one
    finally:
        await one.stop()


@asynccontextmanager
async def consumer(
    stack: Machine, identity: str, *names: str, group: str | None = None
) -> AsyncIterator[AIOKafkaConsumer]:
    one = AIOKafkaConsumer(
        *names,
        bootstrap_servers=address(stack),
        security_protocol="SSL",
        ssl_context=bao.tls(stack.stack, identity),
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    try:
        await one.start()
        yield one
    finally:
        await one.stop()


class TestTls:
    @pytest.mark.parametrize("listener", LISTENERS)
    def test_1_2_is_refused(self, stack: Machine, listener: str) -> None:
        context = bao.tls(stack.stack, "audit")
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
        with (
            socket.create_connection(("127.0.0.1", stack.port_of(listener)), timeout=5) as plain,
            pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"),
        ):
            context.wrap_socket(plain, server_hostname="127.0.0.1")

    @pytest.mark.parametrize("listener", LISTENERS)
    def test_without_a_certificate(self, stack: Machine, listener: str) -> None:
        context = ssl.create_default_context(cafile=str(stack.run / "ca.pem"))
        assert talk(stack, listener, context) == b""

    @pytest.mark.parametrize("listener", LISTENERS)
    def test_with_a_stranger_s_certificate(self, stack: Machine, listener: str, strangers: ssl.SSLContext) -> None:
        assert talk(stack, listener, strangers) == b""

    @pytest.mark.parametrize("listener", LISTENERS)
    def test_with_ours(self, stack: Machine, listener: str) -> None:
        """The control: with a certificate of ours the same bytes are answered."""
        assert talk(stack, listener, bao.tls(stack.stack, "kafka"))


@pytest.fixture(scope="module")
def strangers(stack: Machine, tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """Trusts our root, and shows a certificate of another one that gives the same name."""
    from stack.settings import Stack  # noqa: PLC0415 - as above
    from support.edge import Root  # noqa: PLC0415 - brings a web server, for this one fixture

    other = Stack(run=tmp_path_factory.mktemp("strangers"))
    Root(other).issue("kafka")
    context = ssl.create_default_context(cafile=str(stack.run / "ca.pem"))
    context.load_cert_chain(other.identity("kafka") / "identity.pem")
    return context


def talk(stack: Machine, listener: str, context: ssl.SSLContext) -> bytes:
    """What Kafka answers to a request for its versions (ApiVersions, version 0)."""
    ask = b"\x00\x00\x00\x0e" + b"\x00\x12" + b"\x00\x00" + b"\x00\x00\x00\x01" + b"\x00\x04test"
    try:
        with (
            socket.create_connection(("127.0.0.1", stack.port_of(listener)), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as encrypted,
        ):
            encrypted.sendall(ask)
            return encrypted.recv(4096)
    except (ssl.SSLError, ConnectionError):
        return b""  # TLS 1.3: the server's refusal arrives after the client's side of the handshake is done


class TestRights:
    @pytest.mark.parametrize("identity", ["prometheus", "gateway", "keeper"])
    async def test_a_principal_without_a_rule_writes_nothing(self, stack: Machine, identity: str) -> None:
        async with producer(stack, identity) as one:
            with pytest.raises(TopicAuthorizationFailedError):
                await one.send_and_wait("access.auth", b"forged")

    @pytest.mark.parametrize("identity", ["prometheus", "gateway", "keeper"])
    async def test_and_reads_nothing(self, stack: Machine, identity: str) -> None:
        with pytest.raises(TopicAuthorizationFailedError):
            await read_one(stack, identity, "auth.revocations")

    @pytest.mark.parametrize(
        ("identity", "topic"),
        [
            ("auth", "access.tenant_data"),
            ("tenant_data", "access.auth"),
            ("tenant_data", "auth.revocations"),
            ("tenant_data", "audit.stored"),
            ("audit", "access.auth"),
            ("auth", "access.auth.dlq"),
        ],
    )
    async def test_a_service_does_not_write_another_s_topic(self, stack: Machine, identity: str, topic: str) -> None:
        async with producer(stack, identity) as one:
            with pytest.raises(TopicAuthorizationFailedError):
                await one.send_and_wait(topic, b"forged")

    @pytest.mark.parametrize(
        ("identity", "topic"),
        [("auth", "access.tenant_data"), ("tenant_data", "access.auth"), ("auth", "tenant_data.guests")],
    )
    async def test_nor_read_it(self, stack: Machine, identity: str, topic: str) -> None:
        with pytest.raises(TopicAuthorizationFailedError):
            await read_one(stack, identity, topic)

    async def test_nor_join_another_s_group(self, stack: Machine) -> None:
        with pytest.raises(GroupAuthorizationFailedError):
            async with consumer(stack, "auth", "auth.revocations", group="audit") as one:
                await asyncio.wait_for(one.getone(), 10)

    async def test_a_reader_reads(self, stack: Machine) -> None:
        """The control: where a rule is, the broker answers."""
        async with consumer(stack, "audit") as one:
            partition = TopicPartition("access.auth", 0)
            assert (await one.end_offsets([partition]))[partition] >= 0

    async def test_an_undeclared_topic_is_not_made_by_asking(self, stack: Machine) -> None:
        async with producer(stack, "kafka") as one:
            with pytest.raises(Exception, match=r"(?i)topic"):
                await one.send_and_wait("access.nobody", b"x")
        with Broker(stack.stack, "kafka") as admin:
            assert "access.nobody" not in admin.topics()


async def read_one(stack: Machine, identity: str, topic: str) -> None:
    async with consumer(stack, identity, topic) as one:
        await asyncio.wait_for(one.getone(), 10)


class TestUpkeep:
    @pytest.fixture
    def admin(self, stack: Machine) -> Iterator[Broker]:
        with Broker(stack.stack, "kafka") as broker:
            yield broker

    def test_holds_what_is_declared_and_nothing_else(self, admin: Broker) -> None:
        assert {topic for topic in admin.topics() if not topic.startswith("__")} == set(TOPICS)
        assert admin.grants() == topics.grants(TOPICS.values())

    def test_a_strange_rule_does_not_last(self, admin: Broker) -> None:
        strange = Grant("gateway", "READ", "TOPIC", "access.auth")
        admin.allow([strange])
        wait_until(lambda: strange not in admin.grants(), within=10, what="the removal of the strange rule")

    def test_a_lost_rule_comes_back(self, admin: Broker) -> None:
        lost = Grant("audit", "WRITE", "TOPIC", "access.audit.dlq")
        admin.forbid([lost])
        wait_until(lambda: lost in admin.grants(), within=10, what="the lost rule")

    def test_a_lost_topic_comes_back(self, admin: Broker) -> None:
        admin.delete(["access.audit.dlq"])
        wait_until(lambda: "access.audit.dlq" in admin.topics(), within=15, every=0.5, what="the lost topic")

    def test_the_keeper_may_not_delete(self, stack: Machine) -> None:
        with Broker(stack.stack, "keeper") as keeper, pytest.raises(KafkaError):
            keeper.delete(["access.audit.dlq"])
