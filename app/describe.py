"""Proposals, positions and acks in words: what dialogs show before a person answers.

The approval dialog, the then-and-now dialog and the detail view read the same rows, so
that what is asked is what was shown.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from app.chrome import Parts
from engine.core.clock import iso
from engine.core.types import Direction, Proposal
from engine.core.views import Absence, PositionView, Snapshot
from widgets import numbers
from widgets.lines import run
from widgets.position import PositionDetail
from widgets.proposal import ProposalDetail
from widgets.tablepanel import DETAIL_LABEL

Rows = list[Parts]

DETAIL_WIDTH = 94
"""Cells of a detail where the window has room for it."""


def amount(value: Decimal) -> str:
    """A decimal without exponent and trailing zeros, with thousands separated."""
    text = f"{value.normalize():,f}" if value == value else "unknown"
    return text.replace("-", "−")


def prices(values: tuple[Decimal, ...]) -> str:
    """Targets in one text."""
    return ", ".join(map(amount, values)) or "none"


def headline(proposal: Proposal) -> str:
    """`BUY 0.0100 BTC/USDT at 61,200`: side, size, symbol and price."""
    side = proposal.direction.entry_side.value
    return f"{side} {amount(proposal.quantity)} {proposal.symbol} at {amount(proposal.price)}"


def terms(proposal: Proposal) -> list[tuple[str, str]]:
    """The terms that an approval binds, as (name, value)."""
    return [
        ("symbol", proposal.symbol),
        ("direction", proposal.direction.value),
        ("size", amount(proposal.quantity)),
        ("price", amount(proposal.price)),
        ("stop", amount(proposal.stop)),
        ("targets", prices(proposal.targets)),
        ("leverage", f"{proposal.leverage}x"),
        ("notional", amount(proposal.notional)),
        ("at risk", amount(proposal.risk)),
    ]


def terms_rows(proposal: Proposal) -> Rows:
    """The terms as lines of a dialog."""
    return [[(f"{name:>10}  ", "muted"), (value, "bold")] for name, value in terms(proposal)]


def then_and_now(then: Proposal, now: Proposal) -> Rows:
    """Both versions side by side, each change marked by a word as well as by colour."""
    before, after = dict(terms(then)), dict(terms(now))
    rows: Rows = [[(f"{'':>10}  {'then':<20} {'now':<20}", "muted")]]
    for name, old in before.items():
        new = after[name]
        changed = old != new
        rows.append(
            [
                (f"{name:>10}  ", "muted"),
                (f"{old:<20} ", "muted" if changed else ""),
                (f"{new:<20}", "bold warn" if changed else ""),
                (" changed" if changed else "", "warn"),
            ]
        )
    passed = {gate.code: gate.passed for gate in then.gates}
    for gate in now.gates:
        if passed.get(gate.code, gate.passed) != gate.passed:
            word = "passes now" if gate.passed else "refuses now"
            rows.append([(f"{'gate':>10}  ", "muted"), (f"{gate.name}: {word}", "warn")])
    if now.note:
        rows.append([(f"{'note':>10}  ", "muted"), (now.note, "")])
    return rows


def proposal_rows(proposal: Proposal, view: Snapshot, width: int = DETAIL_WIDTH) -> Rows:
    """Everything about a proposal, as its detail panel draws it."""
    detail = ProposalDetail()
    detail.show(view, 0)
    detail.show_proposal(proposal)
    head: Rows = [[(f"digest {proposal.digest}, version {proposal.version}", "muted")], []]
    return [*head, *detail.document(width)]


def position_rows(position_id: str, view: Snapshot, width: int = DETAIL_WIDTH) -> Rows:
    """Everything about an open position, as its detail panel draws it."""
    detail = PositionDetail()
    detail.show(view, 0)
    detail.select(position_id)
    rows: Rows = list(detail.document(width))
    absent = [one for one in view.absences if one.position == position_id]
    return [*rows, *([[("", "")], *absence_rows(absent)] if absent else [])]


def absence_rows(absences: list[Absence]) -> Rows:
    """The absences as a text to read, what acts first."""
    rows: Rows = []
    for one in sorted(absences, key=lambda absence: not absence.acts):
        head, *rest = one.text.split("; ")
        if rows:
            rows.append([("", "")])
        rows.append([run(head, "bold")])
        for words in rest[:-1]:
            rows.append([run("  " + words, "")])
        rows.append([run("  " + rest[-1], "danger" if one.acts else "gain")])
    return rows


def closing_rows(view: PositionView) -> Rows:
    """What closing a position would realise, as far as is known before it fills."""
    p = view.position
    gained = f"{numbers.money(view.unrealised, sign=True)} ({numbers.percent(view.pnl_pct)})"
    rows: Rows = [
        [("size   ", "muted"), (f"{amount(p.quantity)} {p.symbol}", "bold")],
        [("entry  ", "muted"), (amount(p.entry_price), "")],
        [("mark   ", "muted"), (numbers.price(view.mark), "")],
        [("P&L    ", "muted"), (gained, numbers.role(view.unrealised))],
    ]
    return [*rows, [run(view.dust, "warn")]] if view.dust else rows


def stop_trouble(view: PositionView, price: Decimal) -> str:
    """Why a stop can't stand at this price, or an empty text."""
    mark = Decimal(repr(view.mark))
    if view.position.direction is Direction.LONG and price >= mark:
        return f"a long's stop stands below the price, which is {amount(mark)}"
    if view.position.direction is Direction.SHORT and price <= mark:
        return f"a short's stop stands above the price, which is {amount(mark)}"
    return ""


def target_trouble(view: PositionView, values: tuple[Decimal, ...]) -> str:
    """Why targets can't stand at these prices, or an empty text."""
    mark = Decimal(repr(view.mark))
    for price in values:
        if view.position.direction is Direction.LONG and price <= mark:
            return f"a long's target stands above the price, which is {amount(mark)}"
        if view.position.direction is Direction.SHORT and price >= mark:
            return f"a short's target stands below the price, which is {amount(mark)}"
    return ""


def control_rows(snapshot: Snapshot) -> Rows:
    """Why entries are not admitted: what a person reads before resuming."""
    control = snapshot.control
    return [
        [("state   ", "muted"), (control.state.value, "bold warn")],
        [("because ", "muted"), (control.reason or "no reason was given", "")],
        [("since   ", "muted"), (f"{iso(control.since_ns)}, by the {control.who.value}", "")],
        [("open    ", "muted"), (f"{len(snapshot.positions)} positions", "")],
    ]


def record_rows(record: msgspec.Struct) -> Rows:
    """Any flat record, field by field and unrounded; what is empty or a list is left out."""
    rows: Rows = [[], [("As recorded", "bold soft")]]
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if value is None or value == "" or isinstance(value, (tuple, msgspec.Struct)):
            continue
        text = iso(value) if name.endswith("_ns") and value else str(value)
        label = name.removesuffix("_ns").replace("_", " ")
        rows.append([(f"{label:<{DETAIL_LABEL}}  ", "muted"), (text, "")])
    return rows
