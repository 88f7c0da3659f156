"""What each gate, each answer of a person and each word of a model was worth.

A refusal was worth what the trade would have lost: minus the result that it was followed to.
An approval was worth what the trade made; a position taken over, what its person made of it
more than the machine's own stop and targets would have. All in percent of notional, after
fees, from what the journal says; the same records give the same rows.

Refused entries of one symbol and direction crowd: ten refusals of one afternoon lie on the same
prices and are one outcome told ten times. Those wanted on the same day are averaged to one, and
n counts what is left. Under `LEAST` of them no figure is given at all.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from engine.core.clock import DAY
from engine.core.learning import NAN, Evidence, Score
from engine.core.records import (
    AnyRecord,
    Filled,
    Followed,
    OpportunityEnded,
    PositionChanged,
    ProposalChanged,
    TradeClosed,
)
from engine.core.types import Actor, Fill, Origin, ProposalState, Trade
from engine.core.views import Counterfactual
from engine.learning.confidence import ALPHA, sequence_of

LEAST = 30
"""The effective n under which a counterfactual says nothing (rigour.md)."""

METRIC = "gained by following it"
UNIT = "% of notional"

KINDS = ("proposal", "position", "fill", "trade", "counterfactual", "opportunity_ended")
"""Kinds of records that the scoreboard reads; a fold may leave out all others."""

ADVISERS = ("advisor", "coin", "pair", "pattern", "rule")
"""Who else than a gate or a person refuses: a denial's code begins with their name."""

_ANSWERS = {"rejected": "rejected", "expired": "expired", "vetoed": "overridden to HOLD"}
_PEOPLE = (Actor.PERSON, Actor.COMMAND_LINE)
_OVER = frozenset((ProposalState.REJECTED, ProposalState.EXPIRED, ProposalState.REFUSED,
                   ProposalState.FAILED))  # fmt: skip

Key = tuple[str, str]
"""Who, and what."""


@dataclass(slots=True)
class _Row:
    """Observations of one row by what makes them one, in the order in which they came."""

    groups: dict[str, list[float]] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)
    told: int = 0
    score: Score | None = None

    def add(self, group: str, value: float) -> None:
        known = self.groups.setdefault(group, [0.0, 0.0])
        known[0] += value
        known[1] += 1.0
        self.told += 1
        self.score = None


@dataclass(slots=True)
class _Taken:
    """A position that a person took over: what was sold since, and what the machine made."""

    sold: list[Fill] = field(default_factory=list)
    trade: Trade | None = None
    machine: Counterfactual | None = None


