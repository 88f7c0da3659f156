"""The one file that touches aiosqlite's inside.

aiosqlite runs every call on a thread of its own. A transaction made of several awaited
calls can be cancelled between them and is then finished by somebody else; so a whole
transaction goes over as one callable, for which aiosqlite has no public door. A test
guards that the private one (`_execute`) still exists and behaves.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


class SqliteThread:
    """One connection on one daemon thread; each call is one callable, run to its end."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._running: set[asyncio.Future[Any]] = set()

    @classmethod
    async def open(cls, path: Path, name: str, busy_ms: int) -> SqliteThread:
        """Connect in autocommit mode; transactions begin and end where we say."""
        import aiosqlite  # here, so that readers of a journal need not load it

        connection = aiosqlite.connect(path, isolation_level=None, timeout=busy_ms / 1000)
        # aiosqlite's thread is not a daemon: left open, it would hang the interpreter.
        connection._thread.daemon = True
        connection._thread.name = name
        return cls(await connection)

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work(connection)` on the thread; a cancelled caller does not stop it."""
        call: asyncio.Future[T] = asyncio.ensure_future(
            self._connection._execute(work, self._connection._conn)
        )
        self._running.add(call)
        call.add_done_callback(self._running.discard)
        return await asyncio.shield(call)

    async def drain(self) -> None:
        """Wait for callables whose callers were cancelled; their outcome stands."""
        while self._running:
            await asyncio.wait(set(self._running))

    async def close(self) -> None:
        await self.drain()
        await self._connection.close()
