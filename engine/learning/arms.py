"""Old against new on one opportunity: two registries, or two weights, and one step.

A change of an exit rule gives the same entry another end. A change of a gate, a coin or a
pattern gives it another weight: 0 where it would have been refused, the size factor where it
would have been cut. Either way the difference is what the change was worth here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from engine.core.learning import Change, Compared, Opportunity, Target, TargetKind
from engine.core.parameters import Parameters
from engine.learning.adjust import put, scope_of
from engine.learning.paths import Bars
from engine.learning.simulate import Simulator
from engine.risk.entryscore import THRESHOLD, score_of

Weigh = Callable[[Target, str, Opportunity], float]
"""The weight of an opportunity while a target has this value (JSON text); 1 where it leaves it
alone."""


@dataclass(slots=True)
class _Pair:
    version: int
    old: Parameters
    new: Parameters


class Arms:
    """Compares a change with what it replaced. Owned by the kernel thread.

    `weighers` tell the weight under a value for the kinds that are no parameter.
    """

    def __init__(
        self,
        params: Parameters,
        simulator: Simulator,
        weighers: Mapping[TargetKind, Weigh],
    ) -> None:
        self._params = params
        self._simulator = simulator
        self._weighers = weighers
        self._pairs: dict[str, _Pair] = {}

    def compare(self, change: Change, one: Opportunity, bars: Bars) -> Compared | None:
        """The two outcomes in R; None where the change does not concern this opportunity."""
        target = change.target
        if target.kind is TargetKind.PARAMETER:
            if not scope_of(target).matches(one.symbol, one.regime or None, one.strategy):
                return None
            pair = self._pair(change)
            old = self._worth(one, bars, pair.old)
            new = self._worth(one, bars, pair.new)
        else:
            weigh = self._weighers[target.kind]
            before, after = weigh(target, change.before, one), weigh(target, change.after, one)
            if before == after:
                return None
            gross, net = self._worth(one, bars, self._params)
            old, new = (before * gross, before * net), (after * gross, after * net)
        return Compared(
            change=change.id,
            opportunity=one.id,
            old_gross=old[0],
            new_gross=new[0],
            old_net=old[1],
            new_net=new[1],
        )

    def keep_only(self, changes: Iterable[str]) -> None:
        """Forget the registries of changes that are no longer compared."""
        kept = set(changes)
        for gone in self._pairs.keys() - kept:
            del self._pairs[gone]

    def _pair(self, change: Change) -> _Pair:
        pair = self._pairs.get(change.id)
        if pair is None or pair.version != self._params.version:
            old, new = self._params.copy(), self._params.copy()
            put(old, change.target, change.before, "before")
            put(new, change.target, change.after, change.id)
            pair = self._pairs[change.id] = _Pair(self._params.version, old, new)
        return pair

    def _worth(self, one: Opportunity, bars: Bars, params: Parameters) -> tuple[float, float]:
        """Gross and net in R; nothing where the gate or a missing stop refuses it."""
        least = params.get(THRESHOLD, one.symbol, one.regime or None, one.strategy)
        if score_of(one.confidence) < least:
            return 0.0, 0.0
        outcome = self._simulator.run(one, bars, params)
        return (outcome.r, outcome.net_r) if outcome is not None else (0.0, 0.0)
