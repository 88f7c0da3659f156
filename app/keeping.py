"""Commands that keep a journal: prove it, copy it, put a copy back, hand it to other programs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from app.journals import ConfigFile, Db, Feed, Json, Mode, pick_for
from app.telling import Table, progress, say, say_json, say_table
from engine.core.clock import iso, wall_ns
from engine.core.errors import JournalError


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    for command in (export, digest, verify, backup, restore):
        app.command(command.__name__)(command)


def export(
    to: Annotated[Path | None, typer.Option("--to", help="the folder to write into")] = None,
    everything: Annotated[bool, typer.Option("--all", help="also every table")] = False,
    db: Db = None,
    feed: Feed = None,
    mode: Mode = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> int:
    """Write the journal as JSON and JSONL files for other programs."""
    from engine.journal.export import export as write

    picked = pick_for(config, db, feed, mode)
    folder = (to or picked.path.with_name(f"{picked.path.stem}-export")).expanduser()
    with progress(f"exporting {picked.path.name}"):
        written = write(picked.path, folder, everything=everything)
    if as_json:
        say_json({"journal": picked.path, **_written(written)})
        return 0
    say(f"{picked.path} ({picked.because}) → {folder}")
    rows = [[name, count] for name, count in written.files]
    say_table(Table("files", ("file", "rows"), rows, right=frozenset(("rows",))))
    say(f"no source yet, not written: {', '.join(written.absent)}")
    return 0


def _written(written: Any) -> dict[str, Any]:
    """What an export wrote, by name."""
    return {
        "folder": str(written.folder),
        "files": dict(written.files),
        "empty": list(written.empty),
        "absent": list(written.absent),
    }


def digest(
    db: Db = None,
    feed: Feed = None,
    mode: Mode = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> int:
    """The SHA-256 over all events: equal for equal input and seed."""
    from engine.journal.queries import Reader

    picked = pick_for(config, db, feed, mode)
    with progress(f"reading {picked.path.name}"), Reader(picked.path) as reader:
        last = reader.status().last_seq
        value = reader.digest(last)
    if as_json:
        say_json({"journal": picked.path, "last_seq": last, "digest": value})
    else:
        say(f"{value}  {picked.path}")
    return 0


def verify(
    db: Db = None,
    feed: Feed = None,
    mode: Mode = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> int:
    """Check a journal's pages, its chain from the first event on, and its money."""
    from app.audit import audit
    from engine.core.errors import InvariantBroken
    from engine.journal.queries import Reader

    picked = pick_for(config, db, feed, mode)
    with progress(f"checking {picked.path.name}"), Reader(picked.path) as reader:
        last = reader.verify()
        checked = audit(reader)
    if as_json:
        say_json({"journal": picked.path, "last_seq": last, **asdict(checked)})
    elif checked.ok is not False:
        say(f"{picked.path}: {last} events are those that were written; {checked.note}")
    if checked.ok is False:
        raise InvariantBroken(checked.note, "compare the journal's fills with a backup")
    return 0


def backup(
    to: Annotated[Path | None, typer.Option("--to", help="the new file")] = None,
    db: Db = None,
    feed: Feed = None,
    mode: Mode = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> int:
    """Copy a journal, also beside a running engine, and check the copy."""
    from engine.journal.backup import back_up

    picked = pick_for(config, db, feed, mode)
    stamp = iso(wall_ns())[:19].replace(":", "").replace("-", "")
    target = to or picked.path.with_name(f"{picked.path.stem}-{stamp}.backup")
    with progress(f"copying {picked.path.name}"):
        made = back_up(picked.path, target.expanduser())
    if as_json:
        say_json({"journal": picked.path, **_copied(made)})
        return 0
    say(f"{picked.path} ({picked.because}) → {made.path}")
    say(f"{made.last_seq} events, digest {made.digest}")
    return 0


def restore(
    copy: Annotated[Path, typer.Argument(metavar="BACKUP", help="what `backup` made")],
    db: Annotated[Path, typer.Option("--db", help="the journal to put it in the place of")],
    as_json: Json = False,
) -> int:
    """Put a checked backup in a journal's place; what was there is moved aside, not deleted."""
    from engine.journal.backup import restore as put_back

    if not copy.is_file():
        raise JournalError(f"there is no backup {copy}", "`quarterdeck backup` makes one")
    with progress(f"checking {copy.name}"):
        made = put_back(copy.expanduser(), db.expanduser())
    if as_json:
        say_json({"backup": copy, **_copied(made)})
    else:
        say(f"{db} is {copy} now: {made.last_seq} events, digest {made.digest}")
    return 0


def _copied(made: Any) -> dict[str, Any]:
    return {"path": str(made.path), "last_seq": made.last_seq, "digest": made.digest}
