"""The compiled position step, and the loop over bars that runs it millions of times.

Everything compiled that calls each other stands in this one file, because a cached caller
does not notice an edit elsewhere. The rules are written once: `make_step(flags)` is what the
kernel calls on every tick, `make_run(flags)` is the same step inlined into a backtest; flags
are constants to the compiler, so rules that are off cost nothing.

A position is three flat arrays: `state` (float64: levels), `marks` (int64: times, lots, bits)
and `rules` (float64: what the parameters say). Levels are kept multiplied by the direction
(+1 long, −1 short), so that "up" is always favourable and each rule is written for a long
position only. Between `LO` and `HI` and before `NEXT` no rule can have anything to say; that
band is kept exact, which is what makes both the tick and the bar cheap.

Prices are in quote currency, times in nanoseconds UTC, percentages in percent points.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Protocol, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Signals = npt.NDArray[np.int8]
F = TypeVar("F", bound=Callable[..., Any])

# ---- compile-time flags: which rules a specialisation contains; the initial stop always is.

TARGET = 1
TRAIL = 2
BREAK_EVEN = 4
LADDER = 8
SCALE_IN = 16
TIME = 32
SESSION = 64
URGENCY = 128
QUICK = 256
GUARD = 512
REQUESTS = 1024
ALL_RULES = 2047

EMA_CROSS = 2048
"""Loop only: signals come from an EMA cross computed in the loop, not from the array."""

EQUITY = 4096
"""Loop only: write equity at every close."""

REFRESH = 8192
"""Loop only: refresh score and regime from their arrays at every close."""

# ---- state: float64. Levels are multiplied by the direction; ±inf means there is none.

DIRECTION = 0
ENTRY = 1  # average entry price, as traded
STOP = 2
TARGET_AT = 3
LO = 4
HI = 5
BEST = 6
WORST = 7
LAST = 8
RUNG = 9  # three rungs, 9..11
SCALE = 12  # four scale-in levels, 12..15
QUICK_AT = 16
GUARD_AT = 17
BE_TRIGGER = 18
BE_STOP = 19
TRAIL_TRIGGER = 20
RISK = 21  # R: distance from entry to initial stop
ATR = 22
SCORE_ENTRY = 23
SCORE = 24
REGIME_ENTRY = 25
REGIME = 26
STOP_INITIAL = 27
STATE_SIZE = 28

# ---- marks: int64

OPENED = 0
SEEN = 1
PEAK = 2  # when BEST was made
NEXT = 3
HOLD_UNTIL = 4
TIME_UNTIL = 5
STALE_UNTIL = 6
DAY_END = 7
WEEK_END = 8
QUICK_UNTIL = 9
DECAY_AT = 10
LOTS = 11
LOTS_INITIAL = 12
LOTS_BOUGHT = 13
LADDER_SOLD = 14
MIN_LOTS = 15
BITS = 16
STOP_KIND = 17
REQUEST = 18
SCALES_DONE = 19
MARKS_SIZE = 20

NEVER = 2**63 - 1

SCALES = 4
"""Slots for scale-in levels, as many as the most that `scale_in.max_ops` allows."""

BIT_TRAILING = 1
BIT_TAKEN_OVER = 2
BIT_REDUCED = 4
BIT_RUNG = 8  # 8, 16, 32: rung one to three is done

# ---- rules: float64. NaN switches a rule off at run time.

R_STOP_ATR = 0
R_STOP_PCT = 1
R_TAKE_ATR = 2
R_TAKE_PCT = 3
R_TRAIL_ACTIVATION = 4
R_TRAIL_PCT = 5
R_TRAIL_ATR = 6
R_TRAIL_MODE = 7  # 0 percent, 1 ATR, 2 the wider of both
R_BE_ACTIVATION = 8
R_BE_BUFFER = 9
R_LADDER_IN_R = 10  # 1: rungs are multiples of R; 0: percent
R_RUNG = 11  # 11..13
R_SHARE = 14  # 14..16: cumulative share of the position sold at each rung, 0..1
R_SCALE = 17  # 17..20, percent
R_SCALE_SHARE = 21  # 21..24, share of the initial lots
R_SCALE_MAX = 25
R_HOLD_NS = 26
R_TIME_NS = 27
R_STALE_NS = 28
R_STALE_PCT = 29
R_DAY_END_NS = 30  # time of day, UTC
R_WEEK_END_NS = 31  # time since Thursday 00:00 UTC, on which the epoch began
R_URGENCY_EXIT = 32
R_URGENCY_REDUCE = 33
R_DECAY = 34
R_VELOCITY = 35
R_DECAY_NS = 36
R_LOSS_LIMIT = 37
R_TRAIL_SIGNAL = 38
R_WEIGHT = 39  # 39..44, in the order of the signal bits
R_QUICK_PCT = 45
R_QUICK_NS = 46
R_CRASH_ATR = 47
RULES_SIZE = 48

MODE_PCT, MODE_ATR, MODE_MAX = 0.0, 1.0, 2.0

# ---- urgency signals, bits of out[OUT_FIRED] and out[OUT_ABSENT], in the order of weights.

SIGNAL_DECAY = 1
SIGNAL_DRAWDOWN = 2
SIGNAL_TIME = 4
SIGNAL_TRAIL = 8
SIGNAL_REGIME = 16
SIGNAL_LOSS = 32

# ---- out: float64. What the last event was.

OUT_PRICE = 0
OUT_LOTS = 1
OUT_INDEX = 2  # which rung or scale-in, 1..3
OUT_URGENCY = 3
OUT_FIRED = 4
OUT_ABSENT = 5
OUT_SIZE = 6

# ---- codes

BAD_TIME = -2
BAD_PRICE = -1
NONE = 0
STOPPED = 1
TRAILED = 2
BROKE_EVEN = 3
TOOK_PROFIT = 4
PARTIAL = 5
SCALED_IN = 6
TIMED_OUT = 7
HELD_OUT = 8
DAY_ENDED = 9
WEEK_ENDED = 10
STALED = 11
URGENT_EXIT = 12
URGENT_REDUCE = 13
QUICK_EXIT = 14
GUARDED = 15
HALVED = 16
CLOSED = 17
EVOLVED = 18
EMERGENCY = 19
SIGNALLED = 20
ENDED = 21

# ---- requests, consumed at the next price

ASK_NOTHING = 0
ASK_HALVE = 1
ASK_CLOSE = 2
ASK_EVOLVED = 3

# ---- regime codes; the sign is the market's direction, a grade is one more.

REGIME_CRASH = -10.0
REGIME_HIGH_VOL = 10.0

_HOUR = 3_600_000_000_000
_DAY = 24 * _HOUR
_WEEK = 7 * _DAY

# ---- the loop's account (float64 in and out) and its trade rows

ACCOUNT_CASH = 0
ACCOUNT_FEE = 1  # share of notional per side
ACCOUNT_HALF_SPREAD = 2  # share of price per side
ACCOUNT_STAKE = 3  # share of cash per entry
ACCOUNT_LOT = 4
ACCOUNT_FAST = 5  # EMA smoothing factors
ACCOUNT_SLOW = 6
ACCOUNT_SIZE = 7

TRADE_ENTRY_BAR = 0
TRADE_EXIT_BAR = 1
TRADE_DIRECTION = 2
TRADE_ENTRY_PRICE = 3
TRADE_EXIT_PRICE = 4
TRADE_QUANTITY = 5
TRADE_PNL = 6
TRADE_FEES = 7
TRADE_CODE = 8
TRADE_MFE = 9
TRADE_MAE = 10
TRADE_SIZE = 11

# the loop's running book
_CASH, BOOK_PNL, BOOK_FEES, _SOLD, _VALUE, _ENTERED, _ENTRY_VALUE = range(7)
BOOK_SIZE = 7


OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}
"""Without numba's run time nothing compiled here can allocate, and nothing counts references:
those atomic counts, one pair for each array of each call, cost four fifths of the loop."""


def _inline(function: F) -> F:
    """Compile into the caller, where the caller's constant flags prune it."""
    return cast("F", njit(forceinline=True, **OPTIONS)(function))


