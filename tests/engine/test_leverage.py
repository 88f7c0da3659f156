"""Perpetuals in a whole engine: margin, danger, guard, liquidation, funding and restarts."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.audit import audit
from app.compose import build
from app.options import RunOptions
from engine.core.clock import HOUR, MINUTE, SECOND
from engine.core.commands import Amend, TakeOver
from engine.core.config import Config, EngineSection, PathsSection
from engine.core.denials import DenialCode
from engine.core.records import Funded, Noted
from engine.core.types import Action, Bar, Position
from engine.journal.queries import Reader
from engine.market.funding import INTERVAL_NS, NoRates, next_boundary
from engine.portfolio.recompute import recompute
from engine.risk.margin import Margin, tiers_of
from tests.engine.scripted import PRICE, Script
from tests.recorded import recorded
from widgets.position import position_lines
from widgets.proposal import proposal_lines
from widgets.risk import leverage_facts

PERP = "BTC/USDT:USDT"
CASH = Decimal(100_000)


class FixedRate:
    """A rate that the test knows."""

    note = "a fixed rate"

    def __init__(self, rate: float) -> None:
        self._rate = rate

    def rate(self, symbol: str, boundary_ns: int) -> float | None:
        return self._rate


def script(folder: Path, leverage: int = 5, **changed: Any) -> Script:
    settings = {"lev.auto_max": leverage, "lev.low_leverage_max": min(leverage, 5)}
    made = Script(folder, symbols=(PERP,), cash=CASH, settings=settings, **changed)
    made.desk.rates = FixedRate(0.0001)
    return made


def levered(run: Script, leverage: int, *, short: bool = False) -> Position:
    """A position with this leverage, whatever the manager would have chosen."""
    proposal = run.proposed(PERP, action=Action.SELL if short else Action.BUY)
    ack = run.send(
        Amend(id=run.name(), proposal=proposal.id, digest=proposal.digest, leverage=leverage)
    )
    assert ack.ok, ack.text
    [waiting] = run.desk.proposals.waiting()
    assert run.approve(waiting).ok
    run.price(PRICE, PERP)
    return run.position


def unstopped(run: Script, position: Position) -> None:
    """A person lifts the stop; only liquidation protection is left."""
    assert run.send(TakeOver(id=run.name(), position=position.id, taken=True)).ok
    watch = run.desk.watches[position.id]
    watch.move_stop(None, by_person=True)
    watch.move_targets(())


def margin_of(position: Position) -> Margin:
    size = position.quantity
    return Margin.at(
        position.direction, position.entry_price, size, position.leverage, tiers_of(PERP)
    )


def whole(run: Script) -> None:
    """Equity of the books is that of the raw fills and payments."""
    ledger = run.desk.ledger
    marks = {name: Decimal(repr(mark)) for name, mark in run.desk.marks().items()}
    equity = recompute(
        ledger.start,
        ledger.fills,
        {name: holding.terms for name, holding in ledger.holdings.items()},
        marks,
        ledger.funding,
    )
    assert ledger.account(run.desk.now_ns, marks).equity == equity
    ledger.verify(full=True)


def test_a_proposal_carries_leverage_and_every_stage_of_its_choice(tmp_path: Path) -> None:
    with script(tmp_path) as run:
        proposal = run.proposed(PERP)
        names = [row.name for row in proposal.factors]
        assert names[0] == "leverage base"
        assert "leverage level" in names
        assert proposal.leverage == next(
            row.result for row in reversed(proposal.factors) if row.name.startswith("leverage ")
            and row.name.split()[1] in ("level", "at", "within")
        )  # fmt: skip
        assert proposal.margin == pytest.approx(proposal.notional / proposal.leverage)
        assert not proposal.liquidation or proposal.liquidation < float(proposal.stop)


def test_leverage_is_one_unless_somebody_wants_more(tmp_path: Path) -> None:
    with Script(tmp_path, symbols=(PERP,), cash=CASH) as run:
        proposal = run.proposed(PERP)
        assert proposal.leverage == 1
        assert not any(row.name.startswith("leverage") for row in proposal.factors)


def test_a_leverage_that_is_liquidated_before_its_stop_is_refused(tmp_path: Path) -> None:
    with Script(tmp_path, symbols=(PERP,), cash=CASH) as run:
        proposal = run.proposed(PERP)
        far = proposal.price * Decimal("0.90")
        ack = run.send(
            Amend(
                id=run.name(), proposal=proposal.id, digest=proposal.digest, leverage=10, stop=far
            )
        )
        assert (ack.ok, ack.code) == (False, DenialCode.LEVERAGE)
        assert "leverage" in ack.text


def test_a_position_shows_its_margin_and_has_its_guard(tmp_path: Path) -> None:
    with script(tmp_path) as run:
        position = levered(run, 5)
        view = run.snapshot.positions[0]
        by_hand = margin_of(position)
        assert by_hand.liquidation is not None
        assert view.margin == by_hand.margin
        assert view.liquidation_price == pytest.approx(float(by_hand.liquidation))
        assert view.margin_ratio == pytest.approx(by_hand.ratio(Decimal(repr(view.mark))))
        assert view.guard_price == run.desk.watches[position.id].guard
        assert view.danger_price is not None
        assert view.guard_price is not None
        assert view.liquidation_price is not None
        assert view.danger_price > view.guard_price > view.liquidation_price
        assert "tiers packaged" in view.margin_note
        whole(run)


def test_a_person_reads_margin_liquidation_and_funding(tmp_path: Path) -> None:
    with script(tmp_path) as run:
        waiting = run.proposed(PERP)
        proposed = "".join(
            text for line in proposal_lines(waiting, "USDT", 100) for text, _ in line
        )
        assert "Margin" in proposed
        assert "leverage base" in proposed
    with script(tmp_path / "held") as run:
        levered(run, 5)
        view = run.snapshot.positions[0]
        shown = "".join(text for line in position_lines(view, 100) for text, _ in line)
        for words in ("Margin", "Liquidation", "reduced at", "Funding", "tiers packaged"):
            assert words in shown
        facts = dict(leverage_facts(run.snapshot))
        assert PERP in "".join(text for text, _ in facts["Margin in need"])


@pytest.mark.parametrize("short", [False, True])
def test_the_danger_zone_halves_once_and_the_guard_sells_the_rest(
    tmp_path: Path, short: bool
) -> None:
    with script(tmp_path) as run:
        position = levered(run, 10, short=short)
        unstopped(run, position)
        view = run.snapshot.positions[0]
        assert view.danger_price is not None
        assert view.guard_price is not None
        sign = position.direction.sign
        for _ in range(3):
            run.price(view.danger_price - 5 * sign, PERP)
        assert run.position.quantity == pytest.approx(position.quantity / 2, abs=Decimal("0.001"))
        run.price(view.guard_price - 1 * sign, PERP)
        run.price(view.guard_price - 1 * sign, PERP)
        [trade] = run.trades
        assert trade.exit_reason == "emergency_exit"
        reasons = [order.exit_reason for order in run.orders() if order.exit_reason]
        assert reasons == ["reduce_half", "emergency_exit"]
        whole(run)


@pytest.mark.parametrize(("short", "beyond"), [(False, 0.001), (True, 0.001), (False, 0.05)])
def test_a_jump_over_everything_is_liquidated_and_costs_no_more_than_the_margin(
    tmp_path: Path, short: bool, beyond: float
) -> None:
    with script(tmp_path) as run:
        position = levered(run, 10, short=short)
        margin = margin_of(position)
        before = run.desk.ledger.account(run.now_ns, run.desk.marks())
        assert margin.liquidation is not None
        sign = position.direction.sign
        unstopped(run, position)
        run.price(PRICE * (1 - 0.045 * sign), PERP)
        for _ in range(6):  # a jump this wide is doubted until more trades confirm it
            run.price(float(margin.liquidation) * (1 - beyond * sign), PERP)
        [trade] = run.trades
        assert trade.exit_reason == "liquidation"
        lost = -trade.pnl - trade.fees
        assert lost <= margin.margin
        after = run.desk.ledger.account(run.now_ns, {})
        entry_fee = position.fees
        assert before.cash - after.cash <= entry_fee
        assert after.cash >= CASH - margin.margin - entry_fee
        exits = run.desk.ledger.fills[-1]
        assert "liquidation" in exits.assumptions
        if beyond > 0.01:
            assert exits.price == pytest.approx(margin.bankruptcy, abs=Decimal("0.1"))
            assert exits.fee == pytest.approx(Decimal(0), abs=Decimal("0.1"))
        else:
            assert exits.fee > 0
        assert run.desk.book.open() == ()
        whole(run)


@pytest.mark.parametrize("short", [False, True])
def test_a_bar_that_reaches_danger_and_guard_meets_them_in_order(
    tmp_path: Path, short: bool
) -> None:
    """On bars alone the path goes through the danger price, and half is sold there."""
    with script(tmp_path) as run:
        position = levered(run, 10, short=short)
        unstopped(run, position)
        view = run.snapshot.positions[0]
        assert view.danger_price is not None
        assert view.guard_price is not None
        watch = run.desk.watches[position.id]
        begin = run.now_ns - run.now_ns % MINUTE + MINUTE
        worst = view.guard_price - 50 * position.direction.sign
        bar = Bar(
            symbol=PERP, open_ns=begin, span_ns=MINUTE, open=PRICE, high=max(PRICE, worst),
            low=min(PRICE, worst), close=PRICE, volume=1.0,
        )  # fmt: skip
        events = list(run.kernel.exits.perpetuals.walk(position.id, watch, bar, begin))
        assert [str(event.reason) for event in events] == ["reduce_half", "liquidation"]
        assert events[0].price == pytest.approx(view.danger_price)
        assert events[1].price == pytest.approx(view.guard_price)
        judged = run.kernel.exits.perpetuals.judged(position, events[1])
        assert judged.reason == "emergency_exit"


def test_funding_is_booked_at_its_hour_once_and_survives_a_crash(tmp_path: Path) -> None:
    run = script(tmp_path)
    with run:
        position = levered(run, 3)
        hour = next_boundary(run.now_ns)
        run.wait((hour - run.now_ns) / SECOND)
        run.tick(PRICE, PERP, after_s=0.0)
        assert run.records(Funded) == []
        run.tick(PRICE, PERP, after_s=1.0)
        run.tick(PRICE, PERP, after_s=60.0)
        [paid] = run.records(Funded)
        assert paid.funding.boundary_ns == hour
        assert paid.funding.amount == (position.quantity * Decimal(repr(PRICE)) / 10_000).quantize(
            Decimal("1e-8")
        )
        assert run.snapshot.positions[0].funding_paid == paid.funding.amount
        whole(run)
        run.crash()
    with script(tmp_path, resume=True, begin_ns=run.now_ns) as again:
        assert again.desk.ledger.funding == paid.funding.amount
        again.tick(PRICE, PERP, after_s=30.0)
        assert len(again.records(Funded)) == 1
        again.wait(INTERVAL_NS / SECOND)
        again.tick(PRICE, PERP)
        assert len(again.records(Funded)) == 2
        assert again.desk.watches[position.id].guard is not None
        whole(again)


def test_hours_that_passed_while_nobody_ran_are_paid_afterwards(tmp_path: Path) -> None:
    run = script(tmp_path)
    with run:
        levered(run, 2)
        run.crash()
    later = run.now_ns + 17 * HOUR
    with script(tmp_path, resume=True, begin_ns=later) as again:
        again.tick(PRICE, PERP)
        boundaries = [record.funding.boundary_ns for record in again.records(Funded)]
        assert len(boundaries) == len(set(boundaries)) == 2
        whole(again)


def test_funding_that_nobody_knows_is_said_once_and_never_zero(tmp_path: Path) -> None:
    with script(tmp_path) as run:
        run.desk.rates = NoRates("nobody was asked")
        levered(run, 2)
        for _ in range(2):
            run.wait(INTERVAL_NS / SECOND)
            run.tick(PRICE, PERP)
        assert run.records(Funded) == []
        assert run.snapshot.positions[0].funding_paid is None
        notes = [note.text for note in run.records(Noted) if "funding" in note.text]
        assert len(notes) == 1
        assert "nobody was asked" in notes[0]


def test_spot_has_no_margin_no_guard_and_no_funding(tmp_path: Path) -> None:
    with Script(tmp_path) as run:
        run.desk.rates = FixedRate(0.01)
        position = run.opened()
        assert run.desk.watches[position.id].guard is None
        assert run.snapshot.positions[0].margin is None
        run.wait(INTERVAL_NS / SECOND)
        run.tick(PRICE)
        assert run.records(Funded) == []


def test_five_times_on_a_recorded_perpetual_pays_its_recorded_funding(tmp_path: Path) -> None:
    """A month of minutes with its own funding: levels are used, hours are paid, books agree."""
    bars = recorded("ohlcv_crypto/typhonun_binance_um/1m/SOLUSDT.parquet")
    recorded("funding/typhonun_binance_um/SOLUSDT.parquet")
    path = tmp_path / "perp.db"
    config = Config(
        engine=EngineSection(
            feed=f"replay:{bars}", approval="auto", timeframe="15m", cash=Decimal(20_000), seed=1,
            profile="aggressive",
        ),
        paths=PathsSection(db=str(path)),
    )  # fmt: skip
    options = RunOptions(
        start="2025-05-05", end="2025-05-14",
        settings=(
            ("dec.min_confidence", "0.2"), ("lev.low_leverage_max", "5"),
            ("lev.high_vol_pct", "8"), ("lev.auto_max", "5"), ("lev.trend_cut", "1"),
            ("lev.adx_cut", "1"), ("lev.confidence_cut", "1"), ("lev.vol_cut", "1"),
            ("lev.regime_sideways", "1"), ("lev.regime_bear", "1"), ("lev.regime_high_vol", "1"),
            ("lev.regime_strong_bear", "1"), ("lev.regime_crash", "1"),
        ),
    )  # fmt: skip
    engine = build(config, options, "test")
    engine.kernel.run()
    assert engine.kernel.fault is None
    desk = engine.desk
    assert "typhonun_binance_um" in desk.rates.note
    assert {trade.leverage for trade in desk.trades} == {5}
    assert len(desk.trades) > 5
    with Reader(path) as reader:
        payments = [e.record for e in reader.events(kind="funded", limit=-1)]
        assert audit(reader).ok
    assert payments
    assert desk.ledger.funding == sum(
        (record.funding.amount for record in payments if isinstance(record, Funded)), Decimal(0)
    )
    for record in payments:
        assert isinstance(record, Funded)
        assert record.funding.rate == desk.rates.rate(PERP.replace("BTC", "SOL"),
                                                      record.funding.boundary_ns)  # fmt: skip
    desk.ledger.verify(full=True)
