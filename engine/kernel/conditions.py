"""What strategists want becomes what the sniper watches: asked, checked, armed, journaled.

The model's answer comes back as a message and is held against the market of that moment.
Nothing here waits, and nothing here is in the way of an exit.
"""

from __future__ import annotations

from engine.core.clock import SECOND
from engine.core.records import AnyRecord, ConditionChanged
from engine.core.types import Direction, TradeCondition
from engine.core.views import LlmView
from engine.kernel.calls import Verdicts, keep_call
from engine.kernel.desk import Desk
from engine.kernel.situations import Situations
from engine.learning.patterns import named
from engine.llm.checks import condition_of, refusal
from engine.llm.replies import Role
from engine.llm.rules import RULES
from engine.llm.settings import LIFETIME, MOST, SAME_WITHIN
from engine.llm.situation import Draft, Situation
from engine.llm.strategist import MODEL, Spoken


class Conditions:
    """The kernel's side of the strategist; does nothing where the desk has none."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.situations = Situations(desk)
        self._told: tuple[str, str, Verdicts] | None = None

    def speak_if_due(self) -> None:
        """Begin a turn when its time has come and some market is known. Asked every cycle."""
        desk, strategist = self._desk, self._desk.strategist
        if strategist is None or not strategist.turns(desk.now_ns):
            return
        if any(symbol.ready for symbol in desk.symbols.values()) and strategist.due(desk.now_ns):
            situation = self.situations.now(strategist.line.model is not None)
            spoken = strategist.speak(situation, desk.ids.next("L"))
            if spoken is not None:
                self._take(spoken, situation)

    def look(self) -> None:
        """Take what the model has answered meanwhile. Asked on every turn of the loop."""
        strategist = self._desk.strategist
        if strategist is not None and strategist.waiting:
            spoken = strategist.look(lambda: self.situations.now(False))
            if spoken is not None:
                self._take(spoken, self.situations.now(False))

    @property
    def answer_ns(self) -> int:
        """Engine time at which a recorded answer arrives, 0 where none is waited for."""
        strategist = self._desk.strategist
        return strategist.line.answer_ns if strategist is not None else 0

    def view(self) -> LlmView | None:
        """The model's health, None where no strategist speaks."""
        strategist = self._desk.strategist
        return strategist.view() if strategist is not None else None

    def expire(self) -> None:
        """Journal what waited too long. Asked after the strategist had its turn, so that what
        it says again stays armed."""
        desk = self._desk
        for condition in desk.sniper.expire_due(desk.now_ns):
            desk.record(self._changed(condition, "expired", ""))

    def _take(self, spoken: Spoken, situation: Situation) -> None:
        """Arm what passes, withdraw what isn't said any more, and keep who said what.

        What was armed already and is said again of the same levels stays as it is, for longer;
        where nothing else is said there is nothing to tell. The cursor keeps that it was said:
        what is armed next depends on what is armed now, and a recording goes on at its last one.
        """
        desk = self._desk
        earlier = self._standing()
        changes, verdicts = self._arm(spoken, situation, earlier)
        for condition in earlier:
            desk.sniper.disarm(condition.id)
        withdrawn = [self._changed(c, "withdrawn", "the strategist spoke again") for c in earlier]
        desk.used.said_ns = desk.now_ns
        told = (spoken.speaker, spoken.why_rules, tuple(sorted(verdicts)))
        kept = (desk.cursor(),) if withdrawn or any(id for id, _ in verdicts) else ()
        if spoken.reply is None and not withdrawn and not changes and told == self._told:
            desk.record(*kept)
            return
        self._told = told
        self._keep(spoken, verdicts, *withdrawn, *changes, *kept)

    def _standing(self) -> list[TradeCondition]:
        """What strategists said before and is still valid."""
        desk = self._desk
        return [
            condition
            for condition in desk.sniper.conditions()
            if condition.strategy in (MODEL, RULES) and condition.valid_until_ns >= desk.now_ns
        ]

    def _arm(
        self, spoken: Spoken, situation: Situation, earlier: list[TradeCondition]
    ) -> tuple[list[ConditionChanged], Verdicts]:
        """What was armed anew and what became of each draft; what is kept leaves `earlier`."""
        desk = self._desk
        changes: list[ConditionChanged] = []
        verdicts: list[tuple[str, str]] = []
        for draft in spoken.drafts[: int(desk.params.get(MOST))]:
            state = situation.of(draft.symbol)
            name = _name(draft.direction, draft.symbol, draft.entry)
            why = refusal(draft, state, desk.params)
            why = why or desk.memory.patterns.refusal(named(draft.pattern))
            if why or state is None:
                verdicts.append(("", f"{name} refused: {why}"))
                continue
            within = float(desk.params.get(SAME_WITHIN, draft.symbol))
            same = next((c for c in earlier if _same(c, draft, spoken.strategy, within)), None)
            if same is not None:
                earlier.remove(same)
                valid_sec = min(draft.valid_sec, int(desk.params.get(LIFETIME)))
                desk.sniper.extend(same.id, desk.now_ns + valid_sec * SECOND)
                verdicts.append((same.id, _armed(same)))
                continue
            condition = condition_of(
                draft, state, desk.params, desk.ids.next("TC"), desk.now_ns, spoken.strategy
            )
            why = desk.sniper.arm(condition, state.price, desk.now_ns)
            if why:
                verdicts.append(("", f"{name} refused: {why}"))
                continue
            changes.append(self._changed(condition, "armed", f"by {spoken.speaker}"))
            verdicts.append((condition.id, _armed(condition)))
        return changes, tuple(verdicts)

    def _changed(self, condition: TradeCondition, state: str, why: str) -> ConditionChanged:
        return ConditionChanged(
            time_ns=self._desk.now_ns, condition=condition, state=state, why=why
        )

    def _keep(self, spoken: Spoken, verdicts: Verdicts, *records: AnyRecord) -> None:
        keep_call(
            self._desk,
            Role.STRATEGIST,
            spoken.id,
            spoken.asked_ns,
            spoken.reply,
            verdicts,
            *records,
            speaker=spoken.speaker,
            why_rules=spoken.why_rules,
        )


def _name(direction: Direction, symbol: str, entry: float) -> str:
    return f"{direction} {symbol} at {entry:.8g}"


def _armed(condition: TradeCondition) -> str:
    name = _name(condition.direction, condition.symbol, condition.trigger)
    return f"{name} armed: {condition.reasoning}"


def _same(condition: TradeCondition, draft: Draft, strategy: str, within: float) -> bool:
    """Whether a draft says what this condition says already, of the same levels.

    Each of its prices lies within that share of what the condition risks; the average range
    moves them a little with every bar while the level stands where it stood. What a model
    gives as its reason is part of what it says, while the rules' reason names the moment.
    """
    prices = (condition.trigger, condition.stop, *condition.targets)
    drafted = (draft.entry, draft.stop, *draft.targets)
    near = within * abs(condition.trigger - condition.stop)
    return (
        condition.symbol == draft.symbol
        and condition.direction is draft.direction
        and condition.strategy == strategy
        and condition.pattern == draft.pattern
        and len(prices) == len(drafted)
        and all(abs(now - then) <= near for now, then in zip(drafted, prices, strict=True))
        and (strategy == RULES or condition.reasoning == draft.reasoning)
    )
