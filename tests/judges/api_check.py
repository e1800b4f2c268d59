"""What Schemathesis loads to judge the API: one check of ours, finer than the one that it replaces.

It runs in the judge's environment (`.judges/api`), never in the product's.
"""

import io
import json
import os
import re
import wave
from pathlib import Path

import schemathesis
from hypothesis import strategies as st
from schemathesis import GenerationMode

# A request that fits the schema may be refused for these and no other: status, then the detail that says so.
# Each is a rule that JSON Schema has no word for.
_BEYOND_SCHEMA = (
    (422, "This cursor is not one that this list gave.", "a cursor is opaque, sealed for one client and one list"),
    (422, "a call does not end before it started", "one field's limit is another field"),
    (422, "give at least one of email, phone, external_ref", "a field that is null asks for nothing"),
    (422, "Text must not contain NUL or unpaired surrogates", "no text column holds them"),
    (422, "a time lies between the years 1970 and 9999", "an offset moves a time over the edge of a year"),
    (422, "The password ", "how easily a password is guessed"),
    (422, "This is not the code of this moment.", "a one-time code is right for thirty seconds"),
    (412, "This has changed since you read it", "If-Match names a version that the row does not have"),
    (413, "A body may have 1 MiB at most", "lengths of parts are bounded, and so is their sum"),
    (422, "This is read as sha-256=:BASE64:", "a dictionary of RFC 8941, of which one member is read"),
    (422, "A SHA-256 has 32 bytes.", "in base64, whose length says so only nearly"),
    (422, "The body has another SHA-256.", "one field's limit is the body"),
    (416, "The range ", "how long a recording is, is not in the contract of all of them"),
    (416, "One range at a time.", "a list is well-formed too"),
    (416, "The last 0 bytes are no range.", "a number that is none"),
)
# 503: a part is away, which the judge counts and bears with only in small numbers.
_ALWAYS = {401, 403, 404, 409, 429, 503}
_ANSWERS = Path(os.environ["KONCI_JUDGE_ANSWERS"])
_SAMPLES = Path(__file__).parents[1] / "unit" / "recording_storage" / "samples"


def _wav() -> bytes:
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(number % 251 for number in range(16_000)))
    return written.getvalue()


# Without these an upload has no body at all that could be sent, and bytes at random are no audio.
_AUDIO = {
    "audio/wav": _wav(),
    "audio/ogg": (_SAMPLES / "opus.ogg").read_bytes(),
    "audio/mpeg": (_SAMPLES / "cbr.mp3").read_bytes(),
    "audio/flac": (_SAMPLES / "tone.flac").read_bytes(),
}
for _media, _audio in _AUDIO.items():
    schemathesis.openapi.media_type(_media, st.just(_audio))


@schemathesis.hook
def after_call(context: schemathesis.HookContext, case: schemathesis.Case, response: schemathesis.Response) -> None:
    """Notes what each operation answered: one that never succeeds was not judged."""
    with _ANSWERS.open("a", encoding="utf-8") as notes:
        notes.write(f"{response.status_code} {case.operation.label}\n")


def _said(response: schemathesis.Response) -> list[str]:
    problem = json.loads(response.content)
    return [error["detail"] for error in problem.get("errors", ())] or [problem["detail"]]


def _is_beyond_schema(status: int, detail: str) -> bool:
    return any(status == known and re.match(re.escape(text), detail) for known, text, _ in _BEYOND_SCHEMA)


@schemathesis.check
def accepts_what_it_describes(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> bool | None:
    """A request that fits the contract succeeds, or is refused for a reason that no schema can state."""
    status = response.status_code
    if (
        case.meta is None
        or case.meta.generation.mode != GenerationMode.POSITIVE
        or case.method != case.operation.method.upper()
    ):
        return None
    if status < 400 or status in _ALWAYS:
        return None
    unknown = [detail for detail in _said(response) if not _is_beyond_schema(status, detail)]
    assert not unknown, f"A request that fits the schema was refused ({status}): {'; '.join(unknown)}"
    return None
