"""The journal as the kernel sees it: append, wait for the disk, recover.

What happened is written before anything that follows from it happens, so the kernel appends
a record and, where an effect depends on it, waits at the barrier.
"""

from __future__ import annotations

import atexit
from collections.abc import Sequence
from pathlib import Path

from engine.core.records import AnyRecord
from engine.journal.codec import encode
from engine.journal.emergency import EmergencyLog
from engine.journal.errors import JournalUnavailable
from engine.journal.lock import EngineLock
from engine.journal.opening import check_place, open_file, put_back, set_aside
from engine.journal.queries import Reader
from engine.journal.recovered import Recovered
from engine.journal.store import is_durable
from engine.journal.writer import Writer

CLOSE_S = 5.0  # how long closing tries to write what is left


class Journal:
    """An open journal: one writer, owned by one engine. Make it with `open`.

    `recovered` is the state at opening; `moved_aside` where an older journal went when a
    fresh one was asked for.
    """

    def __init__(
        self,
        path: Path,
        lock: EngineLock,
        writer: Writer,
        emergency: EmergencyLog,
        recovered: Recovered,
        moved_aside: Path | None,
        made: bool,
    ) -> None:
        self.path = path
        self.recovered = recovered
        self.moved_aside = moved_aside
        self._made = made
        self._lock = lock
        self._writer = writer
        self._emergency = emergency
        self._closed = False
        # Daemon threads never hold up the interpreter; this lets them finish their work.
        atexit.register(self.close)

    @classmethod
    def open(cls, path: Path, *, mode: str, feed: str, fresh: bool = False) -> Journal:
        """Open or create the journal of a mode and feed, and recover its state.

        `fresh` starts anew: a journal with events is moved aside as NAME.1.db, never
        deleted. Raises `JournalLocked` when another engine owns it, `JournalDamaged` when
        its bytes are not those that were written, `JournalError` for all else.
        """
        path = Path(path).absolute()
        check_place(path)
        lock = EngineLock(path)
        try:
            moved = set_aside(path) if fresh else None
            made = not path.exists()
            opened = open_file(path, str(mode), str(feed))
            writer = Writer(path, opened.store)
            try:
                writer.start()
            except BaseException:
                opened.emergency.close()
                raise
            finally:
                opened.release()
        except BaseException:
            lock.release()
            raise
        recovered = opened.fold.result(opened.folded)
        return cls(path, lock, writer, opened.emergency, recovered, moved, made)

    @property
    def pending(self) -> int:
        """Records that are not on disk yet."""
        return self._writer.pending

    @property
    def state(self) -> str:
        """`ok`, or what is wrong."""
        return self._writer.state

    @property
    def last_commit_us(self) -> float:
        """How long the last transaction took."""
        return self._writer.last_commit_us

    @property
    def dropped(self) -> int:
        """Telemetry (and, on a failing disk, records without consequence) not kept."""
        return self._writer.dropped

    @property
    def seq(self) -> int:
        """The seq of the last record appended."""
        return self._writer.seq

    def append(self, record: AnyRecord) -> int:
        """Queue a record and return its seq; telemetry has none and returns the last one.

        The record's dicts must not change any more. Durable records are always kept;
        telemetry is dropped while the disk is far behind.
        """
        if self._closed:
            raise JournalUnavailable("the journal is closed", "open it again")
        return self._writer.append(record)

    def append_all(self, records: Sequence[AnyRecord]) -> list[int]:
        """Queue records that belong together: one transaction keeps all of them or none.

        A fill and the position it made are one fact.
        """
        if self._closed:
            raise JournalUnavailable("the journal is closed", "open it again")
        return self._writer.append_all(records)

    def barrier(self, timeout_s: float = 5.0) -> None:
        """Return when everything appended so far is committed.

        Raises `JournalUnavailable` when that can't be had in time; the records stay queued.
        """
        self._writer.barrier(timeout_s)

    def emergency(self, record: AnyRecord) -> None:
        """Commit an exit's record that SQLite can't take to the emergency log.

        Give the very object that was appended (it is appended if it never was): it stays
        queued, and recovery knows that both are one. Raises `JournalUnavailable` when the
        log is full or can't be written either.
        """
        known = self._writer.whereabouts(record)
        seq, committed = known if known is not None else (self.append(record), False)
        if not committed:
            self._emergency.write(seq, encode(record))

    def digest(self) -> str:
        """SHA-256 over all events in order; equal for equal input and seed."""
        self.barrier()
        with Reader(self.path) as reader:
            return reader.digest()

    def close(self) -> None:
        """Write what is queued, checkpoint, end the threads, release the lock; safe twice.

        Durable records that the disk does not take go to the emergency log.
        """
        self._close()

    def give_up(self) -> None:
        """Close after a start that failed; a file that it made anew goes without a trace.

        Whoever mistypes an option finds the last run where it was, not an empty journal.
        """
        self._close(undo=self._made and not self._writer.seq)

    def _close(self, undo: bool = False) -> None:
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self.close)
        left = self._writer.stop(CLOSE_S)
        try:
            written = {entry.seq for entry in self._emergency.entries}
            for seq, record, _ in left:
                if is_durable(record) and seq not in written:
                    self._emergency.write(seq, encode(record))
        finally:
            self._emergency.close()
            if undo:
                put_back(self.path, self.moved_aside)
            self._lock.release()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
