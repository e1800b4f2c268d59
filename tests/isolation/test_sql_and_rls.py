"""03.2: in every table of every database, no statement of one client's session reads, changes or senses another's row.

Generated from the catalogues: a new table is attacked unnamed. A row of a victim and one of the attacker are
planted as superuser, every statement runs as the service's own role under the attacker's seal, and all of it is undone.
"""

from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from guard.seal import SealKey
from pentest.evidence import Evidence, Probes
from stack.settings import SERVICES
from support.catalogue import Table
from support.ground import DENIED, Ground, ground_of
from support.machine import Machine


@pytest.fixture(scope="module", params=SERVICES)
async def ground(stack: Machine, request: pytest.FixtureRequest, evidence: Evidence) -> AsyncIterator[Ground]:
    async with ground_of(stack, request.param) as made:
        evidence.serves("table", [table.title for table in made.tables])
        yield made


def _fetch(sql: str, *arguments: object) -> Callable[[asyncpg.Connection], Any]:
    return lambda connection: connection.fetch(sql, *arguments)


async def _cursor(connection: asyncpg.Connection, sql: str) -> list[Any]:
    await connection.execute(f"DECLARE one CURSOR FOR {sql}")
    return list(await connection.fetch("FETCH ALL FROM one"))


async def _copied_out(connection: asyncpg.Connection, table: str) -> list[bytes]:
    lines: list[bytes] = []

    async def take(data: bytes) -> None:
        lines.extend(data.splitlines())

    await connection.copy_from_query(f"SELECT client_id FROM {table}", output=take)
    return lines


def _reads(table: str, victim: UUID) -> dict[str, Callable[[asyncpg.Connection], Any]]:
    """Ways to read the victim's row; each returns nothing, or an error that does not depend on the row."""
    theirs = f"client_id = '{victim}'"
    return {
        "reading by the other client's id": _fetch(f"SELECT client_id FROM {table} WHERE {theirs}"),
        "reading whatever is not one's own": _fetch(
            f"SELECT client_id FROM {table} WHERE client_id <> guard.client_id()"
        ),
        "a condition that is always true": _fetch(
            f"SELECT client_id FROM {table} WHERE (client_id = guard.client_id() OR true) AND {theirs}"
        ),
        "counting": _fetch(f"SELECT 1 FROM (SELECT count(*) AS n FROM {table} WHERE {theirs}) c WHERE n > 0"),
        "a common table expression": _fetch(
            f"WITH t AS MATERIALIZED (SELECT * FROM {table}) SELECT 1 FROM t WHERE {theirs}"
        ),
        "a union": _fetch(f"SELECT NULL::uuid WHERE false UNION SELECT client_id FROM {table} WHERE {theirs}"),
        "whether it exists": _fetch(f"SELECT 1 WHERE EXISTS (SELECT FROM {table} WHERE {theirs})"),
        "the whole row as text": _fetch(f"SELECT t::text FROM {table} t WHERE t::text LIKE '%{victim}%'"),
        "locking it": _fetch(f"SELECT client_id FROM {table} WHERE {theirs} FOR UPDATE"),
        "a cursor": lambda connection: _cursor(connection, f"SELECT client_id FROM {table} WHERE {theirs}"),
        "what the planner knows": _fetch(
            "SELECT 1 FROM pg_stats WHERE schemaname || '.' || tablename = $1"
            " AND most_common_vals IS NOT NULL", table
        ),
    }  # fmt: skip


def _writes(ground: Ground, table: Table) -> dict[str, Callable[[asyncpg.Connection], Any]]:
    """Ways to change, take or plant a row of the victim's."""
    victim, name = ground.victim, table.name
    planted = table.row(victim)
    known = table.row(victim, **{column: ground.rows[name, victim][column] for column in table.keys[0]})
    last = list(table.columns)[-1]
    key = ", ".join(table.keys[0])
    insert, match = table.insert, f"ON t.client_id = s.client_id AND t.client_id = '{victim}'"
    source = f"(SELECT '{victim}'::uuid AS client_id) s"
    columns = ", ".join(table.given)
    return {
        "adding a row for the other client": _fetch(insert, *table.values(planted)),
        "adding it again, ignoring a conflict": _fetch(f"{insert} ON CONFLICT DO NOTHING", *table.values(known)),
        "overwriting it on a conflict": _fetch(
            f"{insert} ON CONFLICT ({key}) DO UPDATE SET {last} = excluded.{last}", *table.values(known)
        ),
        "changing it": _fetch(f"UPDATE {name} SET {last} = {last} WHERE client_id = '{victim}' RETURNING 1"),
        "giving one's own row away": _fetch(f"UPDATE {name} SET client_id = '{victim}' RETURNING 1"),
        "deleting it": _fetch(f"DELETE FROM {name} WHERE client_id = '{victim}' RETURNING 1"),
        "deleting it by a join": _fetch(
            f"DELETE FROM {name} t USING {source} WHERE t.client_id = s.client_id RETURNING 1"
        ),
        "merging: changing it": _fetch(
            f"MERGE INTO {name} t USING {source} {match} WHEN MATCHED THEN UPDATE SET {last} = t.{last}"
        ),
        "merging: deleting it": _fetch(f"MERGE INTO {name} t USING {source} {match} WHEN MATCHED THEN DELETE"),
        "copying it in": lambda connection: _copied_in(connection, table, planted),
        "emptying the table": _fetch(f"TRUNCATE {name}"),
        "switching its protection off": _fetch(f"ALTER TABLE {name} DISABLE ROW LEVEL SECURITY"),
        "a trigger on it": _fetch(f"CREATE RULE r AS ON INSERT TO {name} DO ALSO NOTHING"),
        "merging: adding one": _fetch(
            f"MERGE INTO {name} t USING {source} {match} AND false WHEN NOT MATCHED THEN"
            f" INSERT ({columns}) VALUES ({', '.join(f'${n}' for n in range(1, len(table.given) + 1))})",
            *table.values(planted),
        ),
    }  # fmt: skip


