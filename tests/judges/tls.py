"""sslyze's Mozilla *modern* on the gateway, and refusals on every other listener that the stack's processes hold open.

Listeners are found by looking, not by name: a new one is judged the day it opens. Each refusal has its control.
"""

import re
import socket
import ssl
import struct
import subprocess
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from judges import accepted
from judges.environment import tool, version
from judges.verdict import CannotJudge, Verdict
from support.machine import Machine
from support.workload import bare_context, certificate

_OLD = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2)
_PATIENCE = 20  # seconds for one answer on a busy machine
_LISTENING = "0A"
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # PostgreSQL, 55.2.10: before its handshake
_STARTUP = b"user\0nobody\0database\0postgres\0\0"
_GREETING = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


@dataclass(frozen=True, slots=True)
class _Listener:
    name: str
    port: int
    kind: str  # "tls", "postgres" (TLS after a request of its own), "closed" (TLS that refuses even ours) or "plain"


def judge(stack: Machine) -> Verdict:
    """The verdict over every listener of the running stack."""
    program = tool("tls", "sslyze")
    _can_speak_old_versions(stack)
    listeners = list(_listeners(stack))
    judged = [listener for listener in listeners if listener.kind in {"tls", "postgres"}]
    if not {"gateway", "postgres", "kafka", "openbao"} <= {listener.name for listener in judged}:
        raise CannotJudge(
            f"listeners are missing: only {', '.join(listener.name for listener in listeners)} were found"
        )
    plain, _ = accepted.weigh(
        "tls", [(listener.kind, listener.name) for listener in listeners if listener not in judged]
    )
    refused = [line for listener in judged for line in _refusals(stack, listener)]
    line = (
        f"gateway is Mozilla modern; {len(judged)} listeners refuse TLS 1.0, 1.1 and 1.2, all but the gateway whoever"
        f" shows no certificate ({', '.join(sorted(listener.name for listener in judged))});"
        f" {len(listeners) - len(judged)} others on the loopback are known by name"
    )
    found = [*_modern(stack, program), *plain, *refused]
    return Verdict("tls", f"sslyze {_sslyze_version(program)}, {ssl.OPENSSL_VERSION}", line, found)


def _sslyze_version(program: Path) -> str:
    python = program.with_name("python")
    return version(python, "-c", "from importlib.metadata import version; print(version('sslyze'))")


