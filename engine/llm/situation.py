"""What a strategist is told and what it may answer, whoever it is.

The kernel fills a `Situation` and hands it over; model and rules both answer in `Draft`s,
so that nothing behind them can tell one from the other except by name.
"""

from __future__ import annotations

from engine.core.learning import Knowledge
from engine.core.news import Headline
from engine.core.types import Direction, Value

TOLD = (
    "price_change_1h", "price_change_4h", "price_change_24h", "ema_20", "ema_50", "rsi",
    "macd_hist", "adx", "plus_di", "minus_di", "atr", "bb_position", "volume_ratio",
    "daily_volatility_pct",
)  # fmt: skip
"""Features of the last decision bar that a situation carries, by their names in the row."""


class SymbolState(Value, frozen=True):
    """One symbol as the engine sees it: the market, its levels, and how we did in it.

    `features` are (name, value) pairs of `TOLD` that are known. Supports and resistances are
    prices; `held` is the direction of an open position or empty; `net_pct` adds up what the
    last closed trades made of their notional, in percent.
    """

    symbol: str
    price: float
    regime: str
    regime_confidence: float
    vol_level: str
    features: tuple[tuple[str, float], ...]
    supports: tuple[float, ...]
    resistances: tuple[float, ...]
    can_short: bool
    held: str = ""
    trades: int = 0
    won: int = 0
    net_pct: float = 0.0
    cooling: bool = False

    def feature(self, name: str) -> float:
        """A feature by name, NaN where it is not known."""
        return dict(self.features).get(name, float("nan"))


class Situation(Value, frozen=True):
    """Everything that a strategist knows at one moment of engine time; nothing is later.

    `knowledge` and `headlines` may hold later things; prompts leave them out.
    """

    time_ns: int
    symbols: tuple[SymbolState, ...]
    knowledge: Knowledge | None = None
    headlines: tuple[Headline, ...] = ()

    def of(self, symbol: str) -> SymbolState | None:
        return next((state for state in self.symbols if state.symbol == symbol), None)


class Draft(Value, frozen=True):
    """A condition as a strategist wants it, not yet held against the market. No size.

    `valid_sec` counts from when it was said; `reasoning` and `pattern` have passed
    `SafeText` when they came from outside.
    """

    symbol: str
    direction: Direction
    entry: float
    stop: float
    targets: tuple[float, ...]
    valid_sec: int
    reasoning: str
    pattern: str
