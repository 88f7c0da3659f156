"""The built-in strategies: what makes each of them speak, and how sure it is."""

from __future__ import annotations

import math

import pytest

from engine.core.parameters import Parameters, Scope
from engine.core.regimes import Regime
from engine.core.types import Action, Direction, InstrumentKind
from engine.position.plan import Entry, plan_exits
from engine.strategies.ma_crossover import MaCrossover
from engine.strategies.rsi_reversion import RsiReversion
from engine.strategies.stops import initial_stop
from engine.strategies.technical import TechnicalSignal
from tests.decision_help import CONFIRMED, close_to, context, mirrored

SWAP = InstrumentKind.SWAP
CLOSES_UP = [100.0] * 30 + [99.0] * 5 + [104.0]
"""Below its average for five bars, then far above: the average of 5 crosses that of 20."""


def test_technical_goes_long_when_all_is_confirmed_and_says_how_sure_it_is() -> None:
    signal = TechnicalSignal().analyze(context())
    assert signal.action is Action.BUY
    parts = (10 / 20, 10 / 20, 0.5, 1.0, 20 / 40)
    assert close_to(signal.confidence, sum(parts) / 5)
    assert signal.stop == 98.0  # two ATR of 1, sideways


def test_technical_goes_short_on_the_mirror_image_with_the_same_confidence() -> None:
    long = TechnicalSignal().analyze(context(kind=SWAP))
    short = TechnicalSignal().analyze(context(mirrored(CONFIRMED), kind=SWAP))
    assert short.action is Action.SELL
    assert close_to(short.confidence, long.confidence)
    assert short.stop == 102.0


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"rsi": 70.0}, "RSI"),
        ({"adx": 20.0}, "ADX"),
        ({"volume_ratio": 1.0}, "volume"),
        ({"macd_hist": 0.0}, "MACD"),
        ({"minus_di": 30.0}, "DI"),
    ],
)
def test_technical_holds_when_one_confirmation_is_missing(
    changed: dict[str, float], said: str, side: int
) -> None:
    features = {**CONFIRMED, **changed}
    signal = TechnicalSignal().analyze(
        context(features if side > 0 else mirrored(features), kind=SWAP)
    )
    assert signal.action is Action.HOLD
    assert said in signal.reason


@pytest.mark.parametrize("trigger", ["rsi_bull_divergence", "rsi_hidden_bull_divergence"])
def test_technical_takes_a_divergence_instead_of_a_crossing(trigger: str) -> None:
    quiet = {**CONFIRMED, "ema_cross": 0.0}
    assert TechnicalSignal().analyze(context(quiet)).action is Action.HOLD
    signal = TechnicalSignal().analyze(context({**quiet, trigger: 1.0}))
    assert signal.action is Action.BUY
    assert "divergence" in signal.reason


def test_technical_holds_when_its_triggers_contradict() -> None:
    signal = TechnicalSignal().analyze(context({**CONFIRMED, "rsi_bear_divergence": 1.0}))
    assert signal.action is Action.HOLD
    assert "against" in signal.reason


def test_reversion_waits_for_the_turn() -> None:
    falling = {**CONFIRMED, "rsi": 24.0, "rsi_change": -3.0, "bb_position": -0.1, "adx": 20.0}
    assert RsiReversion().analyze(context(falling)).action is Action.HOLD
    turned = {**falling, "rsi": 24.0, "rsi_change": 3.0}
    signal = RsiReversion().analyze(context(turned))
    assert signal.action is Action.BUY
    assert close_to(signal.confidence, ((30 - 21) / 30 + 1.0 + 0.5) / 3)
    jumped = {**falling, "rsi": 36.0, "rsi_change": 8.0}
    assert RsiReversion().analyze(context(jumped)).action is Action.BUY
    high = {**falling, "rsi": 40.0, "rsi_change": 3.0}
    assert RsiReversion().analyze(context(high)).action is Action.HOLD


def test_reversion_sells_the_mirror_image() -> None:
    turned = {**CONFIRMED, "rsi": 24.0, "rsi_change": 3.0, "bb_position": -0.1, "adx": 20.0}
    long = RsiReversion().analyze(context(turned, kind=SWAP))
    short = RsiReversion().analyze(context(mirrored(turned), kind=SWAP))
    assert (long.action, short.action) == (Action.BUY, Action.SELL)
    assert close_to(long.confidence, short.confidence)


def test_crossover_speaks_on_the_bar_of_the_crossing_only() -> None:
    crossed = MaCrossover().analyze(context(closes=CLOSES_UP))
    assert crossed.action is Action.BUY
    assert "crossed above" in crossed.reason
    assert MaCrossover().analyze(context(closes=[*CLOSES_UP, 104.0])).action is Action.HOLD
    assert MaCrossover().analyze(context(closes=CLOSES_UP[:-1])).action is Action.HOLD


def test_crossover_sells_the_mirror_image_with_the_same_confidence() -> None:
    down = [200.0 - close for close in CLOSES_UP]
    long = MaCrossover().analyze(context(closes=CLOSES_UP, kind=SWAP))
    short = MaCrossover().analyze(context(mirrored(CONFIRMED), closes=down, kind=SWAP))
    assert short.action is Action.SELL
    assert close_to(short.confidence, long.confidence)


def test_crossover_holds_with_too_few_closes_or_averages_out_of_order() -> None:
    assert "closes" in MaCrossover().analyze(context(closes=CLOSES_UP[-20:])).reason
    parameters = Parameters()
    parameters.set("strat.ma_cross.fast", 20, "test")
    signal = MaCrossover().analyze(context(closes=CLOSES_UP, parameters=parameters))
    assert signal.action is Action.HOLD
    assert "out of order" in signal.reason


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("regime", [None, *Regime])
@pytest.mark.parametrize("named", [False, True])
def test_the_first_stop_is_the_one_that_the_exit_plan_finds(
    regime: Regime | None, direction: Direction, named: bool
) -> None:
    parameters = Parameters()
    if named:
        parameters.set("exit.stop_atr_mult", 2.75, "test", Scope(strategy="technical"))
        parameters.set("regime.stop_atr_bull", 3.25, "test")
    plan = plan_exits(
        parameters,
        Entry(
            symbol="BTC/USDT", direction=direction, price=100.0, lots=1000, lot_size=0.001,
            opened_ns=1, atr=1.5, fee=0.001, spread=0.0002, strategy="technical", regime=regime,
        ),
    )  # fmt: skip
    stop = initial_stop(parameters, "BTC/USDT", regime, "technical", direction, 100.0, 1.5)
    assert close_to(stop, plan.stop)


@pytest.mark.parametrize("atr", [math.nan, 0.0, -1.0, math.inf, 60.0])
def test_no_stop_is_made_up_where_there_is_none(atr: float) -> None:
    stop = initial_stop(
        Parameters(), "BTC/USDT", Regime.SIDEWAYS, "technical", Direction.LONG, 100.0, atr
    )
    assert math.isnan(stop)
