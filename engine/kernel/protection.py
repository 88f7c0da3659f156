"""What protects a position, as it is planned, shown and journaled.

A watch moves its stop and targets by itself; the book's row, the screen and the journal follow
it from here, so that all of them tell the same, and a restart finds the exact state.
"""

from __future__ import annotations

import json
import math
from decimal import Decimal

from engine.core.errors import QuarterdeckError
from engine.core.records import PositionChanged
from engine.core.types import Fill, Position
from engine.journal.lines import PROTECTION_MOVED
from engine.kernel.appraisal import Appraisal, Wish
from engine.kernel.desk import Desk
from engine.market.instruments import least_entry, round_price
from engine.position.plan import Entry, plan_exits
from engine.position.settings import exit_profile
from engine.position.watch import PositionWatch


class Protection:
    """Stops and targets between watches, book and journal. Owned by the kernel thread."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._journaled: dict[str, tuple[float | None, tuple[float, ...], int]] = {}

    def known(self, position_id: str, watch: PositionWatch) -> None:
        """This is how the journal has it."""
        self._journaled[position_id] = (watch.stop, watch.targets, watch.lots)

    def forget(self, position_id: str) -> None:
        """The position is closed."""
        self._journaled.pop(position_id, None)

    def keep_moved(self, *, whether_or_not: bool = False) -> None:
        """Journal every watch whose protection moved since it was last journaled, or all."""
        desk = self._desk
        for position_id, watch in desk.watches.items():
            now = (watch.stop, watch.targets, watch.lots)
            if self._journaled.get(position_id) == now and not whether_or_not:
                continue
            position = desk.book.get(position_id)
            if position is not None:
                desk.record(self.changed(self.sync(position, watch), PROTECTION_MOVED))

    def rows(self) -> list[Position]:
        """Open positions with protection and excursions as their watches have them now."""
        watches = self._desk.watches
        return [
            self.sync(position, watches[position.id])
            for position in self._desk.book.open()
            if position.id in watches
        ]

    def sync(self, position: Position, watch: PositionWatch) -> Position:
        """The position's row with the stop, targets and excursions that its watch has now."""
        book = self._desk.book
        stop = watch.stop
        book.protect(
            position.id,
            stop=self.prices(position.symbol, (stop,))[0] if stop is not None else Decimal(0),
            targets=self.prices(position.symbol, watch.targets),
        )
        return book.excursion(position.id, watch.mfe_pct, watch.mae_pct)

    def changed(self, position: Position, why: str) -> PositionChanged:
        """The record of a position as its watch has it now, by which a restart goes on."""
        desk = self._desk
        watch = desk.watches[position.id]
        self.known(position.id, watch)
        return PositionChanged(
            time_ns=desk.now_ns, position=position, watch=json.dumps(watch.to_dict()), why=why
        )

    def prices(self, symbol: str, prices: tuple[float, ...]) -> tuple[Decimal, ...]:
        """Prices as the symbol's instrument allows them."""
        instrument = self._desk.symbols[symbol].instrument
        return tuple(round_price(instrument, Decimal(repr(price)), up=False) for price in prices)

    def planned_targets(self, wish: Wish, appraisal: Appraisal) -> tuple[Decimal, ...]:
        """The targets that the exit plan would set for an entry at this price."""
        entry = self._planned(wish, appraisal)
        try:
            plan = plan_exits(self._desk.params, entry)
        except QuarterdeckError:
            return ()
        return self.prices(wish.symbol.symbol, plan.targets)

    def _planned(self, wish: Wish, appraisal: Appraisal) -> Entry:
        instrument = wish.symbol.instrument
        return Entry(
            symbol=instrument.symbol,
            direction=wish.direction,
            price=float(appraisal.price),
            lots=max(1, int(appraisal.quantity / instrument.lot_step)),
            lot_size=float(instrument.lot_step),
            opened_ns=self._desk.now_ns,
            atr=wish.symbol.feature("atr"),
            fee=float(instrument.taker_fee),
            spread=appraisal.quote.spread_bps / 10_000,
            strategy=wish.strategy,
            regime=wish.symbol.label or None,
            profile=self.profile(),
            stop=float(appraisal.stop) if appraisal.stop else None,
            targets=(wish.target,) if math.isfinite(wish.target) else (),
            score=wish.confidence,
        )

    def entry_of(self, fill: Fill, position: Position, lots: int) -> Entry:
        """What the exit plan is made from: the fill, with the stop that was approved."""
        desk = self._desk
        symbol = desk.symbols[fill.symbol]
        instrument = symbol.instrument
        quote = symbol.best_quote(fill.time_ns)
        stop = float(position.stop)
        sign = position.direction.sign
        price = float(fill.price)
        atr = symbol.feature("atr")
        # A fill that gapped through its own stop is left at once by the widest rule there is:
        # a stop one tick away fires on the next price.
        if not (price - stop) * sign > 0:
            stop = price - sign * float(instrument.price_tick)
        wanted = desk.own_targets.get(position.proposal, ())
        targets = tuple(target for target in wanted if (target - price) * sign > 0)
        # A part is sold at another price than this one, where it may be worth less.
        least = least_entry(instrument, fill.price, Decimal(repr(stop)))
        minimum = least / (fill.price * instrument.contract_size)
        return Entry(
            symbol=fill.symbol,
            direction=position.direction,
            price=price,
            lots=lots,
            lot_size=float(instrument.lot_step),
            opened_ns=fill.time_ns,
            atr=atr,
            fee=float(instrument.taker_fee),
            spread=quote.spread_bps / 10_000,
            strategy=position.strategy,
            regime=position.regime or None,
            profile=self.profile(),
            stop=stop,
            targets=targets,
            score=position.confidence,
            min_lots=max(1, math.ceil(minimum / instrument.lot_step)),
        )

    def profile(self) -> str:
        """The exit profile of this run."""
        return exit_profile(self._desk.settings.profile)
