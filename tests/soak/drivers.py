"""Every fault that can be repeated: its driver, the count to reach, and how many at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults import (
    blocked,
    clocks,
    drops,
    endurance,
    execution,
    journal,
    kernel,
    kills,
    learning,
    live,
    llm,
    market,
    races,
    rebuild,
    runaway,
    screens,
    typing,
    ui,
)


@dataclass(frozen=True)
class Outcome:
    """What one turn reached; `wrong` is empty when nothing was, `note` what it measured."""

    count: int
    wrong: list[str] = field(default_factory=list)
    note: str = ""


Turn = Callable[[Path, int, int], Outcome]
"""A folder to work in, a seed, and how many to play."""


@dataclass(frozen=True)
class Driver:
    """One fault. `target` is the count of the design, `turn` what is played at a time (a few
    seconds' worth), `weight` how much of the soak's time it gets beside the others."""

    name: str
    fault: str
    what: str
    target: int
    turn: int
    play: Turn
    weight: float = 1.0


def _listed(play: Callable[[int, int], list[str]]) -> Turn:
    """Drivers that return what went wrong."""
    return lambda _, seed, count: Outcome(count, play(count, seed))


def _killed(play: Callable[[Path, int, int], kills.Kills]) -> Turn:
    def turn(folder: Path, seed: int, count: int) -> Outcome:
        result = play(folder, seed, count)
        note = f"{result.acknowledged} fills acknowledged, restart {result.slowest_s:.1f} s"
        if result.gone_s:
            note += f", gone in {result.gone_s:.1f} s"
        return Outcome(result.kills, result.wrong, note)

    return turn


def _reached(play: Callable[[int, int], ui.Reached], per: int = 1) -> Turn:
    """Drivers of the screen, which raise at the first violation."""

    def turn(_: Path, seed: int, count: int) -> Outcome:
        reached = play(count, seed)
        return Outcome(reached.count * per, note=_worst(reached.worst_ms))

    return turn


def _worst(milliseconds: float) -> str:
    return f"worst {milliseconds:.0f} ms" if milliseconds else ""


def _journal_kills(folder: Path, seed: int, count: int) -> Outcome:
    result = journal.kill_while_appending(folder, seed, count)
    wrong = [f"{what} {names}" for what, names in (
        ("lost", result.lost), ("doubled", result.doubled), ("divided", result.divided),
    ) if names]  # fmt: skip
    return Outcome(result.kills, wrong, f"{result.acknowledged} fills acknowledged")


def _cuts(folder: Path, seed: int, count: int) -> Outcome:
    result = journal.cut_power(folder, seed, count)
    wrong = [f"refused: {why}" for why in result.refused]
    if result.lost or result.unnoticed:
        wrong.append(f"{result.lost} lost, {result.unnoticed} lies not noticed")
    return Outcome(result.cuts, wrong, f"{result.lies} lying disks noticed")


def _flips(folder: Path, seed: int, count: int) -> Outcome:
    result = journal.flip_bytes(folder, seed, count)
    note = f"{result.refused} refused, {result.harmless} harmless"
    return Outcome(result.flips, result.wrong, note)


def _full_disks(folder: Path, seed: int, count: int) -> Outcome:
    wrong = []
    for number in range(count):
        path = folder / f"full-{number}.db"
        room = 20_000 + (seed * 7_919 + number * 104_729) % 1_500_000
        lines, errors = journal.finish(journal.child("starve", path, room))
        if not lines or lines[-1] != "recovered ok 0":
            wrong.append(f"room {room}: {lines[-1:]}, {errors[-200:]}")
            continue
        refused = int(next(line for line in lines if line.startswith("refused")).split()[1])
        with journal.open_paper(path) as opened:
            kept = len(opened.recovered.orders)
        if kept != refused:
            wrong.append(f"room {room}: {kept} of {refused} intents are there")
    return Outcome(count, wrong)


def _locks(folder: Path, seed: int, count: int) -> Outcome:
    result = journal.hold_lock(folder, seed, count)
    bad = result.passed + result.stuck + result.lost
    return Outcome(result.runs, [str(result)] if bad else [])


def _cancelled(folder: Path, seed: int, count: int) -> Outcome:
    result = journal.cancel_transactions(folder, seed, count)
    return Outcome(
        result.started, [str(result)] if result.partial else [], f"{result.cancelled} cancelled"
    )


def _upgrades(folder: Path, seed: int, count: int) -> Outcome:
    result = journal.kill_while_upgrading(folder, seed, count)
    return Outcome(result.kills, result.broken, f"{result.upgraded} upgraded")


def _backups(folder: Path, seed: int, count: int) -> Outcome:
    result = journal.back_up_under_load(folder, seed, count)
    return Outcome(result.made, [str(result)] if result.unequal else [])


def _owners(folder: Path, seed: int, count: int) -> Outcome:
    owners = journal.race_to_own(folder, count)
    return Outcome(count, [f"{owners}"] if set(owners) != {1} else [])


def _frozen_links(_: Path, seed: int, count: int) -> Outcome:
    wrong, longest = live.frozen_links(count, seed)
    return Outcome(count, wrong, f"found after {longest:.0f} s at most")


def _reconnects(_: Path, seed: int, count: int) -> Outcome:
    wrong, grown = live.reconnects(count, seed)
    if grown > 0.05:
        wrong = [*wrong, f"memory grew by {grown:.1%}"]
    return Outcome(count, wrong, f"memory {grown:+.1%}")


def _crashes(_: Path, seed: int, count: int) -> Outcome:
    needed = [market.crash_confirmations(0.2, seed + number) for number in range(count)]
    wrong = [f"seed {seed + k}: {n} confirmations" for k, n in enumerate(needed) if n > 2]
    return Outcome(count, wrong)


def _blocked(_: Path, seed: int, count: int) -> Outcome:
    found = blocked.blocked(float(count), seed=seed)
    late = found.during["p99_ms"] > blocked.LIMIT_MS
    wrong = [f"engine lag p99 {found.during['p99_ms']:.0f} ms"] if late else []
    return Outcome(count, wrong, found.note)


def _typed(folder: Path, seed: int, count: int) -> Outcome:
    done = typing.typed(folder, seed, count, attached=bool(seed % 2))
    return Outcome(done.bursts, done.wrong, f"{done.starts} starts")


def _dropped(play: Callable[[Path, int, int], drops.Drops]) -> Turn:
    def turn(folder: Path, seed: int, count: int) -> Outcome:
        done = play(folder, seed, count)
        return Outcome(done.drops, done.wrong, f"gone within {done.worst_ms:.0f} ms")

    return turn


ENDURED_SPEED = 240.0
"""Eight hours in two minutes."""


def _endured(play: Callable[[Path, float, float, int], endurance.Endured]) -> Turn:
    def turn(folder: Path, seed: int, count: int) -> Outcome:
        done = play(folder, float(count), ENDURED_SPEED, seed)
        return Outcome(count, done.wrong, "; ".join([f"{done.trades} trades", *done.told()]))

    return turn


def _null_markets(_: Path, seed: int, count: int) -> Outcome:
    """What is said where there is nothing to find, with the one-sided bound on its share."""
    report = learning.null_markets(count, seed)
    share = 100 * learning.upper_bound(report.false, max(1, report.changes))
    wrong = []
    if report.markets_wrong > max(1, round(0.05 * count)):
        wrong.append(f"{report.markets_wrong} of {count} markets with a false verdict")
    return Outcome(
        count,
        wrong,
        f"{report.false} of {report.changes} changes called something, bound {share:.1f} %",
    )


def _planted(_: Path, seed: int, count: int) -> Outcome:
    report = learning.planted(count, seed)
    soon = sum(at <= 500 for at in report.found)
    wrong = [] if soon >= 0.9 * count else [f"found {soon} of {count} within 500"]
    late = sorted(report.released)
    middle = late[len(late) // 2] if late else 0
    return Outcome(count, wrong, f"{soon} found within 500, let go after {middle} in the middle")


def _misbehaving(_: Path, seed: int, count: int) -> Outcome:
    reached = llm.misbehaving(count, seed)
    lags = sorted(reached.lags_ms)
    late = sum(one > 50 for one in lags) / len(lags)
    wrong = reached.wrong
    if late > 0.01:
        wrong = [*wrong, f"{late:.1%} of the turns took more than 50 ms"]
    note = f"over the deadline by {reached.worst_over_ms:.0f} ms at most"
    return Outcome(count, wrong, f"{note}, a turn {lags[-1]:.1f} ms at worst")


DRIVERS: tuple[Driver, ...] = (
    Driver("kills", "F1", "kills of a trading engine", 1_000, 24, _killed(kills.random_kills), 6.0),
    Driver("journal-kills", "F1", "kills of an appending journal", 1_000, 12, _journal_kills, 2.0),
    Driver(
        "steps", "F2", "kills at named steps of an order", 180, 1, _killed(kills.step_kills), 3.0
    ),
    Driver("power", "F3", "power cuts", 200, 50, _cuts),
    Driver("flips", "F3", "flipped bytes", 1_000, 150, _flips),
    Driver("disk", "F4", "full disks", 50, 4, _full_disks),
    Driver("locks", "F5", "locked databases", 50, 10, _locks),
    Driver("cancels", "F6", "cancelled transactions", 10_000, 2_000, _cancelled),
    Driver("exceptions", "F7", "injected exceptions", 100, 20, _killed(kills.exceptions), 2.0),
    Driver("upgrades", "F8", "kills while upgrading", 50, 8, _upgrades),
    Driver("backups", "F9", "hot backups", 100, 8, _backups),
    Driver("owners", "F10", "races for one file", 100, 20, _owners),
    Driver(
        "rebuild", "F11", "seeds rebuilt from the journal", 1_000, 40, _listed(rebuild.rebuilt), 2.0
    ),
    Driver("signals", "F12, F13", "signals and hang-ups", 1_000, 100, _reached(ui.signals)),
    Driver("drops", "F12", "screens lost on a served engine", 100, 25, _dropped(drops.drops)),
    Driver(
        "hang-ups", "F12", "engines hung up on in their screen", 100, 25, _dropped(drops.hang_ups)
    ),
    Driver("resizes", "F14", "resizes", 5_000, 500, _reached(ui.resizes)),
    Driver("typist", "F14", "bursts of hostile typing", 10_000, 250, _typed),
    Driver("blocked", "F15", "seconds of a blocked terminal", 600, 60, _blocked),
    Driver("jumps", "F16", "leaps of the clock", 100, 10, _listed(clocks.jumps)),
    Driver(
        "approvals",
        "F18",
        "interleavings of three clients",
        10_000,
        1_000,
        _listed(execution.approvals),
    ),
    Driver(
        "screens",
        "F18",
        "batches of three screens over the socket",
        1_000,
        50,
        _listed(screens.raced),
    ),
    Driver("pauses", "F19", "races of a pause", 1_000, 200, _listed(races.pause_races)),
    Driver("resent", "F20", "orders sent again", 1_000, 500, _listed(execution.resent)),
    Driver("filters", "F22", "sizes and prices", 100_000, 10_000, _listed(execution.filters)),
    Driver("histories", "F23", "histories of fills", 100_000, 1_500, _listed(execution.histories)),
    Driver("runaways", "F27", "calls of a runaway", 1_000_000, 5_000, _listed(runaway.runaways)),
    Driver("frozen", "F29", "frozen symbols", 2_000, 200, _listed(market.frozen_feeds)),
    Driver("frozen-links", "F29", "frozen symbols on a live socket", 50, 4, _frozen_links),
    Driver("silences", "F29", "frozen symbols before an engine", 200, 20, _listed(kernel.silences)),
    Driver("candles", "F30", "disturbed streams", 10_000, 500, _listed(market.candle_streams)),
    Driver(
        "storms", "F30", "disturbed minutes on a live socket", 500, 20, _listed(live.stormy_streams)
    ),
    Driver("forming", "F31", "forming candles", 1_000, 500, _listed(market.forming_as_closed)),
    Driver(
        "forming-engine",
        "F31",
        "forming candles before an engine",
        1_000,
        200,
        _listed(kernel.forming_bars),
    ),
    Driver("ticks", "F32", "bad ticks", 100_000, 20_000, _listed(market.bad_ticks)),
    Driver(
        "ticks-engine",
        "F32",
        "bad ticks before an engine",
        10_000,
        1_000,
        _listed(kernel.bad_ticks),
    ),
    Driver("crashes", "F32", "real crashes believed in time", 1_000, 200, _crashes),
    Driver("reconnects", "F33", "reconnects", 4_320, 60, _reconnects),
    Driver("null-markets", "F38", "markets without an edge", 200, 3, _null_markets, 4.0),
    Driver("planted", "F39", "planted edges, then removed", 500, 50, _planted),
    Driver("poison", "F40", "poisoned changes", 1_000, 200, _listed(learning.poisoned)),
    Driver("hours", "", "hours of an engine in its screen", 8, 8, _endured(endurance.embedded)),
    Driver(
        "served-hours",
        "",
        "hours of a served engine, two screens",
        8,
        8,
        _endured(endurance.served),
    ),
    Driver(
        "hostile",
        "F42",
        "hostile strings through a pty",
        100_000,
        5_000,
        _reached(ui.hostile_texts),
    ),
    Driver("llm-fuzz", "F34", "fuzzed answers", 100_000, 20_000, _listed(llm.fuzzed)),
    Driver("llm-server", "F35", "calls of a misbehaving server", 500, 20, _misbehaving),
    Driver("headlines", "F36", "injected headlines", 1_000, 100, _listed(llm.injected)),
    Driver("collapse", "F37", "models that say one thing", 200, 50, _listed(llm.collapsed)),
)


def names() -> list[str]:
    return [driver.name for driver in DRIVERS]


def chosen(only: str) -> tuple[Driver, ...]:
    """The drivers whose name or fault is asked for; all of them when nothing is."""
    wanted: tuple[Any, ...] = tuple(part.strip() for part in only.split(",") if part.strip())
    if not wanted:
        return DRIVERS
    return tuple(d for d in DRIVERS if d.name in wanted or set(d.fault.split(", ")) & set(wanted))
