"""One bar into one feature row, compiled: the arithmetic of every indicator.

Compiled because a decision may cost a fraction of a millisecond and a rebuild steps
through two thousand bars; without the interpreter lock, so that it costs a screen nothing.
All functions stand in this one file, since a cached caller doesn't notice an edit of what
it calls elsewhere. Windows are summed anew on every bar (they are short): running sums
drift, and a row would then depend on where the history began.

Sources: Wilder, New Concepts in Technical Trading Systems (1978) for RSI, ATR, DI and ADX,
each seeded with a simple average; Appel's MACD; Bollinger with the population deviation;
Lane's stochastic; Chaikin's money flow; Keltner around an exponential average with ATR.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

Array = np.ndarray[Any, Any]

# Everything that gets compiled in stands here: a cached function notices edits of its own
# file alone.

# Channels of the bar history: the bar itself, then what windows of later bars look back on.
OPEN, HIGH, LOW, CLOSE, VOLUME, RETURN, RSI, STOCH, MONEY_FLOW, VOLATILITY, BB_WIDTH = range(11)
CHANNELS = 11

# Integer state: counters first, then the periods of the spec.
(
    I_SEEN, I_POS, I_ROW, I_DAY, I_WHOLE_SESSION, I_DAY_PUSHED, I_DAYS, I_HIGHS, I_LOWS,
    I_DIV_HIGH_AT, I_DIV_LOW_AT,
    I_RSI, I_ADX, I_ATR, I_MACD_FAST, I_MACD_SLOW, I_MACD_SIGNAL, I_BB, I_VOLUME_MA, I_SR_HALF,
    I_SR_POINTS, I_STOCH, I_STOCH_SMOOTH, I_DONCHIAN, I_CMF, I_PIVOT, I_DIV_BARS,
    I_1H, I_4H, I_24H, I_DAILY, I_SPAN, I_EMA_LIST,
) = range(33)  # fmt: skip
INTS = 33

# Float state: recursive values, then factors of the spec, then three small rings.
(
    F_RSI_UP, F_RSI_DOWN, F_ATR, F_TR, F_DM_UP, F_DM_DOWN, F_DX_SUM, F_ADX,
    F_MACD_FAST, F_MACD_SLOW, F_MACD_SIGNAL, F_HIST, F_CROSS, F_OBV,
    F_VWAP_MONEY, F_VWAP_VOLUME, F_RV20,
    F_DIV_HIGH, F_DIV_HIGH_RSI, F_DIV_LOW, F_DIV_LOW_RSI,
    F_BB_STD, F_KELTNER, F_DAY_SCALE, F_YEAR_SCALE,
) = range(25)  # fmt: skip
DAILY_CLOSES = 21  # twenty daily returns need twenty-one closes
MAX_POINTS = 12  # the upper bound of ind.sr_points
F_DAILY = 25
F_HIGHS = F_DAILY + DAILY_CLOSES
F_LOWS = F_HIGHS + MAX_POINTS
FLOATS = F_LOWS + MAX_POINTS

# Columns of the bank of exponential averages, one row an average.
B_PERIOD, B_COLUMN, B_VALUE, B_SUM = range(4)

# What the step answers: 0, or why it refused the bar.
OK, BAD_BAR, BAD_TIME = range(3)

SHORT_WINDOW = 20  # volatility_20, momentum_20, obv_ratio: the number is in the name
LONG_WINDOW = 50  # volatility_50

_DAY = 86_400_000_000_000  # nanoseconds
_ROUNDING = 1e-12  # of the price; thousands of times what averages of float64 lose

# Columns of the row, in the order of `layout.FEATURES`; a test holds the two together.
(
    C_CLOSE, C_RETURNS, C_PRICE_CHANGE_1H, C_PRICE_CHANGE_4H, C_PRICE_CHANGE_24H, C_EMA_9,
    C_EMA_12, C_EMA_20, C_EMA_26, C_EMA_50, C_EMA_FAST, C_EMA_SLOW, C_EMA_TREND, C_EMA_CROSS,
    C_EMA_ALIGNMENT, C_SMA_20, C_SMA_50, C_SMA_200, C_SMA_ALIGNMENT, C_PRICE_VS_EMA20,
    C_PRICE_VS_EMA50, C_VWAP, C_PRICE_VS_VWAP, C_RSI, C_RSI_CHANGE, C_MACD, C_MACD_SIGNAL,
    C_MACD_HIST, C_MACD_SIGNAL_CROSS, C_MOMENTUM_5, C_MOMENTUM_20, C_STOCH_K, C_STOCH_D, C_ATR,
    C_ATR_RATIO, C_ATR_PCT, C_BB_UPPER, C_BB_MIDDLE, C_BB_LOWER, C_BB_POSITION, C_BB_WIDTH,
    C_KELTNER_UPPER, C_KELTNER_MIDDLE, C_KELTNER_LOWER, C_DONCHIAN_UPPER, C_DONCHIAN_MIDDLE,
    C_DONCHIAN_LOWER, C_VOLATILITY_20, C_VOLATILITY_50, C_VOLATILITY_RATIO,
    C_DAILY_VOLATILITY_PCT, C_RV20, C_ADX, C_PLUS_DI, C_MINUS_DI, C_TREND_DIRECTION,
    C_TREND_STRENGTH, C_VOLUME_MA, C_VOLUME_RATIO, C_OBV, C_OBV_RATIO, C_CMF, C_SUPPORT,
    C_RESISTANCE, C_RSI_BULL_DIVERGENCE, C_RSI_BEAR_DIVERGENCE, C_RSI_HIDDEN_BULL_DIVERGENCE,
    C_RSI_HIDDEN_BEAR_DIVERGENCE,
) = range(68)  # fmt: skip


@njit(nogil=True, cache=True, error_model="numpy")
def _mean(channel: Array, end: int, n: int) -> float:
    """Mean of the `n` values up to and including `end`."""
    total = 0.0
    for i in range(end - n + 1, end + 1):
        total += channel[i]
    return total / n


@njit(nogil=True, cache=True, error_model="numpy")
def _deviation(channel: Array, end: int, n: int, spare: int) -> float:
    """Standard deviation of `n` values over `n − spare`; exactly 0 where all are equal."""
    low = channel[end]
    high = low
    for i in range(end - n + 1, end):
        low = min(low, channel[i])
        high = max(high, channel[i])
    if low == high:
        return 0.0
    mean = _mean(channel, end, n)
    total = 0.0
    for i in range(end - n + 1, end + 1):
        total += (channel[i] - mean) ** 2
    return math.sqrt(total / (n - spare))


@njit(nogil=True, cache=True, error_model="numpy")
def _highest(channel: Array, end: int, n: int) -> float:
    top: float = channel[end]
    for i in range(end - n + 1, end):
        top = max(top, channel[i])
    return top


@njit(nogil=True, cache=True, error_model="numpy")
def _lowest(channel: Array, end: int, n: int) -> float:
    bottom: float = channel[end]
    for i in range(end - n + 1, end):
        bottom = min(bottom, channel[i])
    return bottom


@njit(nogil=True, cache=True, error_model="numpy")
def _sign(value: float) -> float:
    if value > 0.0:
        return 1.0
    if value < 0.0:
        return -1.0
    return 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def _clean(gap: float, price: float) -> float:
    """A difference of prices, 0 where it is rounding: a flat market crosses nothing."""
    return 0.0 if abs(gap) <= _ROUNDING * price else gap


@njit(nogil=True, cache=True, error_model="numpy")
def _is_turn(channel: Array, at: int, reach: int, up: float) -> bool:
    """Whether `at` is the extreme of `reach` bars on both sides; the last of equals counts."""
    value = channel[at] * up
    for i in range(at - reach, at):
        if channel[i] * up > value:
            return False
    for i in range(at + 1, at + reach + 1):  # noqa: SIM110 - a loop is what compiles well
        if channel[i] * up >= value:
            return False
    return True


@njit(nogil=True, cache=True, error_model="numpy")
def _append(ints: Array, series: Array, times: Array, t: int) -> int:
    """Room for one more bar; the history slides to the front when the array is full."""
    pos: int = ints[I_POS] + 1
    if pos == times.size:
        keep = times.size // 2
        for i in range(keep):
            times[i] = times[pos - keep + i]
        for k in range(series.shape[0]):
            for i in range(keep):
                series[k, i] = series[k, pos - keep + i]
        pos = keep
    ints[I_POS] = pos
    times[pos] = t
    return pos


@njit(nogil=True, cache=True, error_model="numpy")
def _averages(
    ints: Array, bank: Array, smas: Array, series: Array, pos: int, n: int, row: Array
) -> None:
    """Exponential averages, seeded with the simple one, then the simple ones; alignments."""
    c = series[CLOSE, pos]
    for k in range(bank.shape[0]):
        period = bank[k, B_PERIOD]
        if n < period:
            bank[k, B_SUM] += c
            continue
        if n == period:
            bank[k, B_VALUE] = (bank[k, B_SUM] + c) / period
        else:
            bank[k, B_VALUE] += 2.0 / (period + 1.0) * (c - bank[k, B_VALUE])
        row[int(bank[k, B_COLUMN])] = bank[k, B_VALUE]
    first = ints[I_EMA_LIST]
    steps = 0.0
    ordered = 0.0
    for k in range(first, bank.shape[0] - 1):
        gap = row[int(bank[k, B_COLUMN])] - row[int(bank[k + 1, B_COLUMN])]
        ordered += _sign(_clean(gap, c))
        steps += 1.0
    if steps > 0.0 and n >= bank[bank.shape[0] - 1, B_PERIOD]:
        row[C_EMA_ALIGNMENT] = ordered / steps
    held = 0.0
    counted = 0.0
    ready = True
    for k in range(smas.shape[0]):
        if n < smas[k, 0]:
            ready = ready and smas[k, 2] == 0
            continue
        value = _mean(series[CLOSE], pos, smas[k, 0])
        row[smas[k, 1]] = value
        if smas[k, 2] == 1:
            held += _sign(_clean(c - value, c))
            counted += 1.0
    if ready and counted > 0.0:
        row[C_SMA_ALIGNMENT] = held / counted


@njit(nogil=True, cache=True, error_model="numpy")
def _rsi(up: float, down: float) -> float:
    """Wilder's index; a market without any movement has no direction, so 50."""
    if up + down == 0.0:
        return 50.0
    return 100.0 * up / (up + down)


