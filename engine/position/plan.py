"""The exit plan of one position: every level and deadline it starts with, and where from.

A person approves an entry together with how it will be left, so the plan is made before the
order, from the parameters in force, and can say of each of its numbers who gave it. The levels
themselves come out of the compiled `open_position`, so that plan and step can't disagree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from engine.core.clock import DAY, HOUR, MINUTE
from engine.core.errors import QuarterdeckError
from engine.core.parameters import Parameter, Parameters, Value
from engine.core.regimes import Regime
from engine.core.types import Direction
from engine.position import settings, step
from engine.position.settings import PROFILES, Profile

NAN = math.nan

REGIME_CODES = {
    Regime.STRONG_BULL: 2.0,
    Regime.BULL: 1.0,
    Regime.SIDEWAYS: 0.0,
    Regime.BEAR: -1.0,
    Regime.STRONG_BEAR: -2.0,
    Regime.HIGH_VOL: step.REGIME_HIGH_VOL,
    Regime.CRASH: step.REGIME_CRASH,
}

FRIDAY_END = 2 * DAY
"""Saturday 00:00 UTC within a week that begins on a Thursday, as the epoch did."""

MOST_TARGETS = 4

_NO_STATE = np.full(step.STATE_SIZE, NAN)


def regime_code(regime: str | None) -> float:
    """The compiled step's number for a regime, NaN for one that is not known."""
    try:
        return REGIME_CODES[Regime(regime)] if regime else NAN
    except ValueError:
        return NAN


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is known of a position when it is opened.

    `lots` counts lots of `lot_size` (base currency). `atr` is in quote currency, NaN while
    it warms up. `stop` and `targets` are prices and `stop_pct`, `target_pct` percentages the
    strategy itself asks for; None leaves them to the parameters. `strategy` is None for a
    position that no strategy owns. Fees are shares of notional per side, `spread` a share of
    the price. `day_end_ns` and `week_end_ns` come from the market's calendar; without them
    the UTC day and week hold. `max_hold_ns` is the strategy's own, such as an evolved one's.
    """

    symbol: str
    direction: Direction
    price: float
    lots: int
    lot_size: float
    opened_ns: int
    atr: float
    fee: float
    spread: float
    strategy: str | None
    regime: str | None = None
    profile: str = "balanced"
    stop: float | None = None
    targets: tuple[float, ...] = ()
    stop_pct: float | None = None
    target_pct: float | None = None
    score: float = NAN
    diamond: bool = False
    min_lots: int = 1
    day_end_ns: int | None = None
    week_end_ns: int | None = None
    max_hold_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One number of a plan: what it is, its value, its unit, and who gave it."""

    name: str
    value: float
    unit: str
    source: str


@dataclass(frozen=True, slots=True)
class ExitPlan:
    """How a position will be left. The arrays are what the watch starts from; copy them."""

    entry: Entry
    rules: step.Floats
    state: step.Floats
    marks: step.Ints

    @property
    def stop(self) -> float:
        return float(self.state[step.STOP] * self.state[step.DIRECTION])

    @property
    def targets(self) -> tuple[float, ...]:
        """Prices of the rungs and the take-profit, nearest first."""
        return target_prices(self.state)


def target_prices(state: step.Floats) -> tuple[float, ...]:
    """The favourable levels at which lots are sold, as prices, nearest first."""
    levels = sorted([*state[step.RUNG : step.RUNG + 3], state[step.TARGET_AT]])
    return tuple(float(x * state[step.DIRECTION]) for x in levels if math.isfinite(x))


def split_targets(
    state: step.Floats, marks: step.Ints, rules: step.Floats, prices: tuple[float, ...]
) -> None:
    """Sell what is held in equal parts at these prices, all that is left at the furthest."""
    levels = sorted(price * state[step.DIRECTION] for price in prices)
    sold, held = marks[step.LADDER_SOLD], marks[step.LOTS]
    for k in range(3):
        rung = k < len(levels) - 1
        state[step.RUNG + k] = levels[k] if rung else math.inf
        if rung:
            part = held * (k + 1) / len(levels)
            rules[step.R_SHARE + k] = (sold + part) / marks[step.LOTS_BOUGHT]
    state[step.TARGET_AT] = levels[-1] if levels else math.inf
    marks[step.NEXT] = 0


