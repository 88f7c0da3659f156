"""Each parameter that strategies, decision and risk read moves some outcome of theirs.

The table names a scenario for every one of them; a test looks that none is forgotten.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

import engine.decision
import engine.risk
import engine.strategies
from engine.core.clock import MINUTE, SECOND
from engine.core.denials import DenialCode
from engine.core.parameters import Parameter, Parameters, find
from engine.core.regimes import Regime
from engine.core.types import Action, Direction, ExpectedValue, InstrumentKind
from engine.decision.combine import Combiner
from engine.decision.sources import DecisionContext, Opinion
from engine.risk.breakers import Breakers
from engine.risk.gates import Around, cooldown_until, evaluate
from engine.risk.managers import MANAGERS, manager_of
from engine.risk.sizers import SIZERS, sizer_of
from engine.risk.sizing import SizeContext, size_entry
from engine.strategies.base import Strategy
from engine.strategies.coordination import coordinate
from engine.strategies.expected_value import TradeStatistics
from engine.strategies.ma_crossover import MaCrossover
from engine.strategies.rsi_reversion import RsiReversion
from engine.strategies.stops import initial_stop
from engine.strategies.technical import TechnicalSignal
from tests.decision_help import (
    CHEAP,
    CONFIRMED,
    START,
    account,
    candidate,
    context,
    mirrored,
    sizing,
    trade,
)
from tests.leverage_help import SCENARIOS as LEVERAGE
from tests.risk_help import portfolio

Scenario = Callable[[Parameters], Any]


def signal(strategy: Strategy, features: dict[str, float], **more: Any) -> Scenario:
    def run(parameters: Parameters) -> Any:
        asked = context(features, parameters=parameters, kind=InstrumentKind.SWAP, **more)
        told = strategy.analyze(asked)
        return told.action, told.confidence

    return run


class _Says:
    def __init__(self, name: str, action: Action) -> None:
        self.name = name
        self._action = action

    def vote(self, context: DecisionContext) -> Opinion | None:
        return Opinion(self._action, 0.6, "because")


def votes(*names: str) -> Scenario:
    """The first source against the others."""

    def run(parameters: Parameters) -> Any:
        asked = context(parameters=parameters, kind=InstrumentKind.SWAP)
        said = coordinate(asked, [], TradeStatistics(parameters), lambda: CHEAP)
        sources = [_Says(n, Action.SELL if i else Action.BUY) for i, n in enumerate(names)]
        decision = Combiner(parameters, sources).decide("D", DecisionContext(asked, said))
        return decision.action, decision.confidence, decision.size_pct

    return run


def expected(*moves: float, regimes: tuple[str, ...] = ("BULL",)) -> Scenario:
    def run(parameters: Parameters) -> Any:
        kept = TradeStatistics(parameters)
        kept.rebuild(trade(move, regime=regime) for move in moves for regime in regimes)
        return kept.expected("technical", "BULL", 100.0, CHEAP).net_bps

    return run


def gate(code: DenialCode, **changed: Any) -> Scenario:
    def run(parameters: Parameters) -> Any:
        gates = {one.code: one for one in evaluate(candidate(**changed), parameters)}
        return gates[code].passed, gates[code].distance

    return run


def size(*widened: str, **changed: Any) -> Scenario:
    """The notional of an entry, with caps that don't bind unless they are what is moved."""

    def run(parameters: Parameters) -> Any:
        wide = ("size.profile_max_pos_pct", "risk.max_symbol_exposure_pct",
                "size.risk_regular_pct", *widened)  # fmt: skip
        for name in wide:
            if parameters.setting(name).origin == "default":
                parameters.set(name, find(name).high, "wide")
        asked: SizeContext = sizing(**changed)
        return size_entry(asked, parameters).notional

    return run


def layers(bars: int = 1_200) -> Scenario:
    """Clusters, and value at risk of a fixed holding, from a history of 4 h bars."""

    def run(parameters: Parameters) -> Any:
        risk = portfolio(parameters, bars=bars)
        around = risk.around("BTC/USDT", 1_000.0, {"ETH/USDT": 1_000.0})
        return risk.correlation.current.groups, around

    return run


