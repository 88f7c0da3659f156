"""Correlation: which symbols are one bet, and how much of it is held.

Ten coins that fall together are one position ten times as large, whatever each one's cap
says. Sample correlations of many symbols over few bars are too extreme, so they are shrunk
before anything is concluded from them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from engine.core.clock import HOUR
from engine.core.parameters import Parameters, declare
from engine.risk.returns import Floats, ReturnsBook, Sample, gram

MAX_CORRELATED = declare(
    "risk.max_correlated_pct", 10.0, low=2, high=30, step=1, unit="%", scopes="G", risk=1,
    doc="Most notional in one cluster of correlated symbols, of equity, candidate included.",
)  # fmt: skip
THRESHOLD = declare(
    "risk.corr_threshold", 0.7, low=0.4, high=0.95, step=0.05, unit="rho", scopes="G", risk=1,
    doc="Correlation above which two symbols count as one bet.",
)  # fmt: skip
WINDOW_DAYS = declare(
    "risk.corr_window_days", 30, low=7, high=120, step=1, unit="days", scopes="G", risk=0,
    doc="How far back the returns go from which correlations are estimated.",
)  # fmt: skip
MIN_SAMPLES = declare(
    "risk.corr_min_samples", 96, low=30, high=960, step=6, unit="bars", scopes="G", risk=1,
    doc="Decision-bar returns in common before a correlation is known at all.",
)  # fmt: skip

EVERY_NS = HOUR
"""How often correlations are estimated anew: one bar in thousands changes little."""


ALIKE = 1e-20
"""Squared distance, relative to the sample, at which the target is the sample: two symbols."""


class Shrunk(NamedTuple):
    """A covariance or correlation matrix, how far it was shrunk (0 to 1), and from how many."""

    matrix: Floats
    shrinkage: float
    n: int


def ledoit_wolf(rows: Floats) -> Shrunk:
    """Covariance of `rows` (n, symbols), shrunk towards one correlation for all pairs.

    The estimator of Ledoit and Wolf (2004), "Honey, I shrunk the sample covariance matrix",
    Journal of Portfolio Management 30(4), appendix B: variances stay, correlations move
    towards their mean by the share that minimises the expected squared distance to the true
    matrix. That target and not the identity, because correlations that shrink towards none
    would hide the very clusters that are looked for, most so in few and wild returns. Means
    are removed; moments divide by n, as in the paper.
    """
    n, width = rows.shape
    centred = rows - rows.mean(axis=0)
    sample = gram(centred, centred) / n
    variances = np.diag(sample)
    if width < 2 or not (variances > 0.0).all():
        return Shrunk(sample, 0.0, n)
    spread = np.sqrt(variances)
    scale = np.outer(spread, spread)
    mean = (float((sample / scale).sum()) - width) / (width * (width - 1))
    target = mean * scale
    np.fill_diagonal(target, variances)
    distance = float(((target - sample) ** 2).sum())
    if distance <= ALIKE * float((sample**2).sum()):
        return Shrunk(sample, 0.0, n)
    squares = centred**2
    errors = gram(squares, squares) / n - sample**2
    # How the errors of variances and of covariances go together, entry by entry.
    together = gram(squares * centred, centred) / n - variances[:, None] * sample
    np.fill_diagonal(together, 0.0)
    shared = float(np.trace(errors)) + mean * float((spread / spread[:, None] * together).sum())
    shrinkage = min(1.0, max(0.0, (float(errors.sum()) - shared) / distance / n))
    return Shrunk(shrinkage * target + (1.0 - shrinkage) * sample, shrinkage, n)


def shrunk_covariance(rows: Floats) -> Shrunk:
    """As `ledoit_wolf`, on standardised returns and then scaled back.

    Otherwise the most volatile symbol would say how far all the others are shrunk. A symbol
    that didn't move has no part in it.
    """
    spread = rows.std(axis=0)
    moved = np.flatnonzero(spread > 0.0)
    matrix = np.zeros((len(spread), len(spread)))
    if not len(moved):
        return Shrunk(matrix, 0.0, len(rows))
    found = ledoit_wolf((rows[:, moved] - rows[:, moved].mean(axis=0)) / spread[moved])
    matrix[np.ix_(moved, moved)] = found.matrix * np.outer(spread[moved], spread[moved])
    return Shrunk(matrix, found.shrinkage, found.n)


def correlation_of(found: Shrunk) -> Shrunk:
    """The correlations in a covariance; what didn't move correlates with nothing."""
    spread = np.sqrt(np.diag(found.matrix))
    scale = np.where(spread > 0.0, spread, 1.0)
    matrix = np.clip(found.matrix / np.outer(scale, scale), -1.0, 1.0)
    np.fill_diagonal(matrix, 1.0)
    return Shrunk(matrix, found.shrinkage, found.n)


