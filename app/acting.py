"""Commands that act: each is checked against the journal, then left for its engine.

A refusal that the journal can already tell comes at once, with its code; everything else is
the engine's to judge when it takes the command, and its answer is waited for and told.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer

from app.journals import ConfigFile, Db, Feed, Json, Mode, pick_for
from app.letters import Made, send
from app.telling import say, say_json
from engine.core import commands as c
from engine.core.clock import wall_ns
from engine.core.errors import CommandRefused
from engine.core.ids import Ids
from engine.core.parameters import Parameters
from engine.core.types import Direction, FeedKind, Proposal
from engine.execution.proposals import ProposalBook
from engine.journal.queries import Reader

Reason = Annotated[str, typer.Option("--reason", help="a line for the journal")]
ProposalId = Annotated[str, typer.Argument(metavar="ID", help="the proposal, such as P-17")]


def register(app: typer.Typer) -> None:
    """Add the acting commands to the command line."""
    for command in (approve, reject, override, pause, resume, halt, close, flatten):
        app.command(command.__name__)(command)


def approve(
    proposal: ProposalId,
    digest: Annotated[str, typer.Option("--digest", help="as `proposals` shows it")],
    db: Db = None,
    feed: Feed = None,
    mode: Mode = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> int:
    """Approve exactly the proposal that was shown; another digest is refused."""

    def make(reader: Reader, base: dict[str, Any]) -> c.AnyCommand:
        found = _approvable(reader, proposal, digest)
        return c.Approve(proposal=found.id, digest=found.digest, version=found.version, **base)

    return act(make, config, db, feed, mode, as_json)


def reject(
    proposal: ProposalId,
    reason: Reason = "",
    db: Db = None,
    feed: Feed = None,
    mode: Mode = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> int:
    """Refuse a waiting proposal."""

    def make(reader: Reader, base: dict[str, Any]) -> c.AnyCommand:
        _book(reader, proposal).reject(proposal)
        return c.Reject(proposal=proposal, reason=reason, **base)

    return act(make, config, db, feed, mode, as_json)


def override(
    symbol: Annotated[str, typer.Argument(help="such as BTC/USDT")],
    direction: Annotated[str, typer.Argument(help="long or short")],
    reason: Annotated[str, typer.Option("--reason", help="why; it is journaled")] = "",
    db: Db = None,
    feed: Feed = None,
    mode: Mode = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> int:
    """Ask for a proposal against a HOLD or a soft denial; hard limits never give way."""

    def make(reader: Reader, base: dict[str, Any]) -> c.AnyCommand:
        if direction.upper() not in tuple(Direction):
            raise CommandRefused(
                "bad_direction", f"{direction!r} is no direction", "write long or short"
            )
        if not reason.strip():
            raise CommandRefused("reason_needed", "an override needs a reason", "give --reason")
        wanted = symbol.upper()
        _followed(reader, wanted)
        side = Direction(direction.upper())
        return c.Override(symbol=wanted, direction=side, reason=reason.strip(), **base)

    return act(make, config, db, feed, mode, as_json)


def pause(
    reason: Reason = "",
    db: Db = None,
    feed: Feed = None,
    mode: Mode = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> int:
    """Stop new entries (REDUCING); exits go on."""
    return act(lambda _, base: c.Pause(reason=reason, **base), config, db, feed, mode, as_json)


def resume(
    reason: Reason = "",
    db: Db = None,
    feed: Feed = None,
    mode: Mode = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> int:
    """Admit entries again, also after a halt."""
    return act(lambda _, base: c.Resume(reason=reason, **base), config, db, feed, mode, as_json)


def halt(
    reason: Reason = "",
    db: Db = None,
    feed: Feed = None,
    mode: Mode = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> int:
    """Halt: protective exits and your own closes only."""
    return act(lambda _, base: c.Halt(reason=reason, **base), config, db, feed, mode, as_json)


def close(
    position: Annotated[str, typer.Argument(help="the position's id, or its symbol")],
    fraction: Annotated[float, typer.Option(help="the part to close, 1 is all")] = 1.0,
    reason: Reason = "",
    db: Db = None,
    feed: Feed = None,
    mode: Mode = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> int:
    """Close a position or a part of it; passes in every control state."""

    def make(reader: Reader, base: dict[str, Any]) -> c.AnyCommand:
        if not 0.0 < fraction <= 1.0:
            raise CommandRefused(
                "bad_fraction", "close a part above 0 and up to 1", "1 is all, 0.5 is half"
            )
        found = _position(reader, position)
        return c.ClosePosition(position=found, fraction=fraction, reason=reason, **base)

    return act(make, config, db, feed, mode, as_json)


def flatten(
    typed: Annotated[str, typer.Option("--typed", help="the word FLATTEN")] = "",
    db: Db = None,
    feed: Feed = None,
    mode: Mode = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> int:
    """Pause, cancel every resting order and close every position."""

    def make(_: Reader, base: dict[str, Any]) -> c.AnyCommand:
        if typed != "FLATTEN":
            raise CommandRefused("not_typed", "nothing was closed", "add --typed FLATTEN")
        return c.Flatten(typed=typed, **base)

    return act(make, config, db, feed, mode, as_json)


# What the journal can already tell.


def _approvable(reader: Reader, name: str, digest: str) -> Proposal:
    """The engine's own check of an approval, against the journal's last moment.

    On a live feed time goes on while no engine runs, so the machine's clock counts too.
    """
    status = reader.status()
    now_ns = status.last_ns
    if status.feed == FeedKind.LIVE:
        now_ns = max(now_ns, wall_ns())
    return _book(reader, name).check_approval(name, digest, None, now_ns)


def _book(reader: Reader, name: str) -> ProposalBook:
    """The engine's own book of proposals with the one that is meant, so that both judge alike."""
    book = ProposalBook(Parameters(), Ids(""))
    found = reader.proposal(name)
    if found is not None:
        book.restore(found)
    return book


