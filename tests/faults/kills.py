"""F1, F2 and F7: a trading engine that dies anywhere, and what the next one makes of it.

The engine is the real command line in a process of its own. The oracle is `--ack-log`: a
file that got each fill's id after its commit and before the run went on.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from engine.core.clock import SECOND, monotonic_ns, pause
from engine.core.ids import source
from engine.core.records import Filled, OrderChanged
from engine.core.types import Order, OrderState, Purpose
from engine.journal.queries import Reader
from tests.faults.kill_child import STEPS
from tests.faults.recording import record

ROOT = Path(__file__).resolve().parents[2]

LIVELY = (
    "--timeframe", "3m", "--set", "pos.cooldown_min_per_ticker=0", "--set",
    "ev.prior_win_rate=0.7", "--set", "ev.prior_payoff=4", "--set", "dec.min_confidence=0.2",
    "--set", "cand.max_trades_per_day=200",
)  # fmt: skip
"""Settings under which the strategies trade every few minutes: a kill must meet an order."""

MINUTES = 8_000
"""Length of the recording: five days, some 200 fills."""


class Runner:
    """Starts runs of the command line by the forking child; a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "output.txt"
        self.acks = folder / "acks.txt"
        self.db = folder / "journal.db"
        self.mark = folder / "thrown"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.kill_child"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.pid = 0

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_: object) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.kill()
        self._process.wait()

    def arguments(self, feed: str, *more: str, resume: bool) -> list[str]:
        return [
            "run", "--no-screen", "--feed", feed, "--approval", "auto", "--speed", "max",
            "--seed", "5", "--json", "--db", str(self.db), "--ack-log", str(self.acks), *LIVELY,
            *more, *(["--resume"] if resume else []),
        ]  # fmt: skip

    def start(self, arguments: list[str], **fault: Any) -> None:
        request = {"arguments": arguments, "log": str(self.log), **fault}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        self.pid = int(self._process.stdout.readline())

    def wait(self) -> int:
        """The exit code; negative for a signal."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("how did it end?\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        self.pid = 0
        return code

    def kill_after(self, acknowledged: int, timeout_s: float = 10.0) -> int:
        """SIGKILL when the run has acknowledged so many fills, or ended by itself."""
        goal = self._acknowledged() + acknowledged
        end = monotonic_ns() + int(timeout_s * SECOND)
        while self._acknowledged() < goal and monotonic_ns() < end and self._lives():
            pause(0.001)
        os.kill(self.pid, signal.SIGKILL)
        return self.wait()

    def ends_within(self, limit_s: float) -> float:
        """Seconds from the injected exception (if any) to the end; a hanging run is killed."""
        begin = thrown = monotonic_ns()
        marked = False
        while self._lives() and monotonic_ns() - begin < limit_s * SECOND:
            if not marked and self.mark.exists():
                marked, thrown = True, monotonic_ns()
            pause(0.003)
        if self._lives():
            os.kill(self.pid, signal.SIGKILL)
        return (monotonic_ns() - thrown) / SECOND if marked else 0.0

    def _lives(self) -> bool:
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"

    def _acknowledged(self) -> int:
        try:
            return self.acks.read_bytes().count(b"\n")
        except FileNotFoundError:
            return 0

    def told(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace").strip()

    def summary(self) -> dict[str, Any]:
        text = self.told()
        try:
            result: dict[str, Any] = json.loads(text)
        except ValueError:
            return {"invariants_ok": False, "output": text[-500:]}
        return result

    def clear(self) -> None:
        """A new journal for the next kills."""
        for path in self.folder.glob("journal*"):
            path.unlink()
        self.acks.unlink(missing_ok=True)


@dataclass
class Kills:
    """What came of it; `wrong` is empty when nothing was lost, doubled or repeated."""

    kills: int = 0
    journals: int = 0
    acknowledged: int = 0
    steps: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    """The longest run after a kill, from its start to its orderly end."""
    gone_s: float = 0.0
    """The longest time from an injected exception to the end of its process."""
    wrong: list[str] = field(default_factory=list)


def examine(path: Path, acknowledged: Iterable[str]) -> list[str]:
    """What a journal says against itself and against the fills that it acknowledged."""
    wrong: list[str] = []
    with Reader(path) as reader:
        reader.verify()
        events = reader.events(limit=-1)
    fills = Counter(e.record.fill.id for e in events if isinstance(e.record, Filled))
    orders: dict[str, list[Order]] = defaultdict(list)
    for event in events:
        if isinstance(event.record, OrderChanged):
            orders[event.record.order.id].append(event.record.order)
    wrong += [
        f"fill {name} was acknowledged and is lost" for name in acknowledged if name not in fills
    ]
    wrong += [f"fill {name} is there {n} times" for name, n in fills.items() if n > 1]
    return wrong + _second_orders(orders) + _sold_twice(events, orders)


def _second_orders(orders: dict[str, list[Order]]) -> list[str]:
    """Orders for what another order was made for, and intents that came twice."""
    wrong = []
    entries = Counter(
        states[0].proposal for states in orders.values() if states[0].purpose is Purpose.ENTRY
    )
    wrong += [f"proposal {name} has {n} orders" for name, n in entries.items() if n > 1]
    clients = Counter(states[0].client_id for states in orders.values())
    wrong += [f"client id {name} was used {n} times" for name, n in clients.items() if n > 1]
    for name, states in orders.items():
        intents = sum(state.state is OrderState.INTENT for state in states)
        if intents != 1:
            wrong.append(f"order {name} was intended {intents} times")
    return wrong


def _sold_twice(events: list[Any], orders: dict[str, list[Order]]) -> list[str]:
    """More filled than ordered, or more sold than a position ever had."""
    filled: dict[str, Decimal] = defaultdict(Decimal)
    held: dict[str, Decimal] = defaultdict(Decimal)
    wrong = []
    for event in events:
        if not isinstance(event.record, Filled):
            continue
        fill = event.record.fill
        order = orders[fill.order][0]
        filled[fill.order] += fill.quantity
        if filled[fill.order] > order.quantity:
            wrong.append(f"order {fill.order} filled {filled[fill.order]} of {order.quantity}")
        enters = order.purpose in (Purpose.ENTRY, Purpose.SCALE_IN)
        held[fill.position] += fill.quantity if enters else -fill.quantity
        if held[fill.position] < 0:
            wrong.append(f"position {fill.position} was sold twice")
    return wrong


def _acks(runner: Runner) -> list[str]:
    """Acknowledged ids; a line that the kill cut off was not acknowledged."""
    try:
        text = runner.acks.read_text(encoding="ascii")
    except FileNotFoundError:
        return []
    return text.split("\n")[:-1]


def _check(runner: Runner, result: Kills, what: str) -> None:
    acknowledged = _acks(runner)
    result.wrong += [f"{what}: {wrong}" for wrong in examine(runner.db, acknowledged)]


def _finish(runner: Runner, result: Kills, feed: str, what: str) -> None:
    """Run on for three hours of market, in order: everything must add up, and fast."""
    begin = monotonic_ns()
    runner.start(runner.arguments(feed, "--for", "3h", resume=runner.db.exists()))
    code = runner.wait()
    result.slowest_s = max(result.slowest_s, (monotonic_ns() - begin) / SECOND)
    summary = runner.summary()
    if runner.db.exists():
        with Reader(runner.db) as reader:
            kept = len(reader.positions())
        if summary.get("open_positions", kept) != kept:
            result.wrong.append(f"{what}: {summary['open_positions']} positions of {kept} are held")
    if code or not summary["invariants_ok"]:
        result.wrong.append(f"{what}: run on gave {code}, {summary.get('output', summary)}")
    _check(runner, result, what)
    result.acknowledged += len(_acks(runner))
    result.journals += 1


def random_kills(folder: Path, seed: int, kills: int, chain: int = 6) -> Kills:
    """F1: SIGKILL after a random number of fills, `chain` times a journal, then run on.

    Journals alternate between a recording of bars and the simulated market of ticks.
    """
    result, chance = Kills(), source(seed, "random kills")
    feeds = (f"replay:{record(folder / 'recording', MINUTES)}", "sim")
    with Runner(folder) as runner:
        while result.kills < kills:
            feed = feeds[result.journals % 2]
            what = f"seed {seed}, journal {result.journals} ({feed[:6]})"
            for _ in range(min(chain, kills - result.kills)):
                runner.start(runner.arguments(feed, resume=runner.db.exists()))
                # By a count of fills, then a moment more: anywhere between two of them.
                enough = chance.randrange(0, 25 if feed != "sim" else 5)
                if chance.random() < 0.3:
                    pause(chance.uniform(0.0, 0.25))
                code = runner.kill_after(enough)
                if code not in (-signal.SIGKILL, 0):
                    result.wrong.append(f"{what}: ended with {code}: {runner.told()[-300:]}")
                result.kills += code == -signal.SIGKILL
                if code == 0:
                    break
                if runner.db.exists():
                    _check(runner, result, what)
            _finish(runner, result, feed, what)
            runner.clear()
    return result


def step_kills(folder: Path, seed: int, rounds: int) -> Kills:
    """F2: SIGKILL at each named step of an order, on a cold and on a warm journal."""
    result, chance = Kills(), source(seed, "step kills")
    feed = f"replay:{record(folder / 'recording', MINUTES)}"
    with Runner(folder) as runner:
        for number in range(rounds):
            for step in STEPS:
                for warm in (False, True):
                    what = f"seed {seed}, round {number}, {step}, {'warm' if warm else 'cold'}"
                    if warm and not runner.db.exists():
                        continue
                    if not warm:
                        runner.clear()
                    # Of records there are many more than orders, and most are no intent.
                    far = 120 if step == "before intent" else 4
                    nth = 1 if number == 0 and far == 4 else chance.randrange(1, far)
                    arguments = runner.arguments(feed, resume=warm)
                    runner.start(arguments, step=step, nth=nth)
                    code = runner.wait()
                    if code != -signal.SIGKILL:
                        result.wrong.append(
                            f"{what}: the step was not reached, {runner.told()[-300:]}"
                        )
                        continue
                    result.kills += 1
                    result.steps[f"{step}, {'warm' if warm else 'cold'}"] += 1
                    _check(runner, result, what)
                _finish(runner, result, feed, f"seed {seed}, round {number}, {step}")
            runner.clear()
    return result


SITES = (
    "engine.kernel.intake:Intake.take",
    "engine.kernel.intake:Intake._bar",
    "engine.kernel.symbols:SymbolDesk.take_bar",
    "engine.kernel.symbols:SymbolDesk.take_price",
    "engine.kernel.cycle:Cycle.run",
    "engine.kernel.cycle:Cycle._capital",
    "engine.kernel.cycle:Cycle._positions",
    "engine.kernel.entries:Entries.hear",
    "engine.kernel.entries:Entries._decide",
    "engine.kernel.entries:Entries.propose",
    "engine.kernel.entries:Entries._send",
    "engine.kernel.entries:Entries._create",
    "engine.kernel.entries:Entries._deny",
    "engine.kernel.appraisal:Appraiser.appraise",
    "engine.kernel.appraisal:Appraiser.sample",
    "engine.kernel.exits:Exits.on_bar",
    "engine.kernel.exits:Exits._act",
    "engine.kernel.exits:Exits._booked",
    "engine.kernel.exits:Exits._opened",
    "engine.kernel.exits:Exits._trade",
    "engine.kernel.exits:Exits.keep_moved",
    "engine.kernel.exits:Exits.refresh",
    "engine.kernel.orders:Orders.make",
    "engine.kernel.orders:Orders.enter",
    "engine.kernel.orders:Orders._commit_exit",
    "engine.kernel.orders:Orders._fill",
    "engine.kernel.orders:Orders._update",
    "engine.kernel.orders:Orders.on_time",
    "engine.kernel.publish:Publisher.publish",
    "engine.kernel.follow:Follower.on_bar",
    "engine.kernel.follow:Follower.add",
    "engine.kernel.desk:Desk.record",
    "engine.kernel.desk:Desk.cursor",
    "engine.kernel.desk:Desk.acknowledge",
    "engine.execution.paper:PaperBroker.submit",
    "engine.execution.paper:PaperBroker.on_market",
    "engine.execution.paper:PaperBroker.fill_now",
    "engine.execution.proposals:ProposalBook.create",
    "engine.execution.proposals:ProposalBook.approve",
    "engine.portfolio.ledger:Ledger.apply",
    "engine.portfolio.ledger:Ledger.account",
    "engine.portfolio.ledger:Ledger.verify",
    "engine.portfolio.book:Positions.plan",
    "engine.portfolio.book:Positions.apply",
    "engine.position.watch:PositionWatch.on_bar",
    "engine.position.watch:PositionWatch.to_dict",
    "engine.strategies.expected_value:TradeStatistics.update",
    "engine.strategies.base:Strategy.analyze",
    "engine.decision.combine:Combiner.decide",
    "engine.analysis.indicators:IndicatorState.update",
    "engine.analysis.regime:RegimeDetector.update",
    "engine.market.replay:ReplayFeed.poll",
    "engine.journal.writer:Writer.append_all",
    "engine.journal.writer:Writer.barrier",
    "engine.journal.store:Store.write",
)
"""Where an exception is thrown: every room that a market event passes through."""


def exceptions(folder: Path, seed: int, count: int) -> Kills:
    """F7: an exception anywhere ends the process by itself and soon; the next start is whole.

    A process that hangs is killed and told.
    """
    result, chance = Kills(), source(seed, "exceptions")
    feed = f"replay:{record(folder / 'recording', MINUTES)}"
    order = list(SITES)
    with Runner(folder) as runner:
        for number in range(count):
            if number % len(order) == 0:
                chance.shuffle(order)
            site = order[number % len(order)]
            nth = int(10 ** chance.uniform(0, 1.6))
            what = f"seed {seed}, {site} call {nth}"
            fault = {"raise": site, "nth": nth, "mark": str(runner.mark)}
            runner.start(runner.arguments(feed, "--for", "4d", resume=False), **fault)
            took = runner.ends_within(25.0)
            result.gone_s = max(result.gone_s, took)
            if took > 5.0:
                result.wrong.append(f"{what}: the process took {took:.1f} s to end")
            code = runner.wait()
            told = runner.told()
            reached = runner.mark.exists()
            runner.mark.unlink(missing_ok=True)
            if reached and code == 0:
                result.wrong.append(f"{what}: went on as if nothing had happened")
            if "Traceback" in told:
                result.wrong.append(f"{what}: a traceback instead of a sentence: {told[-300:]}")
            result.kills += reached
            result.steps[site] += reached
            _finish(runner, result, feed, what)
            runner.clear()
    if result.slowest_s > 10.0:
        result.wrong.append(f"seed {seed}: a restart took {result.slowest_s:.1f} s")
    return result
