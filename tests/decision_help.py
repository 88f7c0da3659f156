"""Builders the tests of strategies, decision and risk share: a context, an entry, an account."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np

from engine.analysis.indicators import IndicatorSpec, IndicatorState
from engine.analysis.layout import FEATURES, INDEX
from engine.analysis.regime import RegimeDetector, RegimeState
from engine.core.clock import MINUTE
from engine.core.parameters import Parameters
from engine.core.regimes import Regime, VolLevel
from engine.core.types import (
    Bar,
    Control,
    Direction,
    Instrument,
    InstrumentKind,
    Trade,
)
from engine.market.costs import Costs
from engine.risk.gates import AccountContext, GateContext
from engine.risk.sizing import SizeContext
from engine.strategies.base import StrategyContext
from tests.indicator_reference import random_market

SPAN = 15 * MINUTE
START = 1_700_000_100_000_000_000
CHEAP = Costs(fees_bps=20.0, spread_bps=1.0, slippage_bps=1.0)


def instrument(kind: InstrumentKind = InstrumentKind.SPOT, **changed: Any) -> Instrument:
    values: dict[str, Any] = {
        "symbol": "BTC/USDT" if kind is InstrumentKind.SPOT else "BTC/USDT:USDT",
        "venue": "binance",
        "base": "BTC",
        "quote": "USDT",
        "kind": kind,
        "price_tick": Decimal("0.01"),
        "lot_step": Decimal("0.001"),
        "min_qty": Decimal("0.001"),
        "max_qty": Decimal(9000),
        "min_notional": Decimal(5),
        "maker_fee": Decimal("0.001"),
        "taker_fee": Decimal("0.001"),
    }
    return Instrument(**{**values, **changed})


SPOT = instrument()
SWAP = instrument(InstrumentKind.SWAP)


def regime(label: Regime = Regime.SIDEWAYS, confidence: float = 1.0) -> RegimeState:
    return RegimeState(
        label=label, vol_level=VolLevel.NORMAL, confidence=confidence, since_ns=0, evidence=()
    )


CONFIRMED = {
    "close": 100.0, "rsi": 60.0, "rsi_change": 2.0, "adx": 30.0, "volume_ratio": 1.5,
    "macd": 0.2, "macd_signal": -0.2, "macd_hist": 0.4, "plus_di": 30.0, "minus_di": 10.0,
    "atr": 1.0, "ema_cross": 1.0, "bb_position": 0.5,
    "rsi_bull_divergence": 0.0, "rsi_bear_divergence": 0.0,
    "rsi_hidden_bull_divergence": 0.0, "rsi_hidden_bear_divergence": 0.0,
}  # fmt: skip
"""A long technical signal with everything confirmed, at a close of 100 with an ATR of 1."""


def mirrored(features: Mapping[str, float]) -> dict[str, float]:
    """The same market upside down."""
    swapped = {
        **features,
        "rsi": 100.0 - features["rsi"],
        "plus_di": features["minus_di"],
        "minus_di": features["plus_di"],
        "bb_position": 1.0 - features["bb_position"],
    }
    for name in ("rsi_change", "macd", "macd_signal", "macd_hist", "ema_cross"):
        swapped[name] = -features[name]
    for kind in ("", "hidden_"):
        bull, bear = f"rsi_{kind}bull_divergence", f"rsi_{kind}bear_divergence"
        swapped[bull], swapped[bear] = features[bear], features[bull]
    return swapped


def context(
    features: Mapping[str, float] = CONFIRMED,
    *,
    parameters: Parameters | None = None,
    closes: Sequence[float] | None = None,
    kind: InstrumentKind = InstrumentKind.SPOT,
    label: Regime | None = Regime.SIDEWAYS,
    regime_confidence: float = 1.0,
    holding: Direction | None = None,
) -> StrategyContext:
    """A strategy context with just these features known; the others are NaN."""
    row = np.full(len(FEATURES), np.nan)
    for name, value in features.items():
        row[INDEX[name]] = value
    series = np.asarray([100.0] * 64 if closes is None else closes, dtype=np.float64)
    close = float(series[-1]) if closes is not None else float(features.get("close", 100.0))
    filters = SPOT if kind is InstrumentKind.SPOT else SWAP
    bar = Bar(
        symbol=filters.symbol, open_ns=START, span_ns=SPAN, open=close, high=close, low=close,
        close=close, volume=1.0,
    )  # fmt: skip
    return StrategyContext(
        symbol=filters.symbol,
        time_ns=bar.close_ns,
        bar=bar,
        row=row,
        previous=None,
        closes=series,
        regime=None if label is None else regime(label, regime_confidence),
        parameters=parameters if parameters is not None else Parameters(),
        instrument=filters,
        holding=holding,
    )


@cache
def market(seed: int, bars: int) -> tuple[Bar, ...]:
    """A random market as decision bars."""
    prices, opened = random_market(seed, bars, SPAN)
    return tuple(
        Bar(symbol="BTC/USDT", open_ns=t, span_ns=SPAN, open=o, high=h, low=low, close=c, volume=v)
        for (o, h, low, c, v), t in zip(prices.tolist(), opened.tolist(), strict=True)
    )


class Walk:
    """Bars into contexts, as the kernel makes them."""

    def __init__(
        self,
        kind: InstrumentKind = InstrumentKind.SPOT,
        parameters: Parameters | None = None,
        holding: Direction | None = None,
    ) -> None:
        self.parameters = parameters if parameters is not None else Parameters()
        self.indicators = IndicatorState(IndicatorSpec.from_parameters(self.parameters))
        self.detector = RegimeDetector()
        self.instrument = SPOT if kind is InstrumentKind.SPOT else SWAP
        self.holding = holding

    def take(self, bar: Bar) -> StrategyContext:
        self.indicators.update_bar(bar)
        return StrategyContext.at_close(
            bar, self.indicators, self.detector.update(self.indicators), self.parameters,
            self.instrument, holding=self.holding,
        )  # fmt: skip


def account(**changed: Any) -> AccountContext:
    """100,000 in cash, nothing open, nothing lost."""
    values: dict[str, Any] = {
        "control": Control.ACTIVE,
        "equity": 100_000.0,
        "cash": 100_000.0,
        "day_start_equity": 100_000.0,
        "peak_equity": 100_000.0,
        "open_positions": 0,
        "new_in_cycle": 0,
        "trades_today": 0,
        "opened_risk": 0.0,
        "orders_last_s": 0,
    }
    return AccountContext(**{**values, **changed})


def candidate(**changed: Any) -> GateContext:
    """A long of 50 at 100 with a stop at 98, which every gate admits."""
    values: dict[str, Any] = {
        "account": account(),
        "symbol": "BTC/USDT",
        "direction": Direction.LONG,
        "quantity": 50.0,
        "price": 100.0,
        "stop": 98.0,
        "confidence": 0.7,
        "net_ev_bps": 12.0,
        "quote_age_s": 1.0,
        "spread_bps": 2.0,
        "fee": 0.001,
        "can_short": False,
        "least_notional": 5.0,
        "regime": "SIDEWAYS",
    }
    return GateContext(**{**values, **changed})


def sizing(**changed: Any) -> SizeContext:
    """An entry of full confidence in a market and account that change nothing."""
    values: dict[str, Any] = {
        "instrument": SPOT,
        "direction": Direction.LONG,
        "strategy": "technical",
        "price": Decimal(100),
        "stop": Decimal(98),
        "confidence": 1.0,
        "equity": 100_000.0,
        "cash": 100_000.0,
        "drawdown_pct": 0.0,
        "daily_vol_pct": 2.0,
        "fee": 0.001,
    }
    return SizeContext(**{**values, **changed})


def trade(
    pnl_bps: float, *, strategy: str = "technical", regime: str = "BULL", number: int = 1
) -> Trade:
    """A closed long that moved by so many basis points, without fees."""
    exit_price = Decimal(100) * (1 + Decimal(repr(pnl_bps)) / 10_000)
    return Trade(
        id=f"T-{number}", symbol="BTC/USDT", direction=Direction.LONG, quantity=Decimal(1),
        entry_price=Decimal(100), exit_price=exit_price, opened_ns=START,
        closed_ns=START + number * MINUTE, pnl=exit_price - 100, pnl_pct=pnl_bps / 100.0,
        fees=Decimal(0), strategy=strategy, decision="D-1", proposal="P-1", regime=regime,
        exit_reason="take_profit", leverage=1, mfe_pct=0.0, mae_pct=0.0, confidence=0.5,
    )  # fmt: skip


def close_to(value: float, wanted: float, tolerance: float = 1e-9) -> bool:
    return math.isclose(value, wanted, rel_tol=tolerance, abs_tol=tolerance)
