"""The lanes of a failure alone fail again against the same server, and not against its repaired twin."""

from __future__ import annotations

import json

import pytest

from benchmarks.servers import free_port, running
from crosswire.fuzzer.stress.again import run_again
from crosswire.fuzzer.stress.reproduce import cuts
from crosswire.fuzzer.stress.run import Broken, Result, Settings, stress

from .live import chat, settings_for

CHAT = "examples.wires:websockets_chat"

TIMES = 12
"""So often that each way in which lanes begin apart is tried: what was said last in a cut may have been lost by what
a busy server took later."""


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Result, Broken]:
    """A run against a server that has lost events, which is gone now."""
    port = free_port()
    with running(chat("leak", port), port):
        settings = settings_for(port, CHAT, tmp_path_factory.mktemp("again"), rate=150.0)
        result = stress(settings)
    return settings, result, next(one for one in result.broken.values() if one.proven.violation.kind == "LostEvent")


def at(settings: Settings, port: int) -> Settings:
    return settings_for(port, CHAT, settings.results, rate=150.0)


def test_the_lanes_alone_fail_again_and_are_saved(failed: tuple[Settings, Result, Broken]) -> None:
    settings, result, broken = failed
    port = free_port()
    with running(chat("leak", port), port):
        again = run_again(at(settings, port), result, broken, TIMES)
    assert again.times == TIMES and 1 <= again.failed <= TIMES
    assert len(again.program) < len(broken.played.program) / 4
    assert again.file is not None
    saved = json.loads(again.file.read_text(encoding="utf-8"))
    assert "LostEvent" in {one["violation"] for one in saved["violations"]}
    said = {"settle"} | {op.kind for op in again.program.operations}
    assert {op["kind"] for op in saved["program"]} <= said, "nobody else was there"


def test_a_repaired_server_does_not_fail_with_them(failed: tuple[Settings, Result, Broken]) -> None:
    settings, result, broken = failed
    port = free_port()
    before = result.after
    with running(chat("leak_repaired", port), port):
        again = run_again(at(settings, port), result, broken, 2)
    assert (again.times, again.failed, again.file) == (2, 0, None)
    assert before is not None and result.after is not None
    programs = list(cuts(broken.played, broken.proven))[:2]
    assert set(again.cuts) == {len(program) for program in programs}
    clients = [op for program in programs for op in program.operations if op.connection is not None]
    assert result.after.base - before.base >= len(clients), "all of it was done"
