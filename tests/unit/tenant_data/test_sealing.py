"""02.1: what is about a person is sealed, opens as its own row of its own client, and as nothing else."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from guard.keys import NotOurs, SubjectKey
from tenant_data import call, guest, transcript
from tenant_data.call import CallRow, NewCall
from tenant_data.guest import GuestContent, GuestRow
from tenant_data.transcript import TranscriptContent, TranscriptRow, Turn

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
MARKER = "Zanzibar-Marker-7f3a"
GUEST = GuestContent(
    name=MARKER, email=f"{MARKER}@example.com", phone="+49 777123", notes=f"🧳 {MARKER}", external_ref=f"ref {MARKER}"
)
CALL = NewCall(
    direction="inbound", started_at=NOW, ended_at=NOW, from_number=MARKER, to_number=MARKER, outcome=f"מלון {MARKER}"
)
WORDS = TranscriptContent(
    turns=(Turn(speaker="guest", text=f"أريد غرفة {MARKER}"), Turn(speaker="concierge", text="👍", at=NOW)),
    language="ar",
)


def new_key(client_id: UUID | None = None) -> SubjectKey:
    return SubjectKey(client_id or uuid4(), uuid4(), uuid4(), os.urandom(32))


def guest_row(key: SubjectKey) -> GuestRow:
    guest_id = uuid4()
    return GuestRow(guest_id, guest.seal(GUEST, guest_id, key), key, 3, NOW)


def transcript_row(key: SubjectKey) -> TranscriptRow:
    call_id = uuid4()
    return TranscriptRow(call_id, None, transcript.seal(WORDS, call_id, key), key, 1, NOW)


class TestAnotherPlace:
    def test_another_row(self) -> None:
        row = guest_row(new_key())
        with pytest.raises(NotOurs):
            guest.reveal(replace(row, guest_id=uuid4()))

    def test_another_client(self) -> None:
        row = guest_row(new_key())
        with pytest.raises(NotOurs):
            guest.reveal(replace(row, key=SubjectKey(uuid4(), row.key.subject_id, row.key.data_key_id, row.key.key)))

    def test_another_person_of_the_same_client(self) -> None:
        row = guest_row(new_key())
        with pytest.raises(NotOurs):
            guest.reveal(replace(row, key=new_key(row.key.client_id)))

    def test_another_table(self) -> None:
        key, row_id = new_key(), uuid4()
        sealed = call.seal(CALL, row_id, key)
        with pytest.raises(NotOurs):
            transcript.reveal(TranscriptRow(row_id, None, sealed, key, 1, NOW))

    @pytest.mark.parametrize("at", [0, 1, 13, -1])
    def test_a_changed_byte(self, at: int) -> None:
        row = guest_row(new_key())
        sealed = bytearray(row.sealed)
        sealed[at] ^= 1
        with pytest.raises(NotOurs):
            guest.reveal(replace(row, sealed=bytes(sealed)))


def test_no_word_stands_in_the_blob() -> None:
    key = new_key()
    for sealed in (
        guest.seal(GUEST, uuid4(), key),
        call.seal(CALL, uuid4(), key),
        transcript.seal(WORDS, uuid4(), key),
    ):
        assert MARKER.encode() not in sealed


def test_a_guest_comes_back_as_it_was() -> None:
    row = guest_row(new_key())
    assert guest.content_of(row) == GUEST
    assert guest.reveal(row) == guest.known(row.guest_id, GUEST, 3, NOW)


def test_a_call_comes_back_as_it_was() -> None:
    key, call_id = new_key(), uuid4()
    row = CallRow(call_id, None, CALL.direction, CALL.started_at, call.seal(CALL, call_id, key), key, 2, NOW)
    assert call.reveal(row) == call.known(call_id, CALL, 2, NOW)


def test_a_transcript_comes_back_as_it_was() -> None:
    row = transcript_row(new_key())
    assert transcript.reveal(row) == transcript.known(row.call_id, WORDS, 1, NOW)


def test_a_transcript_that_moved_opens_for_its_new_subject_only() -> None:
    row, other = transcript_row(new_key()), new_key()
    moved = replace(row, sealed=transcript.reseal(row, other))
    with pytest.raises(NotOurs):
        transcript.reveal(moved)
    assert transcript.reveal(replace(moved, key=other)) == transcript.reveal(row)
