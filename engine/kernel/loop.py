"""The kernel: one thread, one inbox, every mutable thing.

A plain synchronous loop: take what people sent, take what the market sent, run the cycle
when it is due, publish, wait. Whatever may be slow happens elsewhere and comes back as a
message.
"""

from __future__ import annotations

import math
from threading import Event, Thread

import msgspec

from engine.core.clock import SECOND, ManualClock, monotonic_ns
from engine.core.commands import AnyCommand
from engine.core.errors import InvariantBroken, QuarterdeckError
from engine.core.records import TradeJournalled
from engine.core.types import Actor, Bar, Control, MarketEvent, Order
from engine.core.views import LlmView
from engine.journal.mailbox import Mailbox
from engine.journal.streams import KEPT, streamed, streamed_move
from engine.kernel.advising import Advising
from engine.kernel.commands import Commands
from engine.kernel.conditions import Conditions
from engine.kernel.cycle import CYCLE_SECONDS, Cycle
from engine.kernel.desk import Desk
from engine.kernel.entries import Entries
from engine.kernel.exits import Exits
from engine.kernel.guard import Guard
from engine.kernel.intake import Intake
from engine.kernel.knowing import Knowing
from engine.kernel.learning import Learning
from engine.kernel.news import News
from engine.kernel.orders import Orders
from engine.kernel.publish import Publisher
from engine.kernel.recovery import recover
from engine.kernel.reflecting import Reflecting
from engine.learning.scoreboard import Scoreboard
from engine.learning.weigh import Weights
from engine.market.feed import event_time

BATCH = 128
"""Events taken before commands and the screen get their turn: about 2 ms of work."""

SETTLE_NS = 2 * SECOND
"""How long after a decision bar closes live symbols may still close theirs, so that they
are decided on together."""

LONGEST_WAIT_S = 0.5


