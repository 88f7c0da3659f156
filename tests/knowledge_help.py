"""Closed trades as learners see them, for tests of knowledge."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from engine.core.clock import HOUR
from engine.core.learning import Closed
from engine.core.lived import EntryContext
from engine.core.types import Direction, Trade
from engine.learning.patterns import recognise

START = 20_450 * 24 * HOUR
RISK_PCT = 2.0
"""Entry to stop, in percent of the entry's notional."""


def closed(
    gross_r: float,
    number: int = 1,
    *,
    symbol: str = "BTC/USDT",
    strategy: str = "ma_crossover",
    regime: str = "BULL",
    pattern: str = "",
    fee_pct: float = 0.2,
) -> Closed:
    """A long that came to so many R before fees, at a risk of two percent."""
    gross_pct = gross_r * RISK_PCT
    net_pct = gross_pct - fee_pct
    seen = recognise(strategy, regime, Direction.LONG, pattern)
    trade = Trade(
        id=f"T-{number}", symbol=symbol, direction=Direction.LONG, quantity=Decimal(1),
        entry_price=Decimal(100), exit_price=Decimal(repr(100 + gross_pct)),
        opened_ns=START + number * HOUR, closed_ns=START + number * HOUR + HOUR // 2,
        pnl=Decimal(repr(net_pct)), pnl_pct=net_pct, fees=Decimal(repr(fee_pct)),
        strategy=strategy, decision="D-1", proposal="P-1", regime=regime,
        exit_reason="take_profit", leverage=1, mfe_pct=0.0, mae_pct=0.0, confidence=0.5,
    )  # fmt: skip
    return Closed(
        trade=trade, gross_r=gross_r, gross_pct=gross_pct, pattern=seen.id, vol_level="NORMAL",
        hour=8, weekday=2,
    )  # fmt: skip


def entered(of: Closed, **changed: Any) -> EntryContext:
    """The context with which that trade was entered."""
    trade = of.trade
    values: dict[str, Any] = {
        "position": f"POS-{trade.id.partition('-')[2]}", "symbol": trade.symbol,
        "direction": trade.direction, "strategy": trade.strategy, "entered_ns": trade.opened_ns,
        "price": 100.0, "stop": 98.0, "target": 104.0, "notional": 100.0, "reason": "told to",
        "pattern": of.pattern, "pattern_words": f"words of {of.pattern}", "pattern_by": "engine",
        "regime": trade.regime, "vol_level": of.vol_level, "hour": of.hour,
        "weekday": of.weekday,
    }  # fmt: skip
    return EntryContext(**{**values, **changed})
