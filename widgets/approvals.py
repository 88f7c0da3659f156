"""Approvals: what the engine wants to do and must not do before a person has read it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile

from engine.core.types import Proposal, ProposalState
from engine.core.views import Snapshot
from widgets import numbers, words
from widgets.cells import plain
from widgets.columns import Column
from widgets.facts import Fact, flow, paragraph
from widgets.lines import Line, Run, run
from widgets.rows import Row
from widgets.tablepanel import TablePanel

NONE_WAITS = (
    "No proposal waits.",
    "When strategies agree on an entry and every gate lets it pass, its size, price, stop "
    "and targets stand here until you approve (a), edit (e) or reject (x) it.",
)


class ApprovalsPanel(TablePanel):
    """Proposals that wait, the terms of the selected one beneath them."""

    title = "Approvals"
    empty = NONE_WAITS
    columns = (
        Column("symbol", "Symbol", 8, most=18),
        Column("side", "Side", 7),
        Column("size", "Size", 6, "right", most=14),
        Column("price", "Price", 8, "right", rank=1, most=12),
        Column("stop", "Stop", 8, "right", rank=5, most=12),
        Column("target", "Target", 8, "right", rank=6, most=12),
        Column("rr", "R:R", 4, "right", rank=3),
        Column("sure", "Sure", 5, "right", rank=4),
        Column("ev", "EV", 7, "right", rank=3, most=10),
        Column("left", "Left", 4, "right", rank=1, most=5),
        Column("why", "Waits because", 14, rank=7, grows=True),
    )

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        left = (numbers.remaining(p.expires_ns - snapshot.time_ns) for p in snapshot.proposals)
        return (*snapshot.proposals, *left, *snapshot.ended[-1:])

    def items(self, snapshot: Snapshot) -> Iterable[Row]:
        self.empty = _empty(snapshot)
        return self.made.build(
            (
                (proposal.id, (proposal, numbers.remaining(proposal.expires_ns - snapshot.time_ns)))
                for proposal in snapshot.proposals
            ),
            self._row,
        )

    def _row(self, proposal: Proposal, left: str) -> Row:
        symbol = proposal.symbol
        self.ticks.see(symbol, proposal.price, proposal.stop, *proposal.targets)
        target = proposal.targets[0] if proposal.targets else None
        rr = words.reward_to_risk(proposal)
        urgent = left.endswith("s") or left == "now"
        return Row(
            proposal.id,
            {
                "symbol": (symbol, "bold"),
                "side": words.side(proposal.direction),
                "size": (numbers.quantity(proposal.quantity), "bold"),
                "price": self.ticks.price(symbol, proposal.price),
                "stop": (self.ticks.price(symbol, proposal.stop), "stop"),
                "target": (self.ticks.price(symbol, target), "target"),
                "rr": numbers.ratio(rr),
                "sure": numbers.share(proposal.confidence),
                "ev": words.expected(proposal.expected),
                "left": (left, "warn" if urgent else "muted"),
                "why": (proposal.why_waits or proposal.strategy, "muted"),
            },
            sort={"price": float(proposal.price), "left": float(proposal.expires_ns), "rr": rr},
            symbol=symbol,
        )

    def details(self, row: Row, width: int) -> Sequence[Line]:
        proposal = self.proposal
        return terms(proposal, self._quote, width) if proposal else ()

    @property
    def proposal(self) -> Proposal | None:
        """The proposal at the cursor, as drawn."""
        key = self.selected_key
        waiting = self.snapshot.proposals if self.snapshot else ()
        return next((proposal for proposal in waiting if proposal.id == key), None)

    @property
    def readable(self) -> bool:
        """Whether symbol, side and size of the selected proposal stand on screen uncut.

        Only then may a person approve it here, and only then is the key named.
        """
        return self.table.whole() and self._area[1] >= 3

    @property
    def _quote(self) -> str:
        return self.snapshot.account.quote if self.snapshot else ""

    def note(self) -> Sequence[Run]:
        count = len(self.table.rows)
        return ((f"{count} waiting", "accent bold"),) if count else ()

    def foot(self) -> Sequence[Run]:
        proposal = self.proposal
        if proposal is None or not self.readable:
            return ()
        named = f"{proposal.id} "
        return (
            ("a", "bold note"), (" approve ", "muted"), run(named, "soft"),
            ("· ", "frame"), ("e", "bold note"), (" edit ", "muted"),
            ("· ", "frame"), ("x", "bold note"), (" reject", "muted"),
        )  # fmt: skip


def _empty(snapshot: Snapshot) -> tuple[str, str]:
    """Why nothing stands here; first of all what expired since anybody last answered."""
    missed = list(takewhile(lambda one: one.state is ProposalState.EXPIRED, snapshot.ended[::-1]))
    if not missed:
        return NONE_WAITS
    last = missed[0]
    symbol, side = plain(last.symbol), last.direction.value
    at = numbers.clock(last.expires_ns)
    many = f"{len(missed)} expired unanswered, the last one" if len(missed) > 1 else "The last one"
    more = "" if len(missed) > 1 else " expired unanswered"
    return (
        "No proposal waits.",
        f"{many}, {side} {symbol},{more} at {at}. The Journal (7) tells under Not made what "
        "became of the prices.",
    )


def _margin(proposal: Proposal, quote: str) -> list[Fact]:
    """On a perpetual: what the entry puts aside, and where that would be lost."""
    if proposal.margin is None:
        return []
    facts: list[Fact] = [("Margin", [(f"{numbers.money(proposal.margin)} {quote}", "")])]
    if proposal.liquidation:
        gap = words.distance_pct(proposal.price, proposal.liquidation)
        decimals = numbers.decimals_of(proposal.price)
        end: list[Run] = [
            (numbers.price(proposal.liquidation, decimals), "stop"),
            (f" {numbers.percent(gap)}", "muted"),
        ]
        facts.append(("Liquidated at", end))
    return facts


def terms(proposal: Proposal, quote: str, width: int, most: int = 2) -> list[Line]:
    """A proposal's terms: prices, money, why, and up to `most` rows of reasoning."""
    price = proposal.price
    stop: list[Run] = [
        (numbers.price(proposal.stop), "stop"),
        (f" {numbers.percent(words.distance_pct(price, proposal.stop))}", "muted"),
    ]
    targets: list[Run] = []
    for index, target in enumerate(proposal.targets):
        gap = " · " if index else ""
        targets += [
            (f"{gap}{numbers.price(target)}", "target"),
            (f" {numbers.ratio(words.reward_to_risk(proposal, index))}R", "muted"),
        ]
    ev = proposal.expected
    why = "prior" if ev and ev.prior else f"{ev.n} trades" if ev else ""
    facts = [
        ("Entry", [(numbers.price(price), "entry")]),
        ("Stop", stop),
        ("Target" if len(proposal.targets) == 1 else "Targets", targets or [("none", "muted")]),
        (
            "Value",
            [
                (f"{numbers.money(proposal.notional)} {quote}", ""),
                (f" {proposal.leverage}×", "muted"),
            ],
        ),
        ("Risk", [(f"{numbers.money(proposal.risk)} {quote}", "")]),
        *_margin(proposal, quote),
        ("Sure", [(numbers.share(proposal.confidence), "")]),
        ("EV", [words.expected(ev), (f" {why}", "muted")]),
        ("By", [run(proposal.strategy)]),
    ]
    lines = flow(facts, width)
    if proposal.why_waits:
        lines += [(("Waits because ", "muted"), run(proposal.why_waits))]
    return lines + paragraph(proposal.reasoning, width, "soft", limit=most)
