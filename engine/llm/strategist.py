"""The strategist: when to speak, who speaks, and that somebody always does.

The model is asked where there is one and where engine time is the wall's; whatever it does
or fails to do, the rules answer the same question within its deadline and a second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from engine.core.clock import MINUTE, SECOND, monotonic_ns
from engine.core.parameters import Parameters
from engine.core.safetext import SafeText
from engine.core.views import LlmView
from engine.llm import rules
from engine.llm.client import OllamaClient
from engine.llm.health import Health
from engine.llm.replies import Ask, Outcome, Reply
from engine.llm.settings import ENTRY_DISTANCE, INTERVAL, LIFETIME, MOST, TIMEOUT
from engine.llm.situation import Draft, Situation

MODEL = "strategist_llm"
"""The name under which the model's entries are traded and counted."""

GRACE_NS = SECOND
"""How long after its deadline a call may still be silent before it is given up from here."""


class Market(Protocol):
    """What the strategist asks of the feed."""

    manual_time: bool

    @property
    def speed(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Spoken:
    """What was said: by whom, and why not by the model where the rules speak.

    `reply` is the model's, also one that failed; None where it was not asked.
    """

    id: str
    drafts: tuple[Draft, ...]
    strategy: str
    speaker: str
    why_rules: str
    reply: Reply | None


class Strategist:
    """Owned by the kernel thread; never waits. `client` is None where no model may be asked.

    `market` tells whether engine time is the wall's. Where it is not, the model isn't asked,
    and the rules speak on the interval's own grid only, so that a recording comes to the
    same wherever it was resumed.
    """

    def __init__(
        self,
        params: Parameters,
        client: OllamaClient | None,
        market: Market,
    ) -> None:
        self._params = params
        self._client = client
        self._market = market
        self._slot: int | None = None
        self._id = ""
        self._give_up_ns = 0
        self._asked_ns = 0
        self._last: Spoken | None = None
        self.health = Health()

    @property
    def waiting(self) -> bool:
        """Whether an answer of the model is waited for."""
        return bool(self._id)

    def due(self, now_ns: int) -> bool:
        """Whether it is time to speak; asking takes the turn."""
        slot = now_ns // (int(self._params.get(INTERVAL)) * MINUTE)
        first = self._slot is None
        if slot == self._slot or self.waiting:
            return False
        self._slot = slot
        return not (first and self._runs_ahead)

    @property
    def _runs_ahead(self) -> bool:
        """Whether waiting for a model would take market time that nobody has."""
        return self._market.manual_time and self._market.speed != 1.0

    @property
    def _why_no_model(self) -> str:
        """Why the model isn't asked at all, or an empty string where it is."""
        if self._client is None:
            return "the model is switched off"
        return "market time runs ahead of any model" if self._runs_ahead else ""

    def speak(self, situation: Situation, id: str) -> Spoken | None:
        """Speak of a situation: the rules at once, or None while the model is asked."""
        params = self._params
        self._asked_ns = situation.time_ns
        if self._client is None or self._runs_ahead:
            return self._rules(situation, id, self._why_no_model, None)
        deadline_s = float(params.get(TIMEOUT))
        ask = Ask(
            id=id,
            situation=situation,
            most=int(params.get(MOST)),
            longest_sec=int(params.get(LIFETIME)),
            reach_pct=float(params.get(ENTRY_DISTANCE)),
            deadline_s=deadline_s,
        )
        if not self._client.ask(ask):
            return self._rules(situation, id, "the model is still busy", None)
        self._id = id
        self._give_up_ns = monotonic_ns() + int(deadline_s * SECOND) + GRACE_NS
        return None

    def look(self, situation: Callable[[], Situation]) -> Spoken | None:
        """What was said since, if anything; the rules speak of the market as it is now."""
        if not self.waiting or self._client is None:
            return None
        reply = self._client.take()
        while reply is not None and reply.id != self._id:
            reply = self._client.take()
        if reply is None:
            if monotonic_ns() < self._give_up_ns:
                return None
            self._client.cancel()
            return self._rules(situation(), self._id, "the model's thread is silent", None)
        self.health.took(reply)
        if reply.outcome is not Outcome.OK:
            return self._rules(situation(), self._id, _why(reply), reply)
        return self._said(Spoken(self._id, reply.drafts, MODEL, self._client.model, "", reply))

    def _rules(self, situation: Situation, id: str, why: str, reply: Reply | None) -> Spoken:
        drafts = rules.speak(situation, self._params)
        return self._said(Spoken(id, drafts, rules.RULES, "rules", why, reply))

    def _said(self, spoken: Spoken) -> Spoken:
        self._id = ""
        self._last = spoken
        return spoken

    def view(self) -> LlmView:
        """The model's health as the screen shows it."""
        client, last = self._client, self._last
        writing = client.partial if client is not None and self.waiting else SafeText()
        if self._why_no_model:
            state, reason = "rules", self._why_no_model
        elif last is None or (self.waiting and not last.why_rules):
            state, reason = ("asking" if self.waiting else "ok"), ""
        else:
            state, reason = ("rules" if last.why_rules else "ok"), last.why_rules
        model = client.model if client is not None else ""
        return self.health.view(state, reason, model, self._asked_ns, str(writing))

    def close(self) -> bool:
        """End the client's thread, with whatever it is doing."""
        return self._client.close() if self._client is not None else True


def _why(reply: Reply) -> str:
    return f"{reply.outcome}: {reply.detail}" if reply.detail else str(reply.outcome)
