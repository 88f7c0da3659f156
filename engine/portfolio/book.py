"""The positions we hold and the trades they became.

The ledger knows money; this registry knows what a position is for: its strategy, decision,
stop, targets and who manages it. It turns fills into `Position` rows and, at a position's
end, into its `Trade`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import msgspec

from engine.core.errors import InvariantBroken
from engine.core.ids import Ids
from engine.core.types import ZERO, Direction, EntryConditions, Fill, Instrument, Position, Trade
from engine.portfolio.ledger import Applied, Holding, Ledger, Terms
from engine.portfolio.pnl import MONEY, return_pct


@dataclass(frozen=True, slots=True)
class Plan:
    """What a position is opened for; registered before its first order is sent."""

    id: str
    instrument: Instrument
    direction: Direction
    strategy: str
    decision: str
    proposal: str
    regime: str
    stop: Decimal
    targets: tuple[Decimal, ...] = ()
    leverage: int = 1
    confidence: float = 0.0
    indicators: str = "{}"
    conditions: EntryConditions | None = None

    @property
    def terms(self) -> Terms:
        return Terms(
            self.instrument.symbol, self.direction, self.leverage, self.instrument.contract_size
        )


@dataclass(frozen=True, slots=True)
class Booked:
    """What a fill did to the registry.

    `position` is the row as it is now, None once it ended; `trade` its whole life when it
    ended with this fill. A trade that comes a second time (a late fill) keeps its id.
    """

    position: Position | None
    trade: Trade | None
    applied: Applied


class Positions:
    """All open positions by id, in the order in which they were opened."""

    def __init__(self, ledger: Ledger, ids: Ids) -> None:
        self.ledger = ledger
        self._ids = ids
        self._plans: dict[str, Plan] = {}
        self._rows: dict[str, Position] = {}
        self._reasons: dict[str, str] = {}
        self._trades: dict[str, str] = {}
        self._last: dict[str, Position] = {}

    def plan(self, plan: Plan) -> None:
        """Announce a position before its first order, so that any fill finds its meaning."""
        known = self._plans.get(plan.id)
        if known is not None and known.terms != plan.terms:
            raise InvariantBroken(f"position {plan.id} is planned twice, differently", "")
        self._plans[plan.id] = plan

    def restore(
        self,
        position: Position,
        instrument: Instrument,
        trade: str = "",
        indicators: str = "{}",
        conditions: EntryConditions | None = None,
    ) -> None:
        """Take back a position from the journal; its fills are applied afterwards.

        `trade` is the id of the trade that it became if it has ended, so that replaying
        its fills gives the same trade and not a new one.
        """
        if trade:
            self._trades[position.id] = trade
        self._plans[position.id] = Plan(
            id=position.id,
            instrument=instrument,
            direction=position.direction,
            strategy=position.strategy,
            decision=position.decision,
            proposal=position.proposal,
            regime=position.regime,
            stop=position.stop,
            targets=position.targets,
            leverage=position.leverage,
            confidence=position.confidence,
            indicators=indicators,
            conditions=conditions,
        )
        self._last[position.id] = position

    def apply(self, fill: Fill, exit_reason: str = "", fee_rate: Decimal | None = None) -> Booked:
        """Book one fill. `exit_reason` is kept for the trade if this fill reduces."""
        plan = self._plans.get(fill.position)
        if plan is None:
            raise InvariantBroken(
                f"fill {fill.id} belongs to position {fill.position}, which nobody planned",
                "it is kept in the journal; reconcile before trading on",
            )
        applied = self.ledger.apply(fill, plan.terms, fee_rate)
        if applied.duplicate:
            return Booked(self._rows.get(fill.position), None, applied)
        if exit_reason and fill.side is plan.direction.exit_side:
            self._reasons[fill.id] = exit_reason
        holding = applied.holding
        if holding.closed:
            before = self._rows.pop(plan.id, None)
            self._last[plan.id] = before if before is not None else self._row(plan, holding)
            return Booked(None, self._trade(plan, holding), applied)
        if holding.quantity == 0:
            return Booked(None, None, applied)
        row = self._row(plan, holding)
        self._rows[plan.id] = row
        return Booked(row, None, applied)

    def get(self, position: str) -> Position | None:
        return self._rows.get(position)

    def open(self) -> tuple[Position, ...]:
        return tuple(self._rows.values())

    def of_symbol(self, symbol: str) -> tuple[Position, ...]:
        return tuple(row for row in self._rows.values() if row.symbol == symbol)

    def plan_of(self, position: str) -> Plan | None:
        return self._plans.get(position)

    def protect(
        self,
        position: str,
        stop: Decimal | None = None,
        targets: tuple[Decimal, ...] | None = None,
    ) -> Position:
        """Move what protects a position; None leaves it. The row stays the same if nothing
        moved."""
        row = self._found(position)
        new_stop = row.stop if stop is None else stop
        new_targets = row.targets if targets is None else targets
        if new_stop == row.stop and new_targets == row.targets:
            return row
        return self._keep(msgspec.structs.replace(row, stop=new_stop, targets=new_targets))

    def take_over(self, position: str, taken: bool) -> Position:
        """A person takes a position over, or gives it back."""
        row = self._found(position)
        return self._keep(msgspec.structs.replace(row, taken_over=taken))

    def excursion(self, position: str, mfe_pct: float, mae_pct: float) -> Position:
        """Keep how far the position was in profit and in loss, in percent points."""
        row = self._found(position)
        if mfe_pct == row.mfe_pct and mae_pct == row.mae_pct:
            return row
        return self._keep(msgspec.structs.replace(row, mfe_pct=mfe_pct, mae_pct=mae_pct))

    def _keep(self, row: Position) -> Position:
        self._rows[row.id] = row
        return row

    def _found(self, position: str) -> Position:
        row = self._rows.get(position)
        if row is None:
            raise InvariantBroken(
                f"there is no open position {position}", "it may just have closed"
            )
        return row

    def _row(self, plan: Plan, holding: Holding) -> Position:
        """The row of an open position; what no fill tells comes from the row before it."""
        before = self._rows.get(plan.id) or self._last.get(plan.id)
        return Position(
            id=plan.id,
            symbol=plan.instrument.symbol,
            direction=plan.direction,
            quantity=holding.quantity,
            entry_price=holding.entry_price,
            opened_ns=holding.opened_ns,
            strategy=plan.strategy,
            decision=plan.decision,
            proposal=plan.proposal,
            regime=plan.regime,
            leverage=plan.leverage,
            stop=before.stop if before else plan.stop,
            targets=before.targets if before else plan.targets,
            fees=holding.fees,
            realised=holding.realised,
            initial_stop=before.initial_stop if before else plan.stop,
            initial_quantity=self._initial_quantity(holding),
            confidence=plan.confidence,
            taken_over=before.taken_over if before else False,
            mfe_pct=before.mfe_pct if before else 0.0,
            mae_pct=before.mae_pct if before else 0.0,
        )

    def _initial_quantity(self, holding: Holding) -> Decimal:
        """What the position grew to before its first exit: what its ladder divides.

        A scale-in after a partial exit does not change it, partial fills of the entry do.
        """
        total = ZERO
        for _time, exit_, _id, _fill, quantity, _fee in holding.fills:
            if exit_:
                break
            total += quantity
        return total or holding.entered

    def _trade(self, plan: Plan, holding: Holding) -> Trade:
        last = self._last[plan.id]
        net = MONEY.subtract(holding.realised, MONEY.add(holding.fees, holding.funding))
        contract_size = plan.instrument.contract_size
        trade_id = self._trades.get(plan.id) or self._ids.next("T")
        self._trades[plan.id] = trade_id
        return Trade(
            id=trade_id,
            symbol=plan.instrument.symbol,
            direction=plan.direction,
            quantity=holding.entered,
            entry_price=holding.average_entry,
            exit_price=holding.exit_price,
            opened_ns=holding.opened_ns,
            closed_ns=holding.changed_ns,
            pnl=net,
            pnl_pct=return_pct(net, holding.average_entry, holding.entered, contract_size),
            fees=holding.fees,
            strategy=plan.strategy,
            decision=plan.decision,
            proposal=plan.proposal,
            regime=plan.regime,
            exit_reason=self._reasons.get(holding.last_fill, ""),
            leverage=plan.leverage,
            mfe_pct=last.mfe_pct,
            mae_pct=last.mae_pct,
            confidence=plan.confidence,
            indicators=plan.indicators,
            conditions=plan.conditions,
        )
