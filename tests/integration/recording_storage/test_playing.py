"""02.1, 04.4: a play is in the log before its first byte; only authenticated bytes leave, and its end is told."""

import random
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from events.uuid7 import uuid7
from support.hotel import Hotel, expect
from support.machine import Machine, wait_until
from support.recordings import MIB, objects, play, record, wav
from support.workload import certificate

pytestmark = pytest.mark.usefixtures("zones_of_the_service")

AUDIO = wav(4 * MIB + 12_346)


@pytest.fixture(scope="module")
def told(otter: Hotel) -> dict[str, Any]:
    return record(otter, AUDIO)


def outcome(hotel: Hotel, recording_id: str, how_many: int = 1, since: str = "") -> dict[str, Any]:
    """The newest outcome of a play, once there are so many that came after the entry `since`."""

    def known() -> list[dict[str, Any]]:
        asked = {"action": "recording:played", "resource_type": "recording", "resource_id": recording_id}
        return [entry for entry in hotel.log(**asked) if entry["id"] > since]

    wait_until(lambda: len(known()) >= how_many, within=60, what="the outcome of the play")
    return known()[0]


class TestRefused:
    def test_without_a_token(self, otter: Hotel, told: dict[str, Any]) -> None:
        assert otter.http.get(f"/v1/recordings/{told['id']}/audio").status_code == 401

    def test_without_the_right(self, otter: Hotel, told: dict[str, Any]) -> None:
        entry = otter.event(expect(play(otter.viewer, told["id"]), 403).headers["access-event"])
        assert (entry["action"], entry["outcome"]) == ("recording:play", "denied")
        assert otter.viewer.request("HEAD", f"/v1/recordings/{told['id']}/audio").status_code == 403

    def test_of_another_client(self, heron: Hotel, told: dict[str, Any]) -> None:
        answers = [expect(play(heron.agent, asked), 404) for asked in (told["id"], str(uuid7()))]
        texts = [answer.text.replace(answer.json()["request_id"], "") for answer in answers]
        assert texts[0] == texts[1]
        entry = heron.event(answers[0].headers["access-event"])
        assert (entry["action"], entry["outcome"]) == ("recording:play", "denied")
        assert heron.agent.request("HEAD", f"/v1/recordings/{told['id']}/audio").status_code == 404

    @pytest.mark.parametrize(
        "part",
        [
            f"bytes={len(AUDIO)}-",
            "bytes=5-4",
            "bytes=-0",
            "bytes=0-1,5-6",
            "bytes=" + ",".join(f"{n}-{n}" for n in range(100)),
            "bytes=x",
            "bytes",
        ],
        ids=lambda part: part[:20],
    )
    def test_a_part_that_is_not_there(self, otter: Hotel, told: dict[str, Any], part: str) -> None:
        answer = expect(play(otter.agent, told["id"], range=part), 416)
        assert answer.headers["content-range"] == f"bytes */{len(AUDIO)}"
        assert answer.headers["content-type"] == "application/problem+json"
        assert otter.event(answer.headers["access-event"])["outcome"] == "failed"


class TestPlayed:
    def test_whole(self, otter: Hotel, told: dict[str, Any]) -> None:
        answer = expect(play(otter.agent, told["id"]), 200)
        assert answer.content == AUDIO
        assert answer.headers["content-length"] == str(len(AUDIO))
        assert answer.headers["content-type"] == "audio/wav"
        assert answer.headers["content-disposition"] == f'attachment; filename="{told["id"]}.wav"'
        assert answer.headers["etag"] == f'"{told["sha256"]}"'
        assert answer.headers["accept-ranges"] == "bytes"
        admission = otter.event(answer.headers["access-event"])
        assert (admission["action"], admission["outcome"]) == ("recording:play", "allowed")
        end = outcome(otter, told["id"], since=admission["id"])  # the other zones' tests have played it before
        assert (end["outcome"], end["reason"]) == ("allowed", f"complete, {len(AUDIO)} bytes")

    def test_any_part(self, otter: Hotel, told: dict[str, Any]) -> None:
        drawn = random.Random(5)
        for _ in range(40):
            first = drawn.randrange(len(AUDIO))
            last = drawn.randrange(first, len(AUDIO))
            answer = expect(play(otter.agent, told["id"], range=f"bytes={first}-{last}"), 206)
            assert answer.content == AUDIO[first : last + 1]
            assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(AUDIO)}"

    def test_its_beginning_and_its_end(self, otter: Hotel, told: dict[str, Any]) -> None:
        assert expect(play(otter.agent, told["id"], range="bytes=0-"), 206).content == AUDIO
        assert expect(play(otter.agent, told["id"], range="bytes=-44"), 206).content == AUDIO[-44:]
        assert (
            expect(play(otter.agent, told["id"], range=f"bytes={MIB - 1}-{MIB}"), 206).content == AUDIO[MIB - 1 :][:2]
        )

    def test_if_it_is_still_the_same(self, otter: Hotel, told: dict[str, Any]) -> None:
        same, other = f'"{told["sha256"]}"', f'"{"0" * 64}"'
        assert expect(play(otter.agent, told["id"], range="bytes=0-9", if_range=same), 206).content == AUDIO[:10]
        assert expect(play(otter.agent, told["id"], range="bytes=0-9", if_range=other), 200).content == AUDIO

    def test_only_looked_at(self, otter: Hotel, told: dict[str, Any]) -> None:
        answer = otter.agent.request("HEAD", f"/v1/recordings/{told['id']}/audio", headers={"Range": "bytes=0-9"})
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-length"] == str(len(AUDIO))
        assert answer.headers["etag"] == f'"{told["sha256"]}"'
        assert otter.event(answer.headers["access-event"])["action"] == "recording:read"


