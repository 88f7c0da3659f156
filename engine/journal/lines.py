"""A record as one line that a person reads: who did what, to what, and why.

The event log on screen, `export` and the command line say the same sentence for the same
record, because it is written here once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.core import records as r
from engine.core.types import Actor, Direction, OrderState
from engine.core.views import JournalLine

PROTECTION_MOVED = "protection moved"
"""Why a position is journaled when its own rules moved its stop or targets."""

Words = tuple[Actor, str, str, str]
"""Who, the sentence, the id it concerns, the symbol."""


def line(seq: int, record: r.AnyRecord) -> JournalLine | None:
    """The line of a record, or None for those that only matter to programs."""
    writer = _WRITERS.get(type(record))
    words = writer(record) if writer is not None else None
    if words is None:
        return None
    who, text, ref, symbol = words
    return JournalLine(
        seq=seq,
        time_ns=record.time_ns,
        kind=str(record.__struct_config__.tag),
        who=who,
        text=text,
        ref=ref,
        symbol=symbol,
    )


def _run(record: r.RunStarted) -> Words:
    verb = "resumed" if record.resumed else "started"
    symbols = ", ".join(record.symbols)
    text = (
        f"run {verb}: {record.mode} on {record.feed}, {symbols} at {record.timeframe}, "
        f"approval {record.approval}, seed {record.seed}"
    )
    return Actor.ENGINE, text, "", ""


def _order(record: r.OrderChanged) -> Words | None:
    order = record.order
    if order.state is OrderState.SENT:
        return None
    text = f"{order.purpose} order {order.side} {order.quantity} {order.type} {order.state}"
    if order.reason:
        text += f": {order.reason}"
    return Actor.ENGINE, text, order.id, order.symbol


def _fill(record: r.Filled) -> Words:
    fill = record.fill
    text = (
        f"filled {fill.side} {fill.quantity} at {fill.price} "
        f"({fill.liquidity}, fee {fill.fee} {fill.fee_asset})"
    )
    return Actor.ENGINE, text, fill.order, fill.symbol


def _funding(record: r.Funded) -> Words:
    payment = record.funding
    verb = "paid" if payment.amount >= 0 else "received"
    text = (
        f"{verb} {abs(payment.amount):f} funding at {payment.rate:+.4%} of {payment.notional:f}"
        f" ({payment.note})"
    )
    return Actor.ENGINE, text, payment.position, payment.symbol


def _position(record: r.PositionChanged) -> Words | None:
    # A trailing stop moves every half minute: the positions panel shows where it is.
    if record.why == PROTECTION_MOVED:
        return None
    position = record.position
    text = f"{position.direction} {position.quantity}, stop {position.stop}: {record.why}"
    return Actor.ENGINE, text, position.id, position.symbol


def _trade(record: r.TradeClosed) -> Words:
    trade = record.trade
    text = (
        f"closed {trade.direction} {trade.quantity} by {trade.exit_reason}: "
        f"{trade.pnl:+f} ({trade.pnl_pct:+.2f} %) after fees {trade.fees}"
    )
    return Actor.ENGINE, text, trade.id, trade.symbol


def _proposal(record: r.ProposalChanged) -> Words:
    proposal = record.proposal
    side = "buy" if proposal.direction is Direction.LONG else "sell short"
    text = (
        f"proposal v{proposal.version} {proposal.state}: {side} {proposal.quantity} "
        f"at {proposal.price}, stop {proposal.stop}"
    )
    if record.why:
        text += f" ({record.why})"
    return record.who, text, proposal.id, proposal.symbol


def _command(record: r.Commanded) -> Words:
    ack = record.ack
    name = record.command.__struct_config__.tag
    verdict = "done" if ack.ok else f"refused ({ack.code})"
    return record.command.actor, f"{name} {verdict}: {ack.text}", ack.ref, ""


def _decision(record: r.Decided) -> Words:
    decision = record.decision
    text = f"{decision.action} {decision.confidence:.0%}: {decision.reasoning}"
    return Actor.ENGINE, text, decision.id, decision.symbol


def _denied(record: r.Denied) -> Words:
    gate = record.gate
    text = (
        f"{record.direction} refused by {gate.name} ({record.code}): "
        f"{gate.value:.6g} against {gate.threshold:.6g} {gate.unit}"
    )
    return Actor.ENGINE, text, record.id, record.symbol


def _control(record: r.ControlChanged) -> Words:
    return record.who, f"control state {record.state}: {record.reason}", "", ""


def _breaker(record: r.BreakerChanged) -> Words:
    breaker = record.breaker
    text = f"breaker {breaker.name} {breaker.state}: {breaker.reason}"
    return record.who, text, breaker.name, ""


def _regime(record: r.RegimeChanged) -> Words:
    text = f"regime {record.from_regime} → {record.to_regime} ({record.confidence:.0%})"
    return Actor.ENGINE, text, "", record.symbol


def _condition(record: r.ConditionChanged) -> Words:
    condition = record.condition
    sign = "≥" if condition.above else "≤"
    text = f"condition {record.state}: {condition.direction} at {sign} {condition.trigger:.8g}"
    if record.why:
        text += f" ({record.why})"
    return Actor.ENGINE, text, condition.id, condition.symbol


def _llm(record: r.LlmCalled) -> Words:
    armed = sum(bool(condition) for condition, _ in record.verdicts)
    text = f"strategist ({record.speaker}): {armed} of {len(record.verdicts)} conditions armed"
    if record.why_rules:
        text += f"; the rules speak: {record.why_rules}"
    return Actor.ENGINE, text, record.id, ""


def _cooldown(record: r.Cooldown) -> None:
    del record


def _parameter(record: r.ParameterSet) -> Words:
    scope = "·".join(part for part in record.scope if part) or "global"
    before, after = value_text(record.before), value_text(record.after)
    text = f"{record.name} ({scope}): {before} → {after}, by {record.who}"
    return Actor.PERSON if record.who == "person" else Actor.ENGINE, text, record.name, ""


def _feed(record: r.FeedChanged) -> Words:
    status = record.status
    text = f"feed {status.venue} {status.link}"
    if status.reason:
        text += f": {status.reason}"
    return Actor.ENGINE, text, "", status.symbol


def _correction(record: r.BarCorrected) -> Words:
    bar = record.correction.bar
    text = f"closed candle revised: close {record.correction.was_close:.8g} → {bar.close:.8g}"
    return Actor.ENGINE, text, "", bar.symbol


def _quarantine(record: r.TickQuarantined) -> Words:
    tick = record.tick
    return Actor.ENGINE, f"tick {tick.price:.8g} refused: {tick.reason}", "", tick.symbol


def _note(record: r.Noted) -> Words:
    return record.who, record.text, record.ref, record.symbol


def _counterfactual(record: r.Followed) -> Words:
    item = record.counterfactual
    text = f"{item.kind} trade would have made {item.pnl_pct:+.2f} % ({item.ended})"
    return Actor.ENGINE, text, item.id, item.symbol


def _change(record: r.ChangeMoved) -> Words:
    change = record.change
    text = (
        f"change {change.state}: {change.target.text} {value_text(change.replaced)} → "
        f"{value_text(change.after)}, {change.kind} by {change.who}, n {change.evidence.n}"
    )
    if record.why:
        text += f" ({record.why})"
    return record.who, text, change.id, change.target.symbol or ""


def value_text(value: str) -> str:
    """A JSON value of a change as a person reads it; `null` is nothing set in this scope."""
    return "unset" if value == "null" else value.strip('"')


def _trials(record: r.TrialsRun) -> Words:
    tried = record.trials
    chosen = f"chose {value_text(tried.chosen)}" if tried.chosen else "chose none"
    text = f"{tried.who} tried {len(tried.values)} values of {tried.target.text}, {chosen}"
    return Actor.ENGINE, text, tried.id, tried.target.symbol or ""


def _frozen(record: r.Frozen) -> Words:
    what = "everything" if record.target == "*" else record.target
    text = f"{what} {'frozen against' if record.frozen else 'free again for'} changes"
    return record.who, text, "", ""


def _opportunity(record: r.OpportunityEnded) -> Words:
    wanted, came = record.opportunity, record.outcome
    text = (
        f"{wanted.kind} {wanted.direction} of {wanted.strategy} came to {came.net:+.2f} % net, "
        f"{came.r:+.2f} R ({came.reason}{'' if came.closed else ', still open'})"
    )
    return Actor.ENGINE, text, wanted.id, wanted.symbol


def _held(record: r.EntryHeld) -> Words | None:
    """The wait alone: how it ended, the decision and the denial tell."""
    if record.over:
        return None
    text = f"{record.direction} by {record.strategy} waits for the advisor"
    return Actor.ENGINE, text, record.decision, record.symbol


def _insight(record: r.InsightFound) -> Words:
    found = record.insight
    about = found.symbols[0] if len(found.symbols) == 1 else ""
    if found.set_by:
        because = f" ({found.set_why})" if found.set_why else ""
        what = "struck out" if found.struck else f"now says: {found.said}"
        return Actor.PERSON, f"insight {what}{because}", found.id, about
    return Actor.ENGINE, f"{found.kind}, found by {found.source}: {found.text}", found.id, about


def _headline(record: r.HeadlineHeard) -> Words:
    one = record.headline
    return Actor.ENGINE, f"{one.source}: {one.text}", "", ""


_WRITERS: dict[type[Any], Callable[[Any], Words | None]] = {
    r.RunStarted: _run,
    r.OrderChanged: _order,
    r.Filled: _fill,
    r.Funded: _funding,
    r.PositionChanged: _position,
    r.TradeClosed: _trade,
    r.ProposalChanged: _proposal,
    r.Commanded: _command,
    r.Decided: _decision,
    r.Denied: _denied,
    r.ControlChanged: _control,
    r.BreakerChanged: _breaker,
    r.RegimeChanged: _regime,
    r.ConditionChanged: _condition,
    r.EntryHeld: _held,
    r.LlmCalled: _llm,
    r.Cooldown: _cooldown,
    r.ParameterSet: _parameter,
    r.FeedChanged: _feed,
    r.BarCorrected: _correction,
    r.TickQuarantined: _quarantine,
    r.Noted: _note,
    r.Followed: _counterfactual,
    r.ChangeMoved: _change,
    r.TrialsRun: _trials,
    r.Frozen: _frozen,
    r.OpportunityEnded: _opportunity,
    r.InsightFound: _insight,
    r.HeadlineHeard: _headline,
}
