"""Opening a journal: whose is it, is it whole, and where did it stop?

Starting is recovering, the same path every time; everything that can be wrong with a file
is found here, before an engine believes it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from engine.core.errors import JournalError
from engine.core.ids import fresh_seed
from engine.journal.codec import GENESIS, decode, link, row_bytes
from engine.journal.emergency import EmergencyLog, beside, speaks_of_commits
from engine.journal.errors import JournalDamaged
from engine.journal.migrations import migrate
from engine.journal.rebuild import agrees, rebuild
from engine.journal.recovered import Fold
from engine.journal.schema import APPLICATION_ID, VERSION, create
from engine.journal.store import Store

_MAGIC = b"SQLite format 3\x00"
_RESTORE = "restore the newest backup, or start anew with a fresh journal"


class Opened:
    """A journal that was checked and may be written: its fold, its store, its log.

    `connection` stays open until the writer has its own: SQLite would otherwise move the
    whole log of a killed engine into the database before trading can begin.
    """

    def __init__(self, fold: Fold, store: Store, emergency: EmergencyLog, folded: int) -> None:
        self.fold = fold
        self.store = store
        self.emergency = emergency
        self.folded = folded
        self.connection: sqlite3.Connection | None = None

    def release(self) -> None:
        """Close the connection that the checks used."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None


def check_place(path: Path) -> None:
    """Refuse a path that can't be a journal; makes its folder."""
    if path.is_dir():
        raise JournalError(f"{path} is a folder", "name a file for the journal")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size:
            with path.open("rb") as file:
                magic = file.read(len(_MAGIC))
            if magic != _MAGIC:
                raise JournalError(f"{path} is not a database", "name another file")
            if not os.access(path, os.W_OK):
                raise JournalError(f"{path} can't be written", "check its permissions")
    except OSError as error:
        raise JournalError(
            f"can't use {path} as a journal: {error.strerror}",
            "give the journal a folder that you may write to",
        ) from None


def set_aside(path: Path) -> Path | None:
    """Move a journal that has events out of the way, with all that belongs to it."""
    events = path.exists() and _has_events(path)
    if not events and not speaks_of_commits(path):
        return None
    number = 1
    while True:
        target = path.with_name(f"{path.stem}.{number}{path.suffix}")
        if not target.exists() and not beside(target).exists():
            break
        number += 1
    _move(path, target)
    return target


def put_back(path: Path, aside: Path | None) -> None:
    """Undo a fresh start in which nothing was recorded: the new file goes, the old one returns.

    The caller holds the lock, and nobody has the new file open.
    """
    for tail in PARTS:
        path.with_name(path.name + tail).unlink(missing_ok=True)
    if aside is not None:
        _move(aside, path)


# The database goes last: its log alone must never meet a new database of that name.
# Letters in the box were meant for the old journal and stay beside it.
PARTS = ("-shm", "-wal", ".emergency", ".mailbox", ".mailbox-taken", "")


def _move(path: Path, target: Path) -> None:
    for tail in PARTS:
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + tail).rename(target.with_name(target.name + tail))


def _has_events(path: Path) -> bool:
    """Also moves the log of a killed engine into its database, so that one file is all."""
    try:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            _check_application(connection, path)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            return connection.execute("SELECT 1 FROM events LIMIT 1").fetchone() is not None
    except sqlite3.DatabaseError:
        return path.stat().st_size > 0


def _check_application(connection: sqlite3.Connection, path: Path) -> None:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    empty = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
    if application != APPLICATION_ID and not empty:
        raise JournalError(f"{path} belongs to another program", "name another file")


