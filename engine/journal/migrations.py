"""From an older file to the current one: forward only, each step one transaction.

A copy is made before the first step, so that whatever happens midway the file is either
the old one or the new one, and the old one is still there.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

from engine.core.errors import JournalError
from engine.journal.codec import decode
from engine.journal.knowledge import TABLES as KNOWLEDGE
from engine.journal.lived import KINDS
from engine.journal.projections import project
from engine.journal.schema import (
    ADAPTATIONS,
    BREAKERS,
    CHANGES,
    FOLLOWED,
    FUNDING,
    GUARDS,
    HELD_BARS,
    LEARNING,
    NEWS,
    OUTLOOKS,
    QUIET,
    VERSION,
    statements,
)

Step = Callable[[sqlite3.Connection], None]


def _add_funding(connection: sqlite3.Connection) -> None:
    """Version 2 keeps the funding of perpetuals; no event of version 1 tells of any."""
    for statement in statements(FUNDING):
        connection.execute(statement)


def _add_breakers(connection: sqlite3.Connection) -> None:
    """Version 3 keeps breakers apart from the control states, and the newest outlooks."""
    connection.execute("ALTER TABLE circuit_breaker_events RENAME TO control_before")
    for statement in statements(OUTLOOKS + BREAKERS):
        connection.execute(statement)
    connection.execute("INSERT INTO control_history SELECT * FROM control_before")
    connection.execute("DROP TABLE control_before")


def _add_held_bars(connection: sqlite3.Connection) -> None:
    """Version 4 keeps the bars through which a position was held; older ones kept none."""
    for statement in statements(HELD_BARS):
        connection.execute(statement)


def _add_learning(connection: sqlite3.Connection) -> None:
    """Version 5 keeps the ledger of changes and its evidence; before it nothing learned."""
    for statement in statements(LEARNING + ADAPTATIONS + GUARDS):
        connection.execute(statement)


def _tell_more_of_the_unmade(connection: sqlite3.Connection) -> None:
    """Version 6 tells more of trades that were not made; of older ones that is not known."""
    connection.execute("ALTER TABLE counterfactuals RENAME TO counterfactuals_before")
    for statement in statements(FOLLOWED):
        connection.execute(statement)
    known = "id, timestamp, symbol, kind, code, price, direction, pnl_pct, ended, marks, seq"
    connection.execute(
        f"INSERT INTO counterfactuals ({known}) SELECT {known} FROM counterfactuals_before"
    )
    connection.execute("DROP TABLE counterfactuals_before")


def _add_knowledge(connection: sqlite3.Connection) -> None:
    """Version 7 keeps what is known of coins, pairs, patterns and hours, and whole trades."""
    for statement in statements(KNOWLEDGE):
        connection.execute(statement)


def _tell_more_of_changes(connection: sqlite3.Connection) -> None:
    """Version 8 tells what stood before a change and the error of its intervals, so that an
    export is enough to count them again; both are in the events of older files too."""
    connection.execute("DROP VIEW adaptations")
    connection.execute("DROP TABLE changes")
    for statement in statements(CHANGES + ADAPTATIONS):
        connection.execute(statement)
    rows = connection.execute("SELECT seq, body FROM events WHERE kind = 'change' ORDER BY seq")
    for seq, body in rows.fetchall():
        for statement, values in project(decode(body), seq):
            connection.execute(statement, values)


def _tell_more_of_knowledge(connection: sqlite3.Connection) -> None:
    """Version 9 tells what a person decided on pairs, patterns and insights, and the aggressors'
    volume before an entry; whatever an older file knows of it is in its events."""
    tables = re.findall(r"CREATE TABLE (\w+)", KNOWLEDGE)
    for table in tables:
        connection.execute(f"DROP TABLE {table}")
    for statement in statements(KNOWLEDGE):
        connection.execute(statement)
    marks = ", ".join("?" * len(KINDS))
    rows = connection.execute(
        f"SELECT seq, body FROM events WHERE kind IN ({marks}) ORDER BY seq", sorted(KINDS)
    )
    for seq, body in rows.fetchall():
        for statement, values in project(decode(body), seq):
            connection.execute(statement, values)


def _add_quiet(connection: sqlite3.Connection) -> None:
    """Version 10 keeps decisions at which nobody spoke; older ones kept none."""
    for statement in statements(QUIET):
        connection.execute(statement)


def _add_news(connection: sqlite3.Connection) -> None:
    """Version 11 keeps headlines; older files have none."""
    for statement in statements(NEWS):
        connection.execute(statement)


STEPS: Mapping[int, Step] = {
    1: _add_funding,
    2: _add_breakers,
    3: _add_held_bars,
    4: _add_learning,
    5: _tell_more_of_the_unmade,
    6: _add_knowledge,
    7: _tell_more_of_changes,
    8: _tell_more_of_knowledge,
    9: _add_quiet,
    10: _add_news,
}
"""By the version a step starts from; version 1 is the first that was released."""


def migrate(
    connection: sqlite3.Connection,
    path: Path,
    version: int,
    steps: Mapping[int, Step] = STEPS,
    target: int = VERSION,
) -> Path:
    """Bring `connection` from `version` to `target`; returns the copy that was made.

    Raises `JournalError` when a step is missing; any other error leaves the file at the
    version that its last whole step reached.
    """
    missing = [at for at in range(version, target) if at not in steps]
    if missing:
        raise JournalError(
            f"{path.name} has schema {version}, which this version can't bring to {target}",
            "use the version that wrote it",
        )
    copy = path.with_name(f"{path.stem}.v{version}{path.suffix}")
    if not copy.exists():
        part = copy.with_name(copy.name + ".part")
        part.unlink(missing_ok=True)
        with contextlib.closing(sqlite3.connect(part)) as other:
            connection.backup(other)
        os.replace(part, copy)
    for at in range(version, target):
        connection.execute("BEGIN IMMEDIATE")
        try:
            steps[at](connection)
            connection.execute(f"PRAGMA user_version = {at + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    return copy
