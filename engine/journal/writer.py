"""The journal's thread: takes what is queued and commits it in groups.

The kernel must not wait for a disk unless it asks to (`barrier`), so records queue here and
go out together: at once when somebody waits, otherwise within `GROUP_S`.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from engine.core.clock import monotonic_ns
from engine.core.errors import QuarterdeckError
from engine.core.records import TELEMETRY, AnyRecord
from engine.journal.adapter import SqliteThread
from engine.journal.errors import JournalUnavailable
from engine.journal.store import Entry, Store, is_durable

GROUP_S = 0.05  # the longest that a record nobody waits for stays in memory
BATCH = 5_000  # records in one transaction: a few ten milliseconds of work
TELEMETRY_BACKLOG = 10_000  # behind by so many, measurements are dropped and counted
BACKLOG = 100_000  # behind by so many on a failing disk, all but durable records are
BUSY_MS = 200  # how long SQLite waits for somebody else's lock in one attempt
RETRY_S = (0.02, 0.5)  # first and longest pause between attempts
CHECKPOINT_IDLE_S = 0.25
CHECKPOINT_PAGES = 2_000  # about 8 MB of log: worth a checkpoint in a quiet moment
CHECKPOINT_FORCED = 50_000  # about 200 MB: worth one at any moment


class Writer:
    """Queue, thread and connection of one open journal.

    `state` is `ok` or says what is wrong; `pending` counts what is not on disk.
    """

    def __init__(self, path: Path, store: Store) -> None:
        self.state = "ok"
        self.dropped = 0
        self.last_commit_us = 0.0
        self.seq = store.seq
        self._path = path
        self._store = store
        self._queue: deque[Entry] = deque()
        self._inflight: list[Entry] = []
        self._recent: deque[list[Entry]] = deque(maxlen=64)
        self._lock = threading.Lock()
        self._done = threading.Condition()
        self._committed = store.seq
        self._wanted = 0
        self._failures = 0
        self._blocked = False
        self._stopping = False
        self._give_up_ns = 0
        self._idle = False
        self._pages = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.Event | None = None
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="qd-journal", daemon=True)

    def start(self) -> None:
        """Connect; raises what the connection raised."""
        self._thread.start()
        self._started.wait()
        if self.state != "ok":
            raise JournalUnavailable(f"the journal's thread did not start: {self.state}")

    @property
    def pending(self) -> int:
        return len(self._queue) + len(self._inflight)

    def append(self, record: AnyRecord) -> int:
        """Queue a record and return its seq (for telemetry that of the last event)."""
        if len(self._queue) >= TELEMETRY_BACKLOG and not self._room_for(record):
            return self.seq
        with self._lock:
            if type(record) in TELEMETRY:
                self._queue.append((0, record, False))
            else:
                self.seq += 1
                self._queue.append((self.seq, record, False))
            seq = self.seq
        self._rouse()
        return seq

    def append_all(self, records: Sequence[AnyRecord]) -> list[int]:
        """Queue records that belong together: all of them reach the disk, or none."""
        if len(self._queue) >= TELEMETRY_BACKLOG and not any(map(self._room_for, records)):
            return [self.seq] * len(records)
        seqs: list[int] = []
        left = len(records)
        with self._lock:
            for record in records:
                left -= 1
                if type(record) in TELEMETRY:
                    self._queue.append((0, record, left > 0))
                else:
                    self.seq += 1
                    self._queue.append((self.seq, record, left > 0))
                seqs.append(self.seq)
        self._rouse()
        return seqs

    def _room_for(self, record: AnyRecord) -> bool:
        """Whether a writer this far behind still takes the record; counts what it drops."""
        if type(record) not in TELEMETRY:
            if len(self._queue) < BACKLOG or is_durable(record):
                return True
            if self.state == "ok":
                self._breathe()
                return True
        self.dropped += 1
        return False

    def _breathe(self) -> None:
        """Let a healthy writer catch up with a replay that is faster than the disk.

        Dropping here would make two runs of the same market differ.
        """
        self._signal()
        with self._done:
            self._done.wait_for(lambda: len(self._queue) < BACKLOG or self.state != "ok", 1.0)

    def barrier(self, timeout_s: float) -> None:
        """Return when all appended so far is on disk, or raise `JournalUnavailable`.

        A lock or a slow disk is waited for until the timeout; a full or broken disk is
        reported at the first failed attempt, because waiting would not help an exit.
        """
        target = self.seq
        if self._committed >= target:
            return
        self._wanted = max(self._wanted, target)
        failures = self._failures
        self._signal()

        def settled() -> bool:
            failed = self._failures > failures and self._blocked
            return self._committed >= target or failed or not self._thread.is_alive()

        with self._done:
            self._done.wait_for(settled, timeout_s)
        if self._committed >= target:
            return
        reason = self.state if self.state != "ok" else f"no commit within {timeout_s:g} s"
        raise JournalUnavailable(
            f"the journal could not commit: {reason}",
            "nothing was sent; what is queued is tried again by itself",
        )

    def whereabouts(self, record: AnyRecord) -> tuple[int, bool] | None:
        """The seq of this very object and whether it is committed; None if never appended."""
        with self._lock:
            waiting = [*self._inflight, *self._queue]
            recent = [entry for batch in self._recent for entry in batch]
        for entries, committed in ((waiting, False), (recent, True)):
            for seq, known, _ in reversed(entries):
                if known is record:
                    return seq, committed
        return None

    def stop(self, timeout_s: float) -> list[Entry]:
        """Drain, checkpoint and end the thread; returns what could not be written."""
        self._give_up_ns = monotonic_ns() + int(timeout_s * 1e9)
        self._stopping = True
        self._signal()
        self._thread.join(timeout_s + 5.0)
        with self._lock:
            return [*self._inflight, *self._queue]

    def _rouse(self) -> None:
        """Wake a writer that rests; once, since a signal is a system call."""
        if self._idle:
            self._idle = False
            self._signal()

    def _signal(self) -> None:
        loop, wake = self._loop, self._wake
        if loop is not None and wake is not None:
            # The loop may end between the look and the call.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(wake.set)

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except Exception as error:  # noqa: BLE001 - told as a state, never lost in a thread
            self.state = _explain(error)
        finally:
            self._loop = None
            self._started.set()
            if self.state == "ok":
                self.state = "closed"
            with self._done:
                self._done.notify_all()

    async def _main(self) -> None:
        sqlite = await SqliteThread.open(self._path, "qd-journal-sqlite", BUSY_MS)
        try:
            await sqlite.run(_prepare)
            self._pages = _log_pages(self._path)
            self._loop, self._wake = asyncio.get_running_loop(), asyncio.Event()
            self._started.set()
            await self._work(sqlite)
            with contextlib.suppress(sqlite3.Error):
                await sqlite.run(lambda c: c.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
        finally:
            await sqlite.close()

    async def _work(self, sqlite: SqliteThread) -> None:
        while True:
            if not self._inflight and not self._queue:
                if self._stopping:
                    return
                await self._rest(sqlite)
                continue
            if not self._inflight:
                if self._wanted <= self._committed and len(self._queue) < BATCH:
                    await self._wait(GROUP_S)
                with self._lock:
                    self._inflight = self._next_batch()
            if not await self._attempt(sqlite) and self._stopping and self._too_late():
                return

    def _next_batch(self) -> list[Entry]:
        """The oldest records; never ends inside a group, or a crash could keep half of it."""
        queue = self._queue
        batch = [queue.popleft() for _ in range(min(len(queue), BATCH))]
        while queue and batch[-1][2]:
            batch.append(queue.popleft())
        return batch

    async def _rest(self, sqlite: SqliteThread) -> None:
        """Wait for work; in a quiet moment move the log into the database."""
        self._idle = True
        try:
            if self._queue or self._stopping:
                return
            if self._pages < CHECKPOINT_PAGES:
                await self._wait(None)
            elif not await self._wait(CHECKPOINT_IDLE_S):
                await self._checkpoint(sqlite)
        finally:
            self._idle = False

    async def _wait(self, seconds: float | None) -> bool:
        """Until somebody signals (True) or the time is over."""
        wake = self._wake
        assert wake is not None
        try:
            async with asyncio.timeout(seconds):
                await wake.wait()
        except TimeoutError:
            return False
        wake.clear()
        return True

    async def _attempt(self, sqlite: SqliteThread) -> bool:
        batch = self._inflight
        try:
            await sqlite.run(lambda connection: self._commit(connection, batch))
        except (sqlite3.Error, QuarterdeckError, OSError, OverflowError) as error:
            self._failures += 1
            self._blocked = not _is_lock(error)
            self.state = _explain(error)
            with self._done:
                self._done.notify_all()
            pause = min(RETRY_S[0] * 2 ** min(self._failures, 6), RETRY_S[1])
            await self._wait(pause)
            return False
        if self._pages >= CHECKPOINT_FORCED:
            await self._checkpoint(sqlite)
        return True

    def _commit(self, connection: sqlite3.Connection, batch: list[Entry]) -> None:
        """On SQLite's thread: commit and wake whoever waits, without a detour."""
        began = monotonic_ns()
        self._store.write(connection, batch)
        self.last_commit_us = (monotonic_ns() - began) / 1000
        self._pages += 8 + len(batch) // 4
        with self._lock:
            self._recent.append(batch)
            self._inflight = []
        with self._done:
            self._committed = self._store.seq
            self._blocked = False
            self.state = "ok"
            self._done.notify_all()

    async def _checkpoint(self, sqlite: SqliteThread) -> None:
        try:
            await sqlite.run(lambda c: c.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall())
            self._pages = 0
        except sqlite3.Error as error:
            # The log still holds everything; the next quiet moment tries again.
            self.state = _explain(error)
            self._pages = CHECKPOINT_PAGES

    def _too_late(self) -> bool:
        return monotonic_ns() >= self._give_up_ns


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute("PRAGMA wal_autocheckpoint = 0").fetchall()
    connection.execute("PRAGMA cache_size = -16000")


def _log_pages(path: Path) -> int:
    """How many pages a killed engine left in its log."""
    with contextlib.suppress(OSError):
        return path.with_name(path.name + "-wal").stat().st_size // 4096
    return 0


def _is_lock(error: BaseException) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _explain(error: BaseException) -> str:
    """What is wrong, in a few words for a status line."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    known = {
        sqlite3.SQLITE_FULL: "the disk is full",
        sqlite3.SQLITE_BUSY: "another program holds the journal locked",
        sqlite3.SQLITE_LOCKED: "another program holds the journal locked",
        sqlite3.SQLITE_IOERR: "the disk reports an error",
        sqlite3.SQLITE_READONLY: "the journal became read-only",
        sqlite3.SQLITE_CORRUPT: "the journal file is damaged",
        sqlite3.SQLITE_NOTADB: "the journal file is damaged",
    }
    return known.get(code) or f"{type(error).__name__}: {error}"