class Scoreboard:
    """Takes records in their order and gives the rows. Owned by the kernel thread.

    With `names` each row carries the ids of the trades and refusals behind it; a screen does
    without, since there are thousands in a month and the journal has them.
    """

    def __init__(self, *, names: bool = False) -> None:
        self._names = names
        self._rows: dict[Key, _Row] = {}
        self._answered: dict[str, Key] = {}
        self._taken: dict[str, _Taken] = {}
        self._shown: tuple[Score, ...] = ()
        self._stale = False

    def add(self, record: AnyRecord) -> None:
        """Take one record; those that nobody is judged by are passed over."""
        match record:
            case ProposalChanged():
                self._proposal(record)
            case TradeClosed(trade=trade):
                self._trade(trade, record.position)
            case Followed(counterfactual=one):
                self._followed(one)
            case PositionChanged(position=position):
                if position.taken_over:
                    self._taken.setdefault(position.id, _Taken())
            case Filled(fill=fill):
                taken = self._taken.get(fill.position)
                if taken is not None:
                    taken.sold.append(fill)
            case OpportunityEnded():
                self._sized(record)
            case _:
                pass

    def rows(self) -> tuple[Score, ...]:
        """Every row, gates first; one that did not change is the same object as before."""
        if self._stale:
            self._shown = tuple(_score(key, self._rows[key]) for key in sorted(self._rows))
            self._stale = False
        return self._shown

    # Answers to proposals.

    def _proposal(self, record: ProposalChanged) -> None:
        proposal = record.proposal
        if proposal.state in _OVER:
            self._answered.pop(proposal.id, None)
        elif proposal.state is ProposalState.APPROVED:
            person = record.who in _PEOPLE
            if proposal.origin is Origin.PERSON:
                key = ("person", "overridden")
            else:
                key = ("person", "approved") if person else ("engine", "approved by itself")
            self._answered.setdefault(proposal.id, key)

    def _trade(self, trade: Trade, position: str) -> None:
        key = self._answered.pop(trade.proposal, None)
        if key is not None:
            self._put(key, trade.id, trade.id, trade.pnl_pct)
        taken = self._taken.get(position)
        if taken is not None:
            taken.trade = trade
            self._compare(position, taken)

    # What was not made.

    def _followed(self, one: Counterfactual) -> None:
        if one.kind == "overridden":
            position = one.code.partition(" ")[0]
            taken = self._taken.setdefault(position, _Taken())
            taken.machine = one
            self._compare(position, taken)
            return
        # What prices did while nobody saw them may have ended it otherwise.
        if not one.ended or one.unseen_ns or not math.isfinite(one.pnl_pct):
            return
        self._put(_refuser(one), _crowd(one), one.id, -one.pnl_pct)

    def _compare(self, position: str, taken: _Taken) -> None:
        """A person's handling against the machine's, from the take-over on.

        Both pay the fees of two sides, so that what was paid before it makes no difference.
        """
        trade, machine = taken.trade, taken.machine
        if trade is None or machine is None:
            return
        del self._taken[position]
        sold = [fill for fill in taken.sold if fill.time_ns >= machine.time_ns]
        quantity = float(sum(fill.quantity for fill in sold))
        if not quantity or not machine.price:
            return
        worth = sum(float(fill.quantity * fill.price) for fill in sold)
        fee = sum(float(fill.fee) for fill in sold) / worth
        moved = (worth / quantity / machine.price - 1.0) * trade.direction.sign
        own = (moved - 2.0 * fee) * 100.0
        self._put(("person", "taken over"), trade.id, trade.id, own - machine.pnl_pct)

    def _sized(self, record: OpportunityEnded) -> None:
        """What knowledge made of a size: the part that it added or took, times the result."""
        wanted, outcome = record.opportunity, record.outcome
        if wanted.size_factor not in (0.0, 1.0) and math.isfinite(outcome.net):
            what = "size raised" if wanted.size_factor > 1.0 else "size reduced"
            worth = (wanted.size_factor - 1.0) * outcome.net
            self._put(("knowledge", what), wanted.id, wanted.id, worth)

    def _put(self, key: Key, group: str, name: str, value: float) -> None:
        row = self._rows.setdefault(key, _Row())
        row.add(group, value)
        if self._names:
            row.ids.append(name)
        self._stale = True


def fold(records: Iterable[AnyRecord], *, names: bool = False) -> Scoreboard:
    """The scoreboard after these records, as after a restart."""
    board = Scoreboard(names=names)
    for record in records:
        board.add(record)
    return board


def _refuser(one: Counterfactual) -> Key:
    """Who refused it, and by what: a proposal that nobody answered is the person's too."""
    if one.kind == "lost":
        return "engine", "lost by a restart"
    if one.kind in _ANSWERS:
        return (one.who if one.who in ADVISERS else "person"), _ANSWERS[one.kind]
    adviser = one.code.partition("_")[0]
    return (adviser if adviser in ADVISERS else "gate"), one.code


def _crowd(one: Counterfactual) -> str:
    """What makes refusals one: symbol, direction and the day on which they were wanted."""
    return f"{one.symbol} {one.direction} {one.time_ns // DAY}"


def _score(key: Key, row: _Row) -> Score:
    if row.score is None:
        who, what = key
        row.score = Score(who=who, what=what, evidence=_evidence(row))
    return row.score


def _evidence(row: _Row) -> Evidence:
    n, ids = len(row.groups), tuple(row.ids)
    crowd = f"{row.told} outcomes, alike ones averaged" if row.told > n else ""
    if n < LEAST:
        note = f"not enough: {n} of {LEAST}" + (f" ({crowd})" if crowd else "")
        return Evidence(metric=METRIC, unit=UNIT, n=n, mean=NAN, alpha=ALPHA, ids=ids, note=note)
    sequence = sequence_of(total / count for total, count in row.groups.values())
    return sequence.evidence(METRIC, UNIT, ids, crowd)
