"""The change ledger: the only way in which anything is ever adapted.

Learners suggest. A suggestion that tightens or is neutral is applied at once; one that loosens
risk asks a person. Everything in force is compared with what it replaced on every opportunity
that began after it, and ends as the figures say:

- KEPT when the lower end of the confidence sequence on the differences is above zero,
- ROLLED_BACK when the upper end is below zero,
- STOPPED when it has cost more than `learn.loss_stop_r`, decided or not,
- EXPIRED when a precaution's time is over, LAPSED when a trial's is, both undecided,
- OVERRULED when a person sets its target, whatever it had come to; what they set stands.

Both gross and net differences must agree, so that a change which merely trades less is not
taken for skill because it saves fees, nor one that trades more for harm. What was kept goes on
being compared with a sequence of its own, and is RELEASED when it helps no longer. Whatever
ends returns the exact old value, unless a person has moved it meanwhile: theirs stays.

Every change that is judged has a share of the error that all may make together: the first
the whole 5 %, each later one less (`share`), since whoever tries for ever is lucky once.
Precautions are compared and never judged.

Everything is told as records; after a restart the ledger is rebuilt from them alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from engine.core.clock import DAY, HOUR
from engine.core.errors import CommandRefused
from engine.core.learning import (
    Change,
    ChangeKind,
    ChangeState,
    Compared,
    Lean,
    Suggestion,
    Target,
    TargetKind,
)
from engine.core.parameters import Parameters
from engine.core.records import AnyRecord, ChangeMoved, ComparedOn, Frozen
from engine.core.types import Actor
from engine.learning import settings
from engine.learning.base import Applier
from engine.learning.confidence import ALPHA
from engine.learning.confidence import Sequence as Differences
from engine.learning.released import Fading

EVERYTHING = "*"
"""The target that freezes all of them."""

UNPAUSED = (ChangeState.EXPIRED, ChangeState.SUPERSEDED)
"""Ends after which a target may be tried again at once: nothing was found against it."""

ENDED_KEPT = 200
"""Ended changes held for the screen; the journal has them all."""


KEEPING = 0.8
"""The part of a change's error that may be spent on keeping what is worth nothing.