def _followed(reader: Reader, symbol: str) -> None:
    run = reader.status().run
    known = run.symbols if run is not None else ()
    if symbol not in known:
        near = get_close_matches(symbol, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"followed: {', '.join(known) or 'none'}"
        raise CommandRefused("unknown_symbol", f"{symbol} is not followed", hint)


def _position(reader: Reader, name: str) -> str:
    held = [position for position, _ in reader.positions()]
    fits = [one.id for one in held if name == one.id or name.upper() == one.symbol]
    if len(fits) == 1:
        return fits[0]
    known = ", ".join(f"{one.id} ({one.symbol})" for one in held) or "nothing is open"
    what = f"there is no position {name}" if not fits else f"{name} names {len(fits)} positions"
    raise CommandRefused("unknown_position" if not fits else "ambiguous_position", what, known)


def act(
    make: Made,
    config_file: Path | None,
    db: Path | None,
    feed: str | None,
    mode: str | None,
    as_json: bool,
) -> int:
    """Send a command to the engine of the journal that is meant, and tell its answer."""
    picked = pick_for(config_file, db, feed, mode)
    try:
        outcome = send(make, picked)
    except CommandRefused as refused:
        if as_json:
            say_json({"ok": False, "code": refused.code, "text": refused.message,
                      "hint": refused.hint, "journal": str(picked.path)})  # fmt: skip
            return refused.exit_code
        raise CommandRefused(
            refused.code, f"refused ({refused.code}): {refused.message}", refused.hint
        ) from None
    if as_json:
        say_json(outcome.facts())
        return 0 if outcome.ok else CommandRefused.exit_code
    if not outcome.ok:
        raise CommandRefused(outcome.code, f"refused ({outcome.code}): {outcome.text}")
    say(outcome.text)
    return 0
