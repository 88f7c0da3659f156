"""When differences are more than luck: a confidence sequence that may be looked at any time.

Testing after every trade at a fixed threshold finds something in noise sooner or later; a
confidence sequence holds at every look at once. It is the normal mixture of Robbins: for
observations with mean μ and standard deviation 1, |mean − μ| stays below

    √((n·ρ² + 1) / (n²·ρ²) · ln((n·ρ² + 1) / α²))

for all n together with probability 1 − α, half of α at either end. ρ² sets where it is
tightest; here at 500 observations. Where a mistake at one end costs more than at the other,
the ends may have unequal parts of α: each is then where an equal sequence of twice its part
has it, and by the sum of both parts the interval still holds with 1 − α.

Observations are divided by the standard deviation of those before them, which keeps the
division from knowing the future, and held to ±4 so that one wild result decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from engine.core.learning import NAN, Evidence

ALPHA = 0.05
RHO2 = 0.0163

PRIOR_SD = 1.0
"""Before anything was seen: results are measured in R, entry-to-stop distances, of which
one is the usual loss."""
PRIOR_N = 10

CLIP = 4.0

EVENLY = 0.5


def half_width(n: int, alpha: float = ALPHA, rho2: float = RHO2) -> float:
    """The bound on |mean − μ| after `n` observations of standard deviation 1."""
    if n < 1:
        return math.inf
    grown = n * rho2 + 1.0
    return math.sqrt(grown / (n * n * rho2) * math.log(grown / (alpha * alpha)))


@dataclass(slots=True)
class Sequence:
    """Observations one by one, and what may be said of their mean after each.

    `alpha` is the error of both ends together, `below` the part of it at the lower end. Zeros
    are counted apart: where old and new did the same, nothing was compared.
    """

    alpha: float = ALPHA
    below: float = EVENLY
    n: int = 0
    same: int = 0
    total: float = 0.0
    squares: float = 0.0
    scaled: float = 0.0

    def add(self, value: float) -> None:
        """One more observation. Raises `ValueError` for one that is no number."""
        if not math.isfinite(value):
            raise ValueError(f"an observation of {value}")
        if value == 0.0:
            self.same += 1
            return
        self.scaled += max(-CLIP, min(CLIP, value / self.sd))
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
        return self._end(-1.0)

    @property
    def high(self) -> float:
        return self._end(1.0)

    def _end(self, sign: float) -> float:
        if not self.n:
            return sign * math.inf
        part = self.below if sign < 0.0 else 1.0 - self.below
        return (self.scaled / self.n + sign * half_width(self.n, 2.0 * part * self.alpha)) * self.sd

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
