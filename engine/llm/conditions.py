"""The strategist's question: where would a trade begin, be wrong, and have earned?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from engine.llm import prompt
from engine.llm.replies import Role
from engine.llm.schemas import answer_model, parse
from engine.llm.situation import Draft, Situation


@dataclass(frozen=True, slots=True)
class ConditionsQuestion:
    """Asks for at most `most` conditions of at most `longest_sec`; `reach_pct` is told."""

    situation: Situation
    most: int
    longest_sec: int
    reach_pct: float

    @property
    def role(self) -> Role:
        return Role.STRATEGIST

    @property
    def subject(self) -> str:
        return ""

    @property
    def asked_ns(self) -> int:
        return self.situation.time_ns

    @property
    def system(self) -> str:
        return prompt.SYSTEM

    def form(self) -> type[BaseModel]:
        return answer_model(self.situation, self.most, self.longest_sec)

    def prompt(self, schema: dict[str, Any]) -> str:
        return prompt.prompt_of(self.situation, schema, self.most, self.reach_pct)

    def read(self, text: str, form: type[BaseModel]) -> tuple[Draft, ...] | str:
        return parse(text, form)

    def gist(self, answer: tuple[Draft, ...]) -> str:
        """Which symbols and directions, or that nothing is worth it."""
        named = sorted({f"{draft.direction} {draft.symbol}" for draft in answer})
        return ", ".join(named) or "nothing"
