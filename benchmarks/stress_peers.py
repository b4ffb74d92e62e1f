"""Other tools that load WebSocket servers, as their documentation has it done: what a message costs their clients."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

__all__ = ("SAID", "Tool", "artillery", "between", "locust")

SAID = '{"to": "u1", "text": "cw-e12345"}'
"""What every client says."""

LOCUST = """\
import time
from locust import User, constant, task
from websocket import create_connection


class Talker(User):
    wait_time = constant(0)

    def on_start(self):
        self.socket = create_connection("ws://127.0.0.1:{port}/ws")

    @task
    def talk(self):
        began = time.perf_counter()
        self.socket.send({said!r})
        heard = self.socket.recv()
        self.environment.events.request.fire(
            request_type="WS", name="echo", response_length=len(heard), exception=None, context={{}},
            response_time=(time.perf_counter() - began) * 1000,
        )
"""
"""As locust's documentation has clients of other protocols: what each took is told to its statistics."""


def locust(command: str, port: int, connections: int, seconds: float, folder: Path) -> tuple[int, float]:
    """Messages that locust exchanged, and the processor time of its process."""
    file = folder / "talk.py"
    file.write_text(LOCUST.format(port=port, said=SAID), encoding="utf-8")
    ramp = [f"{option}={connections}" for option in ("--users", "--spawn-rate")]
    said = [command, "-f", str(file), "--headless", *ramp, f"--run-time={seconds:.0f}s", "--json", "--loglevel=ERROR"]
    took, out = _timed(said, folder)
    return sum(int(row["num_requests"]) for row in json.loads(out[out.index("[") :])), took


def artillery(command: str, port: int, connections: int, seconds: float, folder: Path) -> tuple[int, float]:
    """The same of artillery, whose clients say a fixed number of things, and wait for each answer."""
    messages = max(1, int(seconds * FOR_ARTILLERY / connections))
    said = {"send": {"payload": SAID, "capture": {"json": "$.text", "as": "text"}}}
    script = {
        "config": {
            "target": f"ws://127.0.0.1:{port}/ws",
            "phases": [{"duration": 1, "arrivalCount": connections}],
        },
        "scenarios": [{"engine": "ws", "flow": [{"loop": [said], "count": messages}]}],
    }
    file = folder / "talk.json"
    file.write_text(json.dumps(script), encoding="utf-8")
    report = folder / "report.json"
    took, _ = _timed([command, "run", "--quiet", "--output", str(report), str(file)], folder)
    counters = json.loads(report.read_text(encoding="utf-8"))["aggregate"]["counters"]
    if counters.get("vusers.failed"):
        sys.exit(f"artillery: {counters}")
    return int(counters["websocket.messages_sent"]), took


FOR_ARTILLERY = 5_000
"""Messages for each second that it is to take, more or less."""


def _timed(command: Sequence[str], folder: Path) -> tuple[float, str]:
    """The processor time of a command and of what it started, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if not done.stdout and done.returncode:
        sys.exit(f"{command[0]}: {done.stderr.strip()[-500:]}")
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime), done.stdout


Tool = Callable[[int, int, float, Path], tuple[int, float]]


def between(tool: Tool, port: int, connections: int, seconds: float) -> float:
    """Microseconds of processor time for a message of a tool, its start not counted."""
    with tempfile.TemporaryDirectory() as folder:
        few, short = tool(port, connections, max(seconds / 3, 1.0), Path(folder))
        many, long = tool(port, connections, seconds + max(seconds / 3, 1.0), Path(folder))
    return (long - short) / max(many - few, 1) * 1e6
