"""Reflection: closed trades thought over at length, hourly or when enough have come.

Arithmetic speaks first and always; a model is asked where there is one, and what it finds is
kept beside. A finding may ask for caution, which goes to the change ledger as a precaution
with the figures of our own trades as evidence, and only where these are against it too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

import msgspec

from engine.core.clock import HOUR, MINUTE
from engine.core.learning import (
    NAN,
    ChangeKind,
    Evidence,
    Insight,
    Lean,
    Rule,
    RuleAction,
    Suggestion,
    Target,
    TargetKind,
)
from engine.core.lived import JournalEntry
from engine.core.views import LlmView
from engine.kernel.calls import Verdicts, keep_call
from engine.kernel.desk import Desk
from engine.kernel.situations import Situations
from engine.learning.looking import group_evidence, look
from engine.llm.line import Line
from engine.llm.reflection import HOURS, Finding, ReflectionQuestion, TradeTold
from engine.llm.replies import Ask, Outcome, Reply, Role
from engine.llm.settings import CAUTION_HOURS, REFLECT_AFTER, REFLECT_EVERY, REFLECT_TIMEOUT

KEPT = 200
"""Closed trades that are thought over, the newest."""

SUPPORT = 3
"""Own trades without which a proposal of caution has no figures."""


class Reflecting:
    """Owned by the kernel thread; never waits.

    `found` takes insights, `suggest` what should follow from them.
    """

    def __init__(
        self,
        desk: Desk,
        situations: Situations,
        found: Callable[[Insight], None],
        suggest: Callable[[Iterable[Suggestion]], None],
    ) -> None:
        self._desk = desk
        self._situations = situations
        self._found = found
        self._suggest = suggest
        self._entries: deque[JournalEntry] = deque(maxlen=KEPT)
        self._since = 0
        self._asked: tuple[str, ReflectionQuestion] | None = None

    def taught(self, entry: JournalEntry) -> None:
        """A trade closed and is journaled."""
        self._entries.append(entry)
        self._since += 1

    def restore(self, entries: Iterable[JournalEntry]) -> None:
        """The same trades after a restart; asked once the desk knows when it last reflected."""
        self._entries.extend(entries)
        last = self._desk.used.reflected_ns
        self._since = sum(one.closed.trade.closed_ns > last for one in self._entries)

    @property
    def _line(self) -> Line | None:
        line = self._desk.reflector
        return line if line is not None and line.model is not None else None

    @property
    def answer_ns(self) -> int:
        """Engine time at which a recorded answer arrives, 0 where none is waited for."""
        return self._line.answer_ns if self._line is not None else 0

    def reflect_if_due(self) -> None:
        """Think over what closed since the last time, when it is time. Asked every cycle."""
        if not self._since:
            return
        desk = self._desk
        last = desk.used.reflected_ns
        every = int(desk.params.get(REFLECT_EVERY)) * MINUTE
        enough = self._since >= int(desk.params.get(REFLECT_AFTER))
        if enough or (desk.now_ns // every != last // every and last):
            self._reflect()
        elif not last:
            desk.used.reflected_ns = self._entries[0].closed.trade.closed_ns - 1

    def _reflect(self) -> None:
        desk, now_ns = self._desk, self._desk.now_ns
        desk.used.reflected_ns = now_ns
        self._since = 0
        knowledge = self._situations.knowledge()
        known = knowledge.insights if knowledge is not None else ()
        insights = look(self._entries, known, now_ns, lambda: desk.ids.next("I"))
        for insight in insights:
            self._found(insight)
        line = self._line
        if line is None or line.waiting:
            return
        question = ReflectionQuestion(
            now_ns=now_ns,
            trades=tuple(map(_told, self._entries)),
            statistics=tuple(insight.text for insight in insights),
            knowledge=knowledge,
            symbols=tuple(desk.symbols),
            patterns=tuple(sorted({one.context.pattern for one in self._entries})),
        )
        id = desk.ids.next("L")
        if not line.ask(Ask(id, question, float(desk.params.get(REFLECT_TIMEOUT)))):
            self._asked = (id, question)

    def look(self) -> None:
        """Take what the model has found. Asked on every turn of the loop."""
        line, asked = self._line, self._asked
        if line is None or asked is None:
            return
        reply = line.look()
        if reply is not None:
            self._asked = None
            self._heard(*asked, reply)

    def _heard(self, id: str, question: ReflectionQuestion, reply: Reply) -> None:
        findings: tuple[Finding, ...] = reply.answer if reply.outcome is Outcome.OK else ()
        verdicts = tuple(self._take(finding, reply.model) for finding in findings)
        keep_call(self._desk, Role.REFLECTION, id, question.asked_ns, reply, _plain(verdicts))
        for insight, suggestion, _ in verdicts:
            self._found(insight)
            if suggestion is not None:
                self._suggest([suggestion])

    def _take(self, finding: Finding, model: str) -> tuple[Insight, Suggestion | None, str]:
        """A finding as an insight of now, what it asks for, and what becomes of that."""
        desk = self._desk
        insight = Insight(
            id=desk.ids.next("I"),
            known_ns=desk.now_ns,
            source=model,
            kind=finding.kind,
            text=finding.text,
            symbols=finding.symbols,
            pattern=finding.pattern,
        )
        if not finding.caution:
            return insight, None, ""
        evidence = self._support(finding.caution)
        if evidence is None:
            return insight, None, f"caution {finding.caution} not proposed: our trades differ"
        insight = msgspec.structs.replace(insight, evidence=evidence)
        return insight, self._caution(finding, evidence, model), f"caution {finding.caution}"

    def _support(self, caution: str) -> Evidence | None:
        """What our own trades say against it; None where they don't."""
        family = "hours" if caution in HOURS else "coin"
        evidence = group_evidence(self._entries, family, caution)
        if evidence is None or evidence.n < SUPPORT or not evidence.mean < 0:
            return None
        # A precaution rests on thin evidence: whatever the interval, it is no bound here.
        return msgspec.structs.replace(evidence, low=NAN, high=NAN, alpha=NAN, bound=False)

    def _caution(self, finding: Finding, evidence: Evidence, model: str) -> Suggestion:
        desk, caution = self._desk, finding.caution
        hours = _hours(caution) if caution in HOURS else ()
        name = f"caution {caution}"
        rule = Rule(
            id=name,
            description=finding.text,
            action=RuleAction.CAUTION,
            hours=hours,
            symbol="" if hours else caution,
            made_by=model,
            created_ns=desk.now_ns,
        )
        return Suggestion(
            target=Target(kind=TargetKind.RULE, name=name),
            after=msgspec.json.encode(rule).decode(),
            kind=ChangeKind.PRECAUTION,
            lean=Lean.TIGHTENS,
            who=f"reflection ({model})",
            reason=finding.text,
            evidence=evidence,
            lasts_ns=int(desk.params.get(CAUTION_HOURS)) * HOUR,
        )

    def view(self) -> LlmView | None:
        """Reflection's health, None where no model is asked."""
        line = self._line
        if line is None:
            return None
        last = line.health.last
        failed = last is not None and last.outcome is not Outcome.OK
        state = "asking" if line.waiting else ("absent" if failed else "ok")
        return line.view(state, last.why if failed and last is not None else "")


def _plain(verdicts: Iterable[tuple[Insight, Suggestion | None, str]]) -> Verdicts:
    return tuple(
        (insight.id, f"{insight.kind}: {insight.text}{f' ({what})' if what else ''}")
        for insight, _, what in verdicts
    )


def _hours(block: str) -> tuple[int, ...]:
    first, last = map(int, block.split("-"))
    return tuple(range(first, last + 1))


def _told(entry: JournalEntry) -> TradeTold:
    trade, context = entry.closed.trade, entry.context
    return TradeTold(
        closed_ns=trade.closed_ns,
        symbol=trade.symbol,
        direction=str(trade.direction),
        strategy=trade.strategy,
        pattern=context.pattern,
        regime=context.regime,
        hour=context.hour,
        r=entry.closed.gross_r,
        net_pct=trade.pnl_pct,
        held_min=(trade.closed_ns - trade.opened_ns) / MINUTE,
        exit=trade.exit_reason,
        best_pct=trade.mfe_pct,
        worst_pct=trade.mae_pct,
    )
