"""Values of the engine as styled words, the same on every panel that shows them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from engine.core.types import (
    Action,
    Control,
    Decision,
    Direction,
    ExpectedValue,
    FeedKind,
    Gate,
    Link,
    Mode,
    Proposal,
    Vote,
)
from engine.core.views import Outlook
from widgets import numbers
from widgets.lines import Run

PRIOR = "°"
"""Marks an expected value whose probability is the declared prior."""

CONTROL_ROLES = {
    Control.ACTIVE: "gain",
    Control.REDUCING: "warn",
    Control.HALTED: "danger",
    Control.LOCKED: "danger",
}
MODE_ROLES = {Mode.PAPER: "note", Mode.TESTNET: "mark", Mode.LIVE: "live"}
FEED_ROLES = {
    FeedKind.LIVE: "gain",
    FeedKind.REPLAY: "replay",
    FeedKind.SIM: "sim",
    FeedKind.DOWN: "danger",
}


def change(value: numbers.Number | None, text: str) -> Run:
    """A signed amount with its arrow, in the role of its sign."""
    if not numbers.known(value):
        return numbers.NONE, "muted"
    return f"{numbers.arrow(value)} {text}", numbers.role(value)


def signed(value: numbers.Number | None, text: str) -> Run:
    """A signed amount in the role of its sign, where the arrow stands beside it already."""
    return (text, numbers.role(value)) if numbers.known(value) else (numbers.NONE, "muted")


def expected(value: ExpectedValue | None) -> Run:
    """Net expected value, marked where it rests on the prior."""
    if value is None or not numbers.known(value.net_bps):
        return numbers.NONE, "muted"
    text = numbers.basis_points(value.net_bps) + (PRIOR if value.prior else "")
    return text, numbers.role(value.net_bps)


def side(direction: Direction) -> Run:
    """LONG or SHORT with its arrow."""
    return numbers.side(direction)


def action(value: Action, confidence: float | None = None) -> Run:
    """BUY, SELL or HOLD with its arrow, and how sure where that is given."""
    text, role = numbers.action(value)
    return (f"{text} {numbers.share(confidence)}" if confidence else text), role


def why(view: Outlook) -> str:
    """Why a symbol is or is not traded, without the action that stands beside it already."""
    action = f"{view.decision.action.value}: " if view.decision else ""
    return view.verdict.removeprefix(action)


def verdict(gate: Gate) -> Run:
    """A gate's answer as sign and word."""
    if gate.passed:
        return "✓ pass", "gain"
    return ("✕ stop", "danger") if gate.hard else ("✕ soft", "warn")


def link(value: Link, age_ns: int) -> Run:
    """The state of a feed in one word; the age only once it is a warning."""
    if value is Link.UP:
        return "● up", "gain"
    if value is Link.STALE:
        return f"○ STALE {numbers.age(age_ns)}", "stale"
    if value is Link.DOWN:
        return "✕ DOWN", "danger"
    return f"◌ {value.value.lower()}", "muted"


def sign(gate: Gate) -> Run:
    """A gate's answer as a sign alone, where its name stands beside it."""
    text, role = verdict(gate)
    return text[0], role


def gate_name(gate: Gate) -> Run:
    """A gate's name, standing out where it refuses."""
    return gate.name.capitalize(), "" if gate.passed else f"bold {verdict(gate)[1]}"


def measured(gate: Gate) -> bool:
    """Whether the gate compares numbers; a state is said by its detail."""
    return gate.unit != "state" and (bool(gate.unit) or gate.value != 0 or gate.threshold != 0)


def gate_value(gate: Gate) -> str:
    """What the gate measured, without its unit."""
    return _plain_number(gate.value) if measured(gate) else gate.detail


def gate_limit(gate: Gate) -> str:
    """What the gate needs, with its unit: `≤ 4 % of day start`, `≥ 0 bps net`."""
    if not measured(gate):
        return ""
    text = _plain_number(gate.threshold)
    return f"{_relation(gate)}{text} {gate.unit}".strip()


def gate_distance(gate: Gate) -> str:
    """Headroom to the threshold, negative where it refuses."""
    return _plain_number(gate.distance) if measured(gate) else ""


def _plain_number(value: float) -> str:
    if not numbers.known(value):
        return numbers.NONE
    if 0 < abs(value) < 0.01:
        # Two decimals would make a size in coins nothing at all.
        return numbers.rounded(value, 2)
    return numbers.number(value, 0 if float(value).is_integer() or abs(value) >= 1_000 else 2)


def _relation(gate: Gate) -> str:
    """Whether the threshold binds from above or from below, read off the distance."""
    above, below = gate.threshold - gate.value, gate.value - gate.threshold
    if not numbers.known(gate.distance) or not numbers.known(above):
        return ""
    return "≤ " if abs(gate.distance - above) <= abs(gate.distance - below) else "≥ "


def used_share(gate: Gate) -> float:
    """How much of a limit is used, in [0, 1]: where headroom meets the threshold.

    Works for limits from above (a loss) and from below (a minimum): what is left is the
    distance, and a limit that refuses has nothing left. NaN where nothing was measured.
    """
    if not gate.passed:
        return 1.0
    if not numbers.known(gate.distance):
        return math.nan
    whole = max(abs(gate.threshold), abs(gate.value), 1e-12)
    return max(0.0, min(1.0, 1.0 - max(0.0, gate.distance) / whole))


def reward_to_risk(proposal: Proposal, target: int = 0) -> float:
    """How often the risk to the stop fits into the way to a target; NaN where either lacks."""
    risk = abs(proposal.price - proposal.stop)
    if not risk or len(proposal.targets) <= target:
        return float("nan")
    return float(abs(proposal.targets[target] - proposal.price) / risk)


def distance_pct(price: numbers.Number, level: numbers.Number) -> float:
    """How far a level stands from a price, signed, in percent of the price."""
    return (float(level) / float(price) - 1) * 100 if price else float("nan")


def votes_for(decision: Decision) -> Sequence[Vote]:
    """The votes, heaviest first."""
    return sorted(decision.votes, key=lambda vote: -vote.weight)
