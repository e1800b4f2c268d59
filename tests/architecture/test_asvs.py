"""08.1: the page of ASVS is true: each requirement is answered, each test it names exists, no reason is missing."""

from dataclasses import replace

import pytest

from asvs import page
from asvs.requirement import Answer, Evidence, faults, is_there, published, said

REQUIREMENTS = published()
HERE = "tests/architecture/test_asvs.py"


def test_every_requirement_is_answered_and_nothing_is_wrong_with_it() -> None:
    assert not [*faults(said(), REQUIREMENTS)]


def test_the_list_is_the_published_one() -> None:
    assert len(REQUIREMENTS) == 253
    assert {one.level for one in REQUIREMENTS} == {1, 2}


def test_the_page_is_what_the_data_says() -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.written(said(), REQUIREMENTS), (
        "run: PYTHONPATH=tests .venv/bin/python -m asvs"
    )


def test_no_sentence_is_the_standards_own() -> None:
    # Its licence is not ours: a number and a few words of our own.
    assert not [answer.id for answer in said() if "verify that" in answer.gist.lower() or len(answer.gist) > 120]


GOOD = Answer("V1.1.1", "words", "covered", evidence=(Evidence(f"{HERE}::test_the_checks_can_tell", "so"),))


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (replace(GOOD, id="V1.1.9"), "no requirement of level 1 or 2"),
        (replace(GOOD, gist=" "), "gist is empty"),
        (replace(GOOD, evidence=()), "no test is named"),
        (replace(GOOD, state="covered/open"), "not one of"),
        (replace(GOOD, state="open", evidence=()), "reason is empty"),
        (replace(GOOD, state="not_applicable", evidence=()), "reason is empty"),
        (replace(GOOD, evidence=(Evidence(HERE, ""),)), "not a word"),
        (replace(GOOD, evidence=(Evidence(f"{HERE}::test_gone", "so"),)), "no such test"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_checks_can_tell(answer: Answer, fault: str) -> None:
    assert [one for one in faults([answer], REQUIREMENTS) if one.startswith(answer.id) and fault in one]
    assert not [one for one in faults([GOOD], REQUIREMENTS) if one.startswith("V1.1.1:")]
    assert "V1.1.2: no answer" in faults([GOOD], REQUIREMENTS)


@pytest.mark.parametrize(
    "node",
    [
        "tests/architecture/test_nothing.py",
        "tests/conftest.py",
        "libs/guard/guard/http.py::app",
        f"{HERE}::GOOD",
        f"{HERE}::test_a_test_of_ours::test_more",
        "tests/journeys/test_new_service.py::TestOwn::test_of_another_client",
        "../main/tests/architecture/test_asvs.py",
    ],
)
def test_no_test_of_ours(node: str) -> None:
    assert not is_there(node)


@pytest.mark.parametrize(
    "node",
    [
        HERE,
        f"{HERE}::test_no_test_of_ours",
        "tests/journeys/test_new_service.py::TestOwn::test_pages_follow_each_other",
    ],
)
def test_a_test_of_ours(node: str) -> None:
    assert is_there(node)
