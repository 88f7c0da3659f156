"""Headlines and the state of their sources, as prompts and screens read them."""

from __future__ import annotations

from engine.core.types import Value


class Headline(Value, frozen=True):
    """A line of news: data, never an instruction. `known_ns` is when it could be read here;
    what its publisher says of the time is `published_ns`, 0 for nothing, and decides nothing."""

    known_ns: int
    source: str
    text: str
    link: str = ""
    published_ns: int = 0
    key: str = ""
    """What makes it the same headline when it is fetched again."""


class NewsSource(Value, frozen=True):
    """How one source does. Times are engine time, 0 for never.

    `state` is `ok`, `failing` or `waiting` (not asked yet); `why` says what went wrong last.
    """

    name: str
    state: str
    why: str = ""
    ok_ns: int = 0
    tried_ns: int = 0
    headlines: int = 0


class NewsView(Value, frozen=True):
    """The sources and the newest headlines, the newest first. `recorded` where a replay reads
    them from a recording and asks nobody."""

    sources: tuple[NewsSource, ...] = ()
    headlines: tuple[Headline, ...] = ()
    recorded: bool = False
