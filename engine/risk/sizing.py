"""How large an entry is: the strictest of risk and confidence, then every factor and cap.

Two questions give a size, how much may be lost and how sure the decision is; the smaller
answer holds. What follows only the state of account and market can say, and each step is
kept, so that a person can read how 20 % became 3.4 %.

The order, in percent of equity (notional):

1. base: what the sizer wants (by default `size.base_pct` ×
   confidence^`size.confidence_exponent`), or, if less, the size whose loss at the stop is
   what the risk manager grants (by default the risk of one trade, `size.risk_*_pct`).
2. the account's class: `size.poor_capital_factor` below `size.poor_capital_usd`.
3. the account's run: × `size.win_scale_max` when both the rolling P&L is positive and
   equity is above its average, × `size.lose_scale_min` when both are against it.
4. the dynamic family: of drawdown, win rate and volatility only the smallest reduction; the
   boost of a quiet market.
5. the regime, and what else the caller passes by name (correlation, coin status).
6. boosts above 1 count only where nothing reduces; the product of 2 to 5 is held to
   `size.factor_max` from above, never from below.
7. caps: the strictest position cap less what is already held, the room that the caller says
   is left elsewhere (cluster, sector), and the cash there is.
8. the lot grid, downwards. Below the venue's minimum it is refused, never raised.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

from engine.core.denials import DenialCode
from engine.core.parameters import Parameter, Parameters, declare
from engine.core.regimes import Regime
from engine.core.types import ZERO, Direction, ExpectedValue, Instrument, SizeFactor
from engine.decision.size import regime_factor
from engine.market.instruments import least_entry, round_qty
from engine.risk.limits import (
    FACTOR_MAX,
    VOL_HIGH,
    VOL_HIGH_FACTOR,
    position_cap_pct,
    risk_limit_pct,
)
from engine.risk.managers import CORE, RiskManager, Terms
from engine.risk.sizers import CONFIDENCE_SCALED, Sizer

WIN_SCALE = declare(
    "size.win_scale_max", 1.5, low=1.0, high=2.0, step=0.05, unit="factor", scopes="G", risk=1,
    doc="Size factor while the account wins.",
)  # fmt: skip
LOSE_SCALE = declare(
    "size.lose_scale_min", 0.5, low=0.25, high=1.0, step=0.05, unit="factor", scopes="G", risk=1,
    doc="Size factor while the account loses.",
)  # fmt: skip
SCALE_TRADES = declare(
    "size.scale_trades", 20, low=10, high=100, step=5, unit="count", scopes="G",
    doc="Closed trades whose P&L and win rate tell how the account runs; fewer tell nothing.",
)  # fmt: skip
POOR_CAPITAL = declare(
    "size.poor_capital_usd", 25_000.0, low=5_000, high=50_000, step=5_000, unit="USD",
    scopes="G", risk=-1, doc="Equity below which an account is small.",
)  # fmt: skip
POOR_FACTOR = declare(
    "size.poor_capital_factor", 0.5, low=0.2, high=1.0, step=0.05, unit="factor", scopes="G",
    risk=1, doc="Size factor of a small account.",
)  # fmt: skip
DRAWDOWN_LEVELS: tuple[tuple[Parameter, Parameter], ...] = (
    (
        declare(
            "risk.dd_level_1", 5.0, low=2, high=8, step=0.5, unit="%", scopes="G", risk=1,
            doc="First drawdown from the equity peak that reduces sizes.",
        ),
        declare(
            "risk.dd_factor_1", 0.8, low=0.5, high=1.0, step=0.05, unit="factor", scopes="G",
            risk=1, doc="Size factor from the first drawdown level on.",
        ),
    ),
    (
        declare(
            "risk.dd_level_2", 10.0, low=5, high=14, step=0.5, unit="%", scopes="G", risk=1,
            doc="Second drawdown from the equity peak that reduces sizes.",
        ),
        declare(
            "risk.dd_factor_2", 0.6, low=0.3, high=0.9, step=0.05, unit="factor", scopes="G",
            risk=1, doc="Size factor from the second drawdown level on.",
        ),
    ),
    (
        declare(
            "risk.dd_level_3", 15.0, low=8, high=19, step=0.5, unit="%", scopes="G", risk=1,
            doc="Third drawdown from the equity peak that reduces sizes.",
        ),
        declare(
            "risk.dd_factor_3", 0.4, low=0.1, high=0.8, step=0.05, unit="factor", scopes="G",
            risk=1, doc="Size factor from the third drawdown level on.",
        ),
    ),
)  # fmt: skip
POOR_WINRATE = declare(
    "risk.poor_winrate", 0.30, low=0.15, high=0.45, step=0.05, unit="ratio", scopes="G", risk=-1,
    doc="Share of winners among the last trades below which sizes are reduced.",
)  # fmt: skip
POOR_WINRATE_FACTOR = declare(
    "risk.poor_factor", 0.6, low=0.2, high=0.9, step=0.05, unit="factor", scopes="G", risk=1,
    doc="Size factor while too few of the last trades won.",
)  # fmt: skip
VOL_LOW = declare(
    "risk.vol_low_pct", 1.0, low=0.25, high=2, step=0.25, unit="% daily", scopes="GY", risk=1,
    doc="Daily volatility below which sizes are raised.",
)  # fmt: skip
VOL_LOW_FACTOR = declare(
    "risk.vol_low_factor", 1.3, low=1.0, high=1.6, step=0.05, unit="factor", scopes="G", risk=1,
    doc="Size factor in a quiet market.",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeContext:
    """What an entry's size is worked out from. Amounts in the quote currency.

    `drawdown_pct` is measured from the equity peak, `daily_vol_pct` is NaN where unknown.
    `recent` is how many of the last trades there are to judge the account's run by, their
    P&L and the share that won (`TradeStatistics.recent`); `equity_trend` is equity against
    its average as a fraction, NaN until that is known. `extra` are further factors by name,
    from whoever can tell them; what nobody passes is not applied. `leverage` divides the
    cash an entry needs, never its size. `fee` is the entry's share of notional.
    """

    instrument: Instrument
    direction: Direction
    strategy: str
    price: Decimal
    stop: Decimal
    confidence: float
    equity: float
    cash: float
    drawdown_pct: float
    daily_vol_pct: float
    fee: float
    regime: Regime | None = None
    regime_confidence: float = 0.0
    recent: tuple[int, float, float] = (0, 0.0, math.nan)
    equity_trend: float = math.nan
    symbol_exposure: float = 0.0
    leverage: int = 1
    diamond: bool = False
    extra: tuple[tuple[str, float], ...] = ()
    headroom: tuple[tuple[str, float], ...] = ()
    """Further caps by name, in percent of equity: what a cluster or a sector has left."""
    unknown: tuple[str, ...] = ()
    """Factors whose input the caller doesn't have; the size names them as absent."""
    edge: ExpectedValue | None = None
    """What the strategy's trades have earned; only the sizer kelly asks for it."""


