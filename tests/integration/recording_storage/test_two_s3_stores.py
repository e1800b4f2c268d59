"""Two S3 stores keep what two folders keep; one that does not speak TLS 1.3, or is another, is sent nothing (02.2)."""

import signal
import ssl
import time

import pytest
from pydantic import SecretStr

from guard import errors
from recording_storage import healing, zone
from stack.settings import Stack
from support import edge, s3
from support.zone_healing_suite import WHOLE, HealingSuite, found, known, store
from support.zone_suite import FIRST, MARK, SECOND, SET, ZoneSuite, anything, later, only

BEFORE_13 = ssl.TLSVersion.TLSv1_2


@pytest.fixture(scope="module")
def trusted(tmp_path_factory):
    """A root of trust, and the identity of a store under it."""
    stack = Stack(run=tmp_path_factory.mktemp("trusted"), port=1)
    edge.Root(stack).issue("store")
    return stack


@pytest.fixture(scope="module")
def stores(trusted):
    identity = trusted.identity("store") / "identity.pem"
    both = [s3.Store(trusted.run / f"s3-{number}", identity, trusted.ca) for number in range(2)]
    try:
        for one in both:
            one.start()
        yield both
    finally:
        for one in both:
            one.stop()


@pytest.fixture
def opened(stores, wounds):
    def open_zones(*places, seconds=10.0):
        return zone.open_zones(zone.ZoneSettings(places, seconds), lambda *wound: wounds.append(wound))

    return open_zones


@pytest.fixture
async def zones(stores, opened):
    both = opened(*(one.bucket() for one in stores))
    await both.prepare(SET, is_new=True)
    return both


class TestTwoStores(ZoneSuite):
    pass


class TestHealingTwoStores(HealingSuite):
    pass


class TestWhichZoneItIs:
    async def test_one_bucket_is_not_two_zones(self, stores, opened):
        one = stores[0].bucket()
        zones = opened(one, one)
        with pytest.raises(errors.Unavailable):
            await zones.prepare(SET, is_new=True)
        later(zones)
        await zones.prepare(SET, is_new=False)
        assert await zones.put(FIRST, b"x") == {"a"}

    async def test_a_bucket_that_was_exchanged_is_not_written(self, zones, stores, opened):
        await zones.put(FIRST, b"x")
        zones._named("a")._place = opened(stores[0].bucket(), stores[1].bucket())._named("a")._place
        later(zones)  # its mark is believed for a few seconds
        assert await zones.put(SECOND, b"y") == {"b"}

    async def test_its_mark_is_not_asked_for_with_each_segment(self, zones):
        await zones.put(FIRST, b"x")
        await zones._named("a").delete([MARK])
        assert await zones.put(SECOND, b"y") == {"a", "b"}
        later(zones)
        assert await zones.put(SECOND, b"y") == {"b"}


