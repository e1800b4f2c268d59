"""The page `docs/controls/asvs.md`: a summary, then a table for each chapter, made of the data file alone."""

from collections import Counter
from collections.abc import Iterator

from asvs.requirement import LEVELS, STATES, Answer, Requirement
from support import tree

PAGE = tree.REPO / "docs" / "controls" / "asvs.md"
_HEAD = """# ASVS 5.0

<!-- Made of docs/controls/asvs.yaml by `PYTHONPATH=tests .venv/bin/python -m asvs`: change that file, not this one. -->

What this platform says to each requirement of level 1 and 2 of OWASP's Application Security Verification Standard,
version 5.0.0. The words are ours and short; the standard's own stand at its publisher (CC BY-SA 4.0), under the same
numbers.

- **covered**: each test named goes red without the safeguard; beside it stands how.
- **not applicable**: what the requirement is about is not part of this platform, for the reason given.
- **open**: not met, not wholly met, or met and not shown; what is missing stands beside it.
"""


def written(answers: list[Answer], requirements: list[Requirement]) -> str:
    """The page as it must be."""
    by_id = {answer.id: answer for answer in answers}
    parts = [_HEAD, *_summary(by_id, requirements)]
    for chapter, name in chapters(requirements).items():
        parts += [
            "",
            f"## {chapter} {name}",
            "",
            "| | level | what | state | shown by, or why |",
            "|---|---|---|---|---|",
        ]
        parts += [_row(by_id[one.id], one) for one in requirements if one.chapter == chapter]
    return "\n".join(parts) + "\n"


def chapters(requirements: list[Requirement]) -> dict[str, str]:
    """The chapters' numbers and names, in their order."""
    return {one.chapter: one.chapter_name for one in requirements}


def counts(answers: dict[str, Answer], requirements: list[Requirement]) -> Counter[tuple[int, str]]:
    """How many requirements of each level are in each state."""
    return Counter((one.level, answers[one.id].state) for one in requirements)


def _summary(answers: dict[str, Answer], requirements: list[Requirement]) -> Iterator[str]:
    yield "## Summary"
    yield ""
    yield (
        "| chapter | "
        + " | ".join(f"L{level} {state.replace('_', ' ')}" for level in LEVELS for state in STATES)
        + " |"
    )
    yield "|---|" + "---|" * len(LEVELS) * len(STATES)
    for chapter, name in chapters(requirements).items():
        yield _counted(f"{chapter} {name}", answers, [one for one in requirements if one.chapter == chapter])
    yield _counted("**all**", answers, requirements)


def _counted(name: str, answers: dict[str, Answer], requirements: list[Requirement]) -> str:
    found = counts(answers, requirements)
    return f"| {name} | " + " | ".join(str(found[level, state]) for level in LEVELS for state in STATES) + " |"


def _row(answer: Answer, requirement: Requirement) -> str:
    shown = "<br>".join(f"`{one.test}`: {one.shows}" for one in answer.evidence) or answer.reason
    cells = (answer.id, str(requirement.level), answer.gist, answer.state.replace("_", " "), shown)
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"
