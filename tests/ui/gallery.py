"""A walk through all panels with realistic data: `python -m tests.ui.gallery`.

For eyes: how the panels look together at a size, in each theme, live, stale and empty.
`1`-`5` change the page, `t` the theme, `s` makes the feed stale, `e` empties it, `q` leaves.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

import msgspec
from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from app import theme as themes
from app.chrome import FooterLine
from engine.core.clock import MINUTE, SECOND
from engine.core.ids import source
from engine.core.learning import Compared
from engine.core.types import (
    Action,
    Actor,
    Bar,
    Direction,
    ExpectedValue,
    Gate,
    Link,
    Order,
    OrderState,
    Signal,
    Trade,
)
from engine.core.views import EquityPoint, JournalLine, MarketView, Outlook, Snapshot
from tests.ui import fakehub as fake
from tests.ui.fakelearning import make_changes, make_learning, make_moves
from widgets.adaptations import AdaptationsPanel
from widgets.approvals import ApprovalsPanel
from widgets.breakers import BreakersPanel
from widgets.chart import PriceChart
from widgets.counterfactuals import CounterfactualsPanel
from widgets.decision import DecisionDetail
from widgets.equity import EquityLine
from widgets.insights import InsightsPanel
from widgets.journal import JournalPanel
from widgets.known import CoinsPanel, PairsPanel
from widgets.ledger import LedgerPanel
from widgets.levels import Levels
from widgets.limits import LimitsPanel
from widgets.market import MarketPanel
from widgets.orders import OrdersPanel
from widgets.panel import Panel
from widgets.position import PositionDetail
from widgets.positions import PositionsPanel
from widgets.proposal import ProposalDetail
from widgets.reasoning import ReasoningPanel
from widgets.risk import RiskPanel
from widgets.rules import PatternsPanel, RulesPanel
from widgets.scoreboard import ScoreboardPanel
from widgets.signals import SignalsPanel
from widgets.status import StatusLine
from widgets.trades import TradesPanel
from widgets.trajectory import TrajectoryPanel
from widgets.waterfall import WaterfallPanel

SYMBOLS = {
    "BTC/USDT": (61_234.51, 2),
    "ETH/USDT": (2_987.12, 2),
    "SOL/USDT": (148.34, 2),
    "XRP/USDT": (0.5312, 4),
    "PEPE/USDT": (0.00001184, 8),
}
STRATEGIES = ("ema_cross", "rsi_revert", "breakout", "vwap_pull", "momentum")
SPAN = 15 * MINUTE
REASONS = (
    "Trend and volume agree: the fast EMA stands over the slow one for six bars, volume is "
    "1.8 times its mean and the regime is bull with confidence 0.71.",
    "Two of five strategies want in, but the spread of 9.4 bp eats the expected value; "
    "waiting for it to narrow.",
    "Momentum fades below the weekly VWAP and RSI is overbought; the votes cancel out.",
    "A break of the 20-bar range on twice the usual volume, against the regime's drift.",
)


def bars_of(symbol: str, count: int = 220) -> list[Bar]:
    """A random walk with trends and quiet hours, ending near the symbol's price."""
    rng = source(11, "gallery", symbol)
    last, places = SYMBOLS[symbol]
    closes = [last]
    drift = 0.0
    for _ in range(count):
        drift = 0.92 * drift + rng.gauss(0, 0.0006)
        closes.append(closes[-1] * (1 + drift + rng.gauss(0, 0.0016)))
    closes.reverse()
    bars = []
    for index in range(count):
        opening, close = closes[index], closes[index + 1]
        reach = abs(rng.gauss(0, 0.0012)) * close
        bars.append(
            Bar(
                symbol=symbol,
                open_ns=fake.START_NS - (count - index) * SPAN,
                span_ns=SPAN,
                open=round(opening, places),
                high=round(max(opening, close) + reach, places),
                low=round(min(opening, close) - abs(rng.gauss(0, 0.0012)) * close, places),
                close=round(close, places),
                volume=abs(rng.gauss(60, 22)) * (1 + 40 * abs(close / opening - 1) * 8),
            )
        )
    return bars


