"""Whatever the account, market and settings: no size exceeds a cap, and gates admit it."""

from __future__ import annotations

import math
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from engine.core.denials import DenialCode
from engine.core.parameters import Parameters, find
from engine.core.regimes import Regime
from engine.core.types import Direction, InstrumentKind
from engine.market.instruments import least_entry
from engine.risk.gates import evaluate
from engine.risk.sizing import SizeContext, size_entry
from tests.decision_help import account, candidate, instrument, sizing

CAPS = (
    "size.max_position_pct",
    "size.profile_max_pos_pct",
    "risk.max_symbol_exposure_pct",
    "size.risk_regular_pct",
    "size.risk_diamond_pct",
    "size.factor_max",
    "size.base_pct",
)


@st.composite
def settings(draw: st.DrawFn) -> Parameters:
    parameters = Parameters()
    for name in CAPS:
        known = find(name)
        assert known.low is not None
        assert known.high is not None
        parameters.set(name, draw(st.floats(known.low, known.high)), "test")
    return parameters


@st.composite
def entries(draw: st.DrawFn) -> SizeContext:
    kind = draw(st.sampled_from(InstrumentKind))
    direction = draw(st.sampled_from(Direction)) if kind is InstrumentKind.SWAP else Direction.LONG
    price = draw(st.decimals("0.01", "90000", places=2))
    away = draw(st.floats(1e-4, 0.5))
    stop = price * Decimal(repr(1.0 - direction.sign * away))
    equity = draw(st.floats(50.0, 1e7))
    return sizing(
        instrument=instrument(
            kind,
            lot_step=draw(st.sampled_from([Decimal(1), Decimal("0.001"), Decimal("0.00001")])),
            min_qty=Decimal(0),
        ),
        direction=direction,
        price=price,
        stop=stop,
        confidence=draw(st.floats(0.0, 1.0)),
        equity=equity,
        cash=equity * draw(st.floats(0.0, 1.2)),
        drawdown_pct=draw(st.floats(0.0, 30.0)),
        daily_vol_pct=draw(st.floats(0.1, 10.0) | st.just(math.nan)),
        regime=draw(st.sampled_from(Regime) | st.none()),
        regime_confidence=draw(st.floats(0.0, 1.0)),
        recent=(draw(st.integers(0, 40)), draw(st.floats(-9e3, 9e3)), draw(st.floats(0.0, 1.0))),
        equity_trend=draw(st.floats(-0.1, 0.1) | st.just(math.nan)),
        symbol_exposure=equity * draw(st.floats(0.0, 0.3)),
        leverage=draw(st.integers(1, 10)) if kind is InstrumentKind.SWAP else 1,
        diamond=draw(st.booleans()),
        extra=draw(st.sampled_from([(), (("correlation", 0.3),), (("coin status", 1.5),)])),
    )


@given(entries(), settings())
def test_no_size_exceeds_an_active_cap_and_the_gates_agree(
    entry: SizeContext, parameters: Parameters
) -> None:
    size = size_entry(entry, parameters)
    if size.refusal is not None:
        assert size.quantity == 0
        return
    slack = 1.0 + 1e-9
    worth = float(size.quantity * entry.price * entry.instrument.contract_size)
    for cap in CAPS[:3]:
        most = parameters.get(find(cap)) / 100.0 * entry.equity
        assert worth + entry.symbol_exposure <= most * slack
    assert worth / entry.leverage + worth * entry.fee <= entry.cash * slack
    ceiling = 0.03 * entry.equity
    risked = float(size.quantity * abs(entry.price - entry.stop))
    assert risked <= ceiling * slack
    base = parameters.get(find("size.base_pct")) / 100.0 * entry.equity
    assert worth <= base * parameters.get(find("size.factor_max")) * slack
    assert size.quantity % entry.instrument.lot_step == 0
    gates = evaluate(
        candidate(
            account=account(equity=entry.equity, cash=entry.cash, day_start_equity=entry.equity),
            direction=entry.direction,
            quantity=float(size.quantity),
            price=float(entry.price),
            stop=float(entry.stop),
            can_short=entry.instrument.can_short,
            symbol_exposure=entry.symbol_exposure,
            leverage=entry.leverage,
            diamond=entry.diamond,
            regime=None,
            least_notional=float(least_entry(entry.instrument, entry.price, entry.stop)),
        ),
        parameters,
    )
    sized_by = {DenialCode.POSITION_CAP, DenialCode.RISK_PER_TRADE, DenialCode.CAPITAL,
                DenialCode.VENUE_MINIMUM, DenialCode.SIZE_ZERO, DenialCode.NO_STOP}  # fmt: skip
    assert not [gate for gate in gates if gate.code in sized_by and not gate.passed]


@given(entries())
def test_more_reductions_never_make_a_larger_size(entry: SizeContext) -> None:
    reduced = SizeContext(
        **{
            name: getattr(entry, name)
            for name in SizeContext.__dataclass_fields__
            if name != "extra"
        },
        extra=(*entry.extra, ("one more", 0.5)),
    )
    assert size_entry(reduced, Parameters()).notional <= size_entry(entry, Parameters()).notional
