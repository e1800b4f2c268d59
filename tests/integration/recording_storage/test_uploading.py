"""02.1, 04.4: a recording is stored whole in both zones and visible once, or it is refused and nothing of it stays."""

import asyncio
import base64
import hashlib
import os
import time
from collections.abc import Iterator
from uuid import UUID

import httpx2
import pytest

from events.uuid7 import uuid7
from support.attacker import Target
from support.hotel import Hotel, activate, expect, invite
from support.machine import Machine, wait_until
from support.recordings import MIB, objects, objects_of, record, rows, send, wav
from support.wire import Http2

pytestmark = pytest.mark.usefixtures("zones_of_the_service")

AUDIO = wav(3 * MIB)


def digest(audio: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(audio).digest()).decode()}:"


def stored(stack: Machine, hotel: Hotel) -> set[str]:
    """Of which recordings there is anything. (What tests before this one left may be on its way out, or be healed.)"""
    return {path.parent.name for path in objects_of(stack, hotel.client_id)}


async def nothing_stays(stack: Machine, hotel: Hotel, before: set[str]) -> None:
    wait_until(lambda: stored(stack, hotel) <= before, within=60, what="the sweep of what was refused")
    for _ in range(600):
        if not await rows(stack, "upload", hotel.client_id):
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the row of a refused upload is still there")


def _invited(hotel: Hotel) -> tuple[str, str, str]:
    email, token = invite(hotel.admin, "agent")
    return email, "agent", token


class TestRefused:
    def test_without_a_token(self, otter: Hotel) -> None:
        answer = otter.http.post(
            f"/v1/calls/{uuid7()}/recordings", content=AUDIO, headers={"Content-Type": "audio/wav"}
        )
        assert answer.status_code == 401

    def test_without_the_right(self, otter: Hotel) -> None:
        answer = expect(send(otter.viewer, otter.call()["id"], AUDIO), 403)
        assert otter.event(answer.headers["access-event"])["outcome"] == "denied"

    def test_for_a_call_of_another_client(self, otter: Hotel, heron: Hotel) -> None:
        foreign, absent = heron.call()["id"], str(uuid7())
        answers = [expect(send(otter.agent, call_id, AUDIO), 404) for call_id in (foreign, absent)]
        texts = [answer.text.replace(answer.json()["request_id"], "") for answer in answers]
        assert texts[0] == texts[1]
        entry = otter.event(answers[0].headers["access-event"])
        assert (entry["action"], entry["outcome"]) == ("recording:create", "denied")
        assert entry["resources"] == [{"type": "call", "id": foreign}]

    @pytest.mark.parametrize("media", ["", "audio/webm", "application/json", "multipart/form-data; boundary=x"])
    def test_another_media_type(self, otter: Hotel, media: str) -> None:
        expect(send(otter.agent, otter.call()["id"], AUDIO, media=media), 415)

    @pytest.mark.parametrize(
        ("audio", "media"),
        [
            (b"", "audio/wav"),
            (AUDIO[:-2], "audio/wav"),
            (AUDIO[:30], "audio/wav"),
            (AUDIO, "audio/ogg"),
            (AUDIO, "audio/mpeg"),
            (AUDIO, "audio/flac"),
            (b"<html>" * 100_000, "audio/wav"),
        ],
        ids=["empty", "cut", "cut in its header", "no ogg", "no mpeg", "no flac", "no audio"],
    )
    async def test_what_is_not_the_audio_it_says(self, stack: Machine, otter: Hotel, audio: bytes, media: str) -> None:
        before = stored(stack, otter)
        answer = expect(send(otter.agent, otter.call()["id"], audio, media=media), 422)
        assert answer.json()["errors"][0]["pointer"] == "/"
        entry = otter.event(answer.headers["access-event"])
        assert (entry["action"], entry["outcome"]) == ("recording:create", "failed")
        await nothing_stays(stack, otter, before)

    async def test_whose_session_ends_while_it_flows(self, stack: Machine, otter: Hotel) -> None:
        before, call_id = stored(stack, otter), otter.call()["id"]
        person = activate(otter.http, *_invited(otter))

        def pieces() -> Iterator[bytes]:
            yield AUDIO[: MIB + 1]
            wait_until(lambda: stored(stack, otter) - before != set(), within=30, what="its first segment")
            expect(person.delete("/v1/sessions/current"), 204)
            time.sleep(2)  # more than the second of 04.1
            yield AUDIO[MIB:]

        headers = {"Authorization": f"Bearer {person.token}", "Content-Type": "audio/wav"}
        answer = otter.http.post(f"/v1/calls/{call_id}/recordings", content=pieces(), headers=headers)
        entry = otter.event(expect(answer, 401).headers["access-event"])
        assert (entry["action"], entry["outcome"]) == ("recording:create", "failed")
        await nothing_stays(stack, otter, before)

    async def test_another_digest_than_announced(self, stack: Machine, otter: Hotel) -> None:
        before = stored(stack, otter)
        answer = send(otter.agent, otter.call()["id"], AUDIO, content_digest=digest(AUDIO + b"x"))
        assert expect(answer, 422).json()["errors"][0]["pointer"] == "/Content-Digest"
        await nothing_stays(stack, otter, before)

    def test_a_digest_that_cannot_be_checked(self, otter: Hotel) -> None:
        expect(send(otter.agent, otter.call()["id"], AUDIO, content_digest="md5=:aaaa:"), 422)

    def test_more_than_is_taken(self, stack: Machine, otter: Hotel) -> None:
        target = Target(stack.port_of("gateway"), str(stack.run / "ca.pem"), otter.agent.token)
        announced = ("content-type", "audio/wav"), ("content-length", str(2 * 2**30 + 1))
        with Http2(target) as line:
            path = f"/v1/calls/{otter.call()['id']}/recordings"
            line.put(line.request(1, path, *announced, method="POST", ends=False))
            assert line.answer(10).status == 413

    async def test_a_sender_that_goes_away(self, stack: Machine, otter: Hotel) -> None:
        before, call_id = stored(stack, otter), otter.call()["id"]

        def cut() -> Iterator[bytes]:
            yield AUDIO[: 2 * MIB + 5]
            wait_until(lambda: bool(stored(stack, otter) - before), within=60, what="the first segment")
            raise OSError("the line is cut")

        with pytest.raises((OSError, httpx2.HTTPError)):
            send(otter.agent, call_id, cut())
        await nothing_stays(stack, otter, before)
        assert not [entry for entry in otter.log(action="recording:create", resource_id=call_id) if not entry["reason"]]

    def test_a_call_that_is_deleted_meanwhile(self, stack: Machine, otter: Hotel) -> None:
        before, call_id = stored(stack, otter), otter.call()["id"]

        def slow() -> Iterator[bytes]:
            yield AUDIO[: 2 * MIB + 5]
            wait_until(lambda: bool(stored(stack, otter) - before), within=60, what="the first segment")
            expect(otter.agent.delete(f"/v1/calls/{call_id}"), 204, 202, 200)
            time.sleep(3)  # for the event; what had not come by then would be swept with the call's other recordings
            yield AUDIO[2 * MIB + 5 :]

        expect(send(otter.agent, call_id, slow()), 404)
        wait_until(lambda: stored(stack, otter) <= before, within=60, what="the sweep")


