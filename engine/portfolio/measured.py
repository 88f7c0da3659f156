"""How we did, as rows that are kept: the day, everything so far, and strategies by regime."""

from __future__ import annotations

from collections.abc import Sequence

from engine.core.lived import PerformanceRow, StrategyRow
from engine.core.types import Trade
from engine.portfolio.metrics import Performance, by_strategy_and_regime, performance


def measured(
    trades: Sequence[Trade],
    start_equity: float,
    since_ns: int,
    *,
    knowledge_version: int,
    active_patterns: int,
    blacklisted_coins: int,
) -> tuple[tuple[PerformanceRow, ...], tuple[StrategyRow, ...]]:
    """Rows of the trades since `since_ns` and of all, and of each strategy in each regime.

    The Sharpe ratio of a period is that of daily returns, annualised; of a strategy it is
    that of its trades, since most trade too seldom for days to say anything.
    """
    known = (knowledge_version, active_patterns, blacklisted_coins)
    day = performance([t for t in trades if t.closed_ns >= since_ns], start_equity)
    periods = (
        _period("day", day, day.sharpe_trade, known),
        _period("all", whole := performance(trades, start_equity), whole.sharpe_daily, known),
    )
    strategies = tuple(
        _strategy(name, regime, found)
        for (name, regime), found in sorted(by_strategy_and_regime(trades, start_equity).items())
    )
    return periods, strategies


def _period(
    name: str, p: Performance, sharpe_ratio: float, known: tuple[int, int, int]
) -> PerformanceRow:
    version, patterns, coins = known
    return PerformanceRow(
        period=name,
        total_trades=p.trades,
        win_rate=p.win_rate,
        total_pnl=p.total_pnl,
        avg_pnl=p.avg_pnl,
        max_drawdown=p.max_drawdown_pct,
        sharpe_ratio=sharpe_ratio,
        profit_factor=p.profit_factor,
        knowledge_version=version,
        active_patterns=patterns,
        blacklisted_coins=coins,
    )


def _strategy(name: str, regime: str, p: Performance) -> StrategyRow:
    return StrategyRow(
        strategy=name,
        regime=regime,
        total_trades=p.trades,
        win_rate=p.win_rate,
        avg_pnl=p.avg_pnl,
        sharpe_ratio=p.sharpe_trade,
        max_drawdown=p.max_drawdown_pct,
        profit_factor=p.profit_factor,
    )
