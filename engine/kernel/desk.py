"""The desk: everything mutable that the kernel thread owns, in one place.

The rooms bring the logic; this holds their objects side by side, writes records and tells
the hub, so that the modules of the kernel read as what happens and not as plumbing.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from engine.core.clock import Clock, day_of
from engine.core.commands import Ack
from engine.core.ids import Ids
from engine.core.news import Headline
from engine.core.parameters import Parameters
from engine.core.records import DURABLE, AnyRecord, Cursor, Noted, ProposalChanged
from engine.core.settings import RunSettings
from engine.core.types import (
    Actor,
    FeedStatus,
    Fill,
    Order,
    Proposal,
    Purpose,
    Trade,
    TradeCondition,
)
from engine.core.views import Counterfactual
from engine.execution.broker import Broker
from engine.execution.proposals import ProposalBook
from engine.execution.sniper import Sniper
from engine.hub import LocalHub
from engine.journal.journal import Journal
from engine.journal.lines import line
from engine.journal.streams import KEPT, streamed
from engine.kernel.symbols import SymbolDesk
from engine.learning.memory import Memory
from engine.llm.line import Line
from engine.llm.strategist import Strategist
from engine.market.costs import CostModel
from engine.market.feed import Feed
from engine.market.funding import Marks, NoRates, Rates
from engine.market.news.client import NewsLine
from engine.market.quality import Freshness
from engine.portfolio.book import Positions
from engine.portfolio.ledger import Ledger
from engine.position.watch import PositionWatch
from engine.risk.breakers import Breakers
from engine.risk.control import ControlMachine
from engine.risk.portfolio import PortfolioRisk
from engine.strategies.base import Strategy
from engine.strategies.expected_value import TradeStatistics

OWN_SIZE = "person"
"""The size factor of a proposal whose size a person chose."""


@dataclass(slots=True)
class Tally:
    """What a run has counted so far; the closing JSON of `run --no-screen` is made of it."""

    bars: int = 0
    ticks: int = 0
    events: int = 0
    signals: int = 0
    decisions: int = 0
    proposals: int = 0
    approvals: int = 0
    orders: int = 0
    fills: int = 0
    trades: int = 0
    quarantined: int = 0
    corrections: int = 0
    cycles: int = 0
    denials: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Used:
    """What limits count and no fill tells; kept by every cursor, so that no restart resets it.

    `opened_risk` (quote) belongs to `risk_day`; `trend_mean` is the average that equity is
    compared with, over `trend_samples` of it; `accounted_ns` is when the account was last
    sampled, `said_ns` when the strategist last spoke: what it had armed then was said again,
    `reflected_ns` when closed trades were last thought over.
    """

    risk_day: int = -1
    opened_risk: float = 0.0
    trend_mean: float = 0.0
    trend_samples: int = 0
    accounted_ns: int = 0
    said_ns: int = 0
    reflected_ns: int = 0


@dataclass(slots=True)
class Desk:
    """All state of one engine. Only the kernel thread may touch it."""

    settings: RunSettings
    clock: Clock
    ids: Ids
    params: Parameters
    hub: LocalHub
    journal: Journal
    feed: Feed
    broker: Broker
    ledger: Ledger
    book: Positions
    costs: CostModel
    proposals: ProposalBook
    sniper: Sniper
    control: ControlMachine
    breakers: Breakers
    statistics: TradeStatistics
    freshness: Freshness
    strategies: tuple[Strategy, ...]
    risk: PortfolioRisk
    memory: Memory
    symbols: dict[str, SymbolDesk] = field(default_factory=dict)
    watches: dict[str, PositionWatch] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    ended_orders: deque[Order] = field(default_factory=lambda: deque(maxlen=50))
    own_targets: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """Proposal id to the targets that its strategy or a person asked for, over the plan's."""
    unacknowledged: list[Fill] = field(default_factory=list)
    own_sizes: set[str] = field(default_factory=set)
    """Proposals whose size a person chose; it is not worked out again at approval."""
    cooldowns: dict[str, int] = field(default_factory=dict)
    trades: deque[Trade] = field(default_factory=lambda: deque(maxlen=200))
    acks: deque[Ack] = field(default_factory=lambda: deque(maxlen=256))
    followed: deque[Counterfactual] = field(default_factory=lambda: deque(maxlen=50))
    faults: list[str] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    used: Used = field(default_factory=Used)
    rates: Rates = field(default_factory=lambda: NoRates("no source of funding rates"))
    mark_prices: Marks = field(default_factory=Marks.none)
    strategist: Strategist | None = None
    """Who writes conditions; None where nobody does."""
    advisor: Line | None = None
    """Whom entries wait for; None where nobody is asked."""
    reflector: Line | None = None
    """Who thinks over closed trades beside the statistics; None where nobody is asked."""
    replays_replies: bool = False
    """Whether the model's answers come from a recording, at their engine time."""
    news: NewsLine | None = None
    """Who delivers headlines; None where no source is configured."""
    headlines: deque[Headline] = field(default_factory=lambda: deque(maxlen=200))
    """News, each from when it could be read."""
    triggered: list[TradeCondition] = field(default_factory=list)
    """Conditions that reached their price and wait for the cycle to act on them."""
    position: int = 0
    """Market events that were dealt with, counted from the feed's beginning."""
    shocks: tuple[tuple[int, str, str], ...] = ()
    """What a simulated market was asked for, each with the position at which it was."""
    now_ns: int = 0
    heartbeat_ns: int = 0
    worst_check_ns: int = 0
    """The longest that checking the conditions on one price has taken."""
    link: FeedStatus | None = None
    recovered: str = ""
    heard: list[Callable[[AnyRecord], None]] = field(default_factory=list)
    """Who is told of every record once it is on its way to the journal."""

    def record(self, *records: AnyRecord) -> None:
        """Journal these together (one transaction) and put their lines on the screen.

        Where one of them must not be lost, the cursor is part of the same transaction: a
        restart neither repeats nor skips what lies between it and the market.
        """
        if any(type(record) in _DURABLE for record in records):
            records = (*records, self.cursor())
        seqs = self.journal.append_all(records)
        for seq, record in zip(seqs, records, strict=True):
            text = line(seq, record)
            if text is not None:
                self.hub.append("journal", text)
            item = streamed(record)
            if item is not None:
                self.hub.append(*item, KEPT)
            for hear in self.heard:
                hear(record)

    def cursor(self) -> Cursor:
        """Where we are now, for a restart."""
        used = self.used
        return Cursor(
            time_ns=self.now_ns,
            position=self.position,
            ids=self.ids.counters(),
            trades_today=self.ledger.trades_today,
            day=day_of(self.now_ns),
            opened_risk=used.opened_risk if used.risk_day == day_of(self.now_ns) else 0.0,
            trend_mean=used.trend_mean,
            trend_samples=used.trend_samples,
            accounted_ns=used.accounted_ns,
            said_ns=used.said_ns,
            reflected_ns=used.reflected_ns,
            triggered=tuple(condition.id for condition in self.triggered),
            shocks=self.shocks,
        )

    def propose(self, proposal: Proposal, who: Actor, why: str = "") -> ProposalChanged:
        """The record of a proposal as it stands now."""
        return ProposalChanged(
            time_ns=self.now_ns,
            proposal=proposal,
            who=who,
            why=why,
            own_targets=self.own_targets.get(proposal.id, ()),
        )

    def note(self, text: str, *, ref: str = "", symbol: str = "") -> None:
        """A line in the journal that no other record carries."""
        self.record(Noted(time_ns=self.now_ns, who=Actor.ENGINE, text=text, ref=ref, symbol=symbol))

    def entries_on_their_way(self, symbol: str = "") -> int:
        """Entry orders that may still fill, of one symbol or of all."""
        return sum(
            order.purpose is Purpose.ENTRY and (not symbol or order.symbol == symbol)
            for order in self.orders.values()
        )

    def marks(self) -> dict[str, float]:
        """The price at which each held symbol is valued: what it could be closed at.

        A symbol whose price is not known yet (just restarted) keeps its last mark.
        """
        marks = {
            position.symbol: self.symbols[position.symbol].exit_price(position.direction)
            for position in self.book.open()
        }
        return {symbol: price for symbol, price in marks.items() if not math.isnan(price)}

    def acknowledge(self, fill: Fill) -> None:
        """Tell the outside, flushed, that a fill is committed; the oracle of kill tests."""
        if self.settings.ack_log is None:
            return
        with open(self.settings.ack_log, "a", encoding="utf-8") as stream:
            stream.write(f"{fill.id}\n")
            stream.flush()


_DURABLE = frozenset(DURABLE)


def waiting(desk: Desk) -> list[Proposal]:
    """Proposals that wait for a person, the next to expire first."""
    return sorted(desk.proposals.waiting(), key=lambda proposal: proposal.expires_ns)
