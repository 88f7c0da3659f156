"""Value at risk: what the positions of now would have lost in a bad day of the past.

One number answers "how much tomorrow, nineteen days of twenty" for all positions together.
It is only worth showing beside the test of whether earlier numbers of its kind held.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from engine.core.parameters import Parameters, declare
from engine.risk.correlation import MIN_SAMPLES, WINDOW_DAYS, Shrunk, shrunk_covariance
from engine.risk.returns import Floats, ReturnsBook, Sample, weighted

VAR_MAX = declare(
    "cb.var95_max_pct", 3.0, low=1, high=8, step=0.5, unit="%", scopes="G", risk=1,
    doc="Most one-day value at risk (95 %) of all positions, of equity, candidate included.",
)  # fmt: skip
VAR_DAYS = declare(
    "risk.var_window_days", 250, low=60, high=500, step=10, unit="days", scopes="G", risk=0,
    doc="How far back the days go of which value at risk is the bad one.",
)  # fmt: skip
VAR_MIN_DAYS = declare(
    "risk.var_min_days", 30, low=20, high=250, step=5, unit="days", scopes="G", risk=1,
    doc="Days of history before a historical value at risk is known.",
)  # fmt: skip

TAIL = 0.05
"""The share of days on which the loss may be larger: the 95 of the parameter's name."""

Z95 = 1.6448536269514722
"""The 95 % quantile of the standard normal distribution."""

DENSITY95 = 0.10313564037537128
"""The standard normal density at `Z95`: expected shortfall is σ·φ(z)/0.05."""

BACKTEST_LEAST = 60
"""Forecasts before a test says anything: three expected exceptions. Below 38, not even a
series without any exception could be told from 5 % at the 5 % level."""


class Tail(NamedTuple):
    """VaR and expected shortfall (CVaR) as positive losses in quote; `n` moments behind them."""

    var: float
    cvar: float
    n: int


def tail_of(pnl: Floats) -> Tail:
    """The 95 % VaR and CVaR of equally likely outcomes; NaN without any.

    VaR is the smallest loss that at most 5 % of the outcomes exceed, CVaR the mean of the
    worst 5 %, the fraction of an outcome at its edge weighted (Acerbi and Tasche 2002). A
    portfolio that gains even then has a VaR of 0. Outcomes that are no number make both NaN.
    """
    n = len(pnl)
    if not n or not np.isfinite(pnl).all():
        return Tail(math.nan, math.nan, n)
    beyond = int(TAIL * n + 1e-9)
    losses = np.sort(np.partition(-pnl, n - beyond - 1)[n - beyond - 1 :])
    var = float(losses[0])
    share = TAIL * n
    cvar = (float(losses[1:].sum()) + (share - beyond) * var) / share
    return Tail(max(0.0, var), max(0.0, cvar), n)


def parametric(exposures: Floats, covariance: Floats, bars_per_day: int, n: int) -> Tail:
    """Normal VaR and CVaR of signed exposures, from a covariance of bar returns and no drift.

    Scaled to a day by the square root of time, which knows no fat tails: the figure beside
    the historical one, and the stand-in while there are too few days.
    """
    variance = float(exposures @ covariance @ exposures) * bars_per_day
    sigma = math.sqrt(variance) if not variance < 0.0 else 0.0
    return Tail(Z95 * sigma, DENSITY95 / TAIL * sigma, n)


class Ratio(NamedTuple):
    """One likelihood-ratio test: its statistic and p value; NaN where it can't be made."""

    statistic: float
    p: float


class Backtest(NamedTuple):
    """How forecasts held: `exceptions` of `n` losses were larger.

    `kupiec` asks whether they are as many as 5 %, `independence` and `coverage`
    (Christoffersen) whether they come singly, and both at once. `verdict` is in words, and
    claims nothing below `BACKTEST_LEAST` forecasts.
    """

    n: int
    exceptions: int
    kupiec: Ratio
    independence: Ratio
    coverage: Ratio
    verdict: str


def _log_likelihood(hits: int, misses: int, rate: float) -> float:
    """Of so many hits at this rate; 0·log 0 is 0."""
    total = 0.0
    if hits:
        total += hits * math.log(rate) if rate > 0.0 else -math.inf
    if misses:
        total += misses * math.log1p(-rate) if rate < 1.0 else -math.inf
    return total


def kupiec(exceptions: int, n: int, rate: float = TAIL) -> Ratio:
    """Proportion of failures: are there as many exceptions as promised? χ² with 1 degree.

    Kupiec (1995), "Techniques for verifying the accuracy of risk measurement models",
    Journal of Derivatives 3.
    """
    if not n:
        return Ratio(math.nan, math.nan)
    seen = exceptions / n
    likely = _log_likelihood(exceptions, n - exceptions, seen)
    ratio = max(0.0, -2.0 * (_log_likelihood(exceptions, n - exceptions, rate) - likely))
    return Ratio(ratio, chi2_p(ratio, 1))


def independence(hits: Sequence[bool]) -> Ratio:
    """Do exceptions come singly? χ² with 1 degree on the transitions from day to day.

    Christoffersen (1998), "Evaluating interval forecasts", International Economic Review 39.
    NaN where there is no exception to follow another.
    """
    counts = [[0, 0], [0, 0]]
    for before, after in pairwise(hits):
        counts[int(before)][int(after)] += 1
    (calm, broke), (eased, again) = counts
    if not calm + broke or not eased + again:
        return Ratio(math.nan, math.nan)
    alike = (broke + again) / (calm + broke + eased + again)
    null = _log_likelihood(broke + again, calm + eased, alike)
    apart = _log_likelihood(broke, calm, broke / (calm + broke)) + _log_likelihood(
        again, eased, again / (eased + again)
    )
    ratio = max(0.0, -2.0 * (null - apart))
    return Ratio(ratio, chi2_p(ratio, 1))


