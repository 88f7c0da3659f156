"""The time machine: any decision of a journal with all that it was made from and came to.

Read beside a running engine or from a copied file. The deterministic part can be made again,
by this code and the parameters of then or with one of them altered, and compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from engine.analysis.layout import FEATURES
from engine.core.errors import JournalError, QuarterdeckError
from engine.core.parameters import Parameters
from engine.core.records import Denied, LlmCalled
from engine.core.release import code_version
from engine.core.types import Decision, Instrument, Proposal, Trade
from engine.core.views import Counterfactual
from engine.journal.packing import prices_from, unpack, unpack_text
from engine.journal.queries import NOW, Reader
from engine.journal.settings import parameters_at, values_digest
from engine.kernel.again import (
    Appraised,
    Difference,
    absent,
    appraise_again,
    decide_again,
    decision_differences,
    entry_differences,
    made,
)
from engine.kernel.inputs import (
    ADVISED,
    APPRAISE,
    DECIDE,
    AdvisedInputs,
    AppraiseInputs,
    DecideInputs,
    QuietInputs,
    digest_of,
    rows_of,
)
from engine.strategies.base import Strategy
from engine.strategies.builtin import builtin_strategies

SAME, DIFFERS, UNKNOWN = "same", "differs", "can't be told"


@dataclass(frozen=True)
class Story:
    """One decision, from its inputs to what it came to; `place` of `total` counts from 1.

    Of one at which nobody spoke, inputs and a `digest` were journaled: `decision` is then
    what this code makes of them. Otherwise the digest is empty.
    """

    decision: Decision
    seq: int
    place: int
    total: int
    code: str
    instrument: Instrument | None
    digest: str
    decide: DecideInputs | None
    appraise: AppraiseInputs | None
    unread: str
    proposal: Proposal | None
    denial: Denied | None
    counterfactual: Counterfactual | None
    trade: Trade | None
    call: LlmCalled | None
    prompt: str
    veto: bool
    previous: str
    next: str
    advised: str = ""
    """What the advisor's word made of it: it was then decided again, under another id."""

    @cached_property
    def features(self) -> dict[str, float]:
        """The feature row by name; values that were not known are left out."""
        if self.decide is None:
            return {}
        row, _ = rows_of(self.decide)
        named = zip(FEATURES, row.tolist(), strict=False)
        return {name: value for name, value in named if math.isfinite(value)}

    @property
    def closes(self) -> list[float]:
        return prices_from(self.decide.closes) if self.decide is not None else []


@dataclass(frozen=True)
class Remade:
    """A decision made again: `verdict` is SAME, DIFFERS or UNKNOWN, and `why` names reasons.

    `why` names what is not as it was (code, parameters, strategies), and what could not be
    made again.
    """

    verdict: str
    differences: tuple[Difference, ...]
    why: tuple[str, ...]
    decision: Decision | None = None
    appraised: Appraised | None = None


