"""`serve`, `attach` and `inspect` as processes: what a person sees, and what outlives what."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.core.clock import pause
from tests.tty.served import Served, leave, still

pytestmark = pytest.mark.tty


@pytest.fixture(scope="module")
def engines() -> Iterator[list[Served]]:
    """The engine that the tests of this process share, and any that took its place."""
    started: list[Served] = []
    yield started
    for one in started:
        one.close()


@pytest.fixture
def served(engines: list[Served], tmp_path_factory: pytest.TempPathFactory) -> Served:
    if not engines or engines[-1].process.poll() is not None:
        engines.append(still(tmp_path_factory.mktemp("served")))
    return engines[-1]


def test_screens_come_and_go_and_the_engine_stays(served: Served) -> None:
    with served.screen("attach") as one, served.screen("attach", "--readonly") as two:
        one.wait("REPLAY", 15.0)
        two.wait("read-only", 15.0)
        one.settle(1.0)
        assert one.count(1.5) == 0, "an idle screen sends nothing"
        one.key("p", "REDUCING", 10.0)
        two.wait("REDUCING", 10.0)
        since = len(two.output)
        two.send("p")
        two.wait("this screen is read-only", 5.0, since)
        two.process.kill()
        leave(one, "d")
        assert one.restored()
    os.kill(served.process.pid, signal.SIGHUP)
    code, text = served.run("resume", "--json")
    told = json.loads(text)
    assert (code, told["taken"], told["engine"]) == (0, True, served.process.pid), text
    found = served.status()
    assert (found["control"], found["engine"]) == ("ACTIVE", served.process.pid)
    assert found["socket"] == served.began["serving"]


def test_a_second_engine_is_refused_and_a_second_screen_joins_the_first(served: Served) -> None:
    code, text = served.run("serve", "--feed", "sim", "--db", str(served.journal))
    assert code == 6
    assert str(served.process.pid) in text
    asked = ("--feed", "sim", "--db", str(served.journal))
    with served.screen(*asked, "--attach", "yes") as screen:
        screen.wait("attached: another engine", 15.0)
        screen.wait("REPLAY", 10.0)
    with served.screen(*asked, "--attach", "no") as screen:
        assert screen.end() == 6


@pytest.mark.parametrize(("answer", "effect"), [("a", "REDUCING"), ("r", "screen is read-only")])
def test_a_screen_offers_to_attach_where_an_engine_runs(
    served: Served, answer: str, effect: str
) -> None:
    with served.screen("--feed", "sim", "--db", str(served.journal)) as screen:
        screen.wait("Attach read-only", 15.0)
        pause(0.6)
        since = len(screen.output)
        screen.send(answer)
        screen.wait("REPLAY", 10.0, since)
        since = len(screen.output)
        screen.send("p")
        screen.wait(effect, 5.0, since)
        leave(screen, "d")
    if answer == "a":
        served.told("resume")


def test_enter_leaves_an_engine_that_runs_alone(served: Served) -> None:
    before = served.status()["control"]
    with served.screen("--feed", "sim", "--db", str(served.journal)) as screen:
        screen.wait("Attach read-only", 15.0)
        pause(0.6)
        screen.send("\r")
        assert screen.end() == 6
        assert screen.restored()
    assert served.status()["control"] == before


def test_a_journal_is_read_beside_its_engine_with_every_key_that_acts_refused(
    served: Served, tmp_path: Path
) -> None:
    with served.screen("inspect", str(served.journal)) as screen:
        screen.wait("read-only", 15.0)
        screen.settle(0.5)
        since = len(screen.output)
        screen.send("p")
        screen.wait("this is a journal being read", 5.0, since)
        leave(screen, "y")
    assert served.run("inspect", str(tmp_path / "none.db"))[0] == 5


def test_a_screen_says_that_its_engine_has_gone_and_the_engine_ends_in_order(
    served: Served,
) -> None:
    with served.screen("attach") as screen:
        screen.wait("REPLAY", 15.0)
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(10.0) == 0
        screen.wait("OUT OF REACH", 10.0)
        leave(screen, "d")
    assert not Path(served.began["serving"]).exists()
    code, text = served.run("attach")
    assert code == 9
    assert "quarterdeck serve" in text