@njit(nogil=True, cache=True, error_model="numpy")
def _momentum(ints: Array, floats: Array, series: Array, pos: int, n: int, row: Array) -> None:
    c = series[CLOSE, pos]
    series[RSI, pos] = np.nan
    if n > 1:
        change = c - series[CLOSE, pos - 1]
        up, down = max(change, 0.0), max(-change, 0.0)
        period = ints[I_RSI]
        if n <= period + 1:
            floats[F_RSI_UP] += up / period
            floats[F_RSI_DOWN] += down / period
        else:
            floats[F_RSI_UP] += (up - floats[F_RSI_UP]) / period
            floats[F_RSI_DOWN] += (down - floats[F_RSI_DOWN]) / period
        if n >= period + 1:
            series[RSI, pos] = _rsi(floats[F_RSI_UP], floats[F_RSI_DOWN])
            row[C_RSI] = series[RSI, pos]
            row[C_RSI_CHANGE] = series[RSI, pos] - series[RSI, pos - 1]
    if n > 5:
        row[C_MOMENTUM_5] = 100.0 * (c / series[CLOSE, pos - 5] - 1.0)
    if n > SHORT_WINDOW:
        row[C_MOMENTUM_20] = 100.0 * (c / series[CLOSE, pos - SHORT_WINDOW] - 1.0)

    fast, slow, smooth = ints[I_MACD_FAST], ints[I_MACD_SLOW], ints[I_MACD_SIGNAL]
    if n <= fast:
        floats[F_MACD_FAST] += c / fast
    else:
        floats[F_MACD_FAST] += 2.0 / (fast + 1.0) * (c - floats[F_MACD_FAST])
    if n <= slow:
        floats[F_MACD_SLOW] += c / slow
    else:
        floats[F_MACD_SLOW] += 2.0 / (slow + 1.0) * (c - floats[F_MACD_SLOW])
    if n >= slow:
        macd = floats[F_MACD_FAST] - floats[F_MACD_SLOW]
        row[C_MACD] = macd
        if n < slow + smooth:
            floats[F_MACD_SIGNAL] += macd / smooth
        else:
            floats[F_MACD_SIGNAL] += 2.0 / (smooth + 1.0) * (macd - floats[F_MACD_SIGNAL])
        if n >= slow + smooth - 1:
            row[C_MACD_SIGNAL] = floats[F_MACD_SIGNAL]
            row[C_MACD_HIST] = _clean(macd - floats[F_MACD_SIGNAL], c)
            row[C_MACD_SIGNAL_CROSS] = _crossed(floats[F_HIST], row[C_MACD_HIST])
            floats[F_HIST] = row[C_MACD_HIST]
    gap = _clean(row[C_EMA_FAST] - row[C_EMA_SLOW], c)
    if not math.isnan(gap):
        row[C_EMA_CROSS] = _crossed(floats[F_CROSS], gap)
        floats[F_CROSS] = gap

    series[STOCH, pos] = np.nan
    if n >= ints[I_STOCH]:
        top = _highest(series[HIGH], pos, ints[I_STOCH])
        bottom = _lowest(series[LOW], pos, ints[I_STOCH])
        if top > bottom:
            series[STOCH, pos] = 100.0 * (c - bottom) / (top - bottom)
        row[C_STOCH_K] = series[STOCH, pos]
        if n >= ints[I_STOCH] + ints[I_STOCH_SMOOTH] - 1:
            row[C_STOCH_D] = _mean(series[STOCH], pos, ints[I_STOCH_SMOOTH])


