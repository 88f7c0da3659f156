"""F38 to F40: learning held against markets without an edge, with one, and against poison.

The whole school without an engine around it: candidates at random moments of invented markets
are followed, searched and compared; whatever asks is admitted, since a person who says yes to
everything is the hardest test of what learning asks for.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np

from engine.core.clock import DAY, HOUR, MINUTE
from engine.core.ids import generator, source
from engine.core.learning import (
    Change,
    ChangeKind,
    ChangeState,
    Closed,
    Compared,
    Evidence,
    Lean,
    Opportunity,
    Suggestion,
    TargetKind,
)
from engine.core.lived import EntryContext
from engine.core.parameters import Parameters, Scope
from engine.core.records import AnyRecord, ChangeMoved, ComparedOn, OpportunityEnded
from engine.core.types import Actor, Bar, Direction, Trade
from engine.learning.adjust import ParameterApplier, parameter, text_of
from engine.learning.exits import LEARNED, on_grid
from engine.learning.ledger import ChangeLedger
from engine.learning.memory import Memory
from engine.learning.patterns import recognise
from engine.learning.quick import QuickUpdate
from engine.learning.school import School
from engine.learning.settings import LOSS_STOP
from engine.learning.weigh import Weights

START = 1_735_689_600 * 1_000_000_000
SPAN = 15 * MINUTE
SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
STRATEGIES = ("rsi_reversion", "ma_crossover", "technical")
REGIMES = ("BULL", "SIDEWAYS", "BEAR")

FALSE_STATES = (ChangeState.KEPT, ChangeState.ROLLED_BACK, ChangeState.RELEASED)
"""What a change without any worth must not be called."""


@dataclass
class Lesson:
    """What one market taught: its changes in their last states, and how much there was."""

    seed: int
    changes: list[Change] = field(default_factory=list)
    opportunities: int = 0
    trials: int = 0
    mean_r: float = math.nan

    @property
    def false(self) -> list[Change]:
        """Verdicts that were given where there was nothing to find."""
        return [
            change
            for change in self.changes
            if change.state in FALSE_STATES or change.kind is ChangeKind.VERDICT
        ]


class Market:
    """One invented market without any edge, taken through the school bar by bar."""

    def __init__(self, seed: int, days: int) -> None:
        self.seed = seed
        self.days = days
        self.params = Parameters()
        self.memory = Memory(self.params)
        self._ids = 0
        self.school = School(
            self.params,
            "balanced",
            self._next,
            self.memory.appliers(),
            Weights(self.params).weighers(),
        )
        self.quick = QuickUpdate(self.memory)
        self.rows: list[Compared] = []
        self.results: list[float] = []

    def _next(self) -> str:
        self._ids += 1
        return f"C-{self._ids}"

    def kind_of(self, opportunity: Opportunity) -> str:
        return "filled"

    def tick_of(self, symbol: str) -> float:
        return 0.01

    def _keep(self, records: list[AnyRecord], now_ns: int) -> None:
        for record in records:
            if isinstance(record, ChangeMoved):
                if record.change.state is ChangeState.ASKED:
                    answer = self.school.ledger.answer
                    self._keep(answer(record.change.id, True, Actor.PERSON, "", now_ns), now_ns)
            elif isinstance(record, ComparedOn):
                self.rows.append(record.compared)
            elif isinstance(record, OpportunityEnded):
                self.results.append(record.outcome.r)
                self._close(record, now_ns)

    def _close(self, record: OpportunityEnded, now_ns: int) -> None:
        """The same outcome as a closed trade, for everything that learns from trades."""
        closed, context = closed_trade(record)
        self.quick.opened(context)
        taught = self.quick.process_trade_close(closed, context, now_ns)
        self._keep(self.school.suggest(taught.suggestions, now_ns), now_ns)

    def play(self) -> Lesson:
        """Every bar of every day."""
        paths = {name: _walk(self.seed, name, self.days) for name in SYMBOLS}
        chance = source(self.seed, "null candidates", 0)
        atr = dict.fromkeys(SYMBOLS, math.nan)
        regime = dict.fromkeys(SYMBOLS, "SIDEWAYS")
        count = 0
        for i in range(self.days * 96):
            open_ns = START + i * SPAN
            now = open_ns + SPAN
            for name in SYMBOLS:
                o, h, low, c = paths[name][i].tolist()
                self.school.on_bar(
                    Bar(symbol=name, open_ns=open_ns, span_ns=SPAN, open=o, high=h, low=low,
                        close=c, volume=1.0)
                )  # fmt: skip
                moved = h - low
                atr[name] = moved if math.isnan(atr[name]) else atr[name] + (moved - atr[name]) / 14
                if chance.random() < 0.01:
                    regime[name] = chance.choice(REGIMES)
                self.school.decided(name, atr[name], chance.uniform(-0.5, 0.8), 0.0)
                direction = chance.choice(list(Direction))
                if i > 50 and chance.random() < 0.12 and self.school.free(name, direction):
                    count += 1
                    one = self._candidate(
                        count, name, direction, c, atr[name], regime[name], now,
                        chance.uniform(0.4, 0.9), chance.choice(STRATEGIES),
                    )  # fmt: skip
                    self._keep(self.school.want(one), now)
            self._keep(self.school.look(now, self), now)
            while (records := self.school.work(now)) is not None:
                self._keep(records, now)
        return Lesson(
            self.seed,
            list(self.school.ledger.changes()),
            self.school.ended,
            self.school.trials,
            float(np.mean(self.results)) if self.results else math.nan,
        )

    def _candidate(
        self,
        number: int,
        symbol: str,
        direction: Direction,
        price: float,
        atr: float,
        regime: str,
        now: int,
        confidence: float,
        strategy: str,
    ) -> Opportunity:
        return Opportunity(
            id=f"X-{number}",
            symbol=symbol,
            direction=direction,
            opened_ns=now,
            price=price,
            stop=price - direction.sign * 2.0 * atr,
            targets=(),
            atr=atr,
            fee=0.0005,
            spread=0.0002,
            strategy=strategy,
            regime=regime,
            confidence=confidence,
            kind="proposed",
            pattern=recognise(strategy, regime, direction).id,
        )


STEPS = 60
"""Steps inside a bar: so many that a stop is hardly overshot, as the bar's path assumes."""


