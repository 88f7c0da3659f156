"""Why an entry was refused, in words that stay: codes for programs, a line each for people.

Counters, counterfactuals and learners group refusals by these texts, and the table in the
documentation is generated from them, so a gate can't refuse for a reason that has no name.
"""

from __future__ import annotations

from enum import StrEnum


class DenialCode(StrEnum):
    """One reason for which an entry is refused; the text is what journal and screen write."""

    CONTROL_STATE = "control_state"
    BREAKER_OPEN = "breaker_open"
    STALE_QUOTE = "stale_quote"
    CLOCK_SKEW = "clock_skew"
    SPREAD = "spread"
    LEVERAGE = "leverage"
    SPOT_SHORT = "spot_short"
    NO_STOP = "no_stop"
    SIZE_ZERO = "size_zero"
    VENUE_MINIMUM = "venue_minimum"
    CAPITAL = "capital"
    OPEN_POSITIONS = "open_positions"
    NEW_PER_CYCLE = "new_per_cycle"
    TRADES_PER_DAY = "trades_per_day"
    COOLDOWN = "cooldown"
    DUPLICATE_POSITION = "duplicate_position"
    POSITION_CAP = "position_cap"
    CORRELATED_EXPOSURE = "correlated_exposure"
    SECTOR_EXPOSURE = "sector_exposure"
    RISK_PER_TRADE = "risk_per_trade"
    DAILY_RISK = "daily_risk"
    VAR_LIMIT = "var_limit"
    DAILY_LOSS = "daily_loss"
    DRAWDOWN = "drawdown"
    ORDER_RATE = "order_rate"
    COIN_BLACKLISTED = "coin_blacklisted"
    PAIR_BLOCKED = "pair_blocked"
    PATTERN_INACTIVE = "pattern_inactive"
    RULE_NO_TRADE = "rule_no_trade"
    EXPECTED_VALUE = "expected_value"
    CONFIDENCE = "confidence"
    ENTRY_SCORE = "entry_score"

    @property
    def explanation(self) -> str:
        """One line for the generated documentation and the screen's detail."""
        return _EXPLANATIONS[self]


_EXPLANATIONS = {
    DenialCode.CONTROL_STATE: "Entries are admitted in ACTIVE only.",
    DenialCode.BREAKER_OPEN: "A circuit breaker is open, or its one entry on trial is made.",
    DenialCode.STALE_QUOTE: "The newest price is older than it may be to act on.",
    DenialCode.CLOCK_SKEW: "This machine's clock is too far from the venue's to sign an order.",
    DenialCode.SPREAD: "Bid and ask are too far apart.",
    DenialCode.LEVERAGE: "More leverage than allowed; spot has none.",
    DenialCode.SPOT_SHORT: "What isn't owned can't be sold on spot.",
    DenialCode.NO_STOP: "No protective stop lies on the losing side of the entry.",
    DenialCode.SIZE_ZERO: "A factor or cap leaves nothing to trade.",
    DenialCode.VENUE_MINIMUM: "The size is below the venue's minimum; it is never raised to it.",
    DenialCode.CAPITAL: "The cash doesn't cover margin and fees.",
    DenialCode.OPEN_POSITIONS: "As many positions are open as may be.",
    DenialCode.NEW_PER_CYCLE: "As many positions were opened in this cycle as may be.",
    DenialCode.TRADES_PER_DAY: "As many trades were made since 00:00 UTC as may be.",
    DenialCode.COOLDOWN: "The symbol was traded too recently.",
    DenialCode.DUPLICATE_POSITION: "The symbol already has a position or an entry on its way.",
    DenialCode.POSITION_CAP: "The symbol's exposure would exceed the strictest size cap.",
    DenialCode.CORRELATED_EXPOSURE: "Too much is held in symbols that move with this one.",
    DenialCode.SECTOR_EXPOSURE: "Too much is held in the symbol's sector.",
    DenialCode.RISK_PER_TRADE: "The loss at the stop would exceed the risk of one trade.",
    DenialCode.DAILY_RISK: "The risk opened since 00:00 UTC would exceed its limit.",
    DenialCode.VAR_LIMIT: "The one-day value at risk of all positions would exceed its limit.",
    DenialCode.DAILY_LOSS: "The loss since 00:00 UTC has reached its limit.",
    DenialCode.DRAWDOWN: "Equity has fallen too far from its high-water mark.",
    DenialCode.ORDER_RATE: "Too many orders were sent within a second.",
    DenialCode.COIN_BLACKLISTED: "The coin is blacklisted, or its test trade is made.",
    DenialCode.PAIR_BLOCKED: "The strategy was shown to lose in this symbol.",
    DenialCode.PATTERN_INACTIVE: "The pattern behind the entry is switched off.",
    DenialCode.RULE_NO_TRADE: "A rule of time or volatility admits no entries now.",
    DenialCode.EXPECTED_VALUE: "The trade isn't expected to earn more than it costs.",
    DenialCode.CONFIDENCE: "The confidence is below the minimum for an entry.",
    DenialCode.ENTRY_SCORE: "The score is below the adaptive gate, which drawdowns raise.",
}
