"""A record as an item of one of the hub's streams, for panels that draw more than a snapshot."""

from __future__ import annotations

from engine.core.learning import Target, TargetKind
from engine.core.records import AnyRecord, ComparedOn, ParameterSet
from engine.core.types import Value
from engine.core.views import ParameterMove

KEPT = 5_000
"""Items of such a stream that a hub holds."""


def streamed(record: AnyRecord) -> tuple[str, Value] | None:
    """The stream that a record belongs to and its item there; None for all others."""
    if type(record) is ComparedOn:
        return "compared", record.compared
    return streamed_move(record) if type(record) is ParameterSet else None


def streamed_move(record: ParameterSet) -> tuple[str, ParameterMove]:
    """As `streamed`, for a parameter that was set."""
    symbol, regime, strategy = record.scope
    target = Target(
        kind=TargetKind.PARAMETER, name=record.name, symbol=symbol, regime=regime,
        strategy=strategy,
    )  # fmt: skip
    move = ParameterMove(
        time_ns=record.time_ns, target=target.text, before=record.before, after=record.after,
        who=record.who,
    )  # fmt: skip
    return "parameters", move