@njit(nogil=True, cache=True, error_model="numpy")
def _crossed(before: float, now: float) -> float:
    """+1 where a difference turns positive on this bar, −1 where negative; NaN at first."""
    if math.isnan(before):
        return np.nan
    if now > 0.0 and before <= 0.0:
        return 1.0
    if now < 0.0 and before >= 0.0:
        return -1.0
    return 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def _ranges(ints: Array, floats: Array, series: Array, pos: int, n: int, row: Array) -> None:
    """True range, ATR, directional movement and ADX, all from the second bar on."""
    if n < 2:
        return
    before = series[CLOSE, pos - 1]
    h, low, c = series[HIGH, pos], series[LOW, pos], series[CLOSE, pos]
    true_range = max(h, before) - min(low, before)
    period = ints[I_ATR]
    if n <= period + 1:
        floats[F_ATR] += true_range / period
    else:
        floats[F_ATR] += (true_range - floats[F_ATR]) / period
    if n >= period + 1:
        row[C_ATR] = floats[F_ATR]
        row[C_ATR_RATIO] = floats[F_ATR] / c
        row[C_ATR_PCT] = 100.0 * floats[F_ATR] / c

    rise, fall = h - series[HIGH, pos - 1], series[LOW, pos - 1] - low
    up = rise if rise > fall and rise > 0.0 else 0.0
    down = fall if fall > rise and fall > 0.0 else 0.0
    period = ints[I_ADX]
    if n <= period + 1:
        floats[F_TR] += true_range / period
        floats[F_DM_UP] += up / period
        floats[F_DM_DOWN] += down / period
    else:
        floats[F_TR] += (true_range - floats[F_TR]) / period
        floats[F_DM_UP] += (up - floats[F_DM_UP]) / period
        floats[F_DM_DOWN] += (down - floats[F_DM_DOWN]) / period
    if n < period + 1:
        return
    # A market that hasn't moved at all has no directional movement, hence 0 and not NaN.
    plus = 100.0 * floats[F_DM_UP] / floats[F_TR] if floats[F_TR] > 0.0 else 0.0
    minus = 100.0 * floats[F_DM_DOWN] / floats[F_TR] if floats[F_TR] > 0.0 else 0.0
    dx = 100.0 * abs(plus - minus) / (plus + minus) if plus + minus > 0.0 else 0.0
    row[C_PLUS_DI], row[C_MINUS_DI] = plus, minus
    if n <= 2 * period:
        floats[F_DX_SUM] += dx
        if n == 2 * period:
            floats[F_ADX] = floats[F_DX_SUM] / period
    else:
        floats[F_ADX] += (dx - floats[F_ADX]) / period
    if n >= 2 * period:
        row[C_ADX] = floats[F_ADX]


