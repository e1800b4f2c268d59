"""What every event is: frozen, closed and strict, with a name and a version of its own on the wire.

A field is added as optional; anything else is a new version of the class (CONTRIBUTING: schema changes).
"""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer

# PostgreSQL's text cannot hold NUL; lone surrogates pydantic refuses by itself.
Text = Annotated[str, Field(pattern=r"^[^\u0000]*$")]


def _whole_millisecond(at: datetime) -> datetime:
    # Ids carry milliseconds (UUIDv7): a finer time could not be compared with the id beside it.
    at = at.astimezone(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def rfc3339(at: datetime) -> str:
    """`2026-11-24T02:54:00.123Z`: RFC 3339, UTC, always three digits, so that equal times have equal text."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


Instant = Annotated[AwareDatetime, AfterValidator(_whole_millisecond), PlainSerializer(rfc3339, when_used="json")]


class Event(BaseModel):
    """The base of all events. Each names itself in `event` and its edition in `version`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def payload(self) -> str:
        """The JSON that travels; `model_validate_json` of the same class reads it back."""
        return self.model_dump_json()
