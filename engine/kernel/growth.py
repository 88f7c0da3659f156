"""Scale-ins: more of a position that moves its way, if every gate admits the addition.

The plan asks, the gates answer as for any entry, save that they don't count the position
twice. Only in approval mode `auto` it is sent by itself: what a person approved was the size
that they saw.
"""

from __future__ import annotations

import math

from engine.core.errors import CommandRefused
from engine.core.records import Denied
from engine.core.types import ApprovalMode, Gate, Position, Purpose
from engine.kernel.appraisal import Appraisal, Appraiser, Wish
from engine.kernel.desk import Desk
from engine.kernel.orders import Orders
from engine.position.events import WatchEvent
from engine.risk.gates import first_refusal


class Growth:
    """Turns a watch's scale-in into an order. Owned by the kernel thread."""

    def __init__(self, desk: Desk, orders: Orders, appraiser: Appraiser) -> None:
        self._desk = desk
        self._orders = orders
        self._appraiser = appraiser

    def more(self, position: Position, event: WatchEvent) -> None:
        """Add `event.lots`, or say why not."""
        desk = self._desk
        symbol = desk.symbols[position.symbol]
        if desk.proposals.mode is not ApprovalMode.AUTO:
            desk.note(
                f"scale-in {event.index} is left out: in {desk.proposals.mode} a position "
                "keeps the size that was approved",
                ref=position.id,
                symbol=position.symbol,
            )
            return
        wish = Wish(
            symbol=symbol,
            direction=position.direction,
            strategy=position.strategy,
            confidence=position.confidence,
            stop=float(position.stop),
            quantity=symbol.instrument.lot_step * event.lots,
            leverage=position.leverage,
            grows=True,
        )
        appraisal = self._appraiser.appraise(wish, self._appraiser.account())
        refused = first_refusal(appraisal.gates)
        if refused is not None:
            self._deny(position, event, appraisal, refused)
            return
        order = self._orders.make(
            symbol=position.symbol,
            direction=position.direction,
            purpose=Purpose.SCALE_IN,
            quantity=appraisal.quantity,
            position=position.id,
            expected=appraisal.price,
        )
        self._appraiser.sent(float(abs(appraisal.price - appraisal.stop) * appraisal.quantity))
        try:
            self._orders.enter(order, appraisal.gates)
        except CommandRefused as error:
            desk.note(f"scale-in not sent: {error.message}", symbol=position.symbol)

    def _deny(
        self, position: Position, event: WatchEvent, appraisal: Appraisal, gate: Gate
    ) -> None:
        desk = self._desk
        desk.tally.denials[gate.code] += 1
        desk.record(
            Denied(
                time_ns=desk.now_ns,
                id=desk.ids.next("X"),
                symbol=position.symbol,
                decision=position.decision,
                direction=str(position.direction),
                code=gate.code,
                gate=gate,
                price=event.price,
                stop=float(position.stop),
                target=math.nan,
                score=position.confidence,
                quantity=str(appraisal.quantity),
            )
        )
