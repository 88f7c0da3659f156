"""Money is conserved through entries, funding, partial exits and liquidation at any leverage."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.parameters import Parameters
from engine.core.types import Direction, Fill, Liquidity
from engine.portfolio.ledger import Ledger, Terms
from engine.portfolio.recompute import recompute
from engine.risk.liquidation import liquidation_fill
from engine.risk.margin import Margin, tiers_of

PERP = "BTC/USDT:USDT"
START = Decimal(1_000_000)


def fill(number: int, direction: Direction, entry: bool, lots: int, price: Decimal) -> Fill:
    return Fill(
        id=f"F-{number}", order=f"O-{number}", symbol=PERP,
        side=direction.entry_side if entry else direction.exit_side,
        quantity=Decimal(lots) / 1000, price=price, fee=Decimal(lots) * price / 2_000_000,
        fee_asset="USDT", liquidity=Liquidity.TAKER, time_ns=number, position="POS-1",
    )  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from(list(Direction)), st.integers(2, 10), st.integers(2, 5_000),
    st.decimals("1000", "100000", places=1),
    st.lists(st.decimals("-50", "50", places=6), max_size=6),
    st.integers(0, 100), st.decimals("0", "0.5", places=3),
)  # fmt: skip
def test_equity_is_what_the_raw_fills_and_payments_say_to_the_last_digit(
    direction: Direction, leverage: int, lots: int, price: Decimal, payments: list[Decimal],
    sold_pct: int, beyond: Decimal,
) -> None:  # fmt: skip
    terms = Terms(PERP, direction, leverage)
    ledger = Ledger("USDT", START)
    ledger.apply(fill(1, direction, True, lots, price), terms)
    for number, amount in enumerate(payments):
        assert ledger.fund("POS-1", amount, f"POS-1@{number}")
        assert not ledger.fund("POS-1", amount, f"POS-1@{number}")
    sold = lots * sold_pct // 200
    if sold:
        ledger.apply(fill(2, direction, False, sold, price), terms)
    holding = ledger.holdings["POS-1"]
    margin = Margin(
        direction, holding.entry_price, holding.quantity, holding.margin, tiers_of(PERP)
    )
    before = ledger.account(3, {PERP: price}).equity
    end = margin.liquidation
    assert end is not None
    market = end * (1 - beyond * direction.sign)
    at, fee = liquidation_fill(margin, market, Parameters())
    at = at.quantize(Decimal("0.1"), ROUND_CEILING if direction is Direction.LONG else ROUND_FLOOR)
    last = fill(3, direction, False, lots - sold, at)
    last = Fill(**{**{name: getattr(last, name) for name in last.__struct_fields__}, "fee": fee})
    ledger.apply(last, terms)
    account = ledger.account(4, {})
    assert account.equity == account.cash
    assert account.equity == recompute(START, ledger.fills, {"POS-1": terms}, {}, ledger.funding)
    assert account.funding == sum(payments, Decimal(0))
    assert before - account.equity <= margin.margin + Decimal("1e-9")
    ledger.verify(full=True)