@dataclass(frozen=True, slots=True)
class Size:
    """The answer: a quantity on the lot grid, or 0 with the code of why there is none.

    `factors` are the steps in their order, each with the size in percent of equity behind
    it; `absent` names the factors for which an input is not known. `wanted` is the quantity
    before the lot grid and the venue's minima, also where those refused it: what a gate needs
    to say how much is missing.
    """

    quantity: Decimal
    notional: float
    risk: float
    pct: float
    factors: tuple[SizeFactor, ...]
    absent: tuple[str, ...]
    wanted: float = 0.0
    refusal: DenialCode | None = None
    detail: str = ""


def size_entry(
    context: SizeContext,
    parameters: Parameters,
    sizer: Sizer = CONFIDENCE_SCALED,
    manager: RiskManager = CORE,
) -> Size:
    """Work out the size of one entry; see the module for the order of the steps."""
    price, stop = float(context.price), float(context.stop)
    distance = (price - stop) * context.direction.sign / price if price > 0.0 else math.nan
    steps = _Steps()
    if not (distance > 0.0 and stop > 0.0):
        detail = f"stop {stop:g} is not on the losing side of {price:g}"
        return steps.refused(DenialCode.NO_STOP, detail)
    if not context.equity > 0.0:
        return steps.refused(DenialCode.CAPITAL, "there is no equity")
    regime = context.regime.value if context.regime is not None else None
    terms = manager.terms(context, parameters)
    _base(steps, context, parameters, distance, sizer, terms)
    _factors(steps, context, parameters, terms)
    steps.absent.extend(context.unknown)
    _caps(steps, context, parameters, distance, regime)
    return _to_lots(steps, context, price, distance)


class _Steps:
    """The size in percent of equity as it goes from step to step."""

    def __init__(self) -> None:
        self.pct = 0.0
        self.factors: list[SizeFactor] = []
        self.absent: list[str] = []

    def note(self, name: str, value: float, pct: float) -> None:
        self.pct = pct
        self.factors.append(SizeFactor(name=name, value=value, result=pct))

    def cap(self, name: str, most: float) -> None:
        """Hold the size to `most`; noted only where it binds."""
        if most < self.pct:
            self.note(name, most, max(0.0, most))

    def refused(self, code: DenialCode, detail: str, wanted: float = 0.0) -> Size:
        steps, absent = tuple(self.factors), tuple(self.absent)
        return Size(ZERO, 0.0, 0.0, 0.0, steps, absent, wanted, code, detail)


def _base(
    steps: _Steps,
    context: SizeContext,
    p: Parameters,
    distance: float,
    sizer: Sizer,
    terms: Terms,
) -> None:
    """What the sizer wants, held to what the manager lets be lost; no number is no size."""
    for name, value, pct in sizer.steps(context, p, distance, terms.risk):
        steps.note(name, value, pct if math.isfinite(pct) and pct > 0.0 else 0.0)
    by_risk = terms.risk / distance
    steps.cap(terms.why, by_risk if math.isfinite(by_risk) else 0.0)


