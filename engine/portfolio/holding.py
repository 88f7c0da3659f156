"""One position as its fills made it.

Its state is a function of the set of its fills: they are booked in the order of their
time, an entry before an exit of the same moment, and an exit that asks for more than is
open waits until its entry is here.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field
from decimal import Decimal

from engine.core.errors import InvariantBroken
from engine.core.types import ZERO, Direction, Fill
from engine.portfolio.pnl import MONEY, ONE, pnl, quotient

TOLERANCE = Decimal("1e-12")
"""What the cut digits of average prices may add up to; far below the worth of any lot."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the ledger must know of a position beside its fills."""

    symbol: str
    direction: Direction
    leverage: int = 1
    contract_size: Decimal = ONE


@dataclass(slots=True)
class Holding:
    """One position as its fills made it; `waiting` are exits whose entries are not here yet.

    `quantity` is what is open, `entered` and `exited` what was traded in all; the averages
    belong to those. `fees` are in the quote currency.
    """

    id: str
    terms: Terms
    quantity: Decimal = ZERO
    entry_price: Decimal = ZERO
    entered: Decimal = ZERO
    entry_value: Decimal = ZERO
    exited: Decimal = ZERO
    exit_value: Decimal = ZERO
    realised: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    margin: Decimal = ZERO
    opened_ns: int = 0
    changed_ns: int = 0
    last_fill: str = ""
    fills: list[tuple[int, int, str, Fill, Decimal, Decimal]] = field(default_factory=list)
    waiting: list[Fill] = field(default_factory=list)

    @property
    def closed(self) -> bool:
        return self.quantity == 0 and self.entered > 0 and not self.waiting

    @property
    def exit_price(self) -> Decimal:
        """The average price of all exits; 0 before the first."""
        return quotient(self.exit_value, self.exited) if self.exited else ZERO

    @property
    def average_entry(self) -> Decimal:
        """The average price of everything that was ever entered; 0 before the first fill."""
        return quotient(self.entry_value, self.entered) if self.entered else ZERO

    def value(self, quantity: Decimal, price: Decimal) -> Decimal:
        return MONEY.multiply(MONEY.multiply(quantity, price), self.terms.contract_size)

    def unrealised(self, mark: Decimal) -> Decimal:
        terms = self.terms
        return pnl(terms.direction, self.entry_price, mark, self.quantity, terms.contract_size)

    def clear(self) -> None:
        """Forget what the fills made, keep the fills and the funding: before a replay."""
        self.quantity = self.entry_price = self.entered = self.entry_value = ZERO
        self.exited = self.exit_value = self.realised = self.fees = self.margin = ZERO
        self.opened_ns = self.changed_ns = 0
        self.last_fill = ""
        self.waiting = []

    def enter(self, fill: Fill, quantity: Decimal, fee: Decimal) -> None:
        worth = MONEY.multiply(quantity, fill.price)
        cost = MONEY.add(MONEY.multiply(self.quantity, self.entry_price), worth)
        self.quantity = MONEY.add(self.quantity, quantity)
        self.entry_price = quotient(cost, self.quantity)
        self.entered = MONEY.add(self.entered, quantity)
        self.entry_value = MONEY.add(self.entry_value, worth)
        if not self.opened_ns:
            self.opened_ns = fill.time_ns
        self._settle(fill, fee)

    def leave(self, fill: Fill, quantity: Decimal, fee: Decimal) -> None:
        terms = self.terms
        gain = pnl(terms.direction, self.entry_price, fill.price, quantity, terms.contract_size)
        self.realised = MONEY.add(self.realised, gain)
        self.quantity = MONEY.subtract(self.quantity, quantity)
        self.exited = MONEY.add(self.exited, quantity)
        self.exit_value = MONEY.add(self.exit_value, MONEY.multiply(quantity, fill.price))
        if not self.quantity:
            self._settle_rounding()
        self._settle(fill, fee)

    def _settle(self, fill: Fill, fee: Decimal) -> None:
        self.fees = MONEY.add(self.fees, fee)
        worth = self.value(self.quantity, self.entry_price)
        self.margin = quotient(worth, Decimal(self.terms.leverage)) if worth else ZERO
        self.changed_ns = max(self.changed_ns, fill.time_ns)
        self.last_fill = fill.id

    def _settle_rounding(self) -> None:
        """A flat position earned what it sold for less what it cost, to the last digit."""
        flow = MONEY.subtract(self.exit_value, self.entry_value)
        exact = MONEY.multiply(flow, self.terms.contract_size) * self.terms.direction.sign
        if abs(exact - self.realised) > TOLERANCE:
            raise InvariantBroken(
                f"{self.id}: realised {self.realised:f} differs from its cash flow {exact:f}",
                "the ledger's own arithmetic is at fault; entries stop",
            )
        self.realised = exact


def add(holding: Holding, fill: Fill, quantity: Decimal, fee: Decimal) -> None:
    """Book a fill that may be late: what came after it in time is booked again after it."""
    entry = fill.side is holding.terms.direction.entry_side
    key = (fill.time_ns, 0 if entry else 1, fill.id, fill, quantity, fee)
    if holding.waiting or (holding.fills and key[:3] < holding.fills[-1][:3]):
        insort(holding.fills, key, key=lambda item: item[:3])
        replay(holding)
    else:
        holding.fills.append(key)
        book(holding, fill, entry, quantity, fee)


def replay(holding: Holding) -> None:
    """Rebuild a position from its fills in the order of their time."""
    holding.clear()
    for _time, exit_, _id, fill, quantity, fee in holding.fills:
        book(holding, fill, exit_ == 0, quantity, fee)


def book(holding: Holding, fill: Fill, entry: bool, quantity: Decimal, fee: Decimal) -> None:
    if entry:
        holding.enter(fill, quantity, fee)
        _take_waiting(holding)
    elif quantity <= holding.quantity:
        holding.leave(fill, quantity, fee)
    else:
        holding.waiting.append(fill)


def _take_waiting(holding: Holding) -> None:
    """Book every early exit that the position can now give, earliest first."""
    if not holding.waiting:
        return
    fees = {fill.id: (quantity, fee) for _t, _e, _i, fill, quantity, fee in holding.fills}
    still: list[Fill] = []
    for fill in holding.waiting:
        quantity, fee = fees[fill.id]
        if quantity <= holding.quantity:
            holding.leave(fill, quantity, fee)
        else:
            still.append(fill)
    holding.waiting = still


def fee_in_quote(
    fill: Fill, terms: Terms, quote: str, fee_rate: Decimal | None
) -> tuple[Decimal, Decimal]:
    """The quantity that reached the position, and the fee in the quote currency."""
    if fill.fee_asset == quote or not fill.fee:
        return fill.quantity, fill.fee
    if fill.fee_asset == fill.symbol.partition("/")[0] and fill.side is terms.direction.entry_side:
        in_kind = MONEY.multiply(MONEY.multiply(fill.fee, fill.price), terms.contract_size)
        return MONEY.subtract(fill.quantity, fill.fee), in_kind
    if fee_rate is None or not fee_rate.is_finite():
        raise InvariantBroken(
            f"fill {fill.id} was charged {fill.fee} {fill.fee_asset}, which has no price here",
            f"give the price of {fill.fee_asset} in {quote}",
        )
    return fill.quantity, MONEY.multiply(fill.fee, fee_rate)
