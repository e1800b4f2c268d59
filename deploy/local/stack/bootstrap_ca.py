"""The root of trust of one stack: signs OpenBao's listener, OpenBao's issuing CA and the `bootstrap` client.

It must never sign anything else: every other certificate comes from OpenBao's PKI (02.3, 02.4). In production the
key is not on the machine: an offline root signs the same three things.
"""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from stack import private_file
from stack.settings import Stack, StackError

ROOT_LIFE = timedelta(days=3650)
LISTENER_LIFE = timedelta(days=365)
ISSUER_LIFE = timedelta(days=730)
CLIENT_LIFE = timedelta(days=1)
_BACKDATE = timedelta(minutes=1)


def prepare(stack: Stack) -> None:
    """Make the root, OpenBao's listener certificate and the bootstrap's where they are missing or old."""
    home = private_file.folder(stack.folder("bootstrap"))
    key_file, certificate_file = home / "root.key", home / "root.pem"
    if not certificate_file.exists():
        # The key goes first and is not trusted before its certificate exists: an interrupted first start begins again.
        key = ec.generate_private_key(ec.SECP256R1())
        private_file.write(key_file, _private(key))
        private_file.write(certificate_file, _pem(_self_signed(key)))
    private_file.write_if_changed(stack.ca, certificate_file.read_bytes(), mode=0o644)
    _listener(stack)
    client(stack)


def client(stack: Stack) -> Path:
    """The bootstrap identity (key and certificate in one 0600 file), signed anew when a third of its day is left."""
    path = stack.folder("bootstrap") / "bootstrap.pem"
    if remaining(path) < 1 / 3:
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier("spiffe://konci/bootstrap")]
        private_file.write(path, _leaf(stack, "bootstrap", names, ExtendedKeyUsageOID.CLIENT_AUTH, CLIENT_LIFE))
    return path


def root_pem(stack: Stack) -> str:
    """The root certificate, PEM."""
    return stack.ca.read_text()


def sign_issuer(stack: Stack, request_pem: str) -> str:
    """Certify OpenBao's intermediate, which may sign end entities only; PEM of the certificate and the root."""
    request = x509.load_pem_x509_csr(request_pem.encode())
    key = request.public_key()
    if not request.is_signature_valid or not isinstance(key, ec.EllipticCurvePublicKey):
        message = "OpenBao's certificate request is not what was asked for: see `konci logs openbao`"
        raise StackError(message)
    builder = (
        _builder(request.subject, key, ISSUER_LIFE)
        .issuer_name(_root(stack).subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .add_extension(_authority(stack), critical=False)
    )
    return _pem(builder.sign(_root_key(stack), hashes.SHA256())) + _pem(_root(stack))


def remaining(path: Path) -> float:
    """The part of its life, 0.0 to 1.0, that the first certificate in a PEM file still has; 0.0 without one."""
    try:
        return remaining_of(path.read_text())
    except (FileNotFoundError, ValueError):
        return 0.0


def remaining_of(pem: str) -> float:
    """The same for PEM text; raises ValueError when it holds no certificate."""
    certificate = x509.load_pem_x509_certificates(pem.encode())[0]
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    return max(0.0, left / life)


def _listener(stack: Stack) -> None:
    # Not from OpenBao's own PKI: once expired, it could never be renewed, because nobody could reach the issuer.
    path = private_file.folder(stack.folder("openbao")) / "listener.pem"
    if remaining(path) >= 1 / 3:
        return
    names = [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.UniformResourceIdentifier("spiffe://konci/openbao"),
    ]
    private_file.write(path, _leaf(stack, "openbao", names, ExtendedKeyUsageOID.SERVER_AUTH, LISTENER_LIFE))


def _leaf(
    stack: Stack, name: str, names: list[x509.GeneralName], purpose: x509.ObjectIdentifier, life: timedelta
) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        _builder(_subject(name), key.public_key(), life)
        .issuer_name(_root(stack).subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(_authority(stack), critical=False)
    )
    return _private(key) + _pem(builder.sign(_root_key(stack), hashes.SHA256()))


def _self_signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    subject = _subject("MyKonci local root")
    builder = (
        _builder(subject, key.public_key(), ROOT_LIFE)
        .issuer_name(subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
    )
    return builder.sign(key, hashes.SHA256())


def _builder(subject: x509.Name, public_key: ec.EllipticCurvePublicKey, life: timedelta) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _authority(stack: Stack) -> x509.AuthorityKeyIdentifier:
    identifier = _root(stack).extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier.value)


def _root(stack: Stack) -> x509.Certificate:
    return x509.load_pem_x509_certificate((stack.folder("bootstrap") / "root.pem").read_bytes())


def _root_key(stack: Stack) -> ec.EllipticCurvePrivateKey:
    path = stack.folder("bootstrap") / "root.key"
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (FileNotFoundError, ValueError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        message = f"the root key {path} is missing or damaged: restore it, or start over with `konci down --wipe`"
        raise StackError(message)
    return key


def _private(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
