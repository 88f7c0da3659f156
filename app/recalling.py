"""Keys of the time machine: step through the journal's decisions, and make one again.

The journal is read in a thread of its own, since a decision's story is many look-ups; the
screen shows what it has until the next one is there.
"""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from engine.core.errors import QuarterdeckError
from engine.core.types import Action, Decision
from widgets.machine import MachinePanel, Part, Told

if TYPE_CHECKING:
    from app.app import QuarterdeckApp
    from app.machine import Remade, Story

STEPS = {"older": -1, "newer": 1}


class Recalling:
    """What the time machine shows, and the thread that reads for it."""

    def __init__(self, deck: QuarterdeckApp) -> None:
        self.deck = deck
        self.told: Told | None = None
        self.busy = ""
        self._followed = ""
        self._moved: str | None = None
        self._stepped = False
        self._wanted: tuple[str, str] | None = None
        self._ids: list[str] = []

    def follow(self, panel: MachinePanel, chosen: Decision | None, moved: str | None) -> None:
        """Show what was read; read what the list is on.

        Of its own accord that is the newest decision, then the newest at which a strategy spoke,
        until somebody steps; then it is only what a person puts the list's cursor on (`moved`).
        """
        by_hand = moved is not None and moved != self._moved
        self._moved = moved
        if by_hand:
            self._stepped = False
        if chosen is not None and chosen.id != self._followed and not self._stepped:
            spoke = any(signal.action is not Action.HOLD for signal in chosen.signals)
            if by_hand or spoke or self.told is None:
                self._followed = chosen.id
                self._ask(chosen.id, "")
        panel.show_story(self.told, self.busy)

    def do_recall(self, way: str) -> None:
        """The decision before or after the one that is shown, in the whole journal."""
        self._stepped = True
        self._ask(self.told.id if self.told is not None else "", way)

    def do_again(self, _argument: str) -> None:
        """Make the decision that is shown again."""
        if self.told is None:
            self.deck.say("no decision is chosen to be made again", "warn")
            return
        self._stepped = True
        self._ask(self.told.id, "again")

    def _ask(self, name: str, what: str) -> None:
        snapshot = self.deck.snapshot
        if snapshot is None:
            return
        idle = self._wanted is None
        self._wanted = (name, what)
        self.busy = "making it again …" if what == "again" else "reading …"
        if idle:
            path = Path(snapshot.run.journal)
            Thread(target=self._read, args=(path,), name="qd-recall", daemon=True).start()

    def _read(self, path: Path) -> None:
        """Answer the newest question; one that came meanwhile is answered next."""
        while (wanted := self._wanted) is not None:
            trouble = ""
            told: Told | None = None
            try:
                told = recall(path, *wanted)
            except (QuarterdeckError, OSError) as error:
                trouble = str(error)
            if self._wanted is wanted:
                self._wanted = None
            with suppress(RuntimeError):  # the screen may have gone meanwhile
                if self.deck.is_running:
                    self.deck.call_from_thread(self._show, told, trouble)

    def _show(self, told: Told | None, trouble: str) -> None:
        if told is not None:
            self.told = told
        elif not trouble:
            self.deck.say("there is no decision beyond this one", "note")
        if self._wanted is None:
            self.busy = trouble
        screen = self.deck.base_screen()
        panel = screen.panels.get("machine") if screen is not None else None
        if isinstance(panel, MachinePanel):
            panel.show_story(self.told, self.busy)


def recall(path: Path, name: str, what: str) -> Told | None:
    """A decision of a journal as the panel tells it; None where there is none.

    `what` is `older` or `newer` for the next one that way, `again` to make it again.
    Raises `JournalError`.
    """
    from app.machine import machine_of

    reader, machine = machine_of(path)
    with reader:
        ids = machine.ids
        wanted = name
        if what in STEPS:
            at = ids.index(name) + STEPS[what] if name in ids else len(ids) - 1
            if not 0 <= at < len(ids):
                return None
            wanted = ids[at]
        story = machine.story(wanted)
        if story is None:
            return _unkept(wanted, len(ids)) if wanted else None
        return told_of(story, machine.again(story) if what == "again" else None)


def _unkept(name: str, total: int) -> Told:
    text = "it is not in the journal: an older version kept none at which nobody spoke"
    return Told(name, f"{name} is not kept", 0, total, (Part("Inputs", (), ((text, "muted"),)),))