@njit(nogil=True, cache=True, error_model="numpy")
def _bands(ints: Array, floats: Array, series: Array, pos: int, n: int, row: Array) -> None:
    """Bollinger, Keltner and Donchian channels, and the volatilities of returns."""
    c = series[CLOSE, pos]
    series[BB_WIDTH, pos] = np.nan
    if n >= ints[I_BB]:
        middle = _mean(series[CLOSE], pos, ints[I_BB])
        reach = floats[F_BB_STD] * _deviation(series[CLOSE], pos, ints[I_BB], 0)
        row[C_BB_MIDDLE] = middle
        row[C_BB_UPPER] = middle + reach
        row[C_BB_LOWER] = middle - reach
        row[C_BB_WIDTH] = 2.0 * reach / middle
        series[BB_WIDTH, pos] = row[C_BB_WIDTH]
        if reach > 0.0:
            row[C_BB_POSITION] = (c - row[C_BB_LOWER]) / (2.0 * reach)
    row[C_KELTNER_UPPER] = row[C_KELTNER_MIDDLE] + floats[F_KELTNER] * row[C_ATR]
    row[C_KELTNER_LOWER] = row[C_KELTNER_MIDDLE] - floats[F_KELTNER] * row[C_ATR]
    if n >= ints[I_DONCHIAN]:
        row[C_DONCHIAN_UPPER] = _highest(series[HIGH], pos, ints[I_DONCHIAN])
        row[C_DONCHIAN_LOWER] = _lowest(series[LOW], pos, ints[I_DONCHIAN])
        row[C_DONCHIAN_MIDDLE] = (row[C_DONCHIAN_UPPER] + row[C_DONCHIAN_LOWER]) / 2.0
    series[VOLATILITY, pos] = np.nan
    if n > SHORT_WINDOW:
        row[C_VOLATILITY_20] = _deviation(series[RETURN], pos, SHORT_WINDOW, 1)
        series[VOLATILITY, pos] = row[C_VOLATILITY_20]
    if n > LONG_WINDOW:
        row[C_VOLATILITY_50] = _deviation(series[RETURN], pos, LONG_WINDOW, 1)
        if row[C_VOLATILITY_50] > 0.0:
            row[C_VOLATILITY_RATIO] = row[C_VOLATILITY_20] / row[C_VOLATILITY_50]
    if n > ints[I_DAILY]:
        row[C_DAILY_VOLATILITY_PCT] = floats[F_DAY_SCALE] * _deviation(
            series[RETURN], pos, ints[I_DAILY], 1
        )


