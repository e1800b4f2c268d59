"""02.1, 02.2: no key of the running platform is weaker than 128 bits: certificates, token keys, clients' keys."""

import base64

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from stack import bao
from support.hotel import Hotel, expect
from support.machine import Machine


def test_certificates(stack: Machine) -> None:
    files = [*stack.run.glob("identity/*/identity.pem"), stack.run / "ca.pem"]
    assert len(files) >= 9
    for file in files:
        for certificate in x509.load_pem_x509_certificates(file.read_bytes()):
            key = certificate.public_key()
            assert isinstance(key, ec.EllipticCurvePublicKey), file
            assert key.key_size >= 256, file
            assert certificate.signature_hash_algorithm is not None
            assert certificate.signature_hash_algorithm.digest_size >= 32, file


def test_keys_of_tokens(otter: Hotel) -> None:
    keys = expect(otter.http.get("/.well-known/jwks.json"), 200).json()["keys"]
    assert keys
    for key in keys:
        assert (key["kty"], key["crv"]) == ("OKP", "Ed25519")
        assert len(base64.urlsafe_b64decode(key["x"] + "=")) == 32


async def test_keys_of_clients_in_openbao(stack: Machine, otter: Hotel) -> None:
    otter.guest()  # the first one makes the client's key
    async with bao.session(stack.stack, "tenant_data") as session:
        key = await session.read(f"transit/tenant_data/keys/{otter.client_id}")
    assert key is not None
    assert key["type"] == "aes256-gcm96"
    assert (key["exportable"], key["deletion_allowed"]) == (False, False)
