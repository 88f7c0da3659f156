"""The strategist: when to speak, who speaks, and that somebody always does.

The model is asked where there is one; whatever it does or fails to do, the rules answer the
same question within its deadline and a second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.core.clock import MINUTE
from engine.core.parameters import Parameters
from engine.core.views import LlmView
from engine.llm import rules
from engine.llm.conditions import ConditionsQuestion
from engine.llm.line import Line
from engine.llm.replies import Ask, Model, Outcome, Reply, Role
from engine.llm.settings import ENTRY_DISTANCE, INTERVAL, LIFETIME, MOST, TIMEOUT
from engine.llm.situation import Draft, Situation

MODEL = "strategist_llm"
"""The name under which the model's entries are traded and counted."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What was said: by whom, and why not by the model where the rules speak.

    `reply` is the model's, also one that failed; None where it was not asked.
    """

    id: str
    asked_ns: int
    drafts: tuple[Draft, ...]
    strategy: str
    speaker: str
    why_rules: str
    reply: Reply | None


class Strategist:
    """Owned by the kernel thread; never waits. `model` is None where none may be asked, and
    `why_no_model` says why.

    With `on_grid` it speaks on the interval's own grid only, so that a recording comes to the
    same wherever it was resumed; otherwise also as soon as a market is known.
    """

    def __init__(
        self, params: Parameters, model: Model | None, why_no_model: str = "", *, on_grid: bool
    ) -> None:
        self._params = params
        self._on_grid = on_grid
        self._why_no_model = why_no_model
        self.line = Line(Role.STRATEGIST, model)
        self._slot: int | None = None
        self._asked: tuple[str, int] = ("", 0)
        self._last: Spoken | None = None

    @property
    def waiting(self) -> bool:
        """Whether an answer of the model is waited for."""
        return self.line.waiting

    def resume(self, said_ns: int) -> None:
        """Go on after a restart: the turn in which it last spoke is taken."""
        self._slot = self._slot_of(said_ns) if said_ns else None

    def _slot_of(self, now_ns: int) -> int:
        return now_ns // (int(self._params.get(INTERVAL)) * MINUTE)

    def turns(self, now_ns: int) -> bool:
        """Whether a new turn may have come since the last one; asking takes nothing."""
        return self._slot_of(now_ns) != self._slot

    def due(self, now_ns: int) -> bool:
        """Whether it is time to speak; asking takes the turn."""
        slot = self._slot_of(now_ns)
        first = self._slot is None
        if slot == self._slot or self.waiting:
            return False
        self._slot = slot
        return not (first and self._on_grid)

    def speak(self, situation: Situation, id: str) -> Spoken | None:
        """Speak of a situation: the rules at once, or None while the model is asked."""
        params = self._params
        self._asked = (id, situation.time_ns)
        if self.line.model is None:
            return self._rules(situation, self._why_no_model, None)
        question = ConditionsQuestion(
            situation=situation,
            most=int(params.get(MOST)),
            longest_sec=int(params.get(LIFETIME)),
            reach_pct=float(params.get(ENTRY_DISTANCE)),
        )
        why = self.line.ask(Ask(id, question, float(params.get(TIMEOUT))))
        return self._rules(situation, why, None) if why else None

    def look(self, situation: Callable[[], Situation]) -> Spoken | None:
        """What was said since, if anything; the rules speak of the market as it is now."""
        reply = self.line.look()
        if reply is None:
            return None
        if reply.outcome is not Outcome.OK:
            return self._rules(situation(), reply.why, reply)
        return self._said(Spoken(*self._asked, reply.answer, MODEL, reply.model, "", reply))

    def _rules(self, situation: Situation, why: str, reply: Reply | None) -> Spoken:
        drafts = rules.speak(situation, self._params)
        return self._said(Spoken(*self._asked, drafts, rules.RULES, "rules", why, reply))

    def _said(self, spoken: Spoken) -> Spoken:
        self._last = spoken
        return spoken

    def view(self) -> LlmView:
        """The model's health as the screen shows it."""
        last, waiting = self._last, self.waiting
        if self.line.model is None:
            state, reason = "rules", self._why_no_model
        elif last is None or (waiting and not last.why_rules):
            state, reason = ("asking" if waiting else "ok"), ""
        else:
            state, reason = ("rules" if last.why_rules else "ok"), last.why_rules
        return self.line.view(state, reason)

    def close(self) -> bool:
        """End the client's thread, with whatever it is doing."""
        return self.line.close()