@njit(nogil=True, cache=True, error_model="numpy")
def _push_day(ints: Array, floats: Array, close: float) -> None:
    """Take a day's last close; from the twenty-first on, the realised volatility is known."""
    ints[I_DAY_PUSHED] = ints[I_DAY]
    last = F_DAILY + DAILY_CLOSES - 1
    for i in range(F_DAILY, last):
        floats[i] = floats[i + 1]
    floats[last] = close
    ints[I_DAYS] += 1
    if ints[I_DAYS] < DAILY_CLOSES:
        return
    mean = math.log(close / floats[F_DAILY]) / (DAILY_CLOSES - 1)
    total = 0.0
    for i in range(F_DAILY, last):
        total += (math.log(floats[i + 1] / floats[i]) - mean) ** 2
    floats[F_RV20] = floats[F_YEAR_SCALE] * math.sqrt(total / (DAILY_CLOSES - 2))


@njit(nogil=True, cache=True, error_model="numpy")
def _session(
    ints: Array, floats: Array, series: Array, times: Array, pos: int, n: int, row: Array
) -> None:
    """What resets at UTC midnight: the session's VWAP, and the close that ends a day.

    A history that begins within a session knows no VWAP before the next one.
    """
    c, v = series[CLOSE, pos], series[VOLUME, pos]
    day = times[pos] // _DAY
    if n == 1 or day != ints[I_DAY]:
        if n > 1 and ints[I_DAY_PUSHED] != ints[I_DAY]:
            _push_day(ints, floats, series[CLOSE, pos - 1])
        ints[I_WHOLE_SESSION] = 1 if n > 1 or times[pos] % _DAY == 0 else 0
        ints[I_DAY] = day
        floats[F_VWAP_MONEY] = 0.0
        floats[F_VWAP_VOLUME] = 0.0
    if ints[I_SPAN] <= _DAY and (times[pos] + ints[I_SPAN]) // _DAY > day:
        _push_day(ints, floats, c)
    if ints[I_SPAN] <= _DAY:
        row[C_RV20] = floats[F_RV20]
    floats[F_VWAP_MONEY] += v * (series[HIGH, pos] + series[LOW, pos] + c) / 3.0
    floats[F_VWAP_VOLUME] += v
    if ints[I_WHOLE_SESSION] == 1 and floats[F_VWAP_VOLUME] > 0.0:
        row[C_VWAP] = floats[F_VWAP_MONEY] / floats[F_VWAP_VOLUME]
        row[C_PRICE_VS_VWAP] = c / row[C_VWAP] - 1.0


