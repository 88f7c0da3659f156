"""The sampler: paced by the terminal's answers, still when nothing moves."""

from __future__ import annotations

import pytest

from app.options import AppOptions
from app.sampler import GIVE_UP_NS, Sampler
from app.shown import LOOK_NS, Look, Shown
from app.writer import MAX_FRAMES
from tests.ui.deck import Deck, drive
from tests.ui.fakehub import FakeTime, make_proposal


class FakeScreen:
    """A screen whose samples always change something."""

    def __init__(self, answers: bool = True) -> None:
        self.sampled = 0
        self.asked = 0
        self.backlog = 0
        self.can_ask = answers

    def sample(self, now_ns: int) -> bool:
        self.sampled += 1
        return True

    def ask_terminal(self) -> bool:
        self.asked += self.can_ask
        return self.can_ask

    def terminal_backlog(self) -> int:
        return self.backlog

    def failed(self, error: Exception) -> None:
        raise error


def make(paced: bool = True) -> tuple[Sampler, FakeScreen, FakeTime]:
    time, screen = FakeTime(), FakeScreen()
    return Sampler(screen, 4.0, paced, time), screen, time


def test_samples_are_skipped_until_the_terminal_has_drawn_the_last_one() -> None:
    sampler, screen, time = make()
    assert sampler.step()
    assert sampler.painted()
    for _ in range(10):
        time.pass_ms(250)
        assert not sampler.step()
    assert screen.sampled == 1
    sampler.answered()
    assert sampler.step()
    assert screen.sampled == 2


def test_a_terminal_that_never_answers_is_sampled_at_a_fixed_rate() -> None:
    sampler, screen, time = make()
    sampler.step()
    sampler.painted()
    time.now += GIVE_UP_NS
    for _ in range(5):
        assert sampler.step()
        sampler.painted()
    assert (screen.sampled, screen.asked) == (6, 1)


def test_a_late_answer_brings_the_pacing_back() -> None:
    sampler, screen, time = make()
    sampler.step()
    sampler.painted()
    time.now += GIVE_UP_NS
    sampler.step()
    sampler.answered()
    sampler.painted()
    assert screen.asked == 2


def test_without_pacing_nothing_is_asked() -> None:
    sampler, screen, _ = make(paced=False)
    for _ in range(5):
        assert sampler.step()
        assert not sampler.painted()
    sampler.answered()
    sampler.step()
    sampler.painted()
    assert screen.asked == 0


def test_a_terminal_that_does_not_read_gets_no_more_samples() -> None:
    sampler, screen, _ = make(paced=False)
    screen.backlog = MAX_FRAMES
    assert not sampler.step()
    assert screen.sampled == 0


def test_the_rate_follows_the_terminal_and_the_option() -> None:
    assert AppOptions().rate({}) == 10.0
    assert AppOptions().rate({"SSH_CONNECTION": "1"}) == 4.0
    assert AppOptions().rate({"SSH_TTY": "/dev/pts/1"}) == 4.0
    assert AppOptions(hz=2.5).rate({"SSH_TTY": "/dev/pts/1"}) == 2.5
    assert AppOptions().pacing({})
    assert not AppOptions().pacing({"TMUX": "/tmp/x"})


def test_what_was_shown_is_what_was_painted_and_not_what_was_drawn() -> None:
    shown, time = Shown(), FakeTime()
    first, second = make_proposal(1), make_proposal(1, version=2, digest="b" * 64)
    shown.draw(first)
    assert shown.look(first, time())[0] is Look.UNSEEN
    shown.painted(time())
    assert shown.look(first, time()) == (Look.SOON, LOOK_NS)
    time.pass_ms(250)
    assert shown.look(first, time())[0] is Look.READY
    shown.draw(second)
    assert shown.proposal is first
    assert shown.look(second, time())[0] is Look.UNSEEN
    shown.painted(time())
    assert shown.look(second, time())[0] is Look.CHANGED
    assert shown.look(first, time())[0] is Look.UNSEEN
    time.pass_ms(250)
    assert shown.look(second, time())[0] is Look.READY


def test_an_own_move_of_the_cursor_is_no_surprise() -> None:
    shown, time = Shown(), FakeTime()
    shown.draw(make_proposal(1))
    shown.painted(time())
    shown.moved()
    shown.draw(make_proposal(2))
    shown.painted(time())
    assert shown.look(make_proposal(2), time())[0] is Look.SOON


def test_the_same_terms_repainted_keep_their_time_on_screen() -> None:
    shown, time = Shown(), FakeTime()
    for _ in range(4):
        shown.draw(make_proposal(1))
        shown.painted(time())
        time.pass_ms(100)
    assert shown.look(make_proposal(1), time())[0] is Look.READY


def test_garbage_is_collected_every_ten_minutes_when_no_key_was_pressed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    collected: list[int] = []

    async def script(deck: Deck) -> None:
        monkeypatch.setattr("app.app.gc.collect", lambda: collected.append(1))
        await deck.look(9 * 60_000)
        assert collected == []
        await deck.look(60_000)
        assert collected == [1]
        deck.time.pass_ms(10 * 60_000)
        await deck.press("j")
        await deck.look(1_000)
        assert collected == [1]
        await deck.look(2_000)
        assert collected == [1, 1]

    drive(script)
