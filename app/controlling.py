"""Control: pause and resume, halt, flatten, speed, and leaving.

The safe direction is instant and the risky one asks; what can't be undone is typed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from app import describe
from app.dialogs import Answer, Choice, Field
from app.state import disconnected
from engine.core import commands as cmd
from engine.core.commands import Ack
from engine.core.types import ApprovalMode, Control
from engine.core.views import Snapshot

if TYPE_CHECKING:
    from app.app import QuarterdeckApp
    from app.chrome import Parts


SPEEDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 0.0)
"""Paces of a replay or simulated market; 0 is as fast as it goes and so the last."""


class Controlling:
    """Acts on the engine as a whole."""

    def __init__(self, deck: QuarterdeckApp) -> None:
        self.deck = deck
        self._leaves_when_flat = False

    def do_pause(self, _argument: str) -> None:
        snapshot = self.deck.snapshot
        if snapshot is None:
            return
        if snapshot.control.state is Control.ACTIVE:
            self.deck.order(cmd.Pause(id=self.deck.new_id()), "pause new entries")
            return
        self.deck.ask(
            self.deck.dialog(
                "Admit entries again?",
                describe.control_rows(snapshot),
                [Choice("y", "Resume", "yes", danger=True)],
                "p",
            ),
            lambda answer: (
                self.deck.order(cmd.Resume(id=self.deck.new_id()), "resume")
                if answer == "yes"
                else None
            ),
        )

    def pause_from_dialog(self) -> None:
        """The safe half of the key: a dialog stays open, and resuming is not asked in it."""
        state = self.deck.state()
        if why := disconnected(state):
            self.deck.say(f"nothing was paused, {why}", "warn")
        elif state.control is Control.ACTIVE:
            self.deck.order(cmd.Pause(id=self.deck.new_id()), "pause new entries")
        else:
            self.deck.say(f"entries are paused already: {state.control.value}", "note")

    def do_halt(self, _argument: str) -> None:
        self.deck.order(cmd.Halt(id=self.deck.new_id(), reason="a person halted"), "halt")

    def do_approval_mode(self, mode: str) -> None:
        if mode == ApprovalMode.REVIEW.value:
            self.deck.order(
                cmd.SetApproval(id=self.deck.new_id(), mode=mode), "review every proposal"
            )
            return
        self.deck.ask(
            self.deck.dialog(
                "Let the engine approve its own proposals?",
                [[("Entries are made without you until you choose review again.", "warn")]],
                [Choice("y", "Let it", "yes", danger=True)],
                "ctrl+p",
            ),
            lambda answer: (
                self.deck.order(
                    cmd.SetApproval(id=self.deck.new_id(), mode=mode), "let the engine approve"
                )
                if answer == "yes"
                else None
            ),
        )

    def do_speed(self, which: str) -> None:
        if self.deck.snapshot is None:
            return
        now = self.deck.snapshot.feed.speed
        ordered = sorted(SPEEDS, key=lambda s: s or float("inf"))
        index = min(
            range(len(ordered)),
            key=lambda i: abs((ordered[i] or 1e9) - (now or 1e9)),
        )
        index = max(0, min(len(ordered) - 1, index + (1 if which == "up" else -1)))
        speed = ordered[index]
        words = f"play at {speed:g}x" if speed else "play as fast as it goes"
        self.deck.order(cmd.SetSpeed(id=self.deck.new_id(), speed=speed), words)

    def do_flatten(self, _argument: str) -> None:
        self.ask_flatten(None)

    def ask_flatten(self, then: Callable[[Ack], None] | None) -> None:
        """Have the word typed, then pause, cancel every order and close every position."""
        snapshot = self.deck.snapshot
        if snapshot is None:
            return
        resting = sum(order.state.live for order in snapshot.orders)
        rows: list[Parts] = [
            [("Entries pause, ", ""), (f"{resting} resting orders are cancelled and ", ""),
             (f"{len(snapshot.positions)} positions are closed at the market.", "bold")],
            [("This can't be undone.", "danger")],
        ]  # fmt: skip
        form = self.deck.form(
            "Flatten everything",
            rows,
            [Field("typed", "type FLATTEN", "", lambda text: ""
                   if text == "FLATTEN" else "the word is FLATTEN, in capitals")],
            "Flatten",
        )  # fmt: skip
        self.deck.ask(
            form,
            lambda answer: (
                self.deck.order(
                    cmd.Flatten(id=self.deck.new_id(), typed=answer["typed"]),
                    "flatten everything",
                    then,
                )
                if isinstance(answer, dict)
                else None
            ),
        )

    def do_quit_dialog(self, _argument: str) -> None:
        snapshot = self.deck.snapshot
        rows: list[Parts]
        if snapshot is None:
            choices = [Choice("y", "Quit", "quit")]
            rows = [[("The engine has not started yet.", "")]]
        elif self.deck.options.inspecting:
            choices = [Choice("y", "Quit", "quit")]
            rows = [[("The journal stays as it is.", "")]]
        elif self.deck.served():
            choices = [Choice("d", "Detach", "quit")]
            rows = [[("The engine runs on without this screen.", "")]]
        else:
            rows = [
                [("The engine runs inside this program and stops with it.", "")],
                [left_behind(len(snapshot.positions))],
            ]
            choices = [
                Choice("e", "Pause entries and quit", "pause"),
                Choice("f", "Flatten and quit", "flatten", danger=True),
                Choice("y", "Quit", "quit"),
            ]
        self.deck.ask(
            self.deck.dialog("Leave Quarterdeck?", rows, choices, "q"), self._quit_answered
        )

    def _quit_answered(self, answer: Answer) -> None:
        if answer == "quit":
            self.deck.leave()
        elif answer == "pause":
            self.deck.order(cmd.Pause(id=self.deck.new_id(), reason="quitting"), "pause, then quit",
                       lambda ack: self.deck.leave() if ack.ok else None)  # fmt: skip
        elif answer == "flatten":
            self.ask_flatten(self._flattening)

    def _flattening(self, ack: Ack) -> None:
        """Leaving before the exits have filled would leave the positions behind."""
        if ack.ok:
            self._leaves_when_flat = True
            self.deck.say("leaving when every position is closed; q leaves before", "warn")

    def see(self, snapshot: Snapshot) -> None:
        """Leave as soon as a flatten that was to be followed by it has closed all that it can.

        DUST is what no order closes: waiting for it would be waiting for a better price.
        """
        if not self._leaves_when_flat or any(not view.dust for view in snapshot.positions):
            return
        if not any(order.state.live for order in snapshot.orders):
            self._leaves_when_flat = False
            self.deck.leave()


def left_behind(held: int) -> tuple[str, str]:
    """What leaving means for the positions, and the role that it is said in."""
    if not held:
        return "No position is open.", "muted"
    noun = "1 position stays" if held == 1 else f"{held} positions stay"
    return f"{noun} open without anybody watching the stops.", "danger"
