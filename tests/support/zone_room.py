"""Other places for the zones: a small disk that fills up, a store that can be stopped, two stores for both zones."""

import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from soak.instance import Instance
from stack import bao, openbao
from stack.bao import Bao
from support import s3
from support.brisk import brisk
from support.machine import Machine
from support.recordings import SERVICE, in_its_place, places

_MIB = 2**20
_SPARE = 12 * _MIB  # beside what the zone holds
# What the zone holds moves to a disk of its own, in a mount namespace that ends with the copy.
_MOVE = """
mount -t tmpfs -o "size=$3,mode=0700" konci-zone "$2" && mkdir "$2/zone" && cp -a "$1/." "$2/zone/" &&
mount --bind "$2/zone" "$1" && shift 3 && exec "$@"
"""
_POLICY = 'path "kv/data/recording_storage/zones" { capabilities = ["create", "update"] }'


@dataclass(frozen=True)
class SmallDisk:
    """Zone a of one copy, on a tmpfs that only the copy sees."""

    copy: Instance
    zone: Path
    disk: Path

    def fill(self) -> None:
        """Not a byte more from now on."""
        with (self._seen(self.disk) / "ballast").open("wb", buffering=0) as ballast:
            for size in (_MIB, 4096):
                try:
                    while True:
                        ballast.write(bytes(size))
                except OSError:
                    continue

    def free(self) -> None:
        (self._seen(self.disk) / "ballast").unlink()

    def remount(self, how: str) -> None:
        """`ro` or `rw`."""
        space = ["nsenter", *([] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]), "--mount"]
        subprocess.run(
            [*space, "--target", str(self._pid), "mount", "-o", f"remount,{how}", str(self.disk)],
            check=True, capture_output=True, timeout=30,
        )  # fmt: skip

    def bring_back(self) -> None:
        """What it took meanwhile, into the folder that is seen again when the copy has ended."""
        shutil.copytree(self._seen(self.zone), self.zone, dirs_exist_ok=True)

    @property
    def _pid(self) -> int:
        assert self.copy.process is not None
        return self.copy.process.pid

    def _seen(self, path: Path) -> Path:
        return Path(f"/proc/{self._pid}/root{path}")


@asynccontextmanager
async def small_disk(stack: Machine, disk: Path) -> AsyncIterator[SmallDisk]:
    """A copy at work with its zone a there."""
    zone = places(stack)[0].resolve()
    held = sum(path.stat().st_size + 8192 for path in zone.rglob("*"))
    space = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    copy = brisk(stack, room=(*space, "sh", "-c", _MOVE, "sh", str(zone), str(disk), str(held + _SPARE)))
    copy.start()
    try:
        assert await copy.ready()
        small = SmallDisk(copy, zone, disk)
        yield small
        small.bring_back()
    finally:
        await copy.end()


@contextmanager
def _served(stack: Machine, home: Path) -> Iterator[tuple[s3.Store, str]]:
    store = s3.Store(home, stack.stack.identity(SERVICE) / "identity.pem", stack.run / "ca.pem")
    bucket = store.bucket().at
    shutil.copytree(places(stack)[0], home / bucket.rsplit("/", 1)[-1], dirs_exist_ok=True)
    store.start()
    try:
        yield store, bucket
    finally:
        store.send(signal.SIGCONT)
        store.stop()
        shutil.copytree(home / bucket.rsplit("/", 1)[-1], places(stack)[0], dirs_exist_ok=True)


@asynccontextmanager
async def bucket(stack: Machine, home: Path, seconds: float) -> AsyncIterator[s3.Store]:
    """A copy at work whose zone a is a bucket with what the folder holds; a call to a zone has `seconds`."""
    with _served(stack, home) as (store, at):
        await _tell_keys(stack, "a")
        told = {
            "KONCI_ZONE_A": at, "KONCI_ZONE_CA": str(stack.run / "ca.pem"), "KONCI_ZONE_SECONDS": f"{seconds:g}"
        }  # fmt: skip
        copy = brisk(stack, environment=told)
        copy.start()
        try:
            assert await copy.ready()
            yield store
        finally:
            await copy.end()


@asynccontextmanager
async def both_in_buckets(stack: Machine) -> AsyncIterator[None]:
    """The service at work with its zones in two S3 stores, as its settings say. They serve the two folders' objects."""
    identity, ca = stack.stack.identity(SERVICE) / "identity.pem", stack.run / "ca.pem"
    home = places(stack)[0].parent
    stores = {place.name: s3.Store(home, identity, ca, fresh=0) for place in places(stack)}
    told = {"KONCI_ZONE_CA": str(ca)}
    told |= {f"KONCI_ZONE_{name.upper()}": store.place(name).at for name, store in stores.items()}
    service = Instance(stack, SERVICE, None, environment=told)
    await _tell_keys(stack, *stores)
    try:
        for store in stores.values():
            store.start()
        service.start()
        assert service.process is not None
        in_its_place(stack).write_text(str(service.process.pid))
        assert await service.ready()
        yield
    finally:
        in_its_place(stack).unlink(missing_ok=True)
        await service.end()
        for store in stores.values():
            store.stop()


async def _tell_keys(stack: Machine, *zones: str) -> None:
    """Says in OpenBao what opens these zones' buckets."""
    opens = {"key_id": s3.KEY_ID, "key_secret": s3.KEY_SECRET}
    async with _lent(stack) as session:
        await session.write(f"kv/data/{SERVICE}/zones", data=dict.fromkeys(zones, opens))


@asynccontextmanager
async def _lent(stack: Machine) -> AsyncIterator[Bao]:
    """A session that may say what opens a bucket: the bootstrap lends itself the right, for a test."""
    async with bao.session(stack.stack) as session:
        await session.write("sys/policies/acl/zones", policy=_POLICY)
        role = openbao.certificate_role(stack.stack, "bootstrap", token_ttl=600) | {"token_policies": ["zones"]}
        await session.write("auth/cert/certs/zones", **role)
    async with bao.client(stack.stack, base_url=stack.stack.url_of("openbao")) as http:
        session = Bao(http)
        await session._login("zones")
        yield session
