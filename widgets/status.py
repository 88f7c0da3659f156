"""The status line: whose money, which prices, what may be done, and whether all is well.

An age or a round trip stands here as a mark, and as a number only past its warning level,
so that an idle screen sends nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.core.learning import ChangeState
from engine.core.types import Control, FeedKind, Link
from engine.core.views import Health, LlmView, Snapshot
from widgets import numbers, words
from widgets.lines import Line, LineWidget, Run, line_width, pad, run

_SEPARATOR: Run = ("  ", "")


class StatusLine(LineWidget):
    """One row; parts give way from the least to the most important where it is narrow."""

    DEFAULT_CSS = """
    StatusLine { height: 1; width: 1fr; background: $panel; color: $foreground; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._parts: tuple[tuple[int, Line], ...] = ()

    def show(
        self,
        snapshot: Snapshot | None,
        now_ns: int = 0,
        *,
        llm: str = "",
        frozen: bool = False,
        readonly: bool = False,
        trouble: str = "",
    ) -> bool:
        """Show this snapshot; True when the row changed.

        `llm` is the state of the language model in a word, `trouble` what the screen itself
        has to say (the engine is gone); `now_ns` is only there to be called like a panel.
        """
        parts = tuple(_parts(snapshot, llm, frozen, readonly, trouble))
        if parts == self._parts:
            return False
        self._parts = parts
        return self.redraw() > 0

    @property
    def says(self) -> str:
        """What the line says, whatever its width."""
        return "  ".join("".join(text for text, _ in part) for _, part in self._parts)

    def draw(self, width: int, height: int) -> Sequence[Line]:
        kept = [part for part in self._parts if part[1]]
        while len(kept) > 1 and _width(kept) > width:
            worst = max(rank for rank, _ in kept)
            if worst == 0:
                break
            last = max(index for index, part in enumerate(kept) if part[0] == worst)
            del kept[last]
        runs: list[Run] = []
        for index, (_, part) in enumerate(kept):
            runs += [_SEPARATOR, *part] if index else part
        return [pad(runs, width)]


def _width(parts: Sequence[tuple[int, Line]]) -> int:
    return sum(line_width(part) for _, part in parts) + 2 * (len(parts) - 1)


def _parts(
    snapshot: Snapshot | None, llm: str, frozen: bool, readonly: bool, trouble: str
) -> list[tuple[int, Line]]:
    """(rank, runs) of each part; rank 0 never gives way."""
    parts: list[tuple[int, Line]] = []
    if trouble:
        parts.append((0, (run(f" {trouble} ", "reverse bold danger"),)))
    if snapshot is None:
        return parts or [(0, ((" Quarterdeck ", "bold"), ("starting …", "muted")))]
    mode = snapshot.run.mode
    parts.append((0, ((f" {mode.value} ", f"reverse bold {words.MODE_ROLES[mode]}"),)))
    parts.append((0, _feed(snapshot)))
    parts.append((0, _control(snapshot)))
    if snapshot.proposals:
        parts.append((1, ((f"{len(snapshot.proposals)} to approve", "bold accent"),)))
    asking = _asking(snapshot)
    if asking:
        noun = "change asks" if asking == 1 else "changes ask"
        parts.append((1, ((f"{asking} {noun}", "bold accent"),)))
    parts += _money(snapshot)
    parts.append((1, _guard(snapshot.health, bool(snapshot.positions), snapshot.time_ns)))
    if snapshot.health.faults:
        parts.append((1, ((f"✕ {len(snapshot.health.faults)} faults", "danger bold"),)))
    if snapshot.health.journal_state not in ("ok", ""):
        parts.append((1, (run(f"journal {snapshot.health.journal_state}", "danger bold"),)))
    parts.append((5, _llm(snapshot.llm, llm)))
    if frozen:
        parts.insert(0, (0, ((" FROZEN ", "reverse bold stale"),)))
    if readonly:
        parts.append((2, (("read-only", "warn"),)))
    return parts


def _asking(snapshot: Snapshot) -> int:
    """Changes that wait for a person's answer."""
    changes = snapshot.learning.changes if snapshot.learning is not None else ()
    return sum(one.state is ChangeState.ASKED for one in changes)


def _llm(view: LlmView | None, told: str) -> Line:
    """Whether the model speaks or the rules, and in a word why; details stand on its panel."""
    if told or view is None or view.state == "off":
        return (run(f"LLM {told or 'off'}", "muted"),)
    if view.state == "rules":
        said = f"rules speak: {view.reason.partition(':')[0]}"
        # Where no model was ever to be asked, nothing is wrong.
        return (run(said, "warn" if view.model else "muted"),)
    if view.collapsed or any(other.collapsed for other in view.others):
        return (("LLM always the same", "warn"),)
    return (("LLM ok", "muted"),)


def _feed(snapshot: Snapshot) -> Line:
    feed = snapshot.feed
    role = words.FEED_ROLES[feed.kind]
    runs: list[Run] = [(feed.kind.value, f"bold {role}")]
    if feed.kind in (FeedKind.SIM, FeedKind.REPLAY):
        pace = f"×{feed.speed:g}" if feed.speed else "×max"
        runs.append((f" {pace}", role))
    elif feed.label:
        runs.append(run(f" {feed.label}", "muted"))
    if feed.link in (Link.STALE, Link.DOWN) and feed.kind is not FeedKind.DOWN:
        runs.append((f" {feed.link.value}", "bold stale"))
    elif feed.link in (Link.STARTING, Link.WARMING, Link.ENDED):
        runs.append((f" {feed.link.value.lower()}", "muted"))
    return tuple(runs)


def _control(snapshot: Snapshot) -> Line:
    state = snapshot.control.state
    role = words.CONTROL_ROLES[state]
    if state is Control.ACTIVE:
        return (("● ", role), (state.value, f"bold {role}"))
    sign = "‖" if state is Control.REDUCING else "■"
    return ((f" {sign} {state.value} ", f"reverse bold {role}"),)


def _money(snapshot: Snapshot) -> list[tuple[int, Line]]:
    account = snapshot.account
    day, start = account.day_pnl, account.day_start_equity
    pct = float(day) / float(start) * 100 if start else float("nan")
    parts: list[tuple[int, Line]] = [
        (2, ((numbers.money(account.equity), "bold"), run(f" {account.quote}", "muted"))),
        (
            2,
            (
                ("day ", "muted"),
                words.change(day, numbers.money(day, sign=True)),
            ),
        ),
        (4, ((numbers.percent(pct), numbers.role(day)),)),
    ]
    if not account.checked:
        parts.insert(0, (1, (("✕ books do not add up", "danger bold"),)))
    return parts


def _guard(health: Health, held: bool, now_ns: int) -> Line:
    """Whether stops are being watched; a number only when they are not."""
    if health.heartbeat_ok:
        return (("♦ ", "gain"), ("guarded" if held else "guard", "muted"))
    silent = max(0, now_ns - health.heartbeat_ns)
    return ((f" ✕ NO GUARD {numbers.age(silent)} ", "reverse bold danger"),)
