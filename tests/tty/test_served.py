"""`serve`, `attach` and `inspect` as processes: what a person sees, and what outlives what."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.core.clock import pause
from tests.tty.harness import ROOT, Terminal

pytestmark = pytest.mark.tty

MINUTES = 120


class Served:
    """A served engine on a recording that has come to its end, so that nothing moves."""

    def __init__(self, folder: Path) -> None:
        recording = folder / "BTCUSDT-1m.csv"
        rows = ["open_time,open,high,low,close,volume"]
        for minute in range(MINUTES):
            price = 60_000 + minute % 7 * 10
            rows.append(
                f"{1_735_689_600_000 + minute * 60_000},{price},{price + 30},{price - 30},{price},9"
            )
        recording.write_text("\n".join(rows) + "\n")
        self.journal = folder / "paper-replay.db"
        self.env = {"XDG_CONFIG_HOME": str(folder / "config"), "DATA_DIR": str(folder)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app.main", "serve", "--replay", str(recording), "--speed",
             "max", "--symbols", "BTC/USDT", "--json"],
            cwd=ROOT, env={**os.environ, **self.env}, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.began = json.loads(self.process.stdout.readline())

    def run(self, *arguments: str) -> tuple[int, str]:
        """A command beside the engine: its exit code, and what it said."""
        done = subprocess.run(
            [sys.executable, "-m", "app.main", *arguments], cwd=ROOT, check=False,
            env={**os.environ, **self.env}, capture_output=True, text=True, timeout=30,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def status(self) -> dict[str, Any]:
        code, text = self.run("status", "--json")
        assert code == 0, text
        found: dict[str, Any] = json.loads(text)
        return found

    def screen(self, *arguments: str) -> Terminal:
        return Terminal(["-m", "app.main", *arguments], env=self.env)


@pytest.fixture(scope="module")
def engines() -> Iterator[list[Served]]:
    """The engine that the tests of this process share, and any that took its place."""
    started: list[Served] = []
    yield started
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate(timeout=5.0)


@pytest.fixture
def served(engines: list[Served], tmp_path_factory: pytest.TempPathFactory) -> Served:
    if not engines or engines[-1].process.poll() is not None:
        engines.append(Served(tmp_path_factory.mktemp("served")))
    return engines[-1]


def leave(screen: Terminal, answer: str) -> None:
    """Quit by keys; a dialog hears nothing in its first moment, so that no key falls into it."""
    screen.key("q", "Leave Quarterdeck?")
    pause(0.6)
    screen.send(answer)
    assert screen.end() == 0


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
    with served.screen("--feed", "sim", "--db", str(served.journal)) as screen:
        screen.wait("attached to it", 15.0)
        screen.wait("REPLAY", 10.0)


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
