"""TLS 1.3 and nothing older, with this workload's certificate, on every connection in and out (02.2, invariant 10).

The key and its chain are one file that is replaced by renaming: the two can never be read from different moments.
"""

import asyncio
import logging
import os
import ssl
from datetime import datetime
from pathlib import Path

from cryptography import x509

_log = logging.getLogger("guard.tls")
_LOOK = 1.0  # seconds between two looks at the file


class Certificate:
    """The identity folder of a workload and every live context that uses it."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "identity.pem"
        self.ca = folder / "ca.pem"
        self._contexts: list[ssl.SSLContext] = []
        self._loaded_at = 0

    def client(self) -> ssl.SSLContext:
        """A context for outgoing connections: verifies the other side, shows this side's certificate."""
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(self.ca))
        return self._keep(context)

    def server(self) -> ssl.SSLContext:
        """A context for a listener that refuses whoever shows no certificate of ours."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.ca))
        context.verify_mode = ssl.CERT_REQUIRED
        return self._keep(context)

    def _keep(self, context: ssl.SSLContext) -> ssl.SSLContext:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(str(self.file))
        self._contexts.append(context)
        self._loaded_at = self._loaded_at or self.file.stat().st_mtime_ns
        return context

    def validity(self) -> tuple[datetime, datetime]:
        """From when until when the certificate in the file is valid, aware, UTC."""
        leaf = x509.load_pem_x509_certificates(self.file.read_bytes())[0]
        return leaf.not_valid_before_utc, leaf.not_valid_after_utc

    def replace(self, pem: str) -> None:
        """Writes a new key and chain beside the file, renames it into place and loads it into every live context."""
        aside = self.file.with_suffix(".new")
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(pem)
            out.flush()
            os.fsync(descriptor)
        aside.rename(self.file)
        self.reload()

    def reload(self) -> None:
        """Loads the file into every live context; connections that are open keep what they have."""
        self._loaded_at = self.file.stat().st_mtime_ns
        for context in self._contexts:
            context.load_cert_chain(str(self.file))

    async def watch(self) -> None:
        """Reloads when somebody else (`konci up`) has replaced the file. Runs until cancelled."""
        while True:
            await asyncio.sleep(_LOOK)
            try:
                if self.file.stat().st_mtime_ns != self._loaded_at:
                    self.reload()
                    _log.info("certificate reloaded")
            except (OSError, ssl.SSLError) as failed:
                _log.warning("certificate not reloaded", extra={"error": type(failed).__name__})