@dataclass
class TimeMachine:
    """Decisions of one journal. Keeps what is dear to find; make a new one to see later ones."""

    reader: Reader
    strategies: Sequence[Strategy] = field(default_factory=builtin_strategies)

    def __post_init__(self) -> None:
        _declare_everything()
        self._ids = self.reader.decision_ids()
        self._places = {name: place for place, (name, _) in enumerate(self._ids)}
        self._parameters: dict[tuple[int, int], Parameters] = {}

    @property
    def ids(self) -> list[str]:
        """Every decision, the oldest first."""
        return [name for name, _ in self._ids]

    def story(self, name: str) -> Story | None:
        """The decision of that id, None where there is none. Raises `JournalError`."""
        place = self._places.get(name)
        decision = self.reader.decision(name) if place is not None else None
        if place is None:
            return None
        if decision is None:
            return self._quiet(name, place)
        seq = self._ids[place][1]
        run = self.reader.run_at(seq)
        decide, appraise, unread, word = self._inputs(name, seq)
        proposal, denial, trade = self.reader.entry_of(name)
        ended = denial.id if denial is not None else proposal.id if proposal is not None else ""
        asked = word.first if word is not None else appraise.condition if appraise else ""
        call = self._call(asked, seq if word is None else NOW)
        followed = self.reader.counterfactual(ended) if ended else self.reader.vetoed(name)
        return Story(
            decision=decision,
            seq=seq,
            place=place + 1,
            total=len(self._ids),
            code=run.code if run is not None else "",
            digest="",
            decide=decide,
            appraise=appraise,
            unread=unread,
            proposal=proposal,
            denial=denial,
            counterfactual=followed,
            veto=word is not None and word.veto,
            instrument=self._instrument(decision.symbol, seq),
            trade=trade,
            call=call,
            prompt=unpack_text(call.prompt) if call is not None else "",
            previous=self._ids[place - 1][0] if place else "",
            next=self._ids[place + 1][0] if place + 1 < len(self._ids) else "",
            advised=self._advised(name, seq) if proposal is None and denial is None else "",
        )

    def _advised(self, name: str, seq: int) -> str:
        """What an advisor said of this decision, if one was asked."""
        for event in self.reader.events(since=seq, kind="llm", text=f'"{name}"', limit=1):
            if isinstance(event.record, LlmCalled):
                return dict(event.record.verdicts).get(name, "")
        return ""

    def _quiet(self, name: str, place: int) -> Story | None:
        """A decision at which nobody spoke: made again, since only its inputs were kept."""
        kept = self.reader.quiet(name)
        seq = self._ids[place][1]
        run = self.reader.run_at(seq)
        instrument = self._instrument(kept.symbol, seq) if kept is not None else None
        if kept is None or instrument is None:
            return None
        quiet = unpack(kept.packed, QuietInputs)
        inputs = quiet.inputs
        decision = made(name, quiet.votes, inputs, instrument, self._params(seq), self.strategies)
        return Story(
            decision=decision, seq=seq, place=place + 1, total=len(self._ids),
            code=run.code if run is not None else "", digest=kept.digest, instrument=instrument,
            decide=inputs, appraise=None, unread="", proposal=None, denial=None,
            counterfactual=self.reader.vetoed(name), trade=None, call=None, prompt="",
            veto=False, previous=self._ids[place - 1][0] if place else "",
            next=self._ids[place + 1][0] if place + 1 < len(self._ids) else "",
        )  # fmt: skip

    def again(self, story: Story, settings: Iterable[tuple[str, object]] = ()) -> Remade:
        """Make a decision again, by this code; `settings` alter parameters of then."""
        altered = list(settings)
        why = _version_notes(story.code)
        instrument = story.instrument
        if instrument is None or (story.decide is None and story.appraise is None):
            return Remade(UNKNOWN, (), (*why, story.unread or _NO_INPUTS))
        params = self._params(story.seq)
        inputs = story.decide or story.appraise
        if inputs is not None and values_digest(params) != inputs.parameters:
            why.append("the parameters of then can't be told from the journal to the last one")
        if altered:
            params = parameters_at(self.reader, story.seq)
            for name, value in altered:
                before = params.setting(name).value
                params.set(name, value, "asked")
                why.append(f"{name} was {before}, here {value}")
        differences: list[Difference] = []
        decision = None
        if story.decide is not None:
            gone = absent(story.decide, self.strategies)
            why += [f"the strategy {one} is not part of this version" for one in gone]
            decision = decide_again(
                story.decision, story.decide, instrument, params, self.strategies, story.veto
            )
            differences += decision_differences(story.decision, decision)
            if story.digest and story.digest != (now := digest_of(decision)):
                differences.append(Difference(what="digest", then=story.digest, now=now))
        elif story.decision.votes:
            why.append(story.unread or _NO_INPUTS)
        appraised = None
        if story.appraise is not None:
            appraised = appraise_again(
                story.appraise, instrument, params, self.strategies, story.decision, decision
            )
            entry = story.denial or story.proposal
            if entry is not None:
                differences += entry_differences(entry, appraised)
        return Remade(
            DIFFERS if differences else SAME, tuple(differences), tuple(why), decision, appraised
        )

    def _params(self, seq: int) -> Parameters:
        """The parameters of a moment; events between which none moved share them."""
        key = self._epoch(seq)
        if key not in self._parameters:
            self._parameters[key] = parameters_at(self.reader, seq)
        return self._parameters[key]

    @cached_property
    def _moves(self) -> list[int]:
        moved = self.reader.events(kind="parameter", limit=-1)
        began = self.reader.events(kind="run_started", limit=-1)
        return sorted(event.seq for event in (*moved, *began))

    def _epoch(self, seq: int) -> tuple[int, int]:
        before = [at for at in self._moves if at <= seq]
        return len(before), before[-1] if before else 0

    @cached_property
    def _instruments(self) -> list[tuple[int, Instrument]]:
        found = self.reader.instruments()
        return [(seq, unpack(record.packed, Instrument)) for seq, record in found]

    def _instrument(self, symbol: str, seq: int) -> Instrument | None:
        """The instrument as it was; its record may stand just behind the decision's."""
        known = [(at, one) for at, one in self._instruments if one.symbol == symbol]
        before = [one for at, one in known if at <= seq + _BEHIND]
        return before[-1] if before else None

    def _inputs(
        self, name: str, seq: int
    ) -> tuple[DecideInputs | None, AppraiseInputs | None, str, AdvisedInputs | None]:
        decide, appraise, unread, word = None, None, "", None
        for record in self.reader.inputs(name, seq):
            try:
                if record.stage == DECIDE:
                    decide = unpack(record.packed, DecideInputs)
                elif record.stage == APPRAISE and appraise is None:
                    appraise = unpack(record.packed, AppraiseInputs)
                elif record.stage == ADVISED:
                    word = unpack(record.packed, AdvisedInputs)
                    decide, _, unread, _ = self._first(word.first)
            except JournalError as error:
                unread = error.message
        return decide, appraise, unread, word

    def _first(
        self, name: str
    ) -> tuple[DecideInputs | None, AppraiseInputs | None, str, AdvisedInputs | None]:
        """The inputs of the decision that a model's word was asked on."""
        place = self._places.get(name)
        if place is None:
            return None, None, "the decision that the model was asked on is not kept", None
        return self._inputs(name, self._ids[place][1])

    def _call(self, condition: str, seq: int) -> LlmCalled | None:
        """The model's words on a decision, or those that armed the condition behind it."""
        if not condition:
            return None
        for event in self.reader.events(kind="llm", text=condition, limit=-1):
            record = event.record
            if event.seq > seq or not isinstance(record, LlmCalled):
                continue
            if any(armed == condition for armed, _ in record.verdicts):
                return record
        return None


