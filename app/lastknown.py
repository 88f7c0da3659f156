"""The snapshot that a journal allows: what was known when its last event was written.

A journal holds what happened and no market. Prices are therefore the last ones that a
decision or a fill names, and what can't be known from events (depth, links, the gates of
this moment) stays empty rather than guessed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from app.honesty import honesty_of
from engine.core.clock import SECOND
from engine.core.learning import LearningView
from engine.core.news import NewsView
from engine.core.types import (
    ZERO,
    Account,
    Actor,
    ApprovalMode,
    Control,
    FeedKind,
    Link,
    Mode,
    Position,
    ProposalState,
)
from engine.core.views import (
    BreakerView,
    ControlView,
    FeedView,
    Health,
    MarketView,
    PositionView,
    RunInfo,
    Snapshot,
)
from engine.journal.queries import Reader, Status
from engine.portfolio.levels import by_leverage
from engine.portfolio.pnl import pnl, pnl_pct

TRADES = 500
LIVED = 50
ORDERS = 100
ENDED = 30
RECENT = 500
"""Decisions and fills that are searched for the last price of each symbol."""


def last_known(
    reader: Reader, path: Path, version: int, learning: LearningView | None = None
) -> Snapshot:
    """The state after the journal's last event, under a version of the caller's.

    Raises `JournalError` for a journal that can't be read.
    """
    status = reader.status()
    prices = _prices(reader)
    regimes = {record.symbol: record.to_regime for record in reversed(reader.regimes(RECENT))}
    trades = tuple(reversed(reader.trades(TRADES)))
    proposals = reader.proposals(RECENT)
    positions = [position for position, _ in reader.positions()]
    symbols = dict.fromkeys(status.run.symbols if status.run else ())
    symbols |= dict.fromkeys(position.symbol for position in positions)
    return Snapshot(
        version=version,
        time_ns=status.last_ns,
        run=_run(status, path),
        control=status.control
        or ControlView(state=Control.ACTIVE, reason="", since_ns=0, who=Actor.ENGINE),
        feed=FeedView(
            kind=FeedKind(status.feed),
            link=Link.ENDED,
            venue="",
            quote=status.quote,
            label="journal only",
            reason="this is a journal, not a market",
        ),
        account=_account(reader, status),
        markets=tuple(_market(name, prices, regimes.get(name, "")) for name in symbols),
        positions=tuple(_position(one, prices, status.last_ns) for one in positions),
        proposals=tuple(p for p in proposals if p.state is ProposalState.WAITING),
        ended=tuple(p for p in proposals if p.state is not ProposalState.WAITING)[:ENDED],
        orders=tuple(reader.orders(ORDERS)),
        conditions=(),
        trades=trades,
        outlooks=tuple(record.outlook for record in reader.outlooks()),
        limits=(),
        denials=tuple(sorted(reader.denials())),
        counterfactuals=tuple(reader.counterfactuals(ORDERS)),
        levels=by_leverage(trades),
        honesty=honesty_of(reader),
        lived=tuple(reversed(reader.lived(LIVED))),
        news=_news(reader),
        health=_health(status),
        acks=(),
        breakers=_breakers(reader),
        learning=learning,
    )


def _news(reader: Reader) -> NewsView | None:
    """What was last heard; None where nothing ever was."""
    headlines = tuple(reader.headlines())
    return NewsView(headlines=headlines, recorded=True) if headlines else None


def _prices(reader: Reader) -> dict[str, float]:
    """The last price of each symbol that a decision or a fill names."""
    known = [(fill.time_ns, fill.symbol, float(fill.price)) for fill in reader.fills(RECENT)]
    known += [(one.time_ns, one.symbol, one.price) for one in reader.decisions(RECENT)]
    return {symbol: price for _, symbol, price in sorted(known)}


def _run(status: Status, path: Path) -> RunInfo:
    run = status.run
    return RunInfo(
        mode=Mode(status.mode),
        approval=ApprovalMode(run.approval) if run else ApprovalMode.REVIEW,
        profile=run.profile if run else "",
        symbols=run.symbols if run else (),
        timeframe=run.timeframe if run else "",
        seed=run.seed if run else 0,
        journal=str(path),
        started_ns=run.time_ns if run else 0,
        version="",
    )


def _account(reader: Reader, status: Status) -> Account:
    found = reader.accounts(limit=1)
    if found:
        return found[0].account
    cash = Decimal(status.run.cash) if status.run else ZERO
    return Account(
        quote=status.quote, cash=cash, equity=cash, realised=ZERO, unrealised=ZERO, fees=ZERO,
        funding=ZERO, day_start_equity=cash, day_pnl=ZERO, peak_equity=cash, drawdown_pct=0.0,
        start_equity=cash, exposure=ZERO, trades_today=0,
    )  # fmt: skip


def _market(symbol: str, prices: Mapping[str, float], regime: str) -> MarketView:
    nan = math.nan
    return MarketView(
        symbol=symbol, last=prices.get(symbol, nan), bid=nan, ask=nan, change_pct=nan,
        volume_ratio=nan, link=Link.ENDED, age_ns=0, regime=regime, vol_level="", spread_bps=nan,
        modelled=True, forming=None, reason="as the journal last had it",
    )  # fmt: skip


def _position(position: Position, prices: Mapping[str, float], now_ns: int) -> PositionView:
    """Marked at the last price that the journal names, else at its own entry."""
    mark = prices.get(position.symbol, math.nan)
    price = Decimal(repr(mark)) if math.isfinite(mark) else position.entry_price
    risk = abs(position.entry_price - position.initial_stop)
    gained = (price - position.entry_price) * position.direction.sign
    target = position.targets[0] if position.targets else None
    return PositionView(
        position=position,
        mark=mark,
        unrealised=pnl(position.direction, position.entry_price, price, position.quantity),
        pnl_pct=pnl_pct(position.direction, position.entry_price, price),
        r_multiple=float(gained / risk) if risk else math.nan,
        stop_distance_pct=float(abs(price - position.stop) / price * 100),
        target_distance_pct=float(abs(target - price) / price * 100) if target else math.nan,
        held_ns=max(0, now_ns - position.opened_ns) // SECOND * SECOND,
    )


def _breakers(reader: Reader) -> tuple[BreakerView, ...]:
    newest = {record.breaker.name: record.breaker for record in reversed(reader.breakers(RECENT))}
    return tuple(newest[name] for name in sorted(newest))


def _health(status: Status) -> Health:
    return Health(
        heartbeat_ns=status.last_ns, heartbeat_ok=True, events=sum(status.counts.values()),
        events_per_s=0.0, inbox=0, journal_lag=0, journal_state="read only", cycle=(), cycles=0,
        faults=(), quarantined=status.counts.get("quarantined", 0),
        corrections=status.counts.get("correction", 0), decisions=status.counts.get("decision", 0),
    )  # fmt: skip