def forming(symbol: str) -> Bar:
    """The bar that has not closed yet."""
    last, places = SYMBOLS[symbol]
    return Bar(
        symbol=symbol,
        open_ns=fake.START_NS,
        span_ns=SPAN,
        open=last,
        high=round(last * 1.0011, places),
        low=round(last * 0.9996, places),
        close=round(last * 1.0008, places),
        volume=21.0,
        final=False,
    )


def market(symbol: str, index: int) -> MarketView:
    """A symbol's prices; the last one is stale."""
    last, places = SYMBOLS[symbol]
    stale = symbol.startswith("PEPE")
    return fake.make_market(
        symbol,
        last,
        bid=round(last * 0.99995, places),
        ask=round(last * 1.00005, places),
        change_pct=(1.32, -0.84, 3.90, 0.0, -6.41)[index],
        volume_ratio=(1.8, 0.9, 2.4, 1.0, 3.1)[index],
        regime=("BULL", "SIDEWAYS", "STRONG_BULL", "BEAR", "HIGH_VOL")[index],
        spread_bps=(0.2, 0.5, 1.1, 2.3, 9.4)[index],
        modelled=index == 3,
        link=Link.STALE if stale else Link.UP,
        age_ns=23 * SECOND if stale else 0,
        forming=forming(symbol),
        reason="no trade since" if stale else "",
    )


def gates(refusing: str = "") -> tuple[Gate, ...]:
    """Gates of an entry, one of them refusing."""
    rows = [
        ("CONTROL", "control state", 0.0, 0.0, 0.0, "state", True, "ACTIVE"),
        ("FRESH", "data freshness", 1.2, 15.0, 13.8, "s", True, ""),
        ("SPREAD", "spread", 9.4 if refusing == "SPREAD" else 2.1, 8.0,
         -1.4 if refusing == "SPREAD" else 5.9, "bp", False, "modelled on two symbols"),
        ("EV", "expected value", -2.3 if refusing == "EV" else 6.1, 0.0,
         -2.3 if refusing == "EV" else 6.1, "bps net", False, "after fees, spread and slippage"),
        ("DAILY_LOSS", "daily loss", 0.46, 4.0, 3.54, "% of day start", True, ""),
        ("DRAWDOWN", "drawdown", 12.4, 20.0, 7.6, "% of peak", True, ""),
        ("EXPOSURE", "exposure", 18.0, 60.0, 42.0, "% of equity", True, ""),
        ("POSITIONS", "open positions", 2.0, 5.0, 3.0, "positions", True, ""),
        ("CORRELATION", "correlated exposure", 9.1, 10.0, 0.9, "%", True, "BTC, ETH and SOL"),
        ("VAR", "value at risk", 1.8, 3.0, 1.2, "%", False, "95 %, one day"),
    ]  # fmt: skip
    return tuple(
        Gate(
            code=code,
            name=name,
            passed=code != refusing,
            value=value,
            threshold=threshold,
            distance=distance,
            unit=unit,
            hard=hard,
            detail=detail,
        )
        for code, name, value, threshold, distance, unit, hard, detail in rows
    )


def signal(symbol: str, name: str, action: Action, sure: float) -> Signal:
    """What a strategy says."""
    made = fake.make_signal(symbol, name, action)
    last = SYMBOLS[symbol][0]
    return msgspec.structs.replace(
        made, confidence=sure, entry=last, stop=last * 0.985, target=last * 1.03
    )


