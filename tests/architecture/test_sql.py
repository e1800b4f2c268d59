"""03.2: every statement on a client's table says `client_id = $1` itself, so that the application's filter is whole.

A statement of a job that works for every client says so: it begins with `-- every client: ` and the reason.
"""

import ast
import re
from collections.abc import Iterator

import pytest
import sqlglot
from sqlglot import exp

from stack.settings import REPO

_SQL = re.compile(r"^\s*(--[^\n]*\n\s*)*(SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|COPY|TRUNCATE)\b[\s\S]*\s")
_EVERY_CLIENT = re.compile(r"^\s*-- every client: \S.{10,}")


def _tenant_tables() -> set[str]:
    tables: set[str] = set()
    for path in [*REPO.glob("services/*/migrations/*.sql"), *REPO.glob("libs/guard/guard/sql/*.sql")]:
        text = path.read_text()
        for name, body in re.findall(r"CREATE TABLE (?:IF NOT EXISTS )?([\w.]+) \((.*?)\n\)", text, re.DOTALL):
            is_platform = re.search(rf"COMMENT ON TABLE {re.escape(name)}\s+IS\s+'platform: ", text)
            if re.search(r"^\s*client_id\s", body, re.MULTILINE) and not is_platform:
                tables.add(name.rsplit(".", 1)[-1])
        tables |= set(re.findall(r"CREATE VIEW (\w+) ", text))
    return tables


def _statements() -> Iterator[tuple[str, str]]:
    for path in sorted([*REPO.glob("services/*/*/**/*.py"), *REPO.glob("libs/guard/guard/*.py")]):
        tree = ast.parse(path.read_text())
        docstrings = {
            node.body[0].value
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            is_text = isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings
            if is_text and _SQL.match(node.value):
                yield f"{path.relative_to(REPO)}:{node.lineno}", node.value


def offence(sql: str, tenant_tables: set[str]) -> str | None:
    """Why a statement must not stand, or None."""
    if _EVERY_CLIENT.match(sql):
        return None
    tree = sqlglot.parse_one(sql, dialect="postgres")
    named = {table.name for table in tree.find_all(exp.Table)} & tenant_tables
    if not named:
        return None
    for insert in tree.find_all(exp.Insert):
        columns = [column.name for column in insert.this.expressions] if isinstance(insert.this, exp.Schema) else []
        if insert.find(exp.Table).name in tenant_tables and columns[:1] != ["client_id"]:
            return "an INSERT whose first column is not client_id"
    reads = [node for node in tree.find_all(exp.Select, exp.Update, exp.Delete) if _own_tables(node) & tenant_tables]
    for node in reads:
        if not any(_is_filter(comparison) for comparison in node.find_all(exp.EQ)):
            return f"{type(node).__name__.upper()} on {sorted(named)} without client_id = $1"
    return None


def _own_tables(node: exp.Expression) -> set[str]:
    sources = [node.args.get("from") or node.args.get("from_"), *(node.args.get("joins") or [])]
    if isinstance(node, exp.Update | exp.Delete):
        sources.append(node.this)
    return {table.name for source in sources if source is not None for table in source.find_all(exp.Table)}


def _is_filter(comparison: exp.EQ) -> bool:
    left, right = comparison.left, comparison.right
    return (
        isinstance(left, exp.Column)
        and left.name == "client_id"
        and isinstance(right, exp.Parameter | exp.Placeholder)
        and right.sql(dialect="postgres").startswith("$1")
    )


def test_every_statement_filters_by_client() -> None:
    tables = _tenant_tables()
    assert {"guest", "call", "transcript", "access_event", "outbox", "subject_key"} <= tables
    found = {
        where: wrong
        for where, sql in _statements()
        if "libs/guard/guard/outbox.py" not in where and (wrong := offence(sql, tables))
    }
    assert found == {}


def test_there_are_statements() -> None:
    assert len(list(_statements())) > 40


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT sealed FROM guest WHERE guest_id = $2",
        "SELECT sealed FROM guest WHERE client_id = $2 AND guest_id = $1",
        "SELECT sealed FROM guest WHERE client_id IS NOT NULL",
        "UPDATE guest SET sealed = $2 WHERE guest_id = $3",
        "DELETE FROM guest WHERE guest_id = ANY($2::uuid[])",
        "INSERT INTO guest (guest_id, client_id) VALUES ($2, $1)",
        "SELECT a FROM other WHERE client_id = $1 AND b IN (SELECT guest_id FROM guest)",
        "WITH gone AS (DELETE FROM guest WHERE guest_id = $2 RETURNING 1) SELECT count(*) FROM gone",
    ],
)
def test_a_statement_without_it_is_found(sql: str) -> None:
    assert offence(sql, {"guest"}) is not None


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT g.sealed FROM guest g WHERE g.client_id = $1 AND g.guest_id = $2",
        "SELECT 1 FROM guest g JOIN call c USING (client_id, guest_id) WHERE g.client_id = $1",
        "INSERT INTO guest (client_id, guest_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        "-- every client: expired transcripts of all are removed in one sweep\nDELETE FROM guest WHERE a < $1",
    ],
)
def test_a_statement_with_it_passes(sql: str) -> None:
    assert offence(sql, {"guest", "call"}) is None


def test_sql_stands_in_store_only() -> None:
    outside = [
        where
        for where, _ in _statements()
        if where.startswith("services/") and not re.search(r"/store(\.py|/\w+\.py|_\w+\.py):", where)
    ]
    assert outside == []
