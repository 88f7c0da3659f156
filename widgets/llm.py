"""The language model: how it does in each role, what it was asked and said, what became of that."""

from __future__ import annotations

from collections.abc import Sequence

from engine.core.clock import MINUTE
from engine.core.news import NewsView
from engine.core.views import LlmCall, LlmView, Snapshot
from widgets import numbers
from widgets.cells import fit
from widgets.document import DocumentPanel
from widgets.facts import Fact, flow, heading, paragraph
from widgets.frame import Frame
from widgets.lines import BLANK, Line, Run, crop, run, spread

_KEEP = 200
ROOMY = 70
"""Columns from which a call's line has room for its tokens too."""
_EARLIER = 12
_STATES = {
    "ok": ("ok", "gain"), "asking": ("asked", "note"), "off": ("off", "muted"),
    "absent": ("absent", "warn"),
}  # fmt: skip
_SOURCES = {
    "ok": ("● ok", "gain"), "failing": ("✕ failing", "warn"), "waiting": ("◌ asked", "note"),
}  # fmt: skip
_NOTHING = {
    "strategist": "no condition was wanted",
    "advisor": "nothing came of it",
    "reflection": "nothing was found",
}


class LlmPanel(DocumentPanel):
    """Health first, then the last call in full, then the earlier ones in a line each."""

    title = "Language model"
    empty = (
        "No strategist speaks here.",
        "Each call adds what was asked and answered; [llm] strategist says on which feeds.",
    )
    live = False

    def __init__(self, *, id: str | None = None, frame: Frame = Frame.BOX) -> None:
        super().__init__(id=id, frame=frame)
        self._calls: tuple[LlmCall, ...] = ()

    def show_calls(self, calls: Sequence[LlmCall]) -> None:
        """Calls of the stream, oldest first."""
        newest = tuple(calls[-_KEEP:])
        if len(newest) != len(self._calls) or (newest and newest[-1] is not self._calls[-1]):
            self._calls = newest
            self.redraw()

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        # Ages of sources are told in minutes, so that nothing is drawn for each second.
        news = snapshot.news
        return (snapshot.llm, news, snapshot.time_ns // MINUTE if news is not None else 0)

    def nothing(self) -> bool:
        known = self.snapshot
        return not self._calls and (known is None or (known.llm is None and known.news is None))

    def document(self, width: int) -> Sequence[Line]:
        view = self.snapshot.llm if self.snapshot is not None else None
        lines: list[Line] = []
        if view is not None:
            # What is being written comes first: it is what a person came to watch, and lower
            # down a small panel would hide it.
            for one in (view, *view.others):
                if one.writing:
                    lines += [heading("Being written", width, _as(one.role))]
                    lines += [*paragraph(one.writing, width, "note"), BLANK]
            lines += health(view, width)
            lines += [line for other in view.others for line in role_health(other, width)]
        if self.snapshot is not None and self.snapshot.news is not None:
            lines += [BLANK, *news_lines(self.snapshot.news, self.snapshot.time_ns, width)]
        if self._calls:
            lines += [BLANK, *_call(self._calls[-1], width)]
            earlier = self._calls[-2 : -2 - _EARLIER : -1]
            if earlier:
                lines += [BLANK, heading("Earlier", width)]
                lines += [_headline(call, width) for call in earlier]
        return lines


def health(view: LlmView, width: int) -> list[Line]:
    """The figures by which a person judges whether to listen to it."""
    text, role = _state(view, "rules speak")
    state: list[Run] = [(text, f"bold {role}")]
    if view.reason:
        state.append(run(f"  {view.reason}", "soft"))
    if view.collapsed:
        state.append(("  always the same answer", "warn bold"))
    facts: list[Fact] = [
        ("calls", (run(f"{view.answered}/{view.calls} answered"),)),
        ("schema failures", (_count(view.schema_failures),)),
        ("truncated", (_count(view.truncated),)),
        ("too slow", (_count(view.timeouts),)),
        ("repaired", (run(f"{view.repaired}"),)),
        ("p50", (run(_seconds(view.p50_ms)),)),
        ("p95", (run(_seconds(view.p95_ms)),)),
    ]
    if view.model:
        facts.insert(0, ("model", (run(f"{view.model} {view.model_digest[:12]}".strip()),)))
    lines: list[Line] = [crop(state, width), *flow(facts, width)]
    if view.answers:
        told = ((f"{count}×", (run(answer),)) for answer, count in view.answers)
        lines += [heading("Answers", width), *flow(told, width)]
    return lines


def role_health(view: LlmView, width: int) -> list[Line]:
    """Another role of the model: a line until it was asked, then its figures below."""
    text, role = _state(view, view.state)
    more = f"  {view.reason}" if view.reason else ""
    state: list[Run] = [
        run(fit(view.role.capitalize(), 12), "bold"), (text, f"bold {role}"), run(more, "soft")
    ]  # fmt: skip
    if view.collapsed:
        state.append(("  always the same answer", "warn bold"))
    if not view.calls:
        return [crop(state, width)]
    facts: list[Fact] = [
        ("", (run(f"{view.answered}/{view.calls} answered"),)),
        ("no answer", (_count(view.failed),)),
        ("too slow", (_count(view.timeouts),)),
        ("p50", (run(_seconds(view.p50_ms)),)),
        ("p95", (run(_seconds(view.p95_ms)),)),
        *((f"{count}×", (run(answer),)) for answer, count in view.answers[:4]),
    ]
    return [BLANK, crop(state, width), *flow(facts, width)]


def _state(view: LlmView, otherwise: str) -> tuple[str, str]:
    """How it does in a word; nobody is well before the first question."""
    if view.state == "ok" and not view.calls:
        return "not asked yet", "muted"
    return _STATES.get(view.state, (otherwise, "warn"))


def news_lines(view: NewsView, now_ns: int, width: int) -> list[Line]:
    """How each source of headlines does, how old what it gave is, and the newest headlines."""
    note = " recorded, nobody is asked" if view.recorded else " quoted in prompts, order nothing"
    lines: list[Line] = [heading("News", width, (run(note, "muted"),))]
    for one in view.sources:
        text, role = _SOURCES.get(one.state, (one.state, "warn"))
        age = f"heard {_ago(now_ns - one.ok_ns)}" if one.ok_ns else "never heard"
        parts: list[Run] = [
            (f"{text}  ", role), run(one.name), run(f"  {one.headlines} new, {age}", "soft")
        ]  # fmt: skip
        if one.why:
            parts.append(run(f"  {one.why}", "warn"))
        lines.append(crop(parts, width))
    for headline in view.headlines:
        at = (f"{numbers.clock(headline.known_ns)}  ", "muted")
        lines.append(crop((at, run(headline.text, "soft")), width))
    if not view.headlines:
        lines.append((("no headline yet", "muted"),))
    return lines


def _ago(ns: int) -> str:
    """An age in whole minutes, which is how often it is drawn."""
    minutes = max(0, ns) // MINUTE
    if minutes < 60:
        return f"{minutes} min ago" if minutes else "just now"
    return f"{minutes // 60} h {minutes % 60} min ago"


def _as(role: str) -> Sequence[Run]:
    return () if role == "strategist" else (run(f" by the {role}", "muted"),)


def _call(call: LlmCall, width: int) -> list[Line]:
    lines: list[Line] = [_headline(call, width)]
    if call.why_rules:
        instead = "the rules speak: " if call.role == "strategist" else "no answer: "
        lines.append(crop(((instead, "muted"), run(call.why_rules, "warn")), width))
    if call.checks:
        told: list[Run] = [("checks  ", "muted")]
        for name, passed in call.checks:
            told.append(run(f"{'✓' if passed else '✕'} {name}  ", "gain" if passed else "loss"))
        lines.append(crop(told, width))
    for condition, verdict in call.verdicts:
        sign = ("✓ ", "gain") if condition else ("✕ ", "loss")
        text = paragraph(f"{condition} {verdict}".strip(), width - 2, "soft", 3)
        lines += [(sign if index == 0 else ("  ", ""), *line) for index, line in enumerate(text)]
    if not call.verdicts:
        lines.append((run(_NOTHING.get(call.role, ""), "muted"),))
    if call.reply:
        lines += [heading("Reply", width), *paragraph(call.reply, width)]
    if call.prompt:
        lines += [heading("Prompt", width, ((f" {call.prompt_sha[:12]}", "muted"),))]
        lines += paragraph(call.prompt, width, "muted")
    return lines


def _headline(call: LlmCall, width: int) -> Line:
    armed = sum(bool(condition) for condition, _ in call.verdicts)
    came = f"  {armed} of {len(call.verdicts)} armed" if call.verdicts else "  nothing"
    if call.role != "strategist":
        came = f"  {call.role} {call.subject}".rstrip()
    left = [
        run(numbers.clock(call.time_ns), "muted"),
        ("  ", ""),
        run(fit(call.speaker or "nobody", 16), "bold"),
        run(came),
    ]
    took = "recorded" if call.recorded else f"{call.prompt_tokens}+{call.reply_tokens} tokens"
    right = f"{took}  {_seconds(call.latency_ms)}" if width >= ROOMY else _seconds(call.latency_ms)
    return spread(left, [run(right if call.model else "", "muted")], width)


def _count(number: int) -> Run:
    return run(f"{number}", "warn" if number else "")


def _seconds(ms: float) -> str:
    return f"{numbers.number(ms / 1000, 1)} s" if numbers.known(ms) else "–"
