"""pgrls over every migrated database: what its 68 rules say of row-level security, policies, functions and grants.

It reads the catalogue as superuser and writes nothing; whether the policies hold is for tests/isolation to attack.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from judges import accepted
from judges.environment import tool, version
from judges.verdict import CannotJudge, Verdict
from stack import bao
from stack.settings import SERVICES
from support.machine import Machine

_MONTH = re.compile(r"_(\d{4}_\d{2}|other)\b")  # of a partition: each month has what every month has
_SCHEMAS = "public,guard"


def judge(stack: Machine) -> Verdict:
    """The verdict over the databases of all services."""
    program = tool("rls", "pgrls")
    found = {(rule, f"{service}:{place}") for service in SERVICES for rule, place in _lint(stack, program, service)}
    if not found:
        raise CannotJudge("pgrls found nothing at all, not even what is known: it did not see the databases")
    unknown, known = accepted.weigh("rls", found)
    line = f"databases {', '.join(SERVICES)}, schemas {_SCHEMAS}; {known} findings are known by rule and place"
    return Verdict("rls", version(program, "--version"), line, unknown)


def _lint(stack: Machine, program: Path, database: str) -> Iterator[tuple[str, str]]:
    pem = bao.pem(stack.stack, "bootstrap")
    # The pem holds key and certificate; the server speaks TLS 1.3 only, and by its own rules to this certificate only.
    address = (
        f"postgresql://postgres@127.0.0.1:{stack.port_of('postgres')}/{database}"
        f"?sslmode=verify-full&sslrootcert={stack.stack.ca}&sslcert={pem}&sslkey={pem}"
    )
    command = [str(program), "lint", "--database-url", address, "--schemas", _SCHEMAS, "--format", "json"]
    done = subprocess.run(command, cwd=stack.run, capture_output=True, text=True, timeout=300, check=False)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        raise CannotJudge(f"pgrls did not read {database}: {done.stderr.strip()[-300:]}") from None
    for entry in report["violations"]:
        yield entry["rule_id"], _MONTH.sub("_MONTH", entry["location"])