class _Reader:
    """Reads parameters for one entry and keeps a line of each number that was used."""

    def __init__(self, parameters: Parameters, entry: Entry) -> None:
        self._parameters = parameters
        self._key = (entry.symbol, entry.regime, entry.strategy)
        self.lines: list[Line] = []

    def get(self, parameter: Parameter, name: str = "") -> float:
        value = float(self._parameters.get(parameter, *self._key))
        if name:
            self.note(name, value, parameter.unit, self.source(parameter))
        return value

    def on(self, parameter: Parameter) -> bool:
        return bool(self._parameters.get(parameter, *self._key))

    def chosen(self, parameter: Parameter, by_profile: Value) -> str:
        """The text that is set by name, otherwise the profile's."""
        if self.is_set(parameter):
            return str(self._parameters.get(parameter, *self._key))
        return str(by_profile)

    def is_set(self, parameter: Parameter) -> bool:
        return self._parameters.setting(parameter.name, *self._key).origin != "default"

    def source(self, parameter: Parameter) -> str:
        origin = self._parameters.setting(parameter.name, *self._key).origin
        return f"{parameter.name} ({origin})"

    def note(self, name: str, value: float, unit: str, source: str) -> None:
        self.lines.append(Line(name, value, unit, source))


@dataclass(frozen=True, slots=True)
class _Template:
    """The rules of every entry that differs in its numbers alone; `buffer` is the break-even
    buffer that was asked for, before costs."""

    rules: step.Floats
    ladder: bool
    buffer: float
    lines: tuple[Line, ...]


def plan_exits(parameters: Parameters, entry: Entry) -> ExitPlan:
    """Work out stop, targets and deadlines of an entry, or say why it can't be protected.

    Raises `QuarterdeckError` for an entry without a usable stop, an unknown profile or a
    price, size or target that can't be.
    """
    _checked(entry)
    template = _template(parameters, entry)
    rules = template.rules.copy()
    rules[step.R_BE_BUFFER] = max(template.buffer, _costs(entry))
    plan = _opened(entry, rules, template.ladder)
    if plan is None:
        raise QuarterdeckError(
            f"{entry.symbol}: no stop can be set below a long or above a short entry",
            "the ATR is still warming up and the strategy gave no stop of its own"
            if not entry.atr > 0
            else f"entry {entry.price:g}, ATR {entry.atr:g}, strategy's stop {entry.stop}",
        )
    return plan


def explained(parameters: Parameters, plan: ExitPlan) -> tuple[Line, ...]:
    """Each number of a plan that these parameters made, and who gave it."""
    entry = plan.entry
    return (
        *_worked_out(parameters, entry).lines,
        Line("stop", plan.stop, "price", "at entry"),
        *(Line(f"target {k}", at, "price", "at entry") for k, at in enumerate(plan.targets, 1)),
    )


def _template(parameters: Parameters, entry: Entry) -> _Template:
    """Worked out once for all entries of a kind, until a parameter moves."""
    if (entry.stop_pct, entry.target_pct, entry.max_hold_ns) != (None, None, None):
        return _worked_out(parameters, entry)
    kind = (
        plan_exits, entry.symbol, entry.regime, entry.strategy, entry.profile,
        entry.stop is None, min(len(entry.targets), 2), entry.diamond,
    )  # fmt: skip
    known = parameters.derived.get(kind)
    if known is None:
        known = parameters.derived[kind] = _worked_out(parameters, entry)
    assert isinstance(known, _Template)
    return known


