"""Knowledge on the main path: what every trade teaches, and what every statistic moves."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.core.clock import DAY, HOUR
from engine.core.commands import (
    ClosePosition,
    Override,
    SetCoin,
    SetInsight,
    SetPair,
    SetParameter,
    SetPattern,
    SetRule,
)
from engine.core.learning import (
    ChangeKind,
    ChangeState,
    CoinStatus,
    Evidence,
    Insight,
    InsightKind,
    Lean,
    PairStatus,
    RuleAction,
    Suggestion,
    Target,
    TargetKind,
)
from engine.core.parameters import find
from engine.core.records import (
    ChangeMoved,
    CoinScored,
    ConditionChanged,
    Denied,
    PairScored,
    PatternScored,
    PerformanceMeasured,
    PositionEntered,
    RuleSet,
    TradeClosed,
    TradeJournalled,
)
from engine.core.types import Direction, Tick, TradeCondition
from engine.journal.queries import Reader
from engine.kernel.appraisal import Wish
from engine.learning.insights import KEPT
from engine.llm.knowing import told_knowledge
from tests.engine.scripted import BTC, ETH, PRICE, Script
from widgets.trades import TradesPanel


def trade(script: Script, move: float, symbol: str = BTC) -> None:
    """Open at the price there is and close it by hand a minute later, after a move."""
    position = script.opened(symbol)
    script.price(script.desk.symbols[symbol].last + move, symbol, after_s=60)
    script.send(ClosePosition(id=script.name(), position=position.id))
    script.price(script.desk.symbols[symbol].last, symbol)
    assert script.desk.book.get(position.id) is None


def size(script: Script, symbol: str = BTC) -> tuple[float, dict[str, float]]:
    """The notional of an entry that is proposed now, and its factors by name."""
    proposal = script.proposed(symbol)
    return float(proposal.notional), {one.name: one.value for one in proposal.factors}


def refused(script: Script, symbol: str = BTC) -> Denied:
    """The denial of an entry that is wanted now."""
    before = len(script.records(Denied))
    script.want(symbol=symbol)
    [denied] = script.records(Denied)[before:]
    return denied


def test_a_trade_and_what_it_taught_are_one_transaction(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        trade(script, 300)
        script.desk.journal.barrier()
        with Reader(script.path) as reader:
            seqs = {
                type(event.record): event.seq
                for event in reader.events(limit=-1)
                if type(event.record)
                in (TradeClosed, TradeJournalled, CoinScored, PairScored, PatternScored)
            }
        assert max(seqs.values()) - min(seqs.values()) < 8
        [context] = [record.context for record in script.records(PositionEntered)]
        [entry] = [record.entry for record in script.records(TradeJournalled)]
        assert repr(entry.context) == repr(context)
        assert context.pattern.startswith("technical·")
        assert (context.hour, context.vol_level) == (8, script.desk.symbols[BTC].vol_level)
        closed = entry.closed
        risk = abs(context.price - context.stop) / context.price * 100
        assert closed.gross_r == pytest.approx(closed.gross_pct / risk)
        # Before fees: what the coin is judged by is more than what the account got.
        assert closed.gross_pct > closed.trade.pnl_pct


@pytest.mark.parametrize(
    ("status", "factor"), [("reduced", 0.5), ("probation", 0.5), ("normal", None)]
)
def test_a_coin_s_status_makes_its_size(tmp_path: Path, status: str, factor: float | None) -> None:
    (tmp_path / "b").mkdir()
    with Script(tmp_path) as script:
        assert script.send(SetCoin(id="s", symbol=BTC, status=status)).ok
        notional, factors = size(script)
        assert factors.get(f"coin {status}") == factor
    with Script(tmp_path / "b") as plain:
        usual, _ = size(plain)
        # A boost of the market's is dropped beside a reduction, so it may be even smaller.
        assert notional <= usual * (factor or 1.0) * 1.01
        assert (notional < usual) is (factor is not None)


def test_a_favoured_coin_is_larger_only_where_nothing_reduces(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        script.send(SetCoin(id="s", symbol=BTC, status="favoured"))
        script.send(SetRule(id="r", description="care", action="CAUTION", vol_level="", symbol=BTC))
        _, factors = size(script)
        assert "coin favoured" not in factors
        assert factors["rule R-1"] == 0.8


def test_a_blacklisted_coin_admits_no_entry_but_a_person_s(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        script.send(SetCoin(id="s", symbol=BTC, status="blacklisted", reason="a delisting"))
        denied = refused(script)
        assert (denied.code, denied.gate.detail) == ("coin_blacklisted", "blacklisted by person")
        assert not denied.gate.hard
        ack = script.send(Override(id="o", symbol=BTC, direction=Direction.LONG, reason="mine"))
        assert ack.ok
        script.send(SetCoin(id="t", symbol=BTC, status="auto"))
        assert script.desk.memory.coins.score(BTC).status is CoinStatus.NORMAL


def test_a_blocked_pair_and_a_pattern_that_is_off_refuse(tmp_path: Path) -> None:
    with Script(tmp_path, symbols=(BTC, ETH)) as script:
        memory = script.desk.memory
        pair = Target(kind=TargetKind.PAIR, name=f"{BTC} × technical")
        memory.pairs.apply(pair, "true", "C-1", script.now_ns)
        assert refused(script).code == "pair_blocked"
        trade(script, 300, ETH)
        [pattern] = memory.patterns.patterns()
        assert script.send(SetPattern(id="p", pattern=pattern.id, active=False)).ok
        script.wait(3600)
        assert refused(script, ETH).code == "pattern_inactive"


def test_a_rule_refuses_in_its_hours_and_counts_what_it_saved(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        ack = script.send(SetRule(id="r", description="mornings", action="no_trade", hours=(8,)))
        assert (ack.ok, ack.ref) == (True, "R-1")
        denied = refused(script)
        assert (denied.code, denied.gate.detail) == ("rule_no_trade", "R-1: mornings")
        stop = denied.stop
        script.price(stop * 0.99)
        script.price(stop * 0.99)
        [rule] = script.desk.memory.rules.rules()
        assert rule.triggered == 1
        assert rule.saved_pct > 0.5
        assert [record.rule.triggered for record in script.records(RuleSet)] == [0, 1, 1]
        script.crash()
    with script.again(tmp_path) as again:
        assert again.desk.memory.rules.rules() == (rule,)
        assert again.send(SetRule(id="x", rule="R-1", description="", action="", active=False)).ok
        [rule] = again.desk.memory.rules.rules()
        assert (rule.active, rule.hours, rule.action) == (False, (8,), RuleAction.NO_TRADE)


@pytest.mark.parametrize(
    ("action", "factor"), [("REDUCE_SIZE", 0.5), ("CAUTION", 0.8), ("INCREASE_SIZE", 1.2)]
)
def test_rules_make_sizes_smaller_and_larger(tmp_path: Path, action: str, factor: float) -> None:
    with Script(tmp_path) as script:
        script.send(SetRule(id="r", description="x", action=action, symbol=BTC))
        asked = script.kernel.entries.appraiser
        wish = Wish(script.desk.symbols[BTC], Direction.LONG, "technical", 0.9)
        assert asked.bearing(wish).factors == (("rule R-1", factor),)
        proposal = script.proposed()
        acted = [one for one in proposal.factors if one.name == "rule R-1"]
        [rule] = script.desk.memory.rules.rules()
        assert rule.triggered == len(acted)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (SetCoin(id="1", symbol="DOGE/USDT", status="reduced"), "unknown_symbol"),
        (SetCoin(id="1", symbol=BTC, status="loved"), "unknown_status"),
        (SetPattern(id="1", pattern="none", active=True), "unknown_pattern"),
        (SetRule(id="1", description="", action="CAUTION"), "description_needed"),
        (SetRule(id="1", description="x", action="STOP"), "unknown_action"),
        (SetRule(id="1", description="x", action="CAUTION", hours=(24,)), "bad_hours"),
        (SetRule(id="1", description="x", action="CAUTION", weekdays=(7,)), "bad_weekdays"),
        (SetRule(id="1", description="x", action="CAUTION", vol_level="odd"), "bad_level"),
        (SetRule(id="1", rule="R-9", description="x", action="CAUTION"), "unknown_rule"),
        (SetPair(id="1", symbol="DOGE/USDT", strategy="technical", status="auto"),
         "unknown_symbol"),
        (SetPair(id="1", symbol=BTC, strategy="luck", status="blocked"), "unknown_strategy"),
        (SetPair(id="1", symbol=BTC, strategy="technical", status="x"), "unknown_status"),
        (SetInsight(id="1", insight="I-9", struck=True), "unknown_insight"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_by_code(
    tmp_path: Path, command: SetCoin | SetPattern | SetRule | SetPair | SetInsight, code: str
) -> None:
    with Script(tmp_path) as script:
        ack = script.send(command)
        assert (ack.ok, ack.code) == (False, code)


def condition(script: Script, name: str, pattern: str, symbol: str = BTC) -> TradeCondition:
    price = script.desk.symbols[symbol].last
    return TradeCondition(
        id=name, symbol=symbol, direction=Direction.LONG, trigger=price * 1.001, above=True,
        stop=price * 0.98, targets=(price * 1.04,), created_ns=script.now_ns,
        valid_until_ns=script.now_ns + HOUR, reasoning="a break above the range",
        strategy="strategist_rules", pattern=pattern,
    )  # fmt: skip


def test_a_condition_s_pattern_goes_with_its_trade(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        script.desk.sniper.arm(condition(script, "TC-1", "Range Break"))
        script.price(PRICE * 1.0012)
        script.cycle()
        [proposal] = script.desk.proposals.waiting()
        assert (proposal.pattern, proposal.condition) == ("range_break", "TC-1")
        assert script.approve(proposal).ok
        script.price(PRICE * 1.0012)
        script.price(float(script.position.stop) - 1)
        script.price(PRICE * 0.97)
        [pattern] = script.desk.memory.patterns.patterns()
        assert (pattern.id, pattern.made_by, pattern.losses) == (
            "range_break", "strategist_rules", 1,
        )  # fmt: skip
        assert pattern.description == "a break above the range"
        assert pattern.confidence < 0.5


def test_of_two_conditions_the_pattern_that_did_better_goes_first(tmp_path: Path) -> None:
    with Script(tmp_path, symbols=(BTC, ETH)) as script:
        memory = script.desk.memory
        for name, active in (("good", 0.8), ("bad", 0.2)):
            target = Target(kind=TargetKind.PATTERN, name=name)
            [record] = memory.patterns.apply(target, "true", "t", script.now_ns)
            memory.patterns.restore(replace(record.pattern, confidence=active))
        script.desk.sniper.arm(condition(script, "TC-1", "bad", BTC))
        script.desk.sniper.arm(condition(script, "TC-2", "good", ETH))
        script.push(
            *(
                Tick(symbol=symbol, time_ns=script.now_ns, price=PRICE * 1.0012, size=0.1)
                for symbol in (BTC, ETH)
            )
        )
        script.cycle()
        made = [r.condition.id for r in script.records(ConditionChanged) if r.state == "triggered"]
        assert made == ["TC-2", "TC-1"]


def test_prices_after_the_exit_are_kept_and_what_was_missed(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        trade(script, 300)
        left = float(script.trades[-1].exit_price)
        for minutes, price in ((1, left * 1.01), (4, left * 1.02), (10, left * 0.99)):
            script.price(price, after_s=minutes * 60)
        entry = script.records(TradeJournalled)[-1].entry
        assert [minutes for minutes, _ in entry.after] == [1, 5, 15]
        assert entry.missed_pct == pytest.approx(2.0, abs=0.01)
        with Reader(script.path) as reader:
            [row] = reader.table("trade_journal")
        assert row["price_5min_after"] == pytest.approx(left * 1.02)
        assert row["pattern_id"] == entry.context.pattern
        assert not script.kernel.knowing.afterwards.following()


def test_an_exit_is_followed_on_after_a_restart_and_what_nobody_saw_stays_unknown(
    tmp_path: Path,
) -> None:
    with Script(tmp_path, live=True) as script:
        trade(script, 300)
        left = float(script.trades[-1].exit_price)
        script.price(left * 1.01, after_s=60)
        script.crash()
    later = script.now_ns + 10 * 60 * 1_000_000_000
    with script.again(tmp_path, warm=False, begin_ns=later) as again:
        again.price(left * 1.05)
        again.price(left * 1.03, after_s=5 * 60)
        entry = again.records(TradeJournalled)[-1].entry
        seen = dict(entry.after)
        assert seen[1] == pytest.approx(left * 1.01)
        assert math.isnan(seen[5])


def test_a_day_is_measured_by_one_function(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        trade(script, 300)
        script.wait(DAY / 1e9)
        script.cycle()
        script.cycle()
        [measured] = script.records(PerformanceMeasured)
        assert [(row.period, row.total_trades) for row in measured.periods] == [
            ("day", 1), ("all", 1),
        ]  # fmt: skip
        assert measured.periods[0].knowledge_version == 3
        [strategy] = measured.strategies
        assert (strategy.strategy, strategy.total_trades) == ("technical", 1)
        with Reader(script.path) as reader:
            assert len(list(reader.table("performance_snapshots"))) == 2
            assert len(list(reader.table("strategy_performance"))) == 1


def test_few_losses_reduce_a_coin_through_the_ledger_and_it_is_as_it_was_again(
    tmp_path: Path,
) -> None:
    with Script(tmp_path, settings={"cb.consecutive_losses": 10}) as script:
        for _ in range(5):
            assert script.desk.memory.coins.factor(BTC) == 1.0
            trade(script, -150)
            script.wait(3600)
            script.price(PRICE)
        [change] = [
            record.change
            for record in script.records(ChangeMoved)
            if record.change.target.kind is TargetKind.COIN
        ]
        assert (change.kind, change.before, change.after) == (
            ChangeKind.PRECAUTION, "null", '"reduced"',
        )  # fmt: skip
        assert len(change.evidence.ids) == 5
        score = script.desk.memory.coins.score(BTC)
        assert (score.status, score.status_by) == (CoinStatus.REDUCED, change.id)
        script.crash()
    with script.again(tmp_path) as again:
        assert again.desk.memory.coins.factor(BTC) == 0.5
        again.wait(3 * DAY / 1e9)
        again.price(PRICE)
        again.cycle()
        again.cycle()
        assert again.desk.memory.coins.score(BTC).status_by == ""
        assert again.desk.memory.coins.factor(BTC) == 1.0


def test_knowledge_is_the_same_object_until_something_is_told(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        first = script.kernel.knowing.knowledge()
        script.price(PRICE * 1.001)
        assert script.kernel.knowing.knowledge() is first
        trade(script, 300)
        assert script.kernel.knowing.knowledge() is not first


def test_a_trade_s_detail_tells_its_pattern_and_what_came_after(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        trade(script, 300)
        left = float(script.trades[-1].exit_price)
        script.price(left * 1.01, after_s=61)
        snapshot = script.snapshot
        [entry] = snapshot.lived
        assert [minutes for minutes, _ in entry.after] == [1]
        panel = TradesPanel()
        panel.show(snapshot, snapshot.time_ns)
        [row] = panel.items(snapshot)
        text = " ".join(part for line in panel.details(row, 200) for part, _ in line)
        assert "technical·BULL·LONG" in text
        assert "1 min after" in text
        assert script.snapshot.lived is snapshot.lived
    with Reader(script.path) as reader:
        assert [repr(one) for one in reader.lived()] == [repr(entry)]


def suggested(target: Target, after: str) -> Suggestion:
    """A trial of a learner's that is applied at once."""
    return Suggestion(
        target=target, after=after, kind=ChangeKind.TRIAL, lean=Lean.TIGHTENS, who="pairs",
        reason="x", evidence=Evidence(metric="x", unit="R", n=9, mean=0.1), lasts_ns=30 * DAY,
    )  # fmt: skip