def outlook(symbol: str, index: int) -> Outlook:
    """Signals of all strategies and a decision that follows from them."""
    rng = source(3, "outlook", symbol)
    signals = []
    for name in STRATEGIES:
        draw = rng.random()
        action = Action.BUY if draw > 0.62 else Action.SELL if draw < 0.2 else Action.HOLD
        signals.append(signal(symbol, name, action, round(0.4 + rng.random() / 2, 2)))
    action = (Action.BUY, Action.HOLD, Action.BUY, Action.HOLD, Action.SELL)[index]
    refusing = ("", "EV", "", "SPREAD", "")[index]
    decision = msgspec.structs.replace(
        fake.make_decision(symbol, 30 + index, action),
        reasoning=REASONS[index % len(REASONS)],
        time_ns=fake.START_NS - index * SPAN,
        signals=tuple(signals),
        price=SYMBOLS[symbol][0],
        winner=STRATEGIES[index],
    )
    return Outlook(
        symbol=symbol,
        time_ns=fake.START_NS,
        decision=decision if index < 4 else None,
        signals=tuple(signals),
        gates=gates(refusing) if index < 4 else (),
        verdict=("proposed", "expected value refuses", "proposed", "the spread refuses", "")[index],
        waiting_for="212 of 250 bars of warm-up" if index == 4 else "",
        since_ns=fake.START_NS - index * SPAN,
    )


def trades() -> tuple[Trade, ...]:
    """A dozen closed trades."""
    rng = source(5, "trades")
    made = []
    for number in range(1, 13):
        symbol = tuple(SYMBOLS)[number % 4]
        price = Decimal(str(SYMBOLS[symbol][0]))
        pct = rng.gauss(0.4, 1.3)
        made.append(
            fake.make_trade(
                number,
                symbol=symbol,
                direction=Direction.SHORT if number % 5 == 0 else Direction.LONG,
                entry_price=price,
                exit_price=round(price * (1 + Decimal(f"{pct:.4f}") / 100), 4),
                pnl=Decimal(f"{pct * 9:.2f}"),
                pnl_pct=pct,
                opened_ns=fake.START_NS - (number * 97 + 60) * MINUTE,
                closed_ns=fake.START_NS - number * 97 * MINUTE,
                strategy=STRATEGIES[number % 5],
                exit_reason=("take_profit" if pct > 0.8 else "trailing_stop_loss")
                if pct > 0
                else "stop_loss",
            )
        )
    return tuple(made)


def orders() -> tuple[Order, ...]:
    """Orders in several states."""
    return (
        fake.make_order(8),
        fake.make_order(7, symbol="BTC/USDT", state=OrderState.FILLED, filled=Decimal("0.42")),
        fake.make_order(
            6, symbol="SOL/USDT", state=OrderState.REJECTED, reason="MIN_NOTIONAL: 4.1 under 5"
        ),
        fake.make_order(5, symbol="XRP/USDT", state=OrderState.CANCELLED, reason="expired"),
    )


def world() -> Snapshot:
    """A desk in the middle of a day's work."""
    short = fake.make_position(4, "SOL/USDT")
    price = Decimal("148.34")
    short = msgspec.structs.replace(
        short,
        position=msgspec.structs.replace(
            short.position,
            direction=Direction.SHORT,
            quantity=Decimal("12.50"),
            entry_price=Decimal("146.90"),
            stop=Decimal("150.20"),
            targets=(Decimal("141.00"), Decimal("138.50")),
            taken_over=True,
            strategy="rsi_revert",
        ),
        mark=float(price),
        unrealised=Decimal("-18.00"),
        pnl_pct=-0.98,
        r_multiple=-0.44,
        stop_distance_pct=1.25,
        target_distance_pct=4.95,
        held_ns=195 * MINUTE,
    )
    return fake.world(
        breakers=fake.make_breakers(),
        counterfactuals=fake.make_counterfactuals(),
        proposals=(
            msgspec.structs.replace(
                fake.make_proposal(17), decision="D-30", strategy="ema_cross", reasoning=REASONS[0]
            ),
            msgspec.structs.replace(
                fake.make_proposal(18, "SOL/USDT"),
                direction=Direction.SHORT,
                quantity=Decimal("8.40"),
                stop=Decimal("150.50"),
                targets=(Decimal("143.10"),),
                notional=Decimal("1246.06"),
                risk=Decimal("18.14"),
                expires_ns=fake.START_NS + 45 * SECOND,
                expected=ExpectedValue(
                    probability=0.46,
                    win_bps=330.0,
                    loss_bps=150.0,
                    fees_bps=15.0,
                    spread_bps=1.1,
                    slippage_bps=2.0,
                    net_bps=52.7,
                    n=0,
                    prior=True,
                ),
                reasoning=REASONS[3],
                why_waits="size above 1,000 USDT asks",
            ),
        ),
        markets=tuple(market(symbol, index) for index, symbol in enumerate(SYMBOLS)),
        positions=(fake.make_position(3), short),
        outlooks=tuple(outlook(symbol, index) for index, symbol in enumerate(SYMBOLS)),
        limits=gates(),
        trades=trades(),
        orders=orders(),
        learning=make_learning(),
    )


