"""A whole engine whose market, clock and strategies are moved by hand.

The wiring is the real one (`app.compose.build`); only the feed comes from the test, and the
kernel is stepped in the test's own thread, so that nothing waits and nothing races.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from app.compose import build
from app.options import RunOptions
from engine.core.clock import MINUTE, SECOND, monotonic_ns
from engine.core.commands import Ack, AnyCommand, Approve
from engine.core.config import Config, EngineSection, LlmSection, NewsSection, PathsSection
from engine.core.errors import CommandRefused
from engine.core.ids import source
from engine.core.records import AnyRecord
from engine.core.types import (
    Action,
    Bar,
    Book,
    Control,
    FeedKind,
    FeedStatus,
    History,
    Instrument,
    Link,
    MarketEvent,
    Order,
    Position,
    Proposal,
    Quote,
    Tick,
    Trade,
)
from engine.core.views import Snapshot
from engine.journal.queries import Reader
from engine.market.instruments import packaged
from engine.strategies.base import Strategy, StrategyContext, Verdict

BTC, ETH = "BTC/USDT", "ETH/USDT"
BEGIN_NS = 20_450 * 24 * 60 * MINUTE + 8 * 60 * MINUTE
"""08:00 UTC of some day: a decision bar begins, and midnight is far."""

SPAN = 15 * MINUTE
PRICE = 60_000.0

R = TypeVar("R", bound=AnyRecord)


class SteppedClock:
    """Engine time of a live feed that the test moves; monotonic time stays the machine's."""

    def __init__(self, now_ns: int = BEGIN_NS) -> None:
        self._now = now_ns

    def now_ns(self) -> int:
        return self._now

    def monotonic_ns(self) -> int:
        return monotonic_ns()

    def advance(self, ns: int) -> None:
        self._now += ns


