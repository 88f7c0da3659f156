"""Starting up is recovering: the same path for a first start, a restart and after a crash.

What the journal holds is taken back before the feed begins. On paper the journal is the
venue: where market time stood still meanwhile, orders that it had taken are still with it,
and on a live market they are ended rather than filled at a price of another hour. What was
never sent is never sent; protective exits fire again from their watches.
"""

from __future__ import annotations

import math

import msgspec

from engine.core.clock import MINUTE, iso
from engine.core.parameters import Scope
from engine.core.records import OrderChanged, RunStarted
from engine.core.release import code_version
from engine.core.types import (
    Actor,
    Direction,
    FeedStatus,
    Fill,
    Link,
    Order,
    OrderState,
    OrderType,
    Position,
    Proposal,
    ProposalState,
    Purpose,
    Side,
)
from engine.core.views import ControlView
from engine.execution.orders import advance
from engine.execution.paper import PaperBroker
from engine.journal.recovered import Recovered
from engine.journal.settings import set_everywhere
from engine.kernel.desk import OWN_SIZE, Desk
from engine.kernel.exits import Exits
from engine.kernel.follow import Follower
from engine.kernel.intake import show_bars
from engine.kernel.learning import Learning
from engine.kernel.orders import plan_for
from engine.llm.rules import RULES
from engine.llm.strategist import MODEL
from engine.market.feed import Rewinds
from engine.risk.control import ControlMachine

WARM_BARS = 25_000
"""Decision bars that are gone through again: 260 days of quarter hours, as far as portfolio
risk looks back."""


def recover(desk: Desk, exits: Exits, follower: Follower, learning: Learning) -> None:
    """Take back everything the journal holds, then journal that a run began."""
    recovered = desk.journal.recovered
    if not recovered.empty:
        desk.now_ns = recovered.last_ns
        desk.ids.resume(recovered.ids)
        _parameters(desk, recovered)
        learning.restore(recovered)
        _market(desk, learning)
        _positions(desk, exits, recovered)
        _money(desk, recovered)
        _orders(desk, exits, recovered)
        exits.reconcile()
        exits.honesty.recover(recovered)
        _proposals(desk, recovered)
        _conditions(desk, recovered)
        desk.cooldowns.update(recovered.cooldowns)
        for trade in recovered.trades:
            desk.trades.append(trade)
            desk.statistics.update(trade)
        follower.restore(recovered.following, recovered.followed)
        _control(desk, recovered)
        desk.recovered = _summary(desk, recovered)
    exits.perpetuals.begin()
    _announce(desk, recovered)


def _parameters(desk: Desk, recovered: Recovered) -> None:
    """Values that a person or a learner set stay set; settings of this start go over them."""
    for record in recovered.parameters:
        value = msgspec.json.decode(record.after)
        scope = Scope(*record.scope)
        if value is None:
            desk.params.unset(record.name, scope)
        else:
            desk.params.set(record.name, value, record.who, scope)
    for name, text, origin in desk.settings.parameters:
        desk.params.set(name, text, origin)


def _conditions(desk: Desk, recovered: Recovered) -> None:
    """What was armed, until when it had been said to hold: saying it again is not journaled.

    What had reached its price and was not acted on yet is acted on now.
    """
    cursor = recovered.cursor
    said_ns = cursor.said_ns if cursor is not None else 0
    reached = cursor.triggered if cursor is not None else ()
    if desk.strategist is not None:
        desk.strategist.resume(said_ns)
    for condition in recovered.conditions:
        if condition.id in reached:
            desk.triggered.append(condition)
            continue
        desk.sniper.arm(condition)
        if condition.strategy in (MODEL, RULES):
            lasts_ns = condition.valid_until_ns - condition.created_ns
            desk.sniper.extend(condition.id, said_ns + lasts_ns)