def points() -> list[EquityPoint]:
    """Eight hours of equity."""
    rng = source(9, "equity")
    equity, peak, made = 10_000.0, 10_000.0, []
    for index in range(1920):
        equity += rng.gauss(0.03, 2.2) + 1.4 * math.sin(index / 210)
        peak = max(peak, equity)
        made.append(
            EquityPoint(
                time_ns=fake.START_NS - (1920 - index) * 15 * SECOND,
                equity=round(equity, 2),
                drawdown_pct=(peak - equity) / peak * 100,
            )
        )
    return made


def journal() -> list[JournalLine]:
    """A hundred lines of what happened."""
    texts = (
        ("proposal", Actor.ENGINE, "proposed LONG 0.015 at 61,234.50, stop 60,316.00", "P-17"),
        ("command", Actor.PERSON, "approved P-16 after 4.2 s on screen", "P-16"),
        ("order", Actor.ENGINE, "entry order BUY 0.42 limit filled", "O-7"),
        ("fill", Actor.ENGINE, "filled BUY 0.42 at 2,957.25 (taker, fee 1.24 USDT)", "O-7"),
        ("position", Actor.ENGINE, "LONG 0.42, stop 2,912.89: trailing", "T-3"),
        ("control", Actor.PERSON, "REDUCING: lunch", ""),
        ("decision", Actor.ENGINE, "HOLD 41 %: the spread eats the expected value", "D-31"),
    )
    lines = []
    for index in range(120):
        kind, who, text, ref = texts[index % len(texts)]
        symbol = tuple(SYMBOLS)[index % 3] if kind != "control" else ""
        lines.append(
            JournalLine(
                seq=index,
                time_ns=fake.START_NS - (120 - index) * 37 * SECOND,
                kind=kind,
                who=who,
                text=text,
                ref=ref,
                symbol=symbol,
            )
        )
    return lines


PAGES: tuple[tuple[tuple[type[Panel], ...], ...], ...] = (
    ((ApprovalsPanel, PositionsPanel, SignalsPanel, RiskPanel), (PriceChart, ReasoningPanel,
      AdaptationsPanel, EquityLine)),
    ((MarketPanel, SignalsPanel), (WaterfallPanel, DecisionDetail)),
    ((RiskPanel, BreakersPanel, EquityLine), (LimitsPanel,)),
    ((JournalPanel, CounterfactualsPanel), (TradesPanel, OrdersPanel)),
    ((ProposalDetail,), (PositionDetail, PriceChart)),
    ((LedgerPanel, ScoreboardPanel, InsightsPanel), (TrajectoryPanel, CoinsPanel, PairsPanel,
      PatternsPanel, RulesPanel)),
)  # fmt: skip


