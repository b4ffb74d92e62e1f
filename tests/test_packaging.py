"""The wheel holds the rooms, all of them, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROOMS = ("fuzzer", "models", "strategies")


def test_every_folder_of_a_room_is_a_package_of_the_distribution() -> None:
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    there = {
        "crosswire." + ".".join(path.parent.relative_to(ROOT).parts)
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
    }
    assert there == listed


def test_the_wheel_contains_only_crosswire(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for room in ROOMS:
        shutil.copytree(ROOT / room, source / room, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "-w", str(tmp_path), str(source)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"crosswire", "crosswire-0.1.0.dist-info"}
    for room in ROOMS:
        assert f"crosswire/{room}/py.typed" in names
        for path in (ROOT / room).rglob("*.py"):
            assert f"crosswire/{path.relative_to(ROOT).as_posix()}" in names
    assert "crosswire/fuzzer/reports/report.html.jinja" in names
