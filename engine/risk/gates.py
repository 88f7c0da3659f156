"""The gates before an entry: every limit asked, each answer with its headroom.

All gates are evaluated, also after one has refused, because a person asks what else stands
in the way and learners need the value each gate saw. Gates are pure functions of plain
numbers, so the screen, a command and a test can ask "what if" without an engine.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from engine.core.clock import MINUTE
from engine.core.denials import DenialCode
from engine.core.parameters import Parameters
from engine.core.types import Direction, Gate
from engine.decision.combine import MIN_CONFIDENCE
from engine.market.quality import MAX_QUOTE_AGE_CRYPTO, MAX_QUOTE_AGE_POLLED
from engine.risk.contexts import AccountContext, Around, GateContext, Known
from engine.risk.correlation import MAX_CORRELATED
from engine.risk.entryscore import needed, score_of
from engine.risk.exposure import MAX_SECTOR
from engine.risk.limits import (
    COOLDOWN_MINUTES,
    DAILY_LOSS,
    DAILY_RISK,
    MAX_DRAWDOWN,
    MAX_LEVERAGE,
    MAX_NEW,
    MAX_SKEW,
    MAX_SPREAD,
    MAX_TRADES,
    ORDERS_PER_SECOND,
    loss_pct,
    max_open,
    position_cap_pct,
    risk_limit_pct,
)
from engine.risk.var import VAR_MAX

__all__ = [
    "COOLDOWN_MINUTES",
    "AccountContext",
    "Around",
    "GateContext",
    "Known",
    "admitted",
    "cooldown_until",
    "evaluate",
    "first_refusal",
    "limits",
]


ROUNDING = 1e-9
"""Relative error that floats may have gathered on the way to a gate; far below any lot."""


def _headroom(distance: float, threshold: float) -> float:
    """`distance`, or 0 where only the last digits of a float are missing to the threshold.

    A size that was cut to a cap must not be refused by the same cap.
    """
    return 0.0 if abs(distance) <= ROUNDING * max(1.0, abs(threshold)) else distance


def _most(
    code: DenialCode,
    name: str,
    value: float,
    threshold: float,
    unit: str,
    *,
    hard: bool = True,
    detail: str = "",
) -> Gate:
    """A gate that admits up to the threshold, the threshold included; NaN is refused."""
    distance = _headroom(threshold - value, threshold)
    return Gate(
        code=code,
        name=name,
        passed=distance >= 0.0,
        value=value,
        threshold=threshold,
        distance=distance,
        unit=unit,
        hard=hard,
        detail=detail,
    )


def _below(code: DenialCode, name: str, value: float, threshold: float, unit: str) -> Gate:
    """A gate that has refused when the threshold is reached."""
    distance = threshold - value
    return Gate(
        code=code,
        name=name,
        passed=distance > 0.0,
        value=value,
        threshold=threshold,
        distance=distance,
        unit=unit,
        hard=True,
    )


def _least(
    code: DenialCode,
    name: str,
    value: float,
    threshold: float,
    unit: str,
    *,
    hard: bool = True,
    detail: str = "",
) -> Gate:
    """A gate that admits from the threshold on; NaN is refused."""
    distance = _headroom(value - threshold, threshold)
    return Gate(
        code=code,
        name=name,
        passed=distance >= 0.0,
        value=value,
        threshold=threshold,
        distance=distance,
        unit=unit,
        hard=hard,
        detail=detail,
    )


def _known_most(
    code: DenialCode, name: str, value: float | None, threshold: float, detail: str
) -> Gate:
    """As `_most` in percent of equity, for what needs history: None is unknown and passes."""
    if value is not None:
        return _most(code, name, value, threshold, "% of equity", detail=detail)
    return Gate(
        code=code, name=name, passed=True, value=math.nan, threshold=threshold,
        distance=math.nan, unit="% of equity", hard=True, detail=detail,
    )  # fmt: skip


def _share(amount: float, base: float) -> float:
    """`amount` in percent of `base`; nothing is a fair share of nothing."""
    return amount / base * 100.0 if base > 0.0 else math.inf


def _share_if_known(amount: float | None, base: float) -> float | None:
    return None if amount is None else _share(amount, base)


# Of the account.


def _control(a: AccountContext) -> Gate:
    severity = float(a.control.severity)
    return _most(
        DenialCode.CONTROL_STATE, "control state", severity, 0.0, "state", detail=a.control.value
    )


def _breakers(a: AccountContext) -> Gate:
    return _most(
        DenialCode.BREAKER_OPEN, "circuit breakers", a.breakers_open, 0.0, "open",
        detail=a.breakers,
    )  # fmt: skip


def _open_positions(a: AccountContext, p: Parameters, regime: str | None, more: int) -> Gate:
    return _most(
        DenialCode.OPEN_POSITIONS, "open positions", a.open_positions + more,
        max_open(p, regime), "positions",
    )  # fmt: skip


def _new_per_cycle(a: AccountContext, p: Parameters, regime: str | None, more: int) -> Gate:
    return _most(
        DenialCode.NEW_PER_CYCLE, "new this cycle", a.new_in_cycle + more,
        p.get(MAX_NEW, regime=regime), "positions",
    )  # fmt: skip


def _trades_per_day(a: AccountContext, p: Parameters, more: int) -> Gate:
    return _most(
        DenialCode.TRADES_PER_DAY, "trades today", a.trades_today + more, p.get(MAX_TRADES),
        "trades",
    )  # fmt: skip


def _daily_risk(a: AccountContext, p: Parameters, more: float) -> Gate:
    value = _share(a.opened_risk + more, a.day_start_equity)
    return _most(
        DenialCode.DAILY_RISK, "risk opened today", value, p.get(DAILY_RISK), "% of day start"
    )


def _daily_loss(a: AccountContext, p: Parameters, regime: str | None) -> Gate:
    value = loss_pct(a.day_start_equity, a.equity)
    limit = p.get(DAILY_LOSS, regime=regime)
    return _below(DenialCode.DAILY_LOSS, "loss today", value, limit, "% of day start")


def _drawdown(a: AccountContext, p: Parameters) -> Gate:
    value = loss_pct(a.peak_equity, a.equity)
    return _below(DenialCode.DRAWDOWN, "drawdown", value, p.get(MAX_DRAWDOWN), "% of peak")


def _order_rate(a: AccountContext, p: Parameters, more: int) -> Gate:
    return _most(
        DenialCode.ORDER_RATE, "orders a second", a.orders_last_s + more,
        p.get(ORDERS_PER_SECOND), "orders",
    )  # fmt: skip


# Of the candidate.


def _freshness(c: GateContext, p: Parameters) -> Gate:
    limit = p.get(MAX_QUOTE_AGE_POLLED if c.polled else MAX_QUOTE_AGE_CRYPTO, c.symbol)
    return _most(DenialCode.STALE_QUOTE, "price age", c.quote_age_s, limit, "s")


def _spread(c: GateContext, p: Parameters) -> Gate:
    limit = p.get(MAX_SPREAD, c.symbol, c.regime)
    return _most(DenialCode.SPREAD, "spread", c.spread_bps, limit, "bps")


def _clock(c: GateContext, p: Parameters) -> Gate:
    """Paper signs nothing, and still sends no entry that the venue would refuse unread."""
    return _most(DenialCode.CLOCK_SKEW, "clock skew", c.skew_s, p.get(MAX_SKEW), "s")


def _leverage(c: GateContext, p: Parameters) -> Gate:
    limit = p.get(MAX_LEVERAGE, c.symbol, c.regime) if c.can_short else 1
    if c.most_leverage is not None and c.most_leverage < limit:
        detail = "with more the liquidation guard would come before the stop"
        most = c.most_leverage
        return _most(DenialCode.LEVERAGE, "leverage", c.leverage, most, "x", detail=detail)
    return _most(DenialCode.LEVERAGE, "leverage", c.leverage, limit, "x")


def _spot_short(c: GateContext) -> Gate:
    short = c.direction is Direction.SHORT
    return _most(
        DenialCode.SPOT_SHORT, "short selling", 1.0 if short else 0.0,
        1.0 if c.can_short else 0.0, "shorts",
    )  # fmt: skip


def _stop(c: GateContext) -> Gate:
    """The stop must lie on the losing side, at a price that exists."""
    away = (c.price - c.stop) * c.direction.sign / c.price * 100.0 if c.price > 0 else math.nan
    passed = away > 0.0 and c.stop > 0.0
    return Gate(
        code=DenialCode.NO_STOP, name="stop distance", passed=passed, value=away, threshold=0.0,
        distance=away if passed else min(away, 0.0), unit="%", hard=True,
    )  # fmt: skip


def _size(c: GateContext) -> Gate:
    passed = c.quantity > 0.0
    return Gate(
        code=DenialCode.SIZE_ZERO, name="size", passed=passed, value=c.quantity, threshold=0.0,
        distance=c.quantity, unit="lots", hard=True,
    )  # fmt: skip


def _venue_minimum(c: GateContext) -> Gate:
    """What can be bought and sold again; nothing at all is the size gate's to refuse."""
    value, least = (c.notional, c.least_notional) if c.quantity > 0.0 else (0.0, 0.0)
    return _least(DenialCode.VENUE_MINIMUM, "venue minimum", value, least, "quote")


