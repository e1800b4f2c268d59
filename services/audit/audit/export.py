"""The access log as a file: CSV that no spreadsheet executes, or JSON lines. No I/O: a page in, a piece of text out."""

import csv
import io
from collections.abc import Sequence
from enum import StrEnum

from audit.access_event import LogEntry
from events.access import AccessEvent
from events.event import rfc3339

# A cell that begins so is a formula to a spreadsheet (OWASP, CSV injection); the last four are its full-width twins.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_COLUMNS = (
    "id", "occurred_at", "actor_type", "actor_id", "actor_label", "action", "resources", "ip", "user_agent", "outcome",
    "reason", "request_id",
)  # fmt: skip


class Format(StrEnum):
    """What a log can be exported as."""

    CSV = "csv"
    JSONL = "jsonl"

    @property
    def media_type(self) -> str:
        """As `Content-Type` (RFC 4180; JSON lines have no registered type)."""
        return "text/csv; charset=utf-8; header=present" if self is Format.CSV else "application/jsonl"


def safe_cell(text: str) -> str:
    """`text`, with an apostrophe before it when a spreadsheet would take it for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def header(kind: Format) -> str:
    """What stands before the first entry."""
    return _csv([_COLUMNS]) if kind is Format.CSV else ""


def lines(kind: Format, events: Sequence[AccessEvent]) -> str:
    """`events` as lines of the file."""
    if kind is Format.CSV:
        return _csv([[safe_cell(cell) for cell in _cells(event)] for event in events])
    return "".join(LogEntry.of(event).model_dump_json() + "\n" for event in events)


def _cells(event: AccessEvent) -> tuple[str, ...]:
    return (
        str(event.event_id),
        rfc3339(event.occurred_at),
        event.actor.type,
        event.actor.id,
        event.actor.label,
        event.action.value,
        " ".join(f"{resource.type}:{resource.id}" for resource in event.resources),
        event.ip,
        event.user_agent,
        event.outcome.value,
        event.reason or "",
        event.request_id,
    )


def _csv(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(rows)
    return text.getvalue()
