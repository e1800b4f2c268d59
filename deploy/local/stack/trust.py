"""What OpenBao holds for the stack: its issuing CA, a role and a policy per workload, key and secret mounts.

Brings it, at each `up`, to what stands here and in deploy/openbao; it must never overwrite a key or a secret
(02.1, 02.3, 02.4, 04.3).
"""

import asyncio
import secrets
from typing import Any

from stack import bao, bootstrap_ca, configured, openbao, private_file
from stack.bao import Bao, Refused
from stack.settings import SERVICES, Stack, StackError

# Certificates for all of these; a token of OpenBao only for those with a policy in deploy/openbao.
WORKLOADS = ("gateway", *SERVICES, "postgres", "kafka", "openbao", "prometheus", "keeper", "migrator")
WITH_POLICY = (*SERVICES, "keeper", "migrator")
OPERATOR_HOURS = 12
_KEY_BYTES = 32
_YEAR = "8760h"
# Rotated monthly; verifiers hold every version that can still have signed a living token.
_SIGNING_ROTATION = "720h"


async def reconcile(stack: Stack) -> None:
    """Bring OpenBao to what the repository says. Raises StackError when the bootstrap identity is refused."""
    async with bao.session(stack) as session:
        private_file.write_if_changed(openbao.trusted(stack), "the bootstrap identity has logged in\n")
        await _mounts(session)
        await _policies(stack, session)
        await _issuer(stack, session)
        await _certificate_roles(stack, session)
        await _signing_key(session)
        await _secret(session, "auth/email-index", {"key": secrets.token_hex(_KEY_BYTES)})
        for service in SERVICES:
            await _secret(session, f"{service}/seal", {"kid": 1, "key": secrets.token_hex(_KEY_BYTES)})
    configured.note(stack, "openbao")


async def wait_for_login(stack: Stack, seconds: float = 10.0) -> bool:
    """Whether the bootstrap identity gets in, given a moment: the first start logs in last."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while True:
        try:
            async with bao.session(stack):
                return True
        except StackError:
            if loop.time() > end:
                return False
        await asyncio.sleep(0.2)


async def _mounts(session: Bao) -> None:
    present = await session.read("sys/mounts") or {}
    wanted: dict[str, dict[str, Any]] = {
        "pki": {"type": "pki", "config": {"max_lease_ttl": _YEAR}},
        "kv": {"type": "kv", "options": {"version": "2"}},
        "database": {"type": "database"},
        **{f"transit/{service}": {"type": "transit"} for service in SERVICES},
    }
    for path, mount in wanted.items():
        if f"{path}/" not in present:
            await session.write(f"sys/mounts/{path}", **mount)
    # In clear in the audit log, so that an unwrapped key is joined to the access that needed it.
    await session.write("sys/config/auditing/request-headers/X-Request-Id", hmac=False)


async def _policies(stack: Stack, session: Bao) -> None:
    folder = stack.repo / "deploy" / "openbao"
    for name in ("bootstrap", *WITH_POLICY):
        await session.write(f"sys/policies/acl/{name}", policy=(folder / f"{name}.hcl").read_text())
    # Certificates are renewed more often than tokens: a token may be renewed under its workload's next certificate.
    await session.write("auth/cert/config", disable_binding=True)
    # Longer than the database users made with it: OpenBao drops them when their token ends.
    period = 4 * stack.db_ttl
    for name in WITH_POLICY:
        role = openbao.certificate_role(stack, name, token_period=period, token_bound_cidrs=["127.0.0.1/32"])
        await session.write(f"auth/cert/certs/{name}", **role)


async def _issuer(stack: Stack, session: Bao) -> None:
    """The issuing CA: its key is made and stays in OpenBao; the root certifies it, anew in its last third."""
    current = await _default_issuer(session)
    if current and bootstrap_ca.remaining_of(current) >= 1 / 3:
        return
    request = await session.write(
        "pki/intermediate/generate/internal", common_name="MyKonci issuing CA", key_type="ec", key_bits=256
    )
    signed = await session.write(
        "pki/intermediate/set-signed", certificate=bootstrap_ca.sign_issuer(stack, request["csr"])
    )
    # The root comes along as a second issuer without a key: name the one that can sign.
    issuer = next(issuer for issuer, key in signed["mapping"].items() if key)
    await session.write("pki/config/issuers", default=issuer)


async def _default_issuer(session: Bao) -> str | None:
    try:
        issuer = await session.read("pki/issuer/default")
    except Refused:
        return None  # "no default issuer": a fresh mount
    return str(issuer["certificate"]) if issuer else None


async def _certificate_roles(stack: Stack, session: Bao) -> None:
    common: dict[str, Any] = {
        "key_type": "ec",
        "key_bits": 256,
        "not_before_duration": "5s",  # more would count as life already spent for a certificate of 30 s
        "enforce_hostnames": False,  # `tenant_data` and `operator:alice` are no host names
        "cn_validations": ["disabled"],
        "key_usage": ["DigitalSignature"],
    }
    for name in WORKLOADS:
        await session.write(
            f"pki/roles/{name}",
            **common,
            allowed_domains=[name, "localhost"],
            allow_bare_domains=True,
            allow_ip_sans=True,
            allowed_uri_sans=[f"spiffe://konci/{name}"],
            ttl=stack.cert_ttl,
            max_ttl=stack.cert_ttl,
            no_store=True,
        )
    await session.write(
        "pki/roles/operator",
        **common,
        allowed_domains=["operator:*"],
        allow_glob_domains=True,
        allow_ip_sans=False,
        allow_localhost=False,
        allowed_uri_sans=["spiffe://konci/operator/*"],
        server_flag=False,
        ttl=f"{OPERATOR_HOURS}h",
        max_ttl=f"{OPERATOR_HOURS}h",
        no_store=False,  # a person's certificate can be revoked
    )


async def _signing_key(session: Bao) -> None:
    if await session.read("transit/auth/keys/token-signing") is None:
        await session.write("transit/auth/keys/token-signing", type="ed25519", auto_rotate_period=_SIGNING_ROTATION)


async def _secret(session: Bao, path: str, value: dict[str, Any]) -> None:
    """Put a secret where there is none; check-and-set 0 makes overwriting impossible even in a race."""
    for _attempt in range(20):
        try:
            if await session.read(f"kv/data/{path}") is None:
                await session.write(f"kv/data/{path}", options={"cas": 0}, data=value)
        except Refused as refused:
            if "pgrad" not in str(refused):
                raise
            await asyncio.sleep(0.1)  # a new kv mount upgrades itself for an instant and says so
        else:
            return
    message = f"OpenBao's kv mount does not become ready for {path}: see `konci logs openbao`"
    raise StackError(message)
