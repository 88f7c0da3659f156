"""The closed form of an answer, built for each call from what may be named in it.

A model chooses among symbols that are followed and directions that can be traded; there is
no field for a size or a limit, and an answer with one more field than these is no answer.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from engine.core.safetext import SafeText
from engine.core.types import Direction
from engine.llm.checks import MOST_TARGETS
from engine.llm.situation import Draft, Situation

LONGEST_REASON = 600
LONGEST_PATTERN = 60

Price = Annotated[float, Field(gt=0, lt=1e12, allow_inf_nan=False)]


class Closed(BaseModel):
    """A form that takes no field beside its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def answer_model(situation: Situation, most: int, longest_sec: int) -> type[BaseModel]:
    """The pydantic model of an answer to this situation: its JSON schema and its check.

    SHORT is in it as soon as one symbol can be sold short; that the others can't is told in the
    prompt and held afterwards, because a schema of pairs is beyond many a model.
    """
    shorts = any(state.can_short for state in situation.symbols)
    symbol: Any = Literal[tuple(state.symbol for state in situation.symbols)]
    direction: Any = Literal["LONG", "SHORT"] if shorts else Literal["LONG"]
    condition = create_model(
        "Condition",
        __base__=Closed,
        symbol=(symbol, ...),
        direction=(direction, ...),
        entry=(Price, ...),
        stop=(Price, ...),
        targets=(Annotated[list[Price], Field(min_length=1, max_length=MOST_TARGETS)], ...),
        valid_sec=(Annotated[int, Field(ge=1, le=longest_sec)], ...),
        reasoning=(Annotated[str, Field(min_length=1, max_length=LONGEST_REASON)], ...),
        pattern=(Annotated[str, Field(max_length=LONGEST_PATTERN)], ...),
    )
    listed: Any = Annotated[list[condition], Field(max_length=most)]
    return create_model("Answer", __base__=Closed, conditions=(listed, ...))


def read(text: str, form: type[BaseModel]) -> Any:
    """An answer in its form, or in one line what is wrong with it. Never raises."""
    try:
        return form.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return SafeText(f"{where}: {first['msg']}" if where else first["msg"]).line(200)
    except (ValueError, RecursionError) as error:
        return SafeText(f"{type(error).__name__}: {error}").line(200)


def parse(text: str, model: type[BaseModel]) -> tuple[Draft, ...] | str:
    """The drafts of an answer, or in one line what is wrong with it. Never raises."""
    answer = read(text, model)
    if isinstance(answer, str):
        return answer
    conditions: list[Any] = answer.conditions
    return tuple(
        Draft(
            symbol=one.symbol,
            direction=Direction(one.direction),
            entry=one.entry,
            stop=one.stop,
            targets=tuple(one.targets),
            valid_sec=one.valid_sec,
            reasoning=str(SafeText(one.reasoning).line(LONGEST_REASON)),
            pattern=str(SafeText(one.pattern).line(LONGEST_PATTERN)),
        )
        for one in conditions
    )
