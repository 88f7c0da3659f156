"""The hint line: the next useful key, until a newcomer has used it once, and never again.

What was used is kept in a file of the person's own, so that hints go on where they stopped
the last time and stop for good after a few visits.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from app.state import UiState
from engine.core.clock import duration_ns, iso
from engine.core.commands import Ack, AnyCommand, Approve
from engine.core.types import Control, FeedKind, ProposalState
from engine.core.views import Snapshot

FILE = "seen"
MOST_VISITS = 3
"""After so many visits nobody is a newcomer, whatever was used."""

STEPS = frozenset((
    "screen.signals", "reasons", "screen.reasoning", "detail", "approved", "position",
    "stop", "chart", "pause", "help",
))  # fmt: skip
"""What is led to: from a signal to its reasoning, a proposal, its chart and the pause."""


class Memory:
    """What a person has used at earlier visits; a file that can't be read or kept is no harm."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self.visits, self.done = _read(self._file)

    @property
    def newcomer(self) -> bool:
        """Whether there is anything left to be led to."""
        return self.visits < MOST_VISITS and not self.done >= STEPS

    def visited(self) -> None:
        """Count this visit."""
        self.visits += 1
        self._keep()

    def add(self, step: str) -> None:
        """Keep that a step was taken."""
        if step not in self.done:
            self.done.add(step)
            self._keep()

    def _keep(self) -> None:
        text = json.dumps({"visits": self.visits, "done": sorted(self.done)})
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(text + "\n", encoding="utf-8")
        except OSError:
            return


def _read(file: Path) -> tuple[int, set[str]]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return int(found["visits"]), set(map(str, found["done"])) & STEPS
    except (OSError, ValueError, KeyError, TypeError):
        return 0, set()


class Hints:
    """Leads from key to key; silent for whoever is no newcomer."""

    def __init__(self, active: bool, memory: Memory | None = None) -> None:
        self._memory = memory
        self._active = memory.newcomer if memory is not None else active
        self._done: set[str] = set(memory.done) if memory is not None else set()

    def _add(self, steps: Iterable[str]) -> None:
        for step in steps:
            if self._active and step in STEPS and step not in self._done:
                self._done.add(step)
                if self._memory is not None:
                    self._memory.add(step)

    def see(self, snapshot: Snapshot) -> None:
        """Note what the engine has shown so far."""
        if snapshot.positions:
            self._add(("position",))

    def did(self, action_id: str, panel: str = "") -> None:
        """Note that an action was used, and in which panel."""
        steps = [action_id]
        if action_id == "detail" and panel == "signals":
            steps = ["reasons"]
        elif action_id.startswith("chart."):
            steps = ["chart"]
        self._add(steps)

    def acted(self, command: AnyCommand, ack: Ack) -> None:
        """Note an act that succeeded."""
        if ack.ok and isinstance(command, Approve):
            self._add(("approved",))

    def text(self, state: UiState) -> str:
        """The hint of the moment, or an empty text."""
        snapshot = state.snapshot
        if not self._active or snapshot is None:
            return ""
        if state.readonly:
            return self._looking(state)
        if "approved" not in self._done:
            return self._towards_approval(state, snapshot)
        if "stop" not in self._done and snapshot.positions:
            return " Entry, stop and targets are on the chart; s moves the stop"
        return self._looking(state)

    def _towards_approval(self, state: UiState, snapshot: Snapshot) -> str:
        if any(p.state is ProposalState.WAITING for p in snapshot.proposals):
            if state.screen != "desk":
                return " A proposal waits: 1 opens the Desk"
            if "detail" not in self._done:
                # Read at a market's many times speed, it would be gone meanwhile.
                played = snapshot.feed.kind in (FeedKind.SIM, FeedKind.REPLAY)
                fast = played and snapshot.feed.speed > 1
                last = "- slows down" if fast else "x rejects"
                return f" A proposal waits: enter shows why, a approves, {last}"
            return " a approves what the cursor is on, x rejects, e edits it"
        if "screen.signals" not in self._done:
            return f" {_watching(snapshot)}"
        if "reasons" not in self._done and state.panel == "signals":
            return " enter opens the reasons of the signal at the cursor"
        if "screen.reasoning" not in self._done:
            return " 3 shows the reasoning behind each decision"
        if state.screen != "desk":
            return " 1 returns to the desk, where proposals will wait for you"
        if snapshot.feed.kind in (FeedKind.SIM, FeedKind.REPLAY):
            return " A proposal comes when a vote passes every gate; + plays faster"
        return " A proposal comes when a vote passes every gate"

    def _looking(self, state: UiState) -> str:
        if "screen.reasoning" not in self._done:
            return " 3 shows the reasoning behind each decision"
        if "chart" not in self._done and state.chart:
            return " , reads the chart candle by candle; T is its timeframe"
        if "pause" not in self._done and state.control is Control.ACTIVE and not state.readonly:
            return " p pauses new entries at once; p again asks before resuming"
        if "help" not in self._done:
            return " ? lists every key, ctrl+p finds every action by name"
        return ""


def _watching(snapshot: Snapshot) -> str:
    """What the key of the signals shows, and when strategies speak next where a market takes
    its own time, so that nobody waits for what can't come sooner."""
    if snapshot.feed.kind is not FeedKind.LIVE or not snapshot.time_ns:
        return "Watching the market. 2 shows every vote and what is missing"
    span = duration_ns(snapshot.run.timeframe)
    speak_ns = snapshot.time_ns - snapshot.time_ns % span + span
    return f"Strategies speak at {iso(speak_ns)[11:16]} UTC; 2 shows what is missing"