def _outlined(function: F) -> F:
    """Compile as a function of its own: off the loop's fast path."""
    return cast("F", njit(**OPTIONS)(function))


def _compiled(function: F) -> F:
    """Compile and keep the machine code on disk."""
    return cast("F", njit(cache=True, **OPTIONS)(function))


@_inline
def _urgency(state: Floats, marks: Ints, rules: Floats, x: float, now: int, out: Floats) -> float:
    """Score 0..10: the weight of the signals that fire over the weight of those present."""
    best, entry = state[BEST], state[DIRECTION] * state[ENTRY]
    fired, absent = 0, 0
    total, weight = 0.0, 0.0
    if state[SCORE_ENTRY] > 0.0 and state[SCORE] == state[SCORE]:
        total += rules[R_WEIGHT]
        if state[SCORE] < rules[R_DECAY] * state[SCORE_ENTRY]:
            fired |= SIGNAL_DECAY
            weight += rules[R_WEIGHT]
    else:
        absent |= SIGNAL_DECAY
    total += rules[R_WEIGHT + 1]
    if x <= _velocity_level(state, marks, rules, now):
        fired |= SIGNAL_DRAWDOWN
        weight += rules[R_WEIGHT + 1]
    total += rules[R_WEIGHT + 2]
    if now >= marks[OPENED] + int(rules[R_DECAY_NS]):
        fired |= SIGNAL_TIME
        weight += rules[R_WEIGHT + 2]
    total += rules[R_WEIGHT + 3]
    if x <= best - rules[R_TRAIL_SIGNAL] * 0.01 * abs(best):
        fired |= SIGNAL_TRAIL
        weight += rules[R_WEIGHT + 3]
    if state[REGIME] == state[REGIME] and state[REGIME_ENTRY] == state[REGIME_ENTRY]:
        total += rules[R_WEIGHT + 4]
        if _turned(state[REGIME_ENTRY], state[REGIME], state[DIRECTION]):
            fired |= SIGNAL_REGIME
            weight += rules[R_WEIGHT + 4]
    else:
        absent |= SIGNAL_REGIME
    total += rules[R_WEIGHT + 5]
    if x <= entry + rules[R_LOSS_LIMIT] * 0.01 * abs(entry):
        fired |= SIGNAL_LOSS
        weight += rules[R_WEIGHT + 5]
    score = float(10.0 * weight / total)
    out[OUT_URGENCY] = score
    out[OUT_FIRED] = fired
    out[OUT_ABSENT] = absent
    return score


@_inline
def _velocity_level(state: Floats, marks: Ints, rules: Floats, now: int) -> float:
    """Where giving back from the best counts as too fast.

    Percent per hour since the best, over one hour at least: a rate over less than the unit
    it is measured in would fire on every tick.
    """
    hours = max((now - marks[PEAK]) / _HOUR, 1.0)
    return float(state[BEST] - rules[R_VELOCITY] * 0.01 * hours * abs(state[BEST]))


@_inline
def _turned(entry_regime: float, regime: float, direction: float) -> bool:
    """True where the regime's family changed into one that does not favour the position."""
    was, now = entry_regime, regime
    if abs(was) == 2.0:
        was = was * 0.5
    if abs(now) == 2.0:
        now = now * 0.5
    if was == now:
        return False
    favours = 0.0 if now == REGIME_HIGH_VOL else now
    return favours * direction <= 0.0


@_inline
def _trail(state: Floats, marks: Ints, rules: Floats, x: float) -> None:
    """Pull the stop up behind a price; it never goes back."""
    trail = x - _trail_distance(state, rules, x)
    if trail > state[STOP]:
        state[STOP] = trail
        marks[STOP_KIND] = TRAILED


@_inline
def _floor(state: Floats, marks: Ints, rules: Floats, x: float, flags: int) -> float:
    """The lower edge of the band once `x` is the best price: what trails the best rises too."""
    lo = float(state[LO])
    if marks[BITS] & BIT_TAKEN_OVER:
        return lo
    if flags & TRAIL and marks[BITS] & BIT_TRAILING:
        lo = max(lo, x - _trail_distance(state, rules, x))
    if flags & URGENCY and rules[R_URGENCY_EXIT] == rules[R_URGENCY_EXIT]:
        lo = max(lo, x - min(rules[R_VELOCITY], rules[R_TRAIL_SIGNAL]) * 0.01 * abs(x))
    return lo


