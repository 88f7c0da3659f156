"""A model whose answers were recorded: it says again what it said, when it said it.

In a replay nobody waits for wall time. A question is answered by the row of the recording
that was asked at the same engine time in the same role about the same subject, and the answer
arrives at the engine time at which it had arrived. It passes the same closed form again, built
for the question of now; a row that was recorded for other words is used and marked as such,
because a replay with another parameter asks in other words nearly every time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from engine.core.clock import MINUTE
from engine.core.errors import ConfigError
from engine.core.records import LlmCalled
from engine.core.safetext import SafeText
from engine.llm.prompt import digest_of
from engine.llm.replies import Ask, Outcome, Reply

NEAR_NS = MINUTE
"""How far apart a question and a row may have been asked: a live engine's cycle is not a
replay's to the second."""

PROMPT_CHECK = "same prompt"

LONGEST_ROW = 1_000_000
"""Characters of one line; longer ones are no recording of ours."""


class RecordedModel:
    """Answers from rows of `LlmCalled`. Owned by the kernel thread; `now` is engine time."""

    def __init__(self, rows: Iterable[LlmCalled], now: Callable[[], int]) -> None:
        self._now = now
        self._rows: dict[tuple[str, str], list[LlmCalled]] = {}
        for row in sorted(rows, key=lambda row: row.asked_ns):
            if row.model:
                self._rows.setdefault((row.role, row.subject), []).append(row)
        named = {row.model: None for rows in self._rows.values() for row in rows}
        self.model = str(SafeText(", ".join(named)).line(60)) or "nobody"
        self.partial = SafeText()
        self.why_not = ""
        self.recorded = True
        self._waiting: tuple[Ask, LlmCalled] | None = None

    @property
    def answer_ns(self) -> int:
        """When the answer that is waited for arrives, 0 where none is."""
        return self._waiting[1].time_ns if self._waiting is not None else 0

    def ask(self, ask: Ask) -> bool:
        """Look for the row; False where nothing was recorded near this time."""
        row = self._find(ask)
        if row is None:
            self.why_not = "no recorded reply"
            return False
        self._waiting = (ask, row)
        return True

    def _find(self, ask: Ask) -> LlmCalled | None:
        question = ask.question
        rows = self._rows.get((question.role, question.subject), [])
        at = bisect_left(rows, question.asked_ns, key=lambda row: row.asked_ns)
        near = rows[max(0, at - 1) : at + 1]
        near = [row for row in near if abs(row.asked_ns - question.asked_ns) < NEAR_NS]
        return min(near, key=lambda row: abs(row.asked_ns - question.asked_ns), default=None)

    def take(self) -> Reply | None:
        """The recorded reply, once engine time has reached it."""
        if self._waiting is None or self._now() < self.answer_ns:
            return None
        ask, row = self._waiting
        self._waiting = None
        return _reply(ask, row)

    def cancel(self) -> None:
        self._waiting = None

    def close(self) -> bool:
        return True


def _reply(ask: Ask, row: LlmCalled) -> Reply:
    """The row as the reply to this question: read again, by the form of now."""
    question = ask.question
    form = question.form()
    prompt = question.prompt(form.model_json_schema())
    sha = digest_of(question.system, prompt)
    outcome, detail = _ended(row)
    answer, checks = None, [(PROMPT_CHECK, sha == row.prompt_sha)]
    if outcome is Outcome.OK:
        answer = question.read(row.reply, form)
        checks.append(("schema", not isinstance(answer, str)))
        if isinstance(answer, str):
            outcome, detail, answer = Outcome.SCHEMA, answer, None
    return Reply(
        id=ask.id,
        outcome=outcome,
        detail=SafeText(detail).line(300),
        model=str(SafeText(row.model).line(100)),
        digest=SafeText(row.model_digest).line(100),
        prompt=SafeText(prompt),
        prompt_sha=sha,
        text=SafeText(row.reply),
        answer=answer,
        gist=question.gist(answer) if answer is not None else "",
        checks=tuple(checks),
        done_reason=SafeText("recorded"),
        prompt_tokens=0,
        reply_tokens=0,
        latency_ns=max(0, row.time_ns - row.asked_ns),
        repaired=False,
        recorded=True,
    )


def _ended(row: LlmCalled) -> tuple[Outcome, str]:
    """How the recorded call ended: as whoever spoke instead said it."""
    if not row.failed:
        return Outcome.OK, ""
    kind, _, detail = row.failed.partition(": ")
    known = {str(outcome): outcome for outcome in Outcome}
    return known.get(kind, Outcome.HTTP), detail or row.failed


def load(path: Path) -> list[LlmCalled]:
    """The calls of a journal, or of the `llm.jsonl` that `export` writes.

    Raises `ConfigError` for a file that is neither.
    """
    if not path.is_file():
        raise ConfigError(f"there are no recorded replies at {path}", "name a file")
    try:
        with path.open("rb") as stream:
            journal = stream.read(16).startswith(b"SQLite format 3")
        return list(_of_journal(path) if journal else _of_export(path))
    except (OSError, UnicodeDecodeError, msgspec.MsgspecError) as error:
        raise ConfigError(
            f"{path} holds no recorded replies: {error}", "take logs/llm.jsonl of an export"
        ) from None


def _of_journal(path: Path) -> Iterator[LlmCalled]:
    from engine.journal.queries import Reader

    with Reader(path) as reader:
        for event in reader.events(kind="llm", limit=-1):
            if isinstance(event.record, LlmCalled):
                yield event.record


def _of_export(path: Path) -> Iterator[LlmCalled]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if len(line) > LONGEST_ROW:
                raise msgspec.ValidationError("a line that is longer than any reply")
            row = msgspec.json.decode(line)
            if not isinstance(row, dict):
                raise msgspec.ValidationError("a line that is no call")
            row.pop("seq", None)
            yield msgspec.convert(row, LlmCalled)
