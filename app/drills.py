"""Drills: a fault, provoked on a paper engine of its own, and whether its protection held.

Each builds the whole engine on a simulated market with a journal that is thrown away, does
to it what the world does sooner or later, and measures. A drill passes only by what was
measured: with its protection taken out, it fails.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from app.compose import SIM_BEGINS, Engine, build
from app.drillfeed import STEP_NS, DrillClock, DrillFeed
from app.options import RunOptions
from engine.core.clock import SECOND, parse_iso
from engine.core.config import Config, EngineSection, PathsSection
from engine.core.errors import ConfigError
from engine.core.types import Action, BreakerState, Control, Decision, Direction, Link, Position
from engine.decision.combine import MIN_CONFIDENCE
from engine.kernel.appraisal import Wish
from engine.kernel.deciding import Candidate
from engine.market.sim import SimFeed
from engine.risk.limits import ORDERS_PER_SECOND, RISK_CEILING, position_cap_pct

Figures = dict[str, Any]
Checks = dict[str, bool]

SYMBOLS = ("BTC/USDT", "ETH/USDT")
SEED = 11
OUTAGE_S = 90
"""How long a cut or frozen feed stays so: six times the age at which a price is stale."""

SOON_S = 20.0
"""A dead feed must be found within two of its intervals and five seconds, rounded up to what
the drill's one-second steps can tell; the default limit of 15 s lies below it."""

CRASH_S = 300
"""A flash crash falls within 45 s; after five minutes what a stop did is over."""

ASK_EVERY_S = 10
"""How often a strategy asks in the other drills: often, and not like a runaway."""

EAGER = (("ev.prior_win_rate", "0.7"),)
"""The drill's strategies believe in their trades, so that only what protects can refuse them."""

CALLS = 5_000
"""Entries that a runaway strategy asks for, all within one second, until it is halted."""

MORE_CALLS = 100
"""Entries that it asks for after that."""


@dataclass(frozen=True)
class Outcome:
    """What a drill found: each check by name, and the figures behind them."""

    name: str
    what: str
    checks: Checks
    figures: Figures

    @property
    def passed(self) -> bool:
        return bool(self.checks) and all(self.checks.values())

    def facts(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "name": self.name, "what": self.what, "passed": self.passed,
            "checks": self.checks, "figures": self.figures,
        }  # fmt: skip


@dataclass
class Stage:
    """A paper engine on a drill's market, stepped by hand."""

    engine: Engine
    feed: DrillFeed
    clock: DrillClock
    asked: int = 0
    sent: list[int] = field(default_factory=list)
    """When (engine time) each entry order was sent."""

    @property
    def desk(self) -> Any:
        return self.engine.desk

    def step(self, seconds: int = 1) -> None:
        """Let so much time pass, a second at a time."""
        for _ in range(seconds):
            self.clock.advance(STEP_NS)
            while self.engine.kernel.step():
                pass

    def ask(self, symbol: str = SYMBOLS[0]) -> None:
        """A strategy wants to buy, whatever the market says."""
        desk, entries = self.engine.desk, self.engine.kernel.entries
        at = desk.symbols[symbol]
        before = desk.tally.orders
        wish = Wish(symbol=at, direction=Direction.LONG, strategy="technical", confidence=0.9)
        self.asked += 1
        entries.propose(Candidate(at, self._decision(symbol), wish, 1.0))
        self.sent += [desk.now_ns] * (desk.tally.orders - before)

    def _decision(self, symbol: str) -> Decision:
        desk = self.engine.desk
        least = float(desk.params.get(MIN_CONFIDENCE))
        return Decision(
            id=desk.ids.next("D"), symbol=symbol, time_ns=desk.now_ns, action=Action.BUY,
            confidence=max(0.9, least), size_pct=0.0, price=desk.symbols[symbol].last,
            regime="", regime_confidence=0.0, reasoning="the drill wants it", votes=(),
            absent=(), signals=(), winner="technical",
        )  # fmt: skip

    def open(self, symbol: str = SYMBOLS[0]) -> Position:
        """Hold a position in a symbol."""
        self.ask(symbol)
        self.step(10)
        held = self.engine.desk.book.of_symbol(symbol)
        if not held:
            denied = dict(self.engine.desk.tally.denials)
            raise ConfigError("the drill's entry was not admitted", f"refused by {denied}")
        return held[0]

    @property
    def equity(self) -> float:
        desk = self.engine.desk
        return float(desk.ledger.account(desk.now_ns, desk.marks()).equity)

    def exposure_pct(self) -> float:
        """What is held or may still be bought by entries on their way, in percent of equity."""
        held = self.engine.kernel.entries.appraiser.held()
        return sum(map(abs, held.values())) / self.equity * 100.0

    def breaker(self, name: str) -> BreakerState:
        return next(one.state for one in self.engine.desk.breakers.all if one.name == name)


