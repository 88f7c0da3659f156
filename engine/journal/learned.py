"""What learning leaves in the tables: changes, their evidence, trials and opportunities."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from engine.core.learning import Evidence, Opportunity
from engine.core.records import (
    ChangeMoved,
    ComparedOn,
    Frozen,
    OpportunityBegan,
    OpportunityEnded,
    TrialsRun,
)
from engine.journal.rows import Row, into, text

_CHANGE, _MOVED = into("changes", 42), into("change_history", 6)
_COMPARED, _TRIALS = into("change_evidence", 8, "INSERT"), into("trials", 9, "INSERT")
_OPPORTUNITY, _FROZEN = into("opportunities", 25), into("frozen_targets", 5)


def _change(r: ChangeMoved, seq: int) -> Iterator[Row]:
    c, t, e = r.change, r.change.target, r.change.evidence
    yield (
        _CHANGE,
        (
            *(c.id, r.time_ns, t.kind, t.text, t.name, t.symbol, t.regime, t.strategy),
            *(c.before, c.after, c.kind, c.lean, c.state, c.who, c.reason),
            *(e.metric, e.unit, e.n, e.mean, e.low, e.high, e.alpha, int(e.bound), text(e.ids)),
            *_figures(c.shadow),
            *_figures(c.net),
            *(c.made_ns, c.applied_ns, c.ends_ns, c.ended_ns, c.decided_by, c.note),
            *(c.replaced, *_error(c.shadow), seq),
        ),
    )
    yield _MOVED, (seq, r.time_ns, c.id, c.state, r.who, r.why)


def _figures(e: Evidence | None) -> tuple[Any, ...]:
    return (None,) * 4 if e is None else (e.n, e.mean, e.low, e.high)


def _error(e: Evidence | None) -> tuple[Any, ...]:
    """That of both ends, and its part at the lower one; the same before and after fees."""
    return (None,) * 2 if e is None else (e.alpha, e.below)


def _compared(r: ComparedOn, seq: int) -> Iterator[Row]:
    c = r.compared
    yield (
        _COMPARED,
        (
            *(seq, r.time_ns, c.change, c.opportunity, c.old_gross, c.new_gross),
            *(c.old_net, c.new_net),
        ),
    )


def _trials(r: TrialsRun, seq: int) -> Iterator[Row]:
    t = r.trials
    yield (
        _TRIALS,
        (
            *(seq, r.time_ns, t.id, t.who, t.target.text, text(t.values), text(t.scores)),
            *(t.n, t.chosen),
        ),
    )


def _wanted(o: Opportunity) -> tuple[Any, ...]:
    return (
        *(o.id, o.opened_ns, o.symbol, o.direction, o.price, o.stop, text(o.targets), o.atr),
        *(o.fee, o.spread, o.strategy, o.regime, o.confidence, o.kind, o.code, o.pattern),
        o.size_factor,
    )


def _began(r: OpportunityBegan, seq: int) -> Iterator[Row]:
    yield _OPPORTUNITY, (*_wanted(r.opportunity), *(None,) * 7, seq)


def _ended(r: OpportunityEnded, seq: int) -> Iterator[Row]:
    o = r.outcome
    outcome = (o.gross, o.net, o.r, o.reason, o.bars, int(o.closed))
    yield _OPPORTUNITY, (*_wanted(r.opportunity), r.time_ns, *outcome, seq)


def _frozen(r: Frozen, seq: int) -> Iterator[Row]:
    yield _FROZEN, (r.target, int(r.frozen), r.who, r.time_ns, seq)


PROJECTORS: dict[type[Any], Callable[[Any, int], Iterator[Row]]] = {
    ChangeMoved: _change,
    ComparedOn: _compared,
    TrialsRun: _trials,
    OpportunityBegan: _began,
    OpportunityEnded: _ended,
    Frozen: _frozen,
}
