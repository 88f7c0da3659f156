"""Funding payments: what holding a perpetual over a funding hour costs or brings.

A payment is the position's notional at the mark times the rate; longs pay a positive one and
shorts receive it. Who holds a position at the hour pays, who opened it at the hour or left
before does not. A payment's id is made of position and hour, so that booking it twice, in a
run or over a restart, does nothing the second time.

Source: Binance, "Introduction to Binance Futures Funding Rates".
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

from engine.core.types import Direction, Funding, Position
from engine.portfolio.pnl import MONEY

CENT = Decimal("0.00000001")
"""Binance books funding to eight digits."""


def payment_id(position: str, boundary_ns: int) -> str:
    return f"{position}@{boundary_ns}"


def pays(position: Position, boundary_ns: int) -> bool:
    """Whether a position that is open now was held over this funding hour."""
    return position.opened_ns < boundary_ns


def payment(
    position: Position,
    boundary_ns: int,
    rate: float,
    mark: Decimal,
    contract_size: Decimal = Decimal(1),
    note: str = "",
) -> Funding:
    """What this position pays at this hour, rounded to the venue's eight digits."""
    notional = MONEY.multiply(MONEY.multiply(position.quantity, mark), contract_size)
    due = MONEY.multiply(notional, Decimal(repr(rate)))
    signed = due if position.direction is Direction.LONG else -due
    return Funding(
        id=payment_id(position.id, boundary_ns),
        position=position.id,
        symbol=position.symbol,
        boundary_ns=boundary_ns,
        rate=rate,
        mark=mark,
        notional=notional,
        amount=signed.quantize(CENT, ROUND_HALF_EVEN, context=MONEY),
        note=note,
    )
