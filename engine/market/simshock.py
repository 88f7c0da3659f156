"""Shocks on request: what news and a flash crash do to a simulated price.

A shock is a path laid over the market's own one, so that it can begin at the next tick and
leaves the process beneath untouched. It is the only part of the simulation that can be
foreseen, and it comes only when somebody asks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from engine.core.clock import MINUTE, SECOND
from engine.core.errors import CommandRefused
from engine.core.ids import source

KINDS = ("news_up", "news_down", "flash_crash")

# Seconds of the move itself; minutes after which what remains is permanent.
_NEWS_RISE_S = 20.0
_CRASH_FALL_S = 45.0
_CRASH_HOLD_S = 60.0
_CRASH_RECOVERY_S = 240.0
_LASTS_NS = 60 * MINUTE


@dataclass(frozen=True, slots=True)
class Shock:
    """One shock of one symbol: total log move, the share that comes back, and when it began."""

    kind: str
    symbol: str
    begin_ns: int
    move: float
    recovers: float

    @property
    def end_ns(self) -> int:
        return self.begin_ns + _LASTS_NS

    @property
    def lasting(self) -> float:
        """The log move that stays for good."""
        return self.move * (1 - self.recovers)

    @property
    def excitement(self) -> float:
        """By how much it multiplies the asset's own volatility."""
        return 4.0 if self.kind == "flash_crash" else 2.5

    def shift(self, time_ns: int) -> float:
        """Log move laid over the price at that time."""
        passed = max(0, time_ns - self.begin_ns) / SECOND
        if self.kind != "flash_crash":
            return self.move * min(1.0, passed / _NEWS_RISE_S)
        fallen = self.move * min(1.0, passed / _CRASH_FALL_S)
        since = passed - _CRASH_FALL_S - _CRASH_HOLD_S
        if since <= 0:
            return fallen
        return fallen * (1 - self.recovers * (1 - math.exp(-since / _CRASH_RECOVERY_S)))

    def strain(self, time_ns: int) -> float:
        """By how much spreads widen and sizes grow; 1 when it is over."""
        passed = max(0, time_ns - self.begin_ns) / SECOND
        return 1 + 5 * math.exp(-passed / _CRASH_RECOVERY_S)

    @property
    def detail(self) -> str:
        text = f"{math.expm1(self.move):+.1%} over {'45 s' if self.recovers else '20 s'}"
        return f"{text}, {self.recovers:.0%} of it comes back" if self.recovers else text


def draw(kind: str, symbol: str, begin_ns: int, seed: int, number: int) -> Shock:
    """The `number`-th shock of a run; its size follows from the seed.

    Raises `CommandRefused` for a kind that the simulation does not know.
    """
    if kind not in KINDS:
        raise CommandRefused(
            "unknown_shock", f"there is no shock {kind!r}", f"choose one of {', '.join(KINDS)}"
        )
    chance = source(seed, "shock", number)
    if kind == "flash_crash":
        move, recovers = math.log1p(-chance.uniform(0.10, 0.18)), chance.uniform(0.6, 0.85)
    else:
        sign = 1 if kind == "news_up" else -1
        move, recovers = math.log1p(sign * chance.uniform(0.015, 0.04)), 0.0
    return Shock(kind, symbol, begin_ns, move, recovers)
