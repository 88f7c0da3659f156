"""What is known, shown and overridden from the command line."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from app.cli import run
from app.knowing import days_of, hours_of, when
from engine.core.errors import CommandRefused
from engine.core.learning import CoinScore, CoinStatus, Insight, InsightKind, Rule, RuleAction
from engine.core.lived import JournalEntry
from engine.core.records import CoinScored, InsightFound, RuleSet, RunStarted, TradeJournalled
from engine.journal.export import export
from engine.journal.journal import Journal
from engine.journal.migrations import STEPS
from engine.journal.queries import Reader
from tests.knowledge_help import START, closed, entered

BTC = "BTC/USDT"
Run = Callable[..., tuple[int, str, str]]

RULE = Rule(id="R-1", description="mornings", action=RuleAction.NO_TRADE, hours=(8, 9))


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Configuration and data of nobody but this test."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(list(arguments))
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def db(tmp_path: Path) -> Path:
    path = tmp_path / "a.db"
    one = closed(1.0)
    with Journal.open(path, mode="PAPER", feed="SIM") as journal:
        journal.append_all(
            [
                RunStarted(
                    time_ns=START, mode="PAPER", feed="SIM", seed=1, symbols=(BTC,),
                    timeframe="15m", approval="review", profile="balanced", cash="1000",
                    resumed=False, parameters={},
                ),
                CoinScored(time_ns=START, coin=CoinScore(symbol=BTC, trades=5, wins=1, losses=4)),
                CoinScored(
                    time_ns=START,
                    coin=CoinScore(
                        symbol=BTC, trades=6, wins=1, losses=5, status=CoinStatus.REDUCED,
                        status_by="C-1",
                    ),
                ),
                RuleSet(time_ns=START, rule=RULE, who="person"),
                InsightFound(
                    time_ns=START,
                    insight=Insight(
                        id="I-1", known_ns=START, source="statistics",
                        kind=InsightKind.PROBLEM, text="mornings lose",
                    ),
                ),
                TradeJournalled(
                    time_ns=START,
                    entry=JournalEntry(
                        context=entered(one), closed=one,
                        after=((1, 101.0), (5, 103.0), (15, float("nan"))), missed_pct=0.98,
                    ),
                ),
            ]
        )  # fmt: skip
        journal.barrier()
    return path


def test_knowledge_is_told_as_tables_and_as_json(cli: Run, db: Path) -> None:
    text = cli("knowledge", "--db", str(db))[1]
    for word in ("reduced", "C-1", "mornings", "8,9 h", "mornings lose"):
        assert word in text
    facts = json.loads(cli("knowledge", "--db", str(db), "--json")[1])
    [coin] = facts["coins"]
    assert (coin["trades"], coin["status"]) == (6, "reduced")
    assert coin["win_rate"] == pytest.approx(1 / 6)
    # An interval that is none is null, and no number that looks like one.
    assert coin["gross_low"] is None


def test_lessons_show_what_came_after_an_exit(cli: Run, db: Path) -> None:
    text = cli("lessons", "--db", str(db))[1]
    for word in ("T-1", "ma_crossover·BULL·LONG", "+1.00", "103", "+0.98"):
        assert word in text
    [trade] = json.loads(cli("lessons", "--db", str(db), "--json")[1])["trades"]
    assert trade["after"] == [[1, 101.0], [5, 103.0], [15, None]]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("coin", "DOGE/USDT", "reduced"), "unknown_symbol"),
        (("coin", BTC, "loved"), "unknown_status"),
        (("pattern", "none", "on"), "unknown_pattern"),
        (("rule", "off", "R-9"), "unknown_rule"),
        (("pair", BTC, "luck", "blocked"), "unknown_strategy"),
        (("pair", BTC, "ma_crossover", "loved"), "unknown_status"),
        (("pair", "DOGE/USDT", "ma_crossover", "auto"), "unknown_symbol"),
        (("insight", "I-9", "strike"), "unknown_insight"),
        (("insight", "I-1", "forget"), "unknown_state"),
        (("insight", "I-1", "reword"), "text_needed"),
        (("rule", "caution", "why", "--hours", "25"), "bad_hours"),
        (("rule", "caution", "why", "--days", "xyz"), "bad_weekdays"),
    ],
)
def test_what_the_journal_can_tell_is_refused_at_once(
    cli: Run, db: Path, words: tuple[str, ...], code: str
) -> None:
    exit_code, _, said = cli(*words, "--db", str(db))
    assert exit_code != 0
    assert code in said


@pytest.mark.parametrize(
    "words",
    [
        ("coin", "btc/usdt", "blacklisted", "--reason", "a delisting"),
        ("rule", "no_trade", "thin nights", "--hours", "22-5", "--days", "sat,sun"),
        ("rule", "off", "r-1"),
        ("pair", "btc/usdt", "ma_crossover", "favoured", "--reason", "it suits"),
        ("insight", "i-1", "strike", "--reason", "chance"),
        ("insight", "i-1", "reword", "--text", "only Mondays"),
        ("insight", "i-1", "restore"),
    ],
)
def test_a_command_is_left_for_its_engine(cli: Run, db: Path, words: tuple[str, ...]) -> None:
    facts = json.loads(cli(*words, "--db", str(db), "--json")[1])
    assert (facts["ok"], facts["taken"]) == (True, False)


def test_hours_may_go_over_midnight() -> None:
    assert hours_of("22-1, 5") == (0, 1, 5, 22, 23)
    assert hours_of("") == ()
    assert days_of("Sat,sunday") == (5, 6)
    with pytest.raises(CommandRefused):
        hours_of("soon")
    assert when(RULE) == "8,9 h"


def test_the_export_has_every_store(db: Path, tmp_path: Path) -> None:
    written = dict(export(db, tmp_path / "out").files)
    assert written["data/coin_scores.jsonl"] == 1
    assert written["data/regime_rules.jsonl"] == 1
    assert written["data/trade_journal.jsonl"] == 1
    [line] = (tmp_path / "out/data/trade_journal.jsonl").read_text().splitlines()
    row = json.loads(line)
    assert (row["price_5min_after"], row["price_15min_after"]) == (103.0, None)


def test_an_older_file_tells_what_it_knows_from_its_events(db: Path) -> None:
    tables = ("insights", "trade_journal", "coin_scores", "regime_rules")
    with Reader(db) as reader:
        now = {name: list(reader.table(name)) for name in tables}
    with contextlib.closing(sqlite3.connect(db, isolation_level=None)) as connection:
        for table, column in (("insights", "said"), ("trade_journal", "cvd_note")):
            connection.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        STEPS[8](connection)
    with Reader(db) as reader:
        assert {name: list(reader.table(name)) for name in tables} == now
    assert all(now.values())