The rest is for taking back what harms nobody. Keeping needs more, since nothing else keeps a
change, while one that costs meets the loss stop, which asks for no proof; what was kept in
error is let go as what helps no longer.
"""


def share(number: int) -> float:
    """The error of the `number`th change that a ledger judges, from 1.

    Falls as the power −3/2, so that the sum over all is 2.6 times that of the first. Of a
    change's error less than a third is spent within 500 comparisons that differ by one R
    (docs/learning.md), which leaves less than 5 % for a ledger's whole life.
    """
    return float(ALPHA * number**-1.5)


@dataclass(slots=True)
class Watched:
    """A change in force with what comparing it has come to."""

    change: Change
    gross: Differences
    net: Differences
    fading: Fading = field(default_factory=Fading)
    lost: float = 0.0
    worst: float = 0.0
    old_wins: int = 0
    new_wins: int = 0
    compared: int = 0

    @classmethod
    def begin(cls, change: Change, alpha: float, below: float = KEEPING) -> Watched:
        """Nothing compared yet."""
        return cls(change, Differences(alpha, below), Differences(alpha, below))

    def add(self, row: Compared) -> None:
        gross, net = row.new_gross - row.old_gross, row.new_net - row.old_net
        self.gross.add(gross)
        self.net.add(net)
        self.compared += 1
        self.old_wins += row.old_net > 0
        self.new_wins += row.new_net > 0
        self.lost -= net
        self.worst = max(self.worst, -net)
        if self.change.state is ChangeState.KEPT and gross:
            self.fading.add(gross / self.gross.sd)

    @property
    def verdict(self) -> int:
        """+1 where both differences are above zero, −1 where both are below, else 0."""
        gross, net = self.gross.verdict, self.net.verdict
        return gross if gross == net else 0

    @property
    def fell_pp(self) -> float:
        """By how many percentage points the share of winners fell."""
        return 100.0 * (self.old_wins - self.new_wins) / self.compared if self.compared else 0.0

    def shown(self) -> Change:
        """The change with its figures as they are now."""
        return msgspec.structs.replace(
            self.change,
            shadow=self.gross.evidence("new less old, before fees", "R"),
            net=self.net.evidence("new less old, after fees", "R"),
        )


class ChangeLedger:
    """Decides on suggestions, watches changes, ends them. Owned by the kernel thread.

    `appliers` set and give back targets by their kind; `next_id` names changes. Every method
    that moves something returns the records that say so, to be journaled together.
    """

    def __init__(
        self,
        params: Parameters,
        appliers: Mapping[TargetKind, Applier],
        next_id: Callable[[], str],
    ) -> None:
        self._params = params
        self._appliers = appliers
        self._next_id = next_id
        self._watched: dict[str, Watched] = {}
        self._asked: dict[str, Change] = {}
        self._ended: dict[str, Change] = {}
        self._paused: dict[str, int] = {}
        self._judged = 0
        self.frozen: set[str] = set()

    # What is there.

    def changes(self) -> tuple[Change, ...]:
        """What asks, what is in force, then what ended, each the newest first."""
        asked = sorted(self._asked.values(), key=_newest)
        force = sorted((w.shown() for w in self._watched.values()), key=_newest)
        return (*asked, *force, *sorted(self._ended.values(), key=_newest))

    def watched(self) -> tuple[Watched, ...]:
        """Changes in force, the oldest first."""
        return tuple(self._watched.values())

    def find(self, change: str) -> Change:
        """A change by its id. Raises `CommandRefused` where there is none."""
        if change in self._watched:
            return self._watched[change].shown()
        found = self._asked.get(change) or self._ended.get(change)
        if found is None:
            raise CommandRefused("unknown_change", f"there is no change {change}")
        return found

    def in_force(self, target: Target) -> Watched | None:
        """The change that holds a target now, if any."""
        return next((w for w in self._watched.values() if w.change.target == target), None)

    def standing(self, target: Target) -> str:
        """What holds for a target now, as JSON, wherever it was set."""
        return self._applier(target).standing(target)

    # Suggestions.

    def suggest(self, one: Suggestion, now_ns: int) -> list[AnyRecord]:
        """Take a suggestion; an empty list where it changes nothing or is not its time."""
        held = self.in_force(one.target)
        records: list[AnyRecord] = []
        if not self._welcome(one, held, now_ns):
            return records
        # What holds goes on holding until a person has agreed to loosen it.
        if held is not None and one.lean is not Lean.LOOSENS:
            records += self._end(held, ChangeState.SUPERSEDED, now_ns, one.reason, str(one.who))
        applier = self._applier(one.target)
        before = applier.current(one.target)
        if before == one.after:
            return records
        change = Change(
            id=self._next_id(),
            target=one.target,
            before=before,
            after=one.after,
            kind=one.kind,
            lean=one.lean,
            state=ChangeState.ASKED,
            who=one.who,
            reason=one.reason,
            evidence=one.evidence,
            made_ns=now_ns,
            ends_ns=now_ns + int(self._params.get(settings.ASK_HOURS)) * HOUR,
            stood=applier.standing(one.target),
        )
        if one.lean is Lean.LOOSENS:
            self._asked[change.id] = change
            return [*records, ChangeMoved(time_ns=now_ns, change=change, why="asks a person")]
        return records + self._apply(change, one.lasts_ns, now_ns, "applied", Actor.ENGINE)

    def _welcome(self, one: Suggestion, held: Watched | None, now_ns: int) -> bool:
        """Whether a suggestion may be taken now."""
        text = one.target.text
        if {EVERYTHING, text} & self.frozen:
            return False
        if any(asked.target == one.target for asked in self._asked.values()):
            return False
        status = one.target.kind is not TargetKind.PARAMETER
        if held is not None and status and one.lean is Lean.LOOSENS and held.change.who == one.who:
            # Whoever locked it may ask to open it; a value that is tried is tried to its end.
            return held.change.after != one.after and now_ns >= self._paused.get(text, 0)
        if held is not None:
            # Only what is proven may take the place of something that is still being watched.
            proven = one.kind is ChangeKind.VERDICT and held.change.kind is not ChangeKind.VERDICT
            return proven and held.change.after != one.after
        if one.kind is ChangeKind.TRIAL:
            if now_ns < self._paused.get(text, 0):
                return False
            undecided = [w for w in self._watched.values() if w.change.state is ChangeState.APPLIED]
            return len(undecided) < int(self._params.get(settings.MOST_WATCHED))
        return True

    def _apply(
        self, change: Change, lasts_ns: int, now_ns: int, why: str, who: Actor
    ) -> list[AnyRecord]:
        """Set the target; one that does not move (a person's word stands) is refused."""
        applier = self._applier(change.target)
        moved = list(applier.apply(change.target, change.after, change.id, now_ns))
        after = applier.current(change.target)
        if after == change.before:
            return self._refuse(change, now_ns, "what is set there does not give way", who)
        if change.kind is not ChangeKind.PRECAUTION:
            self._judged += 1
        applied = msgspec.structs.replace(
            change,
            after=after,
            state=ChangeState.APPLIED,
            applied_ns=now_ns,
            ends_ns=now_ns + lasts_ns if lasts_ns else 0,
        )
        watched = Watched.begin(applied, share(max(1, self._judged)))
        watched.change = watched.shown()
        self._watched[change.id] = watched
        return [ChangeMoved(time_ns=now_ns, change=watched.change, why=why, who=who), *moved]

    # Comparisons.

    def compared(self, rows: Iterable[Compared], now_ns: int) -> list[AnyRecord]:
        """Take what one opportunity came to under old and new, and judge."""
        records: list[AnyRecord] = []
        for row in rows:
            watched = self._watched.get(row.change)
            if watched is None:
                continue
            watched.add(row)
            records.append(ComparedOn(time_ns=now_ns, compared=row))
            records += self._judge(watched, now_ns)
        return records

    def _judge(self, watched: Watched, now_ns: int) -> list[AnyRecord]:
        """End or keep a change where its figures say so."""
        get, change = self._params.get, watched.change
        if watched.lost + max(1.0, watched.worst) > float(get(settings.LOSS_STOP)):
            why = f"it has cost {watched.lost:.2f} R against what it replaced"
            return self._end(watched, ChangeState.STOPPED, now_ns, why, "the loss stop")
        if change.kind is ChangeKind.PRECAUTION:
            return []
        if watched.gross.n < int(get(settings.LEAST_COMPARED)):
            return []
        if now_ns - change.applied_ns < int(get(settings.LEAST_HOURS)) * HOUR:
            return []
        if change.state is ChangeState.KEPT:
            if not watched.fading.over:
                return []
            why = f"it helped once; the last {watched.fading.since} show no difference"
            return self._end(watched, ChangeState.RELEASED, now_ns, why, "the comparison")
        if watched.verdict < 0:
            why = f"worse than what it replaced on {watched.gross.n} opportunities"
            return self._end(watched, ChangeState.ROLLED_BACK, now_ns, why, "the comparison")
        if watched.verdict > 0:
            watched.change = msgspec.structs.replace(
                change, state=ChangeState.KEPT, decided_by="the comparison", ends_ns=0
            )
            why = f"better than what it replaced on {watched.gross.n} opportunities"
            return [ChangeMoved(time_ns=now_ns, change=watched.shown(), why=why)]
        if change.lean is Lean.LOOSENS and watched.fell_pp > float(get(settings.WINRATE_DROP)):
            why = f"the win rate fell by {watched.fell_pp:.0f} pp on {watched.compared}"
            return self._end(watched, ChangeState.STOPPED, now_ns, why, "precaution")
        return []

    # Time.

    def tick(self, now_ns: int) -> list[AnyRecord]:
        """End what has run out of time."""
        records: list[AnyRecord] = []
        for change in [c for c in self._asked.values() if now_ns >= c.ends_ns]:
            records += self._refuse(change, now_ns, "nobody answered", Actor.ENGINE)
        for watched in list(self._watched.values()):
            change = watched.change
            timed = change.state is ChangeState.APPLIED and change.ends_ns
            if not timed or now_ns < change.ends_ns:
                continue
            if change.kind is ChangeKind.PRECAUTION:
                records += self._end(watched, ChangeState.EXPIRED, now_ns, "its time is over", "")
            else:
                why = f"undecided after {watched.gross.n} comparisons that differed"
                records += self._end(watched, ChangeState.LAPSED, now_ns, why, "")
        return records

    # What a person says.

    def answer(
        self, change: str, admit: bool, who: Actor, reason: str, now_ns: int
    ) -> list[AnyRecord]:
        """Admit or refuse what asks. Raises `CommandRefused` for what does not."""
        asked = self._asked.get(change)
        if asked is None:
            found = self.find(change)
            raise CommandRefused(
                "not_asked", f"{change} does not wait for an answer", f"it is {found.state}"
            )
        if not admit:
            return self._refuse(asked, now_ns, reason or f"by a {who}", who)
        if self._applier(asked.target).current(asked.target) != asked.before:
            self._refuse(asked, now_ns, "what it would replace has moved", who)
            raise CommandRefused(
                "moved", f"{asked.target.text} is no longer {asked.before}", "it will ask again"
            )
        del self._asked[change]
        lasts = int(self._params.get(settings.WATCH_DAYS)) * DAY
        held = self.in_force(asked.target)
        records: list[AnyRecord] = []
        if held is not None:
            records = self._end(held, ChangeState.SUPERSEDED, now_ns, asked.reason, asked.who)
        return records + self._apply(asked, lasts, now_ns, reason or f"admitted by a {who}", who)

    def revert(self, change: str, who: Actor, reason: str, now_ns: int) -> list[AnyRecord]:
        """Take back what is in force. Raises `CommandRefused` for what is not."""
        watched = self._watched.get(change)
        if watched is None:
            found = self.find(change)
            raise CommandRefused(
                "not_in_force", f"{change} is not in force", f"it is {found.state}"
            )
        why = reason or f"by a {who}"
        return self._end(watched, ChangeState.REVERTED, now_ns, why, str(who), who)

    def overruled(self, target: Target, who: Actor, reason: str, now_ns: int) -> list[AnyRecord]:
        """A person has set a target by hand: what was tried or asked there is over.

        It is no verdict and none will follow, since old and new can't be told apart by what is
        no longer in force; the row says how far the comparison had come.
        """
        stands = self._applier(target).current(target)
        # A rule is too long for a sentence.
        became = "" if target.kind is TargetKind.RULE else f" to {_told(stands)}"
        because = f" ({reason})" if reason else ""
        said = f"a {who} set it{became}{because}, which stands"
        held = self.in_force(target)
        if held is not None:
            n = held.gross.n
            found = "kept before" if held.change.state is ChangeState.KEPT else "undecided"
            why = f"{said}; {found} after {n} comparisons that differed"
            return self._end(held, ChangeState.OVERRULED, now_ns, why, str(who), who)
        asking = [asked for asked in self._asked.values() if asked.target == target]
        return [one for asked in asking for one in self._refuse(asked, now_ns, said, who)]

    def freeze(self, target: str, frozen: bool, who: Actor, now_ns: int) -> list[AnyRecord]:
        """Keep learners off a target; what is in force on it stays as it is."""
        if frozen == (target in self.frozen):
            return []
        (self.frozen.add if frozen else self.frozen.discard)(target)
        return [Frozen(time_ns=now_ns, target=target, frozen=frozen, who=who)]

    # Ends.

    def _refuse(self, change: Change, now_ns: int, why: str, who: Actor) -> list[AnyRecord]:
        self._asked.pop(change.id, None)
        self._pause(change.target, now_ns)
        refused = msgspec.structs.replace(
            change, state=ChangeState.REFUSED, ended_ns=now_ns, decided_by=str(who), note=why
        )
        self._remember(refused)
        return [ChangeMoved(time_ns=now_ns, change=refused, why=why, who=who)]

    def _end(
        self,
        watched: Watched,
        state: ChangeState,
        now_ns: int,
        why: str,
        by: str,
        who: Actor = Actor.ENGINE,
    ) -> list[AnyRecord]:
        """Give the old value back, unless somebody has moved it meanwhile."""
        change = watched.change
        del self._watched[change.id]
        applier = self._applier(change.target)
        moved: Iterable[AnyRecord] = ()
        if state is ChangeState.OVERRULED:
            pass
        elif applier.current(change.target) == change.after:
            moved = applier.apply(change.target, change.before, change.id, now_ns)
        else:
            why += "; what was set meanwhile stays"
        ended = msgspec.structs.replace(
            watched.shown(), state=state, ended_ns=now_ns, decided_by=by, note=why
        )
        if state not in UNPAUSED:
            self._pause(change.target, now_ns)
        self._remember(ended)
        told = ChangeMoved(time_ns=now_ns, change=ended, why=why, who=who)
        # Who asked to loosen it asked about what is no more.
        gone = [asked for asked in self._asked.values() if asked.target == change.target]
        said = "what it would replace has ended"
        refused = [r for asked in gone for r in self._refuse(asked, now_ns, said, who)]
        return [told, *moved, *refused]

    def _pause(self, target: Target, now_ns: int) -> None:
        days = int(self._params.get(settings.PAUSE_DAYS))
        self._paused[target.text] = now_ns + days * DAY

    def _remember(self, change: Change) -> None:
        self._ended[change.id] = change
        while len(self._ended) > ENDED_KEPT:
            del self._ended[next(iter(self._ended))]

    def _applier(self, target: Target) -> Applier:
        applier = self._appliers.get(target.kind)
        if applier is None:
            raise CommandRefused("no_applier", f"nothing here can change a {target.kind}")
        return applier

    # Restart.

    def restore(
        self,
        changes: Sequence[Change],
        compared: Iterable[Compared],
        frozen: Iterable[str],
    ) -> None:
        """Take back what the journal says: each change in its last state, in their order."""
        self.frozen = set(frozen)
        self._judged = sum(
            1 for one in changes if one.applied_ns and one.kind is not ChangeKind.PRECAUTION
        )
        kept: dict[str, Change] = {}
        for change in sorted(changes, key=_newest, reverse=True):
            if change.state is ChangeState.ASKED:
                self._asked[change.id] = change
            elif change.state.in_force:
                if change.state is ChangeState.KEPT:
                    # Its differences are gone through again, and fade only from where it was kept.
                    kept[change.id] = change
                    change = msgspec.structs.replace(change, state=ChangeState.APPLIED)
                told = change.shadow
                error = (ALPHA, KEEPING)
                if told is not None and told.below == told.below:
                    error = told.alpha, told.below
                self._watched[change.id] = Watched.begin(change, *error)
            else:
                self._remember(change)
                if change.state not in UNPAUSED:
                    self._pause(change.target, change.ended_ns)
        for row in compared:
            watched = self._watched.get(row.change)
            if watched is None:
                continue
            watched.add(row)
            proven = kept.get(row.change)
            at = proven.shadow.n if proven is not None and proven.shadow is not None else -1
            if proven is not None and watched.gross.n == at:
                watched.change = proven


def _told(value: str) -> str:
    """A JSON value in a sentence."""
    return "unset" if value == "null" else value.strip('"')


def _newest(change: Change) -> tuple[int, int, str]:
    """Sorts the last to end or to be made first."""
    return -max(change.ended_ns, change.made_ns), -change.made_ns, change.id
