"""An entry on a perpetual for the leverage manager, and what moves each of its parameters."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from engine.core.parameters import Parameters
from engine.core.regimes import Regime
from engine.core.types import Direction, ExpectedValue
from engine.risk.kelly import kelly_pct
from engine.risk.leverage import LeverageContext, choose
from engine.risk.liquidation import Protection, liquidation_fill
from engine.risk.margin import Margin, tiers_of
from tests.decision_help import SPOT, SWAP

PROVEN = ExpectedValue(
    probability=0.62, win_bps=300.0, loss_bps=150.0, fees_bps=10.0, spread_bps=1.0,
    slippage_bps=1.0, net_bps=117.0, n=200, prior=False,
)  # fmt: skip
"""200 trades of which 62 % won twice what the others lost."""

UNPROVEN = ExpectedValue(
    probability=0.45, win_bps=300.0, loss_bps=150.0, fees_bps=10.0, spread_bps=1.0,
    slippage_bps=1.0, net_bps=40.0, n=0, prior=True,
)  # fmt: skip
"""The prior alone: it may be good, nobody knows."""


def tuned(auto_max: int = 10, **values: Any) -> Parameters:
    parameters = Parameters()
    parameters.set("lev.auto_max", auto_max, "test")
    for name, value in values.items():
        parameters.set(name.replace("__", "."), value, "test")
    return parameters


def wanted(spot: bool = False, **changed: Any) -> LeverageContext:
    """A long in an ordinary market where nothing adjusts: base 3."""
    values: dict[str, Any] = {
        "instrument": SPOT if spot else SWAP,
        "direction": Direction.LONG,
        "strategy": "technical",
        "confidence": 0.6,
        "price": Decimal(100),
        "stop": Decimal(98),
        "notional": Decimal(1_000),
        "tiers": tiers_of("BTC/USDT:USDT"),
        "per_trade": PROVEN,
        "regime": Regime.BULL,
        "daily_vol_pct": 2.0,
        "vol_ratio": 1.0,
        "trend": 0.5,
        "adx": 30.0,
    }
    return LeverageContext(**{**values, **changed})


def held(direction: Direction = Direction.LONG, leverage: int = 10) -> Margin:
    return Margin.at(direction, Decimal(100), Decimal(10), leverage, tiers_of("XMR/USDT:USDT"))


def _chosen(**changed: Any) -> Callable[[Parameters], Any]:
    def run(parameters: Parameters) -> Any:
        parameters.set("lev.auto_max", 10, "test")
        answer = choose(wanted(**changed), parameters)
        return answer.stages, answer.caps

    return run


def _protection(direction: Direction = Direction.LONG) -> Callable[[Parameters], Any]:
    return lambda parameters: Protection.of(held(direction), parameters)


SCENARIOS: dict[str, Callable[[Parameters], Any]] = {
    "lev.auto_max": lambda parameters: choose(wanted(), parameters).value,
    "lev.low_vol_pct": _chosen(daily_vol_pct=1.0),
    "lev.high_vol_pct": _chosen(daily_vol_pct=4.0),
    "lev.low_leverage_max": _chosen(),
    "lev.high_leverage_min": _chosen(daily_vol_pct=0.5),
    "lev.vol_ratio_high": _chosen(vol_ratio=2.0),
    "lev.vol_ratio_low": _chosen(vol_ratio=0.6),
    "lev.vol_cut": _chosen(vol_ratio=4.0),
    "lev.vol_boost": _chosen(vol_ratio=0.1),
    "lev.trend_strong": _chosen(trend=1.0),
    "lev.trend_weak": _chosen(trend=0.2),
    "lev.trend_boost": _chosen(trend=3.0),
    "lev.trend_cut": _chosen(trend=-1.0),
    "lev.adx_strong": _chosen(adx=45.0),
    "lev.adx_weak": _chosen(adx=15.0),
    "lev.adx_boost": _chosen(adx=70.0),
    "lev.adx_cut": _chosen(adx=5.0),
    "lev.confidence_high": _chosen(confidence=0.8),
    "lev.confidence_low": _chosen(confidence=0.5),
    "lev.confidence_boost": _chosen(confidence=0.99),
    "lev.confidence_cut": _chosen(confidence=0.1),
    "lev.margin_in_use": _chosen(margin_used=0.5),
    "lev.risk_budget_pct": _chosen(),
    "lev.min_size_pct": _chosen(per_trade=UNPROVEN),
    "lev.edge_z": lambda parameters: kelly_pct(PROVEN, parameters, "technical"),
    "size.kelly_fraction": lambda parameters: kelly_pct(PROVEN, parameters, "technical"),
    "lev.margin_danger_ratio": lambda parameters: Protection.of(
        Margin.at(
            Direction.LONG, Decimal(100), Decimal(20_000), 3, tiers_of("NEW/USDT:USDT")
        ),
        parameters,
    ),
    "lev.liq_distance_pct": _protection(),
    "lev.liquidation_buffer_pct": _protection(Direction.SHORT),
    "paper.liquidation_fee_pct": lambda parameters: liquidation_fill(
        held(), Decimal(94), parameters
    ),
    **{f"lev.regime_{one.value.lower()}": _chosen(regime=one) for one in Regime},
}  # fmt: skip
"""For each parameter, what it moves when it goes from its lower to its upper bound."""
