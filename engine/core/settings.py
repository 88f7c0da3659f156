"""What a run is told before it starts: settings that don't change while it lives.

Plain values, already validated; configuration files, environment and command line are
merged into one of these (`engine.core.config`), and tests write one by hand.
"""

from __future__ import annotations

from decimal import Decimal

from engine.core.types import ApprovalMode, Mode, Value


class RunSettings(Value, frozen=True):
    """One run of the engine.

    `stop_after_ns` ends a run after that much engine time from its first bar on (of a live
    market: from its start), at the same event whatever the pace; None never. `parameters` are
    (name, value, origin) settings applied over the profile's. `ack_log` names a file that gets
    each acknowledged fill id before the run goes on, None for none.
    """

    symbols: tuple[str, ...]
    timeframe: str = "15m"
    mode: Mode = Mode.PAPER
    approval: ApprovalMode = ApprovalMode.REVIEW
    profile: str = "balanced"
    cash: Decimal = Decimal(10_000)
    seed: int = 0
    parameters: tuple[tuple[str, str, str], ...] = ()
    stop_after_ns: int | None = None
    ack_log: str | None = None
    version: str = ""