def _walk(seed: int, symbol: str, days: int) -> np.ndarray:
    """Bars of a random walk with a common factor, volatility clusters and fat tails."""
    bars = days * 96
    common = generator(seed, "null common").normal(0, 1, (bars, STEPS))
    own = generator(seed, f"null {symbol}").normal(0, 1, (bars, STEPS))
    tails = np.sqrt(4.0 / generator(seed, "null tails").chisquare(4, bars))
    level, at = np.empty(bars), 0.0
    for k, shock in enumerate(generator(seed, f"null volatility {symbol}").normal(0, 0.15, bars)):
        at = 0.97 * at + shock
        level[k] = at
    size = 0.0022 / math.sqrt(STEPS) * tails * np.exp(level)
    moves = (0.7 * common + 0.7 * own) * size[:, None]
    steps = 1000.0 * np.exp(np.cumsum(moves.ravel() - moves.ravel() ** 2 / 2)).reshape(bars, STEPS)
    opens = np.concatenate([[1000.0], steps[:-1, -1]])
    highs = np.maximum(steps.max(axis=1), opens)
    lows = np.minimum(steps.min(axis=1), opens)
    return np.round(np.stack([opens, highs, lows, steps[:, -1]], axis=1), 2)


def closed_trade(record: OpportunityEnded) -> tuple[Closed, EntryContext]:
    """The trade that an opportunity would have been, with the context of its entry."""
    one, outcome = record.opportunity, record.outcome
    entry = Decimal(repr(one.price))
    out = Decimal(repr(round(one.price * (1 + one.direction.sign * outcome.gross / 100), 4)))
    trade = Trade(
        id=f"T-{one.id}", symbol=one.symbol, direction=one.direction, quantity=Decimal(1),
        entry_price=entry, exit_price=out, opened_ns=one.opened_ns, closed_ns=record.time_ns,
        pnl=Decimal(repr(round(outcome.net / 100 * one.price, 4))), pnl_pct=outcome.net,
        fees=Decimal(0), strategy=one.strategy, decision="", proposal="", regime=one.regime,
        exit_reason=outcome.reason, leverage=1, mfe_pct=0.0, mae_pct=0.0,
        confidence=one.confidence,
    )  # fmt: skip
    seen = recognise(one.strategy, one.regime, one.direction)
    closed = Closed(trade=trade, gross_r=outcome.r, gross_pct=outcome.gross, pattern=seen.id)
    context = EntryContext(
        position=f"POS-{one.id}", symbol=one.symbol, direction=one.direction,
        strategy=one.strategy, entered_ns=one.opened_ns, price=one.price, stop=one.stop,
        target=math.nan, notional=one.price, reason="", pattern=seen.id, pattern_words=seen.words,
        pattern_by=seen.by, regime=one.regime,
    )  # fmt: skip
    return closed, context


# F38: nothing to find.


@dataclass
class NullReport:
    """What markets without an edge were said to teach."""

    markets: int = 0
    changes: int = 0
    false: int = 0
    markets_wrong: int = 0
    opportunities: int = 0
    states: Counter[str] = field(default_factory=Counter)
    mean_r: list[float] = field(default_factory=list)

    def add(self, lesson: Lesson) -> None:
        self.markets += 1
        self.changes += len(lesson.changes)
        self.false += len(lesson.false)
        self.markets_wrong += bool(lesson.false)
        self.opportunities += lesson.opportunities
        self.states.update(f"{change.kind} {change.state}" for change in lesson.changes)
        self.mean_r.append(lesson.mean_r)


def null_markets(count: int, seed: int, days: int = 40) -> NullReport:
    """`count` markets without any edge."""
    report = NullReport()
    for k in range(count):
        report.add(Market(seed * 10_000 + k, days).play())
    return report