@njit(nogil=True, cache=True, error_model="numpy")
def _flows(ints: Array, floats: Array, series: Array, pos: int, n: int, row: Array) -> None:
    """Volume against its average, on-balance volume and money flow.

    `obv` has no zero of its own (it counts from the first bar); `obv_ratio`, the part of
    the last 20 bars' volume that moved with the price, is what rules should read.
    """
    h, low, c, v = (
        series[HIGH, pos], series[LOW, pos], series[CLOSE, pos], series[VOLUME, pos],
    )  # fmt: skip
    series[MONEY_FLOW, pos] = v * ((c - low) - (h - c)) / (h - low) if h > low else 0.0
    floats[F_OBV] += v * _sign(series[RETURN, pos])
    row[C_OBV] = floats[F_OBV]
    if n >= ints[I_VOLUME_MA]:
        row[C_VOLUME_MA] = _mean(series[VOLUME], pos, ints[I_VOLUME_MA])
        if row[C_VOLUME_MA] > 0.0:
            row[C_VOLUME_RATIO] = v / row[C_VOLUME_MA]
    if n > SHORT_WINDOW:
        signed = 0.0
        for i in range(pos - SHORT_WINDOW + 1, pos + 1):
            signed += series[VOLUME, i] * _sign(series[RETURN, i])
        traded = _mean(series[VOLUME], pos, SHORT_WINDOW) * SHORT_WINDOW
        if traded > 0.0:
            row[C_OBV_RATIO] = signed / traded
    if n >= ints[I_CMF]:
        traded = _mean(series[VOLUME], pos, ints[I_CMF])
        if traded > 0.0:
            row[C_CMF] = _mean(series[MONEY_FLOW], pos, ints[I_CMF]) / traded


