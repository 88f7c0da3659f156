"""What a decision is made from, in the shape in which the journal keeps it.

The market as strategies saw it and the figures that expected value rests on; where an entry was
wanted, the whole contexts of size and gates; where nobody spoke, less, of which the decision is
made again. Leverage,
correlation and costs enter as the numbers they came to.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import numpy as np

from engine.analysis.regime import RegimeState
from engine.core.parameters import Parameters
from engine.core.records import DecidedFrom, Quieted
from engine.core.types import (
    Bar,
    Decision,
    Direction,
    Instrument,
    Quote,
    Signal,
    SizeFactor,
    Vote,
)
from engine.decision.sources import TechnicalSource
from engine.journal.packing import pack_later, plain, prices_of
from engine.journal.settings import values_digest
from engine.market.costs import Costs
from engine.risk.contexts import GateContext
from engine.risk.sizing import SizeContext
from engine.strategies.base import StrategyContext
from engine.strategies.expected_value import Tally, TradeStatistics

DECIDE, APPRAISE, INSTRUMENT, ADVISED = "decide", "appraise", "instrument", "advised"


class DecideInputs(msgspec.Struct, frozen=True):
    """What strategies, their coordination and the votes were made from.

    `row` and `previous` are float64 rows, the second as what differs from the first, bit by
    bit, and only where a strategy looked back; `closes` is `prices_of`. The regime comes
    without its evidence, which no strategy reads. `tallies` are the trades counted for each
    strategy that was asked, of all regimes and of this one. The instrument stands in a record
    of its own, written when it was first seen or moved. `standing` is what earlier results
    multiplied the rank of each strategy's signal by.
    """

    bar: Bar
    row: bytes
    previous: bytes | None
    closes: tuple[float, int, bytes]
    regime: RegimeState | None
    quote: Quote | None
    holding: Direction | None
    costs: Costs | None
    tallies: dict[str, tuple[Tally | None, Tally | None]]
    parameters: str
    standing: dict[str, float] = {}


class AppraiseInputs(msgspec.Struct, frozen=True):
    """What size and gates were made from. `stages` are the leverage manager's own steps.

    `size` is a `SizeContext` without its instrument, None for an entry whose size a person
    chose. `condition` is the id of the condition whose price was reached.
    """

    symbol: str
    size: dict[str, Any] | None
    gates: GateContext
    stages: tuple[SizeFactor, ...]
    parameters: str
    condition: str = ""


class AdvisedInputs(msgspec.Struct, frozen=True):
    """A decision made again with a model's word: from the inputs of the first one.

    A vote does not tell whether it was a veto, so that stands here.
    """

    first: str
    veto: bool


class QuietInputs(msgspec.Struct, frozen=True):
    """What a decision was made from at which nobody spoke.

    `votes` are those of sources that can't be asked again.
    """

    inputs: DecideInputs
    votes: tuple[Vote, ...]


def digest_of(decision: Decision) -> str:
    """A short digest of all that a decision says, to the last bit."""
    return hashlib.blake2b(_encode(decision), digest_size=8).hexdigest()


def advised(decision: str, time_ns: int, first: str, veto: bool) -> DecidedFrom:
    """The record of what a decision with a model's word was made from."""
    packed = pack_later(AdvisedInputs(first, veto))
    return DecidedFrom(time_ns=time_ns, decision=decision, stage=ADVISED, packed=packed)