def open_file(path: Path, mode: str, feed: str) -> Opened:
    """Check, create or migrate the file and fold its events; the caller holds the lock."""
    try:
        connection = sqlite3.connect(path, isolation_level=None, timeout=2.0)
        try:
            opened = _open(connection, path, mode, feed)
        except BaseException:
            connection.close()
            raise
        opened.connection = connection
        return opened
    except sqlite3.OperationalError as error:
        if "malformed" in str(error):
            raise JournalDamaged(f"the journal {path.name} is damaged: {error}", _RESTORE) from None
        hint = "another program holds it, or its folder is full or read-only"
        raise JournalError(f"can't open the journal {path}: {error}", hint) from None
    except (sqlite3.DatabaseError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise JournalDamaged(f"the journal {path.name} is damaged: {error}", _RESTORE) from None


def _open(connection: sqlite3.Connection, path: Path, mode: str, feed: str) -> Opened:
    _check_application(connection, path)
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise JournalError(
            f"{path.name} was written by a newer Quarterdeck (schema {version}, here {VERSION})",
            "use that version, or name another journal",
        )
    if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
        raise JournalError(
            f"{path} lies where SQLite can't keep a write-ahead log", "use a local disk"
        )
    if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0:
        if speaks_of_commits(path):
            raise JournalDamaged(
                f"{path.name} is empty, but the file beside it remembers commits",
                f"{_RESTORE}; if you removed the journal, remove {beside(path).name} as well",
            )
        create(connection, {"mode": mode, "feed": feed, "identity": f"{fresh_seed():016x}"})
        # A journal whose very tables were only in the log could vanish without a trace.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    elif version < VERSION:
        migrate(connection, path, version)
    meta = dict(connection.execute("SELECT key, value FROM meta").fetchall())
    if (meta.get("mode"), meta.get("feed")) != (mode, feed):
        raise JournalError(
            f"{path.name} is the journal of {meta.get('mode')} on {meta.get('feed')}, "
            f"not of {mode} on {feed}",
            "each pair of mode and feed has a journal of its own",
        )
    # SQLite looks at the pages while Python goes through the events: neither needs the other.
    with ThreadPoolExecutor(1, "qd-journal-pages") as second:
        pages = second.submit(_pages, path)
        try:
            fold, chain = fold_events(connection)
        finally:
            found = pages.result()
    if found != "ok":
        raise JournalDamaged(f"{path.name} is damaged: {found}", _RESTORE)
    if not agrees(connection, fold):
        rebuild(connection)
    emergency = EmergencyLog(
        path, bytes.fromhex(meta["identity"]), int(meta.get("emergency_folded", "0"))
    )
    try:
        _check_mark(connection, emergency, fold.seq, path)
        store = Store(fold.seq, chain, emergency)
        folded = _fold_emergency(connection, emergency, store, fold)
    except BaseException:
        emergency.close()
        raise
    return Opened(fold, store, emergency, folded)


def _pages(path: Path) -> str:
    """`ok`, or what is wrong with the file's pages."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=2.0)) as connection:
        return str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])


def fold_events(connection: sqlite3.Connection) -> tuple[Fold, bytes]:
    """All events in order into a fold; raises `JournalDamaged` where the chain breaks."""
    fold, chain, last = Fold(), GENESIS, 0
    rows = connection.execute("SELECT seq, time_ns, kind, body, chain FROM events ORDER BY seq")
    for seq, time_ns, kind, body, stored in rows:
        chain = link(chain, row_bytes(seq, time_ns, kind, body))
        if chain != stored or seq != last + 1:
            raise JournalDamaged(f"event {seq} is not the one that was written", _RESTORE)
        fold.event(seq, time_ns, kind, body)
        last = seq
    return fold, chain


def _check_mark(
    connection: sqlite3.Connection, emergency: EmergencyLog, last: int, path: Path
) -> None:
    """The file must reach at least as far as the last commit somebody acted on."""
    mark = emergency.last_mark()
    if mark is None:
        return
    row = connection.execute("SELECT chain FROM events WHERE seq = ?", (mark.seq,)).fetchone()
    if row is None or row[0] != mark.chain:
        raise JournalDamaged(
            f"{path.name} ends at event {last}, but event {mark.seq} was committed", _RESTORE
        )


def _fold_emergency(
    connection: sqlite3.Connection, emergency: EmergencyLog, store: Store, fold: Fold
) -> int:
    """Write what only the emergency log holds as events; returns how many there were."""
    missing = []
    for entry in emergency.entries:
        row = connection.execute("SELECT body FROM events WHERE seq = ?", (entry.seq,)).fetchone()
        if row is None or row[0] != entry.body:
            missing.append(entry)
    if not emergency.entries:
        return 0
    batch = [(store.seq + at, decode(entry.body), False) for at, entry in enumerate(missing, 1)]
    before = store.seq
    store.write(connection, batch, folds_emergency=True)
    rows = connection.execute(
        "SELECT seq, time_ns, kind, body FROM events WHERE seq > ? ORDER BY seq", (before,)
    )
    for row in rows.fetchall():
        fold.event(*row)
    return len(missing)