def test_a_pair_is_a_person_s_to_block_favour_and_leave(tmp_path: Path) -> None:
    pair = Target(kind=TargetKind.PAIR, name=f"{BTC} × technical")
    with Script(tmp_path) as script:
        memory, strategy = script.desk.memory, "technical"
        memory.pairs.apply(pair, "null", "C-1", script.now_ns)
        usual = memory.order(BTC, strategy, "")

        def send(status: str) -> None:
            ack = script.send(
                SetPair(id=status, symbol=BTC, strategy=strategy, status=status, reason="why")
            )
            assert ack.ok, ack

        send("blocked")
        denied = refused(script)
        assert (denied.code, denied.gate.hard) == ("pair_blocked", False)
        assert denied.gate.detail == f"technical is blocked in {BTC} by person"
        send("favoured")
        assert memory.order(BTC, strategy, "") > usual
        script.kernel.learning.suggest([suggested(pair, "true")])
        assert memory.pairs.score(BTC, strategy).status is PairStatus.FAVOURED
        script.crash()
    with script.again(tmp_path) as again:
        memory = again.desk.memory
        kept = memory.pairs.score(BTC, strategy)
        assert (kept.status, kept.status_by) == (PairStatus.FAVOURED, "person")
        assert again.send(SetPair(id="a", symbol=BTC, strategy=strategy, status="auto")).ok
        assert memory.order(BTC, strategy, "") == usual
        again.kernel.learning.suggest([suggested(pair, "true")])
        # What was taken away from a learner's hand is left alone for a while, then learned again.
        assert memory.pairs.score(BTC, strategy).status_by in ("", "C-1", "C-2")


