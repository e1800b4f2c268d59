"""pgrls over every migrated database: what its 68 rules say of row-level security, policies, functions and grants.

Its rules do not look at whom a policy is for, so policies without a condition are looked at here. Then rlsgrid tries
them on scratch copies (rls_fuzz): the databases themselves are only read.
"""

import asyncio
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from judges import accepted, rls_fuzz
from judges.environment import tool, version
from judges.verdict import CannotJudge, Verdict
from stack import bao
from stack.settings import SERVICES
from support.database import superuser
from support.machine import Machine

_MONTH = re.compile(r"_(\d{4}_\d{2}|other)\b")  # of a partition: each month has what every month has
_SCHEMAS = "public,guard"


def judge(stack: Machine) -> Verdict:
    """The verdict over the databases of all services."""
    program = tool("rls", "pgrls")
    found = {(rule, f"{service}:{place}") for service in SERVICES for rule, place in _lint(stack, program, service)}
    if not found:
        raise CannotJudge("pgrls found nothing at all, not even what is known: it did not see the databases")
    found |= {("a policy for everybody", place) for place in asyncio.run(_open_to_requests(stack))}
    breaches, probes = rls_fuzz.fuzz(stack)
    unknown, known = accepted.weigh("rls", [*found, *breaches])
    line = (
        f"databases {', '.join(SERVICES)}, schemas {_SCHEMAS}; {known} findings are known by rule and place;"
        f" {probes} statements for another client's rows, each table leaks when its policy is opened"
    )
    versions = f"{version(program, '--version')}, {version(tool('rls', 'rlsgrid'), '--version')}"
    return Verdict("rls", versions, line, unknown)


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


async def _open_to_requests(stack: Machine) -> list[str]:
    """Policies that hold for every row and are for another role than the service's job role."""
    told = []
    for service in SERVICES:
        async with superuser(stack, service) as connection:
            rows = await connection.fetch(
                "SELECT schemaname, tablename, policyname, cmd FROM pg_policies"
                " WHERE 'true' IN (qual, with_check) AND roles <> ARRAY[$1::name]",
                f"{service}_job",
            )
        told += [f"{service}:{row['schemaname']}.{row['tablename']}.{row['policyname']} {row['cmd']}" for row in rows]
    return told