class Kernel:
    """The engine's thread. `start` it for a screen, or `run` it in the caller's thread.

    The feed has been started with `wake.set`. `publish_hz` is how often a snapshot is made
    while something moves; `until_ended` ends the run with the recording
    instead of staying for a person to look at it.
    """

    def __init__(
        self,
        desk: Desk,
        wake: Event,
        *,
        publish_hz: float = 10.0,
        until_ended: bool = False,
        mailbox: Mailbox | None = None,
    ) -> None:
        self.desk = desk
        self._until_ended = until_ended
        self._mailbox = mailbox
        self._wake = wake
        self._stopping = Event()
        self.finished = Event()
        self.fault: BaseException | None = None
        self.orders = Orders(desk)
        self.exits = Exits(desk, self.orders)
        self.guard = Guard(desk, self.orders)
        self.orders.admit = self.guard.admit
        self.orders.on_rejected = self._rejected
        self.orders.on_end.append(self.guard.ended)
        self.exits.closed.append(self.guard.trade_closed)
        self.entries = Entries(desk, self.orders, self.exits, self.guard)
        self.learning = Learning(desk, desk.memory.appliers(), Weights(desk.params).weighers())
        self.entries.learning = self.entries.deciding.learning = self.learning
        self.intake = Intake(
            desk, self.orders, self.exits, self.entries.follower, self.guard, self.learning
        )
        self.cycle = Cycle(desk, self.entries, self.exits, self.guard)
        self.commands = Commands(desk, self.orders, self.entries, self.exits, self.guard)
        self.learning.listen(self.commands)
        self.conditions = Conditions(desk)
        self.news = News(desk)
        self.knowing = Knowing(desk)
        self.exits.opened, self.exits.lived = self.knowing.entered, self.knowing.closed
        self.orders.on_booked = self.knowing.hand_on
        self.entries.denied.append(self.knowing.denied)
        self.entries.proposed.append(self.knowing.proposed)
        self.entries.follower.ended.append(self.knowing.followed)
        self.intake.afterwards = self.knowing.afterwards.on_price
        self.knowing.listen(self.commands)
        self.knowing.suggest = self.learning.suggest
        self.knowing.overruled = self.commands.overruled = self.learning.overruled
        self.knowing.taught.append(self.learning.closed)
        self.learning.knowledge = self.knowing.knowledge
        self.scoreboard = Scoreboard()
        desk.heard.append(self.scoreboard.add)
        self.learning.scoreboard = self.scoreboard.rows
        self.publisher = Publisher(desk, self.entries, self.exits, self.cycle)
        self.publisher.meanwhile = self.intake.meanwhile
        self.publisher.learning = self.learning.view
        self.publisher.learning_moved = lambda: self.learning.moved
        self.publisher.lived = self.knowing.afterwards.newest
        self.conditions.situations.knowledge = lambda: self.learning.knowledge()
        self.advising = Advising(desk, self.entries, self.conditions.situations)
        self.entries.deciding.hold = self.advising.hold
        self.advising.ready = self._hurry
        self.reflecting = Reflecting(
            desk, self.conditions.situations, self.knowing.found, self.learning.suggest
        )
        self.knowing.taught.append(self.reflecting.taught)
        self._hearers = (self.conditions, self.advising, self.reflecting)
        self.publisher.llm = self._llm_view
        self.publisher.news = self.news.view
        self._publish_ns = int(SECOND / publish_hz)
        self._published_ns = 0
        self._next_cycle_ns = 0
        self._looked_ns = 0
        self.first_ns = 0
        self._time_is_over = False
        self._thread: Thread | None = None

    def start(self) -> None:
        """Run in a daemon thread of its own; `stop` ends it."""
        self._thread = Thread(target=self.run, name="qd-kernel", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Something is waiting for the kernel. Any thread may call it."""
        self._wake.set()

    def stop(self, timeout_s: float = 1.0) -> bool:
        """Ask the kernel to end and wait; True when it did and its journal is closed."""
        self._stopping.set()
        self._wake.set()
        return self.finished.wait(timeout_s) if self._thread is not None else True

    def request_stop(self) -> None:
        """As `stop` without waiting, for signal handlers."""
        self._stopping.set()
        self._wake.set()

    def run(self) -> None:
        """The loop. Ends by `stop`, at the end of a recording, or by a fault."""
        try:
            self.begin()
            while not self._stopping.is_set() and not self._over():
                if not self.step():
                    self._rest()
            self._finish_cycle()
        except Exception as error:  # noqa: BLE001 - a fault becomes a state, never a traceback
            self._fail(error)
        finally:
            self.end()

    def begin(self) -> None:
        """Take back what the journal holds. `run` calls it; who steps by hand does so too."""
        desk = self.desk
        desk.hub.on_command(self.wake)
        desk.position = desk.feed.position
        recovered = desk.journal.recovered
        for record in recovered.scored:
            self.scoreboard.add(record)
        for one in recovered.learned.compared:
            desk.hub.append("compared", one, KEPT)
        for moved in recovered.parameters:
            desk.hub.append(*streamed_move(moved), KEPT)
        for fill in recovered.fills:
            desk.hub.append("fills", fill, KEPT)
        for state in recovered.protected:
            if (item := streamed(state)) is not None:
                desk.hub.append(*item, KEPT)
        self.knowing.restore(recovered.lived, recovered.last_ns)
        recover(desk, self.exits, self.entries.follower, self.learning)
        self.reflecting.restore(
            one.entry for one in recovered.lived.trades if isinstance(one, TradeJournalled)
        )
        self.advising.restore(recovered.held)
        self.news.begin(recovered.headlines)
        self.intake.meanwhile.begin()
        self.knowing.adopt()

    def step(self) -> bool:
        """One turn without waiting: commands, a batch of events, the cycle where it is due.

        False when the market had nothing, so that there is time to rest.
        """
        desk = self.desk
        self._wake.clear()
        if not desk.feed.manual_time:
            desk.now_ns = desk.clock.now_ns()
        asked = desk.hub.take()
        self.commands.take(asked)
        asked += self._open_mail()
        if not self._answer_ns():
            self._hear()
        events = desk.feed.poll(BATCH)
        if desk.feed.manual_time:
            for event in events:
                if self._beyond(event_time(event)):
                    break
                self._take_at(event)
                desk.position += 1
        else:
            desk.now_ns = desk.clock.now_ns()
            self.first_ns = self.first_ns or desk.now_ns
            self.exits.perpetuals.fund_before(desk.now_ns)
            for event in events:
                self.intake.take(event)
            self.orders.on_time(desk.now_ns)
            self.entries.ask_again()
            if desk.now_ns - self._looked_ns >= SECOND:
                self._looked_ns = desk.now_ns
                self.cycle.look_for_stale()
            self.news.look()
            self._run_due(desk.now_ns)
            self.learning.work()
        self._publish(force=bool(asked))
        return bool(events)

    def _rejected(self, order: Order) -> None:
        self.guard.failed(f"{order.symbol} order refused: {order.reason}")

    def _open_mail(self) -> list[AnyCommand]:
        """Commands left in the letter box; forgotten there once they are journaled here."""
        box = self._mailbox
        if box is None:
            return []
        letters = box.take()
        if letters:
            self.commands.take(letters)
            self.desk.journal.barrier()
            box.confirm()
        return letters

    def _take_at(self, event: MarketEvent) -> None:
        """One event on a clock that events move; what was due before it happens first."""
        desk = self.desk
        now = event_time(event)
        if now > desk.now_ns:
            self._run_before(now)
            self.orders.on_time(now)
            desk.now_ns = now
            self.exits.perpetuals.fund_before(now)
            clock = desk.clock
            assert isinstance(clock, ManualClock)
            clock.set(now)
            if not self.first_ns and type(event) is Bar:
                self.first_ns = now
            self.entries.ask_again()
        self.intake.take(event)

    def _run_before(self, now: int) -> None:
        """The cycle that fell due before `now`, once, however many were skipped by a gap, and
        a recorded answer of the model at the time at which it had come."""
        desk = self.desk
        answer = self._answer_ns()
        if answer and answer < min(self._due(), now):
            self._answer_at(answer)
        due = self._due()
        if due < now and desk.now_ns:
            self._cycle_at(max(due, desk.now_ns))
        if self._next_cycle_ns < now:
            step = self._cycle_ns()
            self._next_cycle_ns = -(-now // step) * step
        answer = self._answer_ns()
        if answer and answer < now:
            self._answer_at(answer)

    def _answer_ns(self) -> int:
        """When the next recorded answer of the model arrives, 0 where none is waited for."""
        if not self.desk.replays_replies:
            return 0
        return min((at for one in self._hearers if (at := one.answer_ns)), default=0)

    def _answer_at(self, now: int) -> None:
        self.desk.now_ns = max(now, self.desk.now_ns)
        self._hear()

    def _hear(self) -> None:
        """Take what the model has said meanwhile, in whichever role."""
        for hearer in self._hearers:
            hearer.look()

    def _hurry(self) -> None:
        """Run the next cycle as soon as can be."""
        self._next_cycle_ns = 0

    def _llm_view(self) -> LlmView | None:
        view = self.conditions.view()
        if view is None:
            return None
        others = (self.advising.view(), self.reflecting.view())
        return msgspec.structs.replace(view, others=tuple(one for one in others if one is not None))

    def _run_due(self, now: int) -> None:
        if self._due() <= now:
            self._cycle_at(now)
            step = self._cycle_ns()
            self._next_cycle_ns = now - now % step + step

    def _due(self) -> int:
        since = self.intake.pending_since_ns
        if not since:
            return self._next_cycle_ns
        settle = 0 if self.desk.feed.manual_time else SETTLE_NS
        return min(self._next_cycle_ns, since + settle)

    def _cycle_at(self, now: int) -> None:
        self.desk.now_ns = now
        self.intake.pending_since_ns = 0
        self.news.look()
        self.cycle.run()
        self.learning.look()
        self.knowing.look()
        self.conditions.speak_if_due()
        self.conditions.expire()
        self.reflecting.reflect_if_due()
        self.cycle.note_sample()

    def _cycle_ns(self) -> int:
        return int(self.desk.params.get(CYCLE_SECONDS)) * SECOND

    def _finish_cycle(self) -> None:
        """A recording that ends on a decision bar is decided on like any other."""
        if self.intake.pending_since_ns:
            self._cycle_at(self.desk.now_ns)

    def _beyond(self, event_ns: int) -> bool:
        """Whether a run for a length of engine time ends before this event.

        Asked of each event rather than of each batch: where a batch ends is a matter of pace.
        """
        limit = self.desk.settings.stop_after_ns
        if limit is not None and self.first_ns and event_ns > self.first_ns + limit:
            self._time_is_over = True
        return self._time_is_over

    def _over(self) -> bool:
        desk = self.desk
        if not desk.feed.manual_time:
            self._beyond(desk.now_ns)
        return self._time_is_over or (self._until_ended and desk.feed.ended)

    def _publish(self, *, force: bool) -> None:
        now = monotonic_ns()
        if force or now - self._published_ns >= self._publish_ns:
            self._published_ns = now
            self.publisher.publish()

    def _rest(self) -> None:
        desk = self.desk
        wait = min(LONGEST_WAIT_S, desk.feed.wait_s())
        if not desk.feed.manual_time:
            wait = min(wait, max(0.0, (self._due() - desk.clock.now_ns()) / SECOND))
        since = (monotonic_ns() - self._published_ns) / SECOND
        wait = min(wait, max(0.001, self._publish_ns / SECOND - since))
        if wait > 0 and not math.isnan(wait):
            self._wake.wait(wait)

    def _fail(self, error: Exception) -> None:
        """An engine fault: entries stop, the reason goes to screen and journal, the loop ends."""
        self.fault = error
        desk = self.desk
        kind = type(error).__name__
        text = str(error) if isinstance(error, QuarterdeckError) else f"{kind}: {error}"
        desk.faults.append(text)
        try:
            if not isinstance(error, InvariantBroken):
                desk.note(f"engine fault: {text}")
            self.commands.set_control(Control.HALTED, f"engine fault: {text}", Actor.ENGINE)
        except Exception as second:  # noqa: BLE001 - the journal itself may be what failed
            desk.faults.append(f"and could not be journaled: {second}")

    def end(self) -> None:
        """Let go of feed and journal, whatever one of them says; safe after a fault."""
        desk = self.desk
        for close in (self._hush, desk.feed.stop, self._last_words, desk.journal.close):
            try:
                close()
            except Exception as error:  # noqa: BLE001 - the next one must still be closed
                desk.faults.append(f"{type(error).__name__} while ending: {error}")
                self.fault = self.fault or error
        self.finished.set()

    def _hush(self) -> None:
        for one in (self.desk.strategist, self.desk.advisor, self.desk.reflector, self.desk.news):
            if one is not None:
                one.close()

    def _last_words(self) -> None:
        self.cycle.remember_cursor()
        self.publisher.last_outlooks()
        self._publish(force=True)
