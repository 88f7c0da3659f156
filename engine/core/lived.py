"""What was lived through: the context of an entry, a trade's journal entry, and how we did.

Kept apart from the trade's own row, because a lesson needs what was known when the position
was opened and what the market did after it was closed, and neither is the books' to know.
"""

from __future__ import annotations

from engine.core.learning import NAN, Closed
from engine.core.types import Direction, Value


class EntryContext(Value, frozen=True):
    """What was known when a position was opened: why it was entered, and into what market.

    `stop` is the stop that it began with and `target` its first target, NaN for none.
    `volatility` is daily, in percent; NaN in it or in `funding_rate` is not known.
    `hour` and `weekday` are UTC, Monday is 0; `btc_trend` is bitcoin's regime where it is
    followed. `pattern` is always one, `condition` only where a condition triggered it.
    `cvd` is what aggressors bought less what they sold in the hour before, in base units; NaN
    where the feed does not tell, and `cvd_note` says why.
    """

    position: str
    symbol: str
    direction: Direction
    strategy: str
    entered_ns: int
    price: float
    stop: float
    target: float
    notional: float
    reason: str
    pattern: str
    pattern_words: str
    pattern_by: str
    condition: str = ""
    regime: str = ""
    vol_level: str = ""
    volatility: float = NAN
    funding_rate: float = NAN
    btc_trend: str = ""
    hour: int = 0
    weekday: int = 0
    cvd: float = NAN
    cvd_note: str = "not kept by the version that made this trade"


class JournalEntry(Value, frozen=True):
    """A closed trade with its whole context: one row of `trade_journal`.

    `after` holds the prices 1, 5 and 15 minutes after the exit as far as they were seen:
    (minutes, price), NaN where nobody saw one in time. `missed_pct` is what the best of
    them would have added, in percent of the exit price: 0 where leaving was right, NaN while it is
    followed.
    """

    context: EntryContext
    closed: Closed
    after: tuple[tuple[int, float], ...] = ()
    missed_pct: float = NAN


class PerformanceRow(Value, frozen=True):
    """How all trades of a period went: one row of `performance_snapshots`.

    `period` is `day` or `all`, which is as many as are remembered. Money is in the quote
    currency and net; ratios that have no meaning are NaN. `knowledge_version` counts what
    knowledge was ever told.
    """

    period: str
    total_trades: int
    win_rate: float
    total_pnl: float
    avg_pnl: float
    max_drawdown: float
    sharpe_ratio: float
    profit_factor: float
    knowledge_version: int
    active_patterns: int
    blacklisted_coins: int


class StrategyRow(Value, frozen=True):
    """How one strategy did in one regime: one row of `strategy_performance`."""

    strategy: str
    regime: str
    total_trades: int
    win_rate: float
    avg_pnl: float
    sharpe_ratio: float
    max_drawdown: float
    profit_factor: float
