"""Whoever silences a check names the rule and says why, on the line. Nothing is skipped without a reason."""

import io
import re
import tokenize

import pytest

from support import tree

NOQA = re.compile(r"#\s*noqa\b", re.IGNORECASE)
NOQA_WITH_REASON = re.compile(r"#\s*noqa: [A-Z]+[0-9]+(, ?[A-Z]+[0-9]+)* [-\N{EN DASH}] \S.{5,}")
IGNORE = re.compile(r"#\s*type:\s*ignore|#\s*mypy:")
IGNORE_WITH_REASON = re.compile(r"# type: ignore\[[a-z, -]+\]( #|  #| -) ?\S.{5,}")
SKIP = re.compile(r"pytest\.(skip|xfail|importorskip)\(|mark\.(skip|skipif|xfail)\b")
LEFT_TO_DO = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")


@pytest.fixture(scope="module")
def comments():
    return [
        (f"{path}:{token.start[0]}", token.string)
        for path in tree.modules(*tree.SOURCES, "tests")
        for token in tokenize.generate_tokens(io.StringIO(tree.text(path)).readline)
        if token.type == tokenize.COMMENT
    ]


def is_bare(comment):
    return (NOQA.search(comment) and not NOQA_WITH_REASON.search(comment)) or (
        IGNORE.search(comment) and not IGNORE_WITH_REASON.search(comment)
    )


def test_each_suppression_names_its_rule_and_its_reason(comments):
    assert not [(where, comment) for where, comment in comments if is_bare(comment)]


def test_nothing_is_left_to_do_in_a_comment(comments):
    assert not [(where, comment) for where, comment in comments if LEFT_TO_DO.search(comment)]


def test_only_the_want_of_a_container_engine_skips_a_test():
    skips = [
        f"{path}: {line.strip()}"
        for path in tree.modules("tests")
        if path.name != "test_suppressions.py"
        for line in tree.text(path).splitlines()
        if SKIP.search(line)
    ]
    assert not [skip for skip in skips if "engine" not in skip]


def test_the_patterns_can_tell():
    assert not NOQA_WITH_REASON.search("# noqa")
    assert not NOQA_WITH_REASON.search("# noqa: S603")
    assert NOQA_WITH_REASON.search("# noqa: S603 - a literal command")
    assert not IGNORE_WITH_REASON.search("# type: ignore[arg-type]")
    assert IGNORE_WITH_REASON.search("# type: ignore[arg-type]  # the stub is wrong")