def _worked_out(parameters: Parameters, entry: Entry) -> _Template:
    profile = PROFILES[entry.profile]
    read = _Reader(parameters, entry)
    rules = np.full(step.RULES_SIZE, NAN)
    _stop(rules, read, entry)
    buffer = _break_even(rules, read, entry, profile)
    _trailing(rules, read, profile)
    ladder = _ladder(rules, read, entry, profile)
    _target(rules, read, entry, ladder)
    if profile.scale_in:
        _scale_ins(rules, read)
    _times(rules, read, entry, profile)
    if profile.urgency:
        _urgency(rules, read)
    if entry.diamond:
        rules[step.R_QUICK_PCT] = read.get(settings.QUICK_PCT, "quick exit")
        rules[step.R_QUICK_NS] = read.get(settings.QUICK_MIN, "quick exit age") * MINUTE
    rules[step.R_CRASH_ATR] = read.get(settings.STOP_ATR_BY_REGIME[Regime.CRASH])
    return _Template(rules, ladder, buffer, tuple(read.lines))


def _opened(entry: Entry, rules: step.Floats, ladder: bool) -> ExitPlan | None:
    """The plan of an entry by rules that become its own; None where no stop protects it."""
    state = _NO_STATE.copy()
    marks = np.zeros(step.MARKS_SIZE, np.int64)
    own_stop = NAN if entry.stop is None else float(entry.stop)
    opened = step.open_position(
        state, marks, rules, float(entry.direction.sign), float(entry.price), entry.lots,
        float(entry.atr), entry.opened_ns, own_stop, _furthest(entry),
    )  # fmt: skip
    if not opened:
        return None
    _finish(state, marks, rules, entry, ladder)
    return ExitPlan(entry, rules, state, marks)


def _furthest(entry: Entry) -> float:
    """The furthest of the entry's own targets, NaN where it has none."""
    return max(entry.targets, key=lambda t: abs(t - entry.price)) if entry.targets else NAN


def reopened(plan: ExitPlan, rules: step.Floats) -> ExitPlan | None:
    """The plan of the same entry with other rules; None where they can't protect it.

    For searches that try many values: it works out levels and deadlines anew and reads no
    parameter.
    """
    ladder = not math.isnan(rules[step.R_SHARE]) or len(plan.entry.targets) > 1
    return _opened(plan.entry, rules.copy(), ladder)


def _checked(entry: Entry) -> None:
    if entry.profile not in PROFILES:
        raise QuarterdeckError(
            f"there is no exit profile {entry.profile!r}", f"known: {', '.join(PROFILES)}"
        )
    if not (0 < entry.price < math.inf) or entry.lots < 1 or not entry.lot_size > 0:
        raise QuarterdeckError(
            f"{entry.symbol}: an entry needs a price and at least one lot",
            f"got price {entry.price} and {entry.lots} lots of {entry.lot_size}",
        )
    if not (entry.fee >= 0 and entry.spread >= 0):
        raise QuarterdeckError(
            f"{entry.symbol}: fee and spread must be known to protect an entry",
            f"got fee {entry.fee} and spread {entry.spread}",
        )
    sign = entry.direction.sign
    wrong = [t for t in entry.targets if not (t - entry.price) * sign > 0]
    if wrong or len(entry.targets) > MOST_TARGETS:
        raise QuarterdeckError(
            f"{entry.symbol}: targets must lie on the profitable side, {MOST_TARGETS} at most",
            f"entry {entry.price:g}, targets {', '.join(f'{t:g}' for t in entry.targets)}",
        )


def _stop(rules: step.Floats, read: _Reader, entry: Entry) -> None:
    """The strategy's own price or percentage, else ATR: set by name, regime table, fall-back."""
    if entry.stop is not None:
        read.note("initial stop", entry.stop, "price", f"strategy {entry.strategy}")
        return
    if entry.stop_pct is not None:
        rules[step.R_STOP_PCT] = entry.stop_pct
        read.note("initial stop", entry.stop_pct, "%", f"strategy {entry.strategy}")
        return
    family = None
    if entry.regime and not math.isnan(regime_code(entry.regime)):
        family = Regime(entry.regime).family
    if entry.strategy is None:
        parameter = settings.STOP_ATR_FALLBACK
    elif family is None or read.is_set(settings.STOP_ATR):
        parameter = settings.STOP_ATR
    else:
        parameter = settings.STOP_ATR_BY_REGIME[family]
    rules[step.R_STOP_ATR] = read.get(parameter, "initial stop")


