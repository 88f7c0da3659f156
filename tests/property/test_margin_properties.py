"""Isolated margin: what must hold for every entry, size, leverage and table of tiers."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.core.types import Direction
from engine.risk.margin import Margin, Tiers, distance_pct, initial_margin, steps_of, tiers_of

SYMBOLS = st.sampled_from(["BTC/USDT:USDT", "SOL/USDT:USDT", "XMR/USDT:USDT", "NEW/USDT:USDT"])
PRICES = st.decimals("0.001", "100000", places=3)
NOTIONALS = st.decimals("10", "5000000", places=2)
DIRECTIONS = st.sampled_from(list(Direction))


def position(
    direction: Direction, entry: Decimal, notional: Decimal, leverage: int, tiers: Tiers
) -> Margin:
    return Margin.at(direction, entry, notional / entry, leverage, tiers)


@settings(max_examples=150, deadline=None)
@given(SYMBOLS, DIRECTIONS, PRICES, NOTIONALS, st.integers(2, 10))
def test_at_the_liquidation_price_the_margin_ratio_is_one(
    symbol: str, direction: Direction, entry: Decimal, notional: Decimal, leverage: int
) -> None:
    held = position(direction, entry, notional, leverage, tiers_of(symbol))
    assume(held.ratio(entry) < 1)
    liquidation = held.liquidation
    assert liquidation is not None
    assert abs(held.ratio(liquidation) - 1.0) < 1e-9
    assert (entry - liquidation) * direction.sign > 0
    assert (liquidation - held.bankruptcy) * direction.sign >= 0
    assert (
        distance_pct(direction, entry, liquidation)
        > 0
        > distance_pct(direction, held.bankruptcy, liquidation)
    )
    closer = liquidation + (entry - liquidation) / 10
    assert held.ratio(closer) < 1 < held.ratio(liquidation - (entry - liquidation) / 1000)


@settings(max_examples=80, deadline=None)
@given(SYMBOLS, DIRECTIONS, PRICES, NOTIONALS, st.integers(2, 9))
def test_more_leverage_brings_liquidation_nearer(
    symbol: str, direction: Direction, entry: Decimal, notional: Decimal, leverage: int
) -> None:
    tiers = tiers_of(symbol)
    less = position(direction, entry, notional, leverage, tiers)
    more = position(direction, entry, notional, leverage + 1, tiers)
    assume(more.ratio(entry) < 1)
    assert less.liquidation is not None
    assert more.liquidation is not None
    assert (more.liquidation - less.liquidation) * direction.sign > 0
    assert more.ratio(entry) > less.ratio(entry)
    assert more.margin < less.margin
    assert abs(less.margin - initial_margin(less.notional(entry), leverage)) < Decimal("1e-12")


@settings(max_examples=80, deadline=None)
@given(SYMBOLS, NOTIONALS, st.decimals("0.01", "10", places=2))
def test_the_requirement_has_no_step_and_never_falls(
    symbol: str, notional: Decimal, more: Decimal
) -> None:
    tiers = tiers_of(symbol)
    assert tiers.maintenance(notional) <= tiers.maintenance(notional + more)
    for step in tiers.steps[:-1]:
        jump = tiers.maintenance(step.cap + Decimal("1e-9")) - tiers.maintenance(step.cap)
        assert abs(jump) < Decimal("1e-8")


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 10**7), st.integers(1, 40), st.integers(1, 125)),
        min_size=1, max_size=6, unique_by=(lambda row: row[0], lambda row: row[1]),
    ),
    DIRECTIONS, st.integers(10, 10**7), st.integers(2, 10),
)  # fmt: skip
def test_any_table_of_tiers_has_one_liquidation_price(
    rows: list[tuple[int, int, int]], direction: Direction, notional: int, leverage: int
) -> None:
    caps, rates = sorted(row[0] for row in rows), sorted(row[1] for row in rows)
    steps = [[str(cap), str(Decimal(r) / 100), 10] for cap, r in zip(caps, rates, strict=True)]
    tiers = Tiers("X", steps_of(steps), "test")
    held = position(direction, Decimal(100), Decimal(notional), leverage, tiers)
    assume(held.ratio(held.entry) < 1)
    assert held.liquidation is not None
    assert abs(held.ratio(held.liquidation) - 1.0) < 1e-9
