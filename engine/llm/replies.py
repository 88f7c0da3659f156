"""What is asked of the model and what can come back: plain values between two threads."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from engine.core.safetext import SafeText
from engine.llm.situation import Draft, Situation


class Outcome(StrEnum):
    """How a call ended. Everything but OK makes the rules speak; the text is the reason shown."""

    OK = "ok"
    NO_SERVER = "no server"
    NO_MODEL = "no model"
    TIMEOUT = "too slow"
    TRUNCATED = "truncated"
    SCHEMA = "no valid answer"
    FLOOD = "flooded"
    HTTP = "server error"
    CANCELLED = "cancelled"


class Flood(Exception):
    """The server sends more than any answer has; the call ends at once."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One call: the situation, what an answer may hold, and how long it may take.

    `most` conditions of at most `longest_sec`; `reach_pct` is told to the model;
    `deadline_s` covers everything, repair included.
    """

    id: str
    situation: Situation
    most: int
    longest_sec: int
    reach_pct: float
    deadline_s: float


@dataclass(frozen=True, slots=True)
class Reply:
    """How a call ended, with all that screen and journal say about it.

    Texts are SafeText already. `checks` are (what, passed); `latency_ns` is wall time of the
    whole call; token counts are the server's, 0 where it gave none.
    """

    id: str
    outcome: Outcome
    detail: SafeText
    model: str
    digest: SafeText
    prompt: SafeText
    prompt_sha: str
    text: SafeText
    drafts: tuple[Draft, ...]
    checks: tuple[tuple[str, bool], ...]
    done_reason: SafeText
    prompt_tokens: int
    reply_tokens: int
    latency_ns: int
    repaired: bool
