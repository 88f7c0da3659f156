"""Approvals: from the key to the sentence at the end, bound to what was shown.

Each act names its target from what the terminal has painted, sends one command and reports
that command's ack; nothing here decides what may be traded, the engine's gates do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app import describe, dialogs
from app.dialogs import Answer, Choice, Field
from app.shown import Look, same
from engine.core import commands as cmd
from engine.core.commands import Ack
from engine.core.types import Direction, Mode, Proposal, ProposalState
from engine.core.views import Snapshot

if TYPE_CHECKING:
    from app.app import QuarterdeckApp
    from app.chrome import Parts


class Approving:
    """Approve, reject, edit and override."""

    def __init__(self, deck: QuarterdeckApp) -> None:
        self.deck = deck
        self._waited: frozenset[str] = frozenset()

    def see(self, snapshot: Snapshot) -> None:
        """Say so when a proposal that stood here expires, lest it go unseen."""
        waiting = frozenset(proposal.id for proposal in snapshot.proposals)
        gone, self._waited = self._waited - waiting, waiting
        for proposal in snapshot.ended if gone else ():
            if proposal.id in gone and proposal.state is ProposalState.EXPIRED:
                what = describe.headline(proposal)
                self.deck.say(f"{proposal.id} expired unanswered: {what}", "warn")

    def do_approve(self, _argument: str) -> None:
        proposal = self.deck.shown.proposal
        if proposal is None:
            return
        if self.deck.reveal("approvals"):
            self.deck.say(
                f"Approvals: a approves {proposal.id}, {describe.headline(proposal)}", "note"
            )
            return
        look, left = self.deck.shown.look(proposal, self.deck.mono())
        if look is Look.SOON:
            self.deck.later(left / 1e9, lambda: self._approve_if_still(proposal))
        elif look is Look.READY:
            self._approve(proposal)
        else:
            words = f"{proposal.id} has just come under the cursor: read it, then press again"
            self.deck.say(words, "warn")

    def _approve_if_still(self, proposal: Proposal) -> None:
        """The press came while the proposal was new on screen: act unless it changed."""
        if self.deck.shown.look(proposal, self.deck.mono())[0] is Look.READY:
            self._approve(proposal)
        else:
            self.deck.say(
                f"{proposal.id} changed before it could be read: nothing was approved", "warn"
            )

    def _approve(self, proposal: Proposal) -> None:
        snapshot = self.deck.snapshot
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
        self.deck.ask(
            self.deck.dialog(
                f"Approve {proposal.id} version {proposal.version}?",
                rows,
                [Choice("y", "Approve", "yes")],
                "a",
            ),
            lambda answer: self._send_approval(proposal) if answer == "yes" else None,
        )

    def _send_approval(self, proposal: Proposal) -> None:
        if self.deck.outbox.approving(proposal.digest):
            self.deck.say(f"{proposal.id} is on its way to the engine already", "warn")
            return
        self.deck.order(
            cmd.Approve(
                id=self.deck.new_id(),
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
        now = self.deck.current_proposal(then.id)
        if now is None or same(then, now):
            return
        self._ask_again(then, now, f"{then.id} has changed: {ack.text}")

    def _ask_again(self, then: Proposal, now: Proposal, title: str) -> None:
        rows: list[Parts] = [
            *describe.then_and_now(then, now),
            [],
            [(f"Approving takes version {now.version} as it stands now.", "muted")],
        ]
        self.deck.ask(
            self.deck.dialog(title, rows, [Choice("y", "Approve this", "yes"),
                                      Choice("r", "Reject", "no")], "a"),
            lambda answer: self._answered_again(now, answer),
        )  # fmt: skip

    def _answered_again(self, now: Proposal, answer: Answer) -> None:
        if answer == "yes":
            self._send_approval(now)
        elif answer == "no":
            self._send_rejection(now)

    def do_reject(self, _argument: str) -> None:
        proposal = self.deck.shown.proposal
        if proposal is None:
            return
        if self.deck.reveal("approvals"):
            self.deck.say(
                f"Approvals: x rejects {proposal.id}, {describe.headline(proposal)}", "note"
            )
            return
        if self.deck.shown.look(proposal, self.deck.mono())[0] is Look.CHANGED:
            words = f"{proposal.id} has just come under the cursor: read it, then press again"
            self.deck.say(words, "warn")
            return
        self._send_rejection(proposal)
        form = self.deck.form(
            f"Rejected {proposal.id}. Why? (esc leaves it without a reason)",
            [],
            [Field("reason", "reason", "", dialogs.optional)],
            "Note it",
        )
        self.deck.ask(form, lambda answer: self._note_reason(proposal, answer))

    def _send_rejection(self, proposal: Proposal) -> None:
        self.deck.order(
            cmd.Reject(id=self.deck.new_id(), proposal=proposal.id), f"reject {proposal.id}"
        )

    def _note_reason(self, proposal: Proposal, answer: Answer) -> None:
        if isinstance(answer, dict) and answer.get("reason"):
            self.deck.order(
                cmd.Reject(id=self.deck.new_id(), proposal=proposal.id, reason=answer["reason"]),
                f"note why {proposal.id} was rejected",
            )

    def do_amend(self, _argument: str) -> None:
        proposal = self.deck.shown.proposal
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
        self.deck.ask(
            self.deck.form(title, [], fields, "Change the terms"),
            lambda answer: self._send_amendment(proposal, answer),
        )

    def _send_amendment(self, proposal: Proposal, answer: Answer) -> None:
        if not isinstance(answer, dict) or not answer:
            return
        quantity, stop = answer.get("quantity"), answer.get("stop")
        targets, leverage = answer.get("targets"), answer.get("leverage")
        self.deck.order(
            cmd.Amend(
                id=self.deck.new_id(),
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
        now = self.deck.current_proposal(then.id)
        if ack.ok and now is not None and not same(then, now):
            self._ask_again(then, now, f"{then.id} is version {now.version} now. Approve it?")

    # Overrides.

    def do_override(self, _argument: str) -> None:
        panel = self.deck.focused_panel()
        if panel == "positions":
            self._take_over()
        elif panel == "approvals" and self.deck.shown.proposal is not None:
            self._veto(self.deck.shown.proposal)
        else:
            self._override_symbol(self.deck.chosen_symbol())

    def _take_over(self) -> None:
        view = self.deck.chosen_position()
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
        self.deck.ask(
            self.deck.dialog(title, [[(words, "")]], [Choice("y", "Do it", "yes")], "o"),
            lambda answer: (
                self.deck.order(
                    cmd.TakeOver(id=self.deck.new_id(), position=position.id, taken=taken),
                    f"{'take over' if taken else 'give back'} {position.symbol}",
                )
                if answer == "yes"
                else None
            ),
        )

    def _veto(self, proposal: Proposal) -> None:
        form = self.deck.form(
            f"Veto {proposal.id}: {describe.headline(proposal)}",
            [[("The engine does not enter on this idea.", "muted")]],
            [Field("reason", "reason", "", dialogs.reason_check)],
            "Veto",
        )
        self.deck.ask(
            form,
            lambda answer: (
                self.deck.order(
                    cmd.Veto(id=self.deck.new_id(), target=proposal.id, reason=answer["reason"]),
                    f"veto {proposal.id}",
                )
                if isinstance(answer, dict)
                else None
            ),
        )

    def _override_symbol(self, symbol: str) -> None:
        form = self.deck.form(
            f"Propose {symbol} against the engine's decision",
            [[("Hard limits never give way. The proposal waits for your approval.", "muted")]],
            [
                Field("direction", "long or short", "", lambda text: ""
                      if text.lower() in ("long", "short") else "write long or short"),
                Field("reason", "reason", "", dialogs.reason_check),
            ],
            "Propose",
        )  # fmt: skip
        self.deck.ask(form, lambda answer: self._send_override(symbol, answer))

    def _send_override(self, symbol: str, answer: Answer) -> None:
        if isinstance(answer, dict):
            direction = Direction(answer["direction"].upper())
            self.deck.order(
                cmd.Override(
                    id=self.deck.new_id(),
                    symbol=symbol,
                    direction=direction,
                    reason=answer["reason"],
                ),
                f"propose {direction.value} {symbol}",
            )
