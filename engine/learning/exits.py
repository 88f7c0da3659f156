"""Exit learning: which trailing distance, which break-even, which weight would have done better.

Once a day, the method of the universal optimizer on the position step: try several values of
one parameter on the opportunities of the last weeks, weigh them by age, find the best, and go a
tenth of the way towards it. What comes out is only suggested: whether it was worth anything the
ledger finds out on opportunities that nobody had seen when it was chosen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from engine.core.clock import DAY
from engine.core.learning import (
    ChangeKind,
    Evidence,
    Lean,
    Opportunity,
    Outcome,
    Path,
    Suggestion,
    Trials,
)
from engine.core.parameters import EVERYWHERE, Parameter, Parameters, declare
from engine.learning import settings as ledger
from engine.learning.adjust import parameter, text_of
from engine.learning.base import Learner
from engine.learning.paths import Bars, unpacked
from engine.learning.simulate import Simulator
from engine.position import settings
from engine.position.plan import ExitPlan, reopened

HALF_LIFE = declare(
    "opt.half_life_days", 30, low=7, high=90, step=1, unit="days", scopes="G",
    doc="Age at which an outcome weighs half in a search.",
)  # fmt: skip
LOOKBACK = declare(
    "opt.lookback_days", 60, low=14, high=365, step=1, unit="days", scopes="G",
    doc="Outcomes older than this are not searched.",
)  # fmt: skip
LEAST = declare(
    "opt.min_samples", 30, low=10, high=200, step=5, unit="count", scopes="G",
    doc="Outcomes that must differ between two values before one is preferred.",
)  # fmt: skip
STEP = declare(
    "opt.step_toward_optimum", 0.10, low=0.02, high=0.5, step=0.01, unit="fraction", scopes="G",
    doc="How far towards the best value a parameter goes at once; one step at least.",
)  # fmt: skip

LEARNED: tuple[Parameter, ...] = (
    settings.TRAIL_STOP,
    settings.TIME_EXIT,
    settings.STALE_DAYS,
    settings.TRAIL_ACTIVATION,
    settings.TRAIL_PCT,
    settings.TRAIL_ATR,
    settings.BE_ACTIVATION,
    *settings.SIGNAL_WEIGHTS,
)

_NAMES = frozenset(one.name for one in LEARNED)

TRIED = 5
"""Values tried of a parameter, evenly over its bounds, beside the one in force."""

EULER = 0.5772156649


def luckiest(tries: int) -> float:
    """The best z that this many worthless values are expected to show (Bailey, López de Prado)."""
    if tries < 2:
        return 0.0
    normal = NormalDist()
    return (1.0 - EULER) * normal.inv_cdf(1.0 - 1.0 / tries) + EULER * normal.inv_cdf(
        1.0 - 1.0 / (tries * math.e)
    )


def on_grid(one: Parameter, value: float) -> float:
    """The nearest value that the parameter's step allows, within its bounds."""
    assert one.low is not None
    assert one.high is not None
    grid = one.step or 0.0
    if grid:
        value = one.low + round((value - one.low) / grid) * grid
    return float(min(one.high, max(one.low, round(value, 10))))


@dataclass(frozen=True, slots=True)
class _Move:
    """The rules that one parameter moves, and how: `at_low + slope × (value − low)`."""

    slots: np.ndarray
    at_low: np.ndarray
    slope: np.ndarray
    low: float


def _reopened(plan: ExitPlan, rules: np.ndarray) -> ExitPlan:
    again = reopened(plan, rules)
    assert again is not None
    return again