def stop(regime: Regime | None) -> Scenario:
    return lambda parameters: initial_stop(
        parameters, "BTC/USDT", regime, "technical", Direction.LONG, 100.0, 1.0
    )


LOW_RSI = {**CONFIRMED, "rsi": 33.0, "rsi_change": 6.0, "bb_position": 0.1}
TURNING = [100.0] * 58 + [99.0] * 5 + [104.0]
CALM = {**CONFIRMED, "atr": 10.0}
REGIMES = {"bull": Regime.BULL, "bear": Regime.BEAR, "crash": Regime.CRASH,
           "sideways": Regime.SIDEWAYS, "highvol": Regime.HIGH_VOL}  # fmt: skip
WINS, LOSES = (20, 500.0, 0.6), (20, -500.0, 0.28)
FLAT = (20, 0.0, 0.28)


def breaker(play: Callable[[Breakers], Any]) -> Scenario:
    """What a fresh set of breakers answers to a short history."""
    return lambda parameters: play(Breakers(parameters))


def pause_after(count: int) -> Callable[[Breakers], Any]:
    def play(b: Breakers) -> Any:
        for _ in range(count):
            b.trade_closed(False, START)
        b.check_time(START + 20 * MINUTE)
        return b.losses.state

    return play


def failures(b: Breakers) -> Any:
    for k in range(10):
        b.api.failed("timeout", START + k * 20 * SECOND)
    return b.api.state


def stale(b: Breakers) -> Any:
    b.check_data(60.0, START)
    return b.stale.state


def trial(b: Breakers) -> Any:
    pause_after(12)(b)
    b.check_time(START + 300 * MINUTE)
    return b.factor


def sent(parent: str) -> Callable[[Breakers], Any]:
    return lambda b: [b.runaway.admit(parent, START + k * 2 * SECOND) is None for k in range(20)]


def asked(b: Breakers) -> Any:
    same = ("BTC/USDT", "LONG", "technical")
    return [b.runaway.asked(same, START + k * 5 * SECOND) is None for k in range(20)]


def by_sizer(name: str, **changed: Any) -> Scenario:
    """The size that one sizer, under whichever manager is set, comes to."""

    def run(parameters: Parameters) -> Any:
        asked = sizing(stop=Decimal(50), **changed)
        manager = manager_of(parameters, "technical", "core")
        sizer = SIZERS[name] if name else sizer_of(parameters, "technical", "kelly")
        return size_entry(asked, parameters, sizer, manager).pct

    return run


def fixed_risk(parameters: Parameters) -> Any:
    return MANAGERS["fixed"].terms(sizing(), parameters).risk


EDGE = ExpectedValue(
    probability=0.6, win_bps=300.0, loss_bps=6_000.0, fees_bps=20.0, spread_bps=1.0,
    slippage_bps=1.0, net_bps=10.0, n=100, prior=False,
)  # fmt: skip

