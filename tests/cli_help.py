"""A small coherent journal for the command line's tests: its money is booked by the ledger."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from msgspec import structs

from engine.core.clock import HOUR, MINUTE, parse_iso
from engine.core.ids import Ids
from engine.core.parameters import Parameters
from engine.core.records import (
    Accounted,
    AnyRecord,
    ControlChanged,
    Filled,
    PositionChanged,
    ProposalChanged,
    RunStarted,
    TradeClosed,
)
from engine.core.types import (
    Actor,
    Control,
    Direction,
    Fill,
    Liquidity,
    Position,
    Proposal,
    Side,
    Trade,
)
from engine.execution.proposals import ProposalBook
from engine.journal.journal import Journal
from engine.portfolio.ledger import Ledger, Terms

START = parse_iso("2026-01-05T00:00:00")
SYMBOLS = ("BTC/USDT", "ETH/USDT")
BTC = Terms("BTC/USDT", Direction.LONG)
ETH = Terms("ETH/USDT:USDT", Direction.SHORT)


def waiting(name: str = "P-2", created_ns: int = START + HOUR) -> Proposal:
    """A proposal that waits, sealed by the real book."""
    return ProposalBook(Parameters(), Ids("")).create(
        now_ns=created_ns,
        symbol="ETH/USDT",
        direction=Direction.LONG,
        quantity=Decimal("1.5"),
        price=Decimal(2000),
        stop=Decimal(1960),
        targets=(Decimal(2100),),
        strategy="trend",
        decision="D-2",
        confidence=0.7,
        gates=(),
        factors=(),
        id=name,
    )


def fill(name: str, side: Side, price: str, time_ns: int, of: Terms, position: str) -> Fill:
    return Fill(
        id=name,
        order=name.replace("F", "O"),
        symbol=of.symbol,
        side=side,
        quantity=Decimal("0.5"),
        price=Decimal(price),
        fee=Decimal(price) / 2000,
        fee_asset="USDT",
        liquidity=Liquidity.TAKER,
        time_ns=time_ns,
        position=position,
    )


def records(
    feed: str = "LIVE",
    of: Terms = BTC,
    wrong: Decimal = Decimal(0),
    reason: str = "stop_loss",
    start_ns: int = START,
) -> list[AnyRecord]:
    """One closed trade, one open position, one waiting proposal, and the account of it all.

    `wrong` is added to the last account's equity, as books that disagree would have it.
    """
    ledger = Ledger("USDT", Decimal(10_000))
    now = start_ns + 2 * HOUR
    entry, leave = of.direction.entry_side, of.direction.exit_side
    fills = [
        fill("F-1", entry, "50000", start_ns + MINUTE, of, "T-1"),
        fill("F-2", leave, "50400", start_ns + 30 * MINUTE, of, "T-1"),
        fill("F-3", entry, "50300", start_ns + HOUR, of, "T-2"),
    ]
    for one in fills:
        ledger.apply(one, of)
    account = ledger.account(now, {of.symbol: Decimal(50500)})
    closed = ledger.holdings["T-1"]
    return [
        RunStarted(
            time_ns=start_ns, mode="PAPER", feed=feed, seed=7, symbols=SYMBOLS, timeframe="15m",
            approval="review", profile="balanced", cash="10000", resumed=False, parameters={},
        ),
        ControlChanged(
            time_ns=start_ns, state=Control.REDUCING, reason="a look first", who=Actor.PERSON
        ),
        Filled(time_ns=fills[0].time_ns, fill=fills[0]),
        Filled(time_ns=fills[1].time_ns, fill=fills[1]),
        TradeClosed(
            time_ns=fills[1].time_ns,
            position="T-1",
            trade=Trade(
                id="T-1", symbol=of.symbol, direction=of.direction, quantity=Decimal("0.5"),
                entry_price=Decimal(50000), exit_price=Decimal(50400),
                opened_ns=fills[0].time_ns, closed_ns=fills[1].time_ns, pnl=closed.realised,
                pnl_pct=0.8, fees=closed.fees, strategy="trend", decision="D-1", proposal="",
                regime="BULL", exit_reason=reason, leverage=1, mfe_pct=1.0, mae_pct=-0.2,
                confidence=0.7,
            ),
        ),
        Filled(time_ns=fills[2].time_ns, fill=fills[2]),
        PositionChanged(
            time_ns=fills[2].time_ns,
            position=Position(
                id="T-2", symbol=of.symbol, direction=of.direction, quantity=Decimal("0.5"),
                entry_price=Decimal(50300), opened_ns=fills[2].time_ns, strategy="trend",
                decision="D-1", proposal="", regime="BULL", leverage=1, stop=Decimal(49500),
                targets=(), fees=Decimal("25.15"), realised=Decimal(0),
                initial_stop=Decimal(49500), initial_quantity=Decimal("0.5"),
            ),
            watch="{}",
            why="opened",
        ),
        ProposalChanged(
            time_ns=now, proposal=waiting(created_ns=start_ns + 2 * HOUR), who=Actor.ENGINE
        ),
        Accounted(
            time_ns=now, account=structs.replace(account, equity=account.equity + wrong),
            why="fill",
        ),
    ]  # fmt: skip


def write(path: Path, feed: str = "LIVE", more: list[AnyRecord] | None = None) -> Path:
    """A journal of these records (`records` unless told), closed again."""
    with Journal.open(path, mode="PAPER", feed=feed) as journal:
        journal.append_all(records(feed) if more is None else more)
    return path