def clusters(correlation: Floats, threshold: float) -> tuple[tuple[int, ...], ...]:
    """Groups of indices that are linked by pairs above the threshold, by union-find.

    Linked is enough: A with B and B with C are one cluster, because what hits A and B and
    what hits B and C tend to be the same. Ordered by their first member.
    """
    parent = list(range(len(correlation)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    linked = np.argwhere(np.triu(correlation > threshold, k=1))
    for first, second in linked.tolist():
        low, high = sorted((root(first), root(second)))
        parent[high] = low
    groups: dict[int, list[int]] = {}
    for index in range(len(parent)):
        groups.setdefault(root(index), []).append(index)
    return tuple(tuple(group) for group in groups.values())


def adjustment(limit: float, actual: float) -> float:
    """The size factor of correlated exposure: the limit over what there would be, at most 1."""
    return min(1.0, limit / actual) if actual > 0.0 else 1.0


class Correlated(NamedTuple):
    """What is held beside a candidate in its cluster: `exposure` in quote, 0 for nothing.

    None is not known, and `why` says what is missing. `others` are the symbols held there;
    one whose own correlation isn't known yet counts as correlated.
    """

    exposure: float | None
    others: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Correlations:
    """One estimate: symbols, their shrunk correlations, clusters, and who is left out."""

    symbols: tuple[str, ...]
    matrix: Floats
    shrinkage: float
    n: int
    groups: tuple[tuple[str, ...], ...]
    short: Mapping[str, int]
    at_ns: int


class CorrelationEngine:
    """Keeps the estimate fresh and answers for a candidate. Owned by the kernel thread."""

    def __init__(self, book: ReturnsBook, parameters: Parameters) -> None:
        self._book = book
        self._parameters = parameters
        self._key: tuple[object, ...] = ()
        self.current = Correlations((), np.empty((0, 0)), math.nan, 0, (), {}, 0)
        self._cluster: dict[str, tuple[str, ...]] = {}
        self.bars: tuple[Sample, Shrunk] | None = None
        """The bar returns of the last estimate and their covariance, for who needs the same."""

    @property
    def least(self) -> int:
        """Returns in common from which on a correlation is known."""
        return int(self._parameters.get(MIN_SAMPLES))

    def refresh(self) -> bool:
        """Estimate anew where an hour of bars passed, a symbol came or a parameter moved.

        While a symbol is short of samples, each new bar is a reason. True when it was done.
        """
        book, current = self._book, self.current
        wanting = book.added if current.short or not current.symbols else -1
        key = (
            book.last_ns // EVERY_NS, len(book.symbols), self._parameters.version, wanting,
        )  # fmt: skip
        if key == self._key:
            return False
        self.current = self._estimate()
        still = book.added if self.current.short or not self.current.symbols else -1
        self._key = (*key[:3], still)
        self._cluster = {name: group for group in self.current.groups for name in group}
        return True

    def _estimate(self) -> Correlations:
        p, book = self._parameters, self._book
        days = int(p.get(WINDOW_DAYS))
        sample = book.returns(days, self.least)
        self.bars = None
        if not sample.symbols:
            return Correlations((), np.empty((0, 0)), math.nan, 0, (), sample.short, book.last_ns)
        covariance = shrunk_covariance(sample.rows)
        self.bars = (sample, covariance)
        found = correlation_of(covariance)
        groups = tuple(
            tuple(sample.symbols[index] for index in group)
            for group in clusters(found.matrix, float(p.get(THRESHOLD)))
        )
        return Correlations(
            sample.symbols, found.matrix, found.shrinkage, found.n, groups, sample.short,
            book.last_ns,
        )  # fmt: skip

    def beside(self, symbol: str, notionals: Mapping[str, float]) -> Correlated:
        """What is held in the candidate's cluster, its own symbol included.

        `notionals` are the absolute notionals of positions and entries on their way, by
        symbol. Directions are not netted: in a crash the hedge is what fails.
        """
        group = self._cluster.get(symbol)
        if group is None:
            have = self.current.short.get(symbol, 0)
            return Correlated(None, (), f"{have} of {self.least} bars")
        held = [
            name
            for name, worth in notionals.items()
            if worth != 0.0 and (name in group or name not in self._cluster)
        ]
        others = tuple(name for name in held if name != symbol)
        if not others:
            return Correlated(0.0)
        unknown = [name for name in others if name not in self._cluster]
        why = f"{', '.join(unknown)} counted: too few bars" if unknown else ""
        return Correlated(sum(notionals[name] for name in held), others, why)

    def largest(self, notionals: Mapping[str, float]) -> float | None:
        """Notional of the cluster that holds most, counted where two symbols of it are held.

        None before any correlation is known.
        """
        if not self.current.symbols:
            return None
        most = 0.0
        for group in self.current.groups:
            held = [notionals[name] for name in group if notionals.get(name, 0.0) > 0.0]
            if len(held) > 1:
                most = max(most, sum(held))
        return most
