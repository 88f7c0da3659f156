"""What a key may judge: the state of the screen as plain values.

Why an action is disabled must be testable without an application, and must be the same in
the footer, in the help, in the palette and when the key is pressed; so each of them asks
the registry with one of these.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.core.learning import (
    Change,
    ChangeState,
    CoinScore,
    Insight,
    PairScore,
    Pattern,
    Rule,
)
from engine.core.types import Control, FeedKind, Mode, OrderState, Proposal, ProposalState
from engine.core.views import PositionView, Snapshot

Lore = CoinScore | PairScore | Pattern | Rule | Insight
"""What is known and a person may set."""

READONLY = "this screen is read-only"
IN_BROWSER = "the web view only looks: it starts nothing and writes no file"
READING = "this is a journal being read, and no engine takes orders from here"


@dataclass(frozen=True)
class UiState:
    """The screen as the registry sees it. Names of screens and panels are their ids."""

    screen: str = "desk"
    panel: str = ""
    fits: bool = True
    readonly: bool = False
    why_readonly: str = READONLY
    web: bool = False
    offline: str = ""
    frozen: bool = False
    snapshot: Snapshot | None = None
    proposal: Proposal | None = None
    position: PositionView | None = None
    symbol: str = ""
    order: str = ""
    approvals_visible: bool = True
    chart: bool = False
    overlays: bool = False
    change: Change | None = None
    lore: Lore | None = None
    table: bool = True
    ordered: bool = False

    @property
    def mode(self) -> Mode:
        return self.snapshot.run.mode if self.snapshot else Mode.PAPER

    @property
    def control(self) -> Control:
        return self.snapshot.control.state if self.snapshot else Control.ACTIVE


def disconnected(state: UiState) -> str:
    """Why nothing can be ordered at all, or an empty text."""
    if state.readonly:
        return state.why_readonly
    if state.offline:
        return state.offline
    if state.snapshot is None:
        return "the engine has not started yet"
    if not state.fits:
        return "the window is too small to show what would be done"
    return ""


def no_proposal(state: UiState) -> str:
    """Why the selected proposal can't be decided on."""
    if why := disconnected(state):
        return why
    if not state.approvals_visible:
        return "its symbol and size are not on screen: open Approvals first"
    if state.proposal is None:
        return "no proposal waits for approval"
    if state.proposal.state is not ProposalState.WAITING:
        return f"{state.proposal.id} is already {state.proposal.state.value}"
    return ""


def no_position(state: UiState) -> str:
    """Why there is no position to act on."""
    if why := disconnected(state):
        return why
    if state.position is None:
        return "no position is open"
    return ""


def no_order(state: UiState) -> str:
    """Why there is no order to cancel."""
    if why := disconnected(state):
        return why
    if not state.order:
        return "no order is selected"
    snapshot = state.snapshot
    order = next((o for o in snapshot.orders if o.id == state.order), None) if snapshot else None
    if order is None or not order.state.live or order.state is OrderState.INTENT:
        return f"{state.order} no longer rests at the venue"
    return ""


def no_override(state: UiState) -> str:
    """Why there is nothing to override: a symbol, a proposal or a position is needed."""
    if why := disconnected(state):
        return why
    if state.panel == "positions" and state.position is None:
        return "no position is open"
    if state.panel == "approvals" and state.proposal is None and not state.symbol:
        return "select a symbol under Signals, a proposal or a position first"
    if state.panel not in ("positions", "approvals") and not state.symbol:
        return "select a symbol under Signals, a proposal or a position first"
    return ""


def no_change(state: UiState) -> str:
    """Why there is no change to act on."""
    if why := disconnected(state):
        return why
    return "" if state.change is not None else "no change is selected in the ledger"


def no_asking(state: UiState) -> str:
    """Why the selected change can't be answered."""
    if why := no_change(state):
        return why
    change = state.change
    if change is not None and change.state is not ChangeState.ASKED:
        return f"{change.id} does not ask, it is {change.state.value}"
    return ""


def not_in_force(state: UiState) -> str:
    """Why the selected change can't be taken back."""
    if why := no_change(state):
        return why
    change = state.change
    if change is not None and not change.state.in_force:
        return f"{change.id} is not in force, it is {change.state.value}"
    return ""


def no_lore(state: UiState) -> str:
    """Why there is no coin, pattern or rule to edit."""
    if why := disconnected(state):
        return why
    return "" if state.lore is not None else "select what is known first"


def no_learner(state: UiState) -> str:
    """Why learning has nothing to be told."""
    if why := disconnected(state):
        return why
    learns = state.snapshot is not None and state.snapshot.learning is not None
    return "" if learns else "nothing learns in this run"


def not_playing(state: UiState) -> str:
    """Why the speed can't be set: only a recording or a simulated market has one."""
    if why := disconnected(state):
        return why
    if state.snapshot and state.snapshot.feed.kind not in (FeedKind.SIM, FeedKind.REPLAY):
        return "a live market has no speed"
    return ""


def nothing_open(state: UiState) -> str:
    """Why FLATTEN has nothing to do."""
    if why := disconnected(state):
        return why
    snapshot = state.snapshot
    if (
        snapshot
        and not snapshot.positions
        and not any(o.state.live for o in snapshot.orders)
        and not snapshot.proposals
        and snapshot.control.state is not Control.ACTIVE
    ):
        return "no position is open, no order rests and entries are paused already"
    return ""


def no_chart(state: UiState) -> str:
    """Why there is no chart to zoom or pan."""
    return "" if state.chart else "the chart is not on screen"


def no_overlays(state: UiState) -> str:
    """Why nothing can be drawn over the chart."""
    if why := no_chart(state):
        return why
    return "" if state.overlays else "this screen has no process that computes indicators"


def no_table(state: UiState) -> str:
    """Why there is nothing to sort."""
    if why := too_small(state):
        return why
    return "" if state.table else "this panel has no columns"


def no_order_to_reverse(state: UiState) -> str:
    """Why there is no order to turn around."""
    if why := no_table(state):
        return why
    return "" if state.ordered else "its rows stand as they came: sort them first (S)"


def lab_missing(_state: UiState) -> str:
    """Why the Lab can't be opened."""
    return "the Lab opens with the optimizer, which this version does not have"


def no_drill(state: UiState) -> str:
    """Why no drill can be run: a browser only looks."""
    return IN_BROWSER if state.web else ""


def no_file(state: UiState) -> str:
    """Why no file can be written."""
    if state.web:
        return IN_BROWSER
    return too_small(state)


def always(_state: UiState) -> str:
    """Never disabled."""
    return ""


def too_small(state: UiState) -> str:
    """Why there is nothing to look at."""
    return "" if state.fits else "the window is too small"
