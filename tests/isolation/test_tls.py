"""02.2: TLS 1.3 and nothing older on every listener; inside, nobody without a certificate of ours."""

import datetime as dt
import socket
import ssl
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from stack.settings import SERVICES
from support.machine import Machine
from support.workload import bare_context, certificate

INTERNAL = (*SERVICES, "postgres", "kafka", "kafka_controller", "openbao")
LISTENERS = ("gateway", *INTERNAL)


def _shake(stack: Machine, listener: str, context: ssl.SSLContext) -> str:
    """The version that was agreed on, after one more round trip: TLS 1.3 refuses a certificate only then."""
    with socket.create_connection(("127.0.0.1", stack.port_of(listener)), timeout=5) as raw:
        raw.settimeout(5)
        if listener == "postgres":
            raw.sendall(struct.pack("!ii", 8, 80877103))  # SSLRequest
            assert raw.recv(1) == b"S"
        with context.wrap_socket(raw, server_hostname="localhost") as wrapped:
            wrapped.sendall(_GREETING.get(listener, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"))
            first = wrapped.recv(1)
            # PostgreSQL shakes hands with anybody and refuses by its host rules: an error instead of a challenge.
            if not first or (listener == "postgres" and first == b"E"):
                raise ConnectionResetError
            return str(wrapped.version())


_STARTUP = struct.pack("!i", 196608) + b"user\0nobody\0database\0postgres\0\0"
_API_VERSIONS = struct.pack("!hhih", 18, 0, 1, -1)  # ApiVersions v0
_GREETING = {
    "postgres": struct.pack("!i", len(_STARTUP) + 4) + _STARTUP,
    "kafka": struct.pack("!i", len(_API_VERSIONS)) + _API_VERSIONS,
    "kafka_controller": struct.pack("!i", len(_API_VERSIONS)) + _API_VERSIONS,
    "openbao": b"GET /v1/sys/health HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


def _ours(stack: Machine) -> ssl.SSLContext:
    return certificate(stack, "audit").client()


def _at_most(version: ssl.TLSVersion) -> Callable[[ssl.SSLContext], ssl.SSLContext]:
    def limited(context: ssl.SSLContext) -> ssl.SSLContext:
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.maximum_version = version
        return context

    return limited


@pytest.mark.parametrize("listener", LISTENERS)
def test_the_control_gets_in(stack: Machine, listener: str) -> None:
    assert _shake(stack, listener, _ours(stack)) == "TLSv1.3"


@pytest.mark.parametrize("listener", LISTENERS)
def test_older_versions_are_refused(stack: Machine, listener: str) -> None:
    with pytest.raises(OSError, match=r"(?i)protocol version|alert|reset|closed|EOF"):
        _shake(stack, listener, _at_most(ssl.TLSVersion.TLSv1_2)(_ours(stack)))


@pytest.mark.parametrize("listener", INTERNAL)
def test_nobody_without_a_certificate(stack: Machine, listener: str) -> None:
    with pytest.raises(OSError):
        _shake(stack, listener, bare_context(stack))


@pytest.mark.parametrize("listener", INTERNAL)
def test_nobody_with_a_certificate_of_their_own(stack: Machine, listener: str, tmp_path) -> None:
    context = bare_context(stack)
    context.load_cert_chain(str(_self_signed(tmp_path)))
    with pytest.raises(OSError):
        _shake(stack, listener, context)


def test_listeners_are_on_the_loopback_only(stack: Machine) -> None:
    ports = set(stack.stack.ports().values())
    listening: dict[int, set[str]] = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with Path(table).open(encoding="ascii") as lines:
            for line in list(lines)[1:]:
                _, local, _, state = line.split()[:4]
                address, port = local.split(":")
                if state == "0A" and int(port, 16) in ports:
                    listening.setdefault(int(port, 16), set()).add(address)
    assert len(listening) >= 10
    loopback = {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}
    assert {port: hosts for port, hosts in listening.items() if hosts - loopback} == {}


def _self_signed(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "audit")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier("spiffe://konci/audit")]), False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "own.pem"
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, *private) + made.public_bytes(serialization.Encoding.PEM)
    )
    return pem
