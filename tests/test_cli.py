"""The command line, as a user types it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.command import PATIENCE, crosswire

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A folder with the counterexamples of a short run, and the run's JSON."""
    folder = tmp_path_factory.mktemp("run")
    done = crosswire(
        "run", "emergency", "degraded", "--max-executions", "150", "--no-confirm", "--json", cwd=folder, expect=1
    )
    return folder, json.loads(done.stdout)


def test_run_prints_a_table_and_what_it_found(tmp_path: Path) -> None:
    done = crosswire("run", "degraded", "reference", "--max-executions", "80", cwd=tmp_path, expect=1)
    assert "degraded: ReplacedEvent (no loss)" in done.stdout
    assert "No promise broken by: reference" in done.stdout
    assert re.search(r"crosswire replay results/counterexamples/degraded-\S+\.json", done.stdout)
    assert "executions in" in done.stderr


def test_the_same_seed_gives_the_same_output(tmp_path: Path) -> None:
    def told(seed: str) -> str:
        limits = ("--max-executions", "25", "--no-confirm", "--no-cause")
        return crosswire("run", "emergency", *limits, "--seed", seed, cwd=tmp_path, expect=1).stdout

    first, again = told("7"), told("7")
    assert first == again
    other = told("8")
    assert other != first


def test_nothing_found_is_exit_code_zero(tmp_path: Path) -> None:
    junit = tmp_path / "junit.xml"
    done = crosswire("run", "reference", "--max-executions", "200", "--junit", str(junit), cwd=tmp_path, expect=0)
    assert re.search(r"No promise broken by: reference, in 200 executions of \d+ programs", done.stdout)
    assert "could have been broken in so many programs: isolation " in done.stdout
    assert "skipped" not in junit.read_text().replace('skipped="0"', "")
    assert not (tmp_path / "results/counterexamples").exists()


def test_who_wants_the_first_gets_one_of_each_target(tmp_path: Path) -> None:
    done = crosswire(
        *("run", "degraded", "--first", "--max-executions", "4000", "--no-confirm", "--no-cause", "--json"),
        cwd=tmp_path,
        expect=1,
    )
    (degraded,) = json.loads(done.stdout)["targets"]
    assert degraded["executions"] < 50
    assert degraded["found"]


def test_json_counts_and_files(found: tuple[Path, dict[str, Any]]) -> None:
    folder, result = found
    emergency, degraded = result["targets"]
    assert emergency["executions"] == degraded["executions"] == 150
    assert degraded["found"]
    assert {bug["promise"] for bug in degraded["found"]} <= {"agent run", "no loss"}
    for target in result["targets"]:
        for bug in target["found"]:
            assert (folder / bug["file"]).exists()
            assert 1 <= len(bug["operations"]) <= 8
            assert bug["times"] >= 1


def test_counterexamples_replay(found: tuple[Path, dict[str, Any]]) -> None:
    folder, result = found
    for target in result["targets"]:
        for bug in target["found"][:2]:
            done = crosswire("replay", bug["file"], cwd=folder, expect=1)
            assert "still there" in done.stdout
            assert " ".join(bug["message"].split()) in " ".join(done.stdout.split())


def test_replay_traces_every_step(found: tuple[Path, dict[str, Any]]) -> None:
    folder, result = found
    done = crosswire("replay", result["targets"][0]["found"][0]["file"], "--trace", cwd=folder, expect=1)
    assert "connect c0 as u0" in done.stdout
    assert ">>" in done.stdout


def test_explain_draws_lanes(found: tuple[Path, dict[str, Any]]) -> None:
    folder, result = found
    file = result["targets"][1]["found"][0]["file"]
    done = crosswire("explain", file, "--svg", "lanes.svg", cwd=folder, expect=1)
    picture = (folder / "lanes.svg").read_text()
    assert picture.startswith("<svg")
    assert "url(" not in picture.replace("url(#", "")
    assert "server" in done.stdout
    assert "c0 (u0)" in done.stdout
    assert ">>" in done.stdout


