"""A root of trust in memory, identity folders under it, and settings that point nowhere."""

import ipaddress
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from guard.settings import Settings


class Authority:
    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "root")])
        self.certificate = self._sign(self.name, self.key.public_key(), timedelta(days=1), None)

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, life: timedelta, names: x509.GeneralNames | None
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key)
            .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(seconds=1))
            .not_valid_after(now + life)
            .add_extension(x509.BasicConstraints(ca=names is None, path_length=None), critical=True)
        )  # fmt: skip
        if names is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def pem(self, name: str, life: timedelta = timedelta(hours=1)) -> str:
        """Key and certificate of a workload in one text, as `pki/issue` answers it."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.GeneralNames([
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
            x509.UniformResourceIdentifier(f"spiffe://konci/{name}"),
        ])  # fmt: skip
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        leaf = self._sign(subject, key.public_key(), life, names)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return private.decode() + leaf.public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def identity(authority: Authority, tmp_path: Path) -> Callable[..., Path]:
    """Makes the identity folder of a workload."""

    def make(name: str, life: timedelta = timedelta(hours=1), by: Authority = authority) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "identity.pem").write_text(by.pem(name, life))
        (folder / "ca.pem").write_bytes(by.certificate.public_bytes(serialization.Encoding.PEM))
        return folder

    return make


@pytest.fixture
def settings(identity: Callable[..., Path]) -> Settings:
    return Settings(
        service="tenant_data",
        identity=identity("tenant_data"),
        listen_port=1,
        vault="https://openbao.test",
        database_port=1,
        database_name="tenant_data",
        kafka="127.0.0.1:1",
        auth="https://auth.test",
    )