class TestWhoIsSpokenTo:
    async def test_a_store_without_tls_1_3_is_sent_nothing(self, trusted, stores, opened):
        with s3.recorder(trusted.identity("store") / "identity.pem", BEFORE_13) as (port, asked):
            old = zone.Place(
                f"https://localhost:{port}/zone", key_id=SecretStr("i"), key_secret=SecretStr("s"), ca=str(trusted.ca)
            )
            zones = opened(old, stores[1].bucket())
            with pytest.raises(errors.Unavailable):
                await zones.prepare(SET, is_new=True)
            with pytest.raises(errors.Unavailable):
                await zones.adopt("a")
        assert asked == []

    @pytest.mark.parametrize("by_environment", [False, True])
    async def test_a_store_under_another_root_is_sent_nothing(
        self, trusted, stores, opened, monkeypatch, by_environment
    ):
        other = Stack(run=trusted.run / "other", port=1)
        edge.Root(other)
        if by_environment:
            monkeypatch.setenv("SSL_CERT_FILE", str(trusted.ca))
        zones = opened(stores[0].place("zone", ca=str(other.ca)), stores[1].bucket())
        with pytest.raises(errors.Unavailable):
            await zones.adopt("a")
        with pytest.raises(Exception, match="error sending request"):  # nor by obstore itself, were we not asked first
            await zones._named("a")._place._store.get_async("x")

    async def test_nothing_of_the_environment_is_obeyed(self, trusted, stores, opened, monkeypatch):
        identity = trusted.identity("store") / "identity.pem"
        with (
            s3.recorder(identity, ssl.TLSVersion.TLSv1_3) as (right, asked),
            s3.recorder(identity, BEFORE_13) as (wrong, led),
        ):
            elsewhere = f"https://localhost:{wrong}"
            for name, value in ENVIRONMENT.items():
                monkeypatch.setenv(name, value.format(elsewhere=elsewhere))
            place = zone.Place(
                f"https://localhost:{right}/zone",
                key_id=SecretStr("given"),
                key_secret=SecretStr("s"),
                ca=str(trusted.ca),
            )
            with pytest.raises(errors.Unavailable):
                await opened(place, stores[1].bucket()).adopt("a")
        assert led == []
        assert {path for path, _ in asked} == {"/zone/.zone", "/zone?list-type=2"}
        for _, headers in asked:
            assert "Credential=given/" in headers["authorization"]
            assert "/us-east-1/" in headers["authorization"]
            assert not {"x-amz-security-token", "x-amz-server-side-encryption", "x-amz-request-payer"} & set(headers)

    async def test_a_wrong_key_is_unavailable(self, stores, opened):
        place = stores[0].place("zone", key_secret=SecretStr("another"))
        with pytest.raises(errors.Unavailable):
            await opened(place, stores[1].bucket()).adopt("a")

    @pytest.mark.parametrize(
        "address",
        [
            "http://localhost/zone",
            "https://localhost",
            "https://localhost/a/b",
            "https://a:b@localhost/zone",
            "zone",
            "s3://zone",
        ],
    )
    def test_what_is_no_bucket_over_tls_is_refused(self, stores, opened, address):
        place = zone.Place(address, key_id=SecretStr("i"), key_secret=SecretStr("s"))
        with pytest.raises(ValueError, match="a zone's bucket"):
            opened(place, stores[1].bucket())

    def test_a_bucket_without_a_key_is_refused(self, stores, opened):
        with pytest.raises(ValueError, match="opens it"):
            opened(stores[0].place("zone", key_secret=None), stores[1].bucket())

    def test_no_secret_is_in_a_text(self, zones, stores):
        texts = [
            repr(zones),
            repr(stores[0].bucket()),
            repr(zones._named("a")._place),
            repr(zones._named("a")._place._store),
        ]
        assert not [text for text in texts if s3.KEY_SECRET in text]


ENVIRONMENT = {
    "AWS_ENDPOINT_URL_S3": "{elsewhere}", "AWS_ENDPOINT_URL": "{elsewhere}", "AWS_PROXY_URL": "{elsewhere}",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "{elsewhere}", "AWS_METADATA_ENDPOINT": "{elsewhere}",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true", "AWS_SKIP_SIGNATURE": "true", "AWS_SESSION_TOKEN": "theirs",
    "AWS_ACCESS_KEY_ID": "theirs", "AWS_SECRET_ACCESS_KEY": "theirs", "AWS_REGION": "theirs", "AWS_BUCKET": "theirs",
    "AWS_SERVER_SIDE_ENCRYPTION": "AES256", "AWS_REQUEST_PAYER": "true", "aws_allow_http": "true",
    "HTTPS_PROXY": "{elsewhere}", "https_proxy": "{elsewhere}", "ALL_PROXY": "{elsewhere}",
}  # fmt: skip


class TestAStoreThatStops:
    async def test_one_that_hangs_costs_one_limit_and_one_that_ended_nothing(self, stores, opened, wounds):
        zones = opened(*(one.bucket() for one in stores), seconds=3.0)
        await zones.prepare(SET, is_new=True)
        await store(zones, WHOLE)
        stores[0].send(signal.SIGSTOP)
        try:
            began = time.monotonic()
            assert await zones.get(FIRST, anything)
            assert time.monotonic() - began < 8
            assert wounds == [("a", FIRST, "away")]
            second = zone.path(WHOLE.client_id, WHOLE.recording_id, 1)
            await zones._named("b").delete([second])
            assert await zones.put(second, bytes(WHOLE.lengths()[second])) == {"b"}
        finally:
            stores[0].send(signal.SIGCONT)

    async def test_what_it_missed_is_healed_when_it_is_back(self, stores, opened):
        zones = opened(*(one.bucket() for one in stores))
        await zones.prepare(SET, is_new=True)
        stores[0].stop()
        for path, length in WHOLE.lengths().items():
            assert await zones.put(path, bytes(length)) == {"b"}
        with pytest.raises(errors.Unavailable):
            await found(zones, WHOLE)
        stores[0].start()
        for one in await healing.of_recording(zones, WHOLE, known(WHOLE.recording_id)):
            await healing.heal(zones, one.path, only(bytes(WHOLE.lengths()[one.path])))
        assert await found(zones, WHOLE) == []
