"""The journal's tables of control states and breakers, also in a file from before breakers."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from engine.core.records import BreakerChanged, ControlChanged
from engine.core.types import Actor, BreakerState, Control
from engine.core.views import BreakerView
from engine.journal.journal import Journal
from engine.journal.queries import Reader

HALT = ControlChanged(time_ns=1, state=Control.HALTED, reason="once", who=Actor.PERSON)


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


def test_control_states_of_an_older_file_move_to_their_own_table(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with Journal.open(path, mode="PAPER", feed="SIM") as journal:
        journal.append(HALT)
        journal.barrier()
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "DROP TABLE outlooks; DROP TABLE circuit_breaker_events;"
            "CREATE TABLE circuit_breaker_events (seq INTEGER PRIMARY KEY, timestamp INTEGER,"
            "state TEXT, reason TEXT, who TEXT);"
            "INSERT INTO circuit_breaker_events SELECT * FROM control_history;"
            "DROP TABLE control_history; PRAGMA user_version = 2;"
        )
    connection.close()
    with Journal.open(path, mode="PAPER", feed="SIM") as journal:
        journal.append(changed(BreakerState.OPEN, 2))
        journal.barrier()
    with Reader(path) as reader:
        assert [one.reason for one in reader.controls()] == ["once"]
        assert len(reader.breakers()) == 1
        assert reader.outlooks() == []
        reader.verify()
    assert (tmp_path / "a.v2.db").exists()
