"""03.1: when a recording expires follows its client's days, and is never stored: a change counts at once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from recording_storage.recording import RecordingRow, reveal

MADE = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
ROW = RecordingRow(uuid4(), uuid4(), None, 3, bytes(range(32)), "audio/wav", 1000, MADE, None, 30)


def test_while_nothing_is_known_of_its_client() -> None:
    assert reveal(replace(ROW, recordings_days=None)).expires_at is None


def test_its_days_after_it_was_made() -> None:
    assert reveal(ROW).expires_at == MADE + timedelta(days=30)
    assert reveal(replace(ROW, recordings_days=1)).expires_at == MADE + timedelta(days=1)


def test_a_hold_is_a_yes_or_no() -> None:
    assert reveal(ROW).legal_hold is False
    assert reveal(replace(ROW, held_at=MADE)).legal_hold is True


def test_its_tag_is_its_digest() -> None:
    assert ROW.etag == f'"{bytes(range(32)).hex()}"'