@_inline
def _follows(marks: Ints, rules: Floats, flags: int) -> bool:
    """True where a new best price moves the lower edge of the band."""
    if flags & URGENCY and rules[R_URGENCY_EXIT] == rules[R_URGENCY_EXIT]:
        return True
    return bool(flags & TRAIL and marks[BITS] & BIT_TRAILING)


@_inline
def _rise(state: Floats, marks: Ints, rules: Floats, x: float, now: int, flags: int) -> None:
    """Note a new best price and let the trailing stop and the band follow it."""
    state[LO] = _floor(state, marks, rules, x, flags)
    state[BEST] = x
    marks[PEAK] = now
    if flags & TRAIL and marks[BITS] & (BIT_TRAILING | BIT_TAKEN_OVER) == BIT_TRAILING:
        _trail(state, marks, rules, x)


@_inline
def _arm(state: Floats, marks: Ints, rules: Floats, x: float, now: int, flags: int) -> None:
    """Compute the band in which, and the time until which, no rule has anything to say."""
    lo, hi, until = state[STOP], np.inf, NEVER
    taken = marks[BITS] & BIT_TAKEN_OVER
    if flags & GUARD:
        lo = max(lo, state[GUARD_AT])
    if flags & TARGET:
        hi = min(hi, state[TARGET_AT])
    if flags & LADDER:
        hi = min(hi, min(state[RUNG], min(state[RUNG + 1], state[RUNG + 2])))
    if taken == 0:
        if flags & SCALE_IN:
            hi = min(hi, min(state[SCALE], state[SCALE + 1]))
            hi = min(hi, min(state[SCALE + 2], state[SCALE + 3]))
        if flags & QUICK:
            hi = min(hi, state[QUICK_AT])
            until = min(until, marks[QUICK_UNTIL])
        if flags & BREAK_EVEN:
            hi = min(hi, state[BE_TRIGGER])
        if flags & TRAIL:
            hi = min(hi, state[TRAIL_TRIGGER])
        if flags & TIME:
            until = min(until, min(marks[HOLD_UNTIL], min(marks[TIME_UNTIL], marks[STALE_UNTIL])))
        if flags & SESSION:
            until = min(until, min(marks[DAY_END], marks[WEEK_END]))
        if (flags & URGENCY) and rules[R_URGENCY_EXIT] == rules[R_URGENCY_EXIT]:
            entry = state[DIRECTION] * state[ENTRY]
            velocity = _velocity_level(state, marks, rules, now)
            trail = state[BEST] - rules[R_TRAIL_SIGNAL] * 0.01 * abs(state[BEST])
            loss = entry + rules[R_LOSS_LIMIT] * 0.01 * abs(entry)
            if velocity < x:
                lo = max(lo, velocity)
            if trail < x:
                lo = max(lo, trail)
            if loss < x:
                lo = max(lo, loss)
            if now < marks[DECAY_AT]:
                until = min(until, marks[DECAY_AT])
        if (flags & REQUESTS) and marks[REQUEST] != ASK_NOTHING:
            until = 0
    state[LO] = lo
    state[HI] = hi
    marks[NEXT] = until


@_inline
def _emit(
    state: Floats,
    marks: Ints,
    out: Floats,
    code: int,
    level: float,
    x: float,
    jump: bool,
    lots: int,
) -> int:
    """Take `lots` off the position at the level, or at the price where it was jumped over."""
    if jump:
        fill = x
    else:
        last = state[LAST]
        fill = min(max(level, min(last, x)), max(last, x))
    left = marks[LOTS] - lots
    out[OUT_PRICE] = fill * state[DIRECTION]
    out[OUT_LOTS] = lots
    marks[LOTS] = left
    if left == 0:
        state[BEST] = max(state[BEST], fill)
        state[WORST] = min(state[WORST], fill)
        state[LAST] = fill
        state[LO] = np.inf
        state[HI] = -np.inf
    return code


@_inline
def _half(marks: Ints) -> int:
    """At least half; all of it where less than the venue's minimum would remain."""
    held = int(marks[LOTS])
    lots = (held + 1) // 2
    return held if held - lots < marks[MIN_LOTS] else lots


@_inline
def _rung_lots(marks: Ints, rules: Floats, k: int) -> int:
    """Lots to sell at rung k: what the cumulative share asks for beyond what was sold.

    Working with the running total conserves the position to the last lot, whatever the
    fractions; a share of 1 sells the rest.
    """
    share = rules[R_SHARE + k]
    held = int(marks[LOTS])
    if share >= 1.0 - 1e-9:
        return held
    due = int(np.floor(share * marks[LOTS_BOUGHT] + 1e-9)) - marks[LADDER_SOLD]
    lots = int(min(max(due, 0), held))
    if lots < marks[MIN_LOTS]:
        return 0
    return held if held - lots < marks[MIN_LOTS] else lots


@_inline
def _trail_distance(state: Floats, rules: Floats, best: float) -> float:
    pct = float(rules[R_TRAIL_PCT] * 0.01 * abs(best))
    atr = float(rules[R_TRAIL_ATR] * state[ATR])
    mode = rules[R_TRAIL_MODE]
    if mode == MODE_PCT or atr != atr:
        return pct
    if mode == MODE_ATR:
        return atr
    return max(pct, atr)


