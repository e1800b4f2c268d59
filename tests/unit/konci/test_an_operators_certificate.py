"""Which personal certificate a command acts with (04.2, 04.3)."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from konci import certificate
from konci.failure import Failed
from stack import private_file
from stack.settings import Stack


@pytest.fixture
def stack(tmp_path):
    return Stack(run=tmp_path)


def lay(stack, name, lasts):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"operator:{name}")])
    now = datetime.now(UTC)
    leaf = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + lasts)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + leaf.public_bytes(serialization.Encoding.PEM)
    private_file.write(private_file.folder(certificate.folder(stack, name)) / "identity.pem", pem)


def test_expired_by_name(stack):
    lay(stack, "alice", timedelta(seconds=-1))
    with pytest.raises(Failed, match=r"alice has expired.*operator add alice"):
        certificate.chosen(stack, "alice")


def test_none_valid(stack):
    lay(stack, "alice", timedelta(seconds=-1))
    with pytest.raises(Failed, match="no operator has a valid certificate"):
        certificate.chosen(stack, None)


def test_two_to_choose_from(stack):
    lay(stack, "alice", timedelta(hours=1))
    lay(stack, "bob", timedelta(hours=1))
    with pytest.raises(Failed, match=r"alice, bob.*--operator"):
        certificate.chosen(stack, None)


def test_the_only_valid_one(stack):
    lay(stack, "alice", timedelta(hours=1))
    lay(stack, "bob", timedelta(seconds=-1))
    assert certificate.chosen(stack, None).name == "alice"


def test_nobody_else_can_read_it(stack):
    lay(stack, "alice", timedelta(hours=1))
    file = certificate.read(stack, "alice").file
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_discarded(stack):
    lay(stack, "alice", timedelta(hours=1))
    assert certificate.discard(stack, "alice")
    assert not certificate.discard(stack, "alice")
    assert certificate.here(stack) == []
