"""The tables of the live databases as their catalogues tell them, and a row for each, made from its columns and checks.

Whoever adds a table needs to add nothing here, as long as its checks are of a shape that `_fitting` knows.
"""

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from uuid import UUID, uuid4

import asyncpg

# Tables of a client: they have its column, and do not say that they are the platform's.
TABLES = """
    SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name,
           coalesce(pg_get_expr(c.relpartbound, c.oid), '') AS bound
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_'
       AND coalesce(obj_description(c.oid, 'pg_class'), '') NOT LIKE 'platform: %'
       AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'client_id')
     ORDER BY 2
"""
_COLUMNS = """
    SELECT a.attname AS name, t.typname AS type, has_column_privilege($2::name, $1::oid, a.attnum, 'INSERT') AS is_given
      FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
     WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum
"""
_CHECKS = "SELECT pg_get_constraintdef(oid) AS text FROM pg_constraint WHERE conrelid = $1 AND contype = 'c'"
_KEYS = """
    SELECT ARRAY(SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY k (number, place)
                   JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number ORDER BY k.place) AS columns
      FROM pg_index i WHERE i.indrelid = $1 AND i.indisunique ORDER BY i.indisprimary DESC
"""
_REFERENCES = """
    SELECT (SELECT format('%I.%I', p.relnamespace::regnamespace, p.relname)
              FROM pg_class p WHERE p.oid = k.confrelid) AS parent,
           ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY c (number, place)
                   JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = c.number ORDER BY c.place) AS columns,
           ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY c (number, place)
                   JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = c.number ORDER BY c.place) AS keys
      FROM pg_constraint k WHERE k.conrelid = $1 AND k.contype = 'f'
"""
_BY_TYPE: dict[str, Any] = {
    "varchar": "x", "int2": 1, "int4": 1, "int8": 1, "numeric": 1, "float8": 1.0, "bool": False,
    "_text": [], "_uuid": [], "jsonb": "{}", "json": "{}", "inet": "127.0.0.1",
}  # fmt: skip

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Reference:
    """A foreign key: `columns` of the child are `keys` of the parent."""

    parent: str
    columns: tuple[str, ...]
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table of clients' data in one service's database."""

    database: str
    name: str
    bound: str  # of a partition
    columns: Mapping[str, str]  # name -> type, without the generated ones
    given: tuple[str, ...]  # those that requests may fill, or all where they add no rows
    checks: tuple[str, ...]
    keys: tuple[tuple[str, ...], ...]  # unique ones, the primary first
    references: tuple[Reference, ...]

    @property
    def title(self) -> str:
        return f"{self.database}: {self.name.removeprefix('public.')}"

    @cached_property
    def insert(self) -> str:
        places = ", ".join(f"${n}" for n in range(1, len(self.given) + 1))
        return f"INSERT INTO {self.name} ({', '.join(self.given)}) VALUES ({places})"

    def row(self, client_id: UUID, /, **fixed: Any) -> dict[str, Any]:
        """A row of `client_id` that the table's own checks accept."""
        made = {name: self._value(name, kind) for name, kind in self.columns.items()}
        return self._of_itself({**made, **self._in_bound(), **fixed, "client_id": client_id})

    def values(self, row: Row) -> list[Any]:
        return [row[name] for name in self.given]

    def _of_itself(self, row: dict[str, Any]) -> dict[str, Any]:
        """What a check wants to be said of the row's own client."""
        said = json.dumps({name: str(row[name]) for name in ("client_id", "event_id") if name in row})
        for name in self.columns:
            if any(f"({name})::jsonb @> jsonb_build_object('client_id', client_id" in check for check in self.checks):
                row[name] = said
            elif any(f"({name} = (client_id)::text)" in check for check in self.checks):
                row[name] = str(row["client_id"])
        return row

    def _value(self, name: str, kind: str) -> Any:
        if kind == "uuid":
            return uuid4()
        if kind == "timestamptz":
            return datetime.now(UTC)
        fresh = {"bytea": secrets.token_bytes(32), "text": f"x{secrets.token_hex(4)}"}
        known = fresh.get(kind, _BY_TYPE.get(kind))
        if known is None:
            raise AssertionError(f"{self.title}: say in tests/support/catalogue.py what a value of {kind} is ({name})")
        for check in self.checks:
            known = _fitting(name, known, check)
        return known

    def _in_bound(self) -> dict[str, Any]:
        """For a partition: a key that belongs into it."""
        if not self.bound:
            return {}
        lower = re.search(r"FROM \('([0-9a-f-]{36})'\)", self.bound)
        start = UUID(lower[1]).int if lower else UUID("0000dead-0000-7000-8000-000000000000").int
        return {
            self.keys[0][-1] if "event_id" not in self.columns else "event_id": UUID(int=start + secrets.randbits(40))
        }


def _fitting(name: str, value: Any, check: str) -> Any:
    """`value`, or one that the check wants of this column."""
    if (length := re.search(rf"length\({name}\) = (\d+)", check)) and isinstance(value, bytes | str):
        return secrets.token_bytes(int(length[1])) if isinstance(value, bytes) else "x" * int(length[1])
    if listed := re.search(rf"\(?\b{name}\)?(?:::\w+)? = ANY \(\(?ARRAY\['([^']+)'", check):
        return listed[1]
    if (least := re.search(rf"\b{name} >=? ?(\d+)", check)) and isinstance(value, int):
        return int(least[1]) + 1
    return value


async def tenant_tables(connection: asyncpg.Connection, database: str) -> list[Table]:
    """Every table of clients' data in this database, partitions too."""
    return [await _table(connection, database, found) for found in await connection.fetch(TABLES)]


async def _table(connection: asyncpg.Connection, database: str, found: asyncpg.Record) -> Table:
    columns = await connection.fetch(_COLUMNS, found["oid"], f"{database}_request")
    keys = await connection.fetch(_KEYS, found["oid"])
    references = await connection.fetch(_REFERENCES, found["oid"])
    return Table(
        database,
        found["name"],
        found["bound"],
        {column["name"]: column["type"] for column in columns},
        tuple(one["name"] for one in columns if one["is_given"]) or tuple(one["name"] for one in columns),
        tuple(check["text"] for check in await connection.fetch(_CHECKS, found["oid"])),
        tuple(tuple(key["columns"]) for key in keys),
        tuple(Reference(one["parent"], tuple(one["columns"]), tuple(one["keys"])) for one in references),
    )
