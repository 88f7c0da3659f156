"""The change ledger: nothing is adapted but through it, and everything can be taken back."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.clock import DAY, HOUR
from engine.core.errors import CommandRefused
from engine.core.ids import source
from engine.core.learning import (
    Change,
    ChangeKind,
    ChangeState,
    Compared,
    Evidence,
    Lean,
    Suggestion,
    TargetKind,
)
from engine.core.parameters import Parameters, Scope, find
from engine.core.records import AnyRecord, ChangeMoved, ComparedOn, Frozen, ParameterSet
from engine.core.types import Actor
from engine.learning.adjust import ParameterApplier, parameter
from engine.learning.ledger import ChangeLedger
from engine.position import settings

TRAIL = settings.TRAIL_ATR.name
START = 1_700_000_000_000_000_000


class Book:
    """A ledger over a registry of its own, with everything that it said."""

    def __init__(self, params: Parameters | None = None) -> None:
        self.params = params or Parameters()
        self.said: list[AnyRecord] = []
        self.now = START
        self._ids = 0
        appliers = {TargetKind.PARAMETER: ParameterApplier(self.params)}
        self.ledger = ChangeLedger(self.params, appliers, self._next)

    def _next(self) -> str:
        self._ids += 1
        return f"C-{self._ids}"

    def suggest(self, **changed: Any) -> Change | None:
        self.keep(self.ledger.suggest(suggestion(**changed), self.now))
        moved = [r.change for r in self.said if isinstance(r, ChangeMoved)]
        return moved[-1] if moved else None

    def keep(self, records: list[AnyRecord]) -> list[AnyRecord]:
        self.said += records
        return records

    def compare(self, change: str, old: float, new: float, cost: float = 0.1) -> None:
        row = Compared(
            change=change, opportunity=f"X-{len(self.said)}", old_gross=old, new_gross=new,
            old_net=old - cost, new_net=new - cost,
        )  # fmt: skip
        self.now += HOUR
        self.keep(self.ledger.compared([row], self.now))

    def state(self, change: str) -> ChangeState:
        return self.ledger.find(change).state

    def value(self, name: str = TRAIL) -> float:
        return float(self.params.get(find(name)))

    def again(self) -> Book:
        """Another ledger from what this one said, over a registry rebuilt the same way."""
        changes = {r.change.id: r.change for r in self.said if isinstance(r, ChangeMoved)}
        rows = [r.compared for r in self.said if isinstance(r, ComparedOn)]
        frozen = {r.target: r.frozen for r in self.said if isinstance(r, Frozen)}
        other = Book(self.params.copy())
        other.now, other._ids = self.now, self._ids
        other.ledger.restore(
            tuple(changes.values()), rows, [name for name, held in frozen.items() if held]
        )
        return other


def suggestion(**changed: Any) -> Suggestion:
    values: dict[str, Any] = {
        "target": parameter(TRAIL), "after": "1.25", "kind": ChangeKind.TRIAL,
        "lean": Lean.TIGHTENS, "who": "test", "reason": "a test", "lasts_ns": 60 * DAY,
        "evidence": Evidence(metric="m", unit="R", n=30, mean=0.1, ids=("X-1",)),
    }  # fmt: skip
    return Suggestion(**{**values, **changed})


def test_what_tightens_is_applied_at_once_and_journaled_with_its_effect() -> None:
    book = Book()
    change = book.suggest()
    assert change is not None
    assert change.state is ChangeState.APPLIED
    assert book.value() == 1.25
    moved, effect = book.said
    assert isinstance(moved, ChangeMoved)
    assert isinstance(effect, ParameterSet)
    assert (effect.before, effect.after, effect.who) == ("1.5", "1.25", change.id)


def test_what_stood_there_is_told_whether_it_was_set_in_this_scope_or_not() -> None:
    book = Book()
    change = book.suggest()
    assert change is not None
    assert (change.before, change.replaced) == ("null", "1.5")
    assert book.ledger.standing(change.target) == "1.25"
    book.params.set(TRAIL, 2.0, "a person")
    wide = book.suggest(target=parameter(TRAIL, Scope(symbol="BTC/USDT")), after="1.75")
    assert wide is not None
    assert (wide.before, wide.replaced) == ("null", "2.0")
    book.keep(book.ledger.revert(wide.id, Actor.PERSON, "", book.now))
    assert book.ledger.standing(wide.target) == "2.0"


def test_what_loosens_waits_for_a_person() -> None:
    book = Book()
    change = book.suggest(after="2.0", lean=Lean.LOOSENS)
    assert change is not None
    assert (change.state, book.value()) == (ChangeState.ASKED, 1.5)
    book.keep(book.ledger.answer(change.id, True, Actor.PERSON, "", book.now))
    assert (book.state(change.id), book.value()) == (ChangeState.APPLIED, 2.0)


def test_what_nobody_admits_is_refused_and_not_asked_again_soon() -> None:
    book = Book()
    change = book.suggest(after="2.0", lean=Lean.LOOSENS)
    assert change is not None
    book.now += 73 * HOUR
    book.keep(book.ledger.tick(book.now))
    assert book.state(change.id) is ChangeState.REFUSED
    assert book.ledger.suggest(suggestion(after="2.0", lean=Lean.LOOSENS), book.now) == []
    book.now += 8 * DAY
    assert book.ledger.suggest(suggestion(after="2.0", lean=Lean.LOOSENS), book.now)


def test_what_it_would_replace_must_still_be_there_when_it_is_admitted() -> None:
    book = Book()
    change = book.suggest(after="2.0", lean=Lean.LOOSENS)
    assert change is not None
    book.params.set(TRAIL, 1.0, "a person")
    with pytest.raises(CommandRefused, match="no longer"):
        book.ledger.answer(change.id, True, Actor.PERSON, "", book.now)
    assert book.value() == 1.0


def test_a_change_that_helps_is_kept_and_one_that_harms_is_taken_back_exactly() -> None:
    chance = source(3, "ledger", 0)
    helped, harmed = Book(), Book()
    harmed.params.set(TRAIL, 1.75, "profile x")
    up, down = helped.suggest(), harmed.suggest()
    assert up is not None
    assert down is not None
    assert down.before == "1.75"
    for _ in range(400):
        helped.compare(up.id, 0.0, chance.gauss(0.5, 1))
        if harmed.state(down.id) is ChangeState.APPLIED:
            harmed.params.set("learn.loss_stop_r", 30.0, "test")
            harmed.compare(down.id, 0.0, chance.gauss(-0.25, 0.5))
    assert helped.state(up.id) is ChangeState.KEPT
    assert helped.value() == 1.25
    assert harmed.state(down.id) in (ChangeState.ROLLED_BACK, ChangeState.STOPPED)
    assert harmed.value() == 1.75


def test_only_costs_are_no_verdict() -> None:
    book = Book()
    change = book.suggest()
    assert change is not None
    chance = source(4, "ledger costs", 0)
    for _ in range(300):
        outcome = chance.gauss(0, 1)
        row = Compared(
            change=change.id, opportunity="X", old_gross=outcome, new_gross=0.0,
            old_net=outcome - 0.4, new_net=0.0,
        )  # fmt: skip
        book.now += HOUR
        book.keep(book.ledger.compared([row], book.now))
    shown = book.ledger.find(change.id)
    assert shown.net is not None
    assert shown.net.low > 0
    assert shown.state is ChangeState.APPLIED


def test_the_loss_stop_needs_no_proof() -> None:
    book = Book()
    change = book.suggest()
    assert change is not None
    spent = 0.0
    while book.state(change.id) is ChangeState.APPLIED:
        book.compare(change.id, 1.0, 0.0)
        spent += 1.0
    assert book.state(change.id) is ChangeState.STOPPED
    assert spent <= 15.0
    assert "null" in [r.after for r in book.said if isinstance(r, ParameterSet)]
    assert book.params.set_in(TRAIL, Scope()) is None


def test_a_precaution_expires_and_a_trial_lapses() -> None:
    book = Book()
    book.suggest(kind=ChangeKind.PRECAUTION, lasts_ns=2 * DAY)
    book.suggest(target=parameter("exit.breakeven_activation_pct"), after="0.4", lasts_ns=5 * DAY)
    book.now += 3 * DAY
    book.keep(book.ledger.tick(book.now))
    assert book.state("C-1") is ChangeState.EXPIRED
    assert book.state("C-2") is ChangeState.APPLIED
    book.now += 3 * DAY
    book.keep(book.ledger.tick(book.now))
    assert book.state("C-2") is ChangeState.LAPSED
    assert book.params.items() == []


def test_what_a_person_set_meanwhile_stays() -> None:
    book = Book()
    change = book.suggest(kind=ChangeKind.PRECAUTION, lasts_ns=DAY)
    assert change is not None
    book.params.set(TRAIL, 0.75, "a person")
    book.now += 2 * DAY
    book.keep(book.ledger.tick(book.now))
    assert book.value() == 0.75
    assert "meanwhile stays" in book.ledger.find(change.id).note


def test_a_person_freezes_and_reverts() -> None:
    book = Book()
    change = book.suggest()
    assert change is not None
    book.keep(book.ledger.freeze(change.target.text, True, Actor.PERSON, book.now))
    book.keep(book.ledger.revert(change.id, Actor.PERSON, "", book.now))
    assert book.state(change.id) is ChangeState.REVERTED
    assert book.value() == 1.5
    assert book.ledger.suggest(suggestion(), book.now + 30 * DAY) == []
    book.keep(book.ledger.freeze("*", True, Actor.PERSON, book.now))
    other = suggestion(target=parameter("exit.breakeven_activation_pct"), after="0.4")
    assert book.ledger.suggest(other, book.now) == []
    with pytest.raises(CommandRefused, match="not in force"):
        book.ledger.revert(change.id, Actor.PERSON, "", book.now)


def test_one_change_of_a_target_at_a_time_and_few_at_all() -> None:
    book = Book()
    book.suggest()
    assert book.ledger.suggest(suggestion(after="1.0"), book.now) == []
    looser = suggestion(after="2.0", lean=Lean.LOOSENS)
    assert book.ledger.suggest(looser, book.now) == []
    book.params.set("learn.most_changes", 1, "test")
    other = suggestion(target=parameter("exit.breakeven_activation_pct"), after="0.4")
    assert book.ledger.suggest(other, book.now) == []


def test_a_proven_verdict_takes_the_place_of_a_precaution() -> None:
    book = Book()
    first = book.suggest(kind=ChangeKind.PRECAUTION)
    second = book.suggest(kind=ChangeKind.VERDICT, after="1.0")
    assert first is not None
    assert second is not None
    assert book.state(first.id) is ChangeState.SUPERSEDED
    assert (second.before, book.value()) == ("null", 1.0)


def test_a_loosened_value_that_wins_less_often_is_taken_back_on_thin_evidence() -> None:
    book = Book()
    change = book.suggest(after="2.0", lean=Lean.LOOSENS)
    assert change is not None
    book.keep(book.ledger.answer(change.id, True, Actor.PERSON, "", book.now))
    for k in range(40):
        book.compare(change.id, 0.5, 0.5 if k % 4 else -0.05)
        if book.state(change.id) is not ChangeState.APPLIED:
            break
    assert book.state(change.id) is ChangeState.STOPPED
    assert "win rate" in book.ledger.find(change.id).note


def test_what_helped_once_is_released_when_it_helps_no_longer() -> None:
    book, chance = Book(), source(5, "ledger fades", 0)
    change = book.suggest()
    assert change is not None
    while book.state(change.id) is ChangeState.APPLIED:
        book.compare(change.id, 0.0, chance.gauss(0.4, 1))
    assert book.state(change.id) is ChangeState.KEPT
    late = 0
    while book.state(change.id) is ChangeState.KEPT and late < 3_000:
        book.compare(change.id, 0.0, chance.gauss(0.0, 1))
        late += 1
    assert book.state(change.id) is ChangeState.RELEASED
    assert book.value() == 1.5


@given(seed=st.integers(0, 2_000), steps=st.integers(5, 60))
def test_another_ledger_over_the_same_journal_is_the_same_ledger(seed: int, steps: int) -> None:
    book, chance = Book(), source(seed, "ledger again", 0)
    names = [TRAIL, "exit.breakeven_activation_pct", "exit.trail_activation_pct"]
    for _ in range(steps):
        book.now += chance.randrange(1, 40) * HOUR
        act = chance.randrange(6)
        name = chance.choice(names)
        if act == 0:
            lean = chance.choice([Lean.TIGHTENS, Lean.LOOSENS, Lean.NEUTRAL])
            kind = chance.choice(list(ChangeKind))
            one = suggestion(
                target=parameter(name), after=str(chance.choice([0.5, 0.8, 1.2])), lean=lean,
                kind=kind, lasts_ns=chance.randrange(1, 20) * DAY,
            )  # fmt: skip
            book.keep(book.ledger.suggest(one, book.now))
        elif act == 1:
            for change in book.ledger.changes():
                if change.state is ChangeState.ASKED:
                    admit = chance.random() < 0.7
                    book.keep(book.ledger.answer(change.id, admit, Actor.PERSON, "", book.now))
        elif act == 2 and chance.random() < 0.3:
            for watched in book.ledger.watched()[:1]:
                book.keep(book.ledger.revert(watched.change.id, Actor.PERSON, "", book.now))
        elif act == 3 and chance.random() < 0.2:
            book.keep(book.ledger.freeze(name, chance.random() < 0.5, Actor.PERSON, book.now))
        else:
            for watched in book.ledger.watched():
                for _ in range(chance.randrange(12)):
                    if watched.change.state.in_force:
                        book.compare(watched.change.id, 0.0, chance.gauss(0.3, 1))
        book.keep(book.ledger.tick(book.now))
    other = book.again()
    shown = [msgspec.json.encode(change) for change in book.ledger.changes()]
    assert [msgspec.json.encode(change) for change in other.ledger.changes()] == shown
    assert other.ledger.frozen == book.ledger.frozen
    assert other.ledger._paused == book.ledger._paused
