"""The pytest plugin, as a project of its own uses it: in a fresh folder, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from crosswire.fuzzer import UsageError, fuzz

from .command import PATIENCE, crosswire

HEAVY = ("crosswire.fuzzer.core", "hypothesis", "jinja2", "matplotlib", "msgspec", "numpy", "rich", "websockets")

CHAT = """
from pathlib import Path

from crosswire.fuzzer import Adapter

Path(__file__).with_name("was_imported").touch()

class Chat(Adapter):
    def __init__(self):
        self.rooms = {}

    async def connect(self, client):
        self.rooms.setdefault(client.user, []).append(client.websocket)

    async def emit(self, event):
        for websocket in ROOM:
            if websocket in self.rooms.get(event.to, []):
                try:
                    await websocket.send_json(event.payload)
                except Exception:
                    pass

    async def disconnect(self, client):
        self.rooms[client.user].remove(client.websocket)
"""
FAULTY = CHAT.replace("ROOM", "self.rooms.get(event.to, [])")
REPAIRED = CHAT.replace("ROOM", "list(self.rooms.get(event.to, []))")

FUZZ_TEST = """
from crosswire.fuzzer import fuzz

@fuzz("chat:Chat", budget="60s")
def test_chat(tmp_path):
    assert tmp_path.is_dir()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "chat.py").write_text(FAULTY)
    (tmp_path / "test_chat.py").write_text(FUZZ_TEST)
    return tmp_path


def suite(folder: Path, *arguments: str, expect: int) -> str:
    """Run pytest in a folder, as its user would; the plugin is named where the environment's metadata lack it."""
    there = entry_points(group="pytest11", name="crosswire")
    plugin = [] if there else ["-p", "crosswire.fuzzer.pytest_plugin"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugin, "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env={key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout


def test_a_fuzz_test_fails_explained_and_passes_after_the_repair(project: Path) -> None:
    told = suite(project, expect=1)
    (file,) = (project / "results" / "counterexamples").glob("*.json")
    assert "chat:Chat: LostEvent (no loss)" in told
    assert "0. connect c0 as u0" in told and "c1 (u0)" in told and ">>" in told  # the program, and its lanes
    assert "  cause: " in told and "chat.py:" in told
    assert "confirmed on stock asyncio" in told
    assert "fuzztest.py" not in told  # no traceback through what found it
    line = next(line for line in told.splitlines() if "replay: " in line)
    assert line.split() == ["replay:", "crosswire", "replay", f"results/counterexamples/{file.name}"]
    crosswire(*line.split()[2:], cwd=project, expect=1)

    assert "known, and still there, as recorded" in suite(project, expect=1)

    (project / "chat.py").write_text(REPAIRED)
    told = suite(project, "--crosswire-budget", "6s", "--crosswire-seed", "3", expect=0)
    assert "1 passed" in told


def test_a_kept_counterexample_is_a_test(project: Path) -> None:
    crosswire("run", "chat:Chat", "--max-executions", "200", "--no-confirm", "--no-cause", cwd=project, expect=1)
    (file,) = (project / "results" / "counterexamples").glob("*LostEvent*.json")
    (project / "tests").mkdir()
    file.rename(project / "tests" / "two_tabs.crosswire.json")
    (project / "test_chat.py").unlink()
    (project / "was_imported").unlink()

    assert "tests/two_tabs.crosswire.json::replay" in suite(project, "--collect-only", "-q", expect=0)
    assert not (project / "was_imported").exists()  # to collect is not to run

    told = suite(project, "-n", "1", expect=1)
    assert "chat:Chat: LostEvent (no loss)" in told and ">>" in told
    assert "crosswire replay tests/two_tabs.crosswire.json" in told
    (project / "chat.py").write_text(REPAIRED)
    assert "1 passed" in suite(project, expect=0)


OF_ITS_OWN = """
import unittest

import pytest
from crosswire.fuzzer import ViolationFound, fuzz
import chat

class Chat(chat.Chat):
    pass

@fuzz(Chat, budget="60s")
def test_own(): ...

class TestGrouped:
    @fuzz("crosswire.models.managers.targets:NOTHING")
    def test_unknown(self): ...

@pytest.fixture(params=["asyncio"])
def anyio_backend(request):
    return request.param

@pytest.mark.anyio
async def test_other(anyio_backend): ...

class TestPlain(unittest.TestCase):
    @fuzz(Chat, budget="60s")
    def test_raises(self): ...
"""


def test_a_target_that_only_the_test_has_is_replayed_by_the_test(project: Path) -> None:
    (project / "test_chat.py").write_text(OF_ITS_OWN)
    told = suite(project, expect=1)
    assert "3 failed, 1 passed" in told
    assert "crosswire: target 'crosswire.models.managers.targets:NOTHING': module" in told
    line = next(line for line in told.splitlines() if "--crosswire-replay" in line)
    command = line.split()[1:]
    assert command[:2] == ["pytest", "test_chat.py::test_own"]
    assert "known, and still there, as recorded" in suite(project, *command[1:], expect=1)
    assert "replay: run this test again, it begins with results/counterexamples/" in told
    assert "_replay" not in told  # no traceback through what found it, in a unittest either
    (project / "test_chat.py").write_text(OF_ITS_OWN + FUZZ_TEST)
    assert "1 skipped" in suite(project, "test_chat.py::test_chat", *command[2:], expect=0)


@pytest.mark.parametrize(
    ("name", "text", "arguments", "says"),
    [
        ("broken.crosswire.json", "{", (), "crosswire: broken.crosswire.json: not JSON, or cut short"),
        ("test_it.py", FUZZ_TEST, ("--crosswire-budget", "soon"), "crosswire: budget 'soon' is not understood"),
    ],
)
def test_bad_input_is_told_in_a_line(
    project: Path, name: str, text: str, arguments: tuple[str, ...], says: str
) -> None:
    (project / name).write_text(text)
    told = suite(project, name, *arguments, expect=1)
    assert says in told.replace(f"{project}/", "")
    assert "Traceback" not in told


def test_the_plugin_imports_nothing_of_weight(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "import sys\n"
        "def pytest_terminal_summary():\n"
        f"    print('loaded:', *(name for name in {HEAVY!r} if name in sys.modules))\n"
        "    print('plugin:', 'crosswire.fuzzer.pytest_plugin' in sys.modules)\n"
    )
    (tmp_path / "test_one.py").write_text("def test_one(): ...\n")
    told = suite(tmp_path, "-s", expect=0).splitlines()
    assert "plugin: True" in told
    assert "loaded:" in [line.strip() for line in told]


def test_a_coroutine_function_is_no_fuzz_test() -> None:
    async def test_chat() -> None: ...

    with pytest.raises(UsageError, match="test_chat: a fuzz test is a plain function"):
        fuzz("chat:Chat")(test_chat)
