"""The bridge from gross to net: it adds up to the last digit and is the ledger's own net."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, localcontext

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.core.clock import HOUR
from engine.core.types import Direction, Fill, Liquidity, Side
from engine.portfolio.bridge import Bridge, met
from engine.portfolio.holding import Terms
from engine.portfolio.ledger import Ledger
from engine.portfolio.pnl import MONEY

BEGIN = 20_000 * 24 * HOUR
prices = st.decimals(min_value="0.01", max_value="90000", places=2)
amounts = st.decimals(min_value="0.001", max_value="9", places=3)
shares = st.decimals(min_value="-0.02", max_value="0.02", places=6)


@st.composite
def lives(draw: st.DrawFn) -> list[tuple[Fill, Terms]]:
    """Positions that overlap midnight, closed in parts or not at all."""
    booked: list[tuple[Fill, Terms]] = []
    for number in range(draw(st.integers(1, 5))):
        direction = draw(st.sampled_from(Direction))
        size = draw(st.sampled_from((Decimal(1), Decimal("0.01"))))
        terms = Terms("BTC/USDT:USDT", direction, draw(st.integers(1, 5)), size)
        left, hour = Decimal(0), draw(st.integers(0, 40))
        for part in range(draw(st.integers(1, 6))):
            enters = part == 0 or (left == 0) or draw(st.booleans())
            quantity = draw(amounts) if enters else min(left, draw(amounts))
            left += quantity if enters else -quantity
            side = direction.entry_side if enters else direction.exit_side
            hour += draw(st.integers(1, 30))
            fill = _fill(draw, f"{number}-{part}", side, quantity, hour, f"P{number}")
            booked.append((fill, terms))
    return sorted(booked, key=lambda one: one[0].time_ns)


def _fill(
    draw: st.DrawFn, name: str, side: Side, quantity: Decimal, hour: int, position: str
) -> Fill:
    price = draw(prices)
    told = {
        "best": str(price * (1 + draw(shares))),
        "mid": str(price * (1 + draw(shares))),
        "source": "quote",
    }
    older = {"spread_bps": 3.1416, "slippage_bps": 1.25}
    return Fill(
        id=name, order=name, symbol="BTC/USDT:USDT", side=side, quantity=quantity, price=price,
        fee=draw(amounts), fee_asset="USDT", liquidity=Liquidity.TAKER,
        time_ns=BEGIN + hour * HOUR, position=position,
        assumptions=msgspec.json.encode(draw(st.sampled_from((told, older)))).decode(),
    )  # fmt: skip


@pytest.fixture(autouse=True)
def exact() -> Iterator[None]:
    """Sums in a test must not round either."""
    with localcontext(MONEY):
        yield


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lives(), st.lists(st.tuples(st.integers(0, 90), shares), max_size=4))
def test_every_row_adds_up_and_all_of_them_are_the_ledgers_net(
    booked: list[tuple[Fill, Terms]], funding: list[tuple[int, Decimal]]
) -> None:
    ledger, bridge = Ledger("USDT", Decimal(10_000)), Bridge("USDT")
    for fill, terms in booked:
        ledger.apply(fill, terms)
        bridge.fill(fill, terms)
    for hour, amount in funding:
        ledger.fund(booked[0][0].position, amount)
        bridge.fund(BEGIN + hour * HOUR, amount)
    total = bridge.total()
    assert total.net == ledger.realised - ledger.fees - ledger.funding
    assert (total.fees, total.funding) == (ledger.fees, ledger.funding)
    for row in (*bridge.days(), total, bridge.open({"BTC/USDT:USDT": 50_000.0})):
        assert row.gross - row.fees - row.spread - row.slippage - row.funding == row.net
    for term in ("gross", "fees", "spread", "slippage", "funding", "net", "notional"):
        assert sum(getattr(row, term) for row in bridge.days()) == getattr(total, term)
    open_net = bridge.open({"BTC/USDT:USDT": 50_000.0}).net
    account = ledger.account(BEGIN + 200 * HOUR, {"BTC/USDT:USDT": 50_000.0})
    assert open_net == account.unrealised
    assert account.equity - account.start_equity == total.net + open_net


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prices, shares, shares)
def test_a_round_trip_at_unmoved_mids_costs_its_spread_and_slippage(
    price: Decimal, half: Decimal, slip: Decimal
) -> None:
    terms, bridge = Terms("BTC/USDT", Direction.LONG), Bridge("USDT")
    half, slip = abs(half) * price, abs(slip) * price
    for side, sign in ((Side.BUY, 1), (Side.SELL, -1)):
        best = price + sign * half
        paid = best + sign * slip
        if paid <= 0 or best <= 0:
            return
        fill = Fill(
            id=side.value, order="O", symbol="BTC/USDT", side=side, quantity=Decimal(2),
            price=paid, fee=Decimal(1), fee_asset="USDT", liquidity=Liquidity.TAKER,
            time_ns=BEGIN + (sign < 0) * HOUR, position="P",
            assumptions=msgspec.json.encode({"mid": str(price), "best": str(best)}).decode(),
        )  # fmt: skip
        assert met(fill) == (price, best)
        bridge.fill(fill, terms)
    total = bridge.total()
    assert (total.gross, total.fees) == (Decimal(0), Decimal(2))
    assert (total.spread, total.slippage) == (4 * half, 4 * slip)
