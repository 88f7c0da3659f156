"""The feature row's names and columns, for whoever reads a row.

Apart from the compiled step, so that naming a feature doesn't cost loading the compiler.
"""

from __future__ import annotations

FEATURES: tuple[str, ...] = (
    # price
    "close", "returns", "price_change_1h", "price_change_4h", "price_change_24h",
    # moving averages
    "ema_9", "ema_12", "ema_20", "ema_26", "ema_50", "ema_fast", "ema_slow", "ema_trend",
    "ema_cross", "ema_alignment",
    "sma_20", "sma_50", "sma_200", "sma_alignment",
    "price_vs_ema20", "price_vs_ema50", "vwap", "price_vs_vwap",
    # momentum
    "rsi", "rsi_change", "macd", "macd_signal", "macd_hist", "macd_signal_cross",
    "momentum_5", "momentum_20", "stoch_k", "stoch_d",
    # volatility
    "atr", "atr_ratio", "atr_pct",
    "bb_upper", "bb_middle", "bb_lower", "bb_position", "bb_width",
    "keltner_upper", "keltner_middle", "keltner_lower",
    "donchian_upper", "donchian_middle", "donchian_lower",
    "volatility_20", "volatility_50", "volatility_ratio", "daily_volatility_pct", "rv20",
    # trend
    "adx", "plus_di", "minus_di", "trend_direction", "trend_strength",
    # volume
    "volume_ma", "volume_ratio", "obv", "obv_ratio", "cmf",
    # levels and divergences
    "support", "resistance",
    "rsi_bull_divergence", "rsi_bear_divergence",
    "rsi_hidden_bull_divergence", "rsi_hidden_bear_divergence",
)  # fmt: skip
"""Columns of every feature row, in order.

Units: prices in quote currency; `price_change_*`, `price_vs_*`, `returns`, `atr_ratio` and
`bb_width` are fractions; `momentum_*`, `atr_pct` and `daily_volatility_pct` percent;
`volatility_*` the sample deviation of log returns per bar; `rv20` annualised, a fraction;
`bb_position` 0 at the lower band and 1 at the upper; crosses and `*_direction` −1, 0 or +1;
alignments, `obv_ratio` and `cmf` in [−1, 1]; divergences 0 or 1, on the bar that confirms
them. NaN is a value that is not known yet or that the bars leave undefined.
"""

INDEX: dict[str, int] = {name: column for column, name in enumerate(FEATURES)}
