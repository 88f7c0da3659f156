"""Risk: what may be done at all, why, and how much of each limit is left."""

from __future__ import annotations

from collections.abc import Sequence

from engine.core.types import Account, Gate
from engine.core.views import ControlView, Snapshot
from widgets import numbers, words
from widgets.cells import fit, width_of
from widgets.facts import Fact, flow
from widgets.gauge import gauge
from widgets.lines import BLANK, Line, Run, crop, run, spread
from widgets.panel import Panel

_NAME = 19
_LEAST_GAUGE, _MOST_GAUGE = 6, 48


class RiskPanel(Panel):
    """The control state with its reason, then each limit with its headroom."""

    title = "Risk"

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        return (
            snapshot.control,
            *_money(snapshot.account),
            *snapshot.limits,
            *snapshot.levels,
            *(view for view in snapshot.positions if view.margin is not None),
        )

    def body(self, width: int, height: int) -> Sequence[Line]:
        snapshot = self.snapshot
        if snapshot is None:
            return ()
        lines = [control_line(snapshot.control, width)]
        money = flow([*_bases(snapshot.account), *leverage_facts(snapshot)], width)
        limits = limit_lines(_pressing_first(snapshot.limits), width)
        roomy = height >= len(lines) + len(money) + len(limits) + 2
        lines += [BLANK, *limits, BLANK, *money] if roomy else [*money[:1], *limits]
        return lines[:height]


def _money(account: Account) -> tuple[str, ...]:
    return (
        numbers.money(account.equity),
        numbers.percent(account.drawdown_pct),
        numbers.money(account.day_pnl),
        numbers.money(account.exposure),
        str(account.checked),
    )


def _pressing_first(gates: Sequence[Gate]) -> list[Gate]:
    """Limits that refuse come first; the others keep their order, so that rows stand still.

    The control state is a limit too, and has a row of its own.
    """
    asked = [gate for gate in gates if gate.unit != "state"]
    return sorted(asked, key=lambda gate: gate.passed)


def control_line(control: ControlView, width: int) -> Line:
    """State, reason and since when, in one row."""
    role = words.CONTROL_ROLES[control.state]
    runs: list[Run] = [(f" {control.state.value} ", f"reverse bold {role}"), (" ", "")]
    if control.reason:
        runs += [run(control.reason), (" ", "")]
    when = f"since {numbers.clock(control.since_ns)} " if control.since_ns else ""
    since = f"{when}by {control.who.value}"
    return spread(runs, [run(since, "muted")], width)


def _bases(account: Account) -> list[Fact]:
    """Drawdown and daily loss, each with what it is measured against."""
    day, drawdown = account.day_pnl, -abs(account.drawdown_pct)
    start = account.day_start_equity
    pct = float(day) / float(start) * 100 if start else float("nan")
    share = float(account.exposure) / float(account.equity) if account.equity else float("nan")
    facts: list[Fact] = [
        (
            "Day",
            [
                words.change(day, numbers.money(day, sign=True)),
                (f" {numbers.percent(pct)}", numbers.role(day)),
                (f" of {numbers.money(start)} at 00:00", "muted"),
            ],
        ),
        (
            "Drawdown",
            [
                (numbers.percent(drawdown), "loss" if drawdown else ""),
                (f" from peak {numbers.money(account.peak_equity)}", "muted"),
            ],
        ),
        ("Exposure", [(numbers.share(share, 1), ""), (" of equity", "muted")]),
    ]
    if not account.checked:
        facts.insert(0, ("", [("✕ cash + positions − costs ≠ equity", "danger bold")]))
    return facts


def leverage_facts(snapshot: Snapshot) -> list[Fact]:
    """The margin ratio that is nearest to liquidation, and how trades did by leverage."""
    facts: list[Fact] = []
    margined = [view for view in snapshot.positions if view.margin is not None]
    if margined:
        worst = max(margined, key=lambda view: view.margin_ratio)
        away = numbers.percent(worst.liquidation_distance_pct, sign=False)
        near: list[Run] = [
            (numbers.share(worst.margin_ratio, 1), ""),
            run(f" of {worst.position.symbol}, {away} to liquidation", "muted"),
        ]
        facts.append(("Margin in need", near))
    if any(level.leverage > 1 for level in snapshot.levels):
        for level in snapshot.levels:
            won: list[Run] = [
                (numbers.money(level.average_pnl, sign=True), numbers.role(level.average_pnl)),
                (f" each, {level.trades} trades, {numbers.share(level.win_rate, 0)} won", "muted"),
            ]
            facts.append((f"At {level.leverage}×", won))
    return facts


def limit_lines(gates: Sequence[Gate], width: int) -> list[Line]:
    """One row a limit: its name, how much of it is used, and value against threshold."""
    values = {gate.code: f"{words.gate_value(gate)} {words.gate_limit(gate)}" for gate in gates}
    widest = max(map(width_of, values.values()), default=0)
    name = min(_NAME, max(8, width // 3))
    room = min(width - name - widest - 2, _MOST_GAUGE)
    return [_limit_line(gate, values[gate.code], name, room, width) for gate in gates]


def _limit_line(gate: Gate, values: str, name: int, room: int, width: int) -> Line:
    role = "" if gate.passed else words.verdict(gate)[1]
    runs: list[Run] = [run(fit(gate.name.capitalize(), name), role or "soft"), (" ", "")]
    if room >= _LEAST_GAUGE:
        used = words.used_share(gate)
        runs += [*gauge(used, room, role), (" ", "")] if words.measured(gate) else []
    runs.append(run(values, role))
    return crop(runs, width)
