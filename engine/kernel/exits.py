"""Open positions: watched on every price, and left by their plan or because a person says so.

Protection needs neither a model nor a screen: a price goes into each position's watch, and
what comes out is ordered at once. Every change of a position is journaled with the exact
state of its watch, so that a restart goes on where the last one stopped.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import msgspec

from engine.core.errors import CommandRefused
from engine.core.exits import ExitReason
from engine.core.records import (
    AnyRecord,
    Cooldown,
    HeldThrough,
    ProposalChanged,
    TradeClosed,
)
from engine.core.types import (
    Action,
    Actor,
    Bar,
    Decision,
    Direction,
    Fill,
    Order,
    Position,
    Proposal,
    ProposalState,
    Purpose,
    Trade,
)
from engine.kernel.desk import Desk
from engine.kernel.dust import Dust
from engine.kernel.orders import ENTRIES, Orders
from engine.kernel.perpetuals import Perpetuals
from engine.kernel.protection import Protection
from engine.kernel.symbols import SymbolDesk
from engine.portfolio.book import Booked
from engine.position import step
from engine.position.events import WatchEvent
from engine.position.plan import plan_exits
from engine.position.watch import PositionWatch
from engine.risk.gates import cooldown_until


class Exits:
    """Watches positions and turns what they say into orders. Owned by the kernel thread."""

    def __init__(self, desk: Desk, orders: Orders) -> None:
        self._desk = desk
        self._orders = orders
        self.honesty = orders.honesty
        self._announced: dict[str, WatchEvent] = {}
        self.protection = Protection(desk)
        self.dust = Dust(desk)
        self._by_symbol: dict[str, list[str]] = {}
        self.closed: list[Callable[[Trade], None]] = []
        self.opened: Callable[[Position, Fill], list[AnyRecord]] = lambda position, fill: []
        self.lived: Callable[[Trade, str], list[AnyRecord]] = lambda trade, position: []
        """Whoever learns: the records that belong into a first fill's, or a trade's, own
        transaction."""
        self.scale_in: Callable[[Position, WatchEvent], None] | None = None
        self.perpetuals = Perpetuals(desk)
        self.perpetuals.funded = self.honesty.funded
        orders.on_fill = self._booked
        orders.on_end.append(self._ended)

    # The market.

    def on_price(self, symbol: str, price: float, now_ns: int) -> None:
        """One traded price for every position in this symbol."""
        held = self._by_symbol.get(symbol)
        if not held:
            return
        for position_id in tuple(held):
            watch = self._desk.watches.get(position_id)
            if watch is None or watch.closed:
                continue
            reduced = self.perpetuals.reduction(position_id, watch, price, now_ns)
            if reduced is not None:
                self._act(position_id, reduced, "")
            for event in watch.on_price(price, now_ns):
                self._act(position_id, event, "")

    def on_bar(self, symbol: SymbolDesk, bar: Bar) -> None:
        """A bar's four prices, adverse extreme first, where the feed has nothing finer."""
        held = self._by_symbol.get(bar.symbol)
        if not held:
            return
        for position_id in tuple(held):
            watch = self._desk.watches.get(position_id)
            if watch is None or watch.closed:
                continue
            # Filled at this bar's open and a latency later, a position sees it from there.
            begin = max(bar.open_ns, watch.seen_ns)
            if begin >= bar.close_ns:
                continue
            for event in self.perpetuals.walk(position_id, watch, bar, begin):
                gapped = event.time_ns <= bar.open_ns and event.price == bar.open
                self._act(position_id, event, "gap" if gapped else "bar_path")

    def refresh(self, symbol: SymbolDesk, decision: Decision | None) -> None:
        """A decision bar closed: positions keep it and take over its ATR, regime and score."""
        for position_id in self._by_symbol.get(symbol.symbol, ()):
            position = self._desk.book.get(position_id)
            if position is None:
                continue
            if symbol.last_bar is not None:
                self._desk.record(
                    HeldThrough(
                        time_ns=self._desk.now_ns, position=position_id, bar=symbol.last_bar
                    )
                )
            score = _score(decision, position.direction)
            self._desk.watches[position_id].refresh(
                symbol.feature("atr"), score, symbol.label or None
            )

    def support(self, position: Position) -> float:
        """How much the last decision still wants a position, in [0, 1]; NaN: nobody spoke."""
        return _score(self._desk.symbols[position.symbol].decision, position.direction)

    def _act(self, position_id: str, event: WatchEvent, source: str) -> None:
        """Order what a watch announced; it counts its lots as gone until we say otherwise."""
        desk = self._desk
        position = desk.book.get(position_id)
        watch = desk.watches[position_id]
        if position is None:
            return
        if event.reason is None:
            if self.scale_in is not None:
                self.scale_in(position, event)
            return
        event = self.perpetuals.judged(position, event)
        taken_over = self.perpetuals.liquidation(position, event)
        quantity = min(
            _lot(watch) * event.lots,
            position.quantity - self._orders.exit_lots(position_id),
        )
        if quantity <= 0:
            return
        price = Decimal(repr(event.price))
        if taken_over is None and self.dust.holds(position, quantity, price):
            watch.restore(event)
            return
        order = self._orders.make(
            symbol=position.symbol,
            direction=position.direction,
            purpose=Purpose.EXIT if event.closed else Purpose.REDUCE,
            quantity=quantity,
            position=position_id,
            exit_reason=str(event.reason),
            expected=price,
        )
        self._announced[order.id] = event
        if taken_over is not None:
            sent = self._orders.liquidate(order, *taken_over, event.time_ns)
        elif source:
            sent = self._orders.exit_within_bar(order, price, event.time_ns, source)
        else:
            sent = self._orders.exit(order)
        if not sent:
            self._announced.pop(order.id, None)
            watch.restore(event)
            self._fault(f"{position.symbol}: exit could not be committed anywhere, trying again")

    def _fault(self, text: str) -> None:
        if text not in self._desk.faults:
            self._desk.faults.append(text)

    def _ended(self, order: Order) -> None:
        """An order ended: what it left undone is held again, or its proposal failed."""
        desk = self._desk
        event = self._announced.pop(order.id, None)
        left = order.quantity - order.filled
        watch = desk.watches.get(order.position)
        if event is not None and left > 0 and watch is not None:
            lots = int(left / _lot(watch))
            watch.restore(replace(event, lots=lots))
        if order.proposal and order.purpose in ENTRIES:
            proposal = desk.proposals.get(order.proposal)
            if proposal is not None and proposal.state is ProposalState.APPROVED:
                state = ProposalState.FILLED if order.filled else ProposalState.FAILED
                self.end_proposal(proposal, state, order.reason)

    def end_proposal(self, proposal: Proposal, state: ProposalState, note: str) -> None:
        """Say what became of an approved proposal."""
        desk = self._desk
        ended = desk.proposals.end(proposal.id, state, note)
        desk.record(
            ProposalChanged(time_ns=desk.now_ns, proposal=ended, who=Actor.ENGINE, why=note)
        )

    # Fills.

    def _booked(self, fill: Fill, order: Order, booked: Booked) -> list[AnyRecord]:
        """The records of a fill beyond the fill itself: its position, or its trade."""
        entered = self._opened(fill, booked) if order.purpose in ENTRIES else []
        if booked.trade is not None:
            return self._trade(booked.trade, fill.position)
        position = booked.position
        if position is None:
            return []
        watch = self._desk.watches[position.id]
        self.perpetuals.protect(position, watch)
        row = self.protection.sync(position, watch)
        return [self.protection.changed(row, f"fill {fill.id}"), *entered]

    def _opened(self, fill: Fill, booked: Booked) -> list[AnyRecord]:
        desk = self._desk
        position = booked.position
        if position is None:
            return []
        symbol = desk.symbols[fill.symbol]
        watch = desk.watches.get(position.id)
        lots = int(fill.quantity / (_lot(watch) if watch else symbol.instrument.lot_step))
        if watch is not None:
            if lots:
                watch.add(lots, float(fill.price))
            return []
        watch = PositionWatch.open(
            plan_exits(desk.params, self.protection.entry_of(fill, position, lots))
        )
        desk.watches[position.id] = watch
        self._by_symbol.setdefault(fill.symbol, []).append(position.id)
        position = desk.book.protect(
            position.id, targets=self.protection.prices(position.symbol, watch.targets)
        )
        return self.opened(position, fill)

    def _trade(self, trade: Trade, position_id: str) -> list[AnyRecord]:
        desk = self._desk
        watch = desk.watches.pop(position_id, None)
        if watch is not None:
            trade = msgspec.structs.replace(trade, mfe_pct=watch.mfe_pct, mae_pct=watch.mae_pct)
        self._by_symbol[trade.symbol].remove(position_id)
        self.protection.forget(position_id)
        self.perpetuals.forget(position_id)
        desk.trades.append(trade)
        desk.tally.trades += 1
        desk.statistics.update(trade)
        until = cooldown_until(desk.params, trade.symbol, desk.now_ns, trade.regime or None)
        desk.cooldowns[trade.symbol] = until
        for listener in self.closed:
            listener(trade)
        return [
            TradeClosed(time_ns=desk.now_ns, trade=trade, position=position_id),
            Cooldown(time_ns=desk.now_ns, symbol=trade.symbol, until_ns=until),
            *self.lived(trade, position_id),
        ]

    # Keeping and restoring.

    def restore(self, position: Position, stored: str) -> None:
        """Watch a position from the journal exactly as it was watched."""
        desk = self._desk
        watch = PositionWatch.from_dict(json.loads(stored))
        desk.watches[position.id] = watch
        self._by_symbol.setdefault(position.symbol, []).append(position.id)
        self.perpetuals.protect(desk.book.get(position.id) or position, watch)
        self.protection.known(position.id, watch)

    def adopt(self, order: Order) -> None:
        """An exit that was on its way at the stop still is; failing, its lots come back."""
        watch = self._desk.watches.get(order.position)
        if watch is not None:
            lots = int((order.quantity - order.filled) / _lot(watch))
            self._announced[order.id] = person_event(watch, lots, self._desk.now_ns)

    def reconcile(self) -> None:
        """After a restart each watch holds what its position has and no exit on its way sells.

        A watch is journaled with what it had announced, filled or not; of an exit that was
        ended by the restart the lots must be protected again.
        """
        desk = self._desk
        for position in desk.book.open():
            watch = desk.watches[position.id]
            free = position.quantity - self._orders.exit_lots(position.id)
            missing = int(free / _lot(watch)) - watch.lots
            if missing > 0:
                watch.restore(person_event(watch, missing, desk.now_ns))
            elif missing < 0:
                watch.reduce(-missing)

    # A person.

    def close(
        self,
        position: Position,
        fraction: float,
        why: str,
        *,
        reason_code: ExitReason = ExitReason.FORCE_EXIT,
    ) -> Order:
        """Close all or a part now. Passes in every control state."""
        desk = self._desk
        symbol = desk.symbols[position.symbol]
        watch = desk.watches[position.id]
        free = position.quantity - self._orders.exit_lots(position.id)
        step_size = _lot(watch)
        lots = int(free * Decimal(repr(fraction)) / step_size)
        if lots < 1:
            raise CommandRefused(
                "nothing_to_close",
                f"{position.symbol}: nothing is left to close",
                "an exit is on its way" if not free else "the part is below one lot",
            )
        everything = lots * step_size == position.quantity
        price = Decimal(repr(symbol.exit_price(position.direction)))
        self.dust.refuse(position, lots * step_size, free, price)
        order = self._orders.make(
            symbol=position.symbol,
            direction=position.direction,
            purpose=Purpose.EXIT if everything else Purpose.REDUCE,
            quantity=lots * step_size,
            position=position.id,
            exit_reason=str(reason_code),
            expected=price,
        )
        watch.reduce(lots)
        self._announced[order.id] = person_event(watch, lots, desk.now_ns)
        if not self._orders.exit(order):
            watch.restore(self._announced.pop(order.id))
            raise CommandRefused("journal", "nothing was sent: no disk took the intent", why)
        return order


def _lot(watch: PositionWatch) -> Decimal:
    """One lot as the watch counts it: the venue's step when the position was opened."""
    return Decimal(repr(watch.lot_size))


def person_event(watch: PositionWatch, lots: int, now_ns: int) -> WatchEvent:
    """A person's close as a watch event, so that a failed order gives its lots back."""
    return WatchEvent(
        code=step.ENDED,
        reason=ExitReason.FORCE_EXIT,
        price=watch.last,
        lots=lots,
        remaining=watch.lots,
        index=0,
        time_ns=now_ns,
        urgency=math.nan,
        fired=(),
        absent=(),
    )


def _score(decision: Decision | None, direction: Direction) -> float:
    """How much the sources still want this direction, in [0, 1]; NaN where nobody spoke."""
    if decision is None or all(vote.action is Action.HOLD for vote in decision.votes):
        return math.nan
    sign = {Action.BUY: 1, Action.SELL: -1, Action.HOLD: 0}
    total = sum(vote.weight * sign[vote.action] * vote.confidence for vote in decision.votes)
    return max(0.0, total * direction.sign)
