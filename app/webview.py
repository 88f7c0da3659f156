"""The screens in a browser, on this machine only and only to look at.

textual-serve runs one process of ours for each browser and carries its terminal over a
websocket. Around it stands what a web page on the same machine must not get past: the
server binds the loopback address, takes no request that was meant for another host (a name
that an attacker points here), opens no websocket for another page's script, and runs no
more than a few screens. The processes are `attach --readonly` or `inspect`: the engine itself
hangs up on a command from such a screen.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp_jinja2
import jinja2
from aiohttp import web
from textual_serve.app_service import AppService
from textual_serve.server import Server, to_int

HOST = "127.0.0.1"
MOST_SCREENS = 4
"""Browsers at a time; each is a process of its own, of about a hundred megabytes."""

LARGEST = 500
"""Columns or rows beyond which a window is no window."""

LEAVE_S = 3.0
PAGE = Path(__file__).with_name("web")

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "font-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Screen(AppService):
    """One process for one browser; started without a shell, ended for certain."""

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        process = await asyncio.create_subprocess_exec(
            *shlex.split(self.command),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=self._build_environment(width=width, height=height),
        )
        self._process = process
        self._stdin = process.stdin
        return process

    async def end(self) -> None:
        """Ask it to leave, then make it."""
        try:
            # Whatever its last words ran into, the process is ended below.
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self.stop(), LEAVE_S)
        finally:
            process = self._process
            if process is not None:
                if process.returncode is None:
                    with contextlib.suppress(ProcessLookupError):
                        process.kill()
                    await process.wait()
                # Its pipes would otherwise be closed by whoever collects them, with no loop;
                # asyncio has no public way to do it.
                process._transport.close()  # type: ignore[attr-defined]


class WebView(Server):
    """The server. `command` opens one read-only screen on the web driver."""

    def __init__(self, command: list[str], port: int, most: int = MOST_SCREENS) -> None:
        super().__init__(
            shlex.join(command), host=HOST, port=port, title="Quarterdeck, read-only",
            templates_path=PAGE,
        )  # fmt: skip
        self._most = most
        self.open = 0

    def allowed(self) -> frozenset[str]:
        """What a request may call us."""
        return frozenset((f"{HOST}:{self.port}", f"localhost:{self.port}"))

    async def _make_app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard], client_max_size=1024)
        aiohttp_jinja2.setup(app, loader=jinja2.FileSystemLoader(self.templates_path))
        app.add_routes(
            [
                web.get("/", self.handle_index, name="index"),
                web.get("/ws", self.handle_websocket, name="websocket"),
                web.get("/favicon.ico", self._nothing),
                web.static("/static", self.statics_path, name="static"),
                web.static("/page", PAGE, name="page"),
            ]
        )
        return app

    async def _nothing(self, _request: web.Request) -> web.Response:
        return web.Response(status=204)

    def _refusal(self, request: web.Request) -> web.Response | None:
        """Why a request is none of this view's, or None."""
        if request.host not in self.allowed():
            return web.Response(status=403, text="this view answers to no other host's name")
        origin = request.headers.get("Origin")
        ours = {f"http://{name}" for name in self.allowed()}
        if origin is not None and origin not in ours:
            return web.Response(status=403, text="this view opens for no other page")
        if request.path == "/ws":
            if origin is None:
                return web.Response(status=403, text="a websocket says whose page opens it")
            if self.open >= self._most:
                return web.Response(status=503, text=f"{self._most} browsers look already")
        return None

    @property
    def _guard(self) -> Any:
        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            response = self._refusal(request) or await handler(request)
            if not response.prepared:
                response.headers.update(HEADERS)
            return response

        return guard

    @aiohttp_jinja2.template("app_index.html")
    async def handle_index(self, request: web.Request) -> dict[str, Any]:
        # The address that the page was opened by, so that its own websocket is of its origin.
        return {
            "font_size": to_int(request.query.get("fontsize", "16"), 16),
            "app_websocket_url": f"ws://{request.host}/ws",
            "application": {"name": self.title},
        }

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """One browser: a process for as long as its websocket is open."""
        self.open += 1
        websocket = web.WebSocketResponse(heartbeat=15, max_msg_size=64 * 1024)
        screen: Screen | None = None

        async def close() -> None:
            await websocket.close()

        try:
            await websocket.prepare(request)
            screen = Screen(
                self.command,
                write_bytes=websocket.send_bytes,
                write_str=websocket.send_str,
                close=close,
                download_manager=self.download_manager,
            )
            await screen.start(_size(request, "width", 80), _size(request, "height", 24))
            await self._process_messages(websocket, screen)
        except (AssertionError, ValueError, KeyError, IndexError, TypeError, AttributeError):
            # What a browser of ours never sends.
            await websocket.close(code=1003)
        except ConnectionError:
            pass
        finally:
            if screen is not None:
                await screen.end()
            self.open -= 1
        return websocket


def _size(request: web.Request, name: str, usual: int) -> int:
    return max(1, min(to_int(request.query.get(name, ""), usual), LARGEST))


def serve(
    command: list[str], port: int, *, ready: Callable[[], None], until_eof: bool = False
) -> None:
    """Serve until interrupted; `until_eof` also until standard input ends, as with a parent.

    Raises `OSError` where the port is taken.
    """
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(WebView(command, port), ready, until_eof))


async def _serve(view: WebView, ready: Callable[[], None], until_eof: bool) -> None:
    import signal

    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, over.set)
    if until_eof:
        loop.add_reader(sys.stdin.fileno(), _read_end, over)
    runner = web.AppRunner(await view._make_app(), access_log=None, shutdown_timeout=LEAVE_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, view.port).start()
        ready()
        await over.wait()
    finally:
        await runner.cleanup()


def _read_end(over: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        over.set()
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
