"""The source as ruff, bandit, semgrep (by our own rules, each tried first) and detect-secrets see it.

Every module is read, and a comment in it silences none of the last three: what is known is in `accepted.toml`.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from judges import accepted
from judges.environment import HERE, tool, version
from judges.verdict import CannotJudge, Verdict
from support import tree
from support.tree import REPO, SOURCES

_PATIENCE = 400  # seconds for one tool on a busy machine
_RULES = HERE / "rules.yaml"
_BASELINE = HERE / "secrets.json"
_PARTS = ("bad", "good")
_PRAGMA = "detect_secrets.filters.allowlist.is_line_allowlisted"  # a comment that says "no secret"


def judge() -> Verdict:
    """The verdict of all four."""
    bandit, semgrep, secrets = (tool("code", name) for name in ("bandit", "semgrep", "detect-secrets"))
    ruff = Path(sys.executable).parent / "ruff"
    bandit_found, known = accepted.weigh("bandit", _bandit(bandit))
    new_secrets, audited = _secrets(secrets)
    rules = [rule["id"] for rule in _rules()]
    found = [
        *(f"ruff: {line}" for line in _ruff(ruff)),
        *(f"bandit: {line}" for line in bandit_found),
        *(f"semgrep: {line}" for line in _semgrep(semgrep)),
        *(f"detect-secrets: {line}" for line in new_secrets),
    ]
    line = (
        f"{len(tree.modules())} modules; bandit {known} known by name; {len(rules)} rules of ours, each bites its"
        f" bad example and spares its good one; {audited} texts audited as no secrets"
    )
    versions = (
        f"{version(ruff, '--version')}, {version(bandit, '--version').partition(' python')[0]}, "
        f"semgrep {version(semgrep, '--version', '--disable-version-check')}, "
        f"detect-secrets {version(secrets, '--version')}"
    )
    return Verdict("code", versions, line, found)


def _run(command: list[str], *codes: int) -> str:
    try:
        done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired as failed:
        raise CannotJudge(f"{Path(command[0]).name} took more than {_PATIENCE} s") from failed
    if done.returncode not in codes:
        raise CannotJudge(f"{Path(command[0]).name} ended {done.returncode}: {done.stderr.strip()[-300:]}")
    return done.stdout


def _ruff(program: Path) -> list[str]:
    found = json.loads(_run([str(program), "check", "--output-format=json", "."], 0, 1))
    return [f"{entry['code']} at {entry['filename']}:{entry['location']['row']}" for entry in found]


def _bandit(program: Path) -> list[tuple[str, str]]:
    options = ["--quiet", "--ignore-nosec", "--format", "json", "--recursive"]
    report = json.loads(_run([str(program), *options, *SOURCES], 0, 1))
    _read_all("bandit", report["metrics"], report["errors"])
    return [(entry["test_id"], entry["filename"]) for entry in report["results"]]


def _read_all(judge: str, read: Iterable[str], faults: Sequence[object]) -> None:
    left_out = sorted({str(path) for path in tree.modules()} - {str(Path(name)) for name in read})
    if faults or left_out:
        told = str([*left_out, *faults])
        raise CannotJudge(f"{judge} left out {len(left_out)} modules, and says {len(faults)} faults: {told[:300]}")


def _rules() -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = yaml.safe_load(_RULES.read_text())["rules"]
    return rules


def _semgrep(program: Path) -> list[str]:
    """Findings in the sources; and what is wrong with our rules: a bad example missed, or a good one taken for bad."""
    rules = _rules()
    examples = REPO / ".judges" / "code" / "examples"
    examples.mkdir(exist_ok=True)
    for rule in rules:
        for part in _PARTS:
            (examples / f"{rule['id']}.{part}.py").write_text(rule["metadata"][part])
    options = [
        "--metrics=off", "--disable-version-check", "--quiet", "--json", "--no-git-ignore", "--disable-nosem",
        "--jobs=2",
    ]  # fmt: skip
    targets = [*SOURCES, str(examples.relative_to(REPO))]
    report = json.loads(_run([str(program), "scan", f"--config={_RULES}", *options, *targets], 0, 1))
    _read_all("semgrep", report["paths"]["scanned"], report["errors"])
    hits = [
        (entry["check_id"].rpartition(".")[2], Path(entry["path"]), entry["start"]["line"])
        for entry in report["results"]
    ]
    tried = {(rule, path.name) for rule, path, _ in hits if path.is_relative_to(targets[-1])}
    names = [rule["id"] for rule in rules]
    return [
        *(f"{name} misses its bad example" for name in names if (name, f"{name}.bad.py") not in tried),
        *(f"{name} takes its good example for bad" for name in names if (name, f"{name}.good.py") in tried),
        *(f"{rule} at {path}:{line}" for rule, path, line in hits if not path.is_relative_to(targets[-1])),
    ]


def _secrets(program: Path) -> tuple[list[str], int]:
    """Texts that look like secrets and that nobody has audited; how many were audited as none."""
    baseline = json.loads(_BASELINE.read_text())["results"]
    audited = {
        (name, entry["type"], entry["hashed_secret"])
        for name, entries in baseline.items()
        for entry in entries
        if entry.get("is_secret") is False
    }
    names = [str(path) for path in tree.files() if path.suffix != ".lock" and path != _BASELINE.relative_to(REPO)]
    report = json.loads(_run([str(program), "scan", "--no-verify", f"--disable-filter={_PRAGMA}", *names], 0))
    found = {
        (name, entry["type"], entry["hashed_secret"]): entry["line_number"]
        for name, entries in report["results"].items()
        for entry in entries
    }
    told = [f"{key[1]} at {key[0]}:{line}, not audited" for key, line in sorted(found.items()) if key not in audited]
    told += [f"{key[1]} at {key[0]} is audited and no longer there" for key in sorted(audited - found.keys())]
    return told, len(audited)
