"""Equity from raw fills: the second opinion on the ledger.

What was paid, what was received, what is left at its mark. No average price, no margin and
no order of arrival enter, which makes it a check and not a second copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from engine.core.types import ZERO, Fill
from engine.portfolio.holding import Terms
from engine.portfolio.pnl import MONEY


def recompute(
    start: Decimal,
    fills: Iterable[Fill],
    terms: Mapping[str, Terms],
    marks: Mapping[str, Decimal],
    funding: Decimal = ZERO,
    fee_rates: Mapping[str, Decimal] | None = None,
) -> Decimal:
    """Equity after these fills, with what is open at its mark; duplicates by id count once.

    `terms` by position id, `marks` by symbol, `funding` net paid, `fee_rates` the price of
    a foreign fee asset by fill id.
    """
    equity = MONEY.subtract(start, funding)
    left: dict[str, Decimal] = {}
    seen: set[str] = set()
    for fill in fills:
        if fill.id in seen:
            continue
        seen.add(fill.id)
        of = terms[fill.position]
        entry = fill.side is of.direction.entry_side
        sign = of.direction.sign if entry else -of.direction.sign
        quantity = fill.quantity
        if fill.fee_asset == of.symbol.partition("/")[2].partition(":")[0]:
            equity = MONEY.subtract(equity, fill.fee)
        elif entry and fill.fee_asset == of.symbol.partition("/")[0]:
            # Paid in kind: the coins are gone, and the cash for them was spent all the same.
            quantity = MONEY.subtract(quantity, fill.fee)
            in_kind = MONEY.multiply(fill.fee, fill.price)
            equity = MONEY.subtract(equity, MONEY.multiply(in_kind, of.contract_size))
        elif fill.fee:
            equity = MONEY.subtract(equity, MONEY.multiply(fill.fee, (fee_rates or {})[fill.id]))
        worth = MONEY.multiply(MONEY.multiply(quantity, fill.price), of.contract_size)
        equity = MONEY.subtract(equity, worth * sign)
        left[fill.position] = MONEY.add(left.get(fill.position, ZERO), quantity * sign)
    for position, quantity in left.items():
        if quantity:
            of = terms[position]
            worth = MONEY.multiply(MONEY.multiply(quantity, marks[of.symbol]), of.contract_size)
            equity = MONEY.add(equity, worth)
    return equity
