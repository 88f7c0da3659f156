"""The control state: who may tighten, who may loosen, and when."""

from __future__ import annotations

import pytest

from engine.core.clock import DAY
from engine.core.types import Actor, Control
from engine.core.views import ControlView
from engine.risk.control import DAY_CLOSED, ControlMachine

NOON = 20_000 * DAY + DAY // 2


def machine(state: Control, who: Actor = Actor.ENGINE, reason: str = "x") -> ControlMachine:
    return ControlMachine(state, reason, NOON, who)


@pytest.mark.parametrize("before", Control)
@pytest.mark.parametrize("after", Control)
def test_the_engine_only_tightens(before: Control, after: Control) -> None:
    control = machine(before)
    moved = control.move(after, "because", Actor.ENGINE, NOON + 1)
    assert moved is (after.severity > before.severity)
    assert control.state is (after if moved else before)
    assert control.reason == ("because" if moved else "x")


@pytest.mark.parametrize("before", Control)
@pytest.mark.parametrize("after", Control)
def test_a_person_moves_anywhere(before: Control, after: Control) -> None:
    control = machine(before)
    assert control.move(after, "because", Actor.PERSON, NOON + 1)
    assert (control.state, control.reason, control.since_ns, control.who) == (
        after, "because", NOON + 1, Actor.PERSON,
    )  # fmt: skip
    assert not control.move(after, "again", Actor.PERSON, NOON + 2)


def test_a_day_closed_for_its_loss_opens_with_the_next_and_not_before() -> None:
    control = machine(Control.REDUCING, reason=f"{DAY_CLOSED}loss 4 %")
    assert control.due(NOON + DAY // 2 - 1) is None
    assert not control.move(Control.ACTIVE, "early", Actor.ENGINE, NOON + 1)
    due = control.due(NOON + DAY // 2)
    assert due is not None
    assert control.move(*due, Actor.ENGINE, NOON + DAY // 2)
    assert control.state is Control.ACTIVE


@pytest.mark.parametrize(
    ("state", "who", "reason"),
    [
        (Control.REDUCING, Actor.PERSON, f"{DAY_CLOSED}loss 4 %"),
        (Control.REDUCING, Actor.ENGINE, "something else"),
        (Control.HALTED, Actor.ENGINE, f"{DAY_CLOSED}loss 4 %"),
        (Control.LOCKED, Actor.ENGINE, f"{DAY_CLOSED}loss 4 %"),
    ],
)
def test_nothing_else_opens_by_itself(state: Control, who: Actor, reason: str) -> None:
    control = machine(state, who, reason)
    assert control.due(NOON + 30 * DAY) is None
    assert not control.move(Control.ACTIVE, "late", Actor.ENGINE, NOON + 30 * DAY)


def test_a_persons_pause_outlasts_the_day_that_the_engine_closed() -> None:
    control = machine(Control.REDUCING, reason=f"{DAY_CLOSED}loss 4 %")
    assert control.move(Control.REDUCING, "paused", Actor.PERSON, NOON + 1)
    assert control.due(NOON + DAY) is None


def test_a_restart_takes_the_most_restrictive_state_stored() -> None:
    views = [
        ControlView(state=state, reason=state.value, since_ns=i, who=Actor.PERSON)
        for i, state in enumerate((Control.REDUCING, Control.HALTED, Control.ACTIVE))
    ]
    control = ControlMachine.restored(views)
    assert control.view() == views[1]
    assert ControlMachine.restored([]).state is Control.ACTIVE