def _factors(steps: _Steps, context: SizeContext, p: Parameters, terms: Terms) -> None:
    """Collect every factor that has its input, drop boosts beside a reduction, multiply."""
    if context.equity < p.get(POOR_CAPITAL):
        factor = float(p.get(POOR_FACTOR))
        steps.note("small account", factor, steps.pct * factor)
    applied = [
        *_run(steps, context, p),
        *_dynamic(steps, context, p),
        *_regime(steps, context, p),
        *context.extra,
    ]
    reduced = not terms.boosts or any(value < 1.0 for _, value in applied)
    before, product = steps.pct, 1.0
    for name, value in applied:
        if value > 1.0 and reduced:
            continue
        if value != 1.0:
            product *= value
            steps.note(name, value, before * product)
    most = float(p.get(FACTOR_MAX))
    if product > most:
        steps.note("all factors at most", most, before * most)


def _run(steps: _Steps, context: SizeContext, p: Parameters) -> list[tuple[str, float]]:
    """How the account runs: both signs must agree, and both must be known."""
    count, pnl, _ = context.recent
    trend = context.equity_trend
    if count < p.get(SCALE_TRADES) or math.isnan(trend):
        steps.absent.append("account run")
        return []
    if pnl > 0.0 and trend > 0.0:
        return [("account wins", float(p.get(WIN_SCALE)))]
    if pnl < 0.0 and trend < 0.0:
        return [("account loses", float(p.get(LOSE_SCALE)))]
    return []


def _dynamic(steps: _Steps, context: SizeContext, p: Parameters) -> list[tuple[str, float]]:
    """Of drawdown, win rate and volatility the smallest reduction, else the quiet boost."""
    found: list[tuple[str, float]] = []
    for level, factor in DRAWDOWN_LEVELS:
        if context.drawdown_pct >= p.get(level):
            found.append(("drawdown", float(p.get(factor))))
    count, _, won = context.recent
    if count < p.get(SCALE_TRADES):
        steps.absent.append("win rate")
    elif won < p.get(POOR_WINRATE):
        found.append(("win rate", float(p.get(POOR_WINRATE_FACTOR))))
    vol, symbol = context.daily_vol_pct, context.instrument.symbol
    if math.isnan(vol):
        steps.absent.append("volatility")
    elif vol > p.get(VOL_HIGH, symbol):
        found.append(("high volatility", float(p.get(VOL_HIGH_FACTOR))))
    elif vol < p.get(VOL_LOW, symbol):
        found.append(("low volatility", float(p.get(VOL_LOW_FACTOR))))
    return [min(found, key=lambda one: one[1])] if found else []


def _regime(steps: _Steps, context: SizeContext, p: Parameters) -> list[tuple[str, float]]:
    if context.regime is None:
        steps.absent.append("regime")
        return []
    factor = regime_factor(p, context.instrument.symbol, context.regime, context.regime_confidence)
    return [(f"regime {context.regime}", factor)]


def _caps(
    steps: _Steps, context: SizeContext, p: Parameters, distance: float, regime: str | None
) -> None:
    equity = context.equity
    steps.cap("risk at most", risk_limit_pct(p, context.diamond, regime) / distance)
    held = context.symbol_exposure / equity * 100.0
    steps.cap("position cap", position_cap_pct(p, regime) - held)
    for name, most in context.headroom:
        steps.cap(name, most)
    per_notional = 1.0 / max(context.leverage, 1) + context.fee
    steps.cap("cash", max(0.0, context.cash) / per_notional / equity * 100.0)


def _to_lots(steps: _Steps, context: SizeContext, price: float, distance: float) -> Size:
    instrument = context.instrument
    if not steps.pct > 0.0:
        what = steps.factors[-1].name
        return steps.refused(DenialCode.SIZE_ZERO, f"nothing is left after {what}")
    wanted = steps.pct / 100.0 * context.equity
    lot_value = context.price * instrument.contract_size
    asked = min(Decimal(repr(wanted)) / lot_value, instrument.max_qty)
    quantity = round_qty(instrument, asked)
    worth = quantity * lot_value
    least = least_entry(instrument, context.price, context.stop)
    if quantity < instrument.min_qty or worth < least:
        detail = (
            f"{wanted:.2f} {instrument.quote} is below {least:.2f}, the least that the venue "
            "takes and buys back at the stop"
        )
        return steps.refused(DenialCode.VENUE_MINIMUM, detail, float(asked))
    notional = float(worth)
    pct = notional / context.equity * 100.0
    steps.note("lot grid", float(quantity), pct)
    absent = tuple(steps.absent)
    return Size(
        quantity, notional, notional * distance, pct, tuple(steps.factors), absent, float(asked)
    )
