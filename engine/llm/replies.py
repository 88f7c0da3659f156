"""What is asked of the model and what can come back: plain values between two threads."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from pydantic import BaseModel

from engine.core.safetext import SafeText


class Role(StrEnum):
    """As what the model is asked; each role has its own schema, deadline and health."""

    STRATEGIST = "strategist"
    ADVISOR = "advisor"
    REFLECTION = "reflection"


class Outcome(StrEnum):
    """How a call ended. With everything but OK there is no answer; the text is the reason shown."""

    OK = "ok"
    NO_SERVER = "no server"
    NO_MODEL = "no model"
    TIMEOUT = "too slow"
    TRUNCATED = "truncated"
    SCHEMA = "no valid answer"
    FLOOD = "flooded"
    HTTP = "server error"
    CANCELLED = "cancelled"

    @property
    def absent(self) -> bool:
        """Whether there is nobody to ask, rather than somebody who failed to answer."""
        return self in (Outcome.NO_SERVER, Outcome.NO_MODEL, Outcome.CANCELLED)


class Flood(Exception):
    """The server sends more than any answer has; the call ends at once."""


class Question(Protocol):
    """What one role asks: who the model is, the closed form of the answer, and the words.

    `form` is the pydantic model that an answer must fit, built for this very question;
    `read` gives what an answer says or in one line what is wrong with it, and never raises;
    `gist` is what an answer comes to, so that equal ones are counted as equal.
    """

    @property
    def role(self) -> Role: ...

    @property
    def subject(self) -> str:
        """What it is about where there may be several: a symbol, or nothing."""
        ...

    @property
    def asked_ns(self) -> int:
        """Engine time of what is told; nothing in the words is later."""
        ...

    @property
    def system(self) -> str: ...

    def form(self) -> type[BaseModel]: ...

    def prompt(self, schema: dict[str, Any]) -> str: ...

    def read(self, text: str, form: type[BaseModel]) -> Any: ...

    def gist(self, answer: Any) -> str: ...


@dataclass(frozen=True, slots=True)
class Ask:
    """One call: what is asked, and how long the answer may take, repair included."""

    id: str
    question: Question
    deadline_s: float


@dataclass(frozen=True, slots=True)
class Reply:
    """How a call ended, with all that screen and journal say about it.

    Texts are SafeText already. `answer` is what the question read out of `text`, None where
    the call failed. `checks` are (what, passed); `latency_ns` is wall time of the whole call,
    of a recorded one the engine time that it took; token counts are the server's, 0 where it
    gave none.
    """

    id: str
    outcome: Outcome
    detail: SafeText
    model: str
    digest: SafeText
    prompt: SafeText
    prompt_sha: str
    text: SafeText
    answer: Any
    gist: str
    checks: tuple[tuple[str, bool], ...]
    done_reason: SafeText
    prompt_tokens: int
    reply_tokens: int
    latency_ns: int
    repaired: bool
    recorded: bool = False

    @property
    def why(self) -> str:
        """Why there is no answer, in a line."""
        return f"{self.outcome}: {self.detail}" if self.detail else str(self.outcome)


class Model(Protocol):
    """Somebody who is asked: a client of a server, or a recording. Never makes anybody wait.

    `ask` begins a call, or is False and `why_not` says why; `take` gives what has come back.
    `recorded` tells that answers come at an engine time, `answer_ns` when the next does (0
    where none is waited for).
    """

    model: str
    partial: SafeText
    why_not: str
    recorded: bool

    @property
    def answer_ns(self) -> int: ...

    def ask(self, ask: Ask) -> bool: ...

    def take(self) -> Reply | None: ...

    def cancel(self) -> None: ...

    def close(self) -> bool: ...
