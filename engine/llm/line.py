"""A role's line to the model: one question at a time, and every question has an end."""

from __future__ import annotations

from engine.core.clock import SECOND, monotonic_ns
from engine.core.safetext import SafeText
from engine.core.views import LlmView
from engine.llm.health import Health
from engine.llm.replies import Ask, Model, Outcome, Reply, Role

GRACE_NS = SECOND
"""How long after its deadline a call may still be silent before it is given up from here."""


class Line:
    """Asks a `Model` in one role and counts how it does. Owned by the kernel thread.

    `model` is None where nobody may be asked.
    """

    def __init__(self, role: Role, model: Model | None) -> None:
        self.role = role
        self.model = model
        self.health = Health()
        self._ask: Ask | None = None
        self._give_up_ns = 0
        self._asked_ns = 0

    @property
    def waiting(self) -> bool:
        """Whether an answer is waited for."""
        return self._ask is not None

    @property
    def answer_ns(self) -> int:
        """Engine time at which a recorded answer arrives, 0 where none is waited for."""
        return self.model.answer_ns if self.model is not None and self.waiting else 0

    def ask(self, ask: Ask) -> str:
        """Begin a call; returns why there is none, or an empty string."""
        model = self.model
        if model is None:
            return "the model is switched off"
        if not model.ask(ask):
            return model.why_not
        self._ask = ask
        self._asked_ns = ask.question.asked_ns
        self._give_up_ns = monotonic_ns() + int(ask.deadline_s * SECOND) + GRACE_NS
        return ""

    def look(self) -> Reply | None:
        """The reply, once it is there or has been given up."""
        ask, model = self._ask, self.model
        if ask is None or model is None:
            return None
        reply = model.take()
        while reply is not None and reply.id != ask.id:
            reply = model.take()
        if reply is None:
            if model.recorded or monotonic_ns() < self._give_up_ns:
                return None
            model.cancel()
            reply = _silent(ask, model.model)
        self._ask = None
        self.health.took(reply)
        return reply

    def drop(self) -> None:
        """Nobody waits for the answer any more."""
        if self._ask is not None and self.model is not None:
            self._ask = None
            self.model.cancel()

    def view(self, state: str, reason: str) -> LlmView:
        """The line's health as the screen shows it."""
        model = self.model
        writing = model.partial if model is not None and self.waiting else SafeText()
        name = model.model if model is not None else ""
        return self.health.view(self.role, state, reason, name, self._asked_ns, str(writing))

    def close(self) -> bool:
        """End the client's thread, with whatever it is doing."""
        return self.model.close() if self.model is not None else True


def _silent(ask: Ask, model: str) -> Reply:
    """The reply of a thread that did not even say that it was too slow."""
    return Reply(
        id=ask.id, outcome=Outcome.TIMEOUT, detail=SafeText("the model's thread is silent"),
        model=model, digest=SafeText(), prompt=SafeText(), prompt_sha="", text=SafeText(),
        answer=None, gist="", checks=(), done_reason=SafeText(), prompt_tokens=0, reply_tokens=0,
        latency_ns=int(ask.deadline_s * SECOND) + GRACE_NS, repaired=False,
    )  # fmt: skip