def _capital(c: GateContext) -> Gate:
    needed = c.notional / max(c.leverage, 1) + c.notional * c.fee
    return _most(DenialCode.CAPITAL, "cash needed", needed, c.account.cash, "quote")


def _cooldown(c: GateContext) -> Gate:
    left = c.cooldown_left_s / 60.0
    return _most(DenialCode.COOLDOWN, "cooldown left", left, 0.0, "min", hard=False)


def _further(c: GateContext) -> int:
    """How many positions the candidate adds to those there are."""
    return 0 if c.grows else 1


def _duplicate(c: GateContext) -> Gate:
    return _most(
        DenialCode.DUPLICATE_POSITION,
        "in this symbol",
        c.symbol_positions + _further(c),
        1,
        "positions",
    )


def _position_cap(c: GateContext, p: Parameters) -> Gate:
    value = _share(c.symbol_exposure + c.notional, c.account.equity)
    limit = position_cap_pct(p, c.regime)
    return _most(DenialCode.POSITION_CAP, "symbol exposure", value, limit, "% of equity")


def _correlated(c: GateContext, p: Parameters) -> Gate:
    """A cluster in which nothing else is held is the position cap's to limit."""
    beside = c.around.correlated
    value = _share(beside + c.notional, c.account.equity) if beside else beside
    return _known_most(
        DenialCode.CORRELATED_EXPOSURE, "correlated", value, p.get(MAX_CORRELATED),
        c.around.correlated_with,
    )  # fmt: skip


