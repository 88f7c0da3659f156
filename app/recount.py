"""The figures of a change counted again from what it was compared on.

The ledger counts as comparisons come and writes its figures where it decides; what stands in
the journal can therefore be checked by anyone, with the same confidence sequence over the same
comparisons in the same order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from msgspec.structs import replace

from app.telling import plain
from engine.core.learning import NAN, Change, ChangeState, Compared, Evidence
from engine.core.records import OpportunityBegan, OpportunityEnded, TradeJournalled
from engine.journal.queries import Reader
from engine.learning.confidence import ALPHA, sequence_of
from engine.learning.ledger import KEEPING

BEFORE_FEES = "new less old, before fees"
AFTER_FEES = "new less old, after fees"

VERDICTS = {
    ChangeState.ASKED: "waits for a person",
    ChangeState.APPLIED: "undecided",
    ChangeState.KEPT: "keep",
    ChangeState.ROLLED_BACK: "rolled back: it was worse",
    ChangeState.STOPPED: "stopped: it cost too much",
    ChangeState.EXPIRED: "expired undecided",
    ChangeState.LAPSED: "lapsed undecided",
    ChangeState.RELEASED: "released: it helps no longer",
    ChangeState.REVERTED: "reverted by a person",
    ChangeState.REFUSED: "refused before it was applied",
    ChangeState.SUPERSEDED: "superseded by a verdict",
    ChangeState.OVERRULED: "overruled by a person: no verdict, what they set stands",
}
"""What became of a change, in words."""


def error_of(change: Change) -> tuple[float, float]:
    """The share of the error that a change was given when it was applied, and the part of it
    at the lower end."""
    shadow = change.shadow
    if shadow is None or shadow.alpha != shadow.alpha or earlier(shadow):
        return ALPHA, KEEPING
    return shadow.alpha, shadow.below


def counted(
    compared: Iterable[Compared], error: tuple[float, float] = (ALPHA, KEEPING)
) -> tuple[Evidence, Evidence]:
    """New less old over these comparisons in R, before and after fees, with their ids."""
    rows = tuple(compared)
    ids = tuple(one.opportunity for one in rows)
    gross = sequence_of((one.new_gross - one.old_gross for one in rows), *error)
    net = sequence_of((one.new_net - one.old_net for one in rows), *error)
    return gross.evidence(BEFORE_FEES, "R", ids), net.evidence(AFTER_FEES, "R", ids)


def current(change: Change, compared: Sequence[Compared]) -> Change:
    """The change with its comparison as far as the journal has it."""
    if not compared:
        return change
    shadow, net = counted(compared, error_of(change))
    return replace(change, shadow=shadow, net=net)


def earlier(evidence: Evidence | None) -> bool:
    """Whether an interval is of a kind that is no longer counted, so that no count can agree."""
    return evidence is not None and evidence.bound and evidence.below != evidence.below


class Outcomes:
    """What trades and opportunities of a journal came to, by their ids, read when first asked."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    @cached_property
    def won(self) -> dict[str, float]:
        """1 for each trade that won, else 0."""
        return {trade.id: float(trade.won) for trade in self._reader.trades(-1)}

    @cached_property
    def gross_r(self) -> dict[str, float]:
        """Each trade's result in R before fees, as the learners had it."""
        entries = self._reader.records(("trade_journal",))
        closed = [one.entry.closed for one in entries if isinstance(one, TradeJournalled)]
        return {one.trade.id: one.gross_r for one in closed}

    @cached_property
    def paid(self) -> dict[str, float]:
        """1 for each opportunity that ended above its costs, else 0."""
        ended = [one for one in self._reader.opportunities() if isinstance(one, OpportunityEnded)]
        return {one.opportunity.id: float(one.outcome.net > 0) for one in ended}

    def again(self, evidence: Evidence) -> Evidence | None:
        """The evidence counted again from its ids; None where its metric is no plain mean."""
        metric, ids = evidence.metric, evidence.ids
        if not ids or len(ids) != evidence.n or earlier(evidence):
            return None
        if metric == "result before fees":
            return self._mean(evidence, self.gross_r, bound=True)
        if metric == "share of winners":
            return self._mean(evidence, self.won)
        if metric.startswith("share of winners after fees"):
            return self._mean(evidence, self.paid)
        return None

    def _mean(
        self, evidence: Evidence, of: Mapping[str, float], bound: bool = False
    ) -> Evidence | None:
        values = [of[name] for name in evidence.ids if name in of]
        if bound:
            again = sequence_of(values, evidence.alpha, evidence.below)
            return again.evidence(evidence.metric, evidence.unit)
        mean = sum(values) / len(values) if values else NAN
        return replace(evidence, n=len(values), mean=mean)


def checks(reader: Reader, name: str, outcomes: Outcomes | None = None) -> list[dict[str, Any]]:
    """Each figure that the ledger wrote for a change beside the one counted again.

    The share of the error is the ledger's own decision and is taken as it stands in the row.
    Evidence that is no plain mean of its ids (one weighed by age) is not among them, nor is an
    interval that an earlier version made by another bound.

    Two figures agree when every number in them is the same; nothing is rounded.
    """
    rows = reader.comparisons(name)
    found: list[dict[str, Any]] = []
    change = reader.change(name)
    if change is not None:
        evidence = change.change.evidence
        recounted = (outcomes or Outcomes(reader)).again(evidence)
        if recounted is not None:
            found.append(_check("evidence", "proposed", evidence, recounted))
    for seq, step in reader.change_steps(name):
        before = (row.compared for at, row in rows if at < seq)
        shadow, net = counted(before, error_of(step.change))
        for figure, stored, again in (
            ("shadow", step.change.shadow, shadow),
            ("net", step.change.net, net),
        ):
            if stored is not None and not earlier(stored):
                found.append(_check(figure, step.change.state, stored, again))
        if step.change.state in _SIGNS and not earlier(step.change.shadow):
            found.append(_verdict(step.change.state, shadow, net))
    return found


_SIGNS = {ChangeState.KEPT: 1, ChangeState.ROLLED_BACK: -1}


def _verdict(state: ChangeState, shadow: Evidence, net: Evidence) -> dict[str, Any]:
    """Whether the figures say what the state does: both intervals on the same side of zero."""
    signs = [1 if one.low > 0 else -1 if one.high < 0 else 0 for one in (shadow, net)]
    said = "keep" if signs == [1, 1] else "roll back" if signs == [-1, -1] else "undecided"
    return {
        "figure": "verdict", "state": str(state), "stored": str(state), "counted_again": said,
        "agrees": signs == [_SIGNS[state]] * 2,
    }  # fmt: skip


def _check(figure: str, state: str, stored: Evidence, again: Evidence) -> dict[str, Any]:
    one, other = _numbers(stored), _numbers(again)
    return {
        "figure": figure, "state": str(state), "stored": one, "counted_again": other,
        "agrees": one == other,
    }  # fmt: skip


def _numbers(evidence: Evidence) -> dict[str, Any]:
    return {
        "n": evidence.n, "mean": plain(evidence.mean), "low": plain(evidence.low),
        "high": plain(evidence.high),
    }  # fmt: skip


def missing(reader: Reader, change: Change) -> list[str]:
    """Ids in a change's evidence that are no opportunity and no trade of this journal."""
    known = {_id_of(record) for record in reader.opportunities()}
    known |= {trade.id for trade in reader.trades(-1)}
    wanted = {*change.evidence.ids, *(c.opportunity for c in reader.compared(change.id))}
    return sorted(wanted - known)


def _id_of(record: OpportunityBegan | OpportunityEnded) -> str:
    return record.opportunity.id
