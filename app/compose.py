"""The composition root: the one place that puts an engine together from its rooms.

Imported after the first frame, because everything heavy hangs on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from threading import Event

import msgspec
import numpy as np

from app.funding import funding_sources
from app.options import RunOptions
from app.warming import warm_up
from engine.core.clock import MINUTE, Clock, LiveClock, ManualClock, duration_ns, parse_iso
from engine.core.config import Config, LlmSection, NewsSection, data_dir, journal_path
from engine.core.errors import ConfigError, QuarterdeckError
from engine.core.ids import Ids, fresh_seed, run_tag
from engine.core.parameters import Parameters
from engine.core.profiles import apply_profile
from engine.core.records import Cursor
from engine.core.settings import RunSettings
from engine.core.types import ApprovalMode, Bar, FeedKind, Mode
from engine.execution.paper import PaperBroker
from engine.execution.proposals import ProposalBook
from engine.execution.sniper import Sniper
from engine.hub import LocalHub
from engine.journal.journal import Journal
from engine.journal.mailbox import Mailbox
from engine.kernel.desk import Desk
from engine.kernel.loop import Kernel
from engine.kernel.symbols import SymbolDesk
from engine.learning.memory import Memory
from engine.llm import recorded
from engine.llm.client import OllamaClient
from engine.llm.line import Line
from engine.llm.recorded import RecordedModel
from engine.llm.replies import Model, Role
from engine.llm.settings import TIMEOUT
from engine.llm.strategist import Strategist
from engine.market.costs import CostModel
from engine.market.feed import Feed
from engine.market.news.client import NewsClient, NewsLine
from engine.market.news.recorded import RecordedNews
from engine.market.news.recorded import load as headlines_of
from engine.market.quality import Freshness
from engine.portfolio.book import Positions
from engine.portfolio.ledger import Ledger
from engine.risk.breakers import Breakers
from engine.risk.control import ControlMachine
from engine.risk.portfolio import PortfolioRisk
from engine.strategies.builtin import builtin_strategies
from engine.strategies.expected_value import TradeStatistics

SIM_BEGINS = "2026-01-05"
"""Where simulated time starts: fixed, so that a seed repeats a run to the nanosecond."""

SCREEN_SPEED = 60.0

NETWORK_WAIT_S = 5.0
"""How long a live venue may take to answer before the market counts as out of reach."""

CLOSE_S = 0.2
"""How long leaving waits for the process that computes overlays, within its second."""

DEMO_SEED = 28
"""The simulated market that stands in for a missing network. Chosen for its timing alone: an
entry is proposed within the first half minute at the screen's speed, so that a newcomer has
something to decide; like every seed it has no edge."""


@dataclass
class Engine:
    """A kernel with what it was made of; `start` or run it, then `stop` it.

    `answered` is False where a live feed found no venue that answers in time.
    """

    kernel: Kernel
    hub: LocalHub
    journal: Journal
    desk: Desk
    path: Path
    answered: bool = True

    def start(self) -> None:
        self.kernel.start()

    def stop(self, timeout_s: float = 1.0) -> bool:
        return self.kernel.stop(timeout_s)


def feed_kind(spec: str) -> FeedKind:
    """LIVE, SIM or REPLAY of a feed option."""
    return FeedKind.REPLAY if spec.startswith("replay:") else FeedKind(spec.upper())


def build(
    config: Config,
    options: RunOptions,
    version: str,
    *,
    feed: Feed | None = None,
    clock: Clock | None = None,
) -> Engine:
    """Open the journal, recover, and make an engine that is ready to run.

    `feed` (not started) and `clock` stand in for those that the configuration asks for.

    Raises `QuarterdeckError` for whatever a person can mend: a locked or newer journal, a
    bad recording, an unknown parameter.
    """
    kind = feed_kind(config.engine.feed)
    mode = Mode(config.engine.mode.upper())
    path = journal_path(config, mode, kind)
    fresh = kind is not FeedKind.LIVE and not options.resume
    make_folder(path.parent)
    if options.ack_log is not None:
        _check_writable(options.ack_log)
    journal = Journal.open(path, mode=str(mode), feed=str(kind), fresh=fresh)
    try:
        return _assemble(config, options, version, journal, kind, mode, feed, clock)
    except BaseException:
        journal.give_up()
        raise


def _check_writable(file: Path) -> None:
    """Before the first fill is the time to find out that it can't be acknowledged."""
    try:
        with file.open("a", encoding="utf-8"):
            pass
    except OSError as error:
        raise ConfigError(
            f"the ack log {file} can't be written: {error.strerror}", "name another file"
        ) from None