def test_an_insight_is_struck_out_reworded_and_restored(tmp_path: Path) -> None:
    found = Insight(
        id="I-1", known_ns=0, source="statistics", kind=InsightKind.PROBLEM, text="mornings lose"
    )

    def told(script: Script) -> list[str]:
        situation = script.kernel.conditions.situations.now()
        knowledge = told_knowledge(situation.knowledge, script.now_ns)
        return [one["text"] for one in knowledge.get("lessons", [])]

    with Script(tmp_path) as script:
        script.kernel.knowing.found(found)
        assert told(script) == ["mornings lose"]
        assert script.send(SetInsight(id="a", insight="I-1", struck=True, reason="luck")).ok
        assert told(script) == []
        ack = script.send(SetInsight(id="b", insight="I-1", text="only \x1b[2JMondays", reason="r"))
        assert ack.ok
        assert told(script) == ["only [2JMondays"]
        script.crash()
    with script.again(tmp_path) as again:
        assert told(again) == ["only [2JMondays"]
        [kept] = again.desk.memory.insights.known(again.now_ns)
        assert (kept.text, kept.set_by, kept.set_why) == ("mornings lose", "person", "r")
        assert again.send(SetInsight(id="c", insight="I-1")).ok
        assert told(again) == ["mornings lose"]
        with Reader(again.path) as reader:
            assert reader.knowledge().insights == again.desk.memory.insights.known(again.now_ns)


