"""When something that helped helps no longer: a one-sided CUSUM on its differences.

A change that was kept is never finished being judged, since markets move on. Page's sum
compares two accounts of each difference x in standard deviations, that it comes from a mean
of δ and that it comes from none, and alarms when the second has gained ln(A) since the sum was
last at zero; while the effect lasts, an alarm is false once in A differences at most.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

EFFECT = 0.2
"""δ: the effect that rigour asks to be found, in standard deviations."""

ONCE_IN = 10_000.0
"""A: the differences between two false alarms, at least."""


@dataclass(slots=True)
class Fading:
    """Differences one by one; `since` counts those since the effect was last in view."""

    gained: float = 0.0
    since: int = 0

    def add(self, x: float) -> None:
        """One difference in standard deviations, positive where the change helped."""
        self.gained += EFFECT * EFFECT / 2.0 - EFFECT * x
        self.since += 1
        if self.gained <= 0.0:
            self.gained, self.since = 0.0, 0

    @property
    def over(self) -> bool:
        """Whether the effect is gone."""
        return self.gained > math.log(ONCE_IN)
