"""Acts: what each key that moves the engine does, from the press to the sentence at the end.

Every act names its target from what was shown, sends one command and reports that
command's ack; nothing here decides what may be traded, the engine's gates do.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from app import describe, dialogs
from app.dialogs import Answer, Choice, Dialog, Field, Form
from app.shown import Look, Shown, same
from engine.core import commands as cmd
from engine.core.commands import Ack, AnyCommand
from engine.core.types import ApprovalMode, Control, Direction, Mode, Proposal
from engine.core.views import PositionView, Snapshot

if TYPE_CHECKING:
    from app.chrome import Parts

SPEEDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 0.0)
"""Paces of a replay or simulated market; 0 is as fast as it goes and so the last."""


class Acts:
    """The part of the application that sends commands; the rest of it only looks."""

    shown: Shown

    if TYPE_CHECKING:
        snapshot: Snapshot | None

        def order(
            self,
            command: AnyCommand,
            what: str,
            answered: Callable[[Ack], None] | None = None,
        ) -> None: ...
        def new_id(self) -> str: ...
        def say(self, text: str, style: str = "") -> None: ...
        def ask(self, dialog: Dialog, answered: Callable[[Answer], None]) -> None: ...
        def mono(self) -> int: ...
        def later(self, seconds: float, callback: Callable[[], None]) -> None: ...
        def current_proposal(self, proposal_id: str) -> Proposal | None: ...
        def chosen_position(self) -> PositionView | None: ...
        def chosen_symbol(self) -> str: ...
        def chosen_order(self) -> str: ...
        def focused_panel(self) -> str: ...
        def reveal(self, panel_id: str) -> bool: ...
        def leave(self) -> None: ...
        def served(self) -> bool: ...

    # Approvals.

    def do_approve(self, _argument: str) -> None:
        proposal = self.shown.proposal
        if proposal is None:
            return
        if self.reveal("approvals"):
            self.say(f"Approvals: a approves {proposal.id}, {describe.headline(proposal)}", "note")
            return
        look, left = self.shown.look(proposal, self.mono())
        if look is Look.SOON:
            self.later(left / 1e9, lambda: self._approve_if_still(proposal))
        elif look is Look.READY:
            self._approve(proposal)
        else:
            self.say(f"{proposal.id} has just come under the cursor: read it, then press again",
                     "warn")  # fmt: skip

    def _approve_if_still(self, proposal: Proposal) -> None:
        """The press came while the proposal was new on screen: act unless it changed."""
        if self.shown.look(proposal, self.mono())[0] is Look.READY:
            self._approve(proposal)
        else:
            self.say(f"{proposal.id} changed before it could be read: nothing was approved", "warn")

    def _approve(self, proposal: Proposal) -> None:
        snapshot = self.snapshot
        if snapshot is None:
            return
        if snapshot.run.mode is Mode.PAPER:
            self._send_approval(proposal)
            return
        rows: list[Parts] = [
            [(f"This sends an order to the {snapshot.run.mode.value} venue.", "warn")],
            [],
            *describe.terms_rows(proposal),
        ]
        self.ask(
            self.dialog(
                f"Approve {proposal.id} version {proposal.version}?",
                rows,
                [Choice("y", "Approve", "yes")],
                "a",
            ),
            lambda answer: self._send_approval(proposal) if answer == "yes" else None,
        )

    def _send_approval(self, proposal: Proposal) -> None:
        self.order(
            cmd.Approve(
                id=self.new_id(),
                proposal=proposal.id,
                digest=proposal.digest,
                version=proposal.version,
            ),
            f"approve {proposal.id}",
            lambda ack: self._approval_answered(proposal, ack),
        )

    def _approval_answered(self, then: Proposal, ack: Ack) -> None:
        if ack.ok or ack.code != "changed":
            return
        now = self.current_proposal(then.id)
        if now is None or same(then, now):
            return
        self._ask_again(then, now, f"{then.id} has changed: {ack.text}")

    def _ask_again(self, then: Proposal, now: Proposal, title: str) -> None:
        rows: list[Parts] = [
            *describe.then_and_now(then, now),
            [],
            [(f"Approving takes version {now.version} as it stands now.", "muted")],
        ]
        self.ask(
            self.dialog(title, rows, [Choice("y", "Approve this", "yes"),
                                      Choice("r", "Reject", "no")], "a"),
            lambda answer: self._answered_again(now, answer),
        )  # fmt: skip

    def _answered_again(self, now: Proposal, answer: Answer) -> None:
        if answer == "yes":
            self._send_approval(now)
        elif answer == "no":
            self._send_rejection(now)

    def do_reject(self, _argument: str) -> None:
        proposal = self.shown.proposal
        if proposal is None:
            return
        if self.reveal("approvals"):
            self.say(f"Approvals: x rejects {proposal.id}, {describe.headline(proposal)}", "note")
            return
        self._send_rejection(proposal)
        form = self.form(
            f"Rejected {proposal.id}. Why? (esc leaves it without a reason)",
            [],
            [Field("reason", "reason", "", dialogs.optional)],
            "Note it",
        )
        self.ask(form, lambda answer: self._note_reason(proposal, answer))

    def _send_rejection(self, proposal: Proposal) -> None:
        self.order(cmd.Reject(id=self.new_id(), proposal=proposal.id), f"reject {proposal.id}")

    def _note_reason(self, proposal: Proposal, answer: Answer) -> None:
        if isinstance(answer, dict) and answer.get("reason"):
            self.order(
                cmd.Reject(id=self.new_id(), proposal=proposal.id, reason=answer["reason"]),
                f"note why {proposal.id} was rejected",
            )

    def do_amend(self, _argument: str) -> None:
        proposal = self.shown.proposal
        if proposal is None:
            return
        fields = [
            Field("quantity", "size", f"{proposal.quantity:f}", dialogs.price_check),
            Field("stop", "stop", f"{proposal.stop:f}", dialogs.price_check),
            Field("targets", "targets", " ".join(f"{t:f}" for t in proposal.targets),
                  lambda text: "" if dialogs.parse_prices(text) is not None
                  else "write prices above 0, separated by spaces"),
            Field("leverage", "leverage", str(proposal.leverage),
                  lambda text: "" if text.isdigit() and 1 <= int(text) <= 125
                  else "leverage is a whole number from 1 to 125"),
        ]  # fmt: skip
        title = f"Edit {proposal.id}: {describe.headline(proposal)}"
        self.ask(
            self.form(title, [], fields, "Change the terms"),
            lambda answer: self._send_amendment(proposal, answer),
        )

    def _send_amendment(self, proposal: Proposal, answer: Answer) -> None:
        if not isinstance(answer, dict) or not answer:
            return
        quantity, stop = answer.get("quantity"), answer.get("stop")
        targets, leverage = answer.get("targets"), answer.get("leverage")
        self.order(
            cmd.Amend(
                id=self.new_id(),
                proposal=proposal.id,
                digest=proposal.digest,
                quantity=dialogs.parse_decimal(quantity) if quantity else None,
                stop=dialogs.parse_decimal(stop) if stop else None,
                targets=dialogs.parse_prices(targets) if targets is not None else None,
                leverage=int(leverage) if leverage else None,
            ),
            f"change {proposal.id}",
            lambda ack: self._amendment_answered(proposal, ack),
        )

    def _amendment_answered(self, then: Proposal, ack: Ack) -> None:
        now = self.current_proposal(then.id)
        if ack.ok and now is not None and not same(then, now):
            self._ask_again(then, now, f"{then.id} is version {now.version} now. Approve it?")

    # Overrides.

    def do_override(self, _argument: str) -> None:
        panel = self.focused_panel()
        if panel == "positions":
            self._take_over()
        elif panel == "approvals" and self.shown.proposal is not None:
            self._veto(self.shown.proposal)
        else:
            self._override_symbol(self.chosen_symbol())

    def _take_over(self) -> None:
        view = self.chosen_position()
        if view is None:
            return
        position = view.position
        taken = not position.taken_over
        words = (
            "The engine leaves its stop and targets alone; liquidation protection stays."
            if taken
            else "The engine manages its stop and targets again."
        )
        title = f"{'Take over' if taken else 'Give back'} {position.id} {position.symbol}?"
        self.ask(
            self.dialog(title, [[(words, "")]], [Choice("y", "Do it", "yes")], "o"),
            lambda answer: (
                self.order(
                    cmd.TakeOver(id=self.new_id(), position=position.id, taken=taken),
                    f"{'take over' if taken else 'give back'} {position.symbol}",
                )
                if answer == "yes"
                else None
            ),
        )

    def _veto(self, proposal: Proposal) -> None:
        form = self.form(
            f"Veto {proposal.id}: {describe.headline(proposal)}",
            [[("The engine does not enter on this idea.", "muted")]],
            [Field("reason", "reason", "", dialogs.reason_check)],
            "Veto",
        )
        self.ask(
            form,
            lambda answer: (
                self.order(
                    cmd.Veto(id=self.new_id(), target=proposal.id, reason=answer["reason"]),
                    f"veto {proposal.id}",
                )
                if isinstance(answer, dict)
                else None
            ),
        )

    def _override_symbol(self, symbol: str) -> None:
        form = self.form(
            f"Propose {symbol} against the engine's decision",
            [[("Hard limits never give way. The proposal waits for your approval.", "muted")]],
            [
                Field("direction", "long or short", "", lambda text: ""
                      if text.lower() in ("long", "short") else "write long or short"),
                Field("reason", "reason", "", dialogs.reason_check),
            ],
            "Propose",
        )  # fmt: skip
        self.ask(form, lambda answer: self._send_override(symbol, answer))

    def _send_override(self, symbol: str, answer: Answer) -> None:
        if isinstance(answer, dict):
            direction = Direction(answer["direction"].upper())
            self.order(
                cmd.Override(
                    id=self.new_id(), symbol=symbol, direction=direction, reason=answer["reason"]
                ),
                f"propose {direction.value} {symbol}",
            )

    # Positions and orders.

    def do_move_stop(self, _argument: str) -> None:
        view = self.chosen_position()
        if view is None:
            return

        def check(text: str) -> str:
            price = dialogs.parse_decimal(text)
            if price is None:
                return dialogs.price_check(text)
            return describe.stop_trouble(view, price)

        position = view.position
        form = self.form(
            f"Stop of {position.id} {position.direction.value} {position.symbol}",
            [[("price now ", "muted"), (f"{view.mark:,.8g}", "bold")]],
            [Field("price", "stop", f"{position.stop:f}", check)],
            "Move the stop",
        )
        self.ask(
            form,
            lambda answer: (
                self.order(
                    cmd.MoveStop(
                        id=self.new_id(),
                        position=position.id,
                        price=dialogs.parse_decimal(answer["price"]) or position.stop,
                    ),
                    f"move the stop of {position.symbol}",
                )
                if isinstance(answer, dict)
                else None
            ),
        )

    def do_move_targets(self, _argument: str) -> None:
        view = self.chosen_position()
        if view is None:
            return

        def check(text: str) -> str:
            prices = dialogs.parse_prices(text)
            if prices is None:
                return "write prices above 0, separated by spaces, or nothing for none"
            return describe.target_trouble(view, prices)

        position = view.position
        form = self.form(
            f"Targets of {position.id} {position.direction.value} {position.symbol}",
            [[("price now ", "muted"), (f"{view.mark:,.8g}", "bold")]],
            [Field("prices", "targets", " ".join(f"{t:f}" for t in position.targets), check)],
            "Move the targets",
        )
        self.ask(
            form,
            lambda answer: (
                self.order(
                    cmd.MoveTargets(
                        id=self.new_id(),
                        position=position.id,
                        prices=dialogs.parse_prices(answer["prices"]) or (),
                    ),
                    f"move the targets of {position.symbol}",
                )
                if isinstance(answer, dict)
                else None
            ),
        )

    def do_close_position(self, _argument: str) -> None:
        view = self.chosen_position()
        if view is None:
            return
        position = view.position
        self.ask(
            self.dialog(
                f"Close {position.id} {position.direction.value} {position.symbol}?",
                describe.position_rows(view)[3:7],
                [
                    Choice("a", "All of it", "1", danger=True),
                    Choice("h", "Half", "0.5"),
                    Choice("p", "A part …", "part"),
                ],
                "c",
            ),
            lambda answer: self._close_answered(view, answer),
        )

    def _close_answered(self, view: PositionView, answer: Answer) -> None:
        if answer == "part":
            form = self.form(
                f"How much of {view.position.symbol}?",
                [],
                [Field("percent", "percent, above 0 and up to 100", "", _percent_check)],
                "Close this part",
            )
            self.ask(
                form,
                lambda filled: (
                    self._close(view, float(Decimal(filled["percent"]) / 100))
                    if isinstance(filled, dict)
                    else None
                ),
            )
        elif isinstance(answer, str) and answer:
            self._close(view, float(answer))

    def _close(self, view: PositionView, fraction: float) -> None:
        part = "all" if fraction == 1.0 else f"{fraction:.0%}"
        self.order(
            cmd.ClosePosition(id=self.new_id(), position=view.position.id, fraction=fraction),
            f"close {part} of {view.position.symbol}",
        )

    def do_cancel_order(self, _argument: str) -> None:
        order = self.chosen_order()
        self.order(cmd.CancelOrder(id=self.new_id(), order=order), f"cancel {order}")

    # Control.

    def do_pause(self, _argument: str) -> None:
        snapshot = self.snapshot
        if snapshot is None:
            return
        if snapshot.control.state is Control.ACTIVE:
            self.order(cmd.Pause(id=self.new_id()), "pause new entries")
            return
        self.ask(
            self.dialog(
                "Admit entries again?",
                describe.control_rows(snapshot),
                [Choice("y", "Resume", "yes", danger=True)],
                "p",
            ),
            lambda answer: (
                self.order(cmd.Resume(id=self.new_id()), "resume") if answer == "yes" else None
            ),
        )

    def do_halt(self, _argument: str) -> None:
        self.order(cmd.Halt(id=self.new_id(), reason="a person halted"), "halt")

    def do_approval_mode(self, mode: str) -> None:
        if mode == ApprovalMode.REVIEW.value:
            self.order(cmd.SetApproval(id=self.new_id(), mode=mode), "review every proposal")
            return
        self.ask(
            self.dialog(
                "Let the engine approve its own proposals?",
                [[("Entries are made without you until you choose review again.", "warn")]],
                [Choice("y", "Let it", "yes", danger=True)],
                "ctrl+p",
            ),
            lambda answer: (
                self.order(cmd.SetApproval(id=self.new_id(), mode=mode), "let the engine approve")
                if answer == "yes"
                else None
            ),
        )

    def do_speed(self, which: str) -> None:
        if self.snapshot is None:
            return
        now = self.snapshot.feed.speed
        ordered = sorted(SPEEDS, key=lambda s: s or float("inf"))
        index = min(
            range(len(ordered)),
            key=lambda i: abs((ordered[i] or 1e9) - (now or 1e9)),
        )
        index = max(0, min(len(ordered) - 1, index + (1 if which == "up" else -1)))
        speed = ordered[index]
        words = f"play at {speed:g}x" if speed else "play as fast as it goes"
        self.order(cmd.SetSpeed(id=self.new_id(), speed=speed), words)

    def do_flatten(self, _argument: str) -> None:
        self.ask_flatten(None)

    def ask_flatten(self, then: Callable[[Ack], None] | None) -> None:
        """Have the word typed, then pause, cancel every order and close every position."""
        snapshot = self.snapshot
        if snapshot is None:
            return
        resting = sum(order.state.live for order in snapshot.orders)
        rows: list[Parts] = [
            [("Entries pause, ", ""), (f"{resting} resting orders are cancelled and ", ""),
             (f"{len(snapshot.positions)} positions are closed at the market.", "bold")],
            [("This can't be undone.", "danger")],
        ]  # fmt: skip
        form = self.form(
            "Flatten everything",
            rows,
            [Field("typed", "type FLATTEN", "", lambda text: ""
                   if text == "FLATTEN" else "the word is FLATTEN, in capitals")],
            "Flatten",
        )  # fmt: skip
        self.ask(
            form,
            lambda answer: (
                self.order(
                    cmd.Flatten(id=self.new_id(), typed=answer["typed"]), "flatten everything", then
                )
                if isinstance(answer, dict)
                else None
            ),
        )

    def do_quit_dialog(self, _argument: str) -> None:
        snapshot = self.snapshot
        rows: list[Parts]
        if snapshot is None:
            choices = [Choice("y", "Quit", "quit")]
            rows = [[("The engine has not started yet.", "")]]
        elif self.served():
            choices = [Choice("d", "Detach", "quit")]
            rows = [[("The engine runs on without this screen.", "")]]
        else:
            held = len(snapshot.positions)
            rows = [
                [("The engine runs inside this program and stops with it.", "")],
                [(f"{held} positions would be left without anybody watching their stops."
                  if held else "No position is open.", "danger" if held else "muted")],
            ]  # fmt: skip
            choices = [
                Choice("p", "Pause and quit", "pause"),
                Choice("f", "Flatten and quit", "flatten", danger=True),
                Choice("y", "Quit", "quit"),
            ]
        self.ask(self.dialog("Leave Quarterdeck?", rows, choices, "q"), self._quit_answered)

    def _quit_answered(self, answer: Answer) -> None:
        if answer == "quit":
            self.leave()
        elif answer == "pause":
            self.order(cmd.Pause(id=self.new_id(), reason="quitting"), "pause, then quit",
                       lambda ack: self.leave() if ack.ok else None)  # fmt: skip
        elif answer == "flatten":
            self.ask_flatten(lambda ack: self.leave() if ack.ok else None)

    # Building dialogs with this application's clock.

    def dialog(self, title: str, rows: list[Parts], choices: list[Choice], opener: str) -> Dialog:
        return Dialog(title, rows, choices, opener, self.mono)

    def form(self, title: str, rows: list[Parts], fields: list[Field], submit: str) -> Form:
        return Form(title, rows, fields, submit, True, self.mono)


def _percent_check(text: str) -> str:
    value = dialogs.parse_decimal(text)
    if value is None or value > 100:
        return "write a percentage above 0 and up to 100"
    return ""
