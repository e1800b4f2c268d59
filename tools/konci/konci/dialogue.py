"""Guest-concierge dialogues for the demo: where they come from, and how one becomes a guest, a call and a transcript.

No real person is in them: names and addresses are made up here, on domains and numbers reserved for examples.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from konci.failure import Failed

_OWN = Path(__file__).parent / "dialogues"
# The data set of real dialogues lies beside the repository where it is present; the project ships only its own few.
_SHARED = Path("shared") / "data" / "hotel_dialogues.jsonl"

_NAMES = (
    "Amélie Lefèvre", "Björn Ångström", "李小龙", "محمد الحسن", "Siobhán O'Connor",
    "Nguyễn Thị Hoa", "José María Núñez", "Zoë van der Meer", "Дарья Иванова", "Ḥayim ben-Ari",
    "Θεοδώρα Παππά", "Kahu Te Rangi 🌊", "佐藤 美咲", "Łukasz Żółty", "Adaeze Okonkwo",
    "Fatma Şahin", "सीता देवी", "Jón Þórsson", "Mehdi-Ali Rezaï", "Xóchitl Águila",
)  # fmt: skip

SECONDS_PER_TURN = 6


@dataclass(frozen=True, slots=True)
class Dialogue:
    """One talk between a guest and the concierge; `turns` are (speaker, text), speaker being guest or concierge."""

    dialogue_id: str
    language: str
    wishes: Mapping[str, str]
    turns: tuple[tuple[str, str], ...]


def load(repo: Path, count: int) -> tuple[list[Dialogue], str]:
    """Up to `count` dialogues and where they are from. The project's own are repeated until there are `count`."""
    shared = repo.parent / _SHARED
    files = [shared] if shared.is_file() else sorted(_OWN.glob("*.jsonl"))
    found = list(islice(_lines(files), count))
    if not found:
        raise Failed(f"no dialogues in {_OWN}", "restore the folder with `git checkout tools/konci`")
    origin = "the shared data set" if shared.is_file() else "the project's own"
    return [found[index % len(found)] for index in range(count)], origin


def _lines(files: list[Path]) -> Iterator[Dialogue]:
    for file in files:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    yield _dialogue(json.loads(line))
                except (ValueError, KeyError) as error:
                    raise Failed(f"{file.name} line {number} is not a dialogue", "fetch the file again") from error


def _dialogue(value: Mapping[str, Any]) -> Dialogue:
    return Dialogue(
        dialogue_id=value["dialogue_id"],
        language=value.get("language", "en"),
        wishes=value["slots"],
        turns=tuple((turn["speaker"], turn["text"]) for turn in value["turns"]),
    )


def guest_body(dialogue: Dialogue, number: int) -> dict[str, str]:
    """The body of `POST /v1/guests`; `number` keeps e-mail and telephone apart within one hotel."""
    return {
        "name": _NAMES[number % len(_NAMES)],
        # RFC 2606 reserves example.org; 01632 960xxx is reserved by Ofcom for drama.
        "email": f"guest.{number}@example.org",
        "phone": f"+441632960{number % 1000:03d}",
        "language": dialogue.language,
        "notes": "; ".join(f"{wish.replace('_', ' ')}: {value}" for wish, value in dialogue.wishes.items()),
        "external_ref": f"{dialogue.dialogue_id}-{number}",
    }


def call_body(dialogue: Dialogue, guest_id: str, number: int, at: datetime) -> dict[str, str]:
    """The body of `POST /v1/calls`: a call that ended before `at`, as long as its turns take."""
    lasted = timedelta(seconds=SECONDS_PER_TURN * len(dialogue.turns))
    started_at = at - timedelta(hours=number + 1)
    return {
        "guest_id": guest_id,
        "direction": "inbound",
        "started_at": _zulu(started_at),
        "ended_at": _zulu(started_at + lasted),
        "from_number": f"+441632960{number % 1000:03d}",
    }


def transcript_body(dialogue: Dialogue, number: int, at: datetime) -> dict[str, Any]:
    """The body of `PUT /v1/calls/{id}/transcript`, its turns spread over the call."""
    started_at = at - timedelta(hours=number + 1)
    return {
        "language": dialogue.language,
        "turns": [
            {"speaker": speaker, "text": text, "at": _zulu(started_at + timedelta(seconds=SECONDS_PER_TURN * index))}
            for index, (speaker, text) in enumerate(dialogue.turns)
        ],
    }


def _zulu(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