Drill = Callable[[Stage], tuple[Checks, Figures]]


def run_drill(name: str, settings: tuple[tuple[str, str], ...] = ()) -> Outcome:
    """Run one drill in a folder that is removed afterwards.

    `settings` are parameters of its engine by name. Raises `ConfigError` for a drill that
    there is not, or when the drill can't even hold a position.
    """
    drill, what = _found(name)
    with tempfile.TemporaryDirectory(prefix="quarterdeck-drill-") as folder:
        stage = _stage(Path(folder), settings)
        kernel = stage.engine.kernel
        try:
            kernel.begin()
            stage.step(5)
            checks, figures = drill(stage)
            checks["the engine kept running"] = kernel.fault is None and not stage.desk.faults
        finally:
            kernel.end()
    return Outcome(name, what, checks, figures)


def _found(name: str) -> tuple[Drill, str]:
    if name not in DRILLS:
        near = get_close_matches(name, DRILLS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"drills: {', '.join(DRILLS)}"
        raise ConfigError(f"there is no drill {name!r}", hint)
    return DRILLS[name]


def _stage(folder: Path, settings: tuple[tuple[str, str], ...]) -> Stage:
    clock = DrillClock(parse_iso(SIM_BEGINS))
    market = SimFeed(SYMBOLS, seed=SEED, clock_start_ns=clock.now_ns(), speed=0.0, warmup_bars=320)
    feed = DrillFeed(market, clock)
    config = Config(
        engine=EngineSection(
            feed="live", symbols=SYMBOLS, approval="auto", cash=Decimal(10_000), seed=SEED
        ),
        paths=PathsSection(db=str(folder / "drill.db")),
    )
    engine = build(
        config, RunOptions(settings=(*EAGER, *settings)), "drill", feed=feed, clock=clock
    )
    return Stage(engine, feed, clock)


# The drills.


def _outage(stage: Stage, begin: Callable[[], None], *, says_down: bool) -> tuple[Checks, Figures]:
    """A feed that brings nothing: how soon it is known, and what was sent meanwhile."""
    desk = stage.engine.desk
    begin()
    began, fresh = desk.now_ns, stage.feed.last_ns
    found_s = stopped_s = -1.0
    sent_blind, told_down = 0, False
    for _ in range(OUTAGE_S):
        stage.step()
        passed = (desk.now_ns - began) / SECOND
        stale = all(desk.symbols[name].link in (Link.STALE, Link.DOWN) for name in SYMBOLS)
        if stale and found_s < 0:
            found_s = passed
        told_down = told_down or (desk.link is not None and desk.link.link is Link.DOWN)
        if stopped_s < 0 and stage.breaker("stale_data") is BreakerState.OPEN:
            stopped_s = passed
        if passed > SOON_S and int(passed) % ASK_EVERY_S == 0:
            before = len(stage.sent)
            stage.ask()
            sent_blind += len(stage.sent) - before
    age = (desk.now_ns - fresh) / SECOND
    stage.feed.mend()
    stage.step(15)
    asked_again = len(stage.sent)
    stage.ask()
    checks = {
        "the feed was found dead in time": 0.0 <= found_s <= SOON_S,
        "the breaker opened in time": 0.0 <= stopped_s <= SOON_S,
        "nothing was sent on dead prices": sent_blind == 0,
        "entries go on when prices do": len(stage.sent) == asked_again + 1,
    }
    if says_down:
        checks["the connection was told as down"] = told_down
    figures: Figures = {
        "outage_s": OUTAGE_S,
        "found_after_s": found_s,
        "breaker_open_after_s": stopped_s,
        "limit_s": SOON_S,
        "asked": stage.asked - 1,
        "orders_on_dead_prices": sent_blind,
        "price_age_at_the_end_s": round(age, 1),
        "refused_by": dict(desk.tally.denials),
    }
    return checks, figures


def _feed_drop(stage: Stage) -> tuple[Checks, Figures]:
    return _outage(stage, stage.feed.drop, says_down=True)


def _stale_feed(stage: Stage) -> tuple[Checks, Figures]:
    return _outage(stage, stage.feed.freeze, says_down=False)


def _flash_crash(stage: Stage) -> tuple[Checks, Figures]:
    """A position is held when the price falls by 10 to 18 % within 45 seconds."""
    desk = stage.engine.desk
    position = stage.open()
    symbol = position.symbol
    start, entry = stage.equity, float(position.entry_price)
    began = desk.now_ns
    stage.feed.shock("flash_crash", symbol)
    lowest, closed_s, entered = entry, -1.0, len(stage.sent)
    for _ in range(CRASH_S):
        stage.step()
        lowest = min(lowest, desk.symbols[symbol].last)
        if closed_s < 0 and not desk.book.of_symbol(symbol):
            closed_s = (desk.now_ns - began) / SECOND
        if int((desk.now_ns - began) / SECOND) % ASK_EVERY_S == 0:
            stage.ask(symbol)
    worst = (start - stage.equity) / start * 100.0
    ceiling = float(desk.params.get(RISK_CEILING))
    fell = (1.0 - lowest / entry) * 100.0
    held = float(position.quantity) * entry / start * 100.0
    exits = [trade.exit_reason for trade in desk.trades if trade.symbol == symbol]
    checks = {
        "the market crashed": fell >= 5.0,
        "the position was closed": closed_s >= 0.0,
        "the loss stayed below the ceiling of one trade": worst <= ceiling,
        "the stop saved most of the fall": worst < held * fell / 100.0 / 2.0,
        "nothing was bought into the crash": len(stage.sent) == entered,
    }
    figures: Figures = {
        "fell_pct": round(fell, 2),
        "held_pct_of_equity": round(held, 2),
        "loss_pct_of_equity": round(worst, 3),
        "loss_without_a_stop_pct": round(held * fell / 100.0, 3),
        "limit_pct_of_equity": ceiling,
        "closed_after_s": closed_s,
        "exit": exits[0] if exits else "",
        "asked": stage.asked - 1,
        "entries_sent": len(stage.sent) - entered,
        "control": str(desk.control.state),
    }
    return checks, figures


def _runaway(stage: Stage) -> tuple[Checks, Figures]:
    """A strategy asks for the same entries thousands of times within a second."""
    desk = stage.engine.desk
    began = desk.now_ns
    calls_until = -1
    largest = 0.0
    for k in range(CALLS):
        stage.ask(SYMBOLS[k % 2])
        largest = max(largest, stage.exposure_pct())
        if calls_until < 0 and desk.control.state is Control.HALTED:
            calls_until = k + 1
            break
    tripped_ns = desk.now_ns - began
    for k in range(MORE_CALLS if calls_until > 0 else 0):
        stage.ask(SYMBOLS[k % 2])
    stage.step(10)
    largest = max(largest, stage.exposure_pct())
    cap = position_cap_pct(desk.params) * len(SYMBOLS)
    most = int(desk.params.get(ORDERS_PER_SECOND))
    stage.step(120)
    entries = [o for o in stage.sent if o <= began + SECOND]
    checks = {
        "it was halted within a second": calls_until > 0 and tripped_ns <= SECOND,
        "no more orders than allowed in a second": len(entries) <= most,
        "exposure stayed within the caps": 0.0 < largest <= cap,
        "the breaker is open": stage.breaker("runaway") is BreakerState.OPEN,
        "it did not reset itself": desk.control.state is Control.HALTED,
    }
    figures: Figures = {
        "asked": stage.asked,
        "calls_until_halted": calls_until,
        "seconds_until_halted": tripped_ns / SECOND,
        "orders_sent": len(stage.sent),
        "limit_orders_a_second": most,
        "largest_exposure_pct_of_equity": round(largest, 2),
        "limit_pct_of_equity": cap,
        "control": str(desk.control.state),
        "reason": desk.control.reason,
    }
    return checks, figures


DRILLS: Mapping[str, tuple[Drill, str]] = {
    "feed-drop": (_feed_drop, "the connection to the market is cut"),
    "stale-feed": (_stale_feed, "the connection stays up and brings nothing"),
    "flash-crash": (_flash_crash, "the price falls by more than a tenth within 45 s"),
    "runaway": (_runaway, "a strategy asks for entries without end"),
}
