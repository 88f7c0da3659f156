"""Clock, ids, SafeText, configuration and hub: the small parts that everything stands on."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.clock import DAY, MINUTE, SECOND, ManualClock, day_of, duration_ns, iso, parse_iso
from engine.core.config import load, read_secrets
from engine.core.errors import ConfigError, InvariantBroken
from engine.core.ids import Ids, derive, generator, source
from engine.core.safetext import SafeText
from engine.hub import Stream


def test_engine_time_never_runs_backwards() -> None:
    clock = ManualClock(5 * SECOND)
    clock.set(6 * SECOND)
    with pytest.raises(InvariantBroken, match="backwards"):
        clock.set(5 * SECOND)
    assert clock.now_ns() == 6 * SECOND


@given(st.integers(min_value=0, max_value=4_000_000_000_000))
def test_iso_round_trips_milliseconds(ms: int) -> None:
    assert parse_iso(iso(ms * 1_000_000)) == ms * 1_000_000


def test_durations_are_written_like_timeframes() -> None:
    assert duration_ns("15m") == 15 * MINUTE
    assert duration_ns("1h30m") == 90 * MINUTE
    assert duration_ns("1d") == DAY
    for bad in ("", "m", "15", "-1m", "1y", "0m"):
        with pytest.raises(ValueError, match="no duration"):
            duration_ns(bad)
    assert day_of(parse_iso("2025-05-04T23:59:59Z")) + 1 == day_of(parse_iso("2025-05-05"))


def test_ids_never_repeat_and_go_on_after_what_was_seen() -> None:
    ids = Ids("abc")
    assert [ids.next("P"), ids.next("P"), ids.next("O")] == ["P-1", "P-2", "O-1"]
    ids.resume({"P": 7, "O": 0})
    assert ids.next("P") == "P-8"
    assert ids.next("O") == "O-2"
    assert len(ids.client_order_id("O-123456")) <= 36


def test_random_sources_of_one_seed_are_repeatable_and_independent() -> None:
    assert source(1, "a").random() == source(1, "a").random()
    assert source(1, "a").random() != source(1, "b").random()
    assert generator(1, "a").random() == generator(1, "a").random()
    assert 0 <= derive(1, "x") < 2**63


@given(st.text())
def test_safe_text_holds_nothing_that_a_terminal_obeys(raw: str) -> None:
    safe = SafeText("\x1b]52;c;aGk=\x07" + raw + "\u202e\u200b\x9b2J")
    assert not any(ord(char) < 32 and char not in "\n\t" for char in safe)
    assert not any(0x7F <= ord(char) < 0xA0 for char in safe)
    assert "\u202e" not in safe
    assert "\u200b" not in safe
    safe.encode()


def test_safe_text_keeps_what_is_only_text() -> None:
    assert SafeText("[TODO] 价格 ↑ [/]") == "[TODO] 价格 ↑ [/]"
    assert SafeText("a\n b\tc").line() == "a b c"
    once = SafeText("x")
    assert SafeText(once) is once


def test_a_stream_tells_what_was_lost() -> None:
    stream = Stream(size=3)
    for number in range(5):
        stream.append(number)
    part = stream.since(0)
    assert (part.items, part.next, part.lost) == ((2, 3, 4), 5, 2)
    assert stream.since(5).items == ()
    assert stream.since(4).items == (4,)
    assert stream.since(99).next == 5


def test_configuration_is_layered_file_environment_command_line(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[llm]\nmodel = "a"\nhost = "h1"\n[engine]\nsymbols = ["SOL/USDT"]\n')
    loaded = load(file, {("engine", "symbols"): "btc/usdt,eth/usdt"}, {"AI_MODEL": "b"})
    assert loaded.config.llm.model == "b"
    assert loaded.config.llm.host == "http://h1"
    assert loaded.config.engine.symbols == ("BTC/USDT", "ETH/USDT")
    assert loaded.origins["llm.model"] == "AI_MODEL"
    assert loaded.origins["engine.symbols"] == "command line"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[engine]\nsymbls = ['A/B']", "did you mean 'symbols'"),
        ("[engin]\n", "did you mean 'engine'"),
        ("[engine\n", "no valid TOML"),
        ("[engine]\ncash = -5", "greater than 0"),
        ("[engine]\nsymbols = ['BTCUSDT']", "is no symbol"),
        ("[engine]\ntimeframe = '15'", "is no timeframe"),
        ("[engine]\nfeed = 'tape'", "is no feed"),
        ("[engine]\nmode = 'live'", "paper"),
    ],
)
def test_a_bad_configuration_names_the_key_and_a_way_out(
    tmp_path: Path, text: str, says: str
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file, environment={})
    assert says in str(caught.value)


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no configuration file"):
        load(tmp_path / "nowhere.toml", environment={})


def test_both_spellings_of_the_secret_are_read_and_never_shown() -> None:
    secrets = read_secrets({"BINANCE_API_KEY": "kkk", "BINANCE_SECRET": "sss"})
    assert secrets.binance_secret == "sss"
    assert "sss" not in repr(secrets)
    assert "kkk" not in repr(secrets)
