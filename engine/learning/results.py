"""Results of trades of one kind, counted once for coins, pairs and patterns alike.

A verdict needs a bound that holds at every look and over everything that is looked at: of
twenty worthless coins one would be condemned at 5 % each. So the error is shared out over
whatever turns up, in the order in which it does, and adds up to `ALPHA` however many come.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from engine.core.learning import Closed, Evidence
from engine.learning.confidence import ALPHA, Sequence

FAMILIES = 4
"""Coins, pairs, patterns and rules: each has an equal share of the error."""

LATE = 10
"""Trades that count as late where a trend is asked for."""


def share(number: int) -> float:
    """The error of the `number`th of its family, from 1; all of them together have ALPHA / 4."""
    return ALPHA / FAMILIES / (number * (number + 1))


@dataclass(slots=True)
class Results:
    """Closed trades of one kind: counts, sums, and the sequence of results in R before fees.

    `decided` are those that were won or lost, `ids` are the trades in the order in which they
    were counted; `asked` is how many were decided when something was last suggested.
    """

    sequence: Sequence
    trades: int = 0
    wins: int = 0
    won_pct: float = 0.0
    lost_pct: float = 0.0
    scratched_pct: float = 0.0
    asked: int = 0
    decided: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    late: deque[float] = field(default_factory=lambda: deque(maxlen=LATE))

    def add(self, closed: Closed) -> None:
        """Count one trade; one without a known result in R is no observation."""
        trade = closed.trade
        self.trades += 1
        if closed.scratch:
            self.scratched_pct += trade.pnl_pct
        else:
            self.decided.append(trade.id)
            self.wins += trade.won
            if trade.won:
                self.won_pct += trade.pnl_pct
            else:
                self.lost_pct += trade.pnl_pct
        self.observe(trade.id, closed.gross_r)

    def observe(self, name: str, gross_r: float) -> None:
        """One more result for the sequence."""
        if math.isfinite(gross_r):
            self.sequence.add(gross_r)
            self.late.append(gross_r)
            self.ids.append(name)

    @property
    def losses(self) -> int:
        return len(self.decided) - self.wins

    @property
    def win_rate(self) -> float:
        return self.wins / len(self.decided) if self.decided else math.nan

    @property
    def pnl_pct(self) -> float:
        return self.won_pct + self.lost_pct + self.scratched_pct

    @property
    def trend(self) -> float:
        """Mean of the late results less the mean of all; NaN while all are late."""
        if len(self.ids) <= LATE:
            return math.nan
        return math.fsum(self.late) / len(self.late) - self.sequence.mean

    @property
    def bounds(self) -> tuple[float, float]:
        """The interval of the mean result; NaN before the first."""
        if not self.sequence.n:
            return math.nan, math.nan
        return self.sequence.low, self.sequence.high

    def due(self, least: int) -> bool:
        """Whether enough trades were won or lost since something was last suggested.

        It counts trades alone, so that the same history asks at the same trades whatever
        became of the suggestions.
        """
        return len(self.decided) - self.asked >= least

    def evidence(self, note: str) -> Evidence:
        """The sequence with the trades behind it."""
        return self.sequence.evidence("result before fees", "R", tuple(self.ids), note)

    def thin(self, note: str) -> Evidence:
        """The share of winners: enough for a precaution, and no bound."""
        return Evidence(
            metric="share of winners",
            unit="prob",
            n=len(self.decided),
            mean=self.win_rate,
            ids=tuple(self.decided),
            note=note,
        )
