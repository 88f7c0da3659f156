"""Copies of a journal that were proven readable, made while the engine runs.

A backup that was never restored is a hope; so each copy is opened, its pages and its chain
are checked, and its digest is compared with the journal's before it gets its name.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from pathlib import Path
from urllib.parse import quote

from engine.core.errors import JournalError
from engine.core.types import Value
from engine.journal.emergency import beside
from engine.journal.lock import EngineLock
from engine.journal.opening import set_aside
from engine.journal.queries import Reader


class Backup(Value, frozen=True):
    """A checked copy: where, up to which event, and its digest."""

    path: Path
    last_seq: int
    digest: str


def back_up(journal: Path, target: Path) -> Backup:
    """Copy a journal through SQLite's backup API and check the copy.

    Never overwrites; raises `JournalError` when the target exists or can't be written,
    `JournalDamaged` when what was copied is not whole.
    """
    if target.exists():
        raise JournalError(f"{target} exists already", "name a new file for the backup")
    part = target.with_name(target.name + ".part")
    uri = f"file:{quote(str(journal.absolute()))}?mode=ro"
    with Reader(journal) as reader:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            part.unlink(missing_ok=True)
            with (
                contextlib.closing(sqlite3.connect(uri, uri=True, timeout=5.0)) as source,
                contextlib.closing(sqlite3.connect(part)) as copy,
            ):
                # In one step: it reads one moment of the journal and holds up no writer.
                source.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE").fetchall()
            backup = check(part)
            if reader.digest(until=backup.last_seq) != backup.digest:
                raise JournalError("the copy differs from the journal", "try the backup again")
            _sync(part)
            os.replace(part, target)
            _sync(target.parent)
        except (sqlite3.Error, OSError) as error:
            raise JournalError(f"can't back up to {target}: {error}", "check its folder") from None
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
    return Backup(path=target, last_seq=backup.last_seq, digest=backup.digest)


def check(path: Path) -> Backup:
    """Prove that a copy is whole: pages, indices, every link of its chain."""
    with Reader(path) as reader:
        last = reader.verify()
        return Backup(path=path, last_seq=last, digest=reader.digest())


def restore(backup: Path, journal: Path) -> Backup:
    """Put a checked backup in a journal's place; what was there is moved aside.

    Takes the engine's lock, so it refuses (`JournalLocked`) while one runs.
    """
    checked = check(backup)
    try:
        # On a machine that never ran an engine there is no folder yet.
        journal.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise JournalError(
            f"can't make the folder {journal.parent}: {error.strerror}",
            "name a journal where you may write",
        ) from None
    lock = EngineLock(journal)
    try:
        part = journal.with_name(journal.name + ".part")
        shutil.copyfile(backup, part)
        _sync(part)
        set_aside(journal)
        for tail in ("-wal", "-shm"):
            journal.with_name(journal.name + tail).unlink(missing_ok=True)
        # Its marks speak of commits that the backup does not have.
        beside(journal).unlink(missing_ok=True)
        os.replace(part, journal)
        _sync(journal.parent)
    finally:
        lock.release()
    return Backup(path=journal, last_seq=checked.last_seq, digest=checked.digest)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