_ADDS = ("adding", "overwriting", "copying it in", "merging: adding", "emptying", "switching", "a trigger", "giving")


async def _copied_in(connection: asyncpg.Connection, table: Table, row: dict[str, Any]) -> None:
    schema, _, name = table.name.rpartition(".")
    await connection.copy_records_to_table(
        name, schema_name=schema or None, columns=list(table.given), records=[tuple(table.values(row))]
    )


async def _theirs_is_there(ground: Ground, probes: Probes, table: Table) -> None:
    """The control: the victim's row is there, and its own session sees it wherever a service reads the table at all."""
    probes.allowed("the other's row is there", len(ground.whole[table.name]) >= 1, on=table.title)
    if await ground.may(table, "SELECT"):
        read = _fetch(f"SELECT client_id FROM {table.name}")
        said = await ground.says(table, read, role=ground.request, seal=ground.seal(ground.victim))
        holds = len(said.rows) == len(ground.whole[table.name])
        probes.allowed("the other's own session reads it", holds, said, on=table.title)


async def test_reading(ground: Ground, probes: Probes) -> None:
    own = ground.seal(ground.attacker)
    for table in ground.tables:
        await _theirs_is_there(ground, probes, table)
        for case, run in _reads(table.name, ground.victim).items():
            said = await ground.says(table, run, role=ground.request, seal=own)
            probes.denied(case, said.empty, said, table=table.title)
        said = await ground.says(table, lambda c, t=table: _copied_out(c, t.name), role=ground.request, seal=own)
        rows = {line.decode() for line in said.rows}
        probes.denied("copying the table out", rows <= {str(ground.attacker)}, said, table=table.title)
        # A condition that fails on the victim's row alone tells of it by failing.
        leaky = _fetch(f"SELECT 1 / (client_id <> '{ground.victim}')::int FROM {table.name}")
        said = await ground.says(table, leaky, role=ground.request, seal=own)
        probes.denied("an error that only the other's row causes", said.error in ("", DENIED), said, table=table.title)


async def test_writing(ground: Ground, probes: Probes) -> None:
    own = ground.seal(ground.attacker)
    for table in ground.tables:
        await _theirs_is_there(ground, probes, table)
        for case, run in _writes(ground, table).items():
            said = await ground.says(table, run, role=ground.request, seal=own)
            # What adds must be refused; what changes finds nothing to change, or is refused.
            holds = said.error in (DENIED, "0A000") if case.startswith(_ADDS) else said.empty
            probes.denied(case, holds, said, table=table.title)


def _own(ground: Ground, table: Table, right: str) -> Callable[[asyncpg.Connection], Any]:
    """`right` used on one's own rows; how many they were. Without RETURNING, which would need the right to read."""
    mine = ground.rows[table.name, ground.attacker]

    async def run(connection: asyncpg.Connection) -> list[int]:
        if right == "INSERT":
            # Its own row makes way: of some tables a client has one row and no more.
            own = f"DELETE FROM {table.name} WHERE client_id = '{ground.attacker}'"
            await connection.execute(f"RESET ROLE; {own}; SET LOCAL ROLE {ground.request}")
            status = await connection.execute(table.insert, *table.values(mine))
        elif right == "UPDATE":
            granted = "SELECT has_column_privilege($1, $2, 'UPDATE')"
            column = [name for name in table.columns if await connection.fetchval(granted, table.name, name)][-1]
            status = await connection.execute(f"UPDATE {table.name} SET {column} = $1", mine[column])
        else:
            status = await connection.execute(
                f"SELECT client_id FROM {table.name}" if right == "SELECT" else f"DELETE FROM {table.name}"
            )
        return [1] * int(status.rpartition(" ")[2])

    return run


