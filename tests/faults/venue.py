"""A venue on loopback that speaks Binance's public protocol and keeps its own ledger.

The real ccxt client talks to it over HTTP and WebSocket; the ledger is the oracle for what
the client side makes of drops, repetitions, gaps, a frozen socket and refusals.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from threading import Event, Thread
from typing import Any

from aiohttp import WSMsgType, web

from engine.core.clock import MILLISECOND, MINUTE, monotonic_ns
from engine.core.ids import source
from engine.core.types import Bar

# Seven minutes into a window of fifteen: a feed begins in the middle of things.
BEGIN_NS = (1_746_000_000 + 7 * 60) * 1_000_000_000
_INFO = Path(__file__).parents[1] / "data" / "binance_exchange_info.json"
_MINUTE_MS = 60_000
_SPANS = {"1m": 1, "15m": 15}


class MarketClock:
    """Engine time that the script moves; monotonic time stays the machine's."""

    def __init__(self, now_ns: int = BEGIN_NS) -> None:
        self._now = now_ns

    def now_ns(self) -> int:
        return self._now

    def monotonic_ns(self) -> int:
        return monotonic_ns()

    def set(self, now_ns: int) -> None:
        self._now = max(self._now, now_ns)


@dataclass
class Candle:
    """One minute of the ledger, exact."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal

    def add(self, price: Decimal, size: Decimal) -> None:
        self.high, self.low = max(self.high, price), min(self.low, price)
        self.close, self.volume = price, self.volume + size


@dataclass
class Book:
    """A symbol's ledger."""

    name: str
    price: Decimal
    next_id: int
    candles: dict[int, Candle] = field(default_factory=dict)
    update: int = 10_000


@dataclass
class Faults:
    """What goes wrong, switched while the venue runs."""

    refuse: int = 0
    """HTTP status of every REST answer, 0 for none."""
    retry_after: str = ""
    frozen: bool = False
    """Sockets stay open and say nothing, not even pong."""
    slow_s: float = 0.0
    """How long a socket is kept waiting before its handshake is answered."""
    lose: int = 0
    """So many next trades are never sent."""
    repeat: int = 1
    hold: int = 0
    """So many next trades are kept and sent after the following one, in reverse."""
    hide: set[int] = field(default_factory=set)
    """Minutes (ms) that klines don't show yet."""
    early: dict[int, Candle] = field(default_factory=dict)
    """What klines say of a minute (ms) before the venue revised it."""