@njit(nogil=True, cache=True, error_model="numpy")
def _levels(ints: Array, floats: Array, series: Array, pos: int, n: int, row: Array) -> None:
    """Support and resistance: the nearest of the latest turning points below and above.

    A point is known only when half a window has passed since, so nothing looks ahead; a
    broken resistance serves as support, so points of both kinds are candidates for both.
    """
    half, kept = ints[I_SR_HALF], ints[I_SR_POINTS]
    if n > 2 * half:
        at = pos - half
        if _is_turn(series[HIGH], at, half, 1.0):
            floats[F_HIGHS + ints[I_HIGHS] % kept] = series[HIGH, at]
            ints[I_HIGHS] += 1
        if _is_turn(series[LOW], at, half, -1.0):
            floats[F_LOWS + ints[I_LOWS] % kept] = series[LOW, at]
            ints[I_LOWS] += 1
    c = series[CLOSE, pos]
    for k in range(2):
        start, count = (F_HIGHS, ints[I_HIGHS]) if k == 0 else (F_LOWS, ints[I_LOWS])
        for i in range(start, start + min(count, kept)):
            level = floats[i]
            if level <= c and not level <= row[C_SUPPORT]:
                row[C_SUPPORT] = level
            if level >= c and not level >= row[C_RESISTANCE]:
                row[C_RESISTANCE] = level


@njit(nogil=True, cache=True, error_model="numpy")
def _divergences(ints: Array, floats: Array, series: Array, pos: int, n: int, row: Array) -> None:
    """Price and RSI disagreeing between two turning points, told when the second is sure.

    Regular: price makes a new extreme and the RSI doesn't (a turn). Hidden: the RSI does
    and price doesn't (the trend goes on).
    """
    reach = ints[I_PIVOT]
    if n < ints[I_RSI] + 1 + reach or n <= 2 * reach:
        return
    row[C_RSI_BULL_DIVERGENCE] = row[C_RSI_BEAR_DIVERGENCE] = 0.0
    row[C_RSI_HIDDEN_BULL_DIVERGENCE] = row[C_RSI_HIDDEN_BEAR_DIVERGENCE] = 0.0
    at = pos - reach
    bar = n - reach
    rsi = series[RSI, at]
    if _is_turn(series[LOW], at, reach, -1.0):
        price = series[LOW, at]
        if ints[I_DIV_LOW_AT] > 0 and bar - ints[I_DIV_LOW_AT] <= ints[I_DIV_BARS]:
            before, rsi_before = floats[F_DIV_LOW], floats[F_DIV_LOW_RSI]
            row[C_RSI_BULL_DIVERGENCE] = 1.0 if price < before and rsi > rsi_before else 0.0
            row[C_RSI_HIDDEN_BULL_DIVERGENCE] = 1.0 if price > before and rsi < rsi_before else 0.0
        ints[I_DIV_LOW_AT] = bar
        floats[F_DIV_LOW], floats[F_DIV_LOW_RSI] = price, rsi
    if _is_turn(series[HIGH], at, reach, 1.0):
        price = series[HIGH, at]
        if ints[I_DIV_HIGH_AT] > 0 and bar - ints[I_DIV_HIGH_AT] <= ints[I_DIV_BARS]:
            before, rsi_before = floats[F_DIV_HIGH], floats[F_DIV_HIGH_RSI]
            row[C_RSI_BEAR_DIVERGENCE] = 1.0 if price > before and rsi < rsi_before else 0.0
            row[C_RSI_HIDDEN_BEAR_DIVERGENCE] = 1.0 if price < before and rsi > rsi_before else 0.0
        ints[I_DIV_HIGH_AT] = bar
        floats[F_DIV_HIGH], floats[F_DIV_HIGH_RSI] = price, rsi


