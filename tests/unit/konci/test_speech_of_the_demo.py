"""What the demo records, and how it is held against the log (04.4)."""

import io
import wave
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from konci import speech
from konci.access_log import Entry, heard

PLAYED = Entry(
    "e1", datetime(2026, 11, 24, tzinfo=UTC), "user", "u1", "ada", "recording:played",
    (("recording", "r1"), ("call", "c1")), "127.0.0.1", "allowed", "complete",
)  # fmt: skip


def test_without_speech_a_tone_is_recorded_and_said_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(speech, "_FOLDER", tmp_path)
    files, voice = speech.load()
    assert "tone" in voice
    with wave.open(io.BytesIO(files[0])) as read:
        assert (read.getnframes(), read.getframerate()) == (75 * 8_000, 8_000)
    assert len(files[0]) > 2**20, "a seek would not cross a segment"


def test_no_two_parts_of_the_tone_are_alike() -> None:
    tone = speech.tone(3)
    parts = [tone[at : at + 400] for at in range(44, len(tone) - 400, 400)]
    assert len(set(parts)) == len(parts), "a play from the wrong place would not be noticed"


def test_each_play_is_counted_by_its_listener_and_recording() -> None:
    entries = [PLAYED, replace(PLAYED, event_id="e2"), replace(PLAYED, event_id="e3", actor_id="u2")]
    assert heard(entries) == Counter({("u1", "r1"): 2, ("u2", "r1"): 1})


@pytest.mark.parametrize(("field", "value"), [("outcome", "failed"), ("action", "recording:play")])
def test_what_did_not_end_well_is_not_counted(field: str, value: str) -> None:
    assert heard([replace(PLAYED, **{field: value})]) == Counter()