class Venue:
    """The server, in a thread with an event loop of its own. `start`, script it, `stop`."""

    def __init__(
        self,
        symbols: tuple[str, ...],
        clock: MarketClock,
        seed: int = 1,
        past_minutes: int = 600,
        price: Decimal = Decimal(100),
    ) -> None:
        self.clock = clock
        self.faults = Faults()
        self.requests: deque[tuple[int, str]] = deque(maxlen=500)
        self.headers: set[str] = set()
        self.refused_ns = 0
        self.skew_ms = 0
        self.connections = 0
        self._chance = source(seed, "venue")
        self.books = {
            symbol: Book(symbol.replace("/", ""), price, next_id=(i + 1) * 1_000_000)
            for i, symbol in enumerate(symbols)
        }
        self._by_name = {book.name: book for book in self.books.values()}
        self._streams: dict[str, set[web.WebSocketResponse]] = defaultdict(set)
        self._held: list[tuple[str, dict[str, Any]]] = []
        self._sockets: set[web.WebSocketResponse] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = Event()
        self._runner: web.AppRunner | None = None
        self._thread = Thread(target=self._serve, name="venue", daemon=True)
        self.port = 0
        for book in self.books.values():
            self._invent_past(book, past_minutes)

    def start(self) -> Venue:
        self._thread.start()
        assert self._ready.wait(5)
        return self

    def stop(self) -> None:
        if self._thread.is_alive():
            self._call(self._close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)

    @property
    def urls(self) -> dict[str, Any]:
        """Addresses for ccxt; a spot stream's must hold `/stream`, as the real one does."""
        rest = f"http://127.0.0.1:{self.port}/api/v3"
        socket = f"ws://127.0.0.1:{self.port}/stream.loopback/ws"
        return {"public": rest, "private": rest, "v1": rest, "ws": {"spot": socket}}

    def subscribed(self, symbol: str, kind: str = "trade") -> bool:
        return bool(self._streams[f"{self.books[symbol].name.lower()}@{kind}"])

    def truth(self, symbol: str, from_ns: int, to_ns: int) -> list[Bar]:
        """The ledger's candles that open in [from, to)."""
        candles = self.books[symbol].candles
        return [
            Bar(
                symbol=symbol,
                open_ns=ms * MILLISECOND,
                span_ns=MINUTE,
                open=float(c.open),
                high=float(c.high),
                low=float(c.low),
                close=float(c.close),
                volume=float(c.volume),
            )
            for ms, c in sorted(candles.items())
            if from_ns <= ms * MILLISECOND < to_ns
        ]

    def trade(
        self, symbol: str, time_ns: int, price: Decimal | None = None, true: bool = True
    ) -> str:
        """A trade happens: ledger, clock, sockets. Its id; `true` False is a misprint."""
        book = self.books[symbol]
        if price is None:
            price = (book.price * Decimal(str(1 + self._chance.gauss(0, 0.0005)))).quantize(
                Decimal("0.01")
            )
        size = Decimal(self._chance.randrange(1, 90_000)).scaleb(-5)
        self.clock.set(time_ns)
        if true:
            book.price = price
            self._enter(book, time_ns // MILLISECOND, price, size)
        number = book.next_id
        book.next_id += 1
        self._announce(book, number, time_ns // MILLISECOND, price, size)
        return str(number)

    def quote(self, symbol: str) -> None:
        """Tell the top of book and a change of depth."""
        book = self.books[symbol]
        cent = Decimal("0.01")
        book.update += 1
        name = book.name.lower()
        bid, ask = book.price - cent, book.price + cent
        self._send(
            f"{name}@bookTicker",
            {
                "u": book.update,
                "s": book.name,
                "b": f"{bid:.8f}",
                "B": "1.50000000",
                "a": f"{ask:.8f}",
                "A": "2.50000000",
            },
        )
        self._send(
            f"{name}@depth@100ms",
            {
                "e": "depthUpdate",
                "E": self.clock.now_ns() // MILLISECOND,
                "s": book.name,
                "U": book.update,
                "u": book.update,
                "b": [[f"{bid:.8f}", "1.50000000"]],
                "a": [[f"{ask:.8f}", "2.50000000"]],
            },
        )

    def revise(self, symbol: str, open_ns: int, close: Decimal) -> None:
        """The venue corrects a candle that it already told."""
        candle = self.books[symbol].candles[open_ns // MILLISECOND]
        candle.close = close
        candle.high, candle.low = max(candle.high, close), min(candle.low, close)

    def raw(self, stream: str, text: str) -> None:
        """Send a frame as it is to whoever follows a stream."""
        self._call(self._write(stream, text))

    def recorded(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """Frames as a venue once sent them: trades enter the ledger, all go to the sockets."""
        for message in messages:
            data = message["data"]
            if data.get("e") == "trade":
                self.clock.set(data["T"] * MILLISECOND)
                book = self._by_name[data["s"]]
                book.price = Decimal(data["p"])
                self._enter(book, data["T"], book.price, Decimal(data["q"]))
        self._call(self._write_all(messages))

    async def _write_all(self, messages: Sequence[Mapping[str, Any]]) -> None:
        for message in messages:
            await self._write(message["stream"], json.dumps(message["data"]))

    def mute(self, symbol: str = "") -> None:
        """Say nothing more on the sockets that are open now; new ones work."""
        name = self.books[symbol].name.lower() if symbol else ""
        self._call(self._unfollow(name))

    async def _unfollow(self, name: str) -> None:
        for stream, followers in self._streams.items():
            if stream.startswith(name):
                followers.clear()

    @property
    def open_sockets(self) -> int:
        return len(self._sockets)

    def drop(self) -> None:
        """Cut every socket without a farewell."""
        self._call(self._cut())

    def _invent_past(self, book: Book, minutes: int) -> None:
        now_ms = self.clock.now_ns() // MILLISECOND
        first = now_ms - now_ms % _MINUTE_MS - minutes * _MINUTE_MS
        for ms in range(first, first + minutes * _MINUTE_MS, _MINUTE_MS):
            for _ in range(4):
                step = Decimal(str(1 + self._chance.gauss(0, 0.0005)))
                book.price = (book.price * step).quantize(Decimal("0.01"))
                size = Decimal(self._chance.randrange(1, 90_000)).scaleb(-5)
                self._enter(book, ms, book.price, size)

    def _enter(self, book: Book, ms: int, price: Decimal, size: Decimal) -> None:
        minute = ms - ms % _MINUTE_MS
        candle = book.candles.get(minute)
        if candle is None:
            book.candles[minute] = Candle(price, price, price, price, size)
        else:
            candle.add(price, size)

    def _announce(self, book: Book, number: int, ms: int, price: Decimal, size: Decimal) -> None:
        faults = self.faults
        message = {
            "e": "trade", "E": ms, "s": book.name, "t": number, "p": f"{price:f}",
            "q": f"{size:f}", "T": ms, "m": bool(number % 2), "M": True,
        }  # fmt: skip
        stream = f"{book.name.lower()}@trade"
        if faults.lose:
            faults.lose -= 1
            return
        if faults.hold:
            faults.hold -= 1
            self._held.append((stream, message))
            return
        for _ in range(faults.repeat):
            self._send(stream, message)
        while self._held:
            self._send(*self._held.pop())

    def _send(self, stream: str, message: dict[str, Any]) -> None:
        if not self.faults.frozen and self._streams[stream]:
            self._call(self._write(stream, json.dumps(message)))

    def _call(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(5)

    async def _write(self, stream: str, text: str) -> None:
        for socket in list(self._streams[stream]):
            try:
                await socket.send_str(text)
            except ConnectionError:
                self._forget(socket)

    async def _cut(self) -> None:
        for socket in list(self._sockets):
            transport = socket._req.transport if socket._req is not None else None
            if transport is not None:
                transport.abort()
            self._forget(socket)

    def _forget(self, socket: web.WebSocketResponse) -> None:
        self._sockets.discard(socket)
        for followers in self._streams.values():
            followers.discard(socket)

    async def _close(self) -> None:
        await self._cut()
        if self._runner is not None:
            await self._runner.cleanup()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._ready.set()
        self._loop.run_forever()
        self._loop.close()

    async def _listen(self) -> None:
        app = web.Application(middlewares=[self._gate])
        app.router.add_get("/api/v3/ping", self._ping)
        app.router.add_get("/api/v3/time", self._time)
        app.router.add_get("/api/v3/exchangeInfo", self._info)
        app.router.add_get("/api/v3/klines", self._klines)
        app.router.add_get("/api/v3/depth", self._depth)
        app.router.add_get("/stream.loopback/ws/{number}", self._socket)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]

    @web.middleware
    async def _gate(
        self, request: web.Request, handler: Callable[[web.Request], Any]
    ) -> web.StreamResponse:
        self.requests.append((monotonic_ns(), request.path_qs))
        self.headers |= {name.lower() for name in request.headers}
        refuse = self.faults.refuse
        if refuse and request.path.startswith("/api/"):
            self.refused_ns = monotonic_ns()
            told = {
                "code": 0,
                "msg": "Service unavailable from a restricted location\x1b]0;owned\x07",
            }
            headers = {"Retry-After": self.faults.retry_after} if self.faults.retry_after else {}
            return web.json_response(told, status=refuse, headers=headers)
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _ping(self, request: web.Request) -> web.Response:
        return web.json_response({})

    async def _time(self, request: web.Request) -> web.Response:
        now = self.clock.now_ns() // MILLISECOND + self.skew_ms
        return web.json_response({"serverTime": now})

    async def _info(self, request: web.Request) -> web.Response:
        told = json.loads(_INFO.read_text())
        names = json.loads(request.query.get("symbols", "null"))
        known = {entry["symbol"] for entry in told["symbols"]} & set(self._by_name)
        if names is not None and not set(names) <= known:
            return web.json_response({"code": -1121, "msg": "Invalid symbol."}, status=400)
        wanted = known if names is None else set(names)
        told["symbols"] = [entry for entry in told["symbols"] if entry["symbol"] in wanted]
        return web.json_response(told)

    async def _klines(self, request: web.Request) -> web.Response:
        query = request.query
        book = self._by_name[query["symbol"]]
        width = _SPANS[query["interval"]] * _MINUTE_MS
        begin = int(query.get("startTime", 0))
        rows: list[list[Any]] = []
        visible = sorted(ms for ms in book.candles if ms not in self.faults.hide)
        for open_ms, group in itertools.groupby(visible, key=lambda ms: ms - ms % width):
            if open_ms < begin:
                continue
            if len(rows) == int(query.get("limit", 500)):
                break
            parts = [self.faults.early.get(ms, book.candles[ms]) for ms in group]
            rows.append(
                [
                    open_ms,
                    f"{parts[0].open:f}",
                    f"{max(part.high for part in parts):f}",
                    f"{min(part.low for part in parts):f}",
                    f"{parts[-1].close:f}",
                    f"{sum((part.volume for part in parts), Decimal(0)):f}",
                    open_ms + width - 1,
                    *("0", 1, "0", "0", "0"),
                ]
            )
        return web.json_response(rows)

    async def _depth(self, request: web.Request) -> web.Response:
        book = self._by_name[request.query["symbol"]]
        cents = [Decimal(i).scaleb(-2) for i in range(1, 31)]
        return web.json_response(
            {
                "lastUpdateId": book.update,
                "bids": [[f"{book.price - cent:.8f}", "1.00000000"] for cent in cents],
                "asks": [[f"{book.price + cent:.8f}", "1.00000000"] for cent in cents],
            }
        )

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=False, compress=False)
        await asyncio.sleep(self.faults.slow_s)
        await socket.prepare(request)
        self._sockets.add(socket)
        self.connections += 1
        try:
            async for message in socket:
                if message.type is WSMsgType.PING and not self.faults.frozen:
                    await socket.pong(message.data)
                if message.type is WSMsgType.TEXT:
                    asked = json.loads(message.data)
                    for stream in asked["params"]:
                        if asked["method"] == "SUBSCRIBE":
                            self._streams[stream].add(socket)
                    if not self.faults.frozen:
                        await socket.send_json({"result": None, "id": asked["id"]})
        except ConnectionError:
            pass  # cut by the script while it was answering
        finally:
            self._forget(socket)
        return socket
