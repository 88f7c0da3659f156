"""Fault drivers for the journal: kills, power cuts, flipped bytes, full and locked disks.

Each takes its count and its seed and returns figures to compare with the rows F1 to F10;
the tests ask for few, the soak for many.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.core.errors import JournalError, JournalLocked
from engine.core.ids import source
from engine.core.records import Filled
from engine.core.types import Control
from engine.journal import Journal, JournalDamaged, JournalUnavailable, Reader, Recovered
from engine.journal.adapter import SqliteThread
from engine.journal.backup import back_up, check, restore
from engine.journal.emergency import beside
from engine.journal.schema import VERSION
from tests.faults.story import Story, control, intent, note

ROOT = Path(__file__).resolve().parents[2]


def child(act: str, path: Path, *numbers: int, **environment: str) -> subprocess.Popen[bytes]:
    """Start one act of `journal_child` on a journal."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.faults.journal_child", act, str(path), *map(str, numbers)],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def finish(process: subprocess.Popen[bytes], timeout: float = 30.0) -> tuple[list[str], str]:
    """The lines that a child said, and its errors."""
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        process.kill()
    return out.decode().splitlines(), err.decode()


def open_paper(path: Path, fresh: bool = False) -> Journal:
    return Journal.open(path, mode="PAPER", feed="SIM", fresh=fresh)


@dataclass
class Kills:
    """F1 at the journal: what came of fills that were acknowledged before SIGKILL."""

    kills: int = 0
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    divided: list[str] = field(default_factory=list)


def kill_while_appending(folder: Path, seed: int, kills: int) -> Kills:
    """Kill a trading child again and again on one journal and compare with what it said."""
    result, rng = Kills(), source(seed, "kills")
    path = folder / "killed.db"
    told: set[str] = set()
    for _ in range(kills):
        process = child("append", path, seed)
        assert process.stdout is not None
        enough = rng.randrange(1, 60)
        said = 0
        for line in process.stdout:
            word, _, name = line.decode().strip().partition(" ")
            if word == "fill":
                told.add(name)
                said += 1
            if said >= enough:
                break
        process.kill()
        # Lines that were already in the pipe were acknowledged as well.
        rest, _ = process.communicate()
        told.update(
            line.split()[1] for line in rest.decode().split("\n")[:-1] if line.startswith("fill")
        )
        result.kills += 1
    result.acknowledged = len(told)
    with open_paper(path) as journal, Reader(path) as reader:
        reader.verify()
        events = reader.events(limit=-1)
        names = [e.record.fill.id for e in events if isinstance(e.record, Filled)]
        result.lost = sorted(told - set(names))
        result.doubled = sorted({name for name in names if names.count(name) > 1})
        # A fill is appended with its order and its account: all of them, or none.
        kinds = [event.kind for event in events]
        for at, event in enumerate(events):
            if event.kind == "fill" and kinds[at + 1] != "order":
                result.divided.append(str(event.seq))
            if event.kind == "fill" and "account" not in kinds[at + 1 : at + 5]:
                result.divided.append(str(event.seq))
        assert {fill.id for fill in journal.recovered.fills} == set(names)
    return result


@dataclass
class Cuts:
    """F3: images of a disk that lost power, and what an engine made of them."""

    cuts: int = 0
    lost: int = 0
    refused: list[str] = field(default_factory=list)
    unnoticed: int = 0
    lies: int = 0


def _image(source_path: Path, target: Path, log: bytes, mark: bytes) -> None:
    shutil.copyfile(source_path, target)
    target.with_name(target.name + "-wal").write_bytes(log)
    beside(target).write_bytes(mark)
    target.with_name(target.name + "-shm").unlink(missing_ok=True)


def cut_power(folder: Path, seed: int, cuts: int, trades: int = 12) -> Cuts:
    """Cut the log anywhere after the last sync, sometimes with rubbish behind the cut.

    Every second image also cuts below what was synced, as a disk that lies about syncing
    would: that must be noticed, never silently accepted.
    """
    result, rng = Cuts(), source(seed, "cuts")
    path = folder / "power.db"
    log_path = path.with_name(path.name + "-wal")
    moments: list[tuple[int, int, bytes]] = []
    journal = open_paper(path)
    journal.append(note("first"))
    for group in Story(source(seed, "trades")).groups(trades):
        journal.append_all(group)
        if any(isinstance(record, Filled) for record in group):
            journal.barrier()
            moments.append((journal.seq, log_path.stat().st_size, beside(path).read_bytes()))
    whole = log_path.read_bytes()
    database = folder / "power-image.db"
    shutil.copyfile(path, database)
    journal.close()
    for number in range(cuts):
        at = rng.randrange(len(moments))
        seq, size, mark = moments[at]
        upper = moments[at + 1][1] if at + 1 < len(moments) else len(whole)
        image = folder / f"cut-{number}.db"
        below = number % 2 == 1
        length = rng.randrange(32, size) if below else rng.randrange(size, upper + 1)
        log = whole[:length]
        if rng.random() < 0.5:
            log += rng.randbytes(rng.randrange(1, 9_000))
        _image(database, image, log, mark)
        result.cuts += 1
        try:
            with open_paper(image) as opened:
                reached = opened.recovered.last_seq
        except JournalDamaged as error:
            if below:
                result.lies += 1
            else:
                result.refused.append(str(error))
        else:
            if below:
                result.unnoticed += 1
            elif reached < seq:
                result.lost += 1
        _remove(image)
    return result


