"""Writes `docs/controls/asvs.md` from `docs/controls/asvs.yaml`. It writes nothing while an answer is wrong."""

import argparse
import sys

from asvs import page, requirement

EXAMPLE = "example: PYTHONPATH=tests .venv/bin/python -m asvs"


def main() -> int:
    """0 when the page is written, 1 when the data is wrong, 2 when the published list is not to be read."""
    form = argparse.RawDescriptionHelpFormatter
    argparse.ArgumentParser(prog="asvs", description=__doc__, epilog=EXAMPLE, formatter_class=form).parse_args()
    try:
        requirements = requirement.published()
    except OSError as missing:
        print(f"asvs: {missing}: the list of requirements lies beside the repository", file=sys.stderr)
        return 2
    answers = requirement.said()
    if wrong := [*requirement.faults(answers, requirements)]:
        print(*wrong, sep="\n", file=sys.stderr)
        print(f"asvs: {len(wrong)} to correct in {requirement.DATA.name}; nothing was written", file=sys.stderr)
        return 1
    page.PAGE.write_text(page.written(answers, requirements), encoding="utf-8")
    found = page.counts({answer.id: answer for answer in answers}, requirements)
    for level in page.LEVELS:
        print(f"level {level}:", ", ".join(f"{found[level, state]} {state}" for state in page.STATES))
    return 0


if __name__ == "__main__":
    sys.exit(main())
