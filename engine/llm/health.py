"""How the model is doing, as figures: what failed, how long it takes, whether it still thinks.

A model that answers the same whatever it is asked passes every check of form, so its
answers are counted by what they come to.
"""

from __future__ import annotations

from collections import Counter, deque

from engine.core.clock import MILLISECOND
from engine.core.views import LlmView
from engine.llm.replies import Outcome, Reply

KEPT_LATENCIES = 200
KEPT_ANSWERS = 100
JUDGED_FROM = 50
"""Answers before which nobody can say that they are always the same."""

ONE_ANSWER = 0.95
"""Share of one answer among the last ones from which the model counts as collapsed."""


class Health:
    """Counts replies of one model; owned by the kernel thread."""

    def __init__(self) -> None:
        self.calls = 0
        self.repaired = 0
        self.last: Reply | None = None
        self._ended: Counter[Outcome] = Counter()
        self._latencies: deque[float] = deque(maxlen=KEPT_LATENCIES)
        self._answers: deque[str] = deque(maxlen=KEPT_ANSWERS)

    def took(self, reply: Reply) -> None:
        """One call ended."""
        self.calls += 1
        self.repaired += reply.repaired
        self.last = reply
        self._ended[reply.outcome] += 1
        if not reply.recorded:
            self._latencies.append(reply.latency_ns / MILLISECOND)
        if reply.outcome is Outcome.OK:
            self._answers.append(reply.gist)

    @property
    def collapsed(self) -> bool:
        """Whether nearly all of the last answers are one."""
        if len(self._answers) < JUDGED_FROM:
            return False
        [(_, most)] = Counter(self._answers).most_common(1)
        return most >= ONE_ANSWER * len(self._answers)

    def quantile(self, share: float) -> float:
        """A latency in milliseconds by nearest rank, NaN before the first call."""
        if not self._latencies:
            return float("nan")
        ordered = sorted(self._latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def view(
        self, role: str, state: str, reason: str, model: str, asked_ns: int, writing: str
    ) -> LlmView:
        ended = self._ended
        return LlmView(
            role=role,
            state=state,
            reason=reason,
            model=model,
            model_digest=self.last.digest if self.last is not None else "",
            calls=self.calls,
            answered=ended[Outcome.OK],
            schema_failures=ended[Outcome.SCHEMA],
            truncated=ended[Outcome.TRUNCATED] + ended[Outcome.FLOOD],
            timeouts=ended[Outcome.TIMEOUT],
            failed=sum(ended.values()) - ended[Outcome.OK],
            repaired=self.repaired,
            p50_ms=self.quantile(0.5),
            p95_ms=self.quantile(0.95),
            answers=tuple(Counter(self._answers).most_common(8)),
            collapsed=self.collapsed,
            asked_ns=asked_ns,
            writing=writing,
        )
