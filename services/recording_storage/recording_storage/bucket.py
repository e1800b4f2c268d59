"""A zone in a bucket of an S3 store. It sends nothing before the store was seen to speak TLS 1.3 (02.2, invariant 10).

obstore speaks 1.2 as well and cannot be told not to. Both sides take the newest that both know and notice when somebody
between them forges less (RFC 8446, 4.1.3): a store that was seen to speak 1.3 is spoken to in 1.3.
"""

import asyncio
import os
import ssl
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from urllib.parse import urlsplit

from obstore.store import S3Store
from pydantic import SecretStr

from recording_storage import segment
from recording_storage.mark import MARK, Recognise

_LOOK = 60.0  # seconds for which a store that was seen to speak TLS 1.3 is believed


class Bucket:
    """A bucket: `https://host[:port]/bucket`, addressed by path."""

    believed = 5.0  # seconds for which its mark, once seen, need not be looked at before a write: that is a request
    must_settle = False  # S3 answers a PUT when it is stored for good

    def __init__(
        self, address: str, *, region: str, key_id: SecretStr, key_secret: SecretStr, ca: str | None, seconds: float
    ) -> None:
        parts = urlsplit(address)
        bucket = parts.path.strip("/")
        if parts.scheme != "https" or not parts.hostname or not bucket or "/" in bucket or "@" in parts.netloc:
            raise ValueError("a zone's bucket is named https://host[:port]/bucket")
        self._host, self._port = parts.hostname, parts.port or 443
        self._seen_at: float | None = None
        limit = timedelta(seconds=seconds)
        with _only_what_is_given(ca):
            self._tls = _only_tls_1_3(ca)
            self._store = S3Store(
                bucket,
                aws_endpoint_url_s3=f"https://{parts.netloc}",
                virtual_hosted_style_request=False,
                region=region,
                access_key_id=key_id.get_secret_value(),
                secret_access_key=key_secret.get_secret_value(),
                client_options={"timeout": limit, "connect_timeout": limit},
                retry_config={"max_retries": 1, "retry_timeout": limit},
            )

    async def store(self) -> S3Store:
        """What reads and writes here. Raises OSError (ssl.SSLError) when the store does not speak TLS 1.3."""
        if self._seen_at is None or time.monotonic() - self._seen_at > _LOOK:
            _, writer = await asyncio.open_connection(self._host, self._port, ssl=self._tls)
            writer.close()
            self._seen_at = time.monotonic()
        return self._store

    async def stay_inside(self, paths: Collection[str]) -> None:
        """Nothing: a key is a key."""

    async def make(self) -> None:
        """Nothing: whoever runs the store makes the bucket, and says who may use it."""

    async def mark(self) -> bytes | None:
        """What it says that it is. Raises OSError, BaseError."""
        try:
            return bytes(await (await (await self.store()).get_async(MARK)).bytes_async())
        except FileNotFoundError:
            return None

    async def put(self, path: str, body: bytes | memoryview, recognise: Recognise | None = None) -> None:
        """Writes an object, whole or not at all, once its mark is recognised. Raises OSError, BaseError."""
        if recognise is not None:
            recognise(await self.mark())
        await (await self.store()).put_async(path, body, use_multipart=False)

    async def get(self, path: str) -> memoryview:
        """An object. Raises FileNotFoundError, OSError, BaseError, and Damaged for what is longer than any segment."""
        answer = await (await self.store()).get_async(path)
        segment.require_length(answer.meta["size"])
        return memoryview(await answer.bytes_async())

    async def settle(self, below: str) -> None:
        """Nothing to be done any more."""

    async def clear(self, below: str, older_than: timedelta) -> int:
        """Nothing: a PUT that is cut leaves nothing, and segments are too small to be sent in parts."""
        del below, older_than
        return 0


@contextmanager
def _only_what_is_given(ca: str | None) -> Iterator[None]:
    # While a store is made, obstore reads AWS_* (another endpoint, a token, "skip the signature"), the proxies'
    # variables and roots of trust: seen to be obeyed where we say otherwise. For that moment there are none but ours.
    taken = {name: os.environ.pop(name) for name in list(os.environ) if _is_obeyed(name.upper())}
    if ca is not None:
        os.environ["SSL_CERT_FILE"] = ca
    try:
        yield
    finally:
        os.environ.pop("SSL_CERT_FILE", None)
        os.environ.update(taken)


def _is_obeyed(name: str) -> bool:
    return name.startswith(("AWS_", "SSL_CERT_")) or name.endswith("_PROXY")


def _only_tls_1_3(ca: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context
