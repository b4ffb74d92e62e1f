"""What the benchmark of causes measures against: known bugs of wrong servers, and the servers' refactored twins."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.causes import explained, lines_read, places_read, score, survival
from benchmarks.truth import SERVERS, Server
from benchmarks.twins import refactored, write_twin
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.targets.adapter import Target
from crosswire.fuzzer.world import InOrder

from .findings import desks

MEASURED = "tests.findings.desks:Locked"

SAID = """
from functools import cache
class Desk:
    def say(self, word, times=2):
        return [word] * times
    async def later(self, word):
        return self.say(word)
    def each(self):
        yield 1
    @cache
    def kept(self):
        return super().__repr__()
def plain():
    return Desk().say("a")
"""


def test_a_twin_does_the_same_in_other_functions() -> None:
    there: dict[str, object] = {}
    exec(compile(refactored(SAID), "twin.py", "exec"), there)
    desk = there["Desk"]()  # type: ignore[operator]
    assert desk.say("b") == ["b", "b"]
    assert desk.say("b", times=1) == desk._moved_Desk_say("b", 1) == ["b"]
    assert list(desk.each()) == [1]
    assert "Desk object" in desk.kept()
    assert there["plain"]() == ["a", "a"]  # type: ignore[operator]
    assert inspect.iscoroutinefunction(desk.later)
    assert {"_moved_Desk_later", "_moved_Desk_kept"} <= set(dir(desk))
    assert "_moved_Desk_each" not in dir(desk)


def test_a_twin_shows_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_twin(Path(desks.__file__), tmp_path, "desks_refactored")
    monkeypatch.syspath_prepend(tmp_path)
    twin = importlib.import_module("desks_refactored").Late
    program = Program((Operation("connect", "c0", "u0"), Operation("emit", user="u1", to="u0")))
    told = [
        [
            (row.kind, row.operation, row.connection)
            for row in Worker(Target("late", desk, desk)).run(program, InOrder()).history
        ]
        for desk in (desks.Late, twin)
    ]
    assert told[0] == told[1]


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.target.partition("?")[0])
def test_the_lines_at_fault_are_there(server: Server) -> None:
    """Each says a function of the server's own, and what one of its lines says."""
    module = server.target.partition("?")[0].partition(":")[0]
    services = {"examples.services": ("examples.moderated", "examples.redis_tabs")}
    sources = [importlib.import_module(name) for name in services.get(module, (module,))]
    for bug in server.bugs:
        for function, said in bug.faults:
            found = [_function(source, function) for source in sources]
            texts = [inspect.getsource(one) for one in found if one is not None]
            assert any(said in text for text in texts), (function, said)


def _function(source: Any, qualified: str) -> Any:
    found = source
    for name in qualified.split("."):
        found = getattr(found, name, None)
    return found


def test_groups_and_places_are_measured_and_survive_a_refactoring() -> None:
    known, total = explained(MEASURED, seed=1, seconds=0.0, executions=100)
    assert 2 < len(known) <= total
    assert score(known).precision == 1.0
    assert all(
        places_read(one) == 1 and lines_read(one) == 1 for one in known if one.defect == "waits for its own lock"
    )
    alike, pairs = survival(MEASURED, known)
    assert pairs > 2
    assert alike == pairs
    nothing = [replace(one, faults=()) for one in known]
    assert all(places_read(one) is None and lines_read(one) is None for one in nothing)
