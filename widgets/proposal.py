"""One proposal in full: its terms, the gates it passed, how its size came about."""

from __future__ import annotations

from collections.abc import Sequence

from engine.core.types import Gate, Proposal
from engine.core.views import Snapshot
from widgets import numbers, words
from widgets.approvals import terms
from widgets.cells import fit
from widgets.decision import expected_value, size_factors
from widgets.document import DocumentPanel
from widgets.facts import heading
from widgets.frame import Frame
from widgets.lines import BLANK, Line, crop, run, spread


class ProposalDetail(DocumentPanel):
    """What an approval would bind, and everything that speaks for and against it."""

    title = "Proposal"
    empty = ("No proposal is selected.", "Select one under Approvals.")

    def __init__(self, *, id: str | None = None, frame: Frame = Frame.BOX) -> None:
        super().__init__(id=id, frame=frame)
        self._proposal: Proposal | None = None

    def show_proposal(self, proposal: Proposal | None) -> None:
        """Show this proposal until another is chosen."""
        if proposal is not self._proposal:
            self._proposal = proposal
            self.redraw()

    @property
    def proposal(self) -> Proposal | None:
        """What is shown: the chosen proposal, else the first that waits."""
        if self._proposal is not None or self.snapshot is None:
            return self._proposal
        return self.snapshot.proposals[0] if self.snapshot.proposals else None

    @property
    def selected_key(self) -> str | None:
        return self.proposal.id if self.proposal else None

    @property
    def selected_symbol(self) -> str:
        return self.proposal.symbol if self.proposal else ""

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        return snapshot.proposals

    def nothing(self) -> bool:
        return self.proposal is None

    def document(self, width: int) -> Sequence[Line]:
        proposal = self.proposal
        if proposal is None:
            return ()
        quote = self.snapshot.account.quote if self.snapshot else ""
        return proposal_lines(proposal, quote, width)


def proposal_lines(proposal: Proposal, quote: str, width: int) -> list[Line]:
    """The whole text about a proposal, for the panel and for a dialog."""
    head = [
        run(proposal.symbol, "bold"),
        ("  ", ""),
        words.side(proposal.direction),
        run(f"  {numbers.quantity(proposal.quantity)}", "bold"),
        run(f"  {proposal.state.value}", "muted"),
    ]
    right = f"{proposal.id} v{proposal.version}  {proposal.digest[:8]}"
    lines: list[Line] = [spread(head, [run(right, "muted")], width)]
    lines += terms(proposal, quote, width, most=12)
    lines += [BLANK, heading("Gates", width), *(gate_line(gate, width) for gate in proposal.gates)]
    if proposal.expected is not None:
        lines += [BLANK, *expected_value(proposal.expected, width)]
    if proposal.factors:
        lines += [BLANK, *size_factors(proposal.factors, width)]
    if proposal.grows:
        lines += [BLANK, (run(f"Adds to {proposal.grows}, under its stop and targets.", "soft"),)]
    if proposal.note:
        lines += [BLANK, (run(proposal.note, "soft"),)]
    return lines


def gate_line(gate: Gate, width: int) -> Line:
    """One gate in one row of a document."""
    return crop(
        (
            words.verdict(gate),
            ("  ", ""),
            run(fit(gate.name.capitalize(), 17)),
            run(fit(words.gate_value(gate), 8, "right")),
            run(f"  {fit(words.gate_limit(gate), 19)} ", "muted"),
            run(gate.detail if words.measured(gate) else "", "muted"),
        ),
        width,
    )
