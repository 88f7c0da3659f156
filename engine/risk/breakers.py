"""The breakers: what moves the control state, or holds entries back, by itself.

The gates refuse one entry beyond a limit; a breaker says so aloud, once, with the figures,
and decides what ends it: time, better data, or a person. Losses that a new day doesn't heal
and machines that ran away always want the person.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from engine.core.clock import MINUTE, SECOND, day_of
from engine.core.parameters import Parameters, declare
from engine.core.types import BreakerState, Control
from engine.core.views import BreakerView
from engine.risk.breaker import Breaker, LevelBreaker, Trip
from engine.risk.control import DAY_CLOSED
from engine.risk.limits import DAILY_LOSS, MAX_DRAWDOWN, loss_pct
from engine.risk.runaway import Runaway

__all__ = ["ApiFailures", "Breaker", "Breakers", "ConsecutiveLosses", "Runaway", "Trip"]

CONSECUTIVE_LOSSES = declare(
    "cb.consecutive_losses", 5, low=3, high=12, step=1, unit="count", scopes="G", risk=1,
    doc="Losing trades in a row after which entries pause.", learnable=False,
)  # fmt: skip
LOSS_PAUSE = declare(
    "cb.loss_pause_min", 30, low=5, high=240, step=5, unit="min", scopes="G", risk=-1,
    doc="How long entries pause after losses in a row; one entry on trial follows.",
    learnable=False,
)  # fmt: skip
API_FAILURES = declare(
    "cb.api_fail_count", 5, low=2, high=20, step=1, unit="count", scopes="G", risk=1,
    doc="Failures of feed or broker within the window after which entries stop.",
    learnable=False,
)  # fmt: skip
API_WINDOW = declare(
    "cb.api_fail_window_s", 60, low=10, high=600, step=10, unit="s", scopes="G", risk=-1,
    doc="Span in which failures of feed and broker are counted, and how long none may come.",
    learnable=False,
)  # fmt: skip
DATA_STALE = declare(
    "cb.data_stale_sec", 15, low=5, high=300, step=5, unit="s", scopes="GM", risk=1,
    doc="Age of the newest price of any symbol from which the feed counts as stale.",
    learnable=False,
)  # fmt: skip
TRIAL_FACTOR = declare(
    "cb.half_open_factor", 0.5, low=0.1, high=1.0, step=0.05, unit="factor", scopes="G", risk=1,
    doc="Size factor of the entry that is made on trial while a breaker is half open.",
    learnable=False,
)  # fmt: skip


class DailyLoss(LevelBreaker):
    """The day's loss ends the day: REDUCING until 00:00 UTC."""

    name, title, unit = "daily_loss", "loss today", "%"
    base = "equity at 00:00 UTC"
    clears = "00:00 UTC, or a person's resume"

    def heals(self, now_ns: int) -> bool:
        return day_of(now_ns) > day_of(self.since_ns)


class Drawdown(LevelBreaker):
    """A fall from the equity peak halts, until a person answers."""

    name, title, unit = "drawdown", "drawdown", "%"
    base = "equity high-water mark"
    clears = "a person's resume"
    hard = True


class StaleData(LevelBreaker):
    """No symbol has brought a price in time: the feed as a whole is not to be traded on."""

    name, title, unit = "stale_data", "newest price", "s old"
    base = "event time"
    clears = "the next price"

    def acknowledge(self, now_ns: int) -> None:
        """A person can't make data younger."""


class ValueAtRisk(LevelBreaker):
    """The positions held could lose more in a day than they may."""

    name, title, unit = "var", "value at risk", "%"
    base = "equity, one day, 95 %"
    clears = "value at risk below its limit"

    def acknowledge(self, now_ns: int) -> None:
        """A person can't talk risk away; closing positions does."""


