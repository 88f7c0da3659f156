"""The numbers of strategist and model: when they speak, how much, and how far they may reach."""

from __future__ import annotations

from engine.core.parameters import declare

INTERVAL = declare(
    "strategist.interval_min", 5, low=1, high=30, step=1, unit="min", scopes="G",
    doc="How often market and results become new conditions.",
)  # fmt: skip
MOST = declare(
    "strategist.max_conditions", 3, low=1, high=10, step=1, unit="count", scopes="G", risk=1,
    doc="How many conditions one answer may arm.",
)  # fmt: skip
LIFETIME = declare(
    "strategist.condition_ttl_sec", 300, low=60, high=1800, step=60, unit="s", scopes="G", risk=1,
    doc="The longest that a condition waits for its price.",
)  # fmt: skip
TIMEOUT = declare(
    "llm.timeout_sec", 30, low=5, high=120, step=5, unit="s", scopes="G",
    doc="How long the model may take, repair included, before the rules speak instead.",
)  # fmt: skip
OVERRIDE = declare(
    "llm.advisor_override_conf", 0.60, low=0.4, high=0.95, step=0.05, unit="prob", scopes="G",
    risk=1, doc="How sure the advisor must be that a trade is risky before it becomes HOLD.",
)  # fmt: skip
REFLECT_EVERY = declare(
    "reflection.interval_min", 60, low=15, high=360, step=15, unit="min", scopes="G",
    doc="How often closed trades are thought over at length.",
)  # fmt: skip
REFLECT_AFTER = declare(
    "reflection.after_trades", 10, low=3, high=50, step=1, unit="count", scopes="G",
    doc="Closed trades after which they are thought over before the interval is over.",
)  # fmt: skip
REFLECT_TIMEOUT = declare(
    "reflection.timeout_sec", 300, low=60, high=600, step=30, unit="s", scopes="G",
    doc="How long the model may take to reflect; the statistics never wait for it.",
)  # fmt: skip
CAUTION_HOURS = declare(
    "reflection.caution_hours", 24, low=6, high=168, step=6, unit="h", scopes="G", risk=-1,
    doc="How long a caution holds that reflection asked for.",
)  # fmt: skip
ENTRY_DISTANCE = declare(
    "strategist.entry_distance_pct", 3.0, low=0.5, high=10.0, step=0.5, unit="%", scopes="GY",
    risk=1, doc="How far from the market a condition's entry may lie.",
)  # fmt: skip
LEVEL_DISTANCE = declare(
    "strategist.level_distance_pct", 15.0, low=5.0, high=50.0, step=5.0, unit="%", scopes="GY",
    risk=1, doc="How far from its entry a condition's stop and targets may lie.",
)  # fmt: skip
STOP_LEAST = declare(
    "strategist.stop_least_pct", 0.1, low=0.05, high=1.0, step=0.05, unit="%", scopes="GY",
    risk=-1, doc="How near to its entry a stop may lie; nearer ones would ask for absurd sizes.",
)  # fmt: skip
BREAK_ATR = declare(
    "strategist.break_atr", 0.25, low=0.05, high=1.0, step=0.05, unit="ATR", scopes="GRY",
    doc="How far beyond a level the rules want the price before they call it broken.",
)  # fmt: skip
SAME_WITHIN = declare(
    "strategist.same_within_r", 0.25, low=0.0, high=1.0, step=0.05, unit="R", scopes="GY",
    doc="How far a condition's prices may move, in what it risks, and still be the same one.",
)  # fmt: skip
REWARD_RISK = declare(
    "strategist.reward_risk", 2.0, low=1.0, high=5.0, step=0.25, unit="R", scopes="GRY",
    doc="The rules' first target, in multiples of what the stop loses.",
)  # fmt: skip
