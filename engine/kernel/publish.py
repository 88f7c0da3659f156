"""The snapshot: what the desk looks like from outside, made a few times a second.

A row that did not change is the same object as in the last snapshot, so a screen finds what
moved by `is not`; making rows equal by value is what `_kept` is for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from threading import enumerate as running_threads
from typing import TypeVar

import msgspec

from engine.core.clock import MILLISECOND, MINUTE, SECOND, monotonic_ns
from engine.core.learning import LearningView
from engine.core.lived import JournalEntry
from engine.core.news import NewsView
from engine.core.records import Outlooked
from engine.core.types import Control, FeedKind, Link, Proposal, Value
from engine.core.views import (
    BreakerView,
    ControlView,
    EquityPoint,
    FeedView,
    Health,
    LevelView,
    LlmView,
    MarketView,
    Outlook,
    PositionView,
    RunInfo,
    Snapshot,
)
from engine.execution.sniper import CHECK_BUDGET
from engine.journal.codec import plain_text
from engine.kernel.cycle import Cycle
from engine.kernel.desk import Desk, waiting
from engine.kernel.entries import Entries
from engine.kernel.exits import Exits
from engine.kernel.meanwhile import Meanwhile
from engine.kernel.outlook import Outlooks
from engine.kernel.riskview import RiskViewer
from engine.kernel.symbols import SymbolDesk
from engine.market.instruments import unsellable
from engine.portfolio.levels import by_leverage
from engine.portfolio.pnl import pnl, pnl_pct

V = TypeVar("V", bound=Value)

_encode = msgspec.msgpack.Encoder(enc_hook=plain_text).encode

OUTLOOK_EVERY_NS = SECOND
"""How often the why-not gates of every symbol are evaluated for the screen."""

OUTLOOK_KEPT_NS = MINUTE
"""How often an outlook that says the same is left in the journal, in wall time."""

EQUITY_EVERY_NS = 15 * SECOND
"""Spacing of the equity line, in engine time."""

HEARTBEAT_LIMIT_NS = 5 * SECOND


class Publisher:
    """Builds snapshots from the desk and hands them to the hub."""

    def __init__(self, desk: Desk, entries: Entries, exits: Exits, cycle: Cycle) -> None:
        self._desk = desk
        self._entries = entries
        self._look = Outlooks(desk, entries.appraiser)
        self._exits = exits
        self._cycle = cycle
        self._version = 0
        self._started_ns = 0
        self._run: RunInfo | None = None
        self._markets: dict[str, MarketView] = {}
        self._positions: dict[str, PositionView] = {}
        self._breaker_views: dict[str, BreakerView] = {}
        self._outlooks: dict[str, Outlook] = {}
        self._kept: dict[str, tuple[int, tuple[object, ...]]] = {}
        self._outlooks_at = 0
        self._risk = RiskViewer(desk, entries.appraiser)
        self._levels_at = -1
        self._levels: tuple[LevelView, ...] = ()
        self._equity_at = 0
        self._rate_at = monotonic_ns()
        self._rate_from = 0
        self._rate = 0.0
        self._ended: tuple[Proposal, ...] = ()
        self.llm: Callable[[], LlmView | None] = lambda: None
        self._llm: LlmView | None = None
        self.news: Callable[[], NewsView | None] = lambda: None
        self.learning: Callable[[], LearningView | None] = lambda: None
        self.learning_moved: Callable[[], bool] = lambda: False
        self.lived: Callable[[], tuple[JournalEntry, ...]] = tuple
        self._learned: LearningView | None = None
        self._learned_at = 0
        self.meanwhile: Meanwhile | None = None

    def publish(self) -> None:
        """Make and publish one snapshot of what is now."""
        desk = self._desk
        if not desk.feed.manual_time:
            desk.now_ns = desk.clock.now_ns()
        self._started_ns = self._started_ns or desk.now_ns
        self._version += 1
        account = desk.ledger.account(desk.now_ns, desk.marks(), keep=False)
        if desk.now_ns - self._equity_at >= EQUITY_EVERY_NS and desk.now_ns:
            self._equity_at = desk.now_ns
            point = EquityPoint(
                time_ns=desk.now_ns,
                equity=float(account.equity),
                drawdown_pct=account.drawdown_pct,
            )
            desk.hub.append("equity", point, 20_000)
        self._refresh_outlooks()
        control = desk.control
        desk.hub.publish(
            Snapshot(
                version=self._version,
                time_ns=desk.now_ns,
                run=self._run_info(),
                control=ControlView(
                    state=control.state,
                    reason=control.reason,
                    since_ns=control.since_ns,
                    who=control.who,
                ),
                feed=self._feed(),
                account=account,
                markets=tuple(map(self._market, desk.symbols.values())),
                positions=self._position_views(),
                proposals=tuple(waiting(desk)),
                ended=desk.proposals.ended(30),
                orders=(*desk.orders.values(), *reversed(desk.ended_orders)),
                conditions=desk.sniper.conditions(),
                trades=tuple(desk.trades),
                outlooks=tuple(self._outlooks.values()),
                limits=self._look.limits(account),
                denials=tuple(sorted(desk.tally.denials.items())),
                counterfactuals=self._entries.follower.views(),
                levels=self._by_leverage(),
                health=self._health(),
                acks=tuple(desk.acks),
                risk=self._risk.view(account),
                breakers=self._breakers(),
                llm=self._llm_view(),
                news=self.news(),
                learning=self._learning_view(),
                absences=self.meanwhile.absences if self.meanwhile else (),
                honesty=self._exits.honesty.view(),
                lived=self.lived(),
            )
        )

    def _llm_view(self) -> LlmView | None:
        view = self.llm()
        self._llm = _same(self._llm, view) if view is not None else None
        return self._llm

    def _learning_view(self) -> LearningView | None:
        """What was learned, looked at once a second and when the ledger has just moved."""
        now = monotonic_ns()
        due = self._learned is None or now - self._learned_at >= OUTLOOK_EVERY_NS
        if due or self.learning_moved():
            self._learned_at = now
            view = self.learning()
            self._learned = _same(self._learned, view) if view is not None else None
        return self._learned

    def _breakers(self) -> tuple[BreakerView, ...]:
        views = {view.name: view for view in self._desk.breakers.views()}
        self._breaker_views = {
            name: _same(self._breaker_views.get(name), view) for name, view in views.items()
        }
        return tuple(self._breaker_views.values())

    def _run_info(self) -> RunInfo:
        desk, settings = self._desk, self._desk.settings
        info = RunInfo(
            mode=settings.mode,
            approval=desk.proposals.mode,
            profile=settings.profile,
            symbols=tuple(desk.symbols) or settings.symbols,
            timeframe=settings.timeframe,
            seed=settings.seed,
            journal=str(desk.journal.path),
            started_ns=self._started_ns,
            version=settings.version,
            recovered=desk.recovered,
        )
        self._run = _same(self._run, info)
        return self._run

    def _feed(self) -> FeedView:
        desk = self._desk
        feed, status = desk.feed, desk.link
        link = status.link if status is not None else Link.STARTING
        kind = FeedKind.DOWN if feed.kind is FeedKind.LIVE and link is Link.DOWN else feed.kind
        return FeedView(
            kind=kind,
            link=link,
            venue=feed.venue,
            quote=feed.quote,
            label=f"{feed.venue} {feed.quote}".strip(),
            reason=status.reason if status is not None else "",
            speed=feed.speed,
            progress=feed.progress,
        )

    def _market(self, symbol: SymbolDesk) -> MarketView:
        now = self._desk.now_ns
        quote = symbol.quote
        age = max(0, now - symbol.last_event_ns) if symbol.last_event_ns else 0
        regime = symbol.regime
        view = MarketView(
            symbol=symbol.symbol,
            last=symbol.last,
            bid=quote.bid if quote is not None else math.nan,
            ask=quote.ask if quote is not None else math.nan,
            change_pct=symbol.feature("price_change_24h") * 100.0,
            volume_ratio=symbol.feature("volume_ratio"),
            link=symbol.link,
            age_ns=age // SECOND * SECOND,
            regime=symbol.label,
            vol_level=str(regime.vol_level) if regime is not None else "",
            spread_bps=quote.spread_bps if quote is not None else math.nan,
            modelled=quote is None or quote.modelled,
            forming=symbol.forming,
            reason=symbol.link_reason,
        )
        kept = _same(self._markets.get(symbol.symbol), view)
        self._markets[symbol.symbol] = kept
        return kept

    def _position_views(self) -> tuple[PositionView, ...]:
        desk = self._desk
        views = {}
        for position in self._exits.protection.rows():
            symbol = desk.symbols[position.symbol]
            mark = symbol.exit_price(position.direction)
            price = Decimal(repr(mark)) if math.isfinite(mark) else position.entry_price
            size = symbol.instrument.contract_size
            unrealised = pnl(
                position.direction, position.entry_price, price, position.quantity, size
            )
            risk = abs(position.entry_price - position.initial_stop)
            gained = (price - position.entry_price) * position.direction.sign
            target = position.targets[0] if position.targets else None
            state = self._exits.perpetuals.state(position, mark)
            protection = state.protection if state is not None else None
            view = PositionView(
                position=position,
                mark=mark,
                unrealised=unrealised,
                pnl_pct=pnl_pct(position.direction, position.entry_price, price),
                r_multiple=float(gained / risk) if risk else math.nan,
                stop_distance_pct=float(abs(price - position.stop) / price * 100),
                target_distance_pct=float(abs(target - price) / price * 100)
                if target is not None
                else math.nan,
                held_ns=(desk.now_ns - position.opened_ns) // SECOND * SECOND,
                dust=unsellable(symbol.instrument, position.quantity, price),
                margin=state.margin if state is not None else None,
                margin_ratio=state.ratio if state is not None else math.nan,
                liquidation_price=protection.liquidation if protection is not None else None,
                liquidation_distance_pct=state.distance_pct if state is not None else math.nan,
                danger_price=protection.danger if protection is not None else None,
                guard_price=protection.guard if protection is not None else None,
                funding_paid=state.funding if state is not None else None,
                margin_note=state.note if state is not None else "",
            )
            views[position.id] = _same(self._positions.get(position.id), view)
        self._positions = views
        return tuple(views.values())

    def _by_leverage(self) -> tuple[LevelView, ...]:
        """How the last trades did by their leverage, worked out when one was added."""
        trades = self._desk.tally.trades
        if trades != self._levels_at:
            self._levels_at = trades
            self._levels = by_leverage(self._desk.trades)
        return self._levels

    def _refresh_outlooks(self) -> None:
        now = monotonic_ns()
        if now - self._outlooks_at < OUTLOOK_EVERY_NS and self._outlooks:
            return
        self._outlooks_at = now
        for symbol in self._desk.symbols.values():
            view = self._look.of(symbol)
            self._outlooks[symbol.symbol] = _same(self._outlooks.get(symbol.symbol), view)
            self._keep_outlook(view, now)

    def _keep_outlook(self, view: Outlook, now: int) -> None:
        """Leave an outlook in the journal when its answer changed, and once a minute."""
        answer = (view.verdict, *(gate.passed for gate in view.gates))
        at, before = self._kept.get(view.symbol, (0, ()))
        desk = self._desk
        if (answer != before or now - at >= OUTLOOK_KEPT_NS) and desk.now_ns:
            self._kept[view.symbol] = (now, answer)
            desk.journal.append(Outlooked(time_ns=desk.now_ns, outlook=view))

    def last_outlooks(self) -> None:
        """Leave every outlook as it is now, for who asks when the engine has gone."""
        self._outlooks_at = 0
        self._kept.clear()
        self._refresh_outlooks()

    def _health(self) -> Health:
        desk = self._desk
        now = monotonic_ns()
        events = desk.tally.events
        if now - self._rate_at >= SECOND:
            self._rate = (events - self._rate_from) / ((now - self._rate_at) / SECOND)
            self._rate_at, self._rate_from = now, events
        held = bool(desk.watches)
        age = desk.now_ns - desk.heartbeat_ns
        beating = desk.control.state is not Control.LOCKED and age <= HEARTBEAT_LIMIT_NS
        return Health(
            heartbeat_ns=desk.heartbeat_ns,
            heartbeat_ok=beating or not held or desk.feed.manual_time,
            events=events,
            events_per_s=round(self._rate, 1),
            inbox=0,
            journal_lag=desk.journal.pending,
            journal_state=desk.journal.state,
            cycle=self._cycle.timings(),
            cycles=desk.tally.cycles,
            faults=tuple(desk.faults),
            quarantined=desk.tally.quarantined,
            corrections=desk.tally.corrections,
            decisions=desk.tally.decisions,
            threads=tuple(sorted(thread.name for thread in running_threads())),
            warnings=self._warnings(),
        )

    def _warnings(self) -> tuple[str, ...]:
        """What is slower than it should be, in words."""
        desk = self._desk
        took_ms = desk.worst_check_ns / MILLISECOND
        budget = float(desk.params.get(CHECK_BUDGET))
        if took_ms <= budget:
            return ()
        return (f"checking conditions took {took_ms:.2f} ms at worst, budget {budget:g} ms",)


def _same(old: V | None, new: V) -> V:
    """The old object where nothing changed, so that identity tells what did.

    Compared as encoded bytes, because NaN stands for "none" in views and equals nothing.
    """
    return old if old is not None and _encode(old) == _encode(new) else new
