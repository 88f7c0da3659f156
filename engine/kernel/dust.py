"""What no order can close: held and told, instead of being refused by the venue again and again.

A venue takes no order below its least size and notional, so a rest can stay that nobody can
sell. Entries are sized so that they can be left at their stop (`least_entry`); a fall far
through a stop, or a part that a person closes, can still leave one.
"""

from __future__ import annotations

from decimal import Decimal

from engine.core.errors import CommandRefused
from engine.core.types import Position
from engine.kernel.desk import Desk
from engine.market.instruments import unsellable


class Dust:
    """Asks the venue's filters before an exit is sent. Owned by the kernel thread."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._told: set[str] = set()

    def holds(self, position: Position, quantity: Decimal, price: Decimal) -> bool:
        """Whether an exit by the plan must wait, because the venue would refuse it.

        Said once for a position, and again after it could have been sold meanwhile.
        """
        why = unsellable(self._desk.symbols[position.symbol].instrument, quantity, price)
        if not why:
            self._told.discard(position.id)
            return False
        if position.id not in self._told:
            self._told.add(position.id)
            text = f"DUST, held although its plan sells: {why}"
            self._desk.note(text, ref=position.id, symbol=position.symbol)
        return True

    def refuse(self, position: Position, part: Decimal, free: Decimal, price: Decimal) -> None:
        """Raise `CommandRefused` where this part, or what it leaves of `free`, is unsellable."""
        instrument = self._desk.symbols[position.symbol].instrument
        if why := unsellable(instrument, part, price):
            hint = "close more, or all of it" if part < free else "a better price makes it sellable"
            raise CommandRefused("dust", why, hint)
        left = free - part
        if left and (why := unsellable(instrument, left, price)):
            raise CommandRefused("dust", f"what is left could not be sold: {why}", "close all")
