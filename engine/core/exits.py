"""The words for why a position was closed, reduced or grown.

Journal, learning and screen group trades by these texts, so they are named once; where the
trade's users have a word of their own (`stop_loss`, `trailing_stop_loss`, `force_exit`), it
is theirs.
"""

from __future__ import annotations

from enum import StrEnum


class ExitReason(StrEnum):
    """Why lots of a position were sold; the text is what the journal and the screen write."""

    STOP_LOSS = "stop_loss"
    TRAILING_STOP_LOSS = "trailing_stop_loss"
    BREAK_EVEN = "break_even"
    TAKE_PROFIT = "take_profit"
    PARTIAL_PROFIT = "partial_profit"
    TIME_EXIT = "time_exit"
    END_OF_DAY = "end_of_day"
    WEEKEND = "weekend"
    STALE = "stale"
    URGENCY = "urgency"
    QUICK_EXIT = "quick_exit"
    EXIT_SIGNAL = "exit_signal"
    FORCE_EXIT = "force_exit"
    EMERGENCY_EXIT = "emergency_exit"
    LIQUIDATION = "liquidation"
    REDUCE_HALF = "reduce_half"
    EVOLVED_RULE = "evolved_rule"
    DISPLACED = "displaced"
    REBALANCED = "rebalanced"

    @property
    def protective(self) -> bool:
        """True for exits that limit a loss; they pass in every control state that has any."""
        return self in (
            ExitReason.STOP_LOSS,
            ExitReason.TRAILING_STOP_LOSS,
            ExitReason.BREAK_EVEN,
            ExitReason.EMERGENCY_EXIT,
            ExitReason.LIQUIDATION,
        )