@_inline
def _decide(
    state: Floats,
    marks: Ints,
    rules: Floats,
    x: float,
    now: int,
    jump: bool,
    out: Floats,
    flags: int,
) -> int:
    """The slow half of the step: at most one event; call again until it says NONE."""
    if marks[LOTS] == 0:
        return NONE
    taken = (marks[BITS] & BIT_TAKEN_OVER) != 0
    stop = state[STOP]
    urgent = False
    if flags & URGENCY:
        urgent = (not taken) and rules[R_URGENCY_EXIT] == rules[R_URGENCY_EXIT]
        out[OUT_URGENCY] = np.nan
        out[OUT_FIRED] = 0.0
        out[OUT_ABSENT] = 0.0

    if flags & GUARD:
        guard = state[GUARD_AT]
        if x <= guard and (jump or guard >= stop):
            return _emit(state, marks, out, GUARDED, guard, x, jump, marks[LOTS])

    # On a continuous fall the signals are met one after the other, before the stop below.
    if flags & URGENCY and urgent and (not jump) and x < state[LAST]:
        entry = state[DIRECTION] * state[ENTRY]
        a = _velocity_level(state, marks, rules, now)
        b = state[BEST] - rules[R_TRAIL_SIGNAL] * 0.01 * abs(state[BEST])
        c = entry + rules[R_LOSS_LIMIT] * 0.01 * abs(entry)
        first = max(a, max(b, c))
        third = min(a, min(b, c))
        second = max(min(a, b), min(max(a, b), c))
        for k in range(3):
            level = first if k == 0 else (second if k == 1 else third)
            if level <= stop or level < x:
                break
            at = min(level, state[LAST])
            score = _urgency(state, marks, rules, at, now, out)
            if score >= rules[R_URGENCY_EXIT]:
                return _emit(state, marks, out, URGENT_EXIT, at, x, jump, marks[LOTS])
            if score >= rules[R_URGENCY_REDUCE] and (marks[BITS] & BIT_REDUCED) == 0:
                marks[BITS] |= BIT_REDUCED
                return _emit(state, marks, out, URGENT_REDUCE, at, x, jump, _half(marks))

    if x <= stop:
        if flags & URGENCY and urgent:
            _urgency(state, marks, rules, x if jump else stop, now, out)
        return _emit(state, marks, out, marks[STOP_KIND], stop, x, jump, marks[LOTS])

    if flags & URGENCY and urgent:
        score = _urgency(state, marks, rules, x, now, out)
        if score >= rules[R_URGENCY_EXIT]:
            return _emit(state, marks, out, URGENT_EXIT, x, x, jump, marks[LOTS])
        if score >= rules[R_URGENCY_REDUCE] and (marks[BITS] & BIT_REDUCED) == 0:
            marks[BITS] |= BIT_REDUCED
            return _emit(state, marks, out, URGENT_REDUCE, x, x, jump, _half(marks))

    if flags & REQUESTS:
        ask = marks[REQUEST]
        if ask != ASK_NOTHING and not taken:
            marks[REQUEST] = ASK_NOTHING
            if ask == ASK_HALVE:
                return _emit(state, marks, out, HALVED, x, x, jump, _half(marks))
            code = CLOSED if ask == ASK_CLOSE else EVOLVED
            return _emit(state, marks, out, code, x, x, jump, marks[LOTS])

    if flags & SESSION and not taken:
        if now >= marks[DAY_END]:
            return _emit(state, marks, out, DAY_ENDED, x, x, jump, marks[LOTS])
        if now >= marks[WEEK_END]:
            return _emit(state, marks, out, WEEK_ENDED, x, x, jump, marks[LOTS])
    if flags & QUICK and (not taken) and now >= marks[QUICK_UNTIL]:
        return _emit(state, marks, out, QUICK_EXIT, x, x, jump, marks[LOTS])
    if flags & TIME and not taken:
        if now >= marks[HOLD_UNTIL]:
            return _emit(state, marks, out, HELD_OUT, x, x, jump, marks[LOTS])
        entry = state[DIRECTION] * state[ENTRY]
        if now >= marks[TIME_UNTIL]:
            # Who is in profit after costs by then is left to the trailing stop.
            marks[TIME_UNTIL] = NEVER
            if x <= state[BE_STOP]:
                return _emit(state, marks, out, TIMED_OUT, x, x, jump, marks[LOTS])
        if now >= marks[STALE_UNTIL]:
            if abs(x - entry) < rules[R_STALE_PCT] * 0.01 * abs(entry):
                return _emit(state, marks, out, STALED, x, x, jump, marks[LOTS])
            late = now - marks[STALE_UNTIL]
            marks[STALE_UNTIL] += (late // _DAY + 1) * _DAY

    while True:
        level, kind, index = np.inf, NONE, 0
        if flags & TARGET:
            level, kind = state[TARGET_AT], TOOK_PROFIT
        if flags & QUICK and (not taken) and state[QUICK_AT] < level:
            level, kind = state[QUICK_AT], QUICK_EXIT
        if flags & LADDER:
            for k in range(3):
                if state[RUNG + k] < level:
                    level, kind, index = state[RUNG + k], PARTIAL, k
        if flags & SCALE_IN and not taken:
            for k in range(SCALES):
                if state[SCALE + k] < level:
                    level, kind, index = state[SCALE + k], SCALED_IN, k
        if x < level or kind == NONE:
            break
        if kind == PARTIAL:
            state[RUNG + index] = np.inf
            marks[BITS] |= BIT_RUNG << index
            lots = _rung_lots(marks, rules, index)
            if lots > 0:
                marks[LADDER_SOLD] += lots
                out[OUT_INDEX] = index + 1
                return _emit(state, marks, out, PARTIAL, level, x, jump, lots)
        elif kind == SCALED_IN:
            state[SCALE + index] = np.inf
            lots = int(np.floor(rules[R_SCALE_SHARE + index] * marks[LOTS_INITIAL] + 1e-9))
            # Growing a position at a price that already closes it would be a round trip of costs.
            if lots >= marks[MIN_LOTS] and not (
                jump and x >= min(state[TARGET_AT], state[QUICK_AT])
            ):
                marks[SCALES_DONE] += 1
                if marks[SCALES_DONE] >= rules[R_SCALE_MAX]:
                    for k in range(SCALES):
                        state[SCALE + k] = np.inf
                out[OUT_INDEX] = index + 1
                fill = x if jump else min(max(level, min(state[LAST], x)), max(state[LAST], x))
                out[OUT_PRICE] = fill * state[DIRECTION]
                out[OUT_LOTS] = lots
                return SCALED_IN
        else:
            return _emit(state, marks, out, kind, level, x, jump, marks[LOTS])

    if x > state[BEST]:
        _rise(state, marks, rules, x, now, flags)
    if x < state[WORST]:
        state[WORST] = x
    if not taken:
        if flags & BREAK_EVEN and x >= state[BE_TRIGGER]:
            state[BE_TRIGGER] = np.inf
            if state[BE_STOP] > state[STOP]:
                state[STOP] = state[BE_STOP]
                marks[STOP_KIND] = BROKE_EVEN
        if flags & TRAIL and x >= state[TRAIL_TRIGGER]:
            state[TRAIL_TRIGGER] = np.inf
            marks[BITS] |= BIT_TRAILING
            _trail(state, marks, rules, x)
    state[LAST] = x
    _arm(state, marks, rules, x, now, flags)
    return NONE


@_inline
def _look(
    state: Floats,
    marks: Ints,
    rules: Floats,
    x: float,
    now: int,
    jump: bool,
    out: Floats,
    flags: int,
) -> int:
    if x > state[LO] and x < state[HI] and now < marks[NEXT]:
        if x > state[BEST]:
            _rise(state, marks, rules, x, now, flags)
        if x < state[WORST]:
            state[WORST] = x
        state[LAST] = x
        return NONE
    return _decide(state, marks, rules, x, now, jump, out, flags)


@_inline
def _step(
    state: Floats,
    marks: Ints,
    rules: Floats,
    price: float,
    now: int,
    jump: bool,
    out: Floats,
    flags: int,
) -> int:
    if not (price > 0.0 and price < np.inf):
        return BAD_PRICE
    if now < marks[SEEN]:
        return BAD_TIME
    marks[SEEN] = now
    return _look(state, marks, rules, price * state[DIRECTION], now, jump, out, flags)


@_inline
def _break_even(state: Floats, rules: Floats) -> None:
    """Set the break-even stop and what triggers it, from the average entry.

    The trigger is at least two buffers away: a stop set closer to the price than to the
    entry would be hit by the spread.
    """
    entry = state[DIRECTION] * state[ENTRY]
    state[BE_STOP] = entry + rules[R_BE_BUFFER] * 0.01 * abs(entry)
    activation = max(rules[R_BE_ACTIVATION], 2.0 * rules[R_BE_BUFFER])
    state[BE_TRIGGER] = np.inf
    if rules[R_BE_ACTIVATION] == rules[R_BE_ACTIVATION]:
        state[BE_TRIGGER] = entry + activation * 0.01 * abs(entry)


@_inline
def _deadline(now: int, span: float) -> int:
    return now + int(span) if span == span else NEVER


@_inline
def _open(
    state: Floats,
    marks: Ints,
    rules: Floats,
    direction: float,
    price: float,
    lots: int,
    atr: float,
    now: int,
    stop: float,
    target: float,
    flags: int,
) -> bool:
    """Fill `state` and `marks` for a fresh position; False where it would have no stop.

    `stop` and `target` are the strategy's own prices, NaN where the rules decide. Rungs at
    or beyond the target are dropped: there is nothing left to sell there.
    """
    x = direction * price
    state[DIRECTION] = direction
    state[ENTRY] = price
    state[ATR] = atr
    if stop == stop:
        level = direction * stop
    elif rules[R_STOP_PCT] == rules[R_STOP_PCT]:
        level = x - rules[R_STOP_PCT] * 0.01 * price
    else:
        level = x - rules[R_STOP_ATR] * atr
    if not level < x:
        return False
    state[STOP] = level
    state[STOP_INITIAL] = level
    state[RISK] = x - level
    state[TARGET_AT] = np.inf
    if target == target:
        state[TARGET_AT] = direction * target
    elif rules[R_TAKE_PCT] == rules[R_TAKE_PCT]:
        state[TARGET_AT] = x + rules[R_TAKE_PCT] * 0.01 * price
    elif rules[R_TAKE_ATR] == rules[R_TAKE_ATR] and atr == atr:
        state[TARGET_AT] = x + rules[R_TAKE_ATR] * atr
    if flags & LADDER:
        unit = state[RISK] if rules[R_LADDER_IN_R] == 1.0 else 0.01 * price
        for k in range(3):
            rung = x + rules[R_RUNG + k] * unit
            state[RUNG + k] = rung if rung < state[TARGET_AT] else np.inf
    if flags & SCALE_IN:
        for k in range(SCALES):
            level = x + rules[R_SCALE + k] * 0.01 * price
            on = level == level and rules[R_SCALE_MAX] >= 1.0
            state[SCALE + k] = level if on else np.inf
    if flags & QUICK:
        quick = x + rules[R_QUICK_PCT] * 0.01 * price
        state[QUICK_AT] = quick if quick == quick else np.inf
        marks[QUICK_UNTIL] = _deadline(now, rules[R_QUICK_NS])
    state[GUARD_AT] = -np.inf
    state[BEST] = x
    state[WORST] = x
    state[LAST] = x
    state[SCORE_ENTRY] = np.nan
    state[SCORE] = np.nan
    state[REGIME_ENTRY] = np.nan
    state[REGIME] = np.nan
    if flags & (BREAK_EVEN | TIME):
        _break_even(state, rules)
    if flags & TRAIL:
        trigger = x + rules[R_TRAIL_ACTIVATION] * 0.01 * price
        state[TRAIL_TRIGGER] = trigger if trigger == trigger else np.inf

    marks[OPENED] = now
    marks[SEEN] = now
    marks[PEAK] = now
    if flags & TIME:
        marks[HOLD_UNTIL] = _deadline(now, rules[R_HOLD_NS])
        marks[TIME_UNTIL] = _deadline(now, rules[R_TIME_NS])
        marks[STALE_UNTIL] = _deadline(now, rules[R_STALE_NS])
    if flags & URGENCY:
        marks[DECAY_AT] = _deadline(now, rules[R_DECAY_NS])
    if flags & SESSION:
        marks[DAY_END] = NEVER
        if rules[R_DAY_END_NS] == rules[R_DAY_END_NS]:
            marks[DAY_END] = _next_moment(now, int(rules[R_DAY_END_NS]), _DAY)
        marks[WEEK_END] = NEVER
        if rules[R_WEEK_END_NS] == rules[R_WEEK_END_NS]:
            marks[WEEK_END] = _next_moment(now, int(rules[R_WEEK_END_NS]), _WEEK)
    marks[LOTS] = lots
    marks[LOTS_INITIAL] = lots
    marks[LOTS_BOUGHT] = lots
    marks[LADDER_SOLD] = 0
    marks[MIN_LOTS] = 1
    marks[BITS] = 0
    marks[STOP_KIND] = STOPPED
    marks[REQUEST] = ASK_NOTHING
    marks[SCALES_DONE] = 0
    if flags & TRAIL and x >= state[TRAIL_TRIGGER]:
        state[TRAIL_TRIGGER] = np.inf
        marks[BITS] |= BIT_TRAILING
        _trail(state, marks, rules, x)
    _arm(state, marks, rules, x, now, flags)
    return True


@_inline
def _next_moment(now: int, offset: int, period: int) -> int:
    """The first time after `now` that lies `offset` into a day or a week."""
    moment = (now // period) * period + offset
    return moment if moment > now else moment + period


@_inline
def _decayed(state: Floats, rules: Floats) -> int:
    """1 where the entry score has decayed, 0 where it has not, −1 where it is absent."""
    if not (state[SCORE_ENTRY] > 0.0 and state[SCORE] == state[SCORE]):
        return -1
    return 1 if state[SCORE] < rules[R_DECAY] * state[SCORE_ENTRY] else 0


@_inline
def _refresh(
    state: Floats, marks: Ints, rules: Floats, atr: float, score: float, regime: float, flags: int
) -> None:
    """Take over what the close of a decision bar brought; NaN means absent.

    A fresh crash cuts the position to half and tightens its stop to the crash width.
    """
    if atr > 0.0:
        state[ATR] = atr
    same = state[REGIME] == regime or (regime != regime and state[REGIME] != state[REGIME])
    decayed = _decayed(state, rules)
    state[SCORE] = score
    if same:
        if (flags & URGENCY) and decayed != _decayed(state, rules):
            marks[NEXT] = 0
        return
    crashed = regime == REGIME_CRASH and state[REGIME] != REGIME_CRASH
    state[REGIME] = regime
    marks[NEXT] = 0
    if crashed and (marks[BITS] & BIT_TAKEN_OVER) == 0:
        if flags & REQUESTS and marks[REQUEST] == ASK_NOTHING:
            marks[REQUEST] = ASK_HALVE
        tight = state[LAST] - rules[R_CRASH_ATR] * state[ATR]
        if tight > state[STOP]:
            state[STOP] = tight
            marks[STOP_KIND] = EMERGENCY


@_inline
def _add(state: Floats, marks: Ints, rules: Floats, lots: int, price: float) -> None:
    """Grow the position: the average entry moves, and with it where it breaks even."""
    held = marks[LOTS]
    state[ENTRY] = (state[ENTRY] * held + price * lots) / (held + lots)
    marks[LOTS] = held + lots
    marks[LOTS_BOUGHT] += lots
    _break_even(state, rules)


@_inline
def _sell(
    book: Floats,
    code_lots: float,
    price: float,
    direction: float,
    entry: float,
    lot: float,
    fee: float,
    half_spread: float,
) -> None:
    quantity = code_lots * lot
    got = price * (1.0 - direction * half_spread)
    gain = direction * (got - entry) * quantity
    cost = fee * got * quantity
    book[_CASH] += gain - cost
    book[BOOK_PNL] += gain
    book[BOOK_FEES] += cost
    book[_SOLD] += quantity
    book[_VALUE] += got * quantity


@_inline
def _bar(
    state: Floats,
    marks: Ints,
    rules: Floats,
    out: Floats,
    book: Floats,
    account: Floats,
    o: float,
    h: float,
    low: float,
    c: float,
    open_ns: int,
    span: int,
    fresh: bool,
    flags: int,
) -> int:
    """One bar as a path of four prices, adverse extreme first; the last event's code.

    `fresh` marks the bar at whose open the position was opened: there the path is
    continuous from its first price.
    """
    direction = state[DIRECTION]
    code = NONE
    third = span // 3
    x = direction * o
    now = open_ns
    for k in range(4):
        if k == 1:
            x, now = direction * (low if direction > 0.0 else h), open_ns + third
        elif k == 2:
            x, now = direction * (h if direction > 0.0 else low), open_ns + 2 * third
        elif k == 3:
            x, now = direction * c, open_ns + span
        jump = k == 0 and not fresh
        while True:
            event = _look(state, marks, rules, x, now, jump, out, flags)
            if event <= NONE:
                break
            if event == SCALED_IN:
                lots = int(out[OUT_LOTS])
                paid = out[OUT_PRICE] * (1.0 + direction * account[ACCOUNT_HALF_SPREAD])
                _add(state, marks, rules, lots, paid)
                quantity = lots * account[ACCOUNT_LOT]
                cost = account[ACCOUNT_FEE] * paid * quantity
                book[_CASH] -= cost
                book[BOOK_FEES] += cost
                book[_ENTERED] += quantity
                book[_ENTRY_VALUE] += paid * quantity
                continue
            code = event
            _sell(
                book,
                out[OUT_LOTS],
                out[OUT_PRICE],
                direction,
                state[ENTRY],
                account[ACCOUNT_LOT],
                account[ACCOUNT_FEE],
                account[ACCOUNT_HALF_SPREAD],
            )
            if marks[LOTS] == 0:
                return code
    return code


@_inline
def _enter(
    state: Floats,
    marks: Ints,
    rules: Floats,
    book: Floats,
    account: Floats,
    direction: float,
    open_price: float,
    atr: float,
    now: int,
    flags: int,
) -> bool:
    """Open at the bar's first price with a share of the cash; False where it can't be."""
    price = open_price * (1.0 + direction * account[ACCOUNT_HALF_SPREAD])
    lot = account[ACCOUNT_LOT]
    lots = int(np.floor(book[_CASH] * account[ACCOUNT_STAKE] / (price * lot)))
    if lots < 1 or not atr > 0.0:
        return False
    if not _open(state, marks, rules, direction, price, lots, atr, now, np.nan, np.nan, flags):
        return False
    quantity = lots * lot
    cost = account[ACCOUNT_FEE] * price * quantity
    book[_CASH] -= cost
    book[BOOK_PNL] = 0.0
    book[BOOK_FEES] = cost
    book[_SOLD] = 0.0
    book[_VALUE] = 0.0
    book[_ENTERED] = quantity
    book[_ENTRY_VALUE] = price * quantity
    return True


@_outlined
def _write_trade(
    trades: Floats, n: int, state: Floats, book: Floats, entry_bar: int, exit_bar: int, code: int
) -> None:
    if n >= trades.shape[0]:
        return
    entry = book[_ENTRY_VALUE] / book[_ENTERED]
    x = state[DIRECTION] * entry
    trades[n, TRADE_ENTRY_BAR] = entry_bar
    trades[n, TRADE_EXIT_BAR] = exit_bar
    trades[n, TRADE_DIRECTION] = state[DIRECTION]
    trades[n, TRADE_ENTRY_PRICE] = entry
    trades[n, TRADE_EXIT_PRICE] = book[_VALUE] / book[_SOLD]
    trades[n, TRADE_QUANTITY] = book[_ENTERED]
    trades[n, TRADE_PNL] = book[BOOK_PNL] - book[BOOK_FEES]
    trades[n, TRADE_FEES] = book[BOOK_FEES]
    trades[n, TRADE_CODE] = code
    trades[n, TRADE_MFE] = 100.0 * max(state[BEST] - x, 0.0) / entry
    trades[n, TRADE_MAE] = 100.0 * max(x - state[WORST], 0.0) / entry


@_inline
def _run(
    opens: Floats,
    highs: Floats,
    lows: Floats,
    closes: Floats,
    times: Ints,
    atr: Floats,
    signal: Signals,
    score: Floats,
    regime: Floats,
    rules: Floats,
    account: Floats,
    equity: Floats,
    trades: Floats,
    state: Floats,
    marks: Ints,
    out: Floats,
    book: Floats,
    flags: int,
) -> tuple[int, float, float]:
    n = closes.shape[0]
    book[_CASH] = account[ACCOUNT_CASH]
    span = times[1] - times[0] if n > 1 else 0
    half_spread = account[ACCOUNT_HALF_SPREAD]
    lot = account[ACCOUNT_LOT]
    keep_fast, keep_slow = 1.0 - account[ACCOUNT_FAST], 1.0 - account[ACCOUNT_SLOW]
    take_fast, take_slow = account[ACCOUNT_FAST], account[ACCOUNT_SLOW]
    fast = slow = closes[0]
    above = 0
    count = 0
    direction, quantity, entry = 0.0, 0.0, 0.0
    lo, hi, until = -np.inf, np.inf, NEVER
    best, worst = 0.0, 0.0
    follows = False
    want, entry_bar = 0, 0
    cash = peak = account[ACCOUNT_CASH]
    drawdown = 0.0
    for i in range(n):
        if want != 0:
            if direction != 0.0 and direction * want < 0.0:
                state[BEST] = max(best, direction * opens[i])
                state[WORST] = min(worst, direction * opens[i])
                _sell(
                    book,
                    marks[LOTS],
                    opens[i],
                    direction,
                    entry,
                    lot,
                    account[ACCOUNT_FEE],
                    half_spread,
                )
                _write_trade(trades, count, state, book, entry_bar, i, SIGNALLED)
                count += 1
                direction = quantity = 0.0
                cash = book[_CASH]
            if direction == 0.0 and _enter(
                state,
                marks,
                rules,
                book,
                account,
                np.float64(want),
                opens[i],
                atr[i - 1],
                times[i],
                flags,
            ):
                direction = np.float64(want)
                entry_bar = i
                entry = state[ENTRY]
                quantity = direction * marks[LOTS] * lot
                cash = book[_CASH]
                lo, hi, until = state[LO], state[HI], marks[NEXT]
                best, worst = state[BEST], state[WORST]
                follows = _follows(marks, rules, flags)
                if flags & REFRESH:
                    state[SCORE_ENTRY] = state[SCORE] = score[i - 1]
                    state[REGIME_ENTRY] = state[REGIME] = regime[i - 1]
        if direction != 0.0:
            if direction > 0.0:
                low, high = lows[i], highs[i]
            else:
                low, high = -highs[i], -lows[i]
            quiet = low > lo and high < hi and times[i] + span < until
            if flags & (TRAIL | URGENCY) and follows and quiet and high > best:
                floor = _floor(state, marks, rules, high, flags)
                # The open must not be the new best itself: the adverse extreme comes after it.
                quiet = direction * opens[i] <= best and direction * closes[i] > floor
                if quiet:
                    _rise(state, marks, rules, high, times[i] + 2 * (span // 3), flags)
                    lo = floor
            if quiet:
                best = max(best, high)
                worst = min(worst, low)
            else:
                state[BEST] = best
                state[WORST] = worst
                if i != entry_bar:
                    state[LAST] = direction * closes[i - 1]
                code = _bar(
                    state,
                    marks,
                    rules,
                    out,
                    book,
                    account,
                    opens[i],
                    highs[i],
                    lows[i],
                    closes[i],
                    times[i],
                    span,
                    i == entry_bar,
                    flags,
                )
                cash = book[_CASH]
                if marks[LOTS] == 0:
                    _write_trade(trades, count, state, book, entry_bar, i, code)
                    count += 1
                    direction = quantity = 0.0
                else:
                    entry = state[ENTRY]
                    quantity = direction * marks[LOTS] * lot
                    lo, hi, until = state[LO], state[HI], marks[NEXT]
                    best, worst = state[BEST], state[WORST]
                    follows = _follows(marks, rules, flags)
            if flags & REFRESH:
                if direction != 0.0:
                    state[LAST] = direction * closes[i]
                    _refresh(state, marks, rules, atr[i], score[i], regime[i], flags)
                    lo, until = state[LO], marks[NEXT]
            else:
                state[ATR] = atr[i]
        worth = cash + quantity * (closes[i] - entry)
        peak = max(peak, worth)
        drawdown = max(drawdown, (peak - worth) / peak)
        if flags & EQUITY:
            equity[i] = worth
        if flags & EMA_CROSS:
            fast = keep_fast * fast + take_fast * closes[i]
            slow = keep_slow * slow + take_slow * closes[i]
            side = 1 if fast > slow else -1
            want = side if side != above and above != 0 else 0
            above = side
        else:
            want = signal[i]
    if direction != 0.0:
        state[BEST], state[WORST] = best, worst
        _sell(
            book,
            marks[LOTS],
            closes[n - 1],
            direction,
            entry,
            lot,
            account[ACCOUNT_FEE],
            half_spread,
        )
        _write_trade(trades, count, state, book, entry_bar, n - 1, ENDED)
        count += 1
    return count, book[_CASH], drawdown


# ---- what the rest of the engine calls. Flags are closed over, so the compiler sees constants,
# ---- and the cache on disk is keyed by them.


class Step(Protocol):
    """`step(state, marks, rules, price, now_ns, jump, out)` → code of one event or NONE.

    `jump` says that the market was not seen between the last price and this one (a tick, an
    open): what was jumped over fills at the price, otherwise at its own level. After an
    event call again with the same price until it says NONE, negative codes excepted.
    """

    def __call__(
        self,
        state: Floats,
        marks: Ints,
        rules: Floats,
        price: float,
        now_ns: int,
        jump: bool,
        out: Floats,
        /,
    ) -> int: ...


@cache
def make_step(flags: int = ALL_RULES) -> Step:
    """The step with the rules in `flags`, compiled on first call and cached on disk."""

    @_compiled
    def step(
        state: Floats,
        marks: Ints,
        rules: Floats,
        price: float,
        now_ns: int,
        jump: bool,
        out: Floats,
    ) -> int:
        return _step(state, marks, rules, price, now_ns, jump, out, flags)

    return step


Path = Callable[..., int]
"""`path(state, marks, rules, four prices, their four times, out)` → `PATH` times the code of the
first price that does something, plus its index; `QUIET` when none does."""

PATH = 8
QUIET = NONE * PATH + 3


@cache
def make_path(flags: int = ALL_RULES) -> Path:
    """A bar's path through the step in one call: nearly every bar does nothing on all four."""
    step = make_step(flags)

    @_compiled
    def path(
        state: Floats,
        marks: Ints,
        rules: Floats,
        first: float,
        second: float,
        third: float,
        last: float,
        first_ns: int,
        second_ns: int,
        third_ns: int,
        last_ns: int,
        out: Floats,
    ) -> int:
        code = step(state, marks, rules, first, first_ns, True, out)
        if code != NONE:
            return code * PATH
        code = step(state, marks, rules, second, second_ns, False, out)
        if code != NONE:
            return code * PATH + 1
        code = step(state, marks, rules, third, third_ns, False, out)
        if code != NONE:
            return code * PATH + 2
        return step(state, marks, rules, last, last_ns, False, out) * PATH + 3

    return path


@_compiled
def open_position(
    state: Floats,
    marks: Ints,
    rules: Floats,
    direction: float,
    price: float,
    lots: int,
    atr: float,
    now_ns: int,
    stop: float,
    target: float,
) -> bool:
    """Fill the arrays for a fresh position; False where its stop would not protect it."""
    return _open(state, marks, rules, direction, price, lots, atr, now_ns, stop, target, ALL_RULES)


@_compiled
def refresh(
    state: Floats, marks: Ints, rules: Floats, atr: float, score: float, regime: float
) -> None:
    """Take over ATR, entry score and regime of a closed decision bar; NaN means absent."""
    _refresh(state, marks, rules, atr, score, regime, ALL_RULES)


@_compiled
def add_lots(state: Floats, marks: Ints, rules: Floats, lots: int, price: float) -> None:
    """Grow the position by what was filled, at the price it was filled at."""
    _add(state, marks, rules, lots, price)
    marks[NEXT] = 0


BAR_ATR, BAR_SCORE, BAR_REGIME = 4, 5, 6
BAR_SIZE = 7
"""Columns of a bar that is walked: open, high, low, close, and what its close brought (ATR NaN:
it closed no decision bar)."""


@_compiled
def walk(
    state: Floats,
    marks: Ints,
    rules: Floats,
    out: Floats,
    book: Floats,
    account: Floats,
    bars: Floats,
    times: Ints,
    span: int,
) -> tuple[int, int]:
    """Take one position along bars as `PositionWatch.on_bar` would, until it is closed.

    `bars` has `BAR_SIZE` columns, `times` their opens, `span` their length in nanoseconds.
    Lots are sold into `book` at the levels of the step; of `account` only the lot, the fee and
    the half spread are read. Returns the last event's code and how many bars were walked.
    """
    code = NONE
    for i in range(bars.shape[0]):
        event = _bar(
            state,
            marks,
            rules,
            out,
            book,
            account,
            bars[i, 0],
            bars[i, 1],
            bars[i, 2],
            bars[i, 3],
            times[i],
            span,
            False,
            ALL_RULES,
        )
        if event != NONE:
            code = event
        if marks[LOTS] == 0:
            return code, i + 1
        if bars[i, BAR_ATR] > 0.0:
            _refresh(
                state,
                marks,
                rules,
                bars[i, BAR_ATR],
                bars[i, BAR_SCORE],
                bars[i, BAR_REGIME],
                ALL_RULES,
            )
    return code, bars.shape[0]


Run = Callable[..., tuple[int, float, float]]
"""`run(opens, highs, lows, closes, times, atr, signal, score, regime, rules, account, equity,
trades)` → number of trades, cash at the end, largest drawdown as a share of peak equity."""


@cache
def make_run(flags: int) -> Run:
    """The step in a loop over bars, with entries, costs and equity.

    A signal (int8, +1 long, −1 short, 0 none) at the close of a bar is traded at the next
    open; an opposite one closes first. `times` are bar opens; `score`, `regime`, `equity`
    are read or written only under their flags and may be empty otherwise. `trades` takes as
    many rows as it has; the count goes on.
    """

    @_compiled
    def loop(
        opens: Floats,
        highs: Floats,
        lows: Floats,
        closes: Floats,
        times: Ints,
        atr: Floats,
        signal: Signals,
        score: Floats,
        regime: Floats,
        rules: Floats,
        account: Floats,
        equity: Floats,
        trades: Floats,
        state: Floats,
        marks: Ints,
        out: Floats,
        book: Floats,
    ) -> tuple[int, float, float]:
        return _run(
            opens, highs, lows, closes, times, atr, signal, score, regime, rules, account,
            equity, trades, state, marks, out, book, flags,
        )  # fmt: skip

    def run(
        opens: Floats,
        highs: Floats,
        lows: Floats,
        closes: Floats,
        times: Ints,
        atr: Floats,
        signal: Signals,
        score: Floats,
        regime: Floats,
        rules: Floats,
        account: Floats,
        equity: Floats,
        trades: Floats,
    ) -> tuple[int, float, float]:
        # What the loop works in is made here, since it can't allocate.
        return loop(
            opens, highs, lows, closes, times, atr, signal, score, regime, rules, account,
            equity, trades, np.zeros(STATE_SIZE), np.zeros(MARKS_SIZE, np.int64),
            np.zeros(OUT_SIZE), np.zeros(BOOK_SIZE),
        )  # fmt: skip

    return run
