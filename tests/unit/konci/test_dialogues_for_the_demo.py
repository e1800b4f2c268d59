"""Where the demo's dialogues come from, and what becomes of them."""

import json
from datetime import UTC, datetime

import pytest

from konci import dialogue
from konci.failure import Failed

AT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


@pytest.fixture
def repo(tmp_path):
    folder = tmp_path / "repo"
    folder.mkdir()
    return folder


def shared(repo, *lines):
    folder = repo.parent / "shared" / "data"
    folder.mkdir(parents=True)
    (folder / "hotel_dialogues.jsonl").write_text("\n".join(lines), encoding="utf-8")


def test_a_line_that_is_no_dialogue_is_named(repo):
    shared(repo, '{"dialogue_id": "1"}')
    with pytest.raises(Failed, match=r"hotel_dialogues\.jsonl line 1"):
        dialogue.load(repo, 1)


def test_the_shared_ones_come_first(repo):
    line = {"dialogue_id": "7", "slots": {"location": "Köln"}, "turns": [{"speaker": "guest", "text": "Hallo"}]}
    shared(repo, json.dumps(line))
    (found,), origin = dialogue.load(repo, 1)
    assert (found.dialogue_id, origin) == ("7", "the shared data set")


def test_without_them_the_projects_own_are_repeated(repo):
    found, origin = dialogue.load(repo, 14)
    assert len(found) == 14
    assert origin == "the project's own"
    assert len({one.dialogue_id for one in found}) == 6


def test_turns_alternate_and_begin_with_the_guest(repo):
    for one in dialogue.load(repo, 6)[0]:
        assert [speaker for speaker, _ in one.turns] == ["guest", "concierge"] * (len(one.turns) // 2)


def test_each_guest_of_a_hotel_has_an_address_of_its_own(repo):
    bodies = [dialogue.guest_body(one, number) for number, one in enumerate(dialogue.load(repo, 40)[0])]
    assert len({body["email"] for body in bodies}) == len({body["phone"] for body in bodies}) == 40


def test_turns_lie_within_their_call(repo):
    (one,), _ = dialogue.load(repo, 1)
    call = dialogue.call_body(one, "g", 3, AT)
    turns = dialogue.transcript_body(one, 3, AT)["turns"]
    assert call["started_at"] == turns[0]["at"] < turns[-1]["at"] < call["ended_at"]
    assert call["ended_at"].endswith("Z")
