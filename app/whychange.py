"""What `why` tells of learning: the changes of a parameter or a coin, and those behind a trade.

From the ledger alone: every change in the journal with its figures, and for a trade those that
were in force when it was opened and reached it by their scope.
"""

from __future__ import annotations

from typing import Any

from app.ledger import change_facts, change_rows, ledger
from app.telling import plain, say, say_facts, say_table
from engine.core.clock import iso
from engine.core.learning import Change, TargetKind
from engine.core.types import Trade
from engine.journal.queries import Reader
from engine.learning.pairs import pair_name


def of_parameter(reader: Reader, name: str) -> list[dict[str, Any]]:
    """Every change of a parameter in any scope, the last one that moved first."""
    return [
        change_facts(change, compared)
        for change, compared in ledger(reader)
        if change.target.kind is TargetKind.PARAMETER and change.target.name == name
    ]


def of_symbol(reader: Reader, symbol: str) -> list[dict[str, Any]]:
    """Every change that concerns one symbol alone: its coin, its pairs, its parameters."""
    return [
        change_facts(change, compared)
        for change, compared in ledger(reader)
        if symbol in (change.target.symbol, change.target.name)
    ]


def of_trade(reader: Reader, trade: Trade) -> dict[str, Any]:
    """What had been learned and held when a trade was opened: changes, size, pattern."""
    held = [
        change_facts(change, compared)
        for change, compared in ledger(reader)
        if _held(change, trade.opened_ns) and _reaches(change, trade)
    ]
    wanted = [
        one.opportunity
        for one in reader.opportunities()
        if one.opportunity.symbol == trade.symbol
        and one.opportunity.direction is trade.direction
        and one.opportunity.opened_ns <= trade.opened_ns
    ]
    # An opportunity has the id of its proposal; one that was denied first has another.
    own = [one for one in wanted if one.id == trade.proposal]
    found = max(own or wanted, key=lambda one: one.opened_ns, default=None)
    lived = reader.lived_of(trade.id)
    return {
        "changes_in_force": held,
        "opportunity": found.id if found is not None else None,
        "wanted": iso(found.opened_ns) if found is not None else None,
        "size_factor": found.size_factor if found is not None else None,
        "pattern": found.pattern if found is not None else None,
        "cvd": plain(lived.context.cvd) if lived is not None else None,
        "cvd_note": lived.context.cvd_note if lived is not None else "its context is not kept",
    }


def _held(change: Change, at_ns: int) -> bool:
    applied, ended = change.applied_ns, change.ended_ns
    return 0 < applied <= at_ns and (not ended or ended > at_ns)


def _reaches(change: Change, trade: Trade) -> bool:
    target = change.target
    if target.kind is TargetKind.COIN and target.name != trade.symbol:
        return False
    if target.kind is TargetKind.PAIR and target.name != pair_name(trade.symbol, trade.strategy):
        return False
    scope = (
        (target.symbol, trade.symbol), (target.regime, trade.regime),
        (target.strategy, trade.strategy),
    )  # fmt: skip
    return all(wanted in (None, "", own) for wanted, own in scope)


def tell_changes(facts: list[dict[str, Any]], empty: str = "no learner has moved it") -> None:
    """The changes as a table."""
    table = change_rows(facts)
    if facts:
        say_table(table)
    else:
        say(empty)


def tell_knowledge(facts: dict[str, Any]) -> None:
    """What was known when a trade was opened."""
    cvd = facts["cvd"]
    delta = facts["cvd_note"] if cvd is None else f"{cvd:+,.4f} in the hour before"
    say_facts(
        [("opportunity", facts["opportunity"]), ("size by knowledge", facts["size_factor"]),
         ("pattern", facts["pattern"] or None), ("volume delta", delta)]
    )  # fmt: skip
    tell_changes(facts["changes_in_force"], "no change of a learner was in force for it")
