"""Portfolio: what a bad day would cost, where the money sits and what moves it."""

from __future__ import annotations

from collections.abc import Sequence

from engine.core.views import BacktestView, RiskView, Snapshot
from widgets import numbers
from widgets.facts import Fact, flow, listed
from widgets.lines import Line, Run, run
from widgets.panel import Panel, said

_LABEL = 13


class PortfolioPanel(Panel):
    """Value at risk with the test of its honesty, sectors, concentration, betas."""

    title = "Portfolio"

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        return (snapshot.risk,)

    def body(self, width: int, height: int) -> Sequence[Line]:
        risk = self.snapshot.risk if self.snapshot is not None else None
        if risk is None:
            return said(("The engine has told nothing of its portfolio yet.", ""), width, height)
        facts: list[Fact] = [
            ("VaR 95 %, 1 d", _tail(risk.var_pct, risk.cvar_pct, risk.var_from)),
            ("if normal", _tail(risk.normal_var_pct, risk.normal_cvar_pct, "")),
            ("Backtest", _backtest(risk.backtest)),
            ("Sectors", _sectors(risk)),
        ]
        lines = listed(facts, width, _LABEL)
        return [*lines, *flow(_betas(risk), width)][:height]


def _tail(var: float, cvar: float, source: str) -> list[Run]:
    if not numbers.known(var):
        return [run(source or "not known", "muted")]
    return [
        run(f"{var:.2f} %", "bold"),
        run(f"  beyond it {cvar:.2f} %  ", "soft"),
        run(source, "muted"),
    ]


def _backtest(found: BacktestView) -> list[Run]:
    role = "warn" if found.verdict.startswith("rejected") else "soft"
    said_of = [run(found.verdict, role)]
    if found.n and not found.verdict.startswith("insufficient"):
        expected = found.n * 0.05
        said_of.append(
            run(f"  {found.exceptions} of {found.n} days, {expected:.1f} expected, "
                f"p {_p(found.kupiec_p)} and {_p(found.coverage_p)}", "muted")
        )  # fmt: skip
    return said_of


def _p(value: float) -> str:
    return f"{value:.2f}" if numbers.known(value) else numbers.NONE


def _sectors(risk: RiskView) -> list[Run]:
    if not risk.sectors:
        return [run("nothing is held", "muted")]
    text = ", ".join(f"{name} {share:.1f} %" for name, share in risk.sectors)
    return [run(text), run(f"  HHI {risk.concentration:.2f}", "muted")]


def _betas(risk: RiskView) -> list[Fact]:
    facts: list[Fact] = [
        (f"β {beta.factor}", [run(f"{beta.value:+.2f}"), run(f" ± {beta.error:.2f}", "muted")])
        for beta in risk.betas
    ]
    if facts:
        facts.append(("", [run(f"n={risk.betas[0].n}", "muted")]))
    return facts
