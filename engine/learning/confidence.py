"""When differences are more than luck: a confidence sequence that may be looked at any time.

Testing after every trade at a fixed threshold finds something in noise sooner or later; a
confidence sequence holds at every look at once. It is the normal mixture of Robbins, one for
each end: for observations with mean zero and standard deviation 1 and their sum S,

    ∫ exp(λ·S − λ²·n/2) dN(λ; m, τ²) = exp((τ²S² + 2mS − nm²) / (2g)) / √g,  g = 1 + n·τ²

is a martingale that begins at 1, so that it reaches 1/α at any n with probability α at most
(Ville). Solved for S that is how far the sum may stray to one side. What strays there from a
mean below zero strays there more seldom, path by path, so the end holds for every such mean.

m and τ say where it is tightest: about the effects of 0.1 to 0.2 sd that are looked for, instead
of about none as with m = 0. And the two ends need not share the error by halves: a change is
kept by the lower one, while one that harms meets the loss stop as well. With both, an effect of
0.2 sd is found within 500 observations in 97 to 98 of 100 cases (docs/learning.md).

Observations are divided by the standard deviation of those before them, which keeps the
division from knowing the future. What speaks for an end is held to 4 of these, so that one wild
result decides nothing, and what speaks against it to 6: where most trades gain a little and a
few lose much, cutting off what they lose would make a gain of nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from engine.core.learning import NAN, Evidence

ALPHA = 0.05

EFFECT = 0.1
"""m: the mean of the mixture, in standard deviations."""

SPREAD = 0.06
"""τ: its standard deviation."""

EVENLY = 0.5
"""The lower end's part of the error where both directions are looked for alike."""

PRIOR_SD = 1.0
"""Before anything was seen: results are measured in R, entry-to-stop distances, of which
one is the usual loss."""
PRIOR_N = 10

FOR = 4.0
AGAINST = 6.0
"""What one observation counts at most, for and against an end, in standard deviations."""


def reach(n: int, alpha: float) -> float:
    """How far the mean of `n` observations of standard deviation 1 may stray to one side, at
    any n with probability `alpha` at most."""
    if n < 1:
        return math.inf
    spread2 = SPREAD * SPREAD
    grown = 1.0 + n * spread2
    room = n * EFFECT * EFFECT + 2.0 * grown * math.log(math.sqrt(grown) / alpha)
    return (math.sqrt(EFFECT * EFFECT + spread2 * room) - EFFECT) / (spread2 * n)


@dataclass(slots=True)
class Sequence:
    """Observations one by one, and what may be said of their mean after each.

    `alpha` is the error of both ends together, `below` the lower one's part of it; `up` is the
    sum that the lower end rests on, `down` that of the upper. Zeros are counted apart: where old
    and new did the same, nothing was compared.
    """

    alpha: float = ALPHA
    below: float = EVENLY
    n: int = 0
    same: int = 0
    total: float = 0.0
    squares: float = 0.0
    up: float = 0.0
    down: float = 0.0

    def add(self, value: float) -> None:
        """One more observation. Raises `ValueError` for one that is no number."""
        if not math.isfinite(value):
            raise ValueError(f"an observation of {value}")
        if value == 0.0:
            self.same += 1
            return
        scaled = value / self.sd
        self.up += max(-AGAINST, min(FOR, scaled))
        self.down += max(-FOR, min(AGAINST, scaled))
        self.n += 1
        self.total += value
        self.squares += value * value

    @property
    def sd(self) -> float:
        """The standard deviation of what was seen so far, about zero, with its prior."""
        weighed = PRIOR_N * PRIOR_SD * PRIOR_SD + self.squares
        return math.sqrt(weighed / (PRIOR_N + self.n))

    @property
    def mean(self) -> float:
        return self.total / self.n if self.n else NAN

    @property
    def low(self) -> float:
        """Lower end of the interval in the observations' own unit; −∞ before the first."""
        if not self.n:
            return -math.inf
        return (self.up / self.n - reach(self.n, self.alpha * self.below)) * self.sd

    @property
    def high(self) -> float:
        if not self.n:
            return math.inf
        return (self.down / self.n + reach(self.n, self.alpha * (1.0 - self.below))) * self.sd

    @property
    def verdict(self) -> int:
        """+1 where the mean is above zero, −1 where below, 0 while undecided."""
        if self.low > 0.0:
            return 1
        return -1 if self.high < 0.0 else 0

    def evidence(
        self, metric: str, unit: str, ids: tuple[str, ...] = (), note: str = ""
    ) -> Evidence:
        """The figures as a row carries them; without observations the interval is none."""
        known = self.n > 0
        return Evidence(
            metric=metric,
            unit=unit,
            n=self.n,
            mean=self.mean,
            low=self.low if known else NAN,
            high=self.high if known else NAN,
            alpha=self.alpha,
            below=self.below,
            bound=known,
            ids=ids,
            note=note or (f"{self.same} more made no difference" if self.same else ""),
        )


def sequence_of(values: Iterable[float], alpha: float = ALPHA, below: float = EVENLY) -> Sequence:
    """The sequence after these observations, in this order: how a row is recomputed."""
    sequence = Sequence(alpha, below)
    for value in values:
        sequence.add(value)
    return sequence
