"""02.3: OpenBao unwraps a key for the service and the client that it is of, and no service takes a key out or away.

On each service's own mount, with a key that was wrapped there: elsewhere a refusal could come from the key alone.
"""

from typing import Any
from uuid import UUID

import pytest

from pentest.evidence import Probes
from stack import bao
from stack.bao import Bao, Refused
from stack.settings import SERVICES
from support.hotel import Hotel
from support.machine import Machine

REFUSED = 403  # the policy's own no; a 400 is the key's, and comes only from a mount that could be reached
MISFIT = 400
# Not "v0": OpenBao reads it as the first version, by its oldest spelling; it is the same key.
VERSIONS = ("vault:v2:", "vault:v99:", "vault:v-1:", "vault:v:", "vault:", "")
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "taking the key out": {"exportable": True},
    "taking the key away": {"deletion_allowed": True},
    "an older version allowed again": {"min_decryption_version": 1},
}


async def _wrapped(session: Bao, service: str, client: UUID) -> str:
    """A data key of this client, made as `guard.vault` makes it; nothing is sealed with it."""
    await session.write(f"transit/{service}/keys/{client}", auto_rotate_period="8760h")
    made = await session.write(f"transit/{service}/datakey/plaintext/{client}")
    return str(made["ciphertext"])


async def _status(session: Bao, path: str, **values: Any) -> int:
    try:
        await session.write(path, **values)
    except Refused as refused:
        return refused.status
    return 200


@pytest.mark.parametrize("service", SERVICES)
async def test_another_services_mount(stack: Machine, heron: Hotel, probes: Probes, service: str) -> None:
    client, table = heron.client_id, f"{service}: guard.data_key"
    async with bao.session(stack.stack, service) as owner:
        theirs = await _wrapped(owner, service, client)
        for deed in ("decrypt", "rewrap"):
            status = await _status(owner, f"transit/{service}/{deed}/{client}", ciphertext=theirs)
            probes.allowed(f"its own service: {deed}", status == 200, status, on=service)
    for other in SERVICES:
        if other == service:
            continue
        async with bao.session(stack.stack, other) as session:
            for deed in ("decrypt", "rewrap"):
                status = await _status(session, f"transit/{service}/{deed}/{client}", ciphertext=theirs)
                probes.denied(f"another service's mount: {deed}", status == REFUSED, f"{other}: {status}", table=table)
            await _wrapped(session, other, client)  # so that there is a key on its own mount
            status = await _status(session, f"transit/{other}/decrypt/{client}", ciphertext=theirs)
            probes.denied(
                "another service's key on one's own mount", status == MISFIT, f"{other}: {status}", table=table
            )


@pytest.mark.parametrize("service", SERVICES)
async def test_another_clients_key(stack: Machine, otter: Hotel, heron: Hotel, probes: Probes, service: str) -> None:
    mount, table = f"transit/{service}", f"{service}: guard.data_key"
    async with bao.session(stack.stack, service) as session:
        mine, theirs = [await _wrapped(session, service, hotel.client_id) for hotel in (otter, heron)]
        for hotel, wrapped in ((otter, mine), (heron, theirs)):
            status = await _status(session, f"{mount}/decrypt/{hotel.client_id}", ciphertext=wrapped)
            probes.allowed("a key with its own client's", status == 200, status, on=service)
        status = await _status(session, f"{mount}/decrypt/{otter.client_id}", ciphertext=theirs)
        probes.denied("a key with another client's", status == MISFIT, status, table=table)
        for version in VERSIONS:
            bent = version + theirs.rpartition(":")[2]
            status = await _status(session, f"{mount}/decrypt/{heron.client_id}", ciphertext=bent)
            probes.denied("a version that is not its own", status == MISFIT, f"{version} {status}", table=table)
        for case, values in CONFIGURATIONS.items():
            status = await _status(session, f"{mount}/keys/{heron.client_id}/config", **values)
            probes.denied(case, status == REFUSED, status, table=table)