class Keeper:
    """Makes the records; one digest a set of parameters. Owned by the kernel thread."""

    def __init__(self, params: Parameters, statistics: TradeStatistics) -> None:
        self._params = params
        self._statistics = statistics
        self._version = -1
        self._digest = ""
        self._instruments: dict[str, Instrument] = {}
        self.costs: Costs | None = None
        self.standing: dict[str, float] = {}

    def stood(self, standing: Callable[[Signal], float]) -> Callable[[Signal], float]:
        """What coordination asks of earlier results, remembered when it does."""
        self.standing = {}

        def ask(signal: Signal) -> float:
            found = self.standing[signal.strategy] = standing(signal)
            return found

        return ask

    def asked(self, costs: Callable[[], Costs]) -> Callable[[], Costs]:
        """The costs that coordination asks for, remembered when it does."""
        self.costs = None

        def ask() -> Costs:
            self.costs = costs()
            return self.costs

        return ask

    def decided(
        self, decision: str, time_ns: int, context: StrategyContext, strategies: Iterable[str]
    ) -> tuple[DecidedFrom, ...]:
        """The records of what a decision was made from."""
        inputs = self._inputs(context, strategies)
        packed = pack_later(inputs)
        made = DecidedFrom(time_ns=time_ns, decision=decision, stage=DECIDE, packed=packed)
        return (*self._instrument(time_ns, context.instrument), made)

    def quiet(
        self, decision: Decision, time_ns: int, context: StrategyContext, strategies: Iterable[str]
    ) -> tuple[DecidedFrom | Quieted, ...]:
        """The records of a decision at which nobody spoke."""
        votes = tuple(vote for vote in decision.votes if vote.source != TechnicalSource.name)
        packed = pack_later(QuietInputs(self._inputs(context, strategies), votes))
        made = Quieted(
            time_ns=time_ns, decision=decision.id, symbol=decision.symbol,
            digest=digest_of(decision), packed=packed,
        )  # fmt: skip
        return (*self._instrument(time_ns, context.instrument), made)

    def _inputs(self, context: StrategyContext, strategies: Iterable[str]) -> DecideInputs:
        regime = str(context.regime.label) if context.regime is not None else ""
        state = context.regime
        if state is not None:
            state = msgspec.structs.replace(state, evidence=())
        row = np.asarray(context.row, dtype=np.float64)
        return DecideInputs(
            bar=context.bar,
            row=row.tobytes(),
            previous=_differing(row, context.previous) if context.looked_back else None,
            closes=prices_of(context.closes, float(context.instrument.price_tick)),
            regime=state,
            quote=context.quote,
            holding=context.holding,
            costs=self.costs,
            tallies={one: self._statistics.counted(one, regime) for one in strategies},
            parameters=self.digest,
            standing=self.standing,
        )

    def appraised(
        self,
        decision: str,
        time_ns: int,
        size: SizeContext | None,
        gates: GateContext,
        stages: tuple[SizeFactor, ...],
        condition: str,
    ) -> tuple[DecidedFrom, ...]:
        """The records of what its size and gates were made from."""
        kept: dict[str, Any] | None = None
        seen: tuple[DecidedFrom, ...] = ()
        if size is not None:
            kept = {
                field.name: getattr(size, field.name)
                for field in dataclasses.fields(size)
                if field.name != "instrument"
            }
            seen = self._instrument(time_ns, size.instrument)
        inputs = AppraiseInputs(gates.symbol, kept, gates, stages, self.digest, condition)
        packed = pack_later(inputs)
        made = DecidedFrom(time_ns=time_ns, decision=decision, stage=APPRAISE, packed=packed)
        return (*seen, made)

    def _instrument(self, time_ns: int, instrument: Instrument) -> tuple[DecidedFrom, ...]:
        """The record of an instrument that was not seen before as it is."""
        symbol = instrument.symbol
        if self._instruments.get(symbol) == instrument:
            return ()
        self._instruments[symbol] = instrument
        packed = pack_later(instrument)
        return (DecidedFrom(time_ns=time_ns, decision=symbol, stage=INSTRUMENT, packed=packed),)

    @property
    def digest(self) -> str:
        if self._version != self._params.version:
            self._version = self._params.version
            self._digest = values_digest(self._params)
        return self._digest


_encode = msgspec.msgpack.Encoder(enc_hook=plain).encode


def _differing(row: np.ndarray[Any, Any], previous: Any) -> bytes | None:
    """The bits in which the row before differs, its bytes of one place side by side.

    Most features move little from bar to bar, so that their upper bytes are zeros here.
    """
    if previous is None:
        return None
    before = np.asarray(previous, dtype=np.float64).view(np.uint64)
    changed = (before ^ row.view(np.uint64)).view(np.uint8).reshape(-1, 8)
    return np.ascontiguousarray(changed.T).tobytes()


def rows_of(inputs: DecideInputs) -> tuple[Any, Any]:
    """The two feature rows again."""
    row = np.frombuffer(inputs.row, dtype=np.float64)
    if inputs.previous is None:
        return row, None
    changed = np.frombuffer(inputs.previous, dtype=np.uint8).reshape(8, -1).T
    bits = np.ascontiguousarray(changed).view(np.uint64).ravel()
    return row, (bits ^ row.view(np.uint64)).view(np.float64)


def size_context(inputs: AppraiseInputs, instrument: Instrument) -> SizeContext | None:
    """What a size was made from, whole again. Raises `msgspec.ValidationError`."""
    if inputs.size is None:
        return None
    whole = {**inputs.size, "instrument": msgspec.to_builtins(instrument)}
    return msgspec.convert(whole, SizeContext, strict=False)
