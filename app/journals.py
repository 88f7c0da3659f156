"""Which journal a command means, and whether an engine has it open."""

from __future__ import annotations

import contextlib
import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from engine.core.config import Config, data_dir, load
from engine.core.errors import ConfigError, JournalError
from engine.core.types import FeedKind
from engine.core.types import Mode as ModeKind

FEEDS = tuple(kind.value.lower() for kind in FeedKind if kind is not FeedKind.DOWN)


Db = Annotated[Path | None, typer.Option("--db", help="the journal file")]
Feed = Annotated[str | None, typer.Option("--feed", help="the journal of live, sim or replay")]
Mode = Annotated[str | None, typer.Option("--mode", help="the journal of this mode")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="a configuration file")]
Json = Annotated[bool, typer.Option("--json", help="one JSON object instead of text")]


@dataclass(frozen=True)
class Picked:
    """A journal and why it is this one."""

    path: Path
    because: str


def pick(
    config: Config, db: Path | None = None, feed: str | None = None, mode: str | None = None
) -> Picked:
    """The journal of `--db`, of `--feed` and `--mode`, or the one written to last.

    Raises `ConfigError` for a feed or mode that there is not, `JournalError` when no
    journal fits.
    """
    if db is not None:
        return Picked(db.expanduser(), "named by --db")
    if feed is not None or mode is not None:
        return _of_pair(config, feed or "live", mode or "paper")
    if config.paths.db:
        return Picked(Path(config.paths.db).expanduser(), "named by paths.db")
    found = journals(config)
    if not found:
        raise JournalError(
            f"there is no journal in {data_dir(config)}",
            "start an engine first, or name one by --db",
        )
    return Picked(max(found, key=written_ns), "written to last")


def pick_for(
    file: Path | None, db: Path | None = None, feed: str | None = None, mode: str | None = None
) -> Picked:
    """As `pick`, with the configuration of a file, or of the platform's one."""
    return pick(load(file).config, db, feed, mode)


def _of_pair(config: Config, feed: str, mode: str) -> Picked:
    kind = feed.partition(":")[0].lower()
    if kind not in FEEDS:
        raise ConfigError(f"{feed!r} is no feed", f"write {', '.join(FEEDS)}")
    known = tuple(one.value.lower() for one in ModeKind)
    if mode.lower() not in known:
        raise ConfigError(f"{mode!r} is no mode", f"write {', '.join(known)}")
    return Picked(
        data_dir(config) / f"{mode.lower()}-{kind}.db", f"the journal of {mode.lower()} on {kind}"
    )


def journals(config: Config) -> list[Path]:
    """Every journal of the data folder, by name; those that were moved aside too."""
    try:
        return sorted(path for path in data_dir(config).glob("*.db") if path.is_file())
    except OSError:
        return []


def written_ns(path: Path) -> int:
    """When a journal was written to; its write-ahead log counts as itself."""
    newest = 0
    for part in (path, path.with_name(path.name + "-wal")):
        with contextlib.suppress(OSError):
            newest = max(newest, part.stat().st_mtime_ns)
    return newest


def owner(journal: Path) -> int | None:
    """The process whose engine has this journal open, None when none has.

    A living process is asked for the lock only when the lock file names it: trying a lock
    that nobody holds could keep out an engine that starts in that moment.
    """
    try:
        fd = os.open(journal.with_name(journal.name + ".lock"), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        text = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
        if not text.isdigit() or not _alive(int(text)):
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return int(text)
        return None
    finally:
        os.close(fd)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
