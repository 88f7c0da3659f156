"""The loopback model as a process: it answers, each role by its plan, and leaves on a signal."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from tests.faults.llmserver import good
from tests.faults.ollama import ADVISOR, MODEL, REFLECTION, STRATEGIST

PROMPT = 'Market: [{"symbol": "BTC/USDT", "price": 60000.0}]'


def test_a_good_answer_is_made_of_the_prompt_s_prices() -> None:
    [wanted] = json.loads(good(STRATEGIST, PROMPT))["conditions"]
    assert (wanted["symbol"], wanted["entry"]) == ("BTC/USDT", 60_000 * 1.002)
    assert json.loads(good(ADVISOR, ""))["stance"] == "agree"
    assert json.loads(good(REFLECTION, ""))["findings"]


def test_the_process_serves_its_plan_and_ends_by_a_signal() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.llmserver", "--plan", "error,good", "--delay", "0"],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        text=True,
    )
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        assert told["model"] == MODEL
        body = {"model": MODEL, "messages": [{"role": "user", "content": PROMPT}]}
        with httpx.Client(base_url=told["host"], trust_env=False, timeout=20) as client:
            assert client.post("/api/chat", json=body).status_code == 500
            lines = client.post("/api/chat", json=body).text.splitlines()
        text = "".join(json.loads(line)["message"]["content"] for line in lines)
        assert json.loads(text)["conditions"][0]["symbol"] == "BTC/USDT"
    finally:
        process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