def _costs(entry: Entry) -> float:
    """Round-trip fees and half the spread in percent of the entry price.

    The exit fee is paid on the higher exit price, hence the division.
    """
    return 100.0 * (2.0 * entry.fee + 0.5 * entry.spread) / (1.0 - entry.fee)


def _break_even(rules: step.Floats, read: _Reader, entry: Entry, profile: Profile) -> float:
    """Where a position breaks even: never below its costs. Returns the buffer asked for."""
    costs = _costs(entry)
    asked = read.get(settings.BE_BUFFER)
    rules[step.R_BE_BUFFER] = max(asked, costs)
    source = read.source(settings.BE_BUFFER) if asked >= costs else "round-trip costs"
    if profile.break_even:
        rules[step.R_BE_ACTIVATION] = read.get(settings.BE_ACTIVATION, "break-even from")
        read.note("break-even buffer", float(rules[step.R_BE_BUFFER]), "%", source)
    return asked


def _trailing(rules: step.Floats, read: _Reader, profile: Profile) -> None:
    rules[step.R_TRAIL_ACTIVATION] = 0.0
    if profile.trail_activation is not None:
        rules[step.R_TRAIL_ACTIVATION] = read.get(profile.trail_activation, "trailing from")
    rules[step.R_TRAIL_PCT] = read.get(profile.trail_pct, "trailing distance")
    rules[step.R_TRAIL_ATR] = read.get(settings.TRAIL_ATR, "trailing distance")
    mode = read.chosen(settings.TRAIL_MODE, profile.trail_mode)
    rules[step.R_TRAIL_MODE] = {
        "pct": step.MODE_PCT, "atr": step.MODE_ATR, "max": step.MODE_MAX,
    }[mode]  # fmt: skip


def _ladder(rules: step.Floats, read: _Reader, entry: Entry, profile: Profile) -> bool:
    """Fill in the rungs; False where partial exits are off. Several own targets replace it."""
    if not read.on(settings.PARTIALS):
        read.note("partial exits", 0.0, "", read.source(settings.PARTIALS))
        return False
    if len(entry.targets) > 1:
        return True
    name = read.chosen(settings.LADDER, profile.ladder)
    rungs, fractions = {
        "r_multiple": (settings.LADDER_R, (settings.LADDER_FRACTION,) * 3),
        "flow": (settings.FLOW_RUNGS, settings.FLOW_FRACTIONS),
        "ml": (settings.ML_RUNGS, settings.ML_FRACTIONS),
    }[name]
    rules[step.R_LADDER_IN_R] = 1.0 if name == "r_multiple" else 0.0
    share = 0.0
    steps = sorted(
        (read.get(rung), read.get(fraction), k)
        for k, (rung, fraction) in enumerate(zip(rungs, fractions, strict=True))
    )
    for k, (distance, fraction, which) in enumerate(steps):
        share = min(1.0, share + fraction / 100.0)
        rules[step.R_RUNG + k] = distance
        rules[step.R_SHARE + k] = share
        read.note(f"rung {k + 1}", distance, rungs[which].unit, read.source(rungs[which]))
        read.note(f"rung {k + 1} sells", fraction, "%", read.source(fractions[which]))
    return True


def _target(rules: step.Floats, read: _Reader, entry: Entry, ladder: bool) -> None:
    """The strategy's own target, else ATR; beside a ladder the runner has none but the trail."""
    if entry.targets:
        read.note("take-profit", _furthest(entry), "price", f"strategy {entry.strategy}")
    elif entry.target_pct is not None:
        rules[step.R_TAKE_PCT] = entry.target_pct
        read.note("take-profit", entry.target_pct, "%", f"strategy {entry.strategy}")
    elif not ladder:
        rules[step.R_TAKE_ATR] = read.get(settings.TAKE_ATR, "take-profit")


