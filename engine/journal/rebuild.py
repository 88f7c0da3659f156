"""The readers' tables computed anew from the events.

They repeat what the events say, so a damaged or older table is no loss: it is emptied and
filled again, in one transaction.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from engine.journal.codec import decode
from engine.journal.projections import project
from engine.journal.recovered import Fold
from engine.journal.schema import guard, projection_tables, unguard
from engine.journal.store import project_into

_CHUNK = 5_000  # events held in memory at a time
_COUNTED = (
    *(("runs", "run_started"), ("trades", "trade"), ("approvals", "proposal")),
    *(("decisions", "decision"), ("signals", "signal"), ("blocked_trades", "denial")),
    *(("param_history", "parameter"), ("account_history", "account"), ("commands", "command")),
    *(("regime_transitions", "regime"), ("circuit_breaker_events", "breaker")),
    *(("control_history", "control"), ("change_history", "change")),
    *(("change_evidence", "compared"), ("trials", "trials")),
    ("opportunities WHERE ended_ns > 0", "opportunity_ended"),
)


def agrees(connection: sqlite3.Connection, fold: Fold) -> bool:
    """Whether the tables stand for the same events as the fold: positions, fills, counts."""
    try:
        for table, known in (
            ("positions", fold.positions),
            ("fills", fold.fills),
            ("funding", fold.funding),
        ):
            rows = dict(connection.execute(f"SELECT id, seq FROM {table}").fetchall())
            if rows != {name: seq for name, (_, seq) in known.items()}:
                return False
        for table, kind in _COUNTED:
            count = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            if count != fold.counts.get(kind, 0):
                return False
    except sqlite3.DatabaseError:
        return False
    return True


def rebuild(connection: sqlite3.Connection) -> None:
    """Empty and refill every table that is computed from events."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        unguard(connection)
        for table in projection_tables():
            connection.execute(f"DELETE FROM {table}")
        after = 0
        while True:
            events = connection.execute(
                "SELECT seq, body FROM events WHERE seq > ? ORDER BY seq LIMIT ?", (after, _CHUNK)
            ).fetchall()
            if not events:
                break
            rows: dict[str, list[tuple[Any, ...]]] = {}
            for seq, body in events:
                for statement, values in project(decode(body), seq):
                    rows.setdefault(statement, []).append(values)
            project_into(connection, rows)
            after = events[-1][0]
        guard(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