class TestStored:
    async def test_it_is_answered_and_stored_in_both_zones(self, stack: Machine, otter: Hotel) -> None:
        call_id = otter.call()["id"]
        answer = expect(send(otter.agent, call_id, AUDIO, content_digest=digest(AUDIO)), 201)
        told = answer.json()
        assert set(told) == {
            "id", "call_id", "bytes", "sha256", "content_type", "duration_ms", "created_at", "expires_at", "legal_hold"
        }  # fmt: skip
        assert (told["call_id"], told["bytes"], told["content_type"]) == (call_id, len(AUDIO), "audio/wav")
        assert told["sha256"] == hashlib.sha256(AUDIO).hexdigest()
        assert told["duration_ms"] == round((len(AUDIO) - 44) / 16)
        assert told["legal_hold"] is False
        assert [path.name for path in objects(stack, told["id"])] == ["000000", "000001", "000002"] * 2
        assert call_id not in {str(row["call_id"]) for row in await rows(stack, "upload", otter.client_id)}
        entry = otter.event(answer.headers["access-event"])
        assert (entry["action"], entry["outcome"]) == ("recording:create", "allowed")
        assert {resource["type"]: resource["id"] for resource in entry["resources"]} == {
            "recording": told["id"],
            "call": call_id,
        }
        assert expect(otter.viewer.get(f"/v1/recordings/{told['id']}"), 200).json() == told

    def test_nothing_of_it_is_in_the_zones_in_clear(self, stack: Machine, otter: Hotel) -> None:
        audio = wav(2 * MIB, seed=99)
        for path in objects(stack, record(otter, audio)["id"]):
            sealed = path.read_bytes()
            assert b"RIFF" not in sealed
            for start in range(0, len(audio), 2**17):
                assert audio[start : start + 16] not in sealed

    def test_without_a_length(self, otter: Hotel) -> None:
        parts = [AUDIO[start : start + 100_000] for start in range(0, len(AUDIO), 100_000)]
        told = expect(send(otter.agent, otter.call()["id"], iter(parts)), 201).json()
        assert told["sha256"] == hashlib.sha256(AUDIO).hexdigest()

    def test_admission_comes_before_the_outcome(self, otter: Hotel) -> None:
        told = record(otter)
        wait_until(
            lambda: len(otter.log(action="recording:create", resource_id=told["call_id"])) == 2, within=60, what="both"
        )
        outcome, admission = otter.log(action="recording:create", resource_id=told["call_id"])
        assert admission["reason"] == "upload begun"
        assert outcome["reason"] is None
        assert admission["id"] < outcome["id"]


