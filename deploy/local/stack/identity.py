"""Certificates of workloads on disk: `identity.pem` (key, leaf, intermediate in one 0600 file) and `ca.pem`.

One file, written aside and renamed: whoever opens it once has a key and its own certificate. Who opens it twice, for
each, may meet a renewal between the two, and has to try again. Private keys come from OpenBao over TLS and go nowhere
else.
"""

from stack import bao, bootstrap_ca, private_file
from stack.bao import Bao
from stack.settings import Stack

FRESH = 2 / 3


async def issue(stack: Stack, name: str, *, by: str = "bootstrap") -> None:
    """Get a certificate for a workload and write it; `by` is the identity that asks (bootstrap or keeper)."""
    async with bao.session(stack, by) as session:
        await renew(session, stack, name)


async def renew(session: Bao, stack: Stack, name: str) -> None:
    """Like `issue`, in a session that is open already."""
    issued = await session.write(
        f"pki/issue/{name}",
        common_name=name,
        exclude_cn_from_sans=True,
        alt_names="localhost",
        ip_sans="127.0.0.1",
        uri_sans=f"spiffe://konci/{name}",
        private_key_format="pkcs8",
        ttl=stack.cert_ttl,
    )
    folder = stack.identity(name)
    if not folder.exists():  # a server with a user of its own has prepared its folder
        private_file.folder(stack.run / "identity", mode=0o711)
        private_file.folder(folder)
    private_file.write_if_changed(folder / "ca.pem", stack.ca.read_bytes(), mode=0o644)
    chain = [issued["private_key"], issued["certificate"], issued["issuing_ca"]]
    private_file.write(folder / "identity.pem", "\n".join(part.strip() for part in chain) + "\n")


def life(stack: Stack, name: str) -> float:
    """The part of its life, 0.0 to 1.0, that a workload's certificate still has; 0.0 without one."""
    return bootstrap_ca.remaining(stack.identity(name) / "identity.pem")
