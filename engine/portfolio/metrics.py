"""How we did: the figures of a set of closed trades, whole, by strategy and by regime.

Conventions, because each has more than one in use: profits are net of fees and funding;
a trade that earned exactly nothing is no win; ratios that have no meaning (no trades, no
losses, no spread of returns) are NaN and never a number that looks like one.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from engine.core.clock import day_of
from engine.core.types import Trade

K = TypeVar("K")

TRADING_DAYS = 365
"""Crypto trades on every day of the year."""


@dataclass(frozen=True, slots=True)
class Performance:
    """The figures of one set of trades.

    `avg_pnl`, `avg_win` and `avg_loss` are in the quote currency, `avg_pnl_pct` and
    `max_drawdown_pct` in percent points. `expectancy` is what a trade earns per unit of the
    average loss (0.2 is a fifth of a loss earned per trade). `sharpe_trade` is mean over
    standard deviation of
    the trades' percent returns, not annualised; `sharpe_daily` that of daily returns on the
    starting equity, times √365. `max_drawdown_pct` is that of the equity the trades make
    from the starting equity, at their closes.
    """

    trades: int
    wins: int
    win_rate: float
    avg_pnl: float
    avg_pnl_pct: float
    avg_win: float
    avg_loss: float
    expectancy: float
    profit_factor: float
    sharpe_trade: float
    sharpe_daily: float
    max_drawdown_pct: float
    total_pnl: float


def performance(trades: Iterable[Trade], start_equity: float) -> Performance:
    """The figures of these trades, as if they alone had been made from `start_equity`."""
    ordered = sorted(trades, key=lambda trade: (trade.closed_ns, trade.id))
    profits = [float(trade.pnl) for trade in ordered]
    wins = [profit for profit in profits if profit > 0]
    losses = [profit for profit in profits if profit <= 0]
    count = len(profits)
    return Performance(
        trades=count,
        wins=len(wins),
        win_rate=len(wins) / count if count else math.nan,
        avg_pnl=_mean(profits),
        avg_pnl_pct=_mean([trade.pnl_pct for trade in ordered]),
        avg_win=_mean(wins),
        avg_loss=_mean(losses),
        expectancy=_expectancy(profits, losses),
        profit_factor=profit_factor(profits),
        sharpe_trade=sharpe([trade.pnl_pct for trade in ordered]),
        sharpe_daily=sharpe(daily_returns(ordered, start_equity)) * math.sqrt(TRADING_DAYS),
        max_drawdown_pct=max_drawdown_pct(_curve(profits, start_equity)),
        total_pnl=math.fsum(profits),
    )


def by_strategy(trades: Iterable[Trade], start_equity: float) -> dict[str, Performance]:
    """Performance of each strategy, by name."""
    return _grouped(trades, start_equity, lambda trade: trade.strategy)


def by_regime(trades: Iterable[Trade], start_equity: float) -> dict[str, Performance]:
    """Performance in each regime at entry, by name."""
    return _grouped(trades, start_equity, lambda trade: trade.regime)


def by_strategy_and_regime(
    trades: Iterable[Trade], start_equity: float
) -> dict[tuple[str, str], Performance]:
    """Performance of each strategy in each regime: the rows of `strategy_performance`."""
    return _grouped(trades, start_equity, lambda trade: (trade.strategy, trade.regime))


def profit_factor(profits: Sequence[float]) -> float:
    """What was won over what was lost; infinite without a loss, NaN without either."""
    won = math.fsum(profit for profit in profits if profit > 0)
    lost = -math.fsum(profit for profit in profits if profit < 0)
    if lost == 0:
        return math.inf if won > 0 else math.nan
    return won / lost


def sharpe(returns: Sequence[float]) -> float:
    """Mean over sample standard deviation (n − 1); NaN below two returns or without spread."""
    count = len(returns)
    if count < 2:
        return math.nan
    mean = math.fsum(returns) / count
    variance = math.fsum((value - mean) ** 2 for value in returns) / (count - 1)
    return mean / math.sqrt(variance) if variance > 0 else math.nan


def max_drawdown_pct(equity: Iterable[float]) -> float:
    """The deepest fall from a high-water mark, in percent points of that mark; 0 for none."""
    peak, deepest = -math.inf, 0.0
    for value in equity:
        peak = max(peak, value)
        if peak > 0:
            deepest = max(deepest, (peak - value) / peak * 100)
    return deepest


def daily_returns(trades: Sequence[Trade], start_equity: float) -> list[float]:
    """Return of each UTC day from the first to the last close; days without a close are 0.

    The base of each day is the equity at its start.
    """
    if not trades:
        return []
    earned: dict[int, float] = defaultdict(float)
    for trade in trades:
        earned[day_of(trade.closed_ns)] += float(trade.pnl)
    returns, equity = [], start_equity
    for day in range(min(earned), max(earned) + 1):
        profit = earned.get(day, 0.0)
        returns.append(profit / equity if equity > 0 else math.nan)
        equity += profit
    return returns


def _grouped(
    trades: Iterable[Trade], start_equity: float, key: Callable[[Trade], K]
) -> dict[K, Performance]:
    groups: dict[K, list[Trade]] = defaultdict(list)
    for trade in trades:
        groups[key(trade)].append(trade)
    return {name: performance(group, start_equity) for name, group in groups.items()}


def _expectancy(profits: Sequence[float], losses: Sequence[float]) -> float:
    """Mean profit over the mean loss; NaN without a loss, which leaves no unit."""
    lost = -_mean(losses) if losses else 0.0
    return _mean(profits) / lost if lost > 0 else math.nan


def _curve(profits: Iterable[float], start: float) -> list[float]:
    curve = [start]
    for profit in profits:
        curve.append(curve[-1] + profit)
    return curve


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
