"""Trades that were not made, followed to the end they would have had.

A gate, an expiry or a person's no is a decision as well; what it was worth can only be
known by watching the refused trade with the same stops and targets on the same prices.
Each is journaled when it begins, with the cursor, and as it goes on, so that a restart
neither loses one nor follows it twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from engine.core.clock import MINUTE, SECOND, iso
from engine.core.errors import QuarterdeckError
from engine.core.records import AnyRecord, Followed, Following, ProposalChanged
from engine.core.types import Actor, Bar, Position, Proposal
from engine.core.views import Counterfactual
from engine.kernel.desk import Desk
from engine.kernel.unmade import LOTS, Path, Unmade
from engine.market.feed import Rewinds
from engine.position.plan import Entry, ExitPlan, plan_exits
from engine.position.settings import exit_profile

MOST = 200
"""Followed at once; beyond it the oldest is ended as it stands."""

AGAIN_NS = SECOND
"""What is refused again for the same reason within this time is the same trade."""

SHOWN = 30
"""Running ones in a snapshot, the newest."""


class Follower:
    """Watches refused trades on the prices that the engine sees. Owned by the kernel thread."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._paths: dict[str, list[Path]] = {}
        self._count = 0
        self.ended: list[Callable[[Counterfactual], None]] = []

    def add(self, trade: Unmade, *why: AnyRecord) -> None:
        """Begin to follow, journaled together with the records that say why it was not made.

        A trade that can't be protected has no path and is left out, as is a refusal that
        repeats itself: who asks without end must not fill the journal with one trade.
        """
        desk = self._desk
        plan = None if self._followed_already(trade) else self._plan(trade)
        if plan is None:
            if why:
                desk.record(*why)
            return
        if self._count >= MOST:
            oldest = self.running()[0]
            oldest.end("still open when newer ones took its place", desk.now_ns)
            self._gone(oldest)
        path = Path.begin(trade, plan, desk.now_ns)
        self._keep(path)
        desk.record(*why, path.kept(desk.now_ns), desk.cursor())

    def add_ended(self, proposal: Proposal, kind: str, ended: ProposalChanged) -> None:
        """Watch a proposal that ended (`ended` says how) without an order as if it were made."""
        targets = self._desk.own_targets.pop(proposal.id, ())
        if proposal.grows:
            targets = tuple(map(float, proposal.targets))
        self.add(
            Unmade(
                id=proposal.id,
                symbol=proposal.symbol,
                kind=kind,
                code=proposal.note,
                direction=proposal.direction,
                price=float(proposal.price),
                stop=float(proposal.stop),
                targets=targets,
                strategy=proposal.strategy,
                regime=proposal.regime,
                score=proposal.confidence,
                who=ended.who,
            ),
            ended,
        )

    def add_overridden(self, position: Position, who: Actor) -> None:
        """Watch what the engine's own stop and targets would have made from now on."""
        desk = self._desk
        symbol = desk.symbols[position.symbol]
        price = symbol.exit_price(position.direction)
        if not math.isfinite(price):
            return
        self.add(
            Unmade(
                id=desk.ids.next("X"),
                symbol=position.symbol,
                kind="overridden",
                code=f"{position.id} taken over",
                direction=position.direction,
                price=price,
                stop=float(position.stop),
                targets=tuple(map(float, position.targets)),
                strategy=position.strategy,
                regime=position.regime,
                score=position.confidence,
                who=who,
            )
        )

    def _followed_already(self, trade: Unmade) -> bool:
        what = (trade.kind, trade.code, str(trade.direction), trade.strategy)
        since = self._desk.now_ns - AGAIN_NS
        return trade.kind == "denied" and any(
            view.time_ns > since and (view.kind, view.code, view.direction, view.strategy) == what
            for view in (path.view for path in self._paths.get(trade.symbol, ()))
        )

    def _plan(self, trade: Unmade) -> ExitPlan | None:
        desk = self._desk
        symbol = desk.symbols[trade.symbol]
        try:
            return plan_exits(
                desk.params,
                Entry(
                    symbol=trade.symbol,
                    direction=trade.direction,
                    price=trade.price,
                    lots=LOTS,
                    lot_size=1.0,
                    opened_ns=desk.now_ns,
                    atr=symbol.feature("atr"),
                    fee=float(symbol.instrument.taker_fee),
                    spread=symbol.best_quote(desk.now_ns).spread_bps / 10_000,
                    strategy=trade.strategy,
                    regime=trade.regime or None,
                    profile=exit_profile(desk.settings.profile),
                    stop=trade.stop if math.isfinite(trade.stop) else None,
                    targets=trade.targets,
                    score=trade.score,
                ),
            )
        except QuarterdeckError:
            return None

    def on_price(self, symbol: str, price: float, now_ns: int) -> None:
        """One traded price for every followed trade in this symbol."""
        for path in tuple(self._paths.get(symbol, ())):
            if path.on_price(price, now_ns):
                self._tell(path)

    def on_bar(self, bar: Bar) -> None:
        """A bar's path, for feeds that have nothing finer."""
        for path in tuple(self._paths.get(bar.symbol, ())):
            if path.on_bar(bar):
                self._tell(path)

    def remember(self) -> None:
        """Journal all that run as they stand, for the next start."""
        running = [path.kept(self._desk.now_ns) for path in self.running()]
        if running:
            self._desk.record(*running)

    def restore(self, kept: tuple[Following, ...], ended: tuple[Counterfactual, ...]) -> None:
        """Go on where the last run stopped.

        A recording stood still meanwhile: what lies between the last note and the cursor is
        gone through again, bar by bar. On a live market nobody saw the prices of the
        downtime; they are counted as unseen, and what they would have done stays unknown.
        """
        desk = self._desk
        desk.followed.extend(ended)
        for record in kept:
            try:
                path = Path.restored(record)
            except QuarterdeckError as error:
                desk.note(f"{record.counterfactual.id} is followed no further: {error.message}")
                continue
            self._keep(path)
            if path.symbol not in desk.symbols:
                path.end("its symbol is not followed any more", desk.now_ns)
                self._gone(path)
            elif desk.feed.manual_time:
                self._catch_up(path)
            else:
                path.blind = True
        running = [path for path in self._all() if path.blind]
        if running:
            desk.note(
                f"{len(running)} trades that were not made are followed on; their prices since "
                f"{iso(min(path.seen_ns for path in running))} are unknown"
            )

    def _catch_up(self, path: Path) -> None:
        desk = self._desk
        if not isinstance(desk.feed, Rewinds):
            return
        minutes = (desk.now_ns - path.seen_ns) // MINUTE + 2
        for bar in desk.feed.history(path.symbol, max(0, minutes)).bars:
            path.on_bar(bar)
            if path.ended:
                self._gone(path)
                return

    def _keep(self, path: Path) -> None:
        self._paths.setdefault(path.symbol, []).append(path)
        self._count += 1

    def _tell(self, path: Path) -> None:
        if path.ended:
            self._gone(path)
        else:
            self._desk.record(path.kept(self._desk.now_ns))

    def _gone(self, path: Path) -> None:
        desk = self._desk
        self._paths[path.symbol].remove(path)
        self._count -= 1
        desk.followed.append(path.view)
        desk.record(Followed(time_ns=desk.now_ns, counterfactual=path.view))
        for listener in self.ended:
            listener(path.view)

    def _all(self) -> Iterator[Path]:
        for paths in self._paths.values():
            yield from paths

    def running(self) -> tuple[Path, ...]:
        """All that are followed now, the oldest first, whatever their symbols."""
        return tuple(sorted(self._all(), key=lambda path: (path.view.time_ns, path.id)))

    def views(self) -> tuple[Counterfactual, ...]:
        """What is being followed, then what ended lately, newest first."""
        running = sorted((path.now() for path in self._all()), key=lambda view: -view.time_ns)
        return (*running[:SHOWN], *reversed(self._desk.followed))
