"""02.2: TLS 1.3 both ways; whoever shows no certificate of ours, or another workload's, is refused; renewed live."""

import itertools
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guard.tls import Certificate, load

Identity = Callable[..., Path]


def handshake(client: ssl.SSLContext, server: ssl.SSLContext) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Both ends of a connection in memory, shaken hands and with one byte read by each."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    there = server.wrap_bio(to_server, to_client, server_side=True)
    waiting: list[ssl.SSLObject] = [here, there]
    for _ in range(10):
        for end in list(waiting):
            try:
                end.do_handshake()
                waiting.remove(end)
            except ssl.SSLWantReadError:
                continue
    assert not waiting, "the handshake did not end"
    here.write(b"x")
    assert there.read(1) == b"x"
    there.write(b"y")
    assert here.read(1) == b"y"
    return here, there


class TestRefused:
    def test_a_client_without_a_certificate(self, identity: Identity) -> None:
        folder = identity("auth")
        nobody = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        with pytest.raises(ssl.SSLError):
            handshake(nobody, Certificate(folder).server())

    def test_a_client_of_another_root(self, identity: Identity, authority: Any) -> None:
        stranger = identity("stranger", by=type(authority)())
        server = Certificate(identity("auth"))
        context = ssl.create_default_context(cafile=str(server.ca))
        context.load_cert_chain(str(stranger / "identity.pem"))
        with pytest.raises(ssl.SSLError):
            handshake(context, server.server())

    def test_tls_1_2_in_both_directions(self, identity: Identity) -> None:
        client, server = Certificate(identity("tenant_data")), Certificate(identity("auth"))
        old = client.client()
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(ssl.SSLError):
            handshake(old, server.server())
        old = server.server()
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(ssl.SSLError):
            handshake(client.client(), old)

    def test_another_workload_in_the_place_of_the_one_that_was_meant(self, identity: Identity) -> None:
        client, other = Certificate(identity("tenant_data")), Certificate(identity("audit"))
        with pytest.raises(ssl.SSLCertVerificationError, match="not auth"):
            handshake(client.client("auth"), other.server())


class TestAccepted:
    def test_the_workload_that_was_meant(self, identity: Identity) -> None:
        client, server = Certificate(identity("tenant_data")), Certificate(identity("auth"))
        here, there = handshake(client.client("auth"), server.server())
        assert here.version() == there.version() == "TLSv1.3"
        names = (there.getpeercert() or {})["subjectAltName"]
        assert ("URI", "spiffe://konci/tenant_data") in names

    def test_no_session_is_resumed(self, identity: Identity) -> None:
        client, server = Certificate(identity("tenant_data")), Certificate(identity("auth"))
        here, _ = handshake(client.client(), server.server())
        assert here.session is None or not here.session.has_ticket


class TestRenewed:
    def test_live_contexts_show_the_new_certificate(self, identity: Identity, authority: Any) -> None:
        client, server = Certificate(identity("tenant_data")), Certificate(identity("auth"))
        context = server.server()
        before, _ = handshake(client.client(), context)
        server.replace(authority.pem("auth"))
        after, _ = handshake(client.client(), context)
        assert (before.getpeercert() or {})["serialNumber"] != (after.getpeercert() or {})["serialNumber"]
        assert server.leaf.serial_number == int((after.getpeercert() or {})["serialNumber"], 16)

    def test_the_file_is_private_and_leaves_nothing_beside_it(self, identity: Identity, authority: Any) -> None:
        certificate = Certificate(identity("auth"))
        certificate.replace(authority.pem("auth"))
        assert certificate.file.stat().st_mode & 0o777 == 0o600
        assert sorted(path.name for path in certificate.file.parent.iterdir()) == ["ca.pem", "identity.pem"]

    def test_a_full_disk_keeps_the_old_one(
        self, identity: Identity, authority: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        certificate = Certificate(identity("auth"))
        before = certificate.file.read_text()

        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("guard.tls.os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            certificate.replace(authority.pem("auth"))
        assert certificate.file.read_text() == before
        assert sorted(path.name for path in certificate.file.parent.iterdir()) == ["ca.pem", "identity.pem"]

    def test_a_key_that_is_not_the_certificates_is_not_taken(self, identity: Identity, authority: Any) -> None:
        certificate = Certificate(identity("auth"))
        listening = certificate.server()
        serial = certificate.leaf.serial_number
        one, two = (authority.pem("auth") for _ in range(2))
        cut = one.index("-----BEGIN CERTIFICATE")
        certificate.file.write_text(one[:cut] + two[two.index("-----BEGIN CERTIFICATE") :])
        with pytest.raises(ssl.SSLError):
            certificate.reload()
        assert certificate.leaf.serial_number == serial
        here, _ = handshake(Certificate(identity("tenant_data")).client("auth"), listening)
        assert int((here.getpeercert() or {})["serialNumber"], 16) == serial

    def test_a_renewal_while_it_is_read_makes_no_mixture(self, identity: Identity, authority: Any) -> None:
        certificate = Certificate(identity("auth"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        texts = [authority.pem("auth") for _ in range(2)]
        ended = threading.Event()

        def renew() -> None:
            for text in itertools.takewhile(lambda _: not ended.is_set(), itertools.cycle(texts)):
                aside = certificate.file.with_suffix(".new")
                aside.write_text(text)
                aside.replace(certificate.file)

        renewing = threading.Thread(target=renew)
        renewing.start()
        try:
            for _ in range(500):
                load(context, certificate.file)
        finally:
            ended.set()
            renewing.join()

    def test_the_same_names_are_asked_for_again(self, identity: Identity) -> None:
        assert Certificate(identity("auth")).names() == {
            "alt_names": "localhost",
            "ip_sans": "127.0.0.1",
            "uri_sans": "spiffe://konci/auth",
        }
