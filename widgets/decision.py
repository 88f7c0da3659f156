"""One decision in full: who voted what, who was absent, and what it should earn."""

from __future__ import annotations

from collections.abc import Sequence

from engine.core.types import Decision, ExpectedValue, Proposal, Signal, SizeFactor, Vote
from engine.core.views import Snapshot
from widgets import numbers, words
from widgets.cells import fit
from widgets.document import DocumentPanel
from widgets.facts import heading, paragraph
from widgets.frame import Frame
from widgets.gauge import gauge
from widgets.lines import BLANK, Line, crop, line_width, run, spread

_BAR = 12
_SOURCE = 13
_LEAST_REASON = 12


class DecisionDetail(DocumentPanel):
    """The votes with their weights, the signals, the expected value and the size factors."""

    title = "Decision"
    empty = (
        "No decision is selected.",
        "Select one under Reasoning or a symbol under Signals; its votes stand here.",
    )

    def __init__(self, *, id: str | None = None, frame: Frame = Frame.BOX) -> None:
        super().__init__(id=id, frame=frame)
        self._decision: Decision | None = None
        self._key = ""

    def show_decision(self, decision: Decision | None) -> None:
        """Explain this decision, from wherever it came, until another is chosen."""
        if decision is not self._decision:
            self._decision = decision
            self._key = decision.id if decision else ""
            self._top = 0
            self.redraw()

    def select(self, key: str) -> bool:
        """Explain the decision with this id, or the last one of this symbol."""
        views = self.snapshot.outlooks if self.snapshot else ()
        for view in views:
            if view.decision is not None and key in (view.decision.id, view.symbol):
                self.show_decision(view.decision)
                return True
        return False

    @property
    def decision(self) -> Decision | None:
        """What is explained: the chosen decision, else the newest."""
        if self._decision is not None or self.snapshot is None:
            return self._decision
        made = [view.decision for view in self.snapshot.outlooks if view.decision is not None]
        return max(made, key=lambda d: d.time_ns, default=None)

    @property
    def selected_key(self) -> str | None:
        return self.decision.id if self.decision else None

    @property
    def selected_symbol(self) -> str:
        return self.decision.symbol if self.decision else ""

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        return (
            *(view.decision for view in snapshot.outlooks),
            *snapshot.proposals,
            *snapshot.ended,
        )

    def nothing(self) -> bool:
        return self.decision is None

    def document(self, width: int) -> Sequence[Line]:
        decision = self.decision
        if decision is None:
            return ()
        proposal = self._proposal(decision)
        lines: list[Line] = [_headline(decision, width)]
        lines += paragraph(decision.reasoning, width, "soft")
        lines += [BLANK, *votes(decision, width)]
        lines += [BLANK, *signals(decision.signals, width)]
        ev = decision.expected or (proposal.expected if proposal else None)
        if ev is not None:
            lines += [BLANK, *expected_value(ev, width)]
        if proposal is not None and proposal.factors:
            lines += [BLANK, *size_factors(proposal.factors, width)]
        return lines

    def _proposal(self, decision: Decision) -> Proposal | None:
        if self.snapshot is None:
            return None
        made = (*self.snapshot.proposals, *self.snapshot.ended)
        return next((each for each in made if each.decision == decision.id), None)


def _headline(decision: Decision, width: int) -> Line:
    text, role = words.action(decision.action, decision.confidence)
    regime = decision.regime.replace("_", " ").lower()
    right = f"{decision.id}  {numbers.clock(decision.time_ns)}"
    left = [
        run(decision.symbol, "bold"),
        ("  ", ""),
        (text, f"bold {role}"),
        run(f"  {numbers.price(decision.price)}"),
        run(f"  {regime} {numbers.share(decision.regime_confidence)}" if regime else "", "muted"),
    ]
    return spread(left, [run(right, "muted")], width)


