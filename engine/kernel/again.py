"""A decision made again from what the journal kept of it, and how it differs.

The rooms are asked as the kernel asked them (strategies, coordination, votes, size, gates),
with the journaled inputs in place of a market and an account. Under the code and the
parameters of then there is no difference, to the last bit. What needs more than its inputs
(a model's vote, the leverage chosen, the correlation found) enters as it was.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from engine.core.parameters import Parameters
from engine.core.records import Denied
from engine.core.types import Decision, Gate, Instrument, Proposal, SizeFactor, Value, Vote
from engine.decision.combine import Combiner
from engine.decision.sources import DecisionContext, Opinion, TechnicalSource
from engine.journal.packing import prices_from
from engine.kernel.appraisal import wanted_lots
from engine.kernel.inputs import AppraiseInputs, DecideInputs, rows_of, size_context
from engine.market.costs import Costs
from engine.risk.gates import evaluate, first_refusal
from engine.risk.managers import manager_of
from engine.risk.sizers import sizer_of
from engine.risk.sizing import Size, size_entry
from engine.strategies.base import Strategy, StrategyContext
from engine.strategies.coordination import coordinate
from engine.strategies.expected_value import TradeStatistics


class Difference(Value, frozen=True):
    """One value that came out otherwise, by its path (`votes.technical.confidence`)."""

    what: str
    then: str
    now: str


@dataclass(frozen=True, slots=True)
class Appraised:
    """Size and gates as they come out now; `size` None where a person chose it."""

    size: Size | None
    gates: tuple[Gate, ...]
    factors: tuple[SizeFactor, ...]


@dataclass(frozen=True, slots=True)
class _Recorded:
    """A source that can't be asked again; it votes as it did."""

    name: str
    said: Vote
    veto: bool

    def vote(self, context: DecisionContext) -> Opinion:
        return Opinion(self.said.action, self.said.confidence, self.said.reason, self.veto)


def context_of(inputs: DecideInputs, instrument: Instrument, params: Parameters) -> StrategyContext:
    """The market as strategies saw it."""
    row, previous = rows_of(inputs)
    bar = inputs.bar
    return StrategyContext(
        symbol=bar.symbol,
        time_ns=bar.close_ns,
        bar=bar,
        row=row,
        previous=previous,
        closes=np.array(prices_from(inputs.closes), dtype=np.float64),
        regime=inputs.regime,
        parameters=params,
        instrument=instrument,
        quote=inputs.quote,
        holding=inputs.holding,
    )


def absent(inputs: DecideInputs, strategies: Sequence[Strategy]) -> list[str]:
    """Strategies that were asked then and don't exist now."""
    known = {strategy.id for strategy in strategies}
    return [name for name in inputs.tallies if name not in known]


def decide_again(
    then: Decision,
    inputs: DecideInputs,
    instrument: Instrument,
    params: Parameters,
    strategies: Sequence[Strategy],
    veto: bool = False,
) -> Decision:
    """The decision as these strategies, parameters and this code make it.

    `veto` says that the language model's vote was one.
    """
    return made(then.id, then.votes, inputs, instrument, params, strategies, veto)


def made(
    decision_id: str,
    votes: Sequence[Vote],
    inputs: DecideInputs,
    instrument: Instrument,
    params: Parameters,
    strategies: Sequence[Strategy],
    veto: bool = False,
) -> Decision:
    """As `decide_again`, where of the decision only its id and the votes of others are kept."""
    context = context_of(inputs, instrument, params)
    regime = str(inputs.regime.label) if inputs.regime is not None else ""
    statistics = TradeStatistics(params)
    for name, (of_all, own) in inputs.tallies.items():
        statistics.count(name, regime, of_all, own)
    by_id = {strategy.id: strategy for strategy in strategies}
    signals = [by_id[name].analyze(context) for name in inputs.tallies if name in by_id]
    said = coordinate(
        context,
        signals,
        statistics,
        lambda: inputs.costs or _UNKNOWN,
        lambda signal: inputs.standing.get(signal.strategy, 1.0),
    )
    technical = TechnicalSource()
    others = [
        _Recorded(vote.source, vote, veto and vote.source == "llm")
        for vote in votes
        if vote.source != technical.name
    ]
    combiner = Combiner(params, [technical, *others])
    return combiner.decide(decision_id, DecisionContext(context, said))