ADAPTERS = """
from crosswire.fuzzer.targets import Adapter
import asyncio

class Incomplete(Adapter):
    async def connect(self, client): ...
    async def emit(self, event): ...

class Mute(Adapter):
    async def connect(self, client): ...
    async def disconnect(self, client): ...

class Never(Adapter):
    async def connect(self, client): await asyncio.Event().wait()
    async def emit(self, event): return False
    async def disconnect(self, client): ...

class Loops(Never):
    async def connect(self, client):
        while True: pass

class Fails(Never):
    async def connect(self, client): raise KeyError("settings")

class Asks(Never):
    def __init__(self, url): ...

class Reaches(Never):
    async def connect(self, client): await asyncio.open_connection("localhost", 80)

class Plain: ...

class Tidies(Never):
    async def clean_up(self): ...
"""


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("isolatd", "did you mean isolated?"),
        ("nowhere:Chat", "importing 'nowhere' failed"),
        ("broken:Chat", "SyntaxError"),
        ("fails:Chat", "ZeroDivisionError"),
        ("adapters:Nothing", "has no 'Nothing'"),
        ("adapters:Plain", "neither an ASGI or aiohttp application"),
        ("adapters:Incomplete", "lacks disconnect"),
        ("adapters:Mute", "lacks emit (or broadcast, emit_to_room, an operation of its own)"),
        ("adapters:Fails", "connect of a single user fails with KeyError: 'settings'"),
        ("adapters:Asks", "must take no arguments; it asks for url"),
        ("adapters:Tidies", "Tidies.clean_up cannot be called as clean_up(user)"),
        ("adapters:Reaches", "loop.create_connection("),
    ],
)
def test_a_bad_target_is_one_clear_line(tmp_path: Path, target: str, message: str) -> None:
    (tmp_path / "adapters.py").write_text(ADAPTERS)
    (tmp_path / "broken.py").write_text("def (:\n")
    (tmp_path / "fails.py").write_text("1 / 0\n")
    done = crosswire("run", target, "--max-executions", "10", cwd=tmp_path, expect=2)
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("crosswire: ")
    assert message in done.stderr


def test_a_target_that_never_gives_the_loop_back_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "adapters.py").write_text(ADAPTERS)
    done = crosswire(
        "run",
        "adapters:Loops",
        "reference",
        "--max-executions",
        "1",
        "--patience",
        "1",
        "--no-confirm",
        cwd=tmp_path,
        expect=1,
    )
    assert "BlocksLoop (liveness)" in done.stdout
    assert "in Loops.connect (adapters.py:" in done.stdout
    assert "No promise broken by: reference" in done.stdout


