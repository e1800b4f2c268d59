"""The databases of the stack under test, opened as their superuser: what a test plants, it rolls back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from stack import postgres
from support.machine import Machine


@asynccontextmanager
async def superuser(stack: Machine, database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await postgres.superuser(stack.stack, database)
    try:
        yield connection
    finally:
        await connection.close()
