"""What the keeper measures for servers that do not say it themselves: certificates, Kafka's topics, PostgreSQL.
Counts and times only; it must never read a row of a service.
"""

import asyncio
import logging
from collections.abc import Mapping

import asyncpg
from cryptography import x509
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from stack import bao
from stack.settings import Stack, StackError

log = logging.getLogger("keeper.measurements")

_PAUSE = 10.0
_DATABASES = """
SELECT datname, numbackends, xact_commit, xact_rollback, deadlocks, temp_bytes, pg_database_size(datname) AS bytes
  FROM pg_catalog.pg_stat_database
 WHERE datname NOT LIKE 'template%' AND datname IS NOT NULL"""


class Measurements:
    """The keeper's own registry, in Prometheus' text format."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._registry = CollectorRegistry()
        self._expiry = self._gauge(
            "konci_certificate_on_disk_ends_seconds", "Unix time at which the certificate on disk ends", "identity"
        )
        self._kafka_up = self._gauge("konci_kafka_up", "The broker answers the keeper")
        self._records = self._gauge("konci_kafka_topic_records", "Records taken in so far", "topic")
        self._postgres_up = self._gauge("konci_postgres_up", "PostgreSQL answers the keeper")
        self._postgres = {
            name: self._gauge(f"konci_postgres_{name}", f"pg_stat_database.{name} (bytes: its size)", "database")
            for name in ("numbackends", "xact_commit", "xact_rollback", "deadlocks", "temp_bytes", "bytes")
        }

    def text(self) -> bytes:
        """The exposition, with certificates read at this moment."""
        for folder in sorted((self._stack.run / "identity").iterdir()):
            try:
                leaf = x509.load_pem_x509_certificates((folder / "identity.pem").read_bytes())[0]
            except (OSError, ValueError):
                continue  # an identity being made for the first time
            self._expiry.labels(folder.name).set(leaf.not_valid_after_utc.timestamp())
        return generate_latest(self._registry)

    def kafka_is_up(self, *, up: bool) -> None:
        """Note whether the broker answered."""
        self._kafka_up.set(up)

    def records(self, counts: Mapping[str, int]) -> None:
        """Note how many records each topic has taken in."""
        for topic, count in counts.items():
            self._records.labels(topic).set(count)

    async def watch_postgres(self) -> None:
        """Look every ten seconds, for ever, as a short-lived user that sees statistics only."""
        said = ""
        while True:
            try:
                await self._look_while_leased()
                said = ""
            except (StackError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as refused:
                self._postgres_up.set(0)
                if said != (said := type(refused).__name__):
                    log.warning("postgres is not measured", extra={"error": said})
                await asyncio.sleep(_PAUSE)

    async def _look_while_leased(self) -> None:
        """One lease: its database user lives as long as the session that asked for it, at most."""
        end = asyncio.get_running_loop().time() + self._stack.db_ttl / 2
        async with bao.session(self._stack, "keeper") as session:
            user = await session.read("database/creds/keeper")
            if user is None:
                message = "OpenBao has no database role `keeper`"
                raise StackError(message)
            connection = await asyncpg.connect(
                host="127.0.0.1",
                port=self._stack.port_of("postgres"),
                database="postgres",
                user=user["username"],
                password=user["password"],
                ssl=bao.tls(self._stack, "keeper"),
                timeout=5,
                command_timeout=5,
            )
            try:
                while asyncio.get_running_loop().time() < end:
                    await self._look(connection)
                    await asyncio.sleep(_PAUSE)
            finally:
                await connection.close(timeout=2)

    async def _look(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        for row in await connection.fetch(_DATABASES):
            for name, gauge in self._postgres.items():
                gauge.labels(row["datname"]).set(row[name])
        self._postgres_up.set(1)

    def _gauge(self, name: str, help_text: str, *labels: str) -> Gauge:
        return Gauge(name, help_text, labels, registry=self._registry)
