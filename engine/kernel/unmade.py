"""One trade that was not made, on its way to the end it would have had.

It can be written down at any moment and taken up again exactly there, so that a restart
changes nothing about what a refusal was worth.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from msgspec.structs import replace

from engine.core.clock import DAY, HOUR, MINUTE
from engine.core.records import Following
from engine.core.types import Bar, Direction
from engine.core.views import Counterfactual
from engine.position.plan import ExitPlan
from engine.position.watch import PositionWatch

LOTS = 1_000
"""A followed trade has no size; a thousand parts are enough for every ladder."""

MARKS = (
    ("1m", MINUTE), ("5m", 5 * MINUTE), ("15m", 15 * MINUTE), ("60m", HOUR), ("4h", 4 * HOUR),
    ("24h", DAY),
)  # fmt: skip

KEEP_EVERY = HOUR
"""A running one is journaled this often, and whenever something happened to it."""

OVER = "24 h over"


@dataclass(frozen=True, slots=True)
class Unmade:
    """A trade that was not made: what it was, who refused it (`kind`, `who`) and why (`code`)."""

    id: str
    symbol: str
    kind: str
    code: str
    direction: Direction
    price: float
    stop: float
    targets: tuple[float, ...]
    strategy: str
    regime: str
    score: float
    who: str


class Path:
    """What a refused trade has come to so far. Owned by the kernel thread.

    `began` is its view at the beginning and `fee` a share of notional per side. A `blind`
    one has not been shown a price since a restart whose downtime nobody watched.
    """

    def __init__(self, began: Counterfactual, watch: PositionWatch, fee: float) -> None:
        self.view = began
        self.watch = watch
        self.blind = False
        self._fee = fee
        self._sold_pct = 0.0
        self._last = math.nan
        self._seen_ns = self._kept_ns = began.time_ns
        self._due_ns = 0

    @classmethod
    def begin(cls, trade: Unmade, plan: ExitPlan, now_ns: int) -> Path:
        """Follow it from now on, by this plan."""
        began = Counterfactual(
            id=trade.id,
            symbol=trade.symbol,
            kind=trade.kind,
            code=trade.code,
            time_ns=now_ns,
            price=trade.price,
            direction=str(trade.direction),
            pnl_pct=0.0,
            ended="",
            strategy=trade.strategy,
            stop=plan.stop,
            targets=plan.targets,
            score=trade.score,
            gross_pct=0.0,
            who=trade.who,
        )
        return cls(began, PositionWatch.open(plan), plan.entry.fee)

    @classmethod
    def restored(cls, kept: Following) -> Path:
        """As it was journaled; raises `QuarterdeckError` for a watch of another layout."""
        watch = PositionWatch.from_dict(json.loads(kept.watch))
        path = cls(kept.counterfactual, watch, kept.fee)
        path._sold_pct = kept.sold_pct
        path._last = kept.last
        path._seen_ns = path._kept_ns = kept.seen_ns
        return path

    def kept(self, now_ns: int) -> Following:
        """What a restart needs, to be journaled."""
        self._kept_ns = self._seen_ns
        self._due_ns = 0
        return Following(
            time_ns=now_ns,
            counterfactual=self.view,
            watch=json.dumps(self.watch.to_dict()),
            sold_pct=self._sold_pct,
            last=self._last,
            seen_ns=self._seen_ns,
            fee=self._fee,
        )

    @property
    def id(self) -> str:
        return self.view.id

    @property
    def symbol(self) -> str:
        return self.view.symbol

    @property
    def seen_ns(self) -> int:
        """When its last price was traded; before the first one, when it began."""
        return self._seen_ns

    @property
    def ended(self) -> bool:
        return bool(self.view.ended)

    def on_price(self, price: float, now_ns: int) -> bool:
        """One traded price; True where what came of it should be journaled.

        Prices that it has seen before a restart come again where a recording is resumed,
        and are passed over.
        """
        if now_ns < self._seen_ns:
            return False
        if self.blind and not self._looks_again(now_ns):
            return True
        events = self.watch.on_price(price, now_ns)
        if not events and now_ns < self._due_ns:
            self._last, self._seen_ns = price, now_ns
            return False
        ended = ""
        for event in events:
            if event.reason is not None:
                self._sold_pct += event.lots / LOTS * self._move_pct(event.price)
                ended = str(event.reason)
        return self._moved_on(price, now_ns, ended)

    def on_bar(self, bar: Bar) -> bool:
        """A bar's path, for feeds that have nothing finer; True as for a price."""
        if bar.open_ns < self._seen_ns:
            return False
        if self.blind and not self._looks_again(bar.open_ns):
            return True
        close_ns = bar.close_ns
        events = self.watch.on_bar(bar.open, bar.high, bar.low, bar.close, bar.open_ns, close_ns)
        if not events and close_ns < self._due_ns:
            self._last, self._seen_ns = bar.close, close_ns
            return False
        ended = ""
        for event in events:
            if event.reason is not None:
                self._sold_pct += event.lots / LOTS * self._move_pct(event.price)
                ended = str(event.reason)
        return self._moved_on(bar.close, close_ns, ended)

    def _looks_again(self, now_ns: int) -> bool:
        """The first price after a downtime; False where its day ended meanwhile.

        What was missed is counted, and marks that fell into it stay unknown.
        """
        self.blind = False
        until = min(now_ns, self.view.time_ns + DAY)
        self._unseen(until - self._seen_ns)
        if now_ns - self.view.time_ns >= DAY:
            self.end(OVER, until)
            return False
        self._seen_ns = now_ns
        return True

    def _unseen(self, ns: int) -> None:
        self.view = replace(self.view, unseen_ns=self.view.unseen_ns + ns)

    def _moved_on(self, price: float, now_ns: int, sold: str) -> bool:
        before, age = self._seen_ns - self.view.time_ns, now_ns - self.view.time_ns
        self._last, self._seen_ns = price, now_ns
        reached = [name for name, after in MARKS if before < after <= age]
        if reached:
            net = round(self._gross_pct() - self._fees_pct(), 4)
            marks = (*self.view.marks, *((name, net) for name in reached))
            self.view = replace(self.view, marks=marks)
        if self.watch.closed:
            self.end(sold, now_ns, own_exit=True)
        elif age >= DAY:
            self.end(OVER, now_ns)
        self._due_ns = self._next_due()
        return bool(reached or sold) or now_ns - self._kept_ns >= KEEP_EVERY

    def _next_due(self) -> int:
        """When time alone will bring something: a mark, the hour in which it is kept, its end."""
        began = self.view.time_ns
        ahead = (began + after for _, after in MARKS if began + after > self._seen_ns)
        return min(self._kept_ns + KEEP_EVERY, next(ahead, began + DAY))

    def end(self, how: str, now_ns: int, *, own_exit: bool = False) -> None:
        """Follow no further; `own_exit` where a stop, target or deadline of its own ended it."""
        self.view = replace(self.now(), ended=how, ended_ns=now_ns, own_exit=own_exit)

    def now(self) -> Counterfactual:
        """What it has come to by the last price."""
        if not math.isfinite(self._last):
            return self.view
        gross = self._gross_pct()
        return replace(
            self.view,
            pnl_pct=round(gross - self._fees_pct(), 4),
            gross_pct=round(gross, 4),
        )

    def _move_pct(self, price: float) -> float:
        view = self.view
        return (price / view.price - 1.0) * 100.0 * Direction(view.direction).sign

    def _gross_pct(self) -> float:
        """Profit in percent of the notional, before fees."""
        held = self.watch.lots / LOTS
        return self._sold_pct + (held * self._move_pct(self._last) if held else 0.0)

    def _fees_pct(self) -> float:
        """Of both sides."""
        return 200.0 * self._fee