def _scale_ins(rules: step.Floats, read: _Reader) -> None:
    rules[step.R_SCALE_MAX] = read.get(settings.SCALE_MAX, "scale-ins at most")
    first, second = (read.get(level) for level in settings.SCALE_LEVELS)
    shares = [read.get(fraction) for fraction in settings.SCALE_FRACTIONS]
    for k in range(step.SCALES):
        # Beyond the second, levels go on in the same stride and add the same again.
        level = first + k * (second - first)
        share = shares[min(k, 1)]
        rules[step.R_SCALE + k] = level
        rules[step.R_SCALE_SHARE + k] = share / 100.0
        if k < 2:
            read.note(f"scale-in {k + 1}", level, "%", read.source(settings.SCALE_LEVELS[k]))
            read.note(
                f"scale-in {k + 1} adds", share, "%", read.source(settings.SCALE_FRACTIONS[k])
            )


def _times(rules: step.Floats, read: _Reader, entry: Entry, profile: Profile) -> None:
    hold = read.get(settings.MAX_HOLDING, "longest holding") * DAY
    if entry.max_hold_ns is not None and entry.max_hold_ns < hold:
        hold = float(entry.max_hold_ns)
        read.note("longest holding", hold / DAY, "days", f"strategy {entry.strategy}")
    rules[step.R_HOLD_NS] = hold
    if profile.time_exit:
        rules[step.R_TIME_NS] = read.get(settings.TIME_EXIT, "in profit within") * MINUTE
        rules[step.R_STALE_NS] = read.get(settings.STALE_DAYS, "stale from") * DAY
        rules[step.R_STALE_PCT] = read.get(settings.STALE_PNL, "stale below")
    if read.on(settings.DAY_FLAT):
        rules[step.R_DAY_END_NS] = DAY
    if read.on(settings.WEEKEND_FLAT):
        rules[step.R_WEEK_END_NS] = FRIDAY_END


def _urgency(rules: step.Floats, read: _Reader) -> None:
    rules[step.R_URGENCY_EXIT] = read.get(settings.URGENCY_EXIT, "urgent exit from")
    rules[step.R_URGENCY_REDUCE] = read.get(settings.URGENCY_REDUCE, "urgent cut from")
    rules[step.R_DECAY] = read.get(settings.SIGNAL_DECAY)
    rules[step.R_VELOCITY] = read.get(settings.DRAWDOWN_VELOCITY)
    rules[step.R_DECAY_NS] = read.get(settings.TIME_DECAY) * HOUR
    rules[step.R_LOSS_LIMIT] = read.get(settings.LOSS_LIMIT)
    rules[step.R_TRAIL_SIGNAL] = read.get(settings.TRAIL_STOP)
    for k, weight in enumerate(settings.SIGNAL_WEIGHTS):
        rules[step.R_WEIGHT + k] = read.get(weight)


def _finish(
    state: step.Floats, marks: step.Ints, rules: step.Floats, entry: Entry, ladder: bool
) -> None:
    """What only this entry knows: calendar, smallest order, score, regime, its own targets."""
    marks[step.MIN_LOTS] = max(1, entry.min_lots)
    if entry.day_end_ns is not None and not math.isnan(rules[step.R_DAY_END_NS]):
        marks[step.DAY_END] = entry.day_end_ns
    if entry.week_end_ns is not None and not math.isnan(rules[step.R_WEEK_END_NS]):
        marks[step.WEEK_END] = entry.week_end_ns
    state[step.SCORE_ENTRY] = state[step.SCORE] = entry.score
    state[step.REGIME_ENTRY] = state[step.REGIME] = regime_code(entry.regime)
    if len(entry.targets) > 1 and ladder:
        split_targets(state, marks, rules, entry.targets)
    marks[step.NEXT] = 0
