"""TLS 1.3 and nothing older, with this workload's certificate, on every connection in and out (02.2, invariant 10).

The key and its chain are one file that is replaced by renaming. OpenSSL opens it twice, once for each, and a renewal
between the two would give it a key and a chain of different moments: so all of our own programs load it by `load`.
"""

import asyncio
import logging
import os
import ssl
import tempfile
from datetime import datetime
from pathlib import Path

from cryptography import x509

_log = logging.getLogger("guard.tls")
_LOOK = 1.0  # seconds between two looks at the file


def load(context: ssl.SSLContext, file: Path) -> None:
    """Has `context` show the certificate of the PEM `file`: key, leaf, chain.

    The file is opened here, once; what OpenSSL opens is this descriptor's own file, whatever the name stands for by
    then. Raises OSError when it is missing and ssl.SSLError, which is one, when it is no certificate with its key; then
    the context shows what it showed before.
    """
    with file.open("rb") as pem:
        opened = f"/proc/self/fd/{pem.fileno()}"
        # OpenSSL takes a certificate before it looks at the key, and keeps it when the key is another's.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(opened)
        context.load_cert_chain(opened)


class Certificate:
    """The identity folder of a workload and every live context that uses it. One for each process."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "identity.pem"
        self.ca = folder / "ca.pem"
        self._contexts: list[ssl.SSLContext] = []
        self._loaded: tuple[int, x509.Certificate] | None = None  # mtime in ns, leaf

    def client(self, peer: str | None = None) -> ssl.SSLContext:
        """A context for outgoing connections: verifies the other side, shows this side's certificate.

        With `peer` (the name of a workload, as "openbao") a connection is refused when its certificate is another
        workload's: every one of them is valid for this host. For asyncio's connections (not for blocking sockets).
        """
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(self.ca))
        if peer is not None:
            context.sslobject_class = _only(peer)
        return self._keep(context)

    def server(self) -> ssl.SSLContext:
        """A context for a listener that refuses whoever shows no certificate of ours."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.ca))
        context.verify_mode = ssl.CERT_REQUIRED
        # No resumption: a resumed session would carry the certificate of the first one, expired or not.
        context.num_tickets = 0
        return self._keep(context)

    def _keep(self, context: ssl.SSLContext) -> ssl.SSLContext:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        if self._loaded is None:
            self.reload()
        load(context, self.file)
        self._contexts.append(context)
        return context

    @property
    def leaf(self) -> x509.Certificate:
        """The certificate in the file, as it was last loaded."""
        if self._loaded is None:
            self.reload()
        assert self._loaded is not None  # noqa: S101 - reload() raises or sets it
        return self._loaded[1]

    def validity(self) -> tuple[datetime, datetime]:
        """From when until when the certificate is valid, aware, UTC."""
        return self.leaf.not_valid_before_utc, self.leaf.not_valid_after_utc

    def names(self) -> dict[str, str]:
        """The alternative names as OpenBao's PKI wants them to be asked for: `alt_names`, `ip_sans`, `uri_sans`."""
        names = self.leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return {
            "alt_names": ",".join(names.get_values_for_type(x509.DNSName)),
            "ip_sans": ",".join(str(ip) for ip in names.get_values_for_type(x509.IPAddress)),
            "uri_sans": ",".join(names.get_values_for_type(x509.UniformResourceIdentifier)),
        }

    def replace(self, pem: str) -> None:
        """Writes a new key and chain beside the file, renames it into place and loads it into every live context.

        Raises OSError (a full disk) with the old file in place and in use. The temporary name is its own: two
        processes of one workload may renew at once.
        """
        descriptor, aside = tempfile.mkstemp(prefix=".identity-", dir=self.file.parent)  # made 0600
        try:
            with os.fdopen(descriptor, "w") as out:
                out.write(pem)
                out.flush()
                os.fsync(out.fileno())
            Path(aside).replace(self.file)
        except OSError:
            Path(aside).unlink(missing_ok=True)
            raise
        self.reload()

    def reload(self) -> None:
        """Loads the file into every live context; connections that are open keep what they have.

        Raises OSError or ValueError when the file is missing or is no certificate with its key.
        """
        changed_at = self.file.stat().st_mtime_ns
        leaf = x509.load_pem_x509_certificates(self.file.read_bytes())[0]
        for context in self._contexts:
            load(context, self.file)
        self._loaded = changed_at, leaf

    async def watch(self) -> None:
        """Reloads when somebody else (`konci up`, the keeper) has replaced the file. Runs until cancelled."""
        while True:
            await asyncio.sleep(_LOOK)
            try:
                if self._loaded is None or self.file.stat().st_mtime_ns != self._loaded[0]:
                    self.reload()
                    _log.info("certificate reloaded")
            except (OSError, ValueError) as failed:  # ssl.SSLError is an OSError
                _log.warning("certificate not reloaded", extra={"error": type(failed).__name__})


def _only(peer: str) -> type[ssl.SSLObject]:
    wanted = ("URI", f"spiffe://konci/{peer}")

    class OnlyPeer(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            if wanted not in (self.getpeercert() or {}).get("subjectAltName", ()):
                raise ssl.SSLCertVerificationError(f"the other side is not {peer}")

    return OnlyPeer
