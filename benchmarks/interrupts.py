"""Ctrl-C at random moments of every command: is it ever answered by a traceback, or by an exit code other than 130?

    python -m benchmarks.interrupts [--times 12] [--seed 0] [--only run replay ...]

Each command is first run to its end, then again and again, each time with SIGINT to its process group at a random
moment of that time, every third one in the first tenth: while modules are imported.  Where it comes before the
interpreter has a handler for it the kernel ends the process, for which a shell shows 130 as well; what the interpreter
says while it starts, before any of Crosswire's code is there, is counted by itself.  Commands that are over by then
count as *ended before*.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

__all__ = ("COMMANDS", "interrupted")

OURS = f"{os.sep}crosswire{os.sep}", f"{os.sep}fuzzer{os.sep}"
"""What a traceback of Crosswire's code names."""

FIND = ("run", "degraded", "--max-executions", "400", "--results", "found")
"""Makes what `replay`, `explain` and `report` are given."""

COMMANDS: dict[str, tuple[str, ...]] = {
    "run": ("run", "degraded", "reference", "--budget", "4s", "--results", "run"),
    "run, 2 workers": ("run", "degraded", "--budget", "4s", "--workers", "2", "--results", "run"),
    "run an application": ("run", "application:app", "--wire", "text", "--budget", "3s", "--results", "run"),
    "replay": ("replay", "{file}"),
    "explain": ("explain", "{file}"),
    "report": ("report", "--results", "found"),
    "stress": (
        *("stress", "ws://127.0.0.1:{port}/ws/{{user}}", "--wire", "text"),
        *("--for", "3s", "--round", "1s", "--results", "run"),
        *("--start", "{python} -m uvicorn application:app --port {port}"),
    ),
    "init": ("init", "application:app"),
}


def _start(arguments: tuple[str, ...], folder: Path) -> subprocess.Popen[bytes]:
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONHASHSEED"}
    return subprocess.Popen(
        [sys.executable, "-m", "crosswire.fuzzer", *arguments],
        cwd=folder,
        env={**inherited, "XDG_STATE_HOME": str(folder / "state")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
    )


def interrupted(arguments: tuple[str, ...], folder: Path, after: float) -> tuple[str, str]:
    """Interrupt a command after so many seconds: how it ended, in words, and what it said.

    The words begin with ``wrong`` where it did.
    """
    process = _start(arguments, folder)
    time.sleep(after)
    over = process.poll() is not None
    if not over:
        os.killpg(process.pid, signal.SIGINT)
    try:
        _, said = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return "wrong: went on for a minute", ""
    text = said.decode("utf-8", "replace")
    if over or (process.returncode in (0, 1, 2) and "Traceback" not in text):
        return ("ended before" if over else f"exit {process.returncode}: was ending already"), text
    if "Traceback" in text or ("Error" in text and process.returncode not in (130, -signal.SIGINT)):
        ours = any(part in text for part in OURS)
        return ("wrong: traceback" if ours else "the interpreter's, before our code"), text
    if process.returncode == 130:
        return "130", text
    if process.returncode == -signal.SIGINT:
        return "ended by the kernel, before the interpreter was there", text
    return f"wrong: exit {process.returncode}", text


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--times", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args()
    rng, wrong, total = random.Random(options.seed), 0, 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(Path(__file__).with_name("lobby.py"), folder / "application.py")
        _start(FIND, folder).communicate()
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        file = next(iter(sorted((folder / "found" / "counterexamples").glob("*.json"))))
        for title, given in COMMANDS.items():
            if options.only and title not in options.only:
                continue
            arguments = tuple(argument.format(file=file, python=sys.executable, port=port) for argument in given)
            began = time.monotonic()
            _start(arguments, folder).communicate()
            taken = time.monotonic() - began
            ends: Counter[str] = Counter()
            for number in range(options.times):
                end, said = interrupted(arguments, folder, rng.uniform(0, taken / 10 if number % 3 == 0 else taken))
                ends[end] += 1
                if end.startswith("wrong"):
                    print(said[-3000:], flush=True)
            total += options.times
            wrong += sum(times for end, times in ends.items() if end.startswith("wrong"))
            told = ", ".join(f"{end} {times}" for end, times in ends.most_common())
            print(f"{title:20} {taken:5.1f} s: {told}", flush=True)
    print(f"{total} interrupts, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
