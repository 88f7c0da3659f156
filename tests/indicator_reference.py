"""The indicators from their definitions, over whole columns with pandas.

Written apart from the compiled step and in another way, so that a slip in one of them
doesn't agree with the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.analysis.indicators import IndicatorSpec, IndicatorState
from engine.core.clock import DAY
from engine.core.ids import generator

Floats = NDArray[np.float64]
Times = NDArray[np.int64]

MIDNIGHT = 19_000 * DAY


def random_market(
    seed: int, n: int, span_ns: int, start_ns: int = MIDNIGHT
) -> tuple[Floats, Times]:
    """A random walk of `n` bars with highs, lows and volumes, shape (n, 5), and open times."""
    rng = generator(seed, "market")
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.004, n)))
    open_ = np.concatenate(([100.0], close[:-1]))
    high = np.maximum(open_, close) * (1.0 + np.abs(rng.normal(0.0, 0.002, n)))
    low = np.minimum(open_, close) * (1.0 - np.abs(rng.normal(0.0, 0.002, n)))
    bars = np.column_stack((open_, high, low, close, rng.gamma(2.0, 10.0, n)))
    return bars, start_ns + np.arange(n, dtype=np.int64) * span_ns


def feed(state: IndicatorState, bar: Sequence[float], open_time_ns: int) -> Floats:
    """`state.update` with a bar in one piece."""
    o, h, low, c, v = bar
    return state.update(o, h, low, c, v, open_time_ns)


def seeded(values: pd.Series, period: int, alpha: float) -> pd.Series:
    """Exponential smoothing that starts from the simple mean of the first `period` values."""
    known = values.dropna()
    if len(known) < period:
        return pd.Series(np.nan, index=values.index)
    start = known.copy()
    start.iloc[: period - 1] = np.nan
    start.iloc[period - 1] = known.iloc[:period].mean()
    return start.ewm(alpha=alpha, adjust=False).mean().reindex(values.index)


def ema(values: pd.Series, period: int) -> pd.Series:
    return seeded(values, period, 2.0 / (period + 1.0))


def wilder(values: pd.Series, period: int) -> pd.Series:
    return seeded(values, period, 1.0 / period)


def turns(values: pd.Series, reach: int, up: bool) -> pd.Series:
    """True on the bar that confirms an extreme `reach` bars ago; the last of equals counts."""
    signed = values if up else -values
    centre = signed.shift(reach)
    left = signed.shift(reach + 1).rolling(reach).max()
    right = signed.rolling(reach).max()
    return (centre >= left) & (centre > right)


def clean(gap: pd.Series, price: pd.Series) -> pd.Series:
    """A difference of prices, 0 where it is only rounding."""
    return gap.where((gap.abs() > 1e-12 * price) | gap.isna(), 0.0)


def crosses(gap: pd.Series) -> pd.Series:
    before = gap.shift(1)
    out = ((gap > 0) & (before <= 0)).astype(float) - ((gap < 0) & (before >= 0)).astype(float)
    return out.where(before.notna() & gap.notna())


def daily_volatility(close: pd.Series, opened: Times, spec: IndicatorSpec) -> list[float]:
    out: list[float] = []
    days = opened // DAY
    finished: list[float] = []
    for i in range(len(close)):
        if i and days[i] != days[i - 1] and (opened[i - 1] + spec.span_ns) // DAY == days[i - 1]:
            finished.append(close.iloc[i - 1])
        if (opened[i] + spec.span_ns) // DAY > days[i]:
            finished.append(close.iloc[i])
        if len(finished) < 21:
            out.append(np.nan)
        else:
            moves = np.diff(np.log(finished[-21:]))
            out.append(float(moves.std(ddof=1) * np.sqrt(spec.days_per_year)))
    return out


def divergences(price: pd.Series, rsi: pd.Series, spec: IndicatorSpec, up: bool) -> Floats:
    """Columns (regular, hidden) for highs (`up`) or lows."""
    at = np.flatnonzero(turns(price, spec.pivot, up).to_numpy() & rsi.shift(spec.pivot).notna())
    flags = np.zeros((len(price), 2))
    sign = 1.0 if up else -1.0
    for before, now in pairwise(at):
        if now - before > spec.divergence:
            continue
        p0, p1 = price.iloc[before - spec.pivot] * sign, price.iloc[now - spec.pivot] * sign
        r0, r1 = rsi.iloc[before - spec.pivot] * sign, rsi.iloc[now - spec.pivot] * sign
        flags[now] = (p1 > p0 and r1 < r0, p1 < p0 and r1 > r0)
    flags[: max(spec.rsi + spec.pivot, 2 * spec.pivot)] = np.nan
    return flags


def nearest(frame: pd.DataFrame, spec: IndicatorSpec) -> Floats:
    """Columns (support, resistance) from the latest confirmed turning points."""
    half = spec.sr_window // 2
    highs = frame.high.shift(half).where(turns(frame.high, half, True))
    lows = frame.low.shift(half).where(turns(frame.low, half, False))
    out = np.full((len(frame), 2), np.nan)
    points: tuple[list[float], list[float]] = ([], [])
    for i in range(len(frame)):
        for kept, new in zip(points, (highs.iloc[i], lows.iloc[i]), strict=True):
            if not np.isnan(new):
                kept.append(new)
        known = [*points[0][-spec.sr_points :], *points[1][-spec.sr_points :]]
        close = frame.close.iloc[i]
        below = [level for level in known if level <= close]
        above = [level for level in known if level >= close]
        out[i] = (max(below, default=np.nan), min(above, default=np.nan))
    return out


def recompute(spec: IndicatorSpec, bars: Floats, opened: Times) -> pd.DataFrame:
    """Every feature of `spec.features` for every bar, columns in that order."""
    frame = pd.DataFrame(bars, columns=["open", "high", "low", "close", "volume"])
    high, low, close, volume = frame.high, frame.low, frame.close, frame.volume
    f: dict[str, pd.Series | Floats | list[float]] = {"close": close}
    f["returns"] = close.pct_change()
    for name, n in zip(("1h", "4h", "24h"), spec.hour_bars, strict=True):
        f[f"price_change_{name}"] = close.pct_change(n)
    averages = {p: ema(close, p) for p in {9, 12, 20, 26, 50, *spec.ema_periods}}
    f |= {f"ema_{p}": line for p, line in averages.items()}
    fast, slow = ema(close, spec.ema_fast), ema(close, spec.ema_slow)
    f |= {"ema_fast": fast, "ema_slow": slow, "ema_trend": ema(close, spec.trend)}
    f["ema_cross"] = crosses(clean(fast - slow, close))
    listed = [averages[p] for p in spec.ema_periods]
    pairs = [np.sign(clean(a - b, close)) for a, b in pairwise(listed)]
    f["ema_alignment"] = pd.concat(pairs, axis=1).mean(axis=1, skipna=False)
    simple = {p: close.rolling(p).mean() for p in {20, 50, 200, *spec.sma_periods}}
    f |= {f"sma_{p}": line for p, line in simple.items()}
    held = [np.sign(clean(close - simple[p], close)) for p in spec.sma_periods]
    f["sma_alignment"] = pd.concat(held, axis=1).mean(axis=1, skipna=False)
    f["price_vs_ema20"] = close / averages[20] - 1
    f["price_vs_ema50"] = close / averages[50] - 1

    day = pd.Series(opened // DAY)
    typical = (high + low + close) / 3 * volume
    traded = volume.groupby(day).cumsum()
    vwap = typical.groupby(day).cumsum() / traded.where(traded > 0)
    if len(opened) and opened[0] % DAY:
        vwap = vwap.where(day != day.iloc[0])
    f |= {"vwap": vwap, "price_vs_vwap": close / vwap - 1}

    change = close.diff()
    up, down = wilder(change.clip(lower=0), spec.rsi), wilder(-change.clip(upper=0), spec.rsi)
    rsi = (100 - 100 / (1 + up / down.where(down > 0))).where(down > 0, 100.0)
    rsi = rsi.where(up + down > 0, 50.0).where(up.notna())
    f |= {"rsi": rsi, "rsi_change": rsi.diff()}
    macd = ema(close, spec.macd_fast) - ema(close, spec.macd_slow)
    signal = ema(macd, spec.macd_signal)
    f |= {"macd": macd, "macd_signal": signal, "macd_hist": clean(macd - signal, close)}
    f["macd_signal_cross"] = crosses(clean(macd - signal, close))
    f["momentum_5"] = 100 * close.pct_change(5)
    f["momentum_20"] = 100 * close.pct_change(20)
    top, bottom = high.rolling(spec.stoch).max(), low.rolling(spec.stoch).min()
    k = 100 * (close - bottom) / (top - bottom).where(top > bottom)
    f |= {"stoch_k": k, "stoch_d": k.rolling(spec.stoch_smooth).mean()}

    ranges = pd.concat(
        (high - low, (high - close.shift()).abs(), (low - close.shift()).abs()), axis=1
    )
    true_range = ranges.max(axis=1).where(close.shift().notna())
    atr = wilder(true_range, spec.atr)
    f |= {"atr": atr, "atr_ratio": atr / close, "atr_pct": 100 * atr / close}
    rise, fall = high.diff(), -low.diff()
    plus_dm = rise.where((rise > fall) & (rise > 0), 0.0).where(rise.notna())
    minus_dm = fall.where((fall > rise) & (fall > 0), 0.0).where(fall.notna())
    smooth = wilder(true_range, spec.adx)
    plus = (100 * wilder(plus_dm, spec.adx) / smooth.where(smooth > 0)).where(smooth != 0, 0.0)
    minus = (100 * wilder(minus_dm, spec.adx) / smooth.where(smooth > 0)).where(smooth != 0, 0.0)
    total = plus + minus
    dx = (100 * (plus - minus).abs() / total.where(total > 0)).where(total != 0, 0.0)
    f |= {"plus_di": plus, "minus_di": minus, "adx": wilder(dx, spec.adx)}

    middle, width = close.rolling(spec.bb).mean(), spec.bb_std * close.rolling(spec.bb).std(ddof=0)
    flat = close.rolling(spec.bb).max() == close.rolling(spec.bb).min()
    width = width.where(~flat, 0.0).where(middle.notna())
    f |= {"bb_middle": middle, "bb_upper": middle + width, "bb_lower": middle - width}
    f["bb_width"] = 2 * width / middle
    f["bb_position"] = (close - middle + width) / (2 * width).where(width > 0)
    keltner = ema(close, spec.keltner)
    f["keltner_middle"] = keltner
    f["keltner_upper"] = keltner + spec.keltner_atr * atr
    f["keltner_lower"] = keltner - spec.keltner_atr * atr
    above, below = high.rolling(spec.donchian).max(), low.rolling(spec.donchian).min()
    f |= {"donchian_upper": above, "donchian_lower": below, "donchian_middle": (above + below) / 2}
    log_return = pd.Series(np.log(close.to_numpy())).diff()

    def spread(n: int) -> pd.Series:
        still = log_return.rolling(n).max() == log_return.rolling(n).min()
        moved: pd.Series = log_return.rolling(n).apply(lambda w: w.std(ddof=1), raw=True)
        return moved.where(~still, 0.0)

    short, long = spread(20), spread(50)
    f |= {"volatility_20": short, "volatility_50": long}
    f["volatility_ratio"] = short / long.where(long > 0)
    f["daily_volatility_pct"] = 100 * np.sqrt(DAY / spec.span_ns) * spread(spec.daily_bars)
    f["rv20"] = daily_volatility(close, opened, spec)

    f["trend_direction"] = np.sign(clean(averages[20] - averages[50], close))
    f["trend_strength"] = clean(averages[20] - averages[50], close).abs() / atr.where(atr > 0)
    average = volume.rolling(spec.volume_ma).mean()
    f |= {"volume_ma": average, "volume_ratio": volume / average.where(average > 0)}
    signed = volume * np.sign(change.fillna(0.0))
    f["obv"] = signed.cumsum()
    of_20 = volume.rolling(20).sum().where(change.rolling(20).count() == 20)
    f["obv_ratio"] = signed.rolling(20).sum() / of_20.where(of_20 > 0)
    inside = (high - low).where(high > low)
    flow = (volume * (2 * close - high - low) / inside).fillna(0.0)
    of_cmf = volume.rolling(spec.cmf).sum()
    f["cmf"] = flow.rolling(spec.cmf).sum() / of_cmf.where(of_cmf > 0)
    f["support"], f["resistance"] = nearest(frame, spec).T
    bull, bear = divergences(low, rsi, spec, False), divergences(high, rsi, spec, True)
    f |= {"rsi_bull_divergence": bull[:, 0], "rsi_hidden_bull_divergence": bull[:, 1]}
    f |= {"rsi_bear_divergence": bear[:, 0], "rsi_hidden_bear_divergence": bear[:, 1]}
    return pd.DataFrame(f)[list(spec.features)]