def appraise_again(
    inputs: AppraiseInputs,
    instrument: Instrument,
    params: Parameters,
    strategies: Sequence[Strategy],
    then: Decision | None = None,
    now: Decision | None = None,
) -> Appraised:
    """Size and gates as they come out now; a decision that changed brings its confidence."""
    sized, gated = size_context(inputs, instrument), inputs.gates
    if then is not None and now is not None:
        if sized is not None and sized.confidence == then.confidence:
            sized = replace(sized, confidence=now.confidence)
        if gated.confidence == then.confidence:
            gated = replace(gated, confidence=now.confidence)
    size = None
    factors: tuple[SizeFactor, ...] = ()
    if sized is not None:
        own = next((one for one in strategies if one.id == sized.strategy), Strategy)
        sizer = sizer_of(params, sized.strategy, own.sizer)
        size = size_entry(sized, params, sizer, manager_of(params, sized.strategy, own.manager))
        quantity = float(size.quantity) or wanted_lots(size, sized.instrument)
        gated = replace(gated, quantity=quantity)
        factors = (*inputs.stages, *size.factors)
    return Appraised(size, evaluate(gated, params), factors)


def decision_differences(then: Decision, now: Decision) -> list[Difference]:
    """Where two decisions differ, by name; votes and signals by who spoke."""
    return list(_differing("", then, now))


def entry_differences(
    then: Proposal | Denied, now: Appraised, first: bool = True
) -> list[Difference]:
    """Where size and gates differ from what was proposed or refused.

    `first` is false for a proposal that was amended since, whose gates are of another moment.
    """
    found: list[Difference] = []
    if now.size is not None:
        lots = str(then.quantity)
        if lots != str(now.size.quantity):
            found.append(Difference(what="quantity", then=lots, now=str(now.size.quantity)))
    if isinstance(then, Denied):
        refused = first_refusal(now.gates)
        if refused is None:
            found.append(Difference(what="gates", then=f"{then.code} refused", now="all admit"))
        else:
            found += _differing("gate", then.gate, refused)
    elif first:
        found += _differing("gates", then.gates, now.gates)
        if now.size is not None:
            found += _differing("factors", then.factors, now.factors)
    return found


def _differing(path: str, then: object, now: object) -> Iterator[Difference]:
    if isinstance(then, msgspec.Struct) and type(then) is type(now):
        for name in then.__struct_fields__:
            below = f"{path}.{name}" if path else name
            yield from _differing(below, getattr(then, name), getattr(now, name))
    elif isinstance(then, tuple) and isinstance(now, tuple):
        yield from _rows_differing(path, then, now)
    elif not _same(then, now):
        yield Difference(what=path, then=_told(then), now=_told(now))


def _rows_differing(
    path: str, then: tuple[object, ...], now: tuple[object, ...]
) -> Iterator[Difference]:
    """Rows with a name are compared by it, whatever their order; others by their place."""
    before = {_name(row, place): row for place, row in enumerate(then)}
    after = {_name(row, place): row for place, row in enumerate(now)}
    for name in {**before, **after}:
        below = f"{path}.{name}"
        if name in before and name in after:
            yield from _differing(below, before[name], after[name])
        else:
            was, came = before.get(name, "absent"), after.get(name, "absent")
            yield Difference(what=below, then=_told(was), now=_told(came))


def _name(row: object, place: int) -> str:
    for key in ("source", "strategy", "code", "name"):
        if (found := getattr(row, key, None)) is not None:
            return str(found)
    return str(place)


def _same(then: object, now: object) -> bool:
    if isinstance(then, float) and isinstance(now, float):
        return then == now or (math.isnan(then) and math.isnan(now))
    return then == now


def _told(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, msgspec.Struct):
        parts = (str(getattr(value, name, "")) for name in ("action", "passed", "value"))
        return " ".join(part for part in parts if part) or type(value).__name__
    if dataclasses.is_dataclass(value):
        return type(value).__name__
    return str(value)


_UNKNOWN = Costs(math.nan, math.nan, math.nan)
"""Nobody asked for costs then, because nobody spoke."""