def _market(desk: Desk, learning: Learning) -> None:
    """Indicators as they were at the cursor; a live feed brings its own history."""
    if not isinstance(desk.feed, Rewinds):
        return
    for name, symbol in desk.symbols.items():
        past = desk.feed.history(name, WARM_BARS * max(1, symbol.span_ns // MINUTE))
        if past.bars:
            learning.history(past)
            symbol.warm(past.bars)
            desk.broker.on_market(past)
            show_bars(desk, symbol)
            symbol.last_event_ns = past.bars[-1].close_ns
            symbol.link = Link.UP
    desk.link = FeedStatus(link=Link.UP, time_ns=desk.now_ns, venue=desk.feed.venue)


def _positions(desk: Desk, exits: Exits, recovered: Recovered) -> None:
    """Fills rebuild the books; the rows and watches of open positions come as they were."""
    open_ones = {position.id: (position, watch) for position, watch in recovered.positions}
    ended = {fill.position: fill for fill in reversed(recovered.fills)}
    for position_id, first in ended.items():
        position = open_ones[position_id][0] if position_id in open_ones else _past(first)
        found = recovered.entering.get(position_id)
        desk.book.restore(
            position,
            desk.feed.instruments[position.symbol],
            trade="" if position_id in open_ones else position_id,
            indicators=found.indicators if found is not None else "{}",
            conditions=found.conditions if found is not None else None,
        )
    _fills_and_funding(desk, recovered)
    for position, watch in open_ones.values():
        if desk.book.get(position.id) is None:
            continue
        desk.book.protect(position.id, stop=position.stop, targets=position.targets)
        desk.book.take_over(position.id, position.taken_over)
        exits.restore(position, watch)
        symbol = desk.symbols.get(position.symbol)
        if symbol is not None and math.isnan(symbol.last):
            symbol.last = desk.watches[position.id].last
    desk.ledger.verify(full=True)


def _fills_and_funding(desk: Desk, recovered: Recovered) -> None:
    """Everything that moved money, in the order of its time."""
    funding = sorted(recovered.funding, key=lambda payment: payment.boundary_ns)
    for fill in recovered.fills:
        while funding and funding[0].boundary_ns < fill.time_ns:
            payment = funding.pop(0)
            desk.ledger.fund(payment.position, payment.amount, payment.id)
        desk.book.apply(fill)
    for payment in funding:
        desk.ledger.fund(payment.position, payment.amount, payment.id)


def _past(first: Fill) -> Position:
    """A position that ended: only its direction matters for its money, its first fill tells it."""
    direction = Direction.LONG if first.side is Side.BUY else Direction.SHORT
    return Position(
        id=first.position, symbol=first.symbol, direction=direction, quantity=first.quantity,
        entry_price=first.price, opened_ns=first.time_ns, strategy="", decision="", proposal="",
        regime="", leverage=1, stop=first.price, targets=(), fees=first.fee,
        realised=first.fee * 0, initial_stop=first.price, initial_quantity=first.quantity,
    )  # fmt: skip


def _money(desk: Desk, recovered: Recovered) -> None:
    cursor = recovered.cursor
    if cursor is not None:
        used = desk.used
        used.risk_day, used.opened_risk = cursor.day, cursor.opened_risk
        used.trend_mean, used.trend_samples = cursor.trend_mean, cursor.trend_samples
        used.accounted_ns = cursor.accounted_ns
        used.said_ns = cursor.said_ns
        used.reflected_ns = cursor.reflected_ns
        desk.shocks = cursor.shocks
    if recovered.day_start_equity is not None and recovered.peak_equity is not None:
        desk.ledger.restore(
            recovered.day,
            recovered.day_start_equity,
            recovered.peak_equity,
            recovered.trades_today,
        )


def _orders(desk: Desk, exits: Exits, recovered: Recovered) -> None:
    """What the paper venue had taken goes on; what was not sent or is too old is ended."""
    resting: list[Order] = []
    wanted = {proposal.id: proposal for proposal in recovered.proposals}
    for order in recovered.orders:
        proposal = wanted.get(order.proposal)
        if _still_there(desk, order, proposal):
            resting.append(order)
            desk.orders[order.id] = order
            if order.purpose in (Purpose.EXIT, Purpose.REDUCE):
                exits.adopt(order)
            elif proposal is not None and desk.book.get(order.position) is None:
                symbol = desk.symbols[order.symbol]
                found = recovered.entering.get(order.position)
                desk.book.plan(plan_for(proposal, order.position, symbol, found))
            continue
        why = "never sent" if order.state is OrderState.INTENT else "not filled"
        ended = advance(
            order, OrderState.CANCELLED, desk.now_ns, f"engine stopped: {why}; nothing is repeated"
        )
        desk.record(OrderChanged(time_ns=desk.now_ns, order=ended))
    broker = desk.broker
    if resting and isinstance(broker, PaperBroker):
        broker.restore(resting)


def _still_there(desk: Desk, order: Order, proposal: Proposal | None) -> bool:
    """Whether the paper venue still has this order, and we still know what it is for."""
    if order.state in (OrderState.INTENT, OrderState.UNKNOWN):
        return False
    if proposal is None and desk.book.get(order.position) is None:
        return False
    if order.purpose is Purpose.SCALE_IN and desk.book.get(order.position) is None:
        return False
    resting = order.type is OrderType.LIMIT and order.state is not OrderState.SENT
    return resting or desk.feed.manual_time


def _proposals(desk: Desk, recovered: Recovered) -> None:
    """What waited waits on; what was approved and never became an order has failed."""
    alive = {order.proposal for order in desk.orders.values()}
    filled = {position.proposal for position, _ in recovered.positions}
    filled |= {trade.proposal for trade in recovered.trades}
    for proposal in recovered.proposals:
        desk.proposals.restore(proposal)
        if proposal.state is ProposalState.APPROVED and proposal.id not in alive:
            done = proposal.id in filled or _added(recovered, proposal)
            state = ProposalState.FILLED if done else ProposalState.FAILED
            note = "" if done else "the engine stopped before it was filled; nothing was repeated"
            ended = desk.proposals.end(proposal.id, state, note)
            desk.record(desk.propose(ended, Actor.ENGINE, note))
            continue
        if proposal.id in recovered.own_targets:
            desk.own_targets[proposal.id] = recovered.own_targets[proposal.id]
        if any(factor.name == OWN_SIZE for factor in proposal.factors):
            desk.own_sizes.add(proposal.id)


def _added(recovered: Recovered, proposal: Proposal) -> bool:
    """Whether the addition of a scale-in reached its position after it was proposed."""
    side = proposal.direction.entry_side
    return any(
        fill.position == proposal.grows
        and fill.side is side
        and fill.time_ns >= proposal.created_ns
        for fill in recovered.fills
        if proposal.grows
    )


def _control(desk: Desk, recovered: Recovered) -> None:
    """The most restrictive of what was stored, and of what a breaker left open demands."""
    stored = [recovered.control] if recovered.control is not None else []
    holding = bool(recovered.positions or recovered.orders)
    won = [trade.won for trade in recovered.trades]
    trip = desk.breakers.restore(recovered.breakers, won, holding)
    desk.breakers.runaway.resume_day(desk.ledger.trades_today, desk.now_ns)
    if trip is not None:
        halted = ControlView(
            state=trip.state, reason=trip.reason, since_ns=desk.now_ns, who=Actor.ENGINE
        )
        stored.append(halted)
    desk.control = ControlMachine.restored(stored)


def _summary(desk: Desk, recovered: Recovered) -> str:
    held = ", ".join(
        f"{position.direction} {position.symbol} stop {position.stop}"
        for position in desk.book.open()
    )
    waits = len(desk.proposals.waiting())
    return (
        f"recovered at {iso(recovered.last_ns)}: {held or 'no position'}; "
        f"{waits} waiting, {len(recovered.trades)} trades, control {desk.control.state}"
        f"{'; the market stood still meanwhile' if desk.feed.manual_time else ''}"
    )


def _announce(desk: Desk, recovered: Recovered) -> None:
    settings = desk.settings
    desk.record(
        RunStarted(
            time_ns=desk.now_ns,
            mode=str(settings.mode),
            feed=str(desk.feed.kind),
            seed=settings.seed,
            symbols=settings.symbols,
            timeframe=settings.timeframe,
            approval=str(settings.approval),
            profile=settings.profile,
            cash=str(desk.ledger.start),
            resumed=not recovered.empty,
            parameters=set_everywhere(desk.params),
            code=code_version(),
        )
    )
    if desk.recovered:
        desk.note(desk.recovered)
    desk.journal.barrier()