@njit(nogil=True, cache=True, error_model="numpy")
def _changes(ints: Array, series: Array, pos: int, n: int, row: Array) -> None:
    """Price against where it was and against its averages, and the trend between those."""
    c = series[CLOSE, pos]
    row[C_CLOSE] = c
    if n > 1:
        row[C_RETURNS] = c / series[CLOSE, pos - 1] - 1.0
    for k in range(3):
        if k == 0:
            back, column = ints[I_1H], C_PRICE_CHANGE_1H
        elif k == 1:
            back, column = ints[I_4H], C_PRICE_CHANGE_4H
        else:
            back, column = ints[I_24H], C_PRICE_CHANGE_24H
        if n > back:
            row[column] = c / series[CLOSE, pos - back] - 1.0
    row[C_PRICE_VS_EMA20] = c / row[C_EMA_20] - 1.0
    row[C_PRICE_VS_EMA50] = c / row[C_EMA_50] - 1.0
    gap = _clean(row[C_EMA_20] - row[C_EMA_50], c)
    if not math.isnan(gap):
        row[C_TREND_DIRECTION] = _sign(gap)
        if row[C_ATR] > 0.0:
            row[C_TREND_STRENGTH] = abs(gap) / row[C_ATR]


@njit(nogil=True, cache=True, error_model="numpy")
def step(
    ints: Array, floats: Array, bank: Array, smas: Array, series: Array, times: Array,
    rows: Array, o: float, h: float, low: float, c: float, v: float, t: int,
) -> int:  # fmt: skip
    """Take one closed bar and write its feature row; `OK`, or why the bar was refused.

    A refused bar changes nothing. The row is `rows[ints[I_ROW]]`.
    """
    if not (0.0 < low <= h < np.inf and 0.0 < o < np.inf and 0.0 < c < np.inf):
        return BAD_BAR
    if not 0.0 <= v < np.inf:
        return BAD_BAR
    if ints[I_SEEN] > 0 and t <= times[ints[I_POS]]:
        return BAD_TIME
    pos = _append(ints, series, times, t)
    ints[I_SEEN] += 1
    n = ints[I_SEEN]
    series[OPEN, pos], series[HIGH, pos], series[LOW, pos] = o, h, low
    series[CLOSE, pos], series[VOLUME, pos] = c, v
    series[RETURN, pos] = math.log(c / series[CLOSE, pos - 1]) if n > 1 else 0.0
    ints[I_ROW] = (n - 1) % rows.shape[0]
    row = rows[ints[I_ROW]]
    for k in range(row.size):
        row[k] = np.nan
    _averages(ints, bank, smas, series, pos, n, row)
    _momentum(ints, floats, series, pos, n, row)
    _ranges(ints, floats, series, pos, n, row)
    _bands(ints, floats, series, pos, n, row)
    _session(ints, floats, series, times, pos, n, row)
    _flows(ints, floats, series, pos, n, row)
    _levels(ints, floats, series, pos, n, row)
    _divergences(ints, floats, series, pos, n, row)
    _changes(ints, series, pos, n, row)
    return OK


@njit(nogil=True, cache=True, error_model="numpy")
def run(
    ints: Array, floats: Array, bank: Array, smas: Array, series: Array, times: Array,
    rows: Array, bars: Array, opened: Array,
) -> tuple[int, int]:  # fmt: skip
    """`step` for many bars of shape (n, 5); how many were taken, and why it stopped."""
    for i in range(bars.shape[0]):
        answer = step(
            ints, floats, bank, smas, series, times, rows,
            bars[i, 0], bars[i, 1], bars[i, 2], bars[i, 3], bars[i, 4], opened[i],
        )  # fmt: skip
        if answer != OK:
            return i, answer
    return bars.shape[0], OK
