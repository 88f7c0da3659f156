"""Headlines from strangers: read whatever they send, bounded, safe and once."""

from __future__ import annotations

from threading import Event

import pytest

from engine.core.errors import FeedError
from engine.core.ids import source
from engine.market.news.client import Fetched, NewsClient, redirected
from engine.market.news.reading import LONGEST, MOST_ITEMS, moment, read
from tests.faults import newswire
from tests.faults.newswire import BOMB, CUT, DEEP, FILE, Newswire, atom, rss, says, serves


def test_rss_and_atom_give_titles_links_and_times() -> None:
    [one, two] = read(rss("Exchange <b>halts</b> &amp; resumes", "Second", at_s=1_750_000_000), "s")
    assert (one.text, one.link) == ("Exchange halts & resumes", "https://news.example/0")
    assert one.published_ns == 1_750_000_000 * 10**9
    assert two.text == "Second"
    [first, _] = read(atom("A &lt;i&gt;title&lt;/i&gt;", "B"), "s")
    assert (first.text, first.link) == ("A title", "https://news.example/0")
    assert first.published_ns == moment("2025-06-01T10:00:00Z") > 0
    assert moment("soon") == 0


def test_a_title_is_one_safe_line() -> None:
    [one] = read(rss("buy\x85 \u202enow\n\nand [@click=app.quit]here[/] " + "x" * 9_000), "s")
    assert one.text.isprintable()
    assert "\u202e" not in one.text
    assert len(one.text) <= LONGEST


def test_one_headline_in_two_spellings_is_one() -> None:
    [one] = read(rss("Bitcoin ETF: approved!"), "a")
    [two] = read(rss("bitcoin  etf approved"), "b")
    assert one.key == two.key


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (BOMB, "document type"),
        (FILE, "document type"),
        (DEEP, "deep"),
        (CUT, "well-formed"),
        (b"", "well-formed"),
        (b"<html><body>a portal</body></html>", "neither RSS nor Atom"),
        (b"\xff\xfe\x00", "well-formed"),
        (b'<?xml version="1.0" encoding="klingon"?><rss/>', "encoding"),
    ],
)
def test_what_is_no_feed_is_refused_in_words(body: bytes, why: str) -> None:
    with pytest.raises(FeedError, match=why):
        read(body, "s")


def test_no_more_items_than_anybody_reads() -> None:
    assert len(read(rss(*map(str, range(1_000))), "s")) == MOST_ITEMS


def test_mangled_feeds_raise_nothing_else() -> None:
    chance = source(7, "news")
    good = rss("one &amp; two", "three", at_s=1_750_000_000)
    for _ in range(2_000):
        body = bytearray(good)
        for _ in range(chance.randint(1, 8)):
            at = chance.randrange(len(body))
            body[at : at + chance.randint(0, 9)] = chance.choice(
                (b"<", b">", b"&", b"]]>", b"<!--", b"\x00", b"&#x1b;", b"<item>", b"</item>")
            )
        try:
            found = read(bytes(body), "s")
        except FeedError:
            continue
        assert all(one.text and one.text.isprintable() for one in found)


def fetched(url: str, wire: Newswire | None = None, **options: float) -> Fetched:
    """What the first request comes to."""
    woken = Event()
    client = NewsClient([url], woken.set, **{"deadline_s": 10.0, **options})
    client.start()
    try:
        assert woken.wait(20)
        return client.take(0)[0]
    finally:
        assert client.close(5)


def test_a_feed_is_fetched_by_a_thread_that_leaves() -> None:
    with Newswire(serves(rss("one", "two"))) as wire:
        found = fetched(wire.url)
        assert [one.text for one in found.headlines] == ["one", "two"]
        assert found.source.endswith("/feed")
        assert wire.asked[0]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        (newswire.silent, "no answer within 0.2 s"),
        (newswire.floods, "more than 2000000 bytes"),
        (serves(BOMB), "document type"),
        (serves(rss("x"), **{"Content-Encoding": "gzip"}), "compressed"),
        (says(500), "HTTP 500"),
        (says(404), "HTTP 404"),
        (says(302, Location="/again"), "redirects"),
        (says(302, Location="file:///etc/passwd"), "nowhere"),
        (says(302), "nowhere"),
    ],
)
def test_a_server_that_misbehaves_is_told_of_and_raises_nothing(
    behaviour: newswire.Behaviour, why: str
) -> None:
    with Newswire(behaviour) as wire:
        deadline = 0.2 if behaviour is newswire.silent else 10.0
        found = fetched(wire.url, deadline_s=deadline)
        assert found.headlines == ()
        assert why in found.why


def test_a_missing_server_is_told_of() -> None:
    with Newswire(says(200)) as wire:
        gone = wire.url
    assert "ClientConnector" in fetched(gone).why


def test_no_redirect_leads_from_https_to_less() -> None:
    assert redirected("https://a.example/x", "/y") == "https://a.example/y"
    with pytest.raises(FeedError):
        redirected("https://a.example/x", "http://a.example/y")


def test_what_did_not_change_is_not_sent_again() -> None:
    woken = Event()
    with Newswire(serves(rss("one"), ETag='"v1"')) as wire:
        client = NewsClient([wire.url], woken.set, every_s=0.01)
        client.start()
        found: list[Fetched] = []
        while len(found) < 3:
            assert woken.wait(20)
            woken.clear()
            found += client.take(0)
        assert client.close(5)
        assert [len(one.headlines) for one in found[:3]] == [1, 0, 0]
        assert not any(one.why for one in found)
        assert wire.asked[1]["If-None-Match"] == '"v1"'