class Gallery(App[None]):
    """The pages, one at a time."""

    CSS = """
    Screen { layout: vertical; overflow: hidden; }
    .column { width: 1fr; height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        ("1,2,3,4,5,6", "page", "page"),
        ("t", "next_theme", "theme"),
        ("s", "stale", "stale"),
        ("e", "empty", "empty"),
        ("j", "move(1)", "down"),
        ("k", "move(-1)", "up"),
        ("q", "quit", "quit"),
    ]

    def __init__(self, page: int = 0, theme: str = "dark", mood: str = "") -> None:
        super().__init__()
        self.page, self.mood, self._first_theme = page, mood, theme
        found, _ = themes.load()
        self._names = sorted(found)
        for each in found.values():
            self.register_theme(each)
        self.shown: list[Panel] = []

    def compose(self) -> ComposeResult:
        yield StatusLine(id="status")
        with Horizontal(id="columns"):
            for cell in PAGES[self.page]:
                with Vertical(classes="column"):
                    for each in cell:
                        panel = each()
                        self.shown.append(panel)
                        yield panel
        yield FooterLine("footer")

    def on_mount(self) -> None:
        self.theme = self._first_theme
        if self.page == 0 and self.size.width >= 120:
            for panel, rows in zip(self.shown, (9, 9, 0, 9, 0, 9, 6, 6), strict=True):
                panel.styles.height = rows or "1fr"
        self.shown[0].active = True
        self.fill()
        self.query_one(FooterLine).show_keys(
            [("a", "approve", True), ("x", "reject", True), ("p", "pause", True),
             ("/", "filter", True), ("?", "help", True), ("q", "quit", True)]
        )  # fmt: skip

    def fill(self) -> None:
        """Show the world, or a stale or an empty one."""
        snapshot = world()
        if self.mood == "stale":
            feed = msgspec.structs.replace(snapshot.feed, link=Link.STALE)
            snapshot = msgspec.structs.replace(snapshot, feed=feed)
        if self.mood == "empty":
            snapshot = msgspec.structs.replace(
                snapshot, proposals=(), positions=(), outlooks=(), markets=(), trades=(),
                orders=(), limits=(),
            )  # fmt: skip
        self.query_one(StatusLine).show(snapshot)
        fill(self.shown, snapshot, empty=self.mood == "empty")

    def action_page(self) -> None:
        """Handled by `on_key`, which knows the digit."""

    def on_key(self, event: object) -> None:
        key = getattr(event, "key", "")
        if key.isdigit() and 0 < int(key) <= len(PAGES):
            self.exit(result=None, return_code=10 + int(key))

    def action_next_theme(self) -> None:
        self.theme = self._names[(self._names.index(self.theme) + 1) % len(self._names)]

    def action_stale(self) -> None:
        self.mood = "stale"
        self.fill()

    def action_empty(self) -> None:
        self.mood = "empty"
        self.fill()

    def action_move(self, by: int) -> None:
        self.shown[0].move(by)


def fill(panels: Sequence[Widget], snapshot: Snapshot, empty: bool = False) -> None:
    """Give every panel what it draws."""
    for panel in panels:
        if isinstance(panel, Panel):
            panel.show(snapshot, 0)
        if empty:
            continue
        if isinstance(panel, PriceChart):
            symbol = "ETH/USDT"
            levels = Levels.of(snapshot, symbol)
            panel.show_bars(symbol, bars_of(symbol), forming(symbol), levels, "15m")
        elif isinstance(panel, EquityLine):
            panel.show_points(points())
        elif isinstance(panel, JournalPanel):
            panel.show_lines(journal())
        elif isinstance(panel, TrajectoryPanel):
            panel.show_moves(make_moves(), "L-8")
        elif isinstance(panel, LedgerPanel):
            found: dict[str, list[Compared]] = {}
            for one in make_changes()[1]:
                found.setdefault(one.change, []).append(one)
            panel.show_compared(found)


def main() -> None:
    """Show pages until `q`."""
    page = int(sys.argv[1]) - 1 if len(sys.argv) > 1 else 0
    theme = sys.argv[2] if len(sys.argv) > 2 else "dark"
    while True:
        app = Gallery(page, theme)
        app.run()
        if not app.return_code or app.return_code < 10:
            return
        page, theme = app.return_code - 11, app.theme


async def export(
    path: Path, width: int, height: int, page: int, theme: str = "dark", mood: str = ""
) -> None:
    """Write one page as an SVG picture."""
    app = Gallery(page, theme, mood)
    async with app.run_test(size=(width, height)) as pilot:
        await pilot.pause()
        path.write_text(app.export_screenshot(), encoding="utf-8")


if __name__ == "__main__":
    main()