async def test_its_owner_can(ground: Ground, probes: Probes) -> None:
    """Beside each denial: the same on one's own row succeeds, wherever the role has the right; and ends there."""
    own = ground.seal(ground.attacker)
    for table in ground.tables:
        for right in ("SELECT", "INSERT", "UPDATE", "DELETE"):
            if not await ground.may(table, right):
                continue
            said = await ground.says(table, _own(ground, table, right), role=ground.request, seal=own)
            probes.allowed(f"its owner's {right}", not said.error and len(said.rows) >= 1, said, on=table.title)
            probes.denied(f"an {right} of everything ends at one's own", said.is_victim_whole, said, table=table.title)


async def test_without_a_good_seal(ground: Ground, probes: Probes) -> None:
    victim, pid = ground.victim, ground.connection.get_server_pid()
    seals = {
        "no seal": "",
        "the other's id in place of a seal": str(victim),
        "a seal by another key": ground.seal(victim, key=SealKey(ground.seal_key.kid, bytes(32))),
        "a seal by a key that is not there": ground.seal(victim, key=SealKey(9 - ground.seal_key.kid, bytes(32))),
        "the other's seal of another connection": ground.seal(victim, pid=pid + 1),
        "the other's seal, run out": ground.seal(victim, lifetime=-3600),
        "one's own seal with the other's id": str(victim) + ground.seal(ground.attacker)[36:],
    }  # fmt: skip
    for table in ground.tables:
        for case, seal in seals.items():
            said = await ground.says(table, _fetch(f"TABLE {table.name}"), role=ground.request, seal=seal)
            # A word that is no seal at all may fail as bad text: an error all the same, and no row.
            probes.denied(case, bool(said.error) and not said.rows, said, table=table.title)
        await _theirs_is_there(ground, probes, table)


async def test_another_role(ground: Ground, probes: Probes) -> None:
    """The owner of the table is held by its own policies (FORCE); another service's roles have nothing here at all."""
    others = [
        f"{other}_{kind}" for other in SERVICES if other != ground.service for kind in ("request", "job", "owner")
    ]
    seal = ground.seal(ground.attacker)
    for table in ground.tables:
        everything = _fetch(f"SELECT client_id FROM {table.name} WHERE client_id = '{ground.victim}'")
        away = _fetch(f"DELETE FROM {table.name}")
        for role in (f"{ground.service}_owner", "guard_owner", *others):
            for run in (everything, away):
                said = await ground.says(table, run, role=role, seal=seal)
                probes.denied(f"the role {role.rpartition('_')[2]} of others", said.empty, said, table=table.title)
        await _theirs_is_there(ground, probes, table)


async def test_keys_tell_nothing(ground: Ground, probes: Probes) -> None:
    """A key that another client has taken is free here; another's parent is as absent as one that never was."""
    seal, victim, attacker = ground.seal(ground.attacker), ground.victim, ground.attacker
    for table in ground.tables:
        if not await ground.may(table, "INSERT"):
            continue
        for key in table.keys:
            taken = {column: ground.rows[table.name, victim][column] for column in key if column != "client_id"}
            if not taken:
                continue
            said = await ground.says(
                table, _fetch(table.insert, *table.values(table.row(attacker, **taken))), role=ground.request, seal=seal
            )
            probes.denied("a key that the other has taken", not said.error, said, table=table.title)
        await _parents(ground, table, seal, probes)


async def _parents(ground: Ground, table: Table, seal: str, probes: Probes) -> None:
    own = ground.attacker
    related = {
        column: ground.rows[one.parent, own][key]
        for one in table.references
        for column, key in zip(one.columns, one.keys, strict=True)
    }
    for one in table.references:
        answers = {}
        for whose, client in (("own", own), ("foreign", ground.victim), ("absent", None)):
            pointed = {
                column: uuid4() if client is None else ground.rows[one.parent, client][key]
                for column, key in zip(one.columns, one.keys, strict=True)
                if column != "client_id"
            }
            row = table.row(own, **{**related, **pointed})
            answers[whose] = await ground.says(
                table, _checked(table.insert, table.values(row)), role=ground.request, seal=seal
            )
        if list(one.columns) == ["client_id"]:
            continue
        foreign, absent = answers["foreign"], answers["absent"]
        probes.denied(
            "a parent of the other client", foreign.error == absent.error == "23503", answers, table=table.title
        )
        probes.denied("what the refusal says", foreign.message == absent.message, answers, table=table.title)
        probes.allowed("a parent of one's own", not answers["own"].error, answers["own"], on=table.title)


def _checked(sql: str, arguments: list[Any]) -> Callable[[asyncpg.Connection], Any]:
    async def run(connection: asyncpg.Connection) -> Any:
        role = await connection.fetchval("SELECT current_user")
        # Foreign keys count here, as they do for the service.
        await connection.execute(f"RESET ROLE; SET LOCAL session_replication_role = origin; SET LOCAL ROLE {role}")
        return await connection.fetch(sql, *arguments)

    return run
