"""The breakers: losses that move the control state by themselves.

The gates already refuse entries beyond these limits; a breaker says so aloud, once, with
the figures, and makes a person answer where the loss is one that a new day doesn't heal.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.core.parameters import Parameters
from engine.core.types import Control
from engine.risk.control import DAY_CLOSED
from engine.risk.limits import DAILY_LOSS, MAX_DRAWDOWN, loss_pct


class Trip(NamedTuple):
    """A breaker fired: where to move, and why."""

    state: Control
    reason: str


class LossBreakers:
    """Daily loss ends the day (REDUCING), drawdown halts (HALTED).

    Each fires when its limit is reached and again only after the loss was below it, so that
    a person who resumed is not overruled a second later; the gates hold meanwhile.
    """

    def __init__(self) -> None:
        self._daily = False
        self._drawdown = False

    def check(
        self,
        day_start_equity: float,
        equity: float,
        peak_equity: float,
        parameters: Parameters,
        regime: str | None = None,
    ) -> Trip | None:
        """The trip of this moment, the more restrictive one if both fire, or None."""
        lost = loss_pct(day_start_equity, equity)
        most = float(parameters.get(DAILY_LOSS, regime=regime))
        fallen = loss_pct(peak_equity, equity)
        deepest = float(parameters.get(MAX_DRAWDOWN))
        daily, self._daily = self._daily, lost >= most
        drawdown, self._drawdown = self._drawdown, fallen >= deepest
        if self._drawdown and not drawdown:
            return Trip(
                Control.HALTED,
                f"drawdown {fallen:.2f} % of the equity peak, limit {deepest:g} %",
            )
        if self._daily and not daily:
            return Trip(
                Control.REDUCING,
                f"{DAY_CLOSED}loss {lost:.2f} % of the day's first equity, limit {most:g} %",
            )
        return None
