"""02.4: the root signs three things; each is what it should be, whole, private, and made anew in time."""

import stat
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from stack import bootstrap_ca
from stack.settings import Stack, StackError


@pytest.fixture
def stack(tmp_path):
    stack = Stack(run=tmp_path / "run")
    bootstrap_ca.prepare(stack)
    return stack


def read(path):
    return x509.load_pem_x509_certificate(path.read_bytes())


def request(key):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")])
    signed = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def test_a_request_for_another_kind_of_key_is_refused(stack):
    with pytest.raises(StackError):
        bootstrap_ca.sign_issuer(stack, request(rsa.generate_private_key(65537, 2048)))


def test_without_its_key_the_root_signs_nothing(stack):
    (stack.folder("bootstrap") / "root.key").unlink()
    with pytest.raises(StackError, match=r"root\.key"):
        bootstrap_ca.sign_issuer(stack, request(ec.generate_private_key(ec.SECP256R1())))


def test_a_damaged_key_is_one_line(stack):
    (stack.folder("bootstrap") / "root.key").write_text("half a ke")
    with pytest.raises(StackError, match="damaged"):
        bootstrap_ca.sign_issuer(stack, request(ec.generate_private_key(ec.SECP256R1())))


def test_the_issuer_signs_end_entities_only(stack):
    pem = bootstrap_ca.sign_issuer(stack, request(ec.generate_private_key(ec.SECP256R1())))
    issuer, root = x509.load_pem_x509_certificates(pem.encode())
    constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (True, True, 0)
    issuer.verify_directly_issued_by(root)


def test_secrets_are_private_files(stack):
    for file in stack.run.rglob("*"):
        if file.is_file() and file != stack.ca:
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert "PRIVATE" not in stack.ca.read_text()


def test_the_listener_serves_and_the_bootstrap_asks(stack):
    root = read(stack.ca)
    for path, purpose, life in (
        (stack.folder("openbao") / "listener.pem", x509.ExtendedKeyUsageOID.SERVER_AUTH, bootstrap_ca.LISTENER_LIFE),
        (bootstrap_ca.client(stack), x509.ExtendedKeyUsageOID.CLIENT_AUTH, bootstrap_ca.CLIENT_LIFE),
    ):
        leaf = read(path)
        leaf.verify_directly_issued_by(root)
        assert list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [purpose]
        assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= life + timedelta(minutes=2)


def test_again_changes_nothing(stack):
    before = {file: file.read_bytes() for file in stack.run.rglob("*") if file.is_file()}
    bootstrap_ca.prepare(stack)
    assert before == {file: file.read_bytes() for file in stack.run.rglob("*") if file.is_file()}


def test_an_interrupted_first_start_begins_again(stack):
    # The key was written, its certificate was not.
    (stack.folder("bootstrap") / "root.pem").unlink()
    old = (stack.folder("bootstrap") / "root.key").read_bytes()
    (stack.folder("openbao") / "listener.pem").unlink()
    (stack.folder("bootstrap") / "bootstrap.pem").unlink()
    bootstrap_ca.prepare(stack)
    assert (stack.folder("bootstrap") / "root.key").read_bytes() != old
    bootstrap_certificate = read(bootstrap_ca.client(stack))
    bootstrap_certificate.verify_directly_issued_by(read(stack.ca))


def test_the_bootstrap_certificate_is_made_anew_in_its_last_third(stack, monkeypatch):
    before = bootstrap_ca.client(stack).read_bytes()
    monkeypatch.setattr(bootstrap_ca, "remaining", lambda _path: 0.4)
    assert bootstrap_ca.client(stack).read_bytes() == before
    monkeypatch.setattr(bootstrap_ca, "remaining", lambda _path: 0.3)
    assert bootstrap_ca.client(stack).read_bytes() != before


def test_a_file_without_certificate_has_no_life_left(tmp_path):
    assert bootstrap_ca.remaining(tmp_path / "none.pem") == 0.0
    (tmp_path / "half.pem").write_text("-----BEGIN CERTIFI")
    assert bootstrap_ca.remaining(tmp_path / "half.pem") == 0.0
