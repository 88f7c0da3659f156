"""The web view: screens for a browser of this machine, from which nothing can be ordered."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from app.cli import run
from app.dashboard import Dashboard, screen_command
from app.webview import HOST, WebView
from engine.core.clock import monotonic_ns
from engine.core.errors import QuarterdeckError
from engine.core.records import Commanded
from engine.core.types import ProposalState
from engine.wire.address import Door
from engine.wire.server import HubServer
from tests.cli_help import write
from tests.engine.scripted import Script

PATIENCE_S = 20.0
ECHO = (
    "import sys,os\nprint('__GANGLION__',flush=True)\n"
    "while os.read(0,999): os.write(1,b'D\\0\\0\\0\\2hi')\n"
)
"""Speaks the protocol of a screen: one packet for whatever it is sent, ends with its input."""

Act = Callable[[aiohttp.ClientSession, str, WebView], Coroutine[Any, Any, None]]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def serving(command: list[str], act: Act, most: int = 4) -> WebView:
    """A web view in this thread's loop, for as long as a test acts on it."""

    async def whole() -> WebView:
        view = WebView(command, free_port(), most)
        runner = web.AppRunner(await view._make_app(), access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, HOST, view.port).start()
        try:
            async with aiohttp.ClientSession() as browser:
                await asyncio.wait_for(act(browser, f"http://{HOST}:{view.port}", view), PATIENCE_S)
        finally:
            await runner.cleanup()
        return view

    return asyncio.run(whole())


def echo() -> list[str]:
    return [sys.executable, "-c", ECHO]


def test_other_names_and_other_pages_are_turned_away() -> None:
    async def act(browser: aiohttp.ClientSession, url: str, view: WebView) -> None:
        port = view.port
        refused: tuple[tuple[str, dict[str, str]], ...] = (
            ("/", {"Host": "evil.example"}),
            ("/", {"Host": f"evil.example:{port}"}),
            ("/static/js/textual.js", {"Host": "evil.example"}),
            ("/", {"Host": HOST}),
            ("/ws", {"Origin": "http://evil.example"}),
            ("/ws", {"Origin": "null"}),
            ("/ws", {"Origin": f"https://{HOST}:{port}"}),
            ("/ws", {"Origin": f"http://{HOST}:{port + 1}"}),
            ("/ws", {"Host": "evil.example", "Origin": f"http://{HOST}:{port}"}),
            ("/ws", {}),
        )
        for path, headers in refused:
            async with browser.get(url + path, headers=headers) as answer:
                assert answer.status == 403, (path, headers)
        assert view.open == 0
        async with browser.get(url) as page:
            assert page.status == 200
            assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
            text = await page.text()
        assert f"ws://{HOST}:{port}/ws" in text
        assert "https://" not in text, "the page asks nobody else for anything"
        async with browser.get(f"http://localhost:{port}/") as page:
            assert f"ws://localhost:{port}/ws" in await page.text()
        for path in ("/download/x", "/static/", "/page/../webview.py"):
            async with browser.get(url + path) as answer:
                assert answer.status in (403, 404), path

    serving(echo(), act)


def test_screens_are_bounded_and_end_with_their_browser() -> None:
    async def act(browser: aiohttp.ClientSession, url: str, view: WebView) -> None:
        looking = [await browser.ws_connect(url + "/ws", origin=url) for _ in range(2)]
        for one in looking:
            await one.send_json(["stdin", "x"])
            assert (await one.receive()).data == b"hi"
        async with browser.get(url + "/ws", headers={"Origin": url}) as full:
            assert full.status == 503
        await looking[0].close()
        while view.open == 2:
            await asyncio.sleep(0.01)
        again = await browser.ws_connect(url + "/ws", origin=url)
        for nonsense in ("{}", "[]", '["stdin"]', '["resize", 3]', "not json"):
            odd = again if nonsense == "{}" else await browser.ws_connect(url + "/ws", origin=url)
            await odd.send_str(nonsense)
            assert (await odd.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
            await odd.close()
            while view.open == 2:
                await asyncio.sleep(0.01)
        await looking[1].close()
        await again.close()

    assert serving(echo(), act, most=2).open == 0


async def read_until(looking: Any, word: str) -> str:
    """What the screen draws, until a word is in it."""
    drawn = ""
    while word not in drawn:
        message = await looking.receive()
        assert message.type is aiohttp.WSMsgType.BINARY, message
        drawn += message.data.decode("utf-8", "replace")
        if "\x1b[6n" in drawn:
            await looking.send_json(["stdin", "\x1b[1;1R"])
    return drawn


def test_a_key_that_would_approve_does_nothing_from_a_browser(tmp_path: Path) -> None:
    with ExitStack() as stack:
        script = stack.enter_context(Script(tmp_path))
        proposal = script.proposed()
        script.kernel.publisher.publish()
        server = HubServer(
            script.engine.hub, Door(tmp_path / "deck.sock"), engine="one",
            version=version("quarterdeck"), journal=str(script.path),
        )  # fmt: skip
        server.start()
        stack.callback(server.stop)
        command = screen_command(tmp_path / "deck.sock", None, None, None, None)

        async def act(browser: aiohttp.ClientSession, url: str, view: WebView) -> None:
            looking = await browser.ws_connect(url + "/ws?width=120&height=40", origin=url)
            await read_until(looking, "read-only")
            await looking.send_json(["focus"])
            # Only cells that differ are drawn, and these words share none with those before.
            for key, word in (("a", "approve"), ("p", "pause"), ("x", "reject"), ("w", "write")):
                await looking.send_json(["stdin", key])
                await read_until(looking, word)
            await looking.close()

        serving(command, act)
        script.run()
        assert script.desk.proposals.get(proposal.id) is not None
        [waiting] = script.desk.proposals.waiting()
        assert waiting.state is ProposalState.WAITING
        assert script.records(Commanded) == []
        assert script.orders() == []
    assert not list(tmp_path.glob("*.txt"))


def test_the_dashboard_is_off_unless_asked_for_and_ends_with_its_engine(tmp_path: Path) -> None:
    path = write(tmp_path / "live.db")
    view = Dashboard(free_port())
    began = monotonic_ns()
    assert view.start(journal=path) == f"http://{HOST}:{view.port}"
    process = view._process
    assert process is not None
    second = Dashboard(view.port)
    with pytest.raises(QuarterdeckError, match="can't be had"):
        second.start(journal=path)
    view.stop()
    assert process.returncode is not None
    assert monotonic_ns() - began < PATIENCE_S * 1e9


def test_without_a_served_engine_the_journal_is_shown(tmp_path: Path) -> None:
    path = write(tmp_path / "live.db")
    command = screen_command(None, path, None, None, None)
    assert command[3:] == ["inspect", "--web", str(path)]
    assert run(["web", "--port", "99999"]) != 0