def upper_bound(false: int, of: int, confidence: float = 0.95) -> float:
    """The one-sided exact (Clopper–Pearson) bound on a share, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(60):
        share = (low + high) / 2
        at_most = sum(
            math.comb(of, k) * share**k * (1 - share) ** (of - k) for k in range(false + 1)
        )
        low, high = (share, high) if at_most > 1 - confidence else (low, share)
    return high


# F39: something to find, and then nothing any more.


@dataclass
class PlantedReport:
    """How often an effect of 0.2 sd was found, after how many, and let go when it was gone."""

    tried: int = 0
    found: list[int] = field(default_factory=list)
    released: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def _ledger(params: Parameters) -> ChangeLedger:
    numbers: Iterator[int] = iter(range(1, 1_000_000))
    return ChangeLedger(
        params,
        {TargetKind.PARAMETER: ParameterApplier(params)},
        lambda: f"C-{next(numbers)}",
    )


def _trial(after: str, name: str, lean: Lean = Lean.TIGHTENS) -> Suggestion:
    return Suggestion(
        target=parameter(name), after=after, kind=ChangeKind.TRIAL, lean=lean, who="a drive",
        reason="planted", evidence=Evidence(metric="planted", unit="R", n=0, mean=0.0),
        lasts_ns=3_650 * DAY,
    )  # fmt: skip


def planted(count: int, seed: int, *, effect: float = 0.2, patience: int = 4_000) -> PlantedReport:
    """A change that earns `effect` sd more per opportunity, until the day it is kept."""
    report = PlantedReport()
    for k in range(count):
        params, chance = Parameters(), generator(seed, f"planted {k}")
        ledger = _ledger(params)
        name = LEARNED[k % len(LEARNED)].name
        value = str(on_grid(LEARNED[k % len(LEARNED)], float(LEARNED[k % len(LEARNED)].low or 0)))
        now = START
        ledger.suggest(_trial(value, name), now)
        change = ledger.watched()[0].change.id
        report.tried += 1
        for at in range(1, patience):
            kept = ledger.find(change).state is ChangeState.KEPT
            now += 3 * HOUR
            gained = chance.normal(0.0 if kept else effect, 1.0)
            row = Compared(
                change=change, opportunity=f"X-{at}", old_gross=0.0, new_gross=gained,
                old_net=-0.1, new_net=gained - 0.1,
            )  # fmt: skip
            ledger.compared([row], now)
            state = ledger.find(change).state
            if state is ChangeState.KEPT and not kept:
                report.found.append(at)
                kept_at = at
            elif state is ChangeState.RELEASED:
                report.released.append(at - kept_at)
                break
            elif not state.in_force:
                report.wrong.append(f"case {k}: {state} after {at}")
                break
    return report


# F40: poison.


def poisoned(count: int, seed: int) -> list[str]:
    """Changes that harm, in random scopes over random values; all must come back exactly."""
    wrong: list[str] = []
    chance = source(seed, "poison", 0)
    for k in range(count):
        params = Parameters()
        one = LEARNED[chance.randrange(len(LEARNED))]
        assert one.low is not None
        assert one.high is not None
        for _ in range(chance.randrange(3)):
            value = on_grid(one, chance.uniform(one.low, one.high))
            params.set(one.name, value, "before", Scope())
        before = [(name, str(scope), setting.value) for name, scope, setting in params.items()]
        ledger = _ledger(params)
        poison = text_of(one.check(on_grid(one, chance.uniform(one.low, one.high))))
        lean = chance.choice([Lean.TIGHTENS, Lean.NEUTRAL, Lean.LOOSENS])
        now = START
        moved = [
            r.change
            for r in ledger.suggest(_trial(poison, one.name, lean), now)
            if isinstance(r, ChangeMoved)
        ]
        if not moved:
            continue
        change = moved[-1].id
        if lean is Lean.LOOSENS:
            ledger.answer(change, True, Actor.PERSON, "", now)
        harm, lost = chance.uniform(0.1, 1.0), 0.0
        for at in range(2_000):
            if not ledger.find(change).state.in_force:
                break
            now += HOUR
            gained = max(-1.0, chance.gauss(-harm, 0.6))
            lost -= gained
            ledger.compared(
                [
                    Compared(
                        change=change, opportunity=f"X-{at}", old_gross=0.0, new_gross=gained,
                        old_net=0.0, new_net=gained,
                    )
                ],
                now,
            )  # fmt: skip
        state = ledger.find(change).state
        after = [(name, str(scope), setting.value) for name, scope, setting in params.items()]
        if state not in (ChangeState.ROLLED_BACK, ChangeState.STOPPED):
            wrong.append(f"case {k}: {one.name} ended {state}")
        if after != before:
            wrong.append(f"case {k}: {before} came back as {after}")
        if lost > float(params.get(LOSS_STOP)):
            wrong.append(f"case {k}: it cost {lost:.2f} R")
    return wrong