def votes(decision: Decision, width: int) -> list[Line]:
    """Each vote with its share of the decision, and who could not vote."""
    lines = [heading("Votes", width)]
    lines += [_vote(vote, width) for vote in words.votes_for(decision)]
    if decision.absent:
        names = ", ".join(name.replace("_", " ") for name in decision.absent)
        lines.append(crop((("absent, weight shared out: ", "muted"), run(names, "soft")), width))
    return lines


def _vote(vote: Vote, width: int) -> Line:
    text, role = numbers.action(vote.action)
    return crop(
        (
            run(fit(vote.source.replace("_", " "), _SOURCE)),
            (" ", ""),
            *gauge(vote.weight, _BAR, "primary"),
            (f" {fit(numbers.share(vote.weight), 5, 'right')}  ", "soft"),
            (fit(text, 7), role),
            (f"{fit(numbers.share(vote.confidence), 5, 'right')}  ", ""),
            run(vote.reason, "muted"),
        ),
        width,
    )


def signals(given: Sequence[Signal], width: int) -> list[Line]:
    """What each strategy said, with the prices it named."""
    lines = [heading("Signals", width)]
    if not given:
        return [*lines, (("no strategy spoke", "muted"),)]
    return [*lines, *(_signal(signal, width) for signal in given)]


def _signal(signal: Signal, width: int) -> Line:
    text, role = numbers.action(signal.action)
    levels = (("stop", signal.stop, "stop"), ("target", signal.target, "target"))
    line: Line = (
        run(fit(signal.strategy.replace("_", " "), _SOURCE)),
        (" ", ""),
        (fit(text, 7), role),
        (f"{fit(numbers.share(signal.confidence), 5, 'right')}  ", ""),
        *(
            (f"{name} {numbers.price(numbers.rounded_price(value))}  ", tone)
            for name, value, tone in levels
            if numbers.known(value)
        ),
    )
    if width - line_width(line) >= _LEAST_REASON:
        line = (*line, run(signal.reason, "muted"))
    return crop(line, width)


def expected_value(ev: ExpectedValue, width: int) -> list[Line]:
    """How the expected value adds up, in basis points of the notional."""
    source = "from the declared prior, no trades of this kind yet" if ev.prior else ""
    source = source or f"from {ev.n} trades of this kind"
    gain, loss = ev.probability * ev.win_bps, (1 - ev.probability) * abs(ev.loss_bps)
    rows = [
        (f"{numbers.share(ev.probability)} × win {numbers.basis_points(ev.win_bps)}", gain),
        (
            f"{numbers.share(1 - ev.probability)} × loss {numbers.basis_points(-abs(ev.loss_bps))}",
            -loss,
        ),
        ("fees", -ev.fees_bps),
        ("spread", -ev.spread_bps),
        ("slippage", -ev.slippage_bps),
    ]
    lines = [heading("Expected value", width)]
    for name, value in rows:
        lines.append(_sum(name, value, width, ""))
    mark = words.PRIOR if ev.prior else ""
    lines.append(_sum("net", ev.net_bps, width, f"bold {numbers.role(ev.net_bps)}", mark))
    lines.append(crop((run(f"{words.PRIOR} {source}" if mark else source, "muted"),), width))
    return lines


def _sum(name: str, value: float, width: int, tone: str, mark: str = "") -> Line:
    label = fit(name, min(28, max(8, width - 14)))
    amount = fit(numbers.number(value, 1, sign=True), 9, "right")
    return crop(((label, "soft"), (f"{amount} bp{mark}", tone)), width)


def size_factors(factors: Sequence[SizeFactor], width: int) -> list[Line]:
    """How the size came about, factor by factor."""
    lines = [heading("Size", width)]
    lines += [
        crop(
            (
                run(fit(factor.name.replace("_", " "), 24), "soft"),
                (fit(f"× {numbers.number(factor.value, 3)}", 12, "right"), ""),
                (fit(f"= {numbers.rounded(factor.result)}", 16, "right"), "muted"),
            ),
            width,
        )
        for factor in factors
    ]
    return lines