class TestRepeated:
    def test_with_other_audio(self, otter: Hotel) -> None:
        call_id, once = otter.call()["id"], os.urandom(8).hex()
        expect(send(otter.agent, call_id, wav(seed=1), idempotency_key=once), 201)
        expect(send(otter.agent, call_id, wav(seed=2), idempotency_key=once), 409)
        expect(send(otter.agent, otter.call()["id"], wav(seed=1), idempotency_key=once), 409)
        listed = expect(otter.agent.get("/v1/recordings", params={"call_id": call_id}), 200).json()
        assert len(listed["items"]) == 1

    async def test_with_the_same(self, stack: Machine, otter: Hotel) -> None:
        call_id, once = otter.call()["id"], os.urandom(8).hex()
        first = expect(send(otter.agent, call_id, AUDIO, idempotency_key=once), 201)
        before = stored(stack, otter)
        again = expect(send(otter.agent, call_id, AUDIO, idempotency_key=once), 201)
        assert again.json() == first.json()
        assert again.headers["access-event"] != first.headers["access-event"]
        await nothing_stays(stack, otter, before)

    def test_when_its_call_is_deleted_meanwhile(self, stack: Machine, otter: Hotel) -> None:
        """A hold keeps the first recording: the answer must not tell of it by a call that is gone."""
        call_id, once = otter.call()["id"], os.urandom(8).hex()
        told = expect(send(otter.agent, call_id, AUDIO, idempotency_key=once), 201).json()
        expect(otter.admin.put(f"/v1/recordings/{told['id']}/legal-hold", json={"reason": "case 47"}), 200)
        before = stored(stack, otter)

        def slow() -> Iterator[bytes]:
            yield AUDIO[: 2 * MIB + 5]
            wait_until(lambda: bool(stored(stack, otter) - before), within=60, what="the first segment")
            expect(otter.agent.delete(f"/v1/calls/{call_id}"), 200, 204)
            time.sleep(3)  # for the event
            yield AUDIO[2 * MIB + 5 :]

        expect(send(otter.agent, call_id, slow(), idempotency_key=once), 404)

    def test_when_it_was_deleted_since(self, otter: Hotel) -> None:
        call_id, once = otter.call()["id"], os.urandom(8).hex()
        told = expect(send(otter.agent, call_id, wav(), idempotency_key=once), 201).json()
        expect(otter.agent.delete(f"/v1/recordings/{told['id']}"), 202)
        expect(send(otter.agent, call_id, wav(), idempotency_key=once), 409)


class TestListed:
    def test_another_clients_are_not(self, otter: Hotel, heron: Hotel) -> None:
        foreign = record(heron)
        assert (
            expect(otter.agent.get("/v1/recordings", params={"call_id": foreign["call_id"]}), 200).json()["items"] == []
        )
        answers = [otter.agent.get(f"/v1/recordings/{asked}") for asked in (foreign["id"], uuid7())]
        texts = [expect(answer, 404).text.replace(answer.json()["request_id"], "") for answer in answers]
        assert texts[0] == texts[1]

    def test_newest_first_page_by_page(self, otter: Hotel) -> None:
        call_id = otter.call()["id"]
        made = [expect(send(otter.agent, call_id, wav(seed=seed)), 201).json()["id"] for seed in range(5)]
        seen: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = expect(otter.viewer.get("/v1/recordings", params={"call_id": call_id, "limit": 2, **cursor}), 200)
            seen += [item["id"] for item in page.json()["items"]]
            if page.json()["next_cursor"] is None:
                break
            cursor = {"cursor": page.json()["next_cursor"]}
        assert seen == made[::-1]
        everything = expect(otter.viewer.get("/v1/recordings", params={"limit": 5}), 200).json()["items"]
        assert [item["id"] for item in everything] == made[::-1]
        assert all(UUID(item["id"]) for item in everything)