RECORDED = ("inputs and decision", "inputs and digest; the decision is made again")
"""What the journal holds of a decision, where a strategy spoke and where none did."""

_BEHIND = 2
"""How far behind a decision its instrument may stand: in the same transaction."""

_NO_INPUTS = "its inputs were not journaled: an older version, or nobody spoke"


def _version_notes(code: str) -> list[str]:
    now = code_version()
    if code == now:
        return []
    return [f"made by version {code or 'unknown'}, made again by {now}"]


def _declare_everything() -> None:
    from app.tunables import import_engine

    import_engine()


def stories(machine: TimeMachine) -> Iterable[Story]:
    """Every decision of the journal, the oldest first."""
    for name in machine.ids:
        story = machine.story(name)
        if story is not None:
            yield story


def machine_of(path: Path) -> tuple[Reader, TimeMachine]:
    """A time machine on a journal file, and the reader to close."""
    reader = Reader(path)
    try:
        return reader, TimeMachine(reader)
    except QuarterdeckError:
        reader.close()
        raise


def plain_inputs(story: Story) -> dict[str, Any]:
    """What a decision was made from, by stable names, for a program."""
    decide, appraise = story.decide, story.appraise
    found: dict[str, Any] = {
        "code": story.code, "recorded": RECORDED[bool(story.digest)],
        "instrument": msgspec.to_builtins(story.instrument)
    }  # fmt: skip
    if decide is not None:
        kept = ("bar", "regime", "quote", "holding", "costs", "parameters")
        found |= {name: msgspec.to_builtins(getattr(decide, name)) for name in kept}
        found["features"] = story.features
        found["closes"] = story.closes
        found["trades_counted"] = msgspec.to_builtins(decide.tallies)
    if appraise is not None:
        found["size"] = msgspec.to_builtins(appraise.size)
        found["gates"] = msgspec.to_builtins(appraise.gates)
        found["condition"] = appraise.condition
    return found
