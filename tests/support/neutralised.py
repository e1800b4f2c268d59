"""Runs a service with its own filters switched off: `python neutralised.py tenant_data serve`. Never a setting.

Every `client_id = $1` in every statement becomes a condition that any row meets, at the driver, where no code of ours
can escape it. What still holds then is the database's own filter.
"""

import re
import runpy
import sys
from typing import Any

import asyncpg.connection

_FILTER = re.compile(r"(?:\b\w+\.)?\bclient_id\s*=\s*\$1\b")


def without_filter(sql: str) -> str:
    """`sql` with a condition in place of its filter that is always true, and `$1` still a uuid."""
    if re.match(r"\s*INSERT\b", sql, re.IGNORECASE):
        return sql
    return _FILTER.sub("$1::uuid IS NOT NULL", sql)


def switch_off() -> None:
    connection = asyncpg.connection.Connection
    for name in ("fetch", "fetchrow", "fetchval", "execute", "executemany"):
        original = getattr(connection, name)

        async def call(self: Any, query: str, *arguments: Any, _original: Any = original, **options: Any) -> Any:
            return await _original(self, without_filter(query), *arguments, **options)

        call.__name__ = name
        setattr(connection, name, call)


if __name__ == "__main__":
    switch_off()
    service = sys.argv[1]
    sys.argv = [service, *sys.argv[2:]]
    runpy.run_module(service, run_name="__main__", alter_sys=True)
