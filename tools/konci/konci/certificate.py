"""An operator's personal certificate: a few hours long, from OpenBao, in one 0600 file that never leaves this machine.

It proves a name and grants nothing: rights come with each ten-minute token that `auth` gives for a reason.
"""

import asyncio
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509

from konci.failure import Failed
from stack import bao, private_file
from stack.settings import Stack


@dataclass(frozen=True, slots=True)
class Certificate:
    """Where the certificate of operator `name` lies, and until when it is accepted."""

    name: str
    file: Path
    not_after: datetime

    def is_valid(self, now: datetime) -> bool:
        """Whether it is still accepted at `now` (UTC)."""
        return now < self.not_after


def folder(stack: Stack, name: str) -> Path:
    """Where the certificate of operator `name` lies."""
    return stack.run / "operators" / name


def issue(stack: Stack, name: str, hours: int) -> Certificate:
    """A new certificate for `name`, from the PKI role `operator`. Raises StackError when OpenBao refuses or is away."""
    issued = asyncio.run(_issue(stack, name, hours))
    pem = [issued["private_key"], issued["certificate"], issued["issuing_ca"]]
    where = private_file.folder(folder(stack, name)) / "identity.pem"
    private_file.write(where, "\n".join(part.strip() for part in pem) + "\n")
    return read(stack, name)


async def _issue(stack: Stack, name: str, hours: int) -> dict[str, Any]:
    async with bao.session(stack) as session:
        return await session.write(
            "pki/issue/operator",
            common_name=f"operator:{name}",
            exclude_cn_from_sans=True,
            uri_sans=f"spiffe://konci/operator/{name}",
            private_key_format="pkcs8",
            ttl=f"{hours}h",
        )


def read(stack: Stack, name: str) -> Certificate:
    """The certificate of `name`. Raises Failed when there is none on this machine."""
    file = folder(stack, name) / "identity.pem"
    try:
        leaf = x509.load_pem_x509_certificates(file.read_bytes())[0]
    except (OSError, ValueError) as error:
        raise Failed(f"there is no certificate of {name} here", f"run `konci operator add {name}`") from error
    return Certificate(name, file, leaf.not_valid_after_utc)


def here(stack: Stack) -> list[Certificate]:
    """Every operator's certificate on this machine, by name."""
    return [read(stack, file.parent.name) for file in sorted((stack.run / "operators").glob("*/identity.pem"))]


def chosen(stack: Stack, name: str | None) -> Certificate:
    """The certificate to act with: that of `name`, else the only valid one here. Raises Failed when it is not clear."""
    now = datetime.now(UTC)
    if name is not None:
        certificate = read(stack, name)
        if not certificate.is_valid(now):
            raise Failed(f"the certificate of {name} has expired", f"run `konci operator add {name}`")
        return certificate
    valid = [certificate for certificate in here(stack) if certificate.is_valid(now)]
    if not valid:
        raise Failed("no operator has a valid certificate here", "run `konci operator add NAME`")
    if len(valid) > 1:
        names = ", ".join(certificate.name for certificate in valid)
        raise Failed(
            f"several operators have a certificate here ({names})", "say which with --operator or KONCI_OPERATOR"
        )
    return valid[0]


def discard(stack: Stack, name: str) -> bool:
    """Deletes the certificate of `name` from this machine; whether there was one."""
    where = folder(stack, name)
    there = where.is_dir()
    if there:
        shutil.rmtree(where)
    return there