def _remove(path: Path) -> None:
    for other in path.parent.glob(path.name + "*"):
        other.unlink()


@dataclass
class Flips:
    """F3: single flipped bytes; silent ones that changed what an engine believes."""

    flips: int = 0
    refused: int = 0
    harmless: int = 0
    wrong: list[str] = field(default_factory=list)


def _belief(state: Recovered) -> dict[str, Any]:
    # As text: marks, bounds and means may be NaN, which equals nothing.
    as_they_are = ("fills", "positions")
    return {
        name: getattr(state, name) if name in as_they_are else repr(getattr(state, name))
        for name in state.__struct_fields__
        if name != "folded"
    }


def flip_bytes(folder: Path, seed: int, flips: int, trades: int = 12) -> Flips:
    """Flip one byte in a killed engine's files and compare what the next one believes.

    The files are a database, a log that was not yet moved into it, and an emergency log
    with a record that only it has.
    """
    result, rng = Flips(), source(seed, "flips")
    path = folder / "flip.db"
    groups = list(Story(source(seed, "trades")).groups(trades))
    half = len(groups) // 2
    with open_paper(path) as journal:
        for group in groups[:half]:
            journal.append_all(group)
    journal = open_paper(path)
    for group in groups[half:]:
        journal.append_all(group)
    journal.barrier()
    files = [path, path.with_name(path.name + "-wal"), beside(path)]
    kept = [file.read_bytes() for file in files]
    journal.close()
    last = journal.seq
    emergency = _with_entry(folder, kept, last)
    kept[2] = emergency
    interesting = [len(kept[0]), len(kept[1]), len(emergency.rstrip(b"\x00"))]
    base = folder / "flip-base.db"
    _put(base, kept)
    with open_paper(base) as opened:
        expected, digest = _belief(opened.recovered), opened.digest()
    for number in range(flips):
        which = rng.choices((0, 1, 2), (4, 4, 1))[0]
        at = rng.randrange(interesting[which])
        damaged = [bytearray(content) for content in kept]
        damaged[which][at] ^= rng.randrange(1, 256)
        image = folder / f"flip-{number}.db"
        _put(image, [bytes(content) for content in damaged])
        result.flips += 1
        try:
            with open_paper(image) as opened:
                same = _belief(opened.recovered) == expected and opened.digest() == digest
                with Reader(image) as reader:
                    money = [fill.price for fill in reader.fills(-1)]
                    positions = reader.positions()
                same = same and money == [f.price for f in expected["fills"]][::-1]
                same = same and sorted(p.id for p, _ in positions) == sorted(
                    p.id for p, _ in expected["positions"]
                )
            if same:
                result.harmless += 1
            else:
                result.wrong.append(f"{files[which].name} at {at}")
        except JournalError:
            result.refused += 1
        _remove(image)
    return result


def _put(path: Path, contents: list[bytes]) -> None:
    _remove(path)
    path.write_bytes(contents[0])
    path.with_name(path.name + "-wal").write_bytes(contents[1])
    beside(path).write_bytes(contents[2])


def _with_entry(folder: Path, kept: list[bytes], last: int) -> bytes:
    """The emergency file after an exit intent that only it could take."""
    path = folder / "entry.db"
    _put(path, kept)
    journal = open_paper(path)
    with locked(path):
        record = intent(9_001)
        journal.append(record)
        journal.emergency(record)
        content = beside(path).read_bytes()
    journal.close()
    _remove(path)
    return content


