"""rlsgrid over a scratch copy of each service's schema: three clients, each reaching for the others' rows by statement.

Never over the databases themselves. The control is the same run with the policies opened: every table must then leak.
"""

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from guard import migrate
from judges.environment import HERE, tool
from judges.verdict import CannotJudge
from stack import bao
from stack.settings import SERVICES
from support import scratch
from support.database import superuser
from support.machine import Machine

DATABASE = "judge_scratch"
PROBES = 400  # for each service: by seed the same ones every time
_OPEN = """DO $$ DECLARE one record; BEGIN
    FOR one IN SELECT schemaname, tablename FROM pg_policies WHERE policyname = 'own_client' LOOP
        EXECUTE format('ALTER POLICY own_client ON %I.%I USING (true) WITH CHECK (true)',
                       one.schemaname, one.tablename);
    END LOOP;
END $$"""
# What a request can read or change of other clients once the policies are open: insert-only tables show nothing.
_REACHABLE = """SELECT schemaname || '.' || tablename AS name
  FROM pg_policies CROSS JOIN LATERAL (SELECT format('%I.%I', schemaname, tablename) AS held) AS of
 WHERE policyname = 'own_client' AND (has_any_column_privilege($1, held, 'SELECT')
    OR has_any_column_privilege($1, held, 'UPDATE') OR has_table_privilege($1, held, 'DELETE'))"""
_CONFIGURATION = """
[connection]
url = "env:KONCI_JUDGE_DATABASE"
schema_search_path = ["public", "guard"]
[tenancy]
mode = "jwt"
tenant_column = "client_id"
jwt_shape = "individual"
jwt_claims = {{ client_id = "{{tenant_id}}" }}
[roles]
{service}_request = "serves routes"
[fuzz]
iterations = {probes}
seed = 4
"""


def fuzz(stack: Machine) -> tuple[list[tuple[str, str]], int]:
    """(rule, place) of every row that a client reached and should not have, and how many probes there were."""
    program = tool("rls", "rlsgrid")
    found: list[tuple[str, str]] = []
    for service in SERVICES:
        try:
            asyncio.run(_prepare(stack, service))
            closed = _check(stack, program, service)
            reachable = asyncio.run(_open(stack, service))
            opened = _check(stack, program, service)
        finally:
            asyncio.run(scratch.drop(stack, DATABASE))
        require_leaks(service, reachable, opened)
        found += set(_breaches(closed, service))
    return found, PROBES * len(SERVICES)


def require_leaks(service: str, reachable: set[str], opened: dict[str, Any]) -> None:
    """Raises CannotJudge for a table that shows nothing with its policy open: its safety would prove nothing."""
    silent = reachable - {f"{one['schema']}.{one['table']}" for one in opened["breaches"]}
    if silent or not reachable:
        told = ", ".join(sorted(silent)) or "any table"
        raise CannotJudge(f"rlsgrid finds no leak of {service} in {told} with every policy open: it would find none")


async def _prepare(stack: Machine, service: str) -> None:
    await scratch.create(stack, DATABASE, service)
    async with superuser(stack, DATABASE) as connection:
        await connection.execute(
            f"ALTER SCHEMA public OWNER TO {service}_owner;"
            f" GRANT USAGE ON SCHEMA public TO {service}_request, {service}_job"
        )
        folder = stack.stack.repo / "services" / service / "migrations"
        await migrate.apply(connection, f"{service}_owner", migrate.read(folder))
    async with superuser(stack, DATABASE) as connection:  # another: the one before has become the owner
        await connection.execute((HERE / "rls_scratch.sql").read_text())


async def _open(stack: Machine, service: str) -> set[str]:
    """Every policy holds for everything; the tables that must leak now."""
    async with superuser(stack, DATABASE) as connection:
        await connection.execute(_OPEN)
        return {row["name"] for row in await connection.fetch(_REACHABLE, f"{service}_request")}


def _check(stack: Machine, program: Path, service: str) -> dict[str, Any]:
    pem = bao.pem(stack.stack, "bootstrap")
    address = (
        f"postgresql://postgres@127.0.0.1:{stack.port_of('postgres')}/{DATABASE}"
        f"?sslmode=verify-full&sslrootcert={stack.stack.ca}&sslcert={pem}&sslkey={pem}"
    )
    configuration = stack.run / "judges" / "rlsgrid.toml"
    configuration.parent.mkdir(mode=0o700, exist_ok=True)
    configuration.write_text(_CONFIGURATION.format(service=service, probes=PROBES))
    command = [str(program), "check", "--config", str(configuration), "--json"]
    told = {**os.environ, "KONCI_JUDGE_DATABASE": address}
    done = subprocess.run(command, env=told, capture_output=True, text=True, timeout=300, check=False)
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise CannotJudge(f"rlsgrid did not fuzz {service}: {(done.stdout + done.stderr).strip()[-300:]}") from None
    if report["no_probes"] or report["skipped"]:
        raise CannotJudge(f"rlsgrid left out {report['skipped']} probes of {service}: {report['skip_reasons']}")
    return report


def _breaches(report: dict[str, Any], service: str) -> Iterator[tuple[str, str]]:
    for one in report["breaches"]:
        yield "rlsgrid", f"{service}:{one['schema']}.{one['table']} {one['operation']}"
