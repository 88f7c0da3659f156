"""The engine as a whole: replay, one bar, one decision, one tick, an approval, a restart.

Run it with `python -m tests.benchmarks.bench_kernel`.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from app.compose import Engine, build
from app.options import RunOptions
from engine.analysis.indicators import warm_up
from engine.core.clock import SECOND, monotonic_ns
from engine.core.commands import Approve, ClosePosition
from engine.core.config import Config, EngineSection, LlmSection, PathsSection
from engine.core.types import Tick
from engine.position import step
from tests.benchmarks.report import heading, percentile, quick, runs, show
from tests.engine.scripted import BTC, PRICE, Script
from tests.faults.recording import SYMBOLS, record
from tests.recorded import recorded

ROOT = Path(__file__).resolve().parents[2]
EVENTS = 100_000
LIVELY = (
    ("pos.cooldown_min_per_ticker", "0"), ("ev.prior_win_rate", "0.7"), ("ev.prior_payoff", "4"),
    ("dec.min_confidence", "0.2"), ("cand.max_trades_per_day", "200"),
)  # fmt: skip


def engine_of(
    db: Path,
    feed: str,
    symbols: tuple[str, ...] = SYMBOLS,
    *,
    timeframe: str = "15m",
    strategist: str = "always",
    **options: Any,
) -> Engine:
    config = Config(
        engine=EngineSection(
            feed=feed, symbols=symbols, approval="auto", seed=1, speed=0.0, timeframe=timeframe
        ),
        llm=LlmSection.model_validate({"strategist": strategist}),
        paths=PathsSection(db=str(db)),
    )
    return build(config, RunOptions(symbols_given=True, publish_hz=1.0, **options), "bench")


def market(folder: Path) -> str:
    """A recorded month of minutes, or an invented one where that is absent."""
    try:
        return f"replay:{recorded('ohlcv_crypto/typhonun_binance_um/1m')}"
    except pytest.skip.Exception:
        return f"replay:{record(folder / 'recording', 43_200)}"


def replays(folder: Path, feed: str) -> None:
    """Three symbols, default strategies, gates, paper fills, journal on; loading not counted."""
    for strategist, name in (("always", ""), ("never", " without the strategist,")):
        speeds, alone = [], []
        for number in range(runs(3)):
            db = folder / f"replay-{strategist}-{number}.db"
            engine = engine_of(db, feed, strategist=strategist)
            begin, spent = monotonic_ns(), _thread_s()
            engine.kernel.run()
            speeds.append(engine.desk.tally.bars / (monotonic_ns() - begin) * SECOND)
            alone.append(engine.desk.tally.bars / (_thread_s() - spent))
        orders, bars = engine.desk.tally.orders, engine.desk.tally.bars
        show(
            f"full replay,{name} {bars:,} bars with {orders} orders", "≥ 50,000", speeds, "bars/s",
            "nautilus 119 k without orders, 23 k with brackets",
        )  # fmt: skip
        show("  by the processor time of the kernel's thread alone", "", alone, "bars/s")


def _thread_s() -> float:
    """Processor seconds of this thread: what a busy machine does not change."""
    used = resource.getrusage(resource.RUSAGE_THREAD)
    return used.ru_utime + used.ru_stime


def single_bars(folder: Path, feed: str) -> None:
    """Every bar event of a replay by itself, with the cycle that fell due before it."""
    engine = engine_of(folder / "bars.db", feed)
    kernel, desk = engine.kernel, engine.desk
    quiet: list[float] = []
    decided: list[float] = []
    entries = kernel.entries
    inner = {"decide": 0, "propose": 0}

    def timed(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            begin = monotonic_ns()
            try:
                return original(*given)
            finally:
                inner[name] += monotonic_ns() - begin

        return call

    closes: list[float] = []
    for symbol in desk.symbols.values():
        symbol._close = _logged(closes, symbol._close)  # type: ignore[method-assign]
    deciding = entries.deciding
    deciding._decide = timed("decide", deciding._decide)  # type: ignore[method-assign]
    entries.propose = timed("propose", entries.propose)  # type: ignore[method-assign]
    kernel.begin()
    take = kernel._take_at
    while not desk.feed.ended:
        for event in desk.feed.poll(128):
            before, sent = desk.tally.decisions, desk.tally.orders
            inner["decide"] = inner["propose"] = 0
            begin = monotonic_ns()
            take(event)
            took = (monotonic_ns() - begin) / 1_000
            made = desk.tally.decisions - before
            if made:
                decided += [(inner["decide"] + inner["propose"]) / 1_000 / made] * made
            elif desk.tally.orders == sent:
                quiet.append(took)
            desk.position += 1
    kernel.end()
    # Indicators and regime were brought up to date when the bar came in, in the same order.
    decided = [one + two for one, two in zip(decided, closes[-len(decided) :], strict=True)]
    show("one bar event, no decision, p50", "p50 ≤ 15 µs", [percentile(quiet, 0.5)], "µs")
    show("one bar event, no decision, p99", "", [percentile(quiet, 0.99)], "µs")
    show("a symbol's decision at a closed bar, p50", "p50 ≤ 0.3 ms",
         [percentile(decided, 0.5)], "µs")  # fmt: skip
    show("a symbol's decision at a closed bar, p99", "p99 ≤ 2 ms",
         [percentile(decided, 0.99)], "µs")  # fmt: skip


def _logged(took: list[float], original: Callable[..., None]) -> Callable[..., None]:
    def call(*given: Any) -> None:
        begin = monotonic_ns()
        original(*given)
        took.append((monotonic_ns() - begin) / 1_000)

    return call


def ticks(folder: Path) -> None:
    """A trade on the tape while a position is open: its watch alone, and all of the intake."""
    watch, whole = [], []
    with Script(folder) as script:
        script.opened()
        exits, intake = script.kernel.exits, script.kernel.intake
        now = script.desk.now_ns
        for number in range(2_000 if quick() else 20_000):
            now += 1_000_000
            script.desk.now_ns = now
            price = PRICE + number % 40
            begin = monotonic_ns()
            exits.on_price(BTC, price, now)
            middle = monotonic_ns()
            intake.take(Tick(symbol=BTC, time_ns=now, price=price + 0.5, size=0.1))
            whole.append((monotonic_ns() - middle) / 1_000)
            watch.append((middle - begin) / 1_000)
    show("tick to exit decision, p99", "p99 ≤ 20 µs", [percentile(watch, 0.99)], "µs")
    show("a tick through the whole intake, p50", "", [percentile(whole, 0.5)], "µs")
    show("a tick through the whole intake, p99", "", [percentile(whole, 0.99)], "µs")


def approvals(folder: Path) -> None:
    """From the command to the committed fill: quote and gates again, intent, fill, each synced."""
    took = []
    settings = {
        "paper.latency_ms": 0, "pos.cooldown_min_per_ticker": 0, "risk.max_daily_risk_pct": 10,
        "cand.max_trades_per_day": 200,
    }  # fmt: skip
    with Script(folder, settings=settings) as script:
        kernel, desk = script.kernel, script.desk
        for number in range(30 if quick() else 200):
            proposal = script.proposed()
            command = Approve(
                id=f"a-{number}", proposal=proposal.id, digest=proposal.digest,
                version=proposal.version,
            )  # fmt: skip
            fills = desk.tally.fills
            begin = monotonic_ns()
            kernel.commands.take([command])
            took.append((monotonic_ns() - begin) / 1e6)
            assert desk.tally.fills == fills + 1, desk.acks[-1]
            # Left with a profit: losses in a row would pause the engine.
            script.price(PRICE * 1.005)
            script.send(ClosePosition(id=f"c-{number}", position=script.position.id))
            script.price(PRICE)
    show("approval to committed paper fill, p50", "", [percentile(took, 0.5)], "ms")
    show("approval to committed paper fill, p99", "p99 ≤ 5 ms", [percentile(took, 0.99)], "ms",
         "an earlier design < 50 ms")  # fmt: skip


def restarts(folder: Path) -> None:
    """After SIGKILL with many events: open, recover and warm up, until the engine can trade."""
    feed = f"replay:{record(folder / 'long', 12_000 if quick() else 160_000)}"
    db = folder / "long.db"
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            engine = engine_of(db, feed, timeframe="3m", settings=LIVELY)
            engine.kernel.begin()
            while engine.desk.journal.seq < EVENTS and engine.kernel.step():
                pass
            engine.desk.journal.barrier(60)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    whole, loading, alone = [], [], []
    for _ in range(runs(3)):
        begin, spent = monotonic_ns(), _thread_s()
        engine = engine_of(db, feed, timeframe="3m", settings=LIVELY, resume=True)
        built = monotonic_ns()
        engine.kernel.begin()
        end = monotonic_ns()
        events = engine.desk.journal.recovered.last_seq
        whole.append((end - begin) / 1e6)
        loading.append((end - built) / 1e6)
        alone.append((_thread_s() - spent) * 1e3)
        engine.desk.feed.stop()
        engine.desk.journal.close()
    show(f"start after SIGKILL, {events:,} events, recording included", "≤ 1,000", whole, "ms")
    show("  of which state, indicators and watches", "", loading, "ms")
    show("  all of it by the thread's processor time", "", alone, "ms")


def memory(folder: Path) -> None:
    """Largest memory of the real command without a screen, with 20 symbols."""
    names = ("BTC", "ETH", "SOL", "XRP", "ADA", "DOGE", "AVAX", "DOT", "LINK", "LTC", "ATOM",
             "BCH", "XLM", "TRX", "NEAR", "APT", "ARB", "OP", "FIL", "UNI")  # fmt: skip
    symbols = ",".join(f"{name}/USDT" for name in names)
    process = subprocess.Popen(
        [sys.executable, "-m", "app.main", "run", "--no-screen", "--feed", "sim", "--symbols",
         symbols, "--approval", "auto", "--speed", "max", "--for", "2h", "--json", "--db",
         str(folder / "memory.db")],
        cwd=ROOT, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0, f"the run ended with {status}"
    show("memory of an engine with 20 simulated symbols, no screen", "≤ 250 MB with one",
         [used.ru_maxrss / 1024], "MB", "imports alone 199")  # fmt: skip


def main() -> None:
    heading("the engine as a whole")
    # First, because a process begins with the largest memory of the one that starts it.
    with tempfile.TemporaryDirectory(dir=ROOT, prefix=".bench-memory-") as name:
        memory(Path(name))
    warm_up()
    step.make_step()
    # Beside the project rather than in memory: a sync must be a sync.
    with tempfile.TemporaryDirectory(dir=ROOT, prefix=".bench-kernel-") as name:
        folder = Path(name)
        feed = market(folder)
        replays(folder, feed)
        single_bars(folder, feed)
        for part, measure in (("ticks", ticks), ("approvals", approvals)):
            (folder / part).mkdir()
            measure(folder / part)
        restarts(folder)


if __name__ == "__main__":
    main()