def test_a_single_user_who_waits_for_ever_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "adapters.py").write_text(f"{ADAPTERS}\n\nclass bug(Never):\n    pass\n")  # not an emoji
    done = crosswire("run", "adapters:bug", "--max-executions", "10", cwd=tmp_path, expect=1)
    assert "adapters:bug: Deadlock (liveness)" in done.stdout
    assert "[1/1] adapters:bug: " in done.stderr
    (file,) = (tmp_path / "results" / "counterexamples").glob("*.json")
    assert "still there" in crosswire("replay", str(file), cwd=tmp_path, expect=1).stdout


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[: len(text) // 2], "cut short"),
        (lambda text: text.replace('"crosswire": 1', '"crosswire": 99'), "upgrade crosswire"),
        (lambda text: text.replace('"crosswire": 1', '"other": 1'), "not a counterexample"),
        (lambda text: text.replace('"kind": "connect"', '"kind": "teleport"'), "malformed"),
        (lambda text: text.replace('"connection": "c0",', ""), "lacks connection"),
        (lambda text: text.replace('"target": "', '"target": "no'), "unknown target"),
        (lambda text: "[]", "not a counterexample"),
    ],
)
def test_a_bad_counterexample_is_one_clear_line(
    found: tuple[Path, dict[str, Any]], tmp_path: Path, change: Any, message: str
) -> None:
    folder, result = found
    text = (folder / result["targets"][0]["found"][0]["file"]).read_text()
    path = tmp_path / "changed.json"
    path.write_text(change(text))
    done = crosswire("replay", str(path), cwd=tmp_path, expect=2)
    assert done.stderr.count("\n") == 1
    assert message in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--budget", "soon"),
        ("run", "--promise", "world peace"),
        ("run", "--strategy", "luck"),
        ("replay", "missing.json"),
        ("explain", "missing.json"),
        ("run", "--seed", "-1"),
        ("fly",),
    ],
)
def test_bad_usage_is_exit_code_two(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    crosswire(*arguments, cwd=tmp_path, expect=2)


def test_interrupted_saves_what_it_found(tmp_path: Path) -> None:
    """Ctrl-C in the middle: exit code 130, and every counterexample found so far is on disk."""
    import signal
    import time

    process = subprocess.Popen(
        [sys.executable, "-m", "crosswire.fuzzer", "run", "degraded", "--budget", "100s"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": "0"},
    )
    deadline = time.monotonic() + PATIENCE
    while not list(tmp_path.glob("results/counterexamples/*.json")) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, stdout + stderr
    assert "everything found so far is saved" in stderr
    assert "Traceback" not in stderr


def test_a_schedule_that_no_longer_fits_is_found_again(tmp_path: Path) -> None:
    """Decisions numbered by another Python's asyncio: the order of events, or another schedule, still shows the bug."""
    limits = ("--max-executions", "30", "--no-confirm", "--no-cause")
    result = json.loads(crosswire("run", "isolated", *limits, "--json", cwd=tmp_path, expect=1).stdout)
    bug = next(bug for bug in result["targets"][0]["found"] if bug["deviations"])
    data = json.loads((tmp_path / bug["file"]).read_text())
    data["schedule"] = [[point + 500, choice] for point, choice in data["schedule"]]
    path = tmp_path / "shifted.json"
    path.write_text(json.dumps(data))
    done = crosswire("replay", str(path), cwd=tmp_path, expect=1)
    assert "still there, following the recorded order of events" in done.stdout
    data["order"] = []
    path.write_text(json.dumps(data))
    done = crosswire("replay", str(path), cwd=tmp_path, expect=1)
    assert "still there, under another schedule than recorded" in done.stdout


def test_a_repaired_target_is_gone(tmp_path: Path) -> None:
    faulty = """
from crosswire.fuzzer.targets import Adapter

class Chat(Adapter):
    def __init__(self): self.users = {}
    async def connect(self, client): self.users.setdefault(client.user, []).append(client.websocket)
    async def emit(self, event):
        for websocket in self.users.get(event.to, [])[:1]: await websocket.send_json(event.payload)
    async def disconnect(self, client): self.users[client.user].remove(client.websocket)
"""
    (tmp_path / "chat.py").write_text(faulty)
    crosswire("run", "chat:Chat", "--max-executions", "60", cwd=tmp_path, expect=1)
    files = [str(path) for path in (tmp_path / "results/counterexamples").glob("*LostEvent*.json")]
    repaired = faulty.replace("[:1]: await websocket.send_json(event.payload)", ": await self.send(websocket, event)")
    repaired = repaired.replace("self.users.get(event.to, [])", "list(self.users.get(event.to, []))")
    repaired += """
    async def send(self, websocket, event):
        try: await websocket.send_json(event.payload)
        except ConnectionError: pass
"""
    (tmp_path / "chat.py").write_text(repaired)
    done = crosswire("replay", *files, cwd=tmp_path, expect=0)
    assert done.stdout.count(": gone, ") == len(files) > 0
