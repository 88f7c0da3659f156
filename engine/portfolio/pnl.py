"""The one P&L function: what a move from entry to exit is worth.

Realised and unrealised, ledger, screen and trade table all call it, so that no two of them
can disagree about the same position.
"""

from __future__ import annotations

from decimal import Context, Decimal, DivisionByZero, InvalidOperation, Overflow

from engine.core.types import Direction

MONEY = Context(prec=100, traps=[InvalidOperation, DivisionByZero, Overflow])
"""Wide enough that sums and products of venue prices and quantities never round."""

FINEST = Decimal("1e-24")
"""Where quotients (average prices, margins) are cut. Everything after them is exact again,
so that sums don't depend on the order in which they were made."""

ONE = Decimal(1)
HUNDRED = Decimal(100)


def pnl(
    direction: Direction,
    entry: Decimal,
    exit_price: Decimal,
    quantity: Decimal,
    contract_size: Decimal = ONE,
) -> Decimal:
    """Profit before fees and funding, in the quote currency of a linear contract.

    For what is still open, `exit_price` is the mark. Quantity is in lots of
    `contract_size` base units and never negative; the direction carries the sign.
    """
    multiply = MONEY.multiply
    move = MONEY.subtract(exit_price, entry)
    gain = multiply(multiply(move, quantity), contract_size)
    return gain if direction is Direction.LONG else -gain


def pnl_pct(direction: Direction, entry: Decimal, exit_price: Decimal) -> float:
    """The move from entry to exit in the position's favour, in percent points (1.6 is +1.6 %).

    The same as `pnl` over the notional at entry: before fees, and without leverage.
    """
    return return_pct(pnl(direction, entry, exit_price, ONE), entry, ONE)


def return_pct(
    profit: Decimal, entry: Decimal, quantity: Decimal, contract_size: Decimal = ONE
) -> float:
    """A profit in percent points of the notional at entry, with whatever costs it carries.

    0 for an empty position, which has no notional.
    """
    notional = MONEY.multiply(MONEY.multiply(entry, quantity), contract_size)
    if not notional:
        return 0.0
    return float(MONEY.divide(MONEY.multiply(profit, HUNDRED), notional))


def quotient(dividend: Decimal, divisor: Decimal) -> Decimal:
    """A division whose result is cut at `FINEST`, for amounts that go on into sums.

    Without trailing zeros, because averages reach the journal and the screen.
    """
    cut = MONEY.divide(dividend, divisor).quantize(FINEST, context=MONEY).normalize(MONEY)
    return cut.quantize(ONE, context=MONEY) if cut == cut.to_integral_value() else cut
