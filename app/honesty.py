"""`quarterdeck honesty`: paper held against the tape, and the way from gross to net.

Read from a journal, beside a running engine or from a copied file, by the code that the
engine itself uses; docs/honesty.md says what each figure means and what it cannot know.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Annotated, Any

import msgspec
import typer

from app.audit import terms_of
from app.journals import ConfigFile, Db, Feed, Json, Mode, pick_for
from app.telling import Table, plain, say, say_json, say_table
from engine.core.clock import iso
from engine.core.honesty import BridgeRow, HonestFill, HonestyView, Optimism
from engine.core.records import FollowedUp, Funded
from engine.core.types import ZERO
from engine.journal.queries import Reader
from engine.portfolio.holding import TOLERANCE
from engine.portfolio.honesty import HonestyReport
from engine.portfolio.pnl import MONEY

TERMS = ("gross", "fees", "spread", "slippage", "funding", "net")


def register(app: typer.Typer) -> None:
    """Add `honesty` to the command line."""
    app.command("honesty")(honesty)


def honesty(
    db: Db = None,
    feed: Feed = None,
    mode: Mode = None,
    limit: Annotated[int, typer.Option("--limit", min=0, help="fills to list")] = 20,
    config: ConfigFile = None,
    as_json: Json = False,
) -> int:
    """What paper assumed, what the tape did next, and the bridge from gross to net."""
    picked = pick_for(config, db, feed, mode)
    with Reader(picked.path) as reader:
        view = honesty_of(reader, shown=max(limit, 1))
        agrees = ledger_agrees(reader, view.total)
    if as_json:
        say_json(
            {
                "journal": str(picked.path),
                "quote": view.quote,
                "days": [plain(row) for row in view.days],
                "total": plain(view.total),
                "open": plain(view.open),
                "adds_up": all(adds_up(row) for row in (*view.days, view.total)),
                "agrees_with_ledger": agrees,
                "optimism": [_optimism(one) for one in view.optimism],
                "overall": _optimism(view.overall),
                "fills": [_fill(one) for one in view.fills[:limit]],
            }
        )
        return 0 if agrees is not False else 1
    _tell(view, agrees, limit)
    return 0 if agrees is not False else 1


def honesty_of(reader: Reader, shown: int = 100) -> HonestyView:
    """The report of a journal, up to its last event. Raises `JournalError`."""
    status = reader.status()
    fills = list(reversed(reader.fills(-1)))
    report = HonestyReport(_quote(status.quote, fills), shown)
    terms = terms_of(reader, fills)
    for fill in fills:
        report.fill(fill, terms[fill.position])
    for event in reader.events(kind="funded", limit=-1):
        if isinstance(event.record, Funded):
            report.fund(event.record.funding.boundary_ns, event.record.funding.amount)
    for event in reader.events(kind="aftermath", limit=-1):
        if isinstance(event.record, FollowedUp):
            report.aftermath(event.record.aftermath)
    return report.view({})


def _quote(known: str, fills: list[Any]) -> str:
    return known or (fills[0].fee_asset if fills else "")


def adds_up(row: BridgeRow) -> bool:
    """Whether the terms give the net to the last digit."""
    with localcontext(MONEY):
        return row.gross - row.fees - row.spread - row.slippage - row.funding == row.net


def ledger_agrees(reader: Reader, total: BridgeRow) -> bool | None:
    """Whether net is what the last account says; None before the first account."""
    found = reader.accounts(limit=1)
    if not found:
        return None
    account = found[0].account
    net = account.realised - account.fees - account.funding
    return abs(net - total.net) <= TOLERANCE


def _optimism(one: Optimism) -> dict[str, Any]:
    return {**plain(one), "sources": dict(one.sources)}


def _fill(one: HonestFill) -> dict[str, Any]:
    assumptions = msgspec.json.decode(one.assumptions) if one.assumptions else {}
    return {**plain(one), "time": iso(one.time_ns), "assumptions": assumptions}


# For a person.


def _tell(view: HonestyView, agrees: bool | None, limit: int) -> None:
    columns: tuple[str, ...] = ("day", "fills", "notional", *TERMS)
    rows = [_bridge(row) for row in (*view.days, view.total) if row.fills or row.funding]
    if view.open.fills:
        rows.append(_bridge(view.open))
    say_table(
        Table(
            f"from gross to net, {view.quote}", columns, rows,
            right=frozenset(columns[1:]), empty="no fill yet",
        )
    )  # fmt: skip
    verdict = {True: "agrees with the ledger", False: "DIFFERS FROM THE LEDGER", None: "no account"}
    say(f"net of all days {view.total.net.normalize():f}: {verdict[agrees]}")
    columns = ("day", "fills", "unknown", "optimism bps", "from", "to", "amount", "held against")
    rows = [_optimism_row(one) for one in (*view.optimism, view.overall) if one.n or one.unknown]
    say_table(
        Table(
            "how much better than the tape paper was (+ is too good)", columns, rows,
            right=frozenset(columns[1:-1]), empty="no fill was followed to its end yet",
        )
    )  # fmt: skip
    columns = ("time", "fill", "symbol", "side", "price", "cost", "1s", "5s", "1m", "5m",
               "optimism", "still there", "waiting order")  # fmt: skip
    rows = [_fill_row(one) for one in view.fills[:limit]]
    say_table(
        Table("fills, bps; after a fill + is in its favour", columns, rows,
              right=frozenset(columns[4:11]), empty="none")
    )  # fmt: skip


def _money(amount: Decimal) -> str:
    return f"{amount.quantize(Decimal('0.0001')) if amount else ZERO:f}"


def _bridge(row: BridgeRow) -> list[object]:
    return [row.day, row.fills, _money(row.notional), *(_money(getattr(row, t)) for t in TERMS)]


def _bps(value: float) -> str:
    return "—" if value != value else f"{value:+.2f}"


def _optimism_row(one: Optimism) -> list[object]:
    sources = ", ".join(f"{name} {count}" for name, count in one.sources)
    return [one.day, one.n, one.unknown, _bps(one.bps), _bps(one.low), _bps(one.high),
            f"{one.amount:+.4f}", sources]  # fmt: skip


def _fill_row(one: HonestFill) -> list[object]:
    after = one.aftermath
    sign = 1 if one.side.value == "BUY" else -1
    price = float(one.price)
    moves = ["…"] * 4
    there = waited = "…"
    if after is not None:
        moves = [_bps((later.price / price - 1) * 10_000 * sign) for later in after.later]
        moves += ["…"] * (4 - len(moves))
        there = {True: "yes", False: "no", None: "not known"}[after.available]
        waited = through(after.through_ns)
    return [iso(one.time_ns)[:19], one.fill, one.symbol, one.side, one.price, _bps(one.cost_bps),
            *moves, _bps(one.optimism_bps), there, waited]  # fmt: skip


def through(through_ns: int) -> str:
    """When an order that waited would have been traded through, in words."""
    if through_ns >= 0:
        return f"after {through_ns / 1e9:.0f} s"
    return "never" if through_ns == -1 else "not known"