def _sector(c: GateContext, p: Parameters) -> Gate:
    value = _share(c.around.sector_exposure + c.notional, c.account.equity)
    limit = p.get(MAX_SECTOR, regime=c.regime)
    return _most(
        DenialCode.SECTOR_EXPOSURE, "sector exposure", value, limit, "% of equity",
        detail=c.around.sector,
    )  # fmt: skip


def _var(c: GateContext, p: Parameters) -> Gate:
    value = _share_if_known(c.around.var, c.account.equity)
    return _known_most(
        DenialCode.VAR_LIMIT, "value at risk", value, p.get(VAR_MAX), c.around.var_from
    )


def _risk_per_trade(c: GateContext, p: Parameters) -> Gate:
    value = 0.0 if math.isnan(c.stop) else _share(c.risk, c.account.equity)
    limit = risk_limit_pct(p, c.diamond, c.regime)
    return _most(DenialCode.RISK_PER_TRADE, "risk at stop", value, limit, "% of equity")


def _expected_value(c: GateContext) -> Gate:
    passed = c.net_ev_bps > 0.0
    return Gate(
        code=DenialCode.EXPECTED_VALUE, name="expected value", passed=passed,
        value=c.net_ev_bps, threshold=0.0, distance=c.net_ev_bps, unit="bps net", hard=False,
    )  # fmt: skip


def _confidence(c: GateContext, p: Parameters) -> Gate:
    least = p.get(MIN_CONFIDENCE, regime=c.regime)
    return _least(DenialCode.CONFIDENCE, "confidence", c.confidence, least, "", hard=False)


def _learned(code: DenialCode, name: str, why: str) -> Gate:
    """What was learned refuses or does not; a person may know better."""
    return _most(code, name, 1.0 if why else 0.0, 0.0, "refusals", hard=False, detail=why)


def _entry_score(c: GateContext, p: Parameters) -> Gate:
    account = c.account
    fell = 100.0 * (1.0 - account.equity / account.peak_equity) if account.peak_equity > 0 else 0.0
    least = needed(p, fell, c.symbol, c.regime, c.strategy or None)
    return _least(
        DenialCode.ENTRY_SCORE, "entry score", score_of(c.confidence), least, "points", hard=False,
        detail=f"{fell:.1f} % below the equity peak",
    )  # fmt: skip


