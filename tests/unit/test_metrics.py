"""Figures of trades, against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest

from engine.core.clock import DAY
from engine.core.types import Direction, Trade
from engine.portfolio.metrics import (
    by_regime,
    by_strategy,
    by_strategy_and_regime,
    daily_returns,
    max_drawdown_pct,
    performance,
    profit_factor,
    sharpe,
)
from tests.execution_help import START_NS, D


def trade(number: int, pnl: float, pct: float, day: int = 0, **changes: str) -> Trade:
    return Trade(
        id=f"T-{number}",
        symbol="BTC/USDT",
        direction=Direction.LONG,
        quantity=D(1),
        entry_price=D(100),
        exit_price=D(101),
        opened_ns=START_NS,
        closed_ns=START_NS + day * DAY + number,
        pnl=D(pnl),
        pnl_pct=pct,
        fees=D(0),
        strategy=changes.get("strategy", "a"),
        decision="D",
        proposal="P",
        regime=changes.get("regime", "BULL"),
        exit_reason="take_profit",
        leverage=1,
        mfe_pct=0.0,
        mae_pct=0.0,
        confidence=0.5,
    )


TRADES = [
    trade(1, 200, 2.0),
    trade(2, -100, -1.0, day=1),
    trade(3, -110, -1.1, day=3, strategy="b", regime="BEAR"),
    trade(4, 300, 3.0, day=3, strategy="b"),
    trade(5, 0, 0.0, day=3),
]


def test_figures_by_hand() -> None:
    figures = performance(reversed(TRADES), 1_000.0)
    assert (figures.trades, figures.wins, figures.win_rate) == (5, 2, 0.4)
    assert figures.total_pnl == 290
    assert figures.avg_pnl == 58
    assert figures.avg_win == 250
    assert figures.avg_loss == pytest.approx(-70)
    assert figures.expectancy == pytest.approx(58 / 70)
    assert figures.profit_factor == pytest.approx(500 / 210)
    # 1000, 1200, 1100, 990, 1290, 1290: from 1200 down to 990.
    assert figures.max_drawdown_pct == pytest.approx(17.5)
    assert figures.sharpe_trade == pytest.approx(sharpe([2.0, -1.0, -1.1, 3.0, 0.0]))


def test_daily_returns_count_quiet_days_and_compound() -> None:
    returns = daily_returns(TRADES, 1_000.0)
    assert returns == pytest.approx([0.2, -100 / 1200, 0.0, 190 / 1100])
    expected = sharpe(returns) * math.sqrt(365)
    assert performance(TRADES, 1_000.0).sharpe_daily == pytest.approx(expected)


def test_sharpe_by_hand() -> None:
    assert sharpe([1.0, 2.0, 3.0]) == pytest.approx(2.0)
    assert math.isnan(sharpe([1.0]))
    assert math.isnan(sharpe([1.0, 1.0]))


def test_no_trades_are_no_numbers() -> None:
    empty = performance([], 1_000.0)
    assert empty.trades == 0
    for value in (empty.win_rate, empty.profit_factor, empty.expectancy, empty.sharpe_daily):
        assert math.isnan(value)
    assert empty.max_drawdown_pct == 0.0
    assert profit_factor([1.0]) == math.inf
    assert math.isnan(profit_factor([0.0]))


def test_drawdown_is_from_the_high_water_mark() -> None:
    assert max_drawdown_pct([100, 120, 90, 130, 117]) == pytest.approx(25.0)


def test_groups() -> None:
    assert {name: p.trades for name, p in by_strategy(TRADES, 1e3).items()} == {"a": 3, "b": 2}
    assert by_regime(TRADES, 1e3)["BEAR"].total_pnl == -110
    assert by_strategy_and_regime(TRADES, 1e3)["b", "BULL"].wins == 1
