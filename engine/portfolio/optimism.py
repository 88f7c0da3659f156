"""How much better than the tape paper was: a mean over fills with its interval.

Weighted by notional, because the sum of it is money that would not have been there. The
interval is that of a ratio of sums (the weights vary as the errors do), with Student's
quantile for few fills; fewer than five say nothing of their spread, and then there is none.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from statistics import NormalDist

from engine.core.clock import DAY, iso
from engine.core.honesty import Aftermath, Optimism
from engine.core.types import Fill, Side

BPS = 10_000.0
LEAST = 5
"""Fills below which no interval is told."""

LEVEL = 0.95


def optimism_bps(fill: Fill, aftermath: Aftermath | None) -> float:
    """How much better the fill was than the same order in the next market; NaN not known."""
    if aftermath is None or not math.isfinite(aftermath.again):
        return math.nan
    sign = 1 if fill.side is Side.BUY else -1
    price = float(fill.price)
    return (aftermath.again - price) / price * BPS * sign


@dataclass(slots=True)
class _Sums:
    n: int = 0
    unknown: int = 0
    w: float = 0.0
    wx: float = 0.0
    ww: float = 0.0
    wwx: float = 0.0
    wwxx: float = 0.0
    sources: Counter[str] = field(default_factory=Counter)

    def add(self, weight: float, bps: float, how: str) -> None:
        if math.isnan(bps):
            self.unknown += 1
            return
        self.n += 1
        self.w += weight
        self.wx += weight * bps
        self.ww += weight * weight
        self.wwx += weight * weight * bps
        self.wwxx += weight * weight * bps * bps
        self.sources[how] += 1

    def told(self, day: str) -> Optimism:
        mean = self.wx / self.w if self.w else math.nan
        half = self._half(mean)
        return Optimism(
            day=day,
            n=self.n,
            unknown=self.unknown,
            bps=mean,
            low=mean - half,
            high=mean + half,
            amount=self.wx / BPS,
            sources=tuple(self.sources.most_common()),
        )

    def _half(self, mean: float) -> float:
        if self.n < LEAST:
            return math.nan
        spread = max(0.0, self.wwxx - 2 * mean * self.wwx + mean * mean * self.ww)
        error = math.sqrt(spread * self.n / (self.n - 1)) / self.w
        return error * student(self.n - 1, LEVEL)


@dataclass(slots=True)
class OptimismTally:
    """Takes each fill once, when what followed it is known."""

    _days: dict[int, _Sums] = field(default_factory=dict)
    _total: _Sums = field(default_factory=_Sums)

    def add(self, fill: Fill, notional: float, aftermath: Aftermath) -> None:
        bps = optimism_bps(fill, aftermath)
        for sums in (self._days.setdefault(fill.time_ns // DAY, _Sums()), self._total):
            sums.add(notional, bps, aftermath.again_how)

    def days(self) -> tuple[Optimism, ...]:
        return tuple(self._days[day].told(iso(day * DAY)[:10]) for day in sorted(self._days))

    def total(self) -> Optimism:
        return self._total.told("total")


def student(degrees: int, level: float) -> float:
    """The two-sided quantile of Student's t, by its expansion around the normal one.

    Abramowitz and Stegun 26.7.5; its error is below 0.5 % from four degrees on.
    """
    z, n = NormalDist().inv_cdf((1 + level) / 2), degrees
    g1 = (z**3 + z) / 4
    g2 = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    g3 = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    g4 = (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160
    return z + g1 / n + g2 / n**2 + g3 / n**3 + g4 / n**4
