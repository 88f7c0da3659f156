"""The journal's tables of control states and breakers, also in a file from before breakers."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from engine.core.records import BreakerChanged
from engine.core.types import Actor, BreakerState
from engine.core.views import BreakerView
from engine.journal.journal import Journal
from engine.journal.migrations import STEPS
from engine.journal.queries import Reader
from engine.journal.schema import BREAKERS


def changed(state: BreakerState, at: int) -> BreakerChanged:
    view = BreakerView(
        name="runaway", title="runaway strategy", state=state, value=6.0, limit=5.0,
        unit="orders", base="entry orders within one second", since_ns=at, until_ns=0,
        reason="too many", clears="a person's resume", hard=True,
    )  # fmt: skip
    return BreakerChanged(time_ns=at, breaker=view, who=Actor.ENGINE)


def test_the_newest_state_of_a_breaker_is_recovered(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with Journal.open(path, mode="PAPER", feed="SIM") as journal:
        journal.append(changed(BreakerState.OPEN, 1))
        journal.append(changed(BreakerState.CLOSED, 2))
        journal.append(changed(BreakerState.OPEN, 3))
        journal.barrier()
    with Journal.open(path, mode="PAPER", feed="SIM") as journal:
        assert journal.recovered.breakers == (changed(BreakerState.OPEN, 3).breaker,)
    with Reader(path) as reader:
        assert [one.time_ns for one in reader.breakers()] == [3, 2, 1]
        assert [row["state"] for row in reader.table("circuit_breaker_events")] == [
            "OPEN", "CLOSED", "OPEN",
        ]  # fmt: skip


def test_control_states_of_an_older_file_move_to_their_own_table() -> None:
    with sqlite3.connect(":memory:") as connection:
        connection.executescript(
            "CREATE TABLE circuit_breaker_events (seq INTEGER PRIMARY KEY, timestamp INTEGER,"
            "state TEXT, reason TEXT, who TEXT);"
            "INSERT INTO circuit_breaker_events VALUES (7, 1, 'HALTED', 'once', 'person');"
        )
        STEPS[2](connection)
        moved = connection.execute("SELECT * FROM control_history").fetchall()
        assert moved == [(7, 1, "HALTED", "once", "person")]
        for table in ("circuit_breaker_events", "outlooks"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
        columns = connection.execute("PRAGMA table_info(circuit_breaker_events)").fetchall()
        fresh = sqlite3.connect(":memory:")
        fresh.executescript(BREAKERS)
        assert columns == fresh.execute("PRAGMA table_info(circuit_breaker_events)").fetchall()
        fresh.close()
    connection.close()