def _modern(stack: Machine, program: Path) -> list[str]:
    command = [
        str(program), "--mozilla_config=modern", f"--certinfo_ca_file={stack.stack.ca}",
        f"localhost:{stack.port_of('gateway')}",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if "Compliance against" not in done.stdout.replace("COMPLIANCE AGAINST", "Compliance against"):
        raise CannotJudge(f"sslyze did not judge: {done.stdout[-300:]}{done.stderr[-300:]}")
    if done.returncode == 0:
        return []
    return [f"sslyze: {line.strip()}" for line in done.stdout.splitlines() if re.search(r"FAILED|\* ", line)]


def _listeners(stack: Machine) -> Iterator[_Listener]:
    names = {port: name for name, port in stack.stack.ports().items()}
    for port in sorted(_ports(stack)):
        yield _Listener(names.get(port, f"port {port}"), port, _kind(stack, port))


def _ports(stack: Machine) -> set[int]:
    """Ports on which a process below our supervisor listens."""
    sockets = {link for pid in _family(int(stack.supervisor("pid"))) for link in _sockets(pid)}
    ports = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for entry in Path(table).read_text(encoding="ascii").splitlines()[1:]:
            fields = entry.split()
            if fields[3] == _LISTENING and f"socket:[{fields[9]}]" in sockets:
                ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports


def _family(root: int) -> set[int]:
    parents: dict[int, int] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            said = status.read_text()
        except OSError:
            continue  # it has ended
        parents[int(status.parent.name)] = int(said.rpartition(")")[2].split()[1])
    family = {root}
    while grown := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= grown
    return family


def _sockets(pid: int) -> Iterator[str]:
    try:
        for held in Path(f"/proc/{pid}/fd").iterdir():
            yield str(held.readlink())
    except OSError:
        return  # it has ended, or closed what was being looked at


def _kind(stack: Machine, port: int) -> str:
    for kind in ("tls", "postgres"):
        try:
            with _shaken(_Listener("", port, kind), _ours(stack)):
                return kind
        except ssl.SSLError as refused:
            if "ALERT" in (refused.reason or ""):
                return "closed"
        except OSError:
            continue
    return "plain"


def _shaken(listener: _Listener, context: ssl.SSLContext) -> ssl.SSLSocket:
    raw = socket.create_connection(("127.0.0.1", listener.port), timeout=_PATIENCE)
    try:
        if listener.kind == "postgres":
            raw.sendall(_SSL_REQUEST)
            if raw.recv(1) != b"S":
                raise ConnectionResetError("it speaks no TLS")
        return context.wrap_socket(raw, server_hostname="localhost")
    except OSError:
        raw.close()
        raise


def _refusals(stack: Machine, listener: _Listener) -> Iterator[str]:
    with _shaken(listener, _ours(stack)) as control:
        if control.version() != "TLSv1.3":
            yield f"{listener.name} speaks {control.version()} with us"
    for old in _OLD:
        try:
            with _shaken(listener, _only(_ours(stack), old)):
                yield f"{listener.name} speaks {old.name}"
        except OSError:
            continue
    if listener.name != "gateway" and not _turns_strangers_away(stack, listener):
        yield f"{listener.name} answers whoever shows no certificate"


def _turns_strangers_away(stack: Machine, listener: _Listener) -> bool:
    """TLS 1.3 tells only after the handshake. Some close without a word: then ours must have been answered."""
    stranger = _answer(listener, bare_context(stack))
    return stranger == "refused" or (stranger == "closed" and _answer(listener, _ours(stack)) == "answered")


def _answer(listener: _Listener, context: ssl.SSLContext) -> str:
    try:
        with _shaken(listener, context) as shaken:
            startup = struct.pack("!ii", len(_STARTUP) + 8, 196608) + _STARTUP
            shaken.sendall(startup if listener.kind == "postgres" else _GREETING)
            first = shaken.recv(1)
    except ssl.SSLError as refused:
        return "refused" if "CERTIFICATE" in (refused.reason or "") else "closed"
    except ConnectionError:
        return "closed"
    # PostgreSQL refuses by its host rules: an error in place of a challenge.
    return "refused" if listener.kind == "postgres" and first == b"E" else "answered" if first else "closed"


def _ours(stack: Machine) -> ssl.SSLContext:
    return certificate(stack, "audit").client()


def _only(context: ssl.SSLContext, old: ssl.TLSVersion) -> ssl.SSLContext:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # these versions are deprecated: that is the point
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = old
        context.maximum_version = old
    return context


def _can_speak_old_versions(stack: Machine) -> None:
    """The control: this OpenSSL does shake hands by each old version with a server that allows it."""
    for old in _OLD:
        server = _only(certificate(stack, "gateway").server(), old)
        server.verify_mode = ssl.CERT_NONE
        a, b = ssl.MemoryBIO(), ssl.MemoryBIO()
        sides = (
            _only(bare_context(stack), old).wrap_bio(a, b, server_hostname="localhost"),
            server.wrap_bio(b, a, server_side=True),
        )
        if not any(_step(sides) for _ in range(10)):
            raise CannotJudge(f"this OpenSSL cannot speak {old.name} at all: its refusal would prove nothing")


def _step(sides: tuple[ssl.SSLObject, ssl.SSLObject]) -> bool:
    done = []
    for side in sides:
        try:
            side.do_handshake()
            done.append(True)
        except ssl.SSLWantReadError:
            done.append(False)
    return all(done)
