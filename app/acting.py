"""Commands about proposals, positions and the control state.

As with every act, the journal refuses at once what it can already tell; the engine has the last
word.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated

import typer

from app import commanding
from app.commanding import Base, Reason
from engine.core import commands as c
from engine.core.clock import wall_ns
from engine.core.errors import CommandRefused
from engine.core.ids import Ids
from engine.core.parameters import Parameters
from engine.core.types import Direction, FeedKind, Proposal
from engine.execution.proposals import ProposalBook
from engine.journal.queries import Reader

ProposalId = Annotated[str, typer.Argument(metavar="ID", help="the proposal, such as P-17")]


def register(app: typer.Typer) -> None:
    """Add the acting commands to the command line."""
    commanding.register(app, (approve, reject, override, pause, resume, halt, close, flatten))


def approve(
    reader: Reader,
    base: Base,
    proposal: ProposalId,
    digest: Annotated[str, typer.Option("--digest", help="as `proposals` shows it")],
) -> c.AnyCommand:
    """Approve exactly the proposal that was shown; another digest is refused."""
    found = _approvable(reader, proposal, digest)
    return c.Approve(proposal=found.id, digest=found.digest, version=found.version, **base)


def reject(
    reader: Reader,
    base: Base,
    proposal: ProposalId,
    reason: Reason = "",
) -> c.AnyCommand:
    """Refuse a waiting proposal."""
    _book(reader, proposal).reject(proposal)
    return c.Reject(proposal=proposal, reason=reason, **base)


def override(
    reader: Reader,
    base: Base,
    symbol: Annotated[str, typer.Argument(help="such as BTC/USDT")],
    direction: Annotated[str, typer.Argument(help="long or short")],
    reason: Annotated[str, typer.Option("--reason", help="why; it is journaled")] = "",
) -> c.AnyCommand:
    """Ask for a proposal against a HOLD or a soft denial; hard limits never give way."""
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


def pause(
    _: Reader,
    base: Base,
    reason: Reason = "",
) -> c.AnyCommand:
    """Stop new entries (REDUCING); exits go on."""
    return c.Pause(reason=reason, **base)


def resume(
    _: Reader,
    base: Base,
    reason: Reason = "",
) -> c.AnyCommand:
    """Admit entries again, also after a halt."""
    return c.Resume(reason=reason, **base)


def halt(
    _: Reader,
    base: Base,
    reason: Reason = "",
) -> c.AnyCommand:
    """Halt: protective exits and your own closes only."""
    return c.Halt(reason=reason, **base)


def close(
    reader: Reader,
    base: Base,
    position: Annotated[str, typer.Argument(help="the position's id, or its symbol")],
    fraction: Annotated[float, typer.Option(help="the part to close, 1 is all")] = 1.0,
    reason: Reason = "",
) -> c.AnyCommand:
    """Close a position or a part of it; passes in every control state."""
    if not 0.0 < fraction <= 1.0:
        raise CommandRefused(
            "bad_fraction", "close a part above 0 and up to 1", "1 is all, 0.5 is half"
        )
    found = _position(reader, position)
    return c.ClosePosition(position=found, fraction=fraction, reason=reason, **base)


def flatten(
    _: Reader,
    base: Base,
    typed: Annotated[str, typer.Option("--typed", help="the word FLATTEN")] = "",
) -> c.AnyCommand:
    """Pause, cancel every resting order and close every position."""
    if typed != "FLATTEN":
        raise CommandRefused("not_typed", "nothing was closed", "add --typed FLATTEN")
    return c.Flatten(typed=typed, **base)


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
