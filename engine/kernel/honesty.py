"""Paper held against the tape while the engine runs: every fill watched, every record kept."""

from __future__ import annotations

from engine.core.honesty import Aftermath, HonestyView
from engine.core.records import FollowedUp
from engine.core.types import Fill, Funding, MarketEvent
from engine.execution.aftermath import Aftermaths
from engine.execution.paper import PaperBroker
from engine.journal.recovered import Recovered
from engine.kernel.desk import Desk
from engine.portfolio.honesty import HonestyReport


class Honesty:
    """The kernel's side of the honesty report. Owned by the kernel thread.

    Where a venue fills, there are no assumptions of ours to be watched, and only the bridge
    is kept.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._report = HonestyReport(desk.ledger.quote)
        broker = desk.broker
        self._watching: Aftermaths | None = None
        if isinstance(broker, PaperBroker):
            self._watching = Aftermaths(desk.costs, broker.tape, desk.feed.instruments)
        self._shown: tuple[int, int] = (-1, -1)
        self._view: HonestyView | None = None

    def recover(self, recovered: Recovered) -> None:
        """Take back every fill, and go on watching those that are not over.

        What was cut short by the end of a run is journaled again as far as it can be known.
        """
        desk = self._desk
        for fill in recovered.fills:
            self._report.fill(fill, desk.ledger.holdings[fill.position].terms)
        for payment in recovered.funding:
            self._report.fund(payment.boundary_ns, payment.amount)
        # A recording goes on where it was; a live market went on without us.
        now = desk.now_ns if desk.feed.manual_time else desk.clock.now_ns()
        cut: list[Aftermath] = []
        for fill in recovered.fills:
            known = recovered.aftermaths.get(fill.id)
            if known is not None:
                self._report.aftermath(known)
            if self._watching is not None and (known is None or not known.ended):
                ended = self._watching.resume(fill, known, now)
                if ended is not None:
                    cut.append(ended)
        self._keep(cut)

    def on_market(self, event: MarketEvent) -> None:
        """An event, before the broker has seen it."""
        if self._watching is not None:
            ended = self._watching.take(event)
            if ended:
                self._keep(ended)

    def filled(self, fill: Fill) -> None:
        """A fill has been booked."""
        self._report.fill(fill, self._desk.ledger.holdings[fill.position].terms)
        if self._watching is not None:
            self._watching.add(fill)

    def funded(self, payment: Funding) -> None:
        self._report.fund(payment.boundary_ns, payment.amount)

    def look(self) -> None:
        """Once a cycle: end what a silent feed would leave open."""
        if self._watching is not None:
            self._keep(self._watching.on_time(self._desk.now_ns))

    def last_words(self) -> None:
        """The run ends: keep how far every watch has come."""
        if self._watching is not None:
            self._keep(self._watching.standing())

    def view(self) -> HonestyView | None:
        """The report; the same object until something in it moved."""
        desk = self._desk
        # What is open moves with every price: it is worked out again with the account's
        # own rhythm, not for every snapshot.
        now = (self._report.version, desk.now_ns // _OPEN_EVERY_NS if desk.book.open() else 0)
        if now != self._shown:
            self._shown = now
            self._view = self._report.view(desk.marks())
        return self._view

    def _keep(self, aftermaths: list[Aftermath]) -> None:
        desk = self._desk
        for aftermath in aftermaths:
            self._report.aftermath(aftermath)
        if aftermaths:
            desk.record(*(FollowedUp(time_ns=desk.now_ns, aftermath=one) for one in aftermaths))


_OPEN_EVERY_NS = 15_000_000_000
