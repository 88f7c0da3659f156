"""The words for market regimes, spoken by analysis, risk, learning and the screen alike."""

from __future__ import annotations

from enum import StrEnum


class Regime(StrEnum):
    """What kind of market it is; the text is what scopes, journal and screen write.

    The strong grades are sub-grades: `family` is the regime whose parameters hold for them
    where they have none of their own.
    """

    STRONG_BULL = "STRONG_BULL"
    BULL = "BULL"
    SIDEWAYS = "SIDEWAYS"
    BEAR = "BEAR"
    STRONG_BEAR = "STRONG_BEAR"
    HIGH_VOL = "HIGH_VOL"
    CRASH = "CRASH"

    @property
    def direction(self) -> int:
        """+1 for a rising market, −1 for a falling one (a crash is one), 0 for neither."""
        if self in (Regime.STRONG_BULL, Regime.BULL):
            return 1
        if self in (Regime.STRONG_BEAR, Regime.BEAR, Regime.CRASH):
            return -1
        return 0

    @property
    def family(self) -> Regime:
        """The same regime without its grade."""
        if self is Regime.STRONG_BULL:
            return Regime.BULL
        if self is Regime.STRONG_BEAR:
            return Regime.BEAR
        return self


class VolLevel(StrEnum):
    """How much the market moves, against its own recent past."""

    LOW = "LOW"
    NORMAL = "NORMAL"
    HIGH = "HIGH"
