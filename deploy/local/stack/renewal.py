"""Certificates of servers that cannot renew their own: renewed at a third of their life, and read again by the server.
A renewal is not done until the server is seen to serve the new one; one that failed is tried again (02.4, 02.3).
"""

import asyncio
import logging
import signal
import socket
import ssl
from collections.abc import Iterable
from contextlib import suppress

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from stack import bao, identity, process
from stack.broker import Broker, KafkaError
from stack.settings import SERVICES, Stack, StackError

log = logging.getLogger("keeper.renewal")

KEEPER = "keeper"
# Envoy and Prometheus notice a renamed file themselves; OpenBao reads its client certificate at each new connection.
READ_THEMSELVES = ("gateway", "prometheus", "openbao")
TOLD = ("postgres", "kafka")
_PATIENCE = 3.0
# PostgreSQL's SSLRequest: length 8, code 80877103 (protocol 3.0, message formats).
_SSL_REQUEST = bytes.fromhex("00000008 04d2162f")


class Renewal:
    """What is due and what a server has still to be told. Both outlive an outage of OpenBao or of the server."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        # A keeper that died between writing and telling left no note: tell both once at the start.
        self.untold: set[str] = set(TOLD)
        self._away: set[str] = set()

    def due(self) -> list[str]:
        """Names whose certificate has used a third of its life, the keeper first: the others need it."""
        names = (KEEPER, *TOLD, *READ_THEMSELVES)
        return [name for name in names if identity.life(self._stack, name) < identity.FRESH]

    def expired(self) -> list[str]:
        """Workloads that let their certificate run out (the machine slept, OpenBao was long away, the process was
        stopped): it opens nothing any more, not even the way to its successor.
        """
        names = (KEEPER, *SERVICES)
        return [name for name in names if identity.life(self._stack, name) <= 0]

    async def step(self) -> None:
        """Renew what is due and tell servers. Raises StackError when OpenBao is away; nothing is lost by that."""
        if expired := self.expired():
            # As `up` would, with the bootstrap's certificate: what stands in for the platform's own identities locally.
            await self._renew(expired, by="bootstrap")
        due = self.due()
        if KEEPER in due:
            await self._renew([KEEPER], by=KEEPER)
        if others := [name for name in due if name != KEEPER]:
            await self._renew(others, by=KEEPER)
        for name in sorted(self.untold):
            if await asyncio.to_thread(self._told, name):
                self.untold.discard(name)
                self._away.discard(name)

    async def _renew(self, names: Iterable[str], *, by: str) -> None:
        async with bao.session(self._stack, by) as session:
            for name in names:
                await identity.renew(session, self._stack, name)
                self.untold |= {name} & set(TOLD)
                log.info("renewed", extra={"program": name})

    def _told(self, name: str) -> bool:
        """Have a server read its certificate again; whether it then serves the one on disk."""
        try:
            if served(self._stack, name) == _on_disk(self._stack, name):
                return True
            if name == "postgres":
                process.tell(self._stack, name, signal.SIGHUP)
            else:
                with Broker(self._stack, KEEPER) as broker:
                    broker.reread_certificate(self._stack)
        except ssl.SSLCertVerificationError:
            # It serves an expired certificate. PostgreSQL reads the new one when told; a broker takes orders only over
            # a connection that it can no longer offer, so it is stopped and the supervisor starts it again.
            process.tell(self._stack, name, signal.SIGHUP if name == "postgres" else signal.SIGTERM)
            log.warning("expired certificate served, server told by signal", extra={"program": name})
        except (OSError, KafkaError) as away:
            if name not in self._away:
                log.info("not told yet", extra={"program": name, "error": type(away).__name__})
            self._away.add(name)
        return False


def served(stack: Stack, name: str) -> bytes:
    """The certificate (DER) that PostgreSQL or Kafka serves now. Raises OSError, or SSLCertVerificationError if it is
    not valid; blocking.
    """
    context = bao.tls(stack, KEEPER)
    with socket.create_connection(("127.0.0.1", stack.port_of(name)), timeout=_PATIENCE) as plain:
        if name == "postgres":
            plain.sendall(_SSL_REQUEST)
            if plain.recv(1) != b"S":
                message = "PostgreSQL offers no TLS"
                raise OSError(message)
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as encrypted:
            certificate = encrypted.getpeercert(binary_form=True) or b""
            # A parting word: cut off, PostgreSQL would complain in its log at each renewal.
            with suppress(OSError):
                encrypted.unwrap()
            return certificate


def _on_disk(stack: Stack, name: str) -> bytes:
    pem = (stack.identity(name) / "identity.pem").read_bytes()
    return x509.load_pem_x509_certificates(pem)[0].public_bytes(Encoding.DER)


async def keep(stack: Stack) -> None:
    """Look every second, for ever. OpenBao away or sealed is said once and tried again."""
    renewal = Renewal(stack)
    said = ""
    while True:
        try:
            await renewal.step()
            said = ""
        except (StackError, OSError) as refused:
            if said != (said := str(refused)):
                log.warning("certificates wait", extra={"cause": said})
        await asyncio.sleep(1)
