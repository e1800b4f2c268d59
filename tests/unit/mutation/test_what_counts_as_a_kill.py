"""03.4: what a test says decides whether a mutant was noticed: an attack that went through, never a broken control."""

import subprocess
import sys
from pathlib import Path

import pytest

from mutation.killer import Verdict, read

LEAK = 'pytest.fail("LEAK another\'s row: 200\\nBROKEN PROBE its owner: 500", pytrace=False)'
ONLY_BROKEN = 'pytest.fail("BROKEN PROBE its owner: 500\\nBROKEN PROBE: nothing was attacked", pytrace=False)'


def judged(folder: Path, *bodies: str) -> Verdict:
    """The verdict on a file with one test for each body, by a pytest of its own."""
    tests = "".join(f"def test_{number}():\n    {body}\n" for number, body in enumerate(bodies))
    (folder / "test_attack.py").write_text(f"import pytest\n{tests}")
    result = folder / "junit.xml"
    options = ["-q", "-p", "no:cacheprovider", f"--junitxml={result}"]
    done = subprocess.run([sys.executable, "-m", "pytest", *options], cwd=folder, capture_output=True, check=False)
    return Verdict(done.returncode, *read(result), "")


@pytest.mark.parametrize("body", ["pass", ONLY_BROKEN, "assert False, 'BROKEN PROBE a column has no row'"])
def test_no_kill(tmp_path: Path, body: str) -> None:
    verdict = judged(tmp_path, body)
    assert not verdict.is_noticed
    assert verdict.is_green == (body == "pass")
    assert ("BROKEN PROBE" in verdict.told()) == (body != "pass")


@pytest.mark.parametrize("body", [LEAK, "assert 200 == 404"])
def test_a_kill(tmp_path: Path, body: str) -> None:
    assert judged(tmp_path, body).is_noticed
    assert judged(tmp_path, ONLY_BROKEN, body).is_noticed