def told_of(story: Story, remade: Remade | None) -> Told:
    """A story as parts of facts and sentences."""
    from engine.core.clock import iso

    decided = story.decision
    headline = (
        f"{decided.id}  {iso(decided.time_ns)[:16].replace('T', ' ')}  {decided.symbol}  "
        f"{decided.action.value} {decided.confidence:.0%}"
    )
    if story.digest:
        headline += "  nobody spoke"
    parts = [
        *_again(remade),
        *_kept(story),
        *_outcome(story),
        *_inputs(story),
        *_entry(story),
        *_model(story),
    ]
    verdict = remade.verdict if remade is not None else ""
    return Told(decided.id, headline, story.place, story.total, tuple(parts), verdict)


def _again(remade: Remade | None) -> list[Part]:
    if remade is None:
        return []
    rows = [(f"{one.what}: then {one.then}, now {one.now}", "danger") for one in remade.differences]
    reasons = [(text, "warn") for text in remade.why]
    same = [("every value comes out as it was", "gain")] if remade.verdict == "same" else []
    return [Part("Made again", (), (*same, *reasons, *rows))]


def _kept(story: Story) -> list[Part]:
    if not story.digest:
        return []
    said = (
        ("recorded: its inputs and a digest of the decision", "soft"),
        ("made again from them: votes, signals and the decision above", "soft"),
    )
    return [Part("Nobody spoke", (), said)]


def _outcome(story: Story) -> list[Part]:
    from app.scrubbing import outcome

    return [Part("Outcome", (), tuple((text, "soft") for text in outcome(story)))]


def _inputs(story: Story) -> list[Part]:
    given = story.decide
    if given is None:
        text = story.unread or "what it was made from is not in the journal"
        return [Part("Inputs", (), ((text, "muted"),))]
    bar, regime, costs = given.bar, given.regime, given.costs
    facts = [(name, f"{getattr(bar, name):.8g}") for name in ("open", "high", "low", "close")]
    facts += [("volume", f"{bar.volume:.6g}"), ("held", str(given.holding or "nothing"))]
    if regime is not None:
        facts.append(("regime", f"{regime.label} {regime.confidence:.0%}"))
    if given.quote is not None:
        facts.append(("quote", f"{given.quote.bid:.8g} / {given.quote.ask:.8g}"))
    if costs is not None:
        facts.append(("costs", f"{costs.total_bps:.1f} bp"))
    for name, (of_all, _) in given.tallies.items():
        facts.append((f"{name} trades", str(of_all.n) if of_all is not None else "0"))
    row = tuple((name, f"{value:.6g}") for name, value in story.features.items())
    version = (f"version {story.code or 'unknown'}, parameters {given.parameters}", "muted")
    return [Part("Inputs", tuple(facts), (version,)), Part(f"{len(row)} features", row)]


def _entry(story: Story) -> list[Part]:
    parts: list[Part] = []
    given: Any = story.appraise
    if given is not None:
        account = given.gates.account
        names = ("equity", "cash", "open_positions", "trades_today", "opened_risk")
        facts = [(one.replace("_", " "), f"{getattr(account, one):.8g}") for one in names]
        if given.size is not None and math.isfinite(given.size["daily_vol_pct"]):
            facts.append(("daily volatility", f"{given.size['daily_vol_pct']:.2f} %"))
        parts.append(Part("Account", tuple(facts)))
    proposal, denial = story.proposal, story.denial
    if proposal is not None and proposal.factors:
        steps = tuple(
            (one.name, f"×{one.value:.4g} = {one.result:.4g}") for one in proposal.factors
        )
        parts.append(Part("Size", steps))
    gates = proposal.gates if proposal is not None else (denial.gate,) if denial else ()
    if gates:
        told = tuple(
            (f"{'✓' if one.passed else '✕'} {one.name}", f"{one.value:.5g} of {one.threshold:.5g}")
            for one in gates
        )
        parts.append(Part("Gates", told))
    return parts


def _model(story: Story) -> list[Part]:
    call = story.call
    if call is None:
        return []
    asked = story.prompt or "no prompt: the rules spoke"
    return [
        Part(f"Asked of {call.speaker} ({call.id})", (), ((asked, "soft"),)),
        Part("Answered", (), ((call.reply or "nothing", "soft"),)),
    ]
