"""Reading a journal: beside a running engine, after it, or from a copy.

A reader never writes and never takes the engine's lock.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

from engine.core.errors import JournalError
from engine.journal.codec import row_bytes
from engine.journal.schema import APPLICATION_ID, VERSION


class Reader:
    """Read-only questions to one journal file; a context manager.

    Raises `JournalError` when the file is absent, foreign or newer.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._connection = _connect(self.path)

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def digest(self) -> str:
        """SHA-256 over all events in order."""
        digest = hashlib.sha256()
        rows = self._connection.execute("SELECT seq, time_ns, kind, body FROM events ORDER BY seq")
        for row in rows:
            digest.update(row_bytes(*row))
        return digest.hexdigest()

    def _all(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, values).fetchall()


def _connect(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise JournalError(f"there is no journal {path}", "start an engine first, or name another")
    try:
        uri = f"file:{quote(str(path.absolute()))}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=2.0)
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.Error as error:
        raise JournalError(f"can't read {path}: {error}", "is it a journal?") from None
    if application != APPLICATION_ID or version > VERSION:
        with contextlib.suppress(sqlite3.Error):
            connection.close()
        what = "belongs to another program" if application != APPLICATION_ID else "is newer"
        raise JournalError(f"{path} {what}", "name another file")
    return connection