class ScriptedFeed:
    """A feed that delivers what it was handed. Meets the same protocol as the real ones."""

    venue = "scripted"
    quote = "USDT"
    progress = math.nan
    speed = 0.0
    skew_ns = 0

    def __init__(
        self, symbols: Sequence[str] = (BTC,), *, live: bool = False, resume_at: int = 0
    ) -> None:
        self.kind = FeedKind.LIVE if live else FeedKind.SIM
        self.manual_time = not live
        self.symbols = tuple(symbols)
        self.ended = False
        self.position = resume_at
        self.past: dict[str, tuple[Bar, ...]] = {}
        self._events: deque[MarketEvent] = deque()
        self._wake: Callable[[], None] | None = None
        self._instruments = {symbol: packaged(symbol, price=PRICE) for symbol in symbols}

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        return self._instruments

    def start(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def push(self, *events: MarketEvent) -> None:
        """Hand events over; any thread may."""
        self._events.extend(events)
        if self._wake is not None:
            self._wake()

    def poll(self, limit: int) -> Sequence[MarketEvent]:
        taken: list[MarketEvent] = []
        while self._events and len(taken) < limit:
            taken.append(self._events.popleft())
        self.position += len(taken)
        return taken

    def wait_s(self) -> float:
        return 0.0 if self._events else math.inf

    def history(self, symbol: str, count: int) -> History:
        return History(symbol=symbol, bars=self.past.get(symbol, ())[-count:])

    def set_speed(self, speed: float) -> None:
        self.speed = speed

    def shock(self, kind: str, symbol: str) -> None:
        raise CommandRefused("not_simulated", f"a script can't have a {kind}")

    def stop(self) -> None:
        self.ended = True


class Speaker(Strategy):
    """Says what the test tells it to say, once, at the close of the next decision bar."""

    id = "technical"
    title = "Told by the test"
    features = ()

    def __init__(self) -> None:
        self.says: dict[str, tuple[Action, float]] = {}

    def judge(self, context: StrategyContext) -> Verdict:
        action, confidence = self.says.pop(context.symbol, (Action.HOLD, 0.0))
        return Verdict(action, confidence, "told to")


def past_bars(symbol: str, until_ns: int, count: int = 320, seed: int = 1) -> tuple[Bar, ...]:
    """Decision bars before `until_ns` that end at `PRICE`, with an ATR of about one percent."""
    chance = source(seed, "past", symbol)
    closes = [PRICE]
    for _ in range(count):
        closes.append(closes[-1] * math.exp(chance.gauss(0.0, 0.004)))
    closes.reverse()
    bars = []
    for k in range(count):
        o, c = closes[k], closes[k + 1]
        bars.append(
            Bar(
                symbol=symbol, open_ns=until_ns - (count - k) * SPAN, span_ns=SPAN, open=o,
                high=max(o, c) * 1.003, low=min(o, c) * 0.997, close=c, volume=150.0,
            )
        )  # fmt: skip
    return tuple(bars)


class Script:
    """An engine on a scripted market. Use it as a context manager.

    Every act hands events or a command over and steps the kernel until nothing is left, so
    that what follows sees the engine at rest.
    """

    def __init__(
        self,
        folder: Path,
        *,
        symbols: Sequence[str] = (BTC,),
        approval: str = "review",
        live: bool = False,
        resume: bool = False,
        warm: bool = True,
        cash: object = 10_000,
        ack_log: Path | None = None,
        settings: Mapping[str, object] | None = None,
        begin_ns: int = BEGIN_NS,
        profile: str = "balanced",
        llm: LlmSection | None = None,
        advisor: bool = False,
        news: NewsSection | None = None,
        recorded_news: Path | None = None,
    ) -> None:
        self._made = {
            "symbols": symbols, "approval": approval, "live": live, "cash": cash,
            "settings": settings, "ack_log": ack_log, "llm": llm, "profile": profile,
            "advisor": advisor, "news": news, "recorded_news": recorded_news,
        }  # fmt: skip
        self.path = folder / "scripted.db"
        self.clock = SteppedClock(begin_ns) if live else None
        self.feed = ScriptedFeed(symbols, live=live)
        self.speaker = Speaker()
        self._begin_ns = begin_ns
        self._now = begin_ns
        self._warm = warm
        self._commands = 0
        config = Config(
            engine=EngineSection(
                feed="live" if live else "sim", symbols=tuple(symbols), approval=approval,
                cash=Decimal(str(cash)), seed=7, profile=profile,
            ),
            llm=llm or LlmSection(strategist="never"),
            news=news or NewsSection(),
            paths=PathsSection(db=str(self.path)),
        )  # fmt: skip
        options = RunOptions(
            resume=resume or live,
            ack_log=ack_log,
            news=recorded_news,
            settings=tuple((name, str(value)) for name, value in (settings or {}).items()),
        )
        self.engine = build(config, options, "test", feed=self.feed, clock=self.clock)
        self.kernel, self.desk = self.engine.kernel, self.engine.desk
        self.desk.strategies = (self.speaker,)
        if not advisor:
            self.desk.advisor = None
        self._ended = False

    def __enter__(self) -> Script:
        for symbol in self.feed.symbols if self._warm else ():
            self.feed.past[symbol] = past_bars(symbol, self._begin_ns)
        self.kernel.begin()
        self._now = max(self._now, self.desk.now_ns)
        if self._warm:
            for symbol in self.feed.symbols:
                self.feed.push(self.feed.history(symbol, 1_000))
            self.feed.push(FeedStatus(link=Link.UP, time_ns=self._now, venue="scripted"))
            self.run()
            for symbol in self.feed.symbols:
                self.price(PRICE, symbol)
        return self

    def again(self, folder: Path, **changed: Any) -> Script:
        """The engine that follows this one on its journal, at the same moment of the market."""
        return Script(folder, **{**self._made, "resume": True, "begin_ns": self._now, **changed})

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End in order; `crash` is for the other way."""
        if not self._ended:
            self._ended = True
            self.kernel.end()

    def crash(self) -> None:
        """End as after SIGKILL: no last words; only what was committed is left."""
        self._ended = True
        self.feed.stop()
        # A process that is killed takes its threads with it.
        desk = self.desk
        for line in (desk.strategist, desk.advisor, desk.reflector, desk.news):
            if line is not None:
                line.close()
        with suppress(Exception):
            self.desk.journal.barrier()
        self.desk.journal.close()

    # The market.

    @property
    def now_ns(self) -> int:
        return self._now

    def run(self) -> None:
        """Step until nothing is left to do; a fault of the engine fails the test."""
        while self.kernel.step():
            pass

    def wait(self, seconds: float) -> None:
        """Let market time pass without an event, so that the next one is so much later."""
        self._now += int(seconds * SECOND)
        if self.clock is not None:
            self.clock.advance(int(seconds * SECOND))
            self.run()

    def push(self, *events: MarketEvent) -> None:
        self.feed.push(*events)
        self.run()

    def tick(self, price: float, symbol: str = BTC, after_s: float = 1.0) -> None:
        """One trade on the tape."""
        self.wait(after_s)
        self.push(Tick(symbol=symbol, time_ns=self._now, price=price, size=0.1))

    def quote(
        self, bid: float, ask: float, symbol: str = BTC, size: float = 5.0, after_s: float = 0.1
    ) -> None:
        self.wait(after_s)
        self.push(
            Quote(symbol=symbol, time_ns=self._now, bid=bid, ask=ask, bid_size=size, ask_size=size)
        )

    def price(self, price: float, symbol: str = BTC, after_s: float = 1.0) -> None:
        """The market moves here: a quote of two hundredths of a percent around it, and a trade."""
        tick = float(self.feed.instruments[symbol].price_tick)
        half = max(tick, round(price * 0.0001 / tick) * tick)
        self.quote(round(price - half, 8), round(price + half, 8), symbol, after_s=after_s)
        self.tick(price, symbol, after_s=0.01)

    def book(
        self,
        bids: tuple[tuple[float, float], ...],
        asks: tuple[tuple[float, float], ...],
        symbol: str = BTC,
    ) -> None:
        self.wait(0.1)
        self.push(Book(symbol=symbol, time_ns=self._now, bids=bids, asks=asks))

    def cycle(self) -> None:
        """Let the 30 s cycle come round, at the prices that stand."""
        self.wait(31)
        for name, symbol in self.desk.symbols.items():
            self.price(symbol.last, name, after_s=0.1)

    def close_bar(self, price: float | None = None, symbol: str = BTC) -> None:
        """Close the decision bar that forms, at a price, and let it be decided on."""
        at = self.desk.symbols[symbol].last if price is None else price
        opened = self._now - self._now % SPAN
        if self.clock is not None:
            self._jump(opened + SPAN - SECOND)
            self.price(at, symbol, after_s=0.5)
        self._jump(opened + SPAN)
        self.push(
            Bar(
                symbol=symbol, open_ns=opened, span_ns=SPAN, open=at, high=at * 1.002,
                low=at * 0.998, close=at, volume=150.0,
            )
        )  # fmt: skip
        for name, known in self.desk.symbols.items():
            self.price(known.last, name, after_s=3.0 if self.clock is not None else 0.1)

    def _jump(self, now_ns: int) -> None:
        self.wait(max(0, now_ns - self._now) / SECOND)
        self._now = now_ns

    # The strategies and the person.

    def want(
        self,
        action: Action = Action.BUY,
        confidence: float = 0.9,
        symbol: str = BTC,
        price: float | None = None,
    ) -> None:
        """A strategy speaks at the close of the decision bar that forms now."""
        self.speaker.says[symbol] = (action, confidence)
        self.close_bar(price, symbol)

    def proposed(self, symbol: str = BTC, **wanted: Any) -> Proposal:
        """A strategy wants an entry; the proposal that waits for a person."""
        self.want(symbol=symbol, **wanted)
        [waiting] = [p for p in self.desk.proposals.waiting() if p.symbol == symbol]
        return waiting

    def opened(self, symbol: str = BTC, **wanted: Any) -> Position:
        """Proposed, approved and filled: the position that is held then."""
        ack = self.approve(self.proposed(symbol, **wanted))
        assert ack.ok, ack.text
        self.price(self.desk.symbols[symbol].last, symbol)
        [position] = self.desk.book.of_symbol(symbol)
        return position

    def name(self) -> str:
        """A command id that was not used before."""
        self._commands += 1
        return f"c-{self._commands}"

    def send(self, command: AnyCommand) -> Ack:
        """Send a command as a screen does; the ack as the next snapshot shows it."""
        self.engine.hub.send(command)
        self.run()
        ack = self.engine.hub.ack(command.id)
        assert ack is not None, "no ack"
        return ack

    def approve(self, proposal: Proposal, **changed: Any) -> Ack:
        terms = {"digest": proposal.digest, "version": proposal.version, **changed}
        return self.send(Approve(id=terms.pop("id", self.name()), proposal=proposal.id, **terms))

    # What came of it.

    @property
    def snapshot(self) -> Snapshot:
        self.kernel.publisher.publish()
        snapshot = self.engine.hub.snapshot
        assert snapshot is not None
        return snapshot

    def state(self) -> Control:
        """The control state as it is now."""
        return self.desk.control.state

    @property
    def position(self) -> Position:
        [position] = self.desk.book.open()
        return position

    @property
    def trades(self) -> tuple[Trade, ...]:
        return tuple(self.desk.trades)

    def records(self, kind: type[R]) -> list[R]:
        """What the journal holds of one kind, committed."""
        self.desk.journal.barrier()
        with Reader(self.path) as reader:
            return [
                event.record for event in reader.events(limit=-1) if isinstance(event.record, kind)
            ]

    def orders(self) -> list[Order]:
        """Every order there ever was, oldest first, in its last state, by the journal."""
        self.desk.journal.barrier()
        with Reader(self.path) as reader:
            return list(reversed(reader.orders(-1)))