class ConsecutiveLosses(Breaker):
    """Losses in a row pause entries; then one is made on trial, and a win ends it."""

    name, title, unit = "losses", "losses in a row", "trades"
    base = "closed trades, newest first"
    clears = "the pause, then a winning trade; or a person's resume"
    on_trial = True

    def took(self, won: bool, now_ns: int) -> None:
        """A trade closed, after all costs."""
        self.value = 0.0 if won else self.value + 1.0
        self.limit = float(self._parameters.get(CONSECUTIVE_LOSSES))
        if won and self.state is BreakerState.HALF_OPEN:
            self.move(BreakerState.CLOSED, "the trade on trial won", now_ns)
        elif not won and (
            self.state is BreakerState.HALF_OPEN or (self.closed and self.value >= self.limit)
        ):
            until = now_ns + int(self._parameters.get(LOSS_PAUSE)) * MINUTE
            reason = f"{self.value:.0f} losses in a row, limit {self.limit:g}"
            self.move(BreakerState.OPEN, reason, now_ns, until)

    def on_time(self, now_ns: int) -> None:
        """The pause is over."""
        if self.open and now_ns >= self.until_ns:
            self.move(BreakerState.HALF_OPEN, "one entry on trial", now_ns)

    def acknowledge(self, now_ns: int) -> None:
        if not self.closed:
            self.value = 0.0
            self.move(BreakerState.CLOSED, "resumed by a person", now_ns)

    def view(self) -> BreakerView:
        if self.closed:
            self.limit = float(self._parameters.get(CONSECUTIVE_LOSSES))
        return super().view()

    def recount(self, won: Iterable[bool]) -> None:
        """The losses in a row at the end of these trades, oldest first."""
        count = 0
        for one in won:
            count = 0 if one else count + 1
        self.value = float(count)


class ApiFailures(Breaker):
    """Feed or broker fail too often; a window without a failure, then one more on trial."""

    name, title, unit = "api_failures", "feed and broker", "failures"
    base = "the window of cb.api_fail_window_s"
    clears = "two windows without a failure; or a person's resume"
    on_trial = True

    def __init__(self, parameters: Parameters) -> None:
        super().__init__(parameters)
        self._failed: deque[int] = deque()

    def view(self) -> BreakerView:
        if self.closed:
            self.limit = float(self._parameters.get(API_FAILURES))
        return super().view()

    def _window_ns(self) -> int:
        return int(self._parameters.get(API_WINDOW)) * SECOND

    def failed(self, what: str, now_ns: int) -> None:
        """Feed or broker failed: a dropped connection, a refused or unanswered request."""
        self._failed.append(now_ns)
        self._count(now_ns)
        if self.state is BreakerState.HALF_OPEN or (self.closed and self.value >= self.limit):
            reason = f"{self.value:.0f} failures, limit {self.limit:g}; the last: {what}"
            self.move(BreakerState.OPEN, reason, now_ns)

    def _count(self, now_ns: int) -> None:
        begin = now_ns - self._window_ns()
        while self._failed and self._failed[0] <= begin:
            self._failed.popleft()
        self.value = float(len(self._failed))
        self.limit = float(self._parameters.get(API_FAILURES))

    def on_time(self, now_ns: int) -> None:
        """Failures grow old."""
        if self.closed and not self._failed:
            return
        self._count(now_ns)
        if self.closed or self._failed:
            return
        window = self._window_ns()
        if self.open and now_ns >= self.since_ns + window:
            reason = "a window without a failure: entries on trial"
            self.move(BreakerState.HALF_OPEN, reason, now_ns, now_ns + window)
        elif not self.open and now_ns >= self.until_ns:
            self.move(BreakerState.CLOSED, "no failure on trial", now_ns)

    def acknowledge(self, now_ns: int) -> None:
        if not self.closed:
            self._failed.clear()
            self.value = 0.0
            self.move(BreakerState.CLOSED, "resumed by a person", now_ns)


