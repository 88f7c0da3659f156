"""Three screens on one served engine, all of them processes: one approval, one order.

What the commands beside them say, and by which exit code, is asked of the same engine.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from app.cli import run
from engine.core.clock import SECOND, monotonic_ns, pause
from engine.core.commands import SetSpeed
from engine.core.types import Proposal
from engine.core.views import Snapshot
from engine.wire.remote import RemoteHub
from tests.tty.harness import Terminal
from tests.tty.served import Served

pytestmark = pytest.mark.tty

SEED = 9
FAST, SLOW = 600.0, 1.0


class Deck:
    """A served engine on a simulated market, looked at by a hub as any screen does."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        options = ["--feed", "sim", "--seed", str(SEED), "--speed", str(SLOW)]
        self.served = Served(folder, options, "paper-sim.db")
        stack.callback(self.served.close)
        self.hub = RemoteHub(Path(self.served.began["serving"]), version("quarterdeck"), hz=30.0)
        stack.callback(self.hub.close)
        assert self.hub.start(10.0)
        self._orders = 0

    @property
    def snapshot(self) -> Snapshot:
        self.until(lambda: self.hub.snapshot is not None)
        assert self.hub.snapshot is not None
        return self.hub.snapshot

    def until(self, there: Callable[[], bool], seconds: float = 60.0) -> None:
        deadline = monotonic_ns() + int(seconds * SECOND)
        while not there():
            seen = self.hub.snapshot
            assert monotonic_ns() < deadline, (seen and seen.time_ns, seen and seen.acks[-6:])
            pause(0.01)

    def play(self, speed: float) -> None:
        self._orders += 1
        self.hub.send(SetSpeed(id=f"speed-{self._orders}", speed=speed))

    def proposed(self) -> Proposal:
        """Let the market run until the engine proposes something, and slow down for it."""
        self.play(FAST)
        self.until(lambda: bool(self.snapshot.proposals))
        self.play(SLOW)
        return self.snapshot.proposals[0]


@pytest.fixture(scope="module")
def deck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deck]:
    with ExitStack() as stack:
        yield Deck(tmp_path_factory.mktemp("deck"), stack)


def test_one_approval_of_three_gives_one_order_and_all_see_the_fill(deck: Deck) -> None:
    served = deck.served
    with ExitStack() as stack:
        screens: list[Terminal] = [stack.enter_context(served.screen("attach")) for _ in range(3)]
        for screen in screens:
            screen.wait("SIM", 20.0)
        proposal = deck.proposed()
        for screen in screens:
            screen.wait(proposal.id, 20.0)
            screen.settle(0.3, timeout=1.5)
        # No approval of what has not been read: a key that comes at once is refused.
        pause(0.5)
        before = [len(screen.output) for screen in screens]
        for screen in screens:
            screen.send("a")
        deck.until(lambda: bool(deck.snapshot.positions))
        for screen, since in zip(screens, before, strict=True):
            screen.wait(
                lambda data: b"approved:" in data or b"already approved" in data, 10.0, since
            )
        said = [screen.text() for screen in screens]
        assert sum("already approved (nothing was done)" in text for text in said) == 2
        assert sum("approved: BUY" in text for text in said) == 1
        for screen in screens:
            # The journal is on every screen: the fill of what one of them approved.
            screen.key("7", f"filled BUY {proposal.quantity}", 10.0)
    told = served.told("trades")
    [order] = [one for one in told["orders"] if one["purpose"] == "entry"]
    assert (order["proposal"], order["state"]) == (proposal.id, "filled")
    assert order["filled"] == str(proposal.quantity)


class Beside:
    """Commands in this process, on the journal and the socket of the served engine."""

    def __init__(self, deck: Deck, capsys: pytest.CaptureFixture[str]) -> None:
        self._journal = str(deck.served.journal)
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Exit code, and what was said as JSON."""
        self._capsys.readouterr()
        code = run([*arguments, "--db", self._journal, "--json"])
        said = self._capsys.readouterr().out
        return code, json.loads(said)


def test_commands_beside_a_served_engine_act_at_once_and_say_so(
    deck: Deck, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    beside = Beside(deck, capsys)
    deck.play(FAST)
    deck.until(lambda: deck.snapshot.health.decisions > 0)
    deck.play(SLOW)
    symbol = next(
        name for name in deck.snapshot.run.symbols
        if all(view.position.symbol != name for view in deck.snapshot.positions)
    )  # fmt: skip
    code, told = beside("status")
    assert (code, told["engine"], told["control"]) == (0, deck.served.process.pid, "ACTIVE")
    assert told["socket"] == deck.served.began["serving"]

    code, told = beside("override", symbol, "long", "--reason", "a test")
    assert (code, told["taken"], told["engine"]) == (0, True, deck.served.process.pid), told
    name = told["ref"]
    deck.until(lambda: any(one.id == name for one in deck.snapshot.proposals))
    proposal = next(one for one in deck.snapshot.proposals if one.id == name)

    code, told = beside("approve", name, "--digest", "0" * 64)
    assert (code, told["ok"], told["code"]) == (7, False, "digest_mismatch"), told
    code, told = beside("approve", name, "--digest", proposal.digest)
    assert (code, told["ok"], told["taken"]) == (0, True, True), told
    code, told = beside("reject", name, "--reason", "too late")
    assert (code, told["ok"]) == (7, False), told
    deck.until(lambda: any(one.position.symbol == symbol for one in deck.snapshot.positions))

    code, told = beside("why", name)
    assert code == 0, told
    code, told = beside("pause", "--reason", "lunch")
    assert (code, told["taken"]) == (0, True)
    assert beside("status")[1]["control"] == "REDUCING"
    code, told = beside("close", symbol)
    assert (code, told["taken"]) == (0, True), told
    deck.until(lambda: all(one.position.symbol != symbol for one in deck.snapshot.positions))
    code, told = beside("trades", "--symbol", symbol)
    assert code == 0
    assert [trade["proposal"] for trade in told["trades"]] == [name]
    assert sum(order["purpose"] == "entry" for order in told["orders"]) == 1
    code, told = beside("resume")
    assert (code, told["taken"]) == (0, True)
    assert beside("close", "NOPE/USDT")[0] == 7
    code, told = beside("export", "--to", str(tmp_path / "out"))
    assert code == 0
    assert any((tmp_path / "out").iterdir())