def make_folder(folder: Path) -> None:
    """Make a folder or say why it can't be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"the folder {folder} can't be made: {error.strerror}", "set --db or DATA_DIR"
        ) from None


def _assemble(
    config: Config,
    options: RunOptions,
    version: str,
    journal: Journal,
    kind: FeedKind,
    mode: Mode,
    given: Feed | None,
    clock: Clock | None,
) -> Engine:
    before = journal.recovered
    resumed = before.run
    seed = resumed.seed if resumed is not None else config.engine.seed
    if seed is None:
        # Nothing is drawn in a replay, so two runs of one recording are one run twice.
        seed = 0 if kind is FeedKind.REPLAY else fresh_seed()
    params = Parameters()
    apply_profile(params, config.engine.profile)
    if config.llm.timeout != TIMEOUT.default:
        params.set(TIMEOUT.name, config.llm.timeout, "configuration")
    for name, value in config.parameters.items():
        params.set(name, value, "configuration")
    for name, text in options.settings:
        params.set(name, text, "command line")
    cash = Decimal(resumed.cash) if resumed is not None else config.engine.cash
    settings = RunSettings(
        symbols=config.engine.symbols,
        timeframe=config.engine.timeframe,
        mode=mode,
        approval=ApprovalMode(config.engine.approval),
        profile=config.engine.profile,
        cash=cash,
        seed=seed,
        parameters=tuple((name, text, "command line") for name, text in options.settings),
        stop_after_ns=duration_ns(options.lasting) if options.lasting else None,
        ack_log=str(options.ack_log) if options.ack_log else None,
        version=version,
    )
    feed = given or make_feed(config, options, kind, seed, before.cursor, params)
    warm_up()
    wake = Event()
    try:
        feed.start(wake.set)
        sources = funding_sources(
            kind,
            feed.symbols,
            seed,
            config.engine.feed.removeprefix("replay:"),
            options.funding,
            options.marks,
        )
        answered = _venue_answers(feed)
        settings = _with_timeframe(settings, feed, options)
        desk = _desk(settings, params, journal, feed, clock or _clock(feed, journal))
    except BaseException:
        feed.stop()
        raise
    desk.rates, desk.mark_prices = sources
    _language_model(config.llm, options, desk, wake)
    desk.news = _news(config.news, options, desk, wake)
    kernel = Kernel(
        desk,
        wake,
        publish_hz=options.publish_hz,
        until_ended=not options.screen,
        mailbox=Mailbox(journal.path),
    )
    return Engine(kernel, desk.hub, journal, desk, journal.path, answered)


def _language_model(llm: LlmSection, options: RunOptions, desk: Desk, wake: Event) -> None:
    """Who writes conditions on this feed, who advises and reflects, and whom they ask.

    Each role has a line of its own, so that none waits for another.
    """
    if llm.strategist == "never" or (llm.strategist == "live" and not _lives(desk.feed)):
        return
    model, why = _model(llm, options, desk, wake)
    desk.strategist = Strategist(desk.params, model, why, on_grid=desk.feed.manual_time)
    desk.advisor = Line(Role.ADVISOR, _model(llm, options, desk, wake)[0])
    desk.reflector = Line(Role.REFLECTION, _model(llm, options, desk, wake)[0])


def _model(
    llm: LlmSection, options: RunOptions, desk: Desk, wake: Event
) -> tuple[Model | None, str]:
    """The model that may be asked on this feed, or why there is none.

    A recording comes to the same with or without a model on the machine: it hears recorded
    replies or none. A simulation asks only when told to, and only where its time is the wall's.
    """
    if options.llm_replies is not None:
        if not desk.feed.manual_time:
            raise ConfigError("a live market hears no recorded replies", "leave --llm-replies out")
        desk.replays_replies = True
        return RecordedModel(recorded.load(options.llm_replies), lambda: desk.now_ns), ""
    if not llm.enabled:
        return None, "the model is switched off"
    feed = desk.feed
    if not _lives(feed) and not (llm.strategist == "ask" and feed.kind is FeedKind.SIM):
        return None, "no live market"
    if feed.manual_time and feed.speed != 1.0:
        return None, "market time runs ahead of any model"
    return OllamaClient(llm.host, llm.model, wake.set), ""


def _news(news: NewsSection, options: RunOptions, desk: Desk, wake: Event) -> NewsLine | None:
    """Who delivers headlines: sources on the live market, a recording off it, or nobody."""
    if options.news is not None:
        if not desk.feed.manual_time:
            raise ConfigError("a live market has news of its own", "leave --news out")
        return RecordedNews(headlines_of(options.news))
    if not (news.enabled and news.sources and _lives(desk.feed)):
        return None
    return NewsClient(
        news.sources, wake.set, every_s=news.every * 60.0, deadline_s=float(news.timeout)
    )


def _lives(feed: Feed) -> bool:
    return feed.kind is FeedKind.LIVE


def _with_timeframe(settings: RunSettings, feed: Feed, options: RunOptions) -> RunSettings:
    """A recording of longer bars than the usual decision bar is decided on at its own.

    Raises `ConfigError` for a timeframe that was asked for and can't be made of its bars.
    """
    from engine.market.replay import ReplayFeed

    if not isinstance(feed, ReplayFeed) or not feed.span_ns:
        return settings
    span = duration_ns(settings.timeframe)
    if span >= feed.span_ns and span % feed.span_ns == 0:
        return settings
    own = f"{feed.span_ns // MINUTE}m"
    if options.timeframe_given:
        raise ConfigError(
            f"bars of {own} can't make decision bars of {settings.timeframe}",
            f"give --timeframe {own} or a multiple of it, or leave it out",
        )
    return msgspec.structs.replace(settings, timeframe=own)


def _venue_answers(feed: Feed) -> bool:
    """Whether the market can be reached; a live feed is waited for, since only then it is
    known which venue it is and in which currency it quotes."""
    if feed.kind is not FeedKind.LIVE:
        return True
    from engine.market.live import LiveFeed

    return feed.connect(NETWORK_WAIT_S) if isinstance(feed, LiveFeed) else True


def _clock(feed: Feed, journal: Journal) -> Clock:
    return ManualClock(journal.recovered.last_ns) if feed.manual_time else LiveClock()


def _desk(
    settings: RunSettings, params: Parameters, journal: Journal, feed: Feed, clock: Clock
) -> Desk:
    """Everything the kernel will own, for a feed whose symbols are known."""
    ids = Ids(run_tag(settings.seed))
    costs = CostModel(params)
    ledger = Ledger(feed.quote, settings.cash)
    span = duration_ns(settings.timeframe)
    instruments = feed.instruments
    risk = PortfolioRisk(span, params)
    return Desk(
        settings=settings,
        clock=clock,
        ids=ids,
        params=params,
        hub=LocalHub(),
        journal=journal,
        feed=feed,
        broker=PaperBroker(params, costs, ids, clock, instruments),
        ledger=ledger,
        book=Positions(ledger, ids),
        costs=costs,
        proposals=ProposalBook(params, ids, settings.approval),
        sniper=Sniper(),
        control=ControlMachine(),
        breakers=Breakers(params),
        statistics=TradeStatistics(params),
        freshness=Freshness(params, feed.symbols),
        strategies=builtin_strategies(),
        risk=risk,
        memory=Memory(params),
        symbols={
            symbol: SymbolDesk(symbol, instruments, span, params, costs, risk.closed)
            for symbol in feed.symbols
        },
    )


def make_feed(
    config: Config,
    options: RunOptions,
    kind: FeedKind,
    seed: int,
    cursor: Cursor | None,
    params: Parameters,
) -> Feed:
    """The market of this run; nothing is opened before the kernel starts it."""
    engine = config.engine
    position = cursor.position if cursor is not None else 0
    if kind is FeedKind.SIM:
        from engine.market.sim import SimFeed

        return SimFeed(
            engine.symbols,
            seed=seed,
            clock_start_ns=parse_iso(options.start or SIM_BEGINS),
            speed=_speed(config, options),
            edge=engine.sim_edge,
            resume_at=position,
            shocks=cursor.shocks if cursor is not None else (),
        )
    if kind is FeedKind.REPLAY:
        from engine.market.replay import ReplayFeed

        return ReplayFeed(
            engine.feed.removeprefix("replay:"),
            symbols=engine.symbols if options.symbols_given else None,
            start=options.start,
            end=options.end,
            speed=_speed(config, options),
            resume_at=position,
        )
    from engine.market.live import LiveFeed

    return LiveFeed(
        engine.symbols,
        venue=engine.venue,
        fallback=engine.fallback_venues,
        timeframe=engine.timeframe,
        parameters=params,
        seed=seed,
    )


def _speed(config: Config, options: RunOptions) -> float:
    """As asked; otherwise watchable on a screen and as fast as it goes without one."""
    if config.engine.speed is not None:
        return config.engine.speed
    return SCREEN_SPEED if options.screen else 0.0


def flat(config: Config) -> bool:
    """Whether the live paper journal holds no position and no live order.

    Only then may a simulated market stand in for a live one: a real paper position must
    never meet an invented price. A journal that can't be read counts as not flat.
    """
    from engine.journal.queries import Reader

    path = journal_path(config, Mode.PAPER, FeedKind.LIVE)
    if not path.exists():
        return True
    try:
        with Reader(path) as reader:
            return not reader.positions()
    except QuarterdeckError:
        return False


def export_folder(config: Config) -> Path:
    """Where `w` and `export` write unless told otherwise."""
    return data_dir(config)


class ChartOverlays:
    """Indicators for the chart, each computed in a process that the engine never waits for."""

    def __init__(self) -> None:
        from engine.analysis.overlays import OverlayWorker

        self._worker = OverlayWorker()

    def request(
        self, name: str, arguments: Mapping[str, float | int | bool], bars: Sequence[Bar]
    ) -> Future[dict[str, list[float]]]:
        """The indicator's lines, a value a bar; see `OverlayWorker.request`."""
        rows = [(b.open_ns, b.open, b.high, b.low, b.close, b.volume) for b in bars]
        return self._worker.request(name, arguments, np.array(rows, dtype=np.float64))

    def close(self, timeout_s: float = CLOSE_S) -> bool:
        """End the process; it ends by itself too, once nobody holds the other end."""
        return self._worker.close(timeout_s)
