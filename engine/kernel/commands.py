"""A person's commands: each is carried out or refused by code, answered, and journaled.

The safe direction is never held up: pausing, rejecting, cancelling and closing work in
every control state. A command that comes twice (two keys, two terminals) is answered twice
and carried out once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from engine.core import commands as c
from engine.core.errors import CommandRefused, ParameterError
from engine.core.learning import Target
from engine.core.parameters import Scope, find
from engine.core.records import (
    Commanded,
    ConditionChanged,
    ControlChanged,
    ParameterSet,
)
from engine.core.types import Actor, ApprovalMode, Control, Purpose
from engine.kernel.asking import Asking
from engine.kernel.desk import Desk
from engine.kernel.editing import Editing
from engine.kernel.entries import Entries
from engine.kernel.exits import Exits
from engine.kernel.guard import Guard
from engine.kernel.orders import Orders
from engine.learning.adjust import parameter as parameter_target

Answer = tuple[str, str, str]
"""Code, text for a person, and the id that it concerns."""


class Commands:
    """Carries out commands on the desk, in the order in which they came."""

    def __init__(
        self, desk: Desk, orders: Orders, entries: Entries, exits: Exits, guard: Guard
    ) -> None:
        self._desk = desk
        self._orders = orders
        self._entries = entries
        self._asking = Asking(desk, entries, exits)
        self._exits = exits
        self._editing = Editing(desk, exits.protection)
        self._guard = guard
        self.overruled: Callable[[Target, Actor, str], None] = lambda target, who, why: None
        """Hears what a person has set that learners could move."""
        self._handlers: dict[type[Any], Callable[[Any], Answer]] = {
            c.Approve: self._approve,
            c.Amend: self._amend,
            c.Reject: self._reject,
            c.Override: self._override,
            c.Veto: self._veto,
            c.TakeOver: self._take_over,
            c.Pause: self._pause,
            c.Resume: self._resume,
            c.Halt: self._halt,
            c.MoveStop: self._move_stop,
            c.MoveTargets: self._move_targets,
            c.ClosePosition: self._close,
            c.CancelOrder: self._cancel,
            c.Flatten: self._flatten,
            c.SetParameter: self._set_parameter,
            c.SetApproval: self._set_approval,
            c.SetSpeed: self._set_speed,
            c.Shock: self._shock,
        }

    def handles(self, kind: type[Any], handler: Callable[[Any], Answer]) -> None:
        """Let another module of the kernel answer commands of this kind."""
        self._handlers[kind] = handler

    def take(self, commands: Iterable[c.AnyCommand]) -> None:
        """Carry out each command and leave its ack where the next snapshot shows it."""
        for command in commands:
            self._desk.acks.append(self._answer(command))

    def _answer(self, command: c.AnyCommand) -> c.Ack:
        desk = self._desk
        known = next((ack for ack in desk.acks if ack.id == command.id), None)
        if known is not None:
            return known
        try:
            code, text, ref = self._handlers[type(command)](command)
            ok = True
        except CommandRefused as refused:
            ok, code, ref = False, refused.code, _concerns(command)
            text = f"{refused.message} ({refused.hint})" if refused.hint else refused.message
        except ParameterError as refused:
            ok, code, text, ref = False, "parameter", str(refused), _concerns(command)
        ack = c.Ack(id=command.id, ok=ok, code=code, text=text, time_ns=desk.now_ns, ref=ref)
        desk.record(Commanded(time_ns=desk.now_ns, command=command, ack=ack))
        return ack

    def set_control(self, state: Control, reason: str, who: Actor) -> bool:
        """Move the control state, journal it, and wait until it is on disk.

        The barrier is what makes "nothing is sent after the pause committed" true.
        """
        desk = self._desk
        if not desk.control.move(state, reason, who, desk.now_ns):
            return False
        desk.record(ControlChanged(time_ns=desk.now_ns, state=state, reason=reason, who=who))
        desk.journal.barrier()
        return True

    # Approvals.

    def _approve(self, command: c.Approve) -> Answer:
        desk = self._desk
        proposal = desk.proposals.check_approval(
            command.proposal, command.digest, command.version, desk.now_ns
        )
        order = self._asking.approve(proposal, command.actor)
        side = proposal.direction.entry_side
        text = f"approved: {side} {proposal.quantity} {proposal.symbol}, order {order.id} sent"
        return "approved", text, order.id

    def _amend(self, command: c.Amend) -> Answer:
        proposal = self._asking.amend(command)
        text = (
            f"amended to v{proposal.version}: {proposal.quantity} {proposal.symbol}, "
            f"stop {proposal.stop}; approve it to send"
        )
        return "amended", text, proposal.id

    def _reject(self, command: c.Reject) -> Answer:
        proposal = self._asking.reject(command.proposal, command.reason, command.actor)
        return "rejected", f"rejected {proposal.symbol} {proposal.id}", proposal.id

    def _override(self, command: c.Override) -> Answer:
        if not command.reason.strip():
            raise CommandRefused("reason_needed", "an override needs a reason", "type one")
        if command.symbol not in self._desk.symbols:
            raise CommandRefused("unknown_symbol", f"{command.symbol} is not followed")
        proposal = self._asking.override(
            command.symbol, command.direction, command.reason.strip(), command.actor
        )
        return "proposed", f"override proposed as {proposal.id}: approve it to send", proposal.id

    def _veto(self, command: c.Veto) -> Answer:
        desk = self._desk
        condition = desk.sniper.disarm(command.target)
        if condition is not None:
            desk.record(
                ConditionChanged(
                    time_ns=desk.now_ns, condition=condition, state="vetoed", why=command.reason
                )
            )
            return "vetoed", f"condition {condition.id} will not trigger", condition.id
        proposal = self._asking.reject(command.target, command.reason or "veto", command.actor)
        return "vetoed", f"vetoed {proposal.id}", proposal.id

    # Control.

    def _pause(self, command: c.Pause) -> Answer:
        desk = self._desk
        reason = command.reason or "paused by a person"
        # A day that the engine closed would open at midnight; a person's pause does not.
        if desk.control.state is not Control.ACTIVE and not (
            desk.control.state is Control.REDUCING and desk.control.who is Actor.ENGINE
        ):
            return "already", f"already {desk.control.state}: no new entries", ""
        self.set_control(Control.REDUCING, reason, command.actor)
        resting = self._orders.cancel_entries("paused")
        more = f", {resting} waiting entry cancelled" if resting else ""
        return "paused", f"paused: no new entries{more}; exits go on", ""

    def _halt(self, command: c.Halt) -> Answer:
        self.set_control(Control.HALTED, command.reason or "halted by a person", command.actor)
        self._orders.cancel_entries("halted")
        return "halted", "halted: protective exits and your own closes only", ""

    def _resume(self, command: c.Resume) -> Answer:
        desk = self._desk
        if desk.faults:
            raise CommandRefused(
                "engine_fault", f"the engine stopped by a fault: {desk.faults[0]}", "restart it"
            )
        if desk.control.state is Control.ACTIVE:
            closed = self._guard.acknowledge(command.actor)
            if closed:
                return "resumed", f"closed: {', '.join(closed)}", ""
            return "already", "already active", ""
        self.set_control(Control.ACTIVE, command.reason or "resumed by a person", command.actor)
        self._guard.acknowledge(command.actor)
        still = ", ".join(one.title for one in desk.breakers.blocking())
        if still:
            return "resumed", f"active, but entries wait for: {still}", ""
        return "resumed", "active: entries are admitted again", ""

    def _flatten(self, command: c.Flatten) -> Answer:
        desk = self._desk
        if command.typed != "FLATTEN":
            raise CommandRefused("not_typed", "nothing was closed", "type FLATTEN")
        if desk.control.state.severity < Control.REDUCING.severity:
            self.set_control(Control.REDUCING, "flattened by a person", command.actor)
        cancelled = self._orders.cancel_all("flattened")
        closing, held = 0, []
        for position in list(desk.book.open()):
            try:
                self._exits.close(position, 1.0, "flattened by a person")
                closing += 1
            except CommandRefused as why:
                held.append(why.message)
        text = f"closing {closing} positions, {cancelled} orders cancelled, paused"
        return "flattening", "; ".join((text, *held)), ""

    # Positions and orders.

    def _take_over(self, command: c.TakeOver) -> Answer:
        before = self._desk.book.get(command.position)
        position = self._editing.take_over(command.position, command.taken)
        if command.taken and before is not None and not before.taken_over:
            self._entries.follower.add_overridden(position, command.actor)
        text = (
            f"{position.symbol}: stop and targets are yours now"
            if command.taken
            else f"{position.symbol}: given back to the engine"
        )
        return "taken_over" if command.taken else "given_back", text, position.id

    def _move_stop(self, command: c.MoveStop) -> Answer:
        position = self._editing.move_stop(command.position, command.price)
        return "moved", f"{position.symbol}: stop at {position.stop}", position.id

    def _move_targets(self, command: c.MoveTargets) -> Answer:
        position = self._editing.move_targets(command.position, command.prices)
        prices = ", ".join(map(str, position.targets)) or "none"
        return "moved", f"{position.symbol}: targets {prices}", position.id

    def _close(self, command: c.ClosePosition) -> Answer:
        position = self._desk.book.get(command.position)
        if position is None:
            raise CommandRefused("unknown_position", f"there is no position {command.position}")
        if not 0.0 < command.fraction <= 1.0:
            raise CommandRefused("bad_fraction", "close a part above 0 and up to 1", "1 is all")
        order = self._exits.close(position, command.fraction, command.reason or "by a person")
        return "closing", f"closing {order.quantity} {position.symbol}", position.id

    def _cancel(self, command: c.CancelOrder) -> Answer:
        order = self._desk.orders.get(command.order)
        if order is None or not order.state.live:
            raise CommandRefused("unknown_order", f"there is no live order {command.order}")
        if order.purpose in (Purpose.EXIT, Purpose.REDUCE):
            raise CommandRefused(
                "protective", f"{order.id} closes a position", "take the position over instead"
            )
        self._orders.cancel(order, "cancelled by a person")
        return "cancelled", f"{order.id} cancelled", order.id

    # The run.

    def _set_parameter(self, command: c.SetParameter) -> Answer:
        desk = self._desk
        parameter = find(command.name)
        scope = Scope(command.symbol, command.regime, command.strategy)
        before = desk.params.setting(parameter.name, *_parts(scope)).value
        after = desk.params.set(parameter.name, command.value, str(command.actor), scope)
        for symbol in desk.symbols.values():
            symbol.refresh_parameters()
        desk.record(
            ParameterSet(
                time_ns=desk.now_ns,
                name=parameter.name,
                scope=_parts(scope),
                before=_text(before),
                after=_text(after),
                who=str(command.actor),
            )
        )
        self.overruled(parameter_target(parameter.name, scope), command.actor, "")
        return "set", f"{parameter.name} ({scope}): {before} → {after}", parameter.name

    def _set_approval(self, command: c.SetApproval) -> Answer:
        try:
            mode = ApprovalMode(command.mode)
        except ValueError:
            known = ", ".join(ApprovalMode)
            raise CommandRefused("unknown_mode", f"{command.mode!r} is no mode", known) from None
        self._desk.proposals.mode = mode
        self._desk.note(f"approval mode {mode}, by {command.actor}")
        return "set", f"approval mode {mode}", ""

    def _set_speed(self, command: c.SetSpeed) -> Answer:
        if not command.speed >= 0:
            raise CommandRefused("bad_speed", "a speed is 0 or more", "0 is as fast as it goes")
        self._desk.feed.set_speed(command.speed)
        return "set", f"speed {command.speed:g}", ""

    def _shock(self, command: c.Shock) -> Answer:
        desk = self._desk
        desk.feed.shock(command.kind, command.symbol)
        desk.shocks = (*desk.shocks, (desk.position, command.kind, command.symbol))
        desk.record(desk.cursor())
        return "shock", f"{command.kind} in {command.symbol}", ""


def _parts(scope: Scope) -> tuple[str | None, str | None, str | None]:
    return scope.symbol, scope.regime, scope.strategy


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _concerns(command: c.AnyCommand) -> str:
    """The id a command names, for an ack that has nothing better to point at."""
    for name in ("proposal", "position", "order", "target", "symbol", "name"):
        value = getattr(command, name, None)
        if isinstance(value, str):
            return value
    return ""