class Breakers:
    """All breakers of one engine, in the order in which they are shown.

    Owned by the kernel thread. What measures returns a `Trip` where the control state must
    move; `changed` gives what has to be journaled.
    """

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self.drawdown = Drawdown(parameters)
        self.daily = DailyLoss(parameters)
        self.losses = ConsecutiveLosses(parameters)
        self.api = ApiFailures(parameters)
        self.stale = StaleData(parameters)
        self.var = ValueAtRisk(parameters)
        self.runaway = Runaway(parameters)
        self.all: tuple[Breaker, ...] = (
            self.drawdown, self.daily, self.losses, self.var, self.api, self.stale, self.runaway,
        )  # fmt: skip
        self._trial = ""

    # What is measured.

    def check_account(
        self,
        day_start_equity: float,
        equity: float,
        peak_equity: float,
        now_ns: int,
        regime: str | None = None,
    ) -> Trip | None:
        """The trip of this account, the more restrictive one if two fire, or None."""
        get = self._parameters.get
        lost, fallen = loss_pct(day_start_equity, equity), loss_pct(peak_equity, equity)
        daily = self.daily.measure(lost, float(get(DAILY_LOSS, regime=regime)), now_ns)
        drawdown = self.drawdown.measure(fallen, float(get(MAX_DRAWDOWN)), now_ns)
        if drawdown:
            limit = self.drawdown.limit
            return Trip(
                Control.HALTED, f"drawdown {fallen:.2f} % of the equity peak, limit {limit:g} %"
            )
        if daily:
            return Trip(
                Control.REDUCING,
                f"{DAY_CLOSED}loss {lost:.2f} % of the day's first equity, "
                f"limit {self.daily.limit:g} %",
            )
        return None

    def check_time(self, now_ns: int) -> None:
        """What time alone changes: pauses that end and failures that grow old."""
        self.losses.on_time(now_ns)
        self.api.on_time(now_ns)
        self.runaway.settle(now_ns)

    def check_data(self, age_s: float, now_ns: int) -> None:
        """The age of the newest price of any symbol, on event time."""
        self.stale.measure(age_s, float(self._parameters.get(DATA_STALE)), now_ns)

    def check_var(self, value_pct: float, limit_pct: float, now_ns: int) -> None:
        """Value at risk of what is held, in percent of equity, from whoever computes it."""
        self.var.measure(value_pct, limit_pct, now_ns)

    def trade_closed(self, won: bool, now_ns: int) -> None:
        """A trade ended; whatever was on trial is known."""
        self._trial = ""
        self.losses.took(won, now_ns)

    # What is let through.

    def blocking(self) -> list[Breaker]:
        """The breakers that stop entries now, also those whose one trial is on its way."""
        return [one for one in self.all if one.open or (one.tried and self._trial)]

    @property
    def factor(self) -> float:
        """The size factor of an entry made now: 1, or less while one is made on trial."""
        if any(one.tried for one in self.all):
            return float(self._parameters.get(TRIAL_FACTOR))
        return 1.0

    def sent(self, order: str) -> None:
        """An entry order went out; the one on trial while something is half open."""
        if any(one.tried for one in self.all):
            self._trial = order

    def ended(self, order: str) -> None:
        """An entry order ended without a fill, so that nothing was tried."""
        if self._trial == order:
            self._trial = ""

    # Telling and keeping.

    def changed(self) -> list[Breaker]:
        """The breakers that moved since the last call."""
        moved = []
        for one in self.all:
            if one.moved:
                one.moved = False
                moved.append(one)
        return moved

    def acknowledge(self, now_ns: int) -> list[Breaker]:
        """A person resumed; returns what moved by that."""
        before = {one.name: one.state for one in self.all}
        for one in self.all:
            one.acknowledge(now_ns)
        self._trial = ""
        return [one for one in self.all if one.state is not before[one.name]]

    def views(self) -> tuple[BreakerView, ...]:
        """Every breaker as screens show it."""
        return tuple(one.view() for one in self.all)

    def restore(
        self, stored: Iterable[BreakerView], won: Iterable[bool], holding: bool
    ) -> Trip | None:
        """Take back what the journal holds, and what a hard breaker left open demands.

        `won` are the trades there were, oldest first; `holding` says that something may be
        on trial already.
        """
        known = {one.name: one for one in self.all}
        self.losses.recount(won)
        count = self.losses.value
        trip = None
        for view in stored:
            breaker = known.get(view.name)
            if breaker is None:
                continue
            breaker.restore(view)
            if breaker.hard and breaker.open:
                trip = Trip(Control.HALTED, breaker.reason)
        self.losses.value = count
        if holding and any(one.tried for one in self.all):
            self._trial = "held at the restart"
        return trip
