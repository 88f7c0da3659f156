"""The numbers of the change ledger: floors for looking, spans and the hard loss stop."""

from __future__ import annotations

from engine.core.parameters import declare

LEAST_COMPARED = declare(
    "adapt.min_trades_measure", 10, low=5, high=50, step=5, unit="count", scopes="G",
    doc="Comparisons of old and new before anybody looks; a floor, no verdict.",
)  # fmt: skip
LEAST_HOURS = declare(
    "adapt.min_hours_measure", 24, low=6, high=168, step=6, unit="h", scopes="G",
    doc="Hours a change is in force before anybody looks; a floor, no verdict.",
)  # fmt: skip
WINRATE_DROP = declare(
    "adapt.rollback_winrate_drop", 10.0, low=3, high=30, step=1, unit="pp", scopes="G", risk=1,
    doc="A loosened value whose win rate falls by more than this is taken back as a precaution.",
)  # fmt: skip
WATCH_DAYS = declare(
    "learn.watch_days", 60, low=7, high=180, step=1, unit="days", scopes="G", learnable=False,
    doc="How long a change may stay undecided; then the old value returns.",
)  # fmt: skip
ASK_HOURS = declare(
    "learn.ask_hours", 72, low=1, high=336, step=1, unit="h", scopes="G", learnable=False,
    doc="How long a change that loosens risk waits for a person.",
)  # fmt: skip
LOSS_STOP = declare(
    "learn.loss_stop_r", 15.0, low=2, high=30, step=0.5, unit="R", scopes="G", risk=1,
    learnable=False,
    doc="What one change may have cost against what it replaced before it is taken back at once.",
)  # fmt: skip
MOST_WATCHED = declare(
    "learn.most_changes", 8, low=1, high=30, step=1, unit="count", scopes="G", learnable=False,
    doc="Changes that may be in force and undecided at once.",
)  # fmt: skip
PAUSE_DAYS = declare(
    "learn.pause_days", 7, low=1, high=60, step=1, unit="days", scopes="G", learnable=False,
    doc="How long a target is left alone after a change of it was taken back or refused.",
)  # fmt: skip