class TestCut:
    def test_a_listener_that_leaves(self, otter: Hotel) -> None:
        long = record(otter, wav(40 * MIB))
        url = f"/v1/recordings/{long['id']}/audio"
        headers = {"Authorization": f"Bearer {otter.agent.token}"}
        with otter.http.stream("GET", url, headers=headers) as answer:
            assert answer.status_code == 200
            next(answer.iter_raw(100_000))
        end = outcome(otter, long["id"])
        assert end["outcome"] == "allowed"
        said = end["reason"].split(" ")
        assert said[0] == "cut,"
        assert 0 < int(said[1]) < 40 * MIB

    def test_damaged_in_one_zone(self, stack: Machine, otter: Hotel) -> None:
        told = record(otter, AUDIO)
        spoilt = objects(stack, told["id"])[1]
        whole = spoilt.read_bytes()
        spoilt.write_bytes(bytes(len(whole)))
        assert expect(play(otter.agent, told["id"]), 200).content == AUDIO
        # A store may take an object away before it writes it anew.
        wait_until(lambda: read(spoilt) == whole, within=30, what="the healing of the damaged object")

    def test_gone_in_one_zone(self, stack: Machine, otter: Hotel) -> None:
        told = record(otter, AUDIO)
        gone = objects(stack, told["id"])[2]
        gone.unlink()
        assert expect(play(otter.agent, told["id"]), 200).content == AUDIO
        wait_until(gone.exists, within=30, what="the healing of the missing object")

    def test_damaged_in_both(self, stack: Machine, otter: Hotel) -> None:
        told = record(otter, AUDIO)
        spoilt = [path for path in objects(stack, told["id"]) if path.name == "000002"]
        for path in spoilt:
            sealed = bytearray(path.read_bytes())
            sealed[500_000] ^= 1
            path.write_bytes(sealed)
        before, got = lost(stack), bytearray()
        with pytest.raises(httpx2.HTTPError):
            hear(otter, told["id"], got)
        assert got == AUDIO[: len(got)]
        assert len(got) <= 2 * MIB
        end = outcome(otter, told["id"])
        assert (end["outcome"], end["reason"].split(",")[0]) == ("failed", "failed")
        wait_until(lambda: lost(stack) > before, within=60, what="the alert's metric")
        # Healing meets the same wounds, and must not come again for them.
        wait_until(lambda: bool(healings(otter, told["id"])), within=20, what="the healer")
        time.sleep(4)
        assert len(healings(otter, told["id"])) == 1

    def test_the_first_segment_damaged_in_both(self, stack: Machine, otter: Hotel) -> None:
        told = record(otter, AUDIO)
        for path in objects(stack, told["id"]):
            if path.name == "000000":
                path.unlink()
        answer = expect(play(otter.agent, told["id"]), 500)
        assert answer.headers["content-type"] == "application/problem+json"
        assert outcome(otter, told["id"])["outcome"] == "failed"


def read(path: Path) -> bytes | None:
    """None while it is not there."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def healings(hotel: Hotel, recording_id: str) -> list[dict[str, Any]]:
    asked = {"action": "recording:read", "resource_type": "recording", "resource_id": recording_id}
    return [entry for entry in hotel.log(**asked) if entry["reason"] == "healing a zone"]


def hear(hotel: Hotel, recording_id: str, got: bytearray) -> None:
    """Plays it into `got`, so that what arrived before a break is there to be looked at."""
    headers = {"Authorization": f"Bearer {hotel.agent.token}"}
    with hotel.http.stream("GET", f"/v1/recordings/{recording_id}/audio", headers=headers) as answer:
        for piece in answer.iter_raw():
            got += piece


def lost(stack: Machine) -> float:
    """The metric that the alert looks at."""
    url = f"{stack.url_of('recording_storage')}/metrics"
    answer = httpx2.get(url, verify=certificate(stack, "gateway").client(), trust_env=False)
    [line] = [line for line in answer.text.splitlines() if line.startswith("konci_recording_lost_total")]
    return float(line.split(" ")[1])
