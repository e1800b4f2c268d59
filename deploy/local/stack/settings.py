"""Where one stack lives and listens: its run folder, its ports, its lifetimes.

Derives every path and address from `KONCI_RUN` and `KONCI_PORT`; it must never touch the disk or the network.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parents[3]
SERVICES = ("auth", "tenant_data", "audit", "recording_storage")

_OFFSETS = {
    "gateway": 0,
    "auth": 1,
    "tenant_data": 2,
    "audit": 3,
    "recording_storage": 4,
    "postgres": 11,
    "kafka": 12,
    "kafka_controller": 13,
    "openbao": 14,
    "openbao_cluster": 15,
    "envoy_admin": 16,
    "prometheus": 17,
    "traces": 18,
}


class StackError(Exception):
    """The stack cannot go on: one line that says what is wrong and what to do."""


@dataclass(frozen=True)
class Stack:
    """One stack on this machine. Two stacks with another `run` and `port` share nothing but cached downloads."""

    run: Path
    port: int = 8443
    cert_ttl: int = 86_400
    db_ttl: int = 3_600
    key_cache_seconds: float = 60.0
    key_grace_seconds: float = 120.0
    otlp: str | None = None
    repo: Path = REPO

    @classmethod
    def here(cls, environment: Mapping[str, str] = os.environ) -> "Stack":
        """The stack that the environment names (`KONCI_RUN`, `KONCI_PORT`, …); raises StackError on a bad value."""
        run = Path(environment.get("KONCI_RUN") or REPO / ".run").expanduser()
        return cls(
            run=Path(os.path.abspath(run)),  # noqa: PTH100 - resolve() would follow a run folder that is a link
            port=int(_number(environment, "KONCI_PORT", 8443, 1024, 65_500)),
            cert_ttl=int(_number(environment, "KONCI_CERT_TTL", 86_400, 15, 31_536_000)),
            db_ttl=int(_number(environment, "KONCI_DB_TTL", 3_600, 10, 2_592_000)),
            key_cache_seconds=_number(environment, "KONCI_KEY_CACHE_SECONDS", 60.0, 0.1, 3_600),
            # Less than the services and the gateway need to fetch a new key (10 s), and its first tokens are refused.
            key_grace_seconds=_number(environment, "KONCI_KEY_GRACE_SECONDS", 120.0, 10, 86_400),
            otlp=environment.get("KONCI_OTLP") or None,
        )

    def environment(self) -> dict[str, str]:
        """What makes `Stack.here()` in a child process this same stack."""
        return {
            "KONCI_RUN": str(self.run),
            "KONCI_PORT": str(self.port),
            "KONCI_CERT_TTL": str(self.cert_ttl),
            "KONCI_DB_TTL": str(self.db_ttl),
            "KONCI_KEY_CACHE_SECONDS": str(self.key_cache_seconds),
            "KONCI_KEY_GRACE_SECONDS": str(self.key_grace_seconds),
            **({"KONCI_OTLP": self.otlp} if self.otlp else {}),
        }

    def port_of(self, name: str) -> int:
        """The port of a listener, e.g. "postgres", "kafka", "kafka_controller", "envoy_admin"."""
        return self.port + _OFFSETS[name]

    def ports(self) -> dict[str, int]:
        """Every listener of this stack with its port."""
        return {name: self.port_of(name) for name in _OFFSETS}

    def url_of(self, name: str) -> str:
        """The https address of a listener on the loopback interface."""
        host = "localhost" if name == "gateway" else "127.0.0.1"
        return f"https://{host}:{self.port_of(name)}"

    def identity(self, name: str) -> Path:
        """The folder of a workload's certificate: `identity.pem` (key, leaf, intermediate; 0600) and `ca.pem`."""
        return self.run / "identity" / name

    def folder(self, name: str) -> Path:
        """The folder of a server's state and generated configuration, e.g. `.run/kafka`."""
        return self.run / name

    def log(self, program: str) -> Path:
        """Standard output and error of one process."""
        return self.run / "log" / f"{program}.log"

    @property
    def ca(self) -> Path:
        """The root certificate: the one trust anchor of this stack."""
        return self.run / "ca.pem"

    @property
    def cache(self) -> Path:
        """Downloads shared by all stacks of this user (Kafka's jars)."""
        base = os.environ.get("XDG_CACHE_HOME")
        return (Path(base) if base else Path.home() / ".cache") / "konci"


def tool(name: str, *, hint: str = "run `make up`, which installs it") -> str:
    """The absolute path of a program, first in the virtual environment; raises StackError when it is missing."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not found:
        message = f"{name} is not installed: {hint}"
        raise StackError(message)
    return found


def _number(environment: Mapping[str, str], name: str, default: float, low: float, high: float) -> float:
    text = environment.get(name) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        message = f"{name}={text!r} is not a number from {low:g} to {high:g}: correct or unset it"
        raise StackError(message)
    return value