def test_a_person_s_word_ends_a_change_and_stands(tmp_path: Path) -> None:
    coin = Target(kind=TargetKind.COIN, name=BTC)
    stop = Target(kind=TargetKind.PARAMETER, name="exit.trail_distance_pct")
    with Script(tmp_path) as script:
        learning, params = script.kernel.learning, script.desk.params
        learning.suggest([suggested(coin, '"reduced"'), suggested(stop, "1.25")])
        first, second = (w.change.id for w in learning.school.ledger.watched())
        assert script.send(SetCoin(id="c", symbol=BTC, status="favoured", reason="news")).ok
        assert script.send(SetParameter(id="p", name=stop.name, value="1.25")).ok
        for name, became in ((first, "favoured"), (second, "1.25")):
            change = learning.school.ledger.find(name)
            assert change.state is ChangeState.OVERRULED
            assert change.decided_by == "person"
            assert f"set it to {became}" in change.note
            assert "undecided after 0 comparisons" in change.note
        assert not learning.school.ledger.watched()
        # The same value as the change's is the person's own from now on.
        assert script.desk.memory.coins.score(BTC).status is CoinStatus.FAVOURED
        assert params.get(find(stop.name)) == 1.25
        script.crash()
    with script.again(tmp_path) as again:
        states = {one.id: one.state for one in again.kernel.learning.view().changes}
        assert states == {first: ChangeState.OVERRULED, second: ChangeState.OVERRULED}
        assert again.desk.params.get(find(stop.name)) == 1.25


def test_what_was_asked_about_a_target_is_answered_by_setting_it(tmp_path: Path) -> None:
    coin = Target(kind=TargetKind.COIN, name=BTC)
    with Script(tmp_path) as script:
        learning = script.kernel.learning
        learning.suggest([replace(suggested(coin, '"favoured"'), lean=Lean.LOOSENS)])
        assert script.send(SetCoin(id="c", symbol=BTC, status="reduced")).ok
        [change] = learning.view().changes
        assert change.state is ChangeState.REFUSED
        assert "set it to reduced" in change.note


def test_what_is_shown_of_knowledge_is_never_older_than_what_is_known(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        knowing, memory = script.kernel.knowing, script.desk.memory
        for number in range(KEPT + 20):
            knowing.found(
                Insight(
                    id=f"I-{number}", known_ns=script.now_ns + number % 3, source="statistics",
                    kind=InsightKind.PROBLEM, text=f"{number}",
                )
            )  # fmt: skip
            shown = knowing.knowledge()
            assert shown.insights == memory.insights.known(script.now_ns)
            assert knowing.knowledge() is shown