class ExitLearner(Learner):
    """Searches the exit parameters once a day. Owned by the kernel thread."""

    name = "exit learning"

    def __init__(self, params: Parameters, simulator: Simulator) -> None:
        self._params = params
        self._simulator = simulator
        self._version = -1
        self._known: dict[str, np.ndarray] = {}
        self._moves: dict[tuple[str, str, str], dict[str, _Move]] = {}

    def daily(
        self, past: Sequence[tuple[Opportunity, Path, Outcome]], now_ns: int
    ) -> Iterator[Suggestion | Trials | None]:
        since = now_ns - int(self._params.get(LOOKBACK)) * DAY
        recent = [(one, path) for one, path, _ in past if one.opened_ns >= since]
        if len(recent) < int(self._params.get(LEAST)):
            return
        if self._version != self._params.version:
            self._version = self._params.version
            self._known.clear()
            self._moves.clear()
        values = {one.name: self._values(one) for one in LEARNED}
        yield from self._try_all(values, recent)
        wanted = [o for o, _ in recent]
        outcomes = np.array([self._known[o.id] for o in wanted])
        half_life = float(self._params.get(HALF_LIFE)) * DAY
        weights = 0.5 ** (np.array([now_ns - o.opened_ns for o in wanted]) / half_life)
        first = 1
        for one in LEARNED:
            tried = values[one.name]
            columns = outcomes[:, [0, *range(first, first + len(tried) - 1)]]
            first += len(tried) - 1
            yield from self._chosen(one, tried, wanted, columns, weights, now_ns)

    def _values(self, one: Parameter) -> list[float]:
        """What is in force, then the others."""
        assert one.low is not None
        assert one.high is not None
        now = float(self._params.get(one))
        spread = np.linspace(one.low, one.high, TRIED).tolist()
        others = dict.fromkeys(on_grid(one, value) for value in spread)
        return [now, *(value for value in others if value != now)]

    def _try_all(
        self, values: dict[str, list[float]], recent: Sequence[tuple[Opportunity, Path]]
    ) -> Iterator[None]:
        """Fill in the outcomes that are not known yet, an opportunity at a time."""
        for opportunity, path in recent:
            if opportunity.id not in self._known:
                self._known[opportunity.id] = self._outcomes(opportunity, unpacked(path), values)
                yield None

    def _outcomes(self, one: Opportunity, bars: Bars, values: dict[str, list[float]]) -> np.ndarray:
        """Net results in R: by the rules in force, then by each other value of each parameter;
        NaN where an entry can't be protected."""
        found = np.full(1 + sum(len(tried) - 1 for tried in values.values()), math.nan)
        base = self._simulator.plan(one, self._params)
        if base is None:
            return found
        moves = self._moves_of(one)
        found[:] = self._simulator.walk(one, bars, _reopened(base, base.rules)).net_r
        at = 1
        for name, tried in values.items():
            move = moves.get(name)
            for value in tried[1:]:
                if move is not None:
                    found[at] = self._worth(one, bars, base, move, value)
                at += 1
        return found

    def _worth(
        self, one: Opportunity, bars: Bars, base: ExitPlan, move: _Move, value: float
    ) -> float:
        rules = base.rules.copy()
        rules[move.slots] = move.at_low + move.slope * (value - move.low)
        plan = reopened(base, rules)
        return self._simulator.walk(one, bars, plan).net_r if plan is not None else math.nan

    def _moves_of(self, one: Opportunity) -> dict[str, _Move]:
        """Which rules each parameter moves for entries like this one, found by moving it.

        They are the same for all entries unless one of the parameters is set in a scope.
        """
        scoped = any(
            scope != EVERYWHERE and name in _NAMES for name, scope, _ in self._params.items()
        )
        key = (one.symbol, one.regime, one.strategy) if scoped else ("", "", "")
        moves = self._moves.get(key)
        if moves is None:
            moves = self._moves[key] = {}
            for parameter_ in LEARNED:
                move = self._move(one, parameter_)
                if move is not None:
                    moves[parameter_.name] = move
        return moves

    def _move(self, one: Opportunity, moved: Parameter) -> _Move | None:
        assert moved.low is not None
        assert moved.high is not None
        rules = []
        for value in (moved.low, moved.high):
            registry = self._params.copy()
            registry.set(moved.name, value, "tried")
            plan = self._simulator.plan(one, registry)
            if plan is None:
                return None
            rules.append(plan.rules)
        low, high = rules
        slots = np.flatnonzero(~((low == high) | (np.isnan(low) & np.isnan(high))))
        if not len(slots):
            return None
        slope = (high[slots] - low[slots]) / (moved.high - moved.low)
        return _Move(slots, low[slots], slope, moved.low)

    def _chosen(
        self,
        one: Parameter,
        values: list[float],
        recent: list[Opportunity],
        outcomes: np.ndarray,
        weights: np.ndarray,
        now_ns: int,
    ) -> Iterator[Suggestion | Trials | None]:
        """Compare each value with the one in force, and suggest a step towards the best.

        A column of `outcomes` belongs to each value, a row to each opportunity.
        """
        base = outcomes[:, 0]
        scores, best = [], (0.0, values[0], np.zeros_like(base))
        for value, found in zip(values, outcomes.T, strict=True):
            valid = np.isfinite(found) & np.isfinite(base)
            gained = np.where(valid, found - base, 0.0)
            scores.append(float(np.sum(weights[valid] * found[valid]) / np.sum(weights[valid])))
            z = _z(gained, weights)
            if z > best[0]:
                best = (z, value, gained)
        differing = int(np.count_nonzero(best[2]))
        enough = differing >= int(self._params.get(LEAST)) and best[0] > luckiest(len(values))
        yield Trials(
            id=f"{one.name}@{now_ns}",
            who=self.name,
            target=parameter(one.name),
            values=tuple(map(text_of, values)),
            scores=tuple(round(score, 6) for score in scores),
            n=len(recent),
            chosen=text_of(best[1] if enough else values[0]),
        )
        if enough:
            yield self._suggestion(one, values[0], best, weights, recent)

    def _suggestion(
        self,
        one: Parameter,
        now: float,
        best: tuple[float, float, np.ndarray],
        weights: np.ndarray,
        recent: list[Opportunity],
    ) -> Suggestion:
        z, value, gained = best
        away = value - now
        least = one.step or abs(away)
        stride = max(abs(away) * float(self._params.get(STEP)), least)
        after = on_grid(one, now + math.copysign(min(stride, abs(away)), away))
        lean = lean_of(one, after - now)
        differed = gained != 0.0
        return Suggestion(
            target=parameter(one.name),
            after=text_of(int(after) if one.kind == "int" else after),
            kind=ChangeKind.TRIAL,
            lean=lean,
            who=self.name,
            reason=f"{value:g} {one.unit} did better than {now:g} by z {z:.1f}; a step towards it",
            evidence=Evidence(
                metric=f"{one.name} {value:g} less {now:g}, after fees, weighed by age",
                unit="R",
                n=int(np.count_nonzero(differed)),
                mean=float(np.sum(weights[differed] * gained[differed]) / weights[differed].sum()),
                ids=tuple(o.id for o, d in zip(recent, differed, strict=True) if d),
                note="seen when it was chosen, so no proof; the comparison in shadow is",
            ),
            lasts_ns=int(self._params.get(ledger.WATCH_DAYS)) * DAY,
        )


def _z(gained: np.ndarray, weights: np.ndarray) -> float:
    """How far the weighed mean of the differences is from zero, in its own standard errors."""
    differed = gained != 0.0
    if not differed.any():
        return 0.0
    w, x = weights[differed], gained[differed]
    mean = float(np.sum(w * x) / w.sum())
    spread = float(np.sqrt(np.sum(w * w * (x - mean) ** 2)) / w.sum())
    return mean / spread if spread > 0.0 else 0.0


def lean_of(one: Parameter, moved: float) -> Lean:
    """Whether moving this parameter this way takes risk on or off."""
    risk = one.risk * moved
    return Lean.LOOSENS if risk > 0 else Lean.TIGHTENS if risk < 0 else Lean.NEUTRAL
