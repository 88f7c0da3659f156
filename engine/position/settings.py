"""The numbers of the exit rules, and the named sets of them.

The compiled step reads one flat array; this module is where each of its numbers comes from.
A profile picks rules and where two seeds differ on the same rule it picks whose number; what
a person or a learner has set by name always wins over a profile.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.core.parameters import Parameter, declare
from engine.core.regimes import Regime

# Initial stop.
STOP_ATR = declare(
    "exit.stop_atr_mult", 2.0, low=1.0, high=3.0, step=0.25, unit="ATR", scopes="GRYT", risk=+1,
    doc="Initial stop distance where the regime is unknown, or for a scope where it is set.",
)  # fmt: skip
STOP_ATR_FALLBACK = declare(
    "risk.stop_atr_default", 1.0, low=0.5, high=3.0, step=0.25, unit="ATR", scopes="GT", risk=+1,
    doc="Initial stop distance of a position that no strategy owns.",
)  # fmt: skip
STOP_ATR_BY_REGIME: dict[Regime, Parameter] = {
    Regime.BULL: declare(
        "regime.stop_atr_bull", 2.5, low=1.0, high=3.5, step=0.25, unit="ATR", scopes="GY",
        risk=+1, doc="Initial stop distance of positions opened in a rising market.",
    ),
    Regime.BEAR: declare(
        "regime.stop_atr_bear", 1.5, low=1.0, high=3.0, step=0.25, unit="ATR", scopes="GY",
        risk=+1, doc="Initial stop distance of positions opened in a falling market.",
    ),
    Regime.CRASH: declare(
        "regime.stop_atr_crash", 1.0, low=0.5, high=2.0, step=0.25, unit="ATR", scopes="GY",
        risk=+1, doc="Stop distance in a crash, of new positions and of those it finds open.",
    ),
    Regime.SIDEWAYS: declare(
        "regime.stop_atr_sideways", 2.0, low=1.0, high=3.0, step=0.25, unit="ATR", scopes="GY",
        risk=+1, doc="Initial stop distance of positions opened in a sideways market.",
    ),
    Regime.HIGH_VOL: declare(
        "regime.stop_atr_highvol", 1.5, low=0.75, high=3.0, step=0.25, unit="ATR", scopes="GY",
        risk=+1, doc="Initial stop distance of positions opened in a very volatile market.",
    ),
}  # fmt: skip

# Take-profit.
TAKE_ATR = declare(
    "exit.take_atr_mult", 3.0, low=1.5, high=4.0, step=0.25, unit="ATR", scopes="GRYT", risk=0,
    doc="Take-profit distance where the strategy names none and partial exits are off.",
)  # fmt: skip

# Trailing stop.
TRAIL_MODE = declare(
    "exit.trail_mode", "max", choices=("pct", "atr", "max"), unit="pct|atr|max",
    scopes="GRYT", risk=0,
    doc="Trailing distance: percent, ATR, or the wider of both.",
)  # fmt: skip
TRAIL_ACTIVATION = declare(
    "exit.trail_activation_pct", 1.0, low=0.3, high=3.0, step=0.1, unit="%", scopes="GRYT",
    risk=+1, doc="Profit from which the stop trails.",
)  # fmt: skip
TRAIL_PCT = declare(
    "exit.trail_distance_pct", 0.5, low=0.2, high=2.0, step=0.1, unit="%", scopes="GRYT",
    risk=+1, doc="Trailing distance from the best price, in percent of it.",
)  # fmt: skip
TRAIL_ATR = declare(
    "exit.trail_distance_atr", 1.5, low=0.5, high=3.0, step=0.25, unit="ATR", scopes="GRYT",
    risk=+1, doc="Trailing distance from the best price, in ATR.",
)  # fmt: skip
ML_TRAIL_ACTIVATION = declare(
    "exit.ml_trail_activation_pct", 1.5, low=0.5, high=4.0, step=0.1, unit="%", scopes="T",
    risk=+1, doc="Profit from which the stop trails, profile ml.",
)  # fmt: skip
ML_TRAIL_PCT = declare(
    "exit.ml_trail_distance_pct", 0.5, low=0.2, high=2.0, step=0.1, unit="%", scopes="T",
    risk=+1, doc="Trailing distance in percent, profile ml.",
)  # fmt: skip
TRAIL_STOP = declare(
    "exit.trail_stop_pct", 1.5, low=0.5, high=4.0, step=0.25, unit="%", scopes="GRYT", risk=+1,
    doc="Plain trailing stop of profile flow, and what the urgency signal `trail` fires at.",
)  # fmt: skip

# Break-even.
BE_ACTIVATION = declare(
    "exit.breakeven_activation_pct", 0.5, low=0.2, high=1.5, step=0.1, unit="%", scopes="GRYT",
    risk=+1, doc="Profit from which the stop moves to break-even.",
)  # fmt: skip
BE_BUFFER = declare(
    "exit.breakeven_buffer_pct", 0.05, low=0.0, high=0.5, step=0.05, unit="%", scopes="GY",
    risk=-1, doc="Least distance of the break-even stop beyond entry; costs are its floor.",
)  # fmt: skip

# Partial exits.
PARTIALS = declare(
    "exit.partial_exits", True, unit="-", scopes="GRT", risk=-1,
    doc="Take profit in parts, by the ladder; off leaves one take-profit.",
)  # fmt: skip
LADDER = declare(
    "exit.ladder_name", "r_multiple", choices=("r_multiple", "ml", "flow"),
    unit="r_multiple|ml|flow", scopes="GRT", risk=0, doc="Which ladder of partial exits.",
)  # fmt: skip
LADDER_R = tuple(
    declare(
        f"exit.ladder_r{k}", default, low=low, high=high, step=0.25, unit="R", scopes="GRT",
        risk=0, kind="float", doc=f"Rung {k} of the ladder r_multiple, in entry-to-stop distances.",
    )
    for k, default, low, high in ((1, 1, 0.25, 3), (2, 2, 0.5, 5), (3, 3, 1, 8))
)  # fmt: skip
LADDER_FRACTION = declare(
    "exit.ladder_frac", 25, low=10, high=40, step=5, unit="% of pos", scopes="GRT", risk=-1,
    kind="float", doc="Share sold at each rung of r_multiple; what remains runs.",
)  # fmt: skip
FLOW_RUNGS = tuple(
    declare(
        f"exit.profit_target_{k}", default, low=low, high=high, step=step, unit="%",
        scopes="GRYT", risk=0, kind="float", doc=f"Rung {k} of the ladder flow, profit in percent.",
    )
    for k, default, low, high, step in ((1, 2, 0.5, 5, 0.25), (2, 5, 1.5, 10, 0.5),
                                        (3, 10, 3, 25, 0.5))
)  # fmt: skip
FLOW_FRACTIONS = tuple(
    declare(
        f"exit.scale_out_frac_{k}", default, low=0, high=high, step=5, unit="% of pos",
        scopes="GRYT", risk=-1, kind="float", doc=f"Share sold at rung {k} of the ladder flow.",
    )
    for k, default, high in ((1, 30, 60), (2, 30, 60), (3, 40, 100))
)  # fmt: skip
ML_RUNGS = tuple(
    declare(
        f"exit.partial_{k}_pct", default, low=low, high=high, step=0.5, unit="%", scopes="TR",
        risk=0, kind="float", doc=f"Rung {k} of the ladder ml, profit in percent.",
    )
    for k, default, low, high in ((1, 3, 1, 6), (2, 6, 2, 12), (3, 10, 4, 20))
)  # fmt: skip
ML_FRACTIONS = tuple(
    declare(
        f"exit.partial_frac_{k}", default, low=0, high=high, step=5, unit="%", scopes="TR",
        risk=-1, kind="float", doc=f"Share sold at rung {k} of the ladder ml.",
    )
    for k, default, high in ((1, 25, 60), (2, 25, 60), (3, 50, 100))
)  # fmt: skip

# Scale-ins.
SCALE_LEVELS = (
    declare(
        "scale_in.level_1_pct", 2, low=0.5, high=5, step=0.25, unit="%", scopes="TR", risk=-1,
        kind="float", doc="Profit at which the position grows the first time.",
    ),
    declare(
        "scale_in.level_2_pct", 5, low=1, high=10, step=0.5, unit="%", scopes="TR", risk=-1,
        kind="float", doc="Profit at which the position grows the second time.",
    ),
)  # fmt: skip
SCALE_FRACTIONS = tuple(
    declare(
        f"scale_in.frac_{k}", 25, low=0, high=50, step=5, unit="%", scopes="TR", risk=+1,
        kind="float", doc=f"What scale-in {k} adds, in percent of the first size.",
    )
    for k in (1, 2)
)  # fmt: skip
SCALE_MAX = declare(
    "scale_in.max_ops", 2, low=0, high=4, step=1, unit="count", scopes="T", risk=+1,
    doc="Most scale-ins of one position; 0 switches them off.",
)  # fmt: skip

# Time.
MAX_HOLDING = declare(
    "exit.max_holding_days", 14, low=1, high=60, step=1, unit="days", scopes="GT", risk=+1,
    doc="Longest holding time; the position is closed whatever it earns.",
)  # fmt: skip
TIME_EXIT = declare(
    "exit.time_exit_minutes", 240, low=60, high=1440, step=30, unit="min", scopes="GRYT", risk=+1,
    doc="By then a position must be in profit after costs, or it is closed (profile flow).",
)  # fmt: skip
STALE_DAYS = declare(
    "exit.stale_days", 12, low=3, high=21, step=1, unit="days", scopes="GRY", risk=+1,
    doc="Age from which a position that has gone nowhere is closed (profile flow).",
)  # fmt: skip
STALE_PNL = declare(
    "exit.stale_pnl_thresh_pct", 3.0, low=0.5, high=6.0, step=0.5, unit="%", scopes="GRY",
    risk=-1, doc="Gone nowhere means less profit or loss than this.",
)  # fmt: skip
WEEKEND_FLAT = declare(
    "exit.weekend_flat", False, unit="-", scopes="GM", risk=-1,
    doc="Close before the weekend of the symbol's market.",
)  # fmt: skip
DAY_FLAT = declare(
    "exit.end_of_day_flat", False, unit="-", scopes="GM", risk=-1,
    doc="Close before the end of the symbol's trading day.",
)  # fmt: skip

# Urgency.
URGENCY_EXIT = declare(
    "exit.urgency_exit", 6.0, low=4.0, high=9.0, step=0.25, unit="score 0-10", scopes="GRT",
    risk=+1, doc="Urgency from which the position is closed.",
)  # fmt: skip
URGENCY_REDUCE = declare(
    "exit.urgency_reduce", 3.0, low=1.5, high=6.0, step=0.25, unit="score 0-10", scopes="GRT",
    risk=+1, doc="Urgency from which the position is cut to half, once.",
)  # fmt: skip
SIGNAL_DECAY = declare(
    "exit.signal_decay_threshold", 0.7, low=0.3, high=0.95, step=0.05, unit="ratio",
    scopes="GRT", risk=-1, doc="The signal entry_decay fires below this share of the entry score.",
)  # fmt: skip
DRAWDOWN_VELOCITY = declare(
    "exit.drawdown_velocity_pct", 3.0, low=1.0, high=8.0, step=0.5, unit="%/h", scopes="GRY",
    risk=+1, doc="The signal drawdown fires when this much is given back an hour.",
)  # fmt: skip
TIME_DECAY = declare(
    "exit.time_decay_hours", 72, low=12, high=240, step=6, unit="h", scopes="GR", risk=+1,
    doc="The signal time fires from this age.",
)  # fmt: skip
LOSS_LIMIT = declare(
    "exit.loss_limit_pct", -5.0, low=-15, high=-1, step=0.5, unit="%", scopes="GRY", risk=-1,
    doc="The signal loss_limit fires below this profit.",
)  # fmt: skip
SIGNAL_NAMES = ("entry_decay", "drawdown", "time", "trail", "regime_change", "loss_limit")
SIGNAL_WEIGHTS = tuple(
    declare(
        f"exit.signal_weight.{name}", 1.0, low=0.25, high=2.5, step=0.05, unit="multiplier",
        scopes="GR", risk=-1, doc=f"Weight of the signal {name} in the urgency score.",
    )
    for name in SIGNAL_NAMES
)  # fmt: skip

# Diamonds.
QUICK_PCT = declare(
    "exit.diamond_quick_pct", 1.5, low=0.5, high=5, step=0.25, unit="%", scopes="GR", risk=0,
    doc="Profit at which a diamond is closed at once.",
)  # fmt: skip
QUICK_MIN = declare(
    "exit.diamond_quick_min", 60, low=5, high=480, step=5, unit="min", scopes="GR", risk=+1,
    doc="Age at which a diamond is closed.",
)  # fmt: skip


STANDARD = "balanced"
"""The exit profile of parameter profiles that name none of their own."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A named set of exit rules: which are on, and whose number where the seeds differ."""

    name: str
    doc: str
    ladder: str = "r_multiple"
    trail_activation: Parameter | None = TRAIL_ACTIVATION
    trail_pct: Parameter = TRAIL_PCT
    trail_mode: str = "max"
    break_even: bool = True
    scale_in: bool = False
    time_exit: bool = False
    urgency: bool = True


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("balanced", "regime stops, break-even, R ladder, trailing runner, urgency"),
        Profile(
            "flow",
            "plain trailing stop from the entry, early time exit, stale exit, urgency",
            ladder="flow",
            trail_activation=None,
            trail_pct=TRAIL_STOP,
            trail_mode="pct",
            break_even=False,
            time_exit=True,
        ),
        Profile(
            "ml",
            "late trailing, wide ladder, scale-ins into profit",
            ladder="ml",
            trail_activation=ML_TRAIL_ACTIVATION,
            trail_pct=ML_TRAIL_PCT,
            break_even=False,
            scale_in=True,
            urgency=False,
        ),
        Profile(
            "sniper",
            "the condition's own stop and targets, then break-even and trailing",
            urgency=False,
        ),
    )
}


def exit_profile(name: str) -> str:
    """The exit profile that goes with a parameter profile: of its name, or the standard one."""
    return name if name in PROFILES else STANDARD
