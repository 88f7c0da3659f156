"""One engine per journal: an exclusive lock that dies with its process.

The lock is the kernel's (`flock`), so that no stale file can keep a new engine out after a
kill; the file's text only tells who holds it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import weakref
from pathlib import Path

from engine.core.errors import JournalError, JournalLocked


class EngineLock:
    """Holds NAME.lock beside a journal until `release` or the end of the process.

    Raises `JournalLocked` when another engine has it, `JournalError` when the folder does
    not let us write.
    """

    def __init__(self, journal: Path) -> None:
        self.path = journal.with_name(journal.name + ".lock")
        self._fd = -1
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise JournalError(
                f"can't write beside the journal {journal}: {error.strerror}",
                "give the journal a folder that you may write to",
            ) from None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(fd)
            raise JournalLocked(
                f"another engine owns the journal {journal.name}, process {owner}",
                "watch that one, or end it before starting a second",
            ) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd
        _held.add(self)

    def release(self) -> None:
        """Let go; safe twice. The file stays, since removing it would race with an owner."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = -1

    def forget(self) -> None:
        """Close a forked child's copy, so that a child can't keep the lock of a dead engine."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


_held: weakref.WeakSet[EngineLock] = weakref.WeakSet()


def _after_fork() -> None:
    for lock in list(_held):
        lock.forget()


os.register_at_fork(after_in_child=_after_fork)
