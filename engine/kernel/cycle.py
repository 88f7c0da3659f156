"""The cycle: what the engine does every 30 seconds, beside the ticks.

Its six steps are the trading loop: health, capital, signals, coordination, execution,
positions. Each is timed, so that a slow one is seen on screen before it is felt.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from engine.core.clock import MINUTE, day_of, monotonic_ns
from engine.core.errors import CommandRefused
from engine.core.parameters import declare
from engine.core.records import Accounted, Measured, ProposalChanged
from engine.core.types import Account, Actor, Control, FeedStatus, Link
from engine.core.views import StepTiming
from engine.kernel.deciding import Candidate
from engine.kernel.desk import Desk
from engine.kernel.entries import Entries
from engine.kernel.exits import Exits
from engine.kernel.guard import Guard
from engine.risk.var import VAR_MAX

CYCLE_SECONDS = declare(
    "loop.cycle_sec", 30, low=5, high=300, step=5, unit="s", scopes="G", risk=0,
    doc="How often health, capital, signals and positions are gone through.",
)  # fmt: skip

T = TypeVar("T")

ENDED_KEPT = 200
"""Ended proposals held in memory; the journal has them all."""

ACCOUNT_EVERY_NS = 15 * MINUTE
"""How often the account is journaled while nothing happens to it."""

STEPS = ("health", "capital", "signals", "coordinate", "execute", "positions")


class Cycle:
    """Runs the six steps in order and remembers how long each took."""

    def __init__(self, desk: Desk, entries: Entries, exits: Exits, guard: Guard) -> None:
        self._desk = desk
        self._entries = entries
        self._exits = exits
        self._guard = guard
        self._last_us = dict.fromkeys(STEPS, 0.0)
        self._worst_us = dict.fromkeys(STEPS, 0.0)
        self._candidates: list[Candidate] = []
        self._measured: tuple[object, ...] = ()
        self._sampled = False
        self._steps: tuple[tuple[str, Callable[[], None]], ...] = (
            ("health", self._health),
            ("capital", self._capital),
            ("signals", self._signals),
            ("coordinate", self._coordinate),
            ("execute", self._execute),
            ("positions", self._positions),
        )

    def run(self) -> None:
        """All six steps, once."""
        self._desk.tally.cycles += 1
        last, worst = self._last_us, self._worst_us
        began = monotonic_ns()
        for name, step in self._steps:
            step()
            ended = monotonic_ns()
            took = (ended - began) / 1000
            began = ended
            last[name] = took
            if took > worst[name]:
                worst[name] = took

    def timings(self) -> tuple[StepTiming, ...]:
        return tuple(
            StepTiming(name=name, last_us=self._last_us[name], worst_us=self._worst_us[name])
            for name in STEPS
        )

    def _health(self) -> None:
        """Breakers before anything else: what they close stays closed for this cycle."""
        desk = self._desk
        self._guard.look()
        for fill in desk.unacknowledged:
            if not desk.journal.pending:
                desk.acknowledge(fill)
        if not desk.journal.pending:
            desk.unacknowledged.clear()

    def look_for_stale(self) -> None:
        """Symbols whose events stopped are STALE, whatever their socket says.

        Asked every second on live feeds, since a cycle is too long to trade on a dead price.
        """
        desk = self._desk
        self._guard.look()
        for name, stale in desk.freshness.changes(desk.now_ns):
            symbol = desk.symbols[name]
            if symbol.link in (Link.UP, Link.STALE):
                symbol.link = Link.STALE if stale else Link.UP
                symbol.link_reason = "no event in time" if stale else ""
                status = FeedStatus(
                    link=symbol.link, time_ns=desk.now_ns, venue=desk.feed.venue, symbol=name,
                    reason=symbol.link_reason,
                )  # fmt: skip
                self._entries.feed_changed(status)

    def _capital(self) -> None:
        """The account, its day, and the limits that close entries for everybody."""
        desk = self._desk
        sampled_ns = desk.used.accounted_ns
        new_day = not sampled_ns or day_of(desk.now_ns) != day_of(sampled_ns)
        due = new_day or desk.now_ns - sampled_ns >= ACCOUNT_EVERY_NS
        # Without a position, a fill or another limit the account is what it was.
        known = (desk.tally.fills, desk.params.version, desk.control.state)
        if not due and known == self._measured and not desk.book.open():
            return
        self._measured = known
        account = desk.ledger.account(desk.now_ns, desk.marks())
        if due:
            why = "day start" if new_day else "every 15 minutes"
            desk.used.accounted_ns = desk.now_ns
            desk.record(Accounted(time_ns=desk.now_ns, account=account, why=why))
            self._entries.appraiser.sample(account)
            self._sampled = True
            desk.proposals.forget_ended(ENDED_KEPT)
            self._measure_var(account)
        self._guard.check_account(account)

    def _measure_var(self, account: Account) -> None:
        """Value at risk of what is held, as often as the account is sampled."""
        desk = self._desk
        held = self._entries.appraiser.held()
        _, _, var, _ = desk.risk.standing(held) if held else (None, 0.0, 0.0, "")
        if var is not None and account.equity > 0:
            share = var / float(account.equity) * 100.0
            self._guard.measured_var(share, float(desk.params.get(VAR_MAX)))

    def _signals(self) -> None:
        """Strategies speak where a decision bar has closed since the last cycle."""
        self._candidates = self._entries.deciding.hear()

    def _coordinate(self) -> None:
        """One candidate a symbol, the most promising first."""
        self._candidates = self._entries.deciding.rank(self._candidates)

    def _execute(self) -> None:
        """Size, gates, proposal, and the order where nobody has to be asked."""
        again, self._entries.returning = self._entries.returning, []
        for candidate in (*again, *self._candidates):
            self._attempt(self._entries.propose, candidate)
        triggered = self._desk.triggered
        triggered.sort(key=self._entries.preference)
        while triggered:
            self._attempt(self._entries.trigger, triggered.pop(0))

    def _attempt(self, act: Callable[[T], None], on: T) -> None:
        """What can't be done now (a full disk, an exit on its way) is told, and no fault."""
        try:
            act(on)
        except CommandRefused as refused:
            self._desk.note(f"not done: {refused}")

    def _positions(self) -> None:
        """What waits too long expires; protection that moved is kept."""
        desk = self._desk
        self._exits.honesty.look()
        self._entries.growth.withdraw()
        for proposal in desk.proposals.expire_due(desk.now_ns):
            change = ProposalChanged(
                time_ns=desk.now_ns, proposal=proposal, who=Actor.ENGINE, why="expired"
            )
            self._entries.follower.add_ended(proposal, "expired", change)
        self._entries.turnover.rebalance()
        self._exits.protection.keep_moved()

    def note_sample(self) -> None:
        """Keep where we are once all is done that belongs to a sample of the account, so that
        a restart neither forgets it nor takes it twice."""
        if self._sampled:
            self._sampled = False
            self._desk.record(self._desk.cursor())

    def remember_cursor(self) -> None:
        """Watches, account and market as they stand, for a restart; and what the cycle cost."""
        desk = self._desk
        if desk.journal.state not in ("ok", "") or not desk.now_ns:
            return
        self._exits.protection.keep_moved(whether_or_not=True)
        self._exits.honesty.last_words()
        self._entries.follower.remember()
        account = desk.ledger.account(desk.now_ns, desk.marks())
        desk.record(Accounted(time_ns=desk.now_ns, account=account, why="stop"))
        desk.record(desk.cursor())
        worst = {f"cycle.{name}.worst_us": took for name, took in self._worst_us.items()}
        desk.journal.append(Measured(time_ns=desk.now_ns, values=worst))
        if desk.control.state is Control.ACTIVE and desk.faults:
            desk.note(desk.faults[0])
