"""What a person moves of an open position: its stop, its targets, and who manages it.

Each holds from the next price on, and is on disk before the answer says that it was done.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TypeVar

from engine.core.errors import CommandRefused, QuarterdeckError
from engine.core.types import Position
from engine.kernel.desk import Desk
from engine.kernel.protection import Protection
from engine.position.watch import PositionWatch

T = TypeVar("T")


class Editing:
    """A person's hand on positions. Owned by the kernel thread."""

    def __init__(self, desk: Desk, protection: Protection) -> None:
        self._desk = desk
        self._protection = protection

    def move_stop(self, position_id: str, price: Decimal) -> Position:
        """A person's stop, from the next tick on."""
        watch, position = self._found(position_id)
        rounded = self._protection.prices(position.symbol, (float(price),))[0]
        self._allowed(lambda: watch.move_stop(float(rounded), by_person=True))
        return self._moved(position, watch, f"stop moved to {rounded} by a person")

    def move_targets(self, position_id: str, prices: tuple[Decimal, ...]) -> Position:
        """A person's targets, from the next tick on."""
        watch, position = self._found(position_id)
        rounded = self._protection.prices(position.symbol, tuple(map(float, prices)))
        self._allowed(lambda: watch.move_targets(tuple(map(float, rounded))))
        return self._moved(position, watch, "targets moved by a person")

    def take_over(self, position_id: str, taken: bool) -> Position:
        """A person manages stop and targets, or gives them back."""
        watch, position = self._found(position_id)
        watch.set_taken_over(taken)
        position = self._desk.book.take_over(position_id, taken)
        return self._moved(position, watch, "taken over" if taken else "given back")

    def _found(self, position_id: str) -> tuple[PositionWatch, Position]:
        watch = self._desk.watches.get(position_id)
        position = self._desk.book.get(position_id)
        if watch is None or position is None:
            raise CommandRefused("unknown_position", f"there is no position {position_id}")
        return watch, position

    def _allowed(self, move: Callable[[], T]) -> T:
        try:
            return move()
        except QuarterdeckError as error:
            raise CommandRefused("not_possible", error.message, error.hint) from None

    def _moved(self, position: Position, watch: PositionWatch, why: str) -> Position:
        desk = self._desk
        position = self._protection.sync(position, watch)
        desk.record(self._protection.changed(position, why))
        desk.journal.barrier()
        return position
