"""A batch of records as one transaction: events, what follows from them, and the chain.

Runs on the SQLite thread only, which makes it the one place that knows what is on disk.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from engine.core.clock import wall_ns
from engine.core.records import DURABLE, AnyRecord, Measured, Outlooked
from engine.journal.codec import encode, kind_of, link, row_bytes
from engine.journal.emergency import EmergencyLog
from engine.journal.errors import JournalDamaged
from engine.journal.projections import CLOSED, project

Entry = tuple[int, AnyRecord, bool]
"""A record with its seq (0 for telemetry, which has none), and whether the next entry
belongs into the same transaction."""

_EVENT = "INSERT INTO events VALUES (?, ?, ?, ?, ?)"
_OUTLOOK = "INSERT OR REPLACE INTO outlooks VALUES (?, ?, ?, ?)"
_TELEMETRY = 'INSERT INTO telemetry (timestamp, wall_ns, "values") VALUES (?, ?, ?)'
_META = "INSERT OR REPLACE INTO meta VALUES (?, ?)"
_durable = frozenset(DURABLE)


def is_durable(record: AnyRecord) -> bool:
    """Whether losing this record would lose an order, a fill, an approval or a change."""
    return type(record) in _durable


class Store:
    """Writes batches; `seq` and `chain` are those of the last committed event."""

    def __init__(self, seq: int, chain: bytes, emergency: EmergencyLog) -> None:
        self.seq = seq
        self.chain = chain
        self.skipped = 0
        self._emergency = emergency
        self._synchronous = ""

    def write(
        self,
        connection: sqlite3.Connection,
        batch: Sequence[Entry],
        *,
        folds_emergency: bool = False,
    ) -> None:
        """Commit `batch`, or leave the file as it was and raise SQLite's error.

        A batch with one durable record in it is synced as a whole. With `folds_emergency`
        the batch is the emergency log's rest, which then counts as folded in.
        """
        durable = folds_emergency or any(is_durable(record) for _, record, _ in batch)
        self._sync(connection, "FULL" if durable else "NORMAL")
        connection.execute("BEGIN IMMEDIATE")
        try:
            self._catch_up(connection)
            seq, chain = self._fill(connection, batch)
            covered = self._emergency.last() if folds_emergency else self._emergency.covered(seq)
            if covered:
                connection.execute(_META, ("emergency_folded", str(covered)))
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            raise
        self.seq, self.chain = seq, chain
        if covered:
            self._emergency.folded(covered)
        if durable:
            self._emergency.mark(seq, chain)

    def _sync(self, connection: sqlite3.Connection, level: str) -> None:
        # SQLite ignores this inside a transaction, so it stands before BEGIN.
        if level != self._synchronous:
            connection.execute(f"PRAGMA synchronous = {level}")
            self._synchronous = level

    def _catch_up(self, connection: sqlite3.Connection) -> None:
        """A COMMIT that reported an error may have happened; then what it wrote stands."""
        row = connection.execute("SELECT seq, chain FROM events ORDER BY seq DESC LIMIT 1")
        seq, chain = row.fetchone() or (0, self.chain)
        if seq < self.seq:
            raise JournalDamaged(
                f"the journal lost its events after {seq}",
                "another program changed the file; the engine must not go on with it",
            )
        self.seq, self.chain = seq, chain

    def _fill(self, connection: sqlite3.Connection, batch: Sequence[Entry]) -> tuple[int, bytes]:
        seq, chain = self.seq, self.chain
        events: list[tuple[int, int, str, str, bytes]] = []
        measured: list[tuple[int, int, str]] = []
        outlooks: list[tuple[str, int, str, str]] = []
        rows: dict[str, list[tuple[Any, ...]]] = {}
        for number, record, _ in batch:
            if type(record) is Measured:
                text = msgspec.json.encode(record.values, order="sorted").decode()
                measured.append((record.time_ns, wall_ns(), text))
                continue
            if type(record) is Outlooked:
                seen = record.outlook
                outlooks.append((seen.symbol, record.time_ns, seen.verdict, encode(record)))
                continue
            if number <= seq:
                continue
            body, kind = encode(record), kind_of(record)
            chain = link(chain, row_bytes(number, record.time_ns, kind, body))
            events.append((number, record.time_ns, kind, body, chain))
            seq = number
            for statement, values in project(record, number):
                rows.setdefault(statement, []).append(values)
        connection.executemany(_EVENT, events)
        connection.executemany(_TELEMETRY, measured)
        connection.executemany(_OUTLOOK, outlooks)
        self.skipped += project_into(connection, rows)
        return seq, chain


def project_into(connection: sqlite3.Connection, rows: dict[str, list[tuple[Any, ...]]]) -> int:
    """Write rows grouped by statement; returns how many no column could take.

    An event is never held up by a row that only repeats it for readers.
    """
    # A position is written before it is deleted, whatever came first in the batch.
    order = sorted(rows, key=lambda statement: statement == CLOSED)
    skipped = 0
    for statement in order:
        try:
            connection.executemany(statement, rows[statement])
        except (OverflowError, sqlite3.InterfaceError, sqlite3.ProgrammingError):
            for values in rows[statement]:
                try:
                    connection.execute(statement, values)
                except (OverflowError, sqlite3.InterfaceError, sqlite3.ProgrammingError):
                    skipped += 1
    return skipped