def chi2_p(statistic: float, degrees: int) -> float:
    """The upper tail of χ² with one or two degrees of freedom, in closed form."""
    if degrees == 1:
        return math.erfc(math.sqrt(statistic / 2.0))
    if degrees == 2:
        return math.exp(-statistic / 2.0)
    raise ValueError(f"no closed form is kept for {degrees} degrees of freedom")


def backtest(hits: Sequence[bool]) -> Backtest:
    """All three tests of a series of exceptions, with what they say in words."""
    n, exceptions = len(hits), sum(hits)
    unconditional, alone = kupiec(exceptions, n), independence(hits)
    joint = unconditional.statistic + alone.statistic
    both = Ratio(joint, chi2_p(joint, 2) if math.isfinite(joint) else math.nan)
    if n < BACKTEST_LEAST:
        verdict = f"insufficient data: n={n} of {BACKTEST_LEAST}"
    elif unconditional.p < 0.05:
        too = "many" if exceptions > TAIL * n else "few"
        verdict = f"rejected: too {too} exceptions"
    elif both.p < 0.05 or alone.p < 0.05:
        verdict = "rejected: exceptions cluster"
    else:
        verdict = "not rejected"
    return Backtest(n, exceptions, unconditional, alone, both, verdict)


class VarModel:
    """VaR of any set of signed exposures, from one refresh of the returns book.

    A refresh is made once an hour of bars (`refresh`); asking costs tens of microseconds.
    Owned by the kernel thread.
    """

    def __init__(self, book: ReturnsBook, parameters: Parameters) -> None:
        self._book = book
        self._parameters = parameters
        self._index: dict[str, int] = {}
        self._moves = np.empty((0, 0))
        self._bar_index: dict[str, int] = {}
        self._covariance = np.empty((0, 0))
        self._bar_n = 0
        self.short: dict[str, int] = {}
        self.days = 0

    def refresh(self, known: tuple[Sample, Shrunk] | None = None) -> None:
        """Take what the book knows now; `known` are its bar returns where they were just read."""
        p, book = self._parameters, self._book
        least = int(p.get(VAR_MIN_DAYS))
        per_day = book.day_steps
        # The first one-day return ends after a day, so so many days have a day less of them.
        sample = book.day_returns(int(p.get(VAR_DAYS)), (least - 1) * per_day + 1)
        self._index = {name: at for at, name in enumerate(sample.symbols)}
        self._moves = np.expm1(sample.rows)
        self.short = sample.short
        self.days = len(sample.rows) // per_day + 1 if len(sample.rows) else 0
        if known is None:
            bars = book.returns(int(p.get(WINDOW_DAYS)), int(p.get(MIN_SAMPLES)))
        else:
            bars, self._covariance = known[0], known[1].matrix
        self._bar_index = {name: at for at, name in enumerate(bars.symbols)}
        self._bar_n = len(bars.rows)
        if bars.symbols and known is None:
            self._covariance = shrunk_covariance(bars.rows).matrix

    def historical(self, exposures: Mapping[str, float]) -> Tail | None:
        """From past days, None while a held symbol has too few; `exposures` signed, in quote."""
        if not exposures:
            return Tail(0.0, 0.0, len(self._moves))
        if any(name not in self._index for name in exposures):
            return None
        return tail_of(self._pnl(exposures))

    def parametric(self, exposures: Mapping[str, float]) -> Tail | None:
        """From the shrunk covariance of bar returns; None while a symbol has too few bars."""
        if not exposures:
            return Tail(0.0, 0.0, self._bar_n)
        if any(name not in self._bar_index for name in exposures):
            return None
        held = [self._bar_index[name] for name in exposures]
        worth = np.array(list(exposures.values()))
        covariance = self._covariance[np.ix_(held, held)]
        return parametric(worth, covariance, self._book.bars_per_day, self._bar_n)

    def asked(self, exposures: Mapping[str, float]) -> tuple[Tail | None, str]:
        """What the gate goes by, and in words from where: historical, else parametric."""
        past = self.historical(exposures)
        if past is not None:
            return past, f"historical, {self.days} days"
        normal = self.parametric(exposures)
        if normal is not None:
            return normal, f"parametric, {normal.n} bars: too few days"
        missing = [name for name in exposures if name not in self._bar_index]
        return None, f"not known: too few bars of {', '.join(missing)}"

    def _pnl(self, exposures: Mapping[str, float]) -> Floats:
        held = [self._index[name] for name in exposures]
        worth = np.array(list(exposures.values()))
        return weighted(self._moves[:, held], worth)

    def backtest(self, exposures: Mapping[str, float]) -> Backtest:
        """Whether this model's forecasts for these positions would have held in the past."""
        return backtest([loss > var for var, loss in self.forecasts(exposures)])

    def forecasts(self, exposures: Mapping[str, float]) -> list[tuple[float, float]]:
        """Per past day the VaR that would have been forecast, and the loss that came.

        Each forecast sees only one-day returns that had ended when it was made; the day after
        is its judge. Days don't overlap, so the tests count each once. Empty while a symbol
        has too few days.
        """
        if not exposures or any(name not in self._index for name in exposures):
            return []
        pnl, per_day = self._pnl(exposures), self._book.day_steps
        least = (int(self._parameters.get(VAR_MIN_DAYS)) - 1) * per_day + 1
        newest = len(pnl) - 1
        judges = range(newest, least + per_day - 2, -per_day)
        return [
            (tail_of(pnl[: judge - per_day + 1]).var, float(-pnl[judge]))
            for judge in reversed(judges)
        ]
