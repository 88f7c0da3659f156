"""The other process of the journal's fault tests: it appends, tells what is committed, and
is killed or starved by the driver that started it.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

from engine.core.clock import pause
from engine.core.errors import QuarterdeckError
from engine.core.ids import source
from engine.core.records import Filled
from engine.journal import Journal, JournalUnavailable
from engine.journal.migrations import Step, migrate
from tests.faults.story import Story, intent, note


def say(text: str) -> None:
    """One line to the driver, at once."""
    os.write(1, f"{text}\n".encode())


def append(path: Path, seed: int) -> None:
    """Trade until killed; a fill is acknowledged only after its barrier."""
    journal = Journal.open(path, mode="PAPER", feed="SIM")
    last = journal.recovered.ids.get("D", 0)
    say(f"ready {last}")
    story = Story(source(seed, "trades", last), first=last + 1, start_ns=journal.recovered.last_ns)
    while True:
        for group in story.trade():
            journal.append_all(group)
            fills = [record for record in group if isinstance(record, Filled)]
            if fills:
                journal.barrier()
                for record in fills:
                    say(f"fill {record.fill.id}")


def starve(path: Path, room: int) -> None:
    """Meet a full disk: files may not grow by more than `room` bytes, then they may again."""
    journal = Journal.open(path, mode="PAPER", feed="SIM")
    journal.append(note("before"))
    journal.barrier()
    log = path.with_name(path.name + "-wal")
    allowed = max(log.stat().st_size + room, 2_200_000)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (allowed, hard))
    number = 0
    while True:
        number += 1
        record = intent(number)
        journal.append(record)
        try:
            journal.barrier()
        except JournalUnavailable:
            say(f"refused {number} {journal.state}")
            break
        say(f"committed {number}")
        for _ in range(200):
            journal.append(note("x" * 1000))
    journal.emergency(record)
    say(f"emergency {number}")
    if os.environ.get("DIE"):
        os.kill(os.getpid(), 9)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    for _ in range(100):
        with contextlib.suppress(JournalUnavailable):
            journal.barrier()
            break
        pause(0.05)
    say(f"recovered {journal.state} {journal.pending}")
    journal.close()


def own(path: Path) -> None:
    """Try to own the journal, and hold it until the driver closes our input."""
    try:
        journal = Journal.open(path, mode="PAPER", feed="SIM")
    except QuarterdeckError as error:
        say(f"{type(error).__name__} {error.message}")
        return
    say(f"owner {os.getpid()}")
    sys.stdin.read()
    journal.close()


def upgrade(path: Path) -> None:
    """Migrate by two synthetic versions, slowly enough to be killed anywhere."""

    def step(table: str) -> Step:
        def run(connection: sqlite3.Connection) -> None:
            connection.execute(f"CREATE TABLE {table} (n INTEGER)")
            for n in range(300):
                connection.execute(f"INSERT INTO {table} VALUES (?)", (n,))
            say(f"in {table}")

        return run

    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        say(f"from {version}")
        steps = {version: step("second"), version + 1: step("third")}
        migrate(connection, path, version, steps, version + 2)
        say("done")


def crash(path: Path) -> None:
    """End with an unhandled exception while the journal is open and has work."""
    journal = Journal.open(path, mode="PAPER", feed="SIM")
    journal.append(note("the last words"))
    raise RuntimeError("on purpose")


if __name__ == "__main__":
    name, target, *rest = sys.argv[1:]
    acts: dict[str, Callable[..., None]] = {
        "append": append,
        "starve": starve,
        "own": own,
        "upgrade": upgrade,
        "crash": crash,
    }
    acts[name](Path(target), *map(int, rest))