@contextlib.contextmanager
def locked(path: Path) -> Any:
    """Another program holds the database's write lock."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@dataclass
class Locks:
    """F5: how often a barrier passed although nothing could be committed."""

    runs: int = 0
    passed: int = 0
    stuck: int = 0
    lost: int = 0


def hold_lock(folder: Path, seed: int, runs: int, timeout_s: float = 0.15) -> Locks:
    """Lock the file for longer than a barrier waits, then let go."""
    result = Locks()
    path = folder / "locked.db"
    with open_paper(path) as journal:
        for number in range(1, runs + 1):
            with locked(path):
                journal.append(intent(number))
                try:
                    journal.barrier(timeout_s)
                    result.passed += 1
                except JournalUnavailable:
                    pass
            try:
                journal.barrier(5.0)
            except JournalUnavailable:
                result.stuck += 1
            result.runs += 1
        with Reader(path) as reader:
            result.lost = runs - len(reader.orders(-1))
    return result


@dataclass
class Cancels:
    """F6: transactions whose caller was cancelled, and those that were half done."""

    started: int = 0
    cancelled: int = 0
    whole: int = 0
    partial: int = 0


def cancel_transactions(folder: Path, seed: int, count: int) -> Cancels:
    """Cancel tasks at random moments of their transaction; each writes three rows."""
    result, rng = Cancels(), source(seed, "cancels")

    def transaction(connection: sqlite3.Connection, number: int) -> None:
        connection.execute("BEGIN IMMEDIATE")
        for part in range(3):
            connection.execute("INSERT INTO t VALUES (?, ?)", (number, part))
        connection.execute("COMMIT")

    async def main() -> None:
        sqlite = await SqliteThread.open(folder / "cancel.db", "qd-journal-test", 200)
        try:
            await sqlite.run(lambda c: c.execute("PRAGMA journal_mode = WAL").fetchall())
            await sqlite.run(lambda c: c.execute("CREATE TABLE t (number, part)").fetchall())
            for number in range(count):
                task = asyncio.ensure_future(sqlite.run(lambda c, n=number: transaction(c, n)))  # type: ignore[misc]
                for _ in range(rng.randrange(0, 4)):
                    await asyncio.sleep(0)
                task.cancel()
                result.started += 1
                try:
                    await task
                except asyncio.CancelledError:
                    result.cancelled += 1
            await sqlite.drain()
            rows = await sqlite.run(
                lambda c: c.execute("SELECT count(*) FROM t GROUP BY number").fetchall()
            )
            result.whole = sum(1 for row in rows if row[0] == 3)
            result.partial = len(rows) - result.whole
        finally:
            await sqlite.close()

    asyncio.run(main())
    return result


@dataclass
class Backups:
    """F9: hot backups, and those that did not come back with the same hash."""

    made: int = 0
    unequal: int = 0


def back_up_under_load(folder: Path, seed: int, count: int) -> Backups:
    """Back up while another thread appends; restore each and compare digests."""
    result = Backups()
    path = folder / "busy.db"
    stop = threading.Event()
    with open_paper(path) as journal:
        journal.append(note("first"))
        journal.barrier()

        def work() -> None:
            # Paced: as fast as it goes, the file would outgrow what a backup can follow.
            while not stop.wait(0.01):
                for group in Story(source(seed, "load")).groups(3):
                    journal.append_all(group)
                journal.barrier()

        thread = threading.Thread(target=work, name="qd-test-load", daemon=True)
        thread.start()
        try:
            for number in range(count):
                backup = back_up(path, folder / f"backup-{number}.db")
                result.made += 1
                restored = restore(backup.path, folder / f"restored-{number}.db")
                with Reader(path) as reader:
                    original = reader.digest(until=backup.last_seq)
                with open_paper(restored.path) as again:
                    again_digest = again.digest()
                if not backup.digest == original == again_digest == check(backup.path).digest:
                    result.unequal += 1
        finally:
            stop.set()
            thread.join()
    return result


def race_to_own(folder: Path, races: int, contenders: int = 4) -> list[int]:
    """F10: how many engines owned the file in each race."""
    owners: list[int] = []
    for race in range(races):
        path = folder / f"race-{race}.db"
        start = threading.Barrier(contenders)
        won: list[Journal] = []
        refused: list[JournalLocked] = []

        def contend(
            path: Path = path,
            start: threading.Barrier = start,
            won: list[Journal] = won,
            refused: list[JournalLocked] = refused,
        ) -> None:
            start.wait()
            try:
                won.append(open_paper(path))
            except JournalLocked as error:
                refused.append(error)

        threads = [threading.Thread(target=contend, daemon=True) for _ in range(contenders)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        owners.append(len(won) if len(won) + len(refused) == contenders else -1)
        for journal in won:
            journal.close()
    return owners


@dataclass
class Upgrades:
    """F8: files that were killed midway, by what they were afterwards."""

    kills: int = 0
    untouched: int = 0
    stepped: int = 0
    upgraded: int = 0
    broken: list[str] = field(default_factory=list)


def kill_while_upgrading(folder: Path, seed: int, kills: int) -> Upgrades:
    """Kill a migration by two synthetic versions after a random line it said."""
    result, rng = Upgrades(), source(seed, "upgrades")
    original = folder / "old.db"
    with open_paper(original) as journal:
        journal.append(control(Control.HALTED))
        journal.barrier()
        digest = journal.digest()
    for number in range(kills):
        path = folder / f"upgrade-{number}.db"
        shutil.copyfile(original, path)
        process = child("upgrade", path)
        assert process.stdout is not None
        for _ in range(rng.randrange(1, 5)):
            process.stdout.readline()
        process.kill()
        process.communicate()
        result.kills += 1
        with contextlib.closing(sqlite3.connect(path)) as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema")}
            counts = [
                connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
                for name in ("second", "third")
                if name in tables
            ]
            whole = connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        if not whole or counts != [300] * (version - VERSION):
            result.broken.append(f"version {version} with {counts}")
        result.untouched += version == VERSION
        result.stepped += version == VERSION + 1
        result.upgraded += version == VERSION + 2
        copy = path.with_name(f"{path.stem}.v{VERSION}.db")
        if version > VERSION and check(copy).digest != digest:
            result.broken.append("the copy is not the old file")
    return result
