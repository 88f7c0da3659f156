"""What the engine shows of learning: fed as it trades, the same after a restart and from pages."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from app.pages import JournalHub
from engine.core.commands import Freeze, Pause, Reject, Resume
from engine.core.learning import LearningView
from engine.core.records import ChangeMoved, ComparedOn, ParameterSet
from engine.core.views import ParameterMove
from engine.kernel import publish
from tests.engine.scripted import PRICE, Script
from tests.learning_help import TRAIL, comparisons, make_change


def shown(script: Script) -> LearningView:
    view = script.snapshot.learning
    assert view is not None
    return view


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "OUTLOOK_EVERY_NS", 0)


def worked(script: Script) -> None:
    """One that a person rejected, one that a pause denied, and a trade that they approved."""
    proposal = script.proposed()
    assert script.send(Reject(id="x", proposal=proposal.id)).ok
    script.send(Pause(id="p"))
    script.want()
    script.send(Resume(id="r"))
    script.opened()
    script.price(PRICE * 0.9)
    script.cycle()


def test_the_scoreboard_is_fed_as_it_happens_and_the_same_after_a_restart(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        worked(script)
        before = shown(script).scoreboard
        found = {(one.who, one.what): one.evidence.n for one in before}
        assert found == {
            ("person", "approved"): 1, ("person", "rejected"): 1, ("gate", "control_state"): 1,
        }  # fmt: skip
        assert shown(script).scoreboard is before
    with script.again(tmp_path) as later:
        after = shown(later).scoreboard
        assert msgspec.json.encode(after) == msgspec.json.encode(before)
    hub = JournalHub(script.path)
    hub.read()
    assert hub.snapshot is not None
    assert hub.snapshot.learning is not None
    assert msgspec.json.encode(hub.snapshot.learning.scoreboard) == msgspec.json.encode(before)


def test_pages_show_a_change_that_is_watched_with_its_comparison_so_far(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        script.desk.record(ChangeMoved(time_ns=script.now_ns, change=make_change()))
        for one in comparisons("L-1", 12):
            script.desk.record(ComparedOn(time_ns=script.now_ns, compared=one))
        script.desk.record(
            ParameterSet(time_ns=script.now_ns, name=TRAIL.name,
                         scope=(None, None, TRAIL.strategy), before="null", after="1.25",
                         who="L-1")
        )  # fmt: skip
        moves = script.desk.hub.stream("parameters").items
        assert isinstance(moves[-1], ParameterMove)
        assert moves[-1].target == TRAIL.text
        assert len(script.desk.hub.stream("compared").items) == 12
        script.desk.journal.barrier()
        hub = JournalHub(script.path)
        hub.read()
        first = hub.snapshot
        assert first is not None
        assert first.learning is not None
        [change] = first.learning.changes
        assert change.shadow is not None
        assert change.shadow.n == 12
        assert len(hub.stream("compared").items) == 12
        script.send(Resume(id="r"))
        script.desk.journal.barrier()
        assert hub.read()
        assert hub.snapshot is not None
        assert hub.snapshot.learning is not None
        assert len(hub.snapshot.learning.changes) == 1


def test_a_target_that_is_frozen_is_shown_and_stays_so(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        assert script.send(Freeze(id="f", target=TRAIL.text)).ok
        assert shown(script).frozen == (TRAIL.text,)
    with script.again(tmp_path) as later:
        assert shown(later).frozen == (TRAIL.text,)
