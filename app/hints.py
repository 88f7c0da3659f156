"""The first-run hint: the next useful key, until a newcomer has used it once."""

from __future__ import annotations

from app.state import UiState
from engine.core.commands import Ack, AnyCommand, Approve
from engine.core.types import Control, ProposalState
from engine.core.views import Snapshot


class Hints:
    """Remembers what a newcomer has seen and done; silent for everybody else."""

    def __init__(self, active: bool) -> None:
        self._active = active
        self._done: set[str] = set()

    def see(self, snapshot: Snapshot) -> None:
        """Note what the engine has shown so far."""
        if self._active and snapshot.positions:
            self._done.add("position")

    def did(self, action_id: str) -> None:
        """Note that an action was used."""
        if self._active:
            self._done.add(action_id)

    def acted(self, command: AnyCommand, ack: Ack) -> None:
        """Note an act that succeeded."""
        if self._active and ack.ok and isinstance(command, Approve):
            self._done.add("approved")

    def text(self, state: UiState) -> str:
        """The hint of the moment, or an empty text."""
        snapshot = state.snapshot
        if not self._active or snapshot is None:
            return ""
        if "approved" not in self._done:
            if any(p.state is ProposalState.WAITING for p in snapshot.proposals):
                if "detail" not in self._done:
                    return " A proposal waits: enter shows why, a approves, x rejects"
                return " a approves what the cursor is on, x rejects, e edits it"
            if "screen.signals" not in self._done:
                return " Watching the market. 2 shows every vote and what is missing"
            return " 1 returns to the desk, where proposals will wait for you"
        if "stop" not in self._done and snapshot.positions:
            return " Entry, stop and targets are on the chart; s moves the stop"
        if "screen.reasoning" not in self._done:
            return " 3 shows the reasoning behind each decision"
        if "pause" not in self._done and state.control is Control.ACTIVE:
            return " p pauses new entries at once; p again asks before resuming"
        if "help" not in self._done:
            return " ? lists every key, ctrl+p finds every action by name"
        return ""