SCENARIOS: dict[str, Scenario] = {
    "size.sizer": by_sizer(""),
    "risk.manager": by_sizer("fixed_fraction"),
    "size.kelly_min_confidence": by_sizer("kelly", confidence=0.75, edge=EDGE),
    "size.kelly_min_trades": by_sizer("kelly", confidence=0.95, edge=EDGE),
    "pos.base_size_usd": by_sizer("fixed_amount"),
    "pos.size_vol_cap": by_sizer("fixed_amount", daily_vol_pct=4.0),
    "risk.per_trade_pct": fixed_risk,
    "cb.consecutive_losses": breaker(pause_after(8)),
    "cb.loss_pause_min": breaker(pause_after(12)),
    "cb.api_fail_count": breaker(failures),
    "cb.api_fail_window_s": breaker(failures),
    "cb.data_stale_sec": breaker(stale),
    "cb.half_open_factor": breaker(trial),
    "cb.orders_per_parent": breaker(sent("P-1")),
    "cb.orders_per_day": breaker(sent("")),
    "cb.repeat_max": breaker(asked),
    "cb.repeat_window_s": breaker(asked),
    "strat.rsi_rev.oversold": signal(RsiReversion(), LOW_RSI),
    "strat.rsi_rev.overbought": signal(RsiReversion(), mirrored(LOW_RSI)),
    "strat.ma_cross.fast": signal(MaCrossover(), CALM, closes=TURNING),
    "strat.ma_cross.slow": signal(MaCrossover(), CALM, closes=TURNING),
    "ind.rsi_overbought": signal(TechnicalSignal(), CONFIRMED),
    "ind.rsi_oversold": signal(TechnicalSignal(), mirrored(CONFIRMED)),
    "ind.adx_threshold": signal(TechnicalSignal(), CONFIRMED),
    "exit.stop_atr_mult": stop(None),
    "ev.prior_win_rate": expected(),
    "ev.prior_payoff": expected(),
    "ev.prior_trades": expected(80.0, -10.0),
    "ev.regime_trades": lambda parameters: _regime_figures(parameters),
    "dec.w_technical": votes("technical", "rl"),
    "dec.w_rl": votes("rl", "technical"),
    "dec.w_evolved": votes("evolved", "technical"),
    "dec.w_online": votes("online", "technical"),
    "dec.w_llm": votes("llm", "technical"),
    "dec.min_confidence": votes("technical"),
    "size.base_pct": size(),
    "size.confidence_exponent": size(confidence=0.7),
    "size.max_position_pct": size("size.base_pct"),
    "size.profile_max_pos_pct": size(),
    "risk.max_symbol_exposure_pct": size(),
    "size.risk_regular_pct": size(stop=Decimal(90)),
    "size.risk_diamond_pct": size(stop=Decimal(90), diamond=True),
    "risk.ceiling_per_trade_pct": size(stop=Decimal(70)),
    "size.factor_max": size(daily_vol_pct=0.1, extra=(("coin status", 1.5),), confidence=0.5),
    "size.win_scale_max": size(recent=WINS, equity_trend=0.1, confidence=0.5),
    "size.lose_scale_min": size(recent=LOSES, equity_trend=-0.1),
    "size.scale_trades": size(recent=FLAT),
    "size.poor_capital_usd": size(equity=20_000.0),
    "size.poor_capital_factor": size(equity=3_000.0),
    "risk.dd_level_1": size(drawdown_pct=4.0),
    "risk.dd_level_2": size(drawdown_pct=8.0),
    "risk.dd_level_3": size(drawdown_pct=12.0),
    "risk.dd_factor_1": size(drawdown_pct=6.0),
    "risk.dd_factor_2": size(drawdown_pct=11.0),
    "risk.dd_factor_3": size(drawdown_pct=16.0),
    "risk.poor_winrate": size(recent=FLAT),
    "risk.poor_factor": size(recent=FLAT),
    "risk.vol_high_pct": size(daily_vol_pct=2.5),
    "risk.vol_low_pct": size(daily_vol_pct=1.5, confidence=0.7),
    "risk.vol_high_factor": size(daily_vol_pct=9.0),
    "risk.vol_low_factor": size(daily_vol_pct=0.1, confidence=0.7),
    "cand.max_open_positions": gate(DenialCode.OPEN_POSITIONS, account=account(open_positions=8)),
    "pos.max_concurrent": gate(DenialCode.OPEN_POSITIONS, account=account(open_positions=8)),
    "pos.max_new_per_cycle": gate(DenialCode.NEW_PER_CYCLE, account=account(new_in_cycle=5)),
    "cand.max_trades_per_day": gate(DenialCode.TRADES_PER_DAY, account=account(trades_today=49)),
    "cb.orders_per_s": gate(DenialCode.ORDER_RATE, account=account(orders_last_s=4)),
    "lev.max_leverage": gate(DenialCode.LEVERAGE, leverage=5, can_short=True),
    "exec.max_clock_skew_s": gate(DenialCode.CLOCK_SKEW, skew_s=2.0),
    "exec.max_spread_bps": gate(DenialCode.SPREAD, spread_bps=40.0),
    "data.max_quote_age_crypto_s": gate(DenialCode.STALE_QUOTE, quote_age_s=10.0),
    "data.max_quote_age_polled_s": gate(DenialCode.STALE_QUOTE, quote_age_s=50.0, polled=True),
    "risk.max_daily_risk_pct": gate(DenialCode.DAILY_RISK, account=account(opened_risk=4000.0)),
    "risk.daily_loss_pct": gate(DenialCode.DAILY_LOSS, account=account(equity=97_000.0)),
    "risk.max_drawdown_pct": gate(DenialCode.DRAWDOWN, account=account(peak_equity=115_000.0)),
    "entry.threshold_score": gate(DenialCode.ENTRY_SCORE, confidence=0.45),
    **{
        f"gate.dd_delta_{name}": gate(
            DenialCode.ENTRY_SCORE, confidence=confidence, account=account(peak_equity=peak)
        )
        for name, confidence, peak in (
            ("severe", 0.5, 110_000.0),
            ("high", 0.45, 107_500.0),
            ("mid", 0.45, 105_000.0),
            ("relax", 0.36, 100_000.0),
        )
    },
    "risk.max_correlated_pct": gate(
        DenialCode.CORRELATED_EXPOSURE, around=Around(correlated=9_000.0)
    ),
    "risk.max_sector_exposure_pct": gate(
        DenialCode.SECTOR_EXPOSURE, around=Around(sector_exposure=26_000.0)
    ),
    "cb.var95_max_pct": gate(DenialCode.VAR_LIMIT, around=Around(var=2_000.0)),
    "risk.corr_threshold": layers(),
    "risk.corr_window_days": layers(),
    "risk.corr_min_samples": layers(bars=240),
    "risk.var_window_days": layers(),
    "risk.var_min_days": layers(),
    "pos.cooldown_min_per_ticker": lambda p: cooldown_until(p, "BTC/USDT", 0) > 10 * MINUTE,
    **{
        f"regime.size_{name}": size(regime=regime, regime_confidence=1.0, confidence=0.7)
        for name, regime in REGIMES.items()
    },
    **{f"regime.stop_atr_{name}": stop(regime) for name, regime in REGIMES.items()},
}


