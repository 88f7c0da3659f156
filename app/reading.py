"""Commands that read a journal, beside a running engine or long after it."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

import typer

from app import inspecting, keeping, tunables
from app.journals import ConfigFile, Db, Feed, Json, Mode, Picked, owner, pick_for
from app.telling import Table, plain, say, say_facts, say_json, say_table
from engine.core.clock import iso
from engine.core.errors import ConfigError
from engine.core.types import Order, Proposal, ProposalState, Trade

Limit = Annotated[int, typer.Option("--limit", min=1, help="the newest so many")]
SymbolOf = Annotated[str | None, typer.Option("--symbol", help="only of this symbol")]


ORDERS_A_TRADE = 8
"""An entry, its scale-ins and its partial exits: no plan makes more."""


def register(app: typer.Typer) -> None:
    """Add the reading commands to the command line."""
    app.command("status")(status)
    app.command("trades")(trades)
    app.command("proposals")(proposals)
    keeping.register(app)
    inspecting.register(app)
    tunables.register(app)


def status(
    db: Db = None,
    feed: Feed = None,
    mode: Mode = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> int:
    """How a journal stands: mode, feed, control, money, and whether its fills add up."""
    picked = pick_for(config, db, feed, mode)
    facts = status_facts(picked)
    if as_json:
        say_json(facts)
        return 0
    positions = facts.pop("positions")
    counts = facts.pop("counts")
    say_facts((name.replace("_", " "), value) for name, value in facts.items())
    say_facts([("events", sum(counts.values()))])
    if positions:
        say_table(
            Table(
                "open positions",
                ("id", "symbol", "direction", "quantity", "entry", "stop"),
                [
                    [p["id"], p["symbol"], p["direction"], p["quantity"], p["entry_price"],
                     p["stop"]]
                    for p in positions
                ],
                right=frozenset(("quantity", "entry", "stop")),
            )
        )  # fmt: skip
    return 0


def status_facts(picked: Picked) -> dict[str, Any]:
    """What `status` tells, by stable names."""
    from app.audit import audit
    from engine.journal.queries import Reader
    from engine.wire.address import serving

    with Reader(picked.path) as reader:
        found = reader.status()
        positions = [position for position, _ in reader.positions()]
        checked = audit(reader)
    run, control = found.run, found.control
    return {
        "journal": str(picked.path),
        "because": picked.because,
        "engine": owner(picked.path),
        "socket": str(serving(picked.path) or "") or None,
        "mode": found.mode,
        "feed": found.feed,
        "control": str(control.state) if control else "ACTIVE",
        "control_reason": control.reason if control else "",
        "control_since": iso(control.since_ns) if control else None,
        "quote": found.quote,
        "equity": plain(found.equity),
        "day_pnl": plain(found.day_pnl),
        "invariants_ok": checked.ok,
        "invariants": checked.note,
        "equity_from_fills": plain(checked.equity),
        "open_positions": found.positions,
        "waiting": found.waiting,
        "trades": found.trades,
        "symbols": list(run.symbols) if run else [],
        "timeframe": run.timeframe if run else "",
        "approval": run.approval if run else "",
        "profile": run.profile if run else "",
        "seed": run.seed if run else None,
        "last_seq": found.last_seq,
        "last_event": iso(found.last_ns) if found.last_seq else None,
        "positions": [plain(position) for position in positions],
        "counts": dict(sorted(found.counts.items())),
    }


def trades(
    limit: Limit = 50,
    symbol: SymbolOf = None,
    db: Db = None,
    feed: Feed = None,
    mode: Mode = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> int:
    """Closed trades, the newest first; as JSON with the orders behind them and those since."""
    from engine.journal.queries import Reader

    picked = pick_for(config, db, feed, mode)
    with Reader(picked.path) as reader:
        wanted = symbol.upper() if symbol else None
        found = reader.trades(limit, wanted)
        orders = reader.orders(limit * ORDERS_A_TRADE, wanted)
    if as_json:
        say_json(
            {
                "journal": picked.path,
                "trades": [_trade(trade) for trade in found],
                "orders": [_order(order) for order in orders],
            }
        )
        return 0
    say(f"{picked.path} ({picked.because})")
    say_table(
        Table(
            "trades",
            ("id", "closed", "symbol", "side", "quantity", "entry", "exit", "pnl", "%", "reason"),
            [
                [
                    trade.id,
                    iso(trade.closed_ns)[:16],
                    trade.symbol,
                    trade.direction,
                    trade.quantity,
                    _price(trade.entry_price),
                    _price(trade.exit_price),
                    f"{trade.pnl:+.2f}",
                    f"{trade.pnl_pct:+.2f}",
                    trade.exit_reason,
                ]
                for trade in found
            ],
            right=frozenset(("quantity", "entry", "exit", "pnl", "%")),
            empty="none yet",
        )
    )
    return 0


def _price(price: Decimal) -> str:
    """A price for a table: an average of several fills has more digits than anyone reads."""
    return format(round(price, 8).normalize(), "f")


def _trade(trade: Trade) -> dict[str, Any]:
    times = {"opened": iso(trade.opened_ns), "closed": iso(trade.closed_ns)}
    return {**plain(trade), **times}


def _order(order: Order) -> dict[str, Any]:
    return {**plain(order), "created": iso(order.created_ns)}


def proposals(
    state: Annotated[str, typer.Option(help="waiting, or how it ended, or all")] = "waiting",
    limit: Limit = 50,
    db: Db = None,
    feed: Feed = None,
    mode: Mode = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> int:
    """What waits for approval, each with the digest that approves it."""
    from engine.journal.queries import Reader

    known = ("all", *(one.value for one in ProposalState))
    if state not in known:
        raise ConfigError(f"{state!r} is no state of a proposal", f"write {', '.join(known)}")
    picked = pick_for(config, db, feed, mode)
    with Reader(picked.path) as reader:
        found = reader.proposals(limit, None if state == "all" else state)
        now_ns = reader.status().last_ns
    if as_json:
        say_json(
            {
                "journal": picked.path,
                "now": iso(now_ns),
                "proposals": [_proposal(proposal) for proposal in found],
            }
        )
        return 0
    from engine.execution.terms import short

    say(f"{picked.path} ({picked.because}), as of {iso(now_ns)}")
    say_table(
        Table(
            "proposals",
            ("id", "digest", "state", "symbol", "side", "quantity", "price", "stop", "risk",
             "expires"),
            [
                [
                    proposal.id,
                    short(proposal.digest),
                    proposal.state,
                    proposal.symbol,
                    proposal.direction,
                    proposal.quantity,
                    proposal.price,
                    proposal.stop,
                    f"{proposal.risk:.2f}",
                    iso(proposal.expires_ns)[:16],
                ]
                for proposal in found
            ],
            right=frozenset(("quantity", "price", "stop", "risk")),
            empty="none waits" if state == "waiting" else "none",
        )
    )  # fmt: skip
    return 0


def _proposal(proposal: Proposal) -> dict[str, Any]:
    times = {"created": iso(proposal.created_ns), "expires": iso(proposal.expires_ns)}
    return {**plain(proposal), **times}