_GATES: tuple[Callable[[GateContext, Parameters], Gate], ...] = (
    lambda c, p: _control(c.account),
    _freshness,
    lambda c, p: _breakers(c.account),
    _clock,
    _spread,
    _leverage,
    lambda c, p: _spot_short(c),
    lambda c, p: _stop(c),
    lambda c, p: _size(c),
    lambda c, p: _venue_minimum(c),
    lambda c, p: _capital(c),
    lambda c, p: _open_positions(c.account, p, c.regime, _further(c)),
    lambda c, p: _new_per_cycle(c.account, p, c.regime, _further(c)),
    lambda c, p: _trades_per_day(c.account, p, _further(c)),
    lambda c, p: _cooldown(c),
    lambda c, p: _duplicate(c),
    _position_cap,
    _correlated,
    _sector,
    _risk_per_trade,
    lambda c, p: _daily_risk(c.account, p, 0.0 if math.isnan(c.stop) else c.risk),
    _var,
    lambda c, p: _daily_loss(c.account, p, c.regime),
    lambda c, p: _drawdown(c.account, p),
    lambda c, p: _order_rate(c.account, p, 1),
    lambda c, p: _learned(DenialCode.COIN_BLACKLISTED, "coin", c.known.coin),
    lambda c, p: _learned(DenialCode.PAIR_BLOCKED, "strategy in symbol", c.known.pair),
    lambda c, p: _learned(DenialCode.PATTERN_INACTIVE, "pattern", c.known.pattern),
    lambda c, p: _learned(DenialCode.RULE_NO_TRADE, "rules", c.known.rule),
    lambda c, p: _expected_value(c),
    _confidence,
    _entry_score,
)
"""Hard limits first, in the order in which a refusal is named; then what a person may override."""


def cooldown_until(
    parameters: Parameters, symbol: str, ended_ns: int, regime: str | None = None
) -> int:
    """Until when a symbol may not be entered after its position ended at `ended_ns`."""
    return ended_ns + int(parameters.get(COOLDOWN_MINUTES, symbol, regime)) * MINUTE


def evaluate(context: GateContext, parameters: Parameters) -> tuple[Gate, ...]:
    """Every gate's answer, in a fixed order, whether or not an earlier one refused."""
    return tuple([gate(context, parameters) for gate in _GATES])


def first_refusal(gates: tuple[Gate, ...], *, hard_only: bool = False) -> Gate | None:
    """The gate that names the denial; `hard_only` is what an override still meets."""
    for gate in gates:
        if not gate.passed and (gate.hard or not hard_only):
            return gate
    return None


def admitted(gates: tuple[Gate, ...]) -> bool:
    """Whether every gate admits the entry."""
    return first_refusal(gates) is None


def limits(account: AccountContext, parameters: Parameters) -> tuple[Gate, ...]:
    """The standing limits with their headroom, as they are now and without a candidate."""
    cap = position_cap_pct(parameters)
    used = _share(account.largest_exposure, account.equity)
    cluster = _share_if_known(account.largest_cluster, account.equity)
    sector = _share(account.largest_sector, account.equity)
    var = _share_if_known(account.var, account.equity)
    return (
        _control(account),
        _daily_loss(account, parameters, None),
        _drawdown(account, parameters),
        _daily_risk(account, parameters, 0.0),
        _most(DenialCode.POSITION_CAP, "largest position", used, cap, "% of equity"),
        _known_most(
            DenialCode.CORRELATED_EXPOSURE,
            "largest cluster",
            cluster,
            parameters.get(MAX_CORRELATED),
            "not known" if cluster is None else "",
        ),
        _most(
            DenialCode.SECTOR_EXPOSURE,
            "largest sector",
            sector,
            parameters.get(MAX_SECTOR),
            "% of equity",
        ),
        _known_most(
            DenialCode.VAR_LIMIT, "value at risk", var, parameters.get(VAR_MAX), account.var_from
        ),
        _open_positions(account, parameters, None, 0),
        _new_per_cycle(account, parameters, None, 0),
        _trades_per_day(account, parameters, 0),
        _order_rate(account, parameters, 0),
    )
