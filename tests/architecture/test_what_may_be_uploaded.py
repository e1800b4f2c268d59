"""05.3: what may be uploaded is documented as the code has it: types, sizes, and what becomes of anything else."""

from pathlib import Path
from typing import get_args

from recording_storage.audio import LONGEST, TYPES
from recording_storage.recording import ContentType
from recording_storage.routes import STREAMED
from recording_storage.upload import MOST
from stack.envoy import REPLIES
from support import tree

README = " ".join(tree.text(Path("services/recording_storage/README.md")).split())
PROBLEMS = " ".join(tree.text(Path("docs/problems.md")).split())
GIB = 2**30
A_DAY = 24 * 3600 * 1000  # ms


def test_nothing_else_is_taken_as_it_comes() -> None:
    """Every other route reads JSON of 1 MiB: tests/architecture/test_documented_limits.py."""
    assert STREAMED == {("POST", "/v1/calls/{call_id}/recordings"): MOST}


def test_of_which_types() -> None:
    assert set(get_args(ContentType)) == set(TYPES)
    types = ", ".join(f"`{media}`" for media in TYPES)
    assert f"the body is the audio ({types})" in README
    assert f"the audio of a recording {types}" in PROBLEMS
    assert "another media type a 415" in README


def test_of_which_size() -> None:
    assert MOST % GIB == LONGEST % A_DAY == 0
    assert f"up to {MOST // GIB} GiB; takes" in README
    assert f"over {MOST // GIB} GiB a 413" in README
    assert f"longer than {LONGEST // A_DAY} days" in README
    assert f"audio over {MOST // GIB} GiB" in PROBLEMS
    assert any(f"audio {MOST // GIB} GiB" in reply.detail for reply in REPLIES)


def test_what_becomes_of_what_is_something_else() -> None:
    assert "not the audio that its media type says, or has another digest than announced is a 422" in README
    assert "nothing of it stays" in README
    assert "never decoded or unpacked" in README
    assert "No name of a file is taken" in README
    assert "Nothing looks for malware in it" in README