def _regime_figures(parameters: Parameters) -> float:
    kept = TradeStatistics(parameters)
    kept.rebuild(
        trade(move, regime=regime)
        for regime, move in (("BULL", 80.0), ("BEAR", -40.0))
        for _ in range(50)
    )
    return kept.expected("technical", "BULL", 100.0, CHEAP).net_bps


SCENARIOS |= LEVERAGE


def read_here() -> set[str]:
    """Names of all parameters that a module of the three rooms holds, wherever declared."""
    found: set[str] = set()
    for room in (engine.strategies, engine.decision, engine.risk):
        for module in pkgutil.iter_modules(room.__path__, f"{room.__name__}."):
            for value in vars(importlib.import_module(module.name)).values():
                found |= {parameter.name for parameter in _parameters(value)}
    return found


def _parameters(value: object) -> Iterator[Parameter]:
    if isinstance(value, Parameter):
        yield value
    elif isinstance(value, dict):
        yield from (found for inner in value.values() for found in _parameters(inner))
    elif isinstance(value, tuple):
        yield from (found for inner in value for found in _parameters(inner))


def test_every_parameter_that_is_read_here_has_a_scenario() -> None:
    assert read_here() == set(SCENARIOS)


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_moving_it_to_its_bounds_changes_the_outcome(name: str) -> None:
    parameter, outcomes = find(name), []
    values: tuple[Any, ...] = parameter.choices or (parameter.low, parameter.high)
    for value in values:
        parameters = Parameters()
        parameters.set(name, value, "test")
        outcomes.append(SCENARIOS[name](parameters))
    assert any(outcome != outcomes[0] for outcome in outcomes)
