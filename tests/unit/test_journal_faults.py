"""Rows F1, F3 to F6 and F8 to F10 at the journal, with few repetitions; the soak has many."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from engine.journal import Reader
from engine.journal.adapter import SqliteThread
from engine.journal.errors import JournalUnavailable
from tests.faults.journal import (
    back_up_under_load,
    cancel_transactions,
    child,
    cut_power,
    finish,
    flip_bytes,
    hold_lock,
    kill_while_appending,
    kill_while_upgrading,
    open_paper,
    race_to_own,
)
from tests.faults.story import intent, note


def test_kills_lose_no_acknowledged_fill(tmp_path: Path) -> None:
    result = kill_while_appending(tmp_path, seed=11, kills=5)
    assert result.acknowledged > 20
    assert (result.lost, result.doubled, result.divided) == ([], [], [])


def test_power_cuts_lose_nothing_synced_and_lying_disks_are_noticed(tmp_path: Path) -> None:
    result = cut_power(tmp_path, seed=12, cuts=40)
    assert (result.lost, result.refused, result.unnoticed) == (0, [], 0)
    assert result.lies == 20


def test_flipped_bytes_are_harmless_or_refused(tmp_path: Path) -> None:
    result = flip_bytes(tmp_path, seed=13, flips=120)
    assert result.wrong == []
    assert result.refused > 20
    assert result.harmless + result.refused == 120


@pytest.mark.parametrize("room", [20_000, 300_000, 1_500_000])
def test_a_full_disk_is_told_survived_and_left_again(tmp_path: Path, room: int) -> None:
    path = tmp_path / "a.db"
    lines, errors = finish(child("starve", path, room))
    assert lines[-1] == "recovered ok 0", errors
    refused = int(next(line for line in lines if line.startswith("refused")).split()[1])
    with open_paper(path) as journal, Reader(path) as reader:
        assert [order.id for order in journal.recovered.orders] == [
            f"O-{n}" for n in range(1, refused + 1)
        ]
        assert len(reader.events(kind="order", limit=-1)) == refused


def test_a_full_database_refuses_the_barrier_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with open_paper(path) as journal:
        journal.append(note("before"))
        journal.barrier()
        store = journal._writer._store
        write, limit = store.write, [True]

        def limited(connection: sqlite3.Connection, batch: object) -> None:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            bound = pages if limit[0] else 1 << 30
            connection.execute(f"PRAGMA max_page_count = {bound}").fetchall()
            write(connection, batch)  # type: ignore[arg-type]

        store.write = limited  # type: ignore[method-assign, assignment]
        for number in range(1, 40):
            journal.append(intent(number))
        with pytest.raises(Exception, match="the disk is full"):
            journal.barrier(30.0)
        assert journal.state == "the disk is full"
        assert journal.pending == 39
        limit[0] = False
        # An attempt that began before may still fail after.
        with suppress(JournalUnavailable):
            journal.barrier()
        journal.barrier()
        assert (journal.state, journal.pending) == ("ok", 0)


def test_a_failing_checkpoint_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with open_paper(path) as journal:
        journal.append(intent(1))
        journal.barrier()
        writer = journal._writer

        class Failing:
            async def run(self, work: object) -> None:
                raise sqlite3.OperationalError("database or disk is full")

        asyncio.run(writer._checkpoint(Failing()))  # type: ignore[arg-type]
        assert "full" in journal.state
        journal.append(intent(2))
        journal.barrier()
        assert journal.state == "ok"
        with Reader(path) as reader:
            assert len(reader.orders()) == 2


def test_a_locked_file_lets_no_barrier_pass(tmp_path: Path) -> None:
    result = hold_lock(tmp_path, seed=14, runs=2)
    assert (result.passed, result.stuck, result.lost) == (0, 0, 0)


def test_cancelled_transactions_are_whole_or_absent(tmp_path: Path) -> None:
    result = cancel_transactions(tmp_path, seed=15, count=500)
    assert result.cancelled > 400
    assert result.whole > 100
    assert result.partial == 0


def test_backups_under_load_come_back_equal(tmp_path: Path) -> None:
    result = back_up_under_load(tmp_path, seed=16, count=2)
    assert (result.made, result.unequal) == (2, 0)


def test_killed_upgrades_are_whole_steps(tmp_path: Path) -> None:
    result = kill_while_upgrading(tmp_path, seed=17, kills=4)
    assert result.broken == []
    assert result.untouched + result.stepped + result.upgraded == 4


def test_one_engine_wins_every_race(tmp_path: Path) -> None:
    assert set(race_to_own(tmp_path, races=8)) == {1}


def test_the_private_door_of_aiosqlite_is_still_there(tmp_path: Path) -> None:
    """One callable, on the library's own daemon thread, in order, its error to the caller."""

    async def main() -> None:
        sqlite = await SqliteThread.open(tmp_path / "t.db", "qd-journal-guard", 100)
        try:
            thread = await sqlite.run(lambda _: threading.current_thread())
            assert thread.name == "qd-journal-guard"
            assert thread.daemon
            assert thread is not threading.current_thread()
            seen: list[int] = []
            await asyncio.gather(*(sqlite.run(lambda _, n=n: seen.append(n)) for n in range(20)))  # type: ignore[misc]
            assert seen == list(range(20))
            with pytest.raises(sqlite3.OperationalError, match="no such table"):
                await sqlite.run(lambda c: c.execute("SELECT * FROM absent"))
            assert await sqlite.run(lambda c: c.isolation_level) is None
        finally:
            await sqlite.close()

    asyncio.run(main())
