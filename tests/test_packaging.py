"""The wheel holds the rooms, all of them, and nothing else; installed, it works without the source tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("fuzzer", "models", "strategies")


def installed_as(path: Path) -> Path:
    """Where a file of a room is when it is installed."""
    inside = path.relative_to(ROOT)
    return Path("crosswire") / (inside.name if inside.parent == Path("fuzzer/command") else inside)


def test_every_folder_of_a_room_is_a_package_of_the_distribution() -> None:
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    there = {installed_as(path).parent for room in ROOMS for path in (ROOT / room).rglob("*.py")}
    assert {".".join(folder.parts) for folder in there} == listed


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for room in ROOMS:
        shutil.copytree(ROOT / room, source / room, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "-w", str(folder), str(source)], check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_contains_only_crosswire(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"crosswire", "crosswire-0.1.0.dist-info"}
    for room in ROOMS:
        assert f"crosswire/{room}/py.typed" in names
        for path in (ROOT / room).rglob("*.py"):
            assert installed_as(path).as_posix() in names
    assert "crosswire/fuzzer/reports/report.html.jinja" in names


CHAT = """
from crosswire.fuzzer import Adapter

class Chat(Adapter):
    def __init__(self):
        self.rooms = {}

    async def connect(self, client):
        self.rooms.setdefault(client.user, []).append(client.websocket)

    async def emit(self, event):
        for websocket in self.rooms.get(event.to, []):
            await websocket.send_json(event.payload)

    async def disconnect(self, client):
        self.rooms[client.user].remove(client.websocket)
"""


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of commands of a fresh environment with the wheel in it; its dependencies are those of this one."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    base = {"base": str(folder), "platbase": str(folder)}
    own = Path(sysconfig.get_path("purelib", "venv", base))
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", "--no-compile", str(wheel)], check=True, env=surroundings())
    shared = dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
    (own / "dependencies.pth").write_text("".join(f"{path}\n" for path in shared))
    return folder / "bin"


def surroundings() -> dict[str, str]:
    """The environment's variables without those that would show the source tree to an interpreter."""
    return {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHASHSEED")}


FAN_OUT = """
import anyio
from chat import Chat
from importlib.metadata import version

assert version("anyio").startswith("3."), version("anyio")

class FanOut(Chat):
    async def emit(self, event):
        async with anyio.create_task_group() as group:
            for websocket in self.rooms.get(event.to, []):
                group.start_soon(websocket.send_json, event.payload)
                await anyio.to_thread.run_sync(len, self.rooms)
"""


def test_what_is_written_with_anyio_3_is_fuzzed(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "chat.py").write_text(CHAT)
    (tmp_path / "fan_out.py").write_text(FAN_OUT)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(tmp_path), "anyio==3.7.1"]
    subprocess.run(pip, check=True, env=surroundings())
    run = [str(installed / "crosswire"), "run", "fan_out:FanOut", "--max-executions", "200"]
    around = surroundings() | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(run, cwd=tmp_path, env=around, capture_output=True, text=True, timeout=600)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "LostEvent (no loss)" in done.stdout
    assert "confirmed on stock asyncio" in done.stdout


def test_it_works_from_another_folder_once_installed(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "chat.py").write_text(CHAT)

    def said(*command: str, expect: int = 0) -> str:
        done = subprocess.run(command, cwd=tmp_path, env=surroundings(), capture_output=True, text=True, timeout=600)
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout

    python, crosswire = str(installed / "python"), str(installed / "crosswire")
    place = said(python, "-c", "import crosswire.fuzzer as it; print(it.__file__)")
    assert Path(place.strip()).is_relative_to(installed.parent)
    assert said(crosswire, "--version") == said(python, "-m", "crosswire", "--version")
    assert "0.1.0" in said(crosswire, "--version")
    assert "LostEvent (no loss)" in said(crosswire, "run", "chat:Chat", "--max-executions", "200", expect=1)
    found = min((tmp_path / "results" / "counterexamples").glob("*LostEvent*.json"))
    found.rename(tmp_path / "two_tabs.crosswire.json")
    told = said(python, "-m", "pytest", "-p", "no:cacheprovider", expect=1)
    assert "crosswire-0.1.0" in told  # among pytest's plugins
    assert "two_tabs.crosswire.json::replay" in told
