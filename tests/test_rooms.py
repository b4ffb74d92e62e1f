"""Which rooms may import which: the order below, written once.  No import runs back up, so none runs in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

ORDER = (
    "fuzzer/core",
    "fuzzer/world",
    "fuzzer/clients",
    "fuzzer/targets",
    "models",
    "fuzzer/drivers",
    "fuzzer/engine",
    "fuzzer/search",
    "strategies",
    "fuzzer/findings",
    "fuzzer/store",
    "fuzzer/statistics",
    "fuzzer/campaigns",
    "fuzzer/stress",
    "fuzzer/reports",
    "fuzzer/testcase.py",
    "fuzzer/cli",
    "fuzzer/fuzztest.py",
    "fuzzer/pytest_plugin.py",
    "fuzzer/__main__.py",
    "fuzzer/command",
)
"""A room may import those above it in this list, and itself."""

DOOR = "fuzzer/__init__.py"
"""The public door names things of every room, and imports them when they are asked for."""


def room_of(path: str) -> str:
    return next(room for room in ORDER if path == room or path.startswith(f"{room}/"))


def modules() -> dict[str, Path]:
    found = {}
    for folder in ("fuzzer", "models", "strategies"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            dotted = ".".join(("crosswire", *path.relative_to(ROOT).with_suffix("").parts))
            found[dotted.removesuffix(".__init__")] = path
    return found


MODULES = modules()


def imports_of(module: str, path: Path) -> Iterator[str]:
    """The modules of ours that a module imports anywhere, also where only types are checked."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join((*above, *filter(None, [node.module])))
            for alias in node.names:
                name = f"{base}.{alias.name}"
                if name in MODULES:
                    yield name
                elif base in MODULES:
                    yield base


def place(module: str) -> str:
    return str(MODULES[module].relative_to(ROOT))


ARROWS = {
    (place(module), place(name))
    for module, path in MODULES.items()
    if place(module) != DOOR
    for name in imports_of(module, path)
    if place(name) != DOOR
}


@pytest.mark.parametrize("room", ORDER)
def test_no_import_runs_back_up(room: str) -> None:
    wrong = [
        f"{importer} imports {imported}"
        for importer, imported in sorted(ARROWS)
        if room_of(importer) == room and ORDER.index(room_of(imported)) > ORDER.index(room)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("room", [room for room in ORDER if not room.endswith(".py")])
def test_no_circle_within_a_room(room: str) -> None:
    inside = {(a, b) for a, b in ARROWS if room_of(a) == room == room_of(b) and a != b}
    inside = {(a, b) for a, b in inside if not b.endswith("__init__.py")}  # a package's door names its modules
    left = {a for a, _ in inside}
    while True:
        free = {a for a in left if not any(a == importer and b in left for importer, b in inside)}
        if not free:
            break
        left -= free
    assert not left, f"these import one another: {', '.join(sorted(left))}"


def test_every_module_has_its_room() -> None:
    assert all(path == DOOR or room_of(path) for path in map(place, MODULES))
