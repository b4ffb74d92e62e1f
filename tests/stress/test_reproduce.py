"""A live violation is found again in the world, made small, and its file replays."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.servers import free_port, running
from crosswire.fuzzer.core.history import Aim, Content, EventId, Mention, Row, RowKind
from crosswire.fuzzer.core.program import Kind, Operation, Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.engine.schedule import Recorded
from crosswire.fuzzer.findings.counterexample import load
from crosswire.fuzzer.findings.finding import judged
from crosswire.fuzzer.stress.reproduce import CLOSE, Beside, cut, reproduce, target_for
from crosswire.fuzzer.stress.run import stress
from crosswire.fuzzer.targets.resolve import resolve

from .live import chat, settings_for

CHAT = "examples.wires:websockets_chat"


def test_a_leak_seen_live_becomes_a_small_counterexample(tmp_path: Path) -> None:
    port = free_port()
    with running(chat("leak", port), port):
        result = stress(settings_for(port, CHAT, tmp_path, seconds=1.0, clients=8, rate=150.0))
    one = next(one for one in result.broken.values() if one.proven.violation.kind == "CrossUserLeak")
    worker = Worker(resolve(target_for("tests.stress.servers.chats:leak", CHAT)))
    attempt = reproduce(worker, one.played, one.proven, tmp_path, seed=0, seconds=300.0)
    assert attempt.succeeded
    assert attempt.operations > 4 * attempt.cuts[0]
    found = attempt.found[0]
    assert len(found.finding.execution.program) < max(attempt.cuts)
    kept = load(found.path)
    with worker.session():
        again = judged(worker, worker.run(kept.to_program(), Recorded(kept.to_schedule())))
    assert kept.violation == "CrossUserLeak" and "CrossUserLeak" in {one.kind for one in again.violations}


# -- what is cut ------------------------------


class Scene:
    """A live history, written by hand."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.history: list[Row] = []

    def do(self, at: float, kind: Kind, name: str, **fields: str) -> int:
        self.operations.append(Operation(kind, name, **fields))  # type: ignore[arg-type]
        number = len(self.operations) - 1
        self.history.append(Row(at, RowKind.INVOKED, number, name, Aim(fields.get("to"))))
        rows = {"stall": RowKind.STALLED, "unstall": RowKind.RESUMED, "disconnect": RowKind.GONE}
        if kind in rows:
            self.history.append(Row(at, rows[kind], number, name, None))
        return len(self.history) - 1

    def hears(self, at: float, name: str, number: int) -> int:
        self.history.append(Row(at, RowKind.RECEIVED, number, name, Content((Mention(EventId(number)),))))
        return len(self.history) - 1

    def cut(self, evidence: tuple[int, ...], near: float = CLOSE, beside: Beside = "anybody") -> list[str]:
        program = cut(Program(tuple(self.operations)), tuple(self.history), evidence, near, beside)
        return [str(op) for op in program.operations]


@pytest.fixture
def scene() -> Scene:
    """u7 speaks to u8, whose one tab stalls and another leaves; u9 is far away in time, u5 another's."""
    scene = Scene()
    for at, (name, user) in enumerate((("c10", "u7"), ("c11", "u8"), ("c12", "u8"), ("c13", "u9"), ("c14", "u5"))):
        scene.do(0.01 * at, "connect", name, user=user)
    scene.do(0.5, "emit", "c10", user="u7", to="u9")
    scene.do(0.9, "stall", "c11")
    return scene


def test_what_is_in_the_evidence_is_kept_and_numbered_anew(scene: Scene) -> None:
    said = scene.do(1.0, "emit", "c10", user="u7", to="u8")
    heard = scene.hears(1.01, "c14", 7)
    assert scene.cut((4, said, heard), beside="nobody") == [
        "connect c0 as u0",
        "connect c1 as u1",
        "settle",
        "emit c0 as u0 -> u2",
    ]


def test_who_does_not_read_and_who_leaves_at_the_time_is_kept_and_who_does_so_later_is_not(scene: Scene) -> None:
    said = scene.do(1.0, "emit", "c10", user="u7", to="u8")
    scene.do(1.02, "disconnect", "c12")
    scene.do(2.0, "disconnect", "c13")
    assert scene.cut((0, said)) == [
        "connect c0 as u0",
        "connect c1 as u1",
        "connect c2 as u1",
        "settle",
        "stall c1",
        "emit c0 as u0 -> u1",
        "disconnect c2",
    ]


def test_with_own_only_clients_of_the_users_concerned_are_kept(scene: Scene) -> None:
    said = scene.do(1.0, "emit", "c10", user="u7", to="u8")
    scene.do(1.01, "disconnect", "c14")
    assert "disconnect c2" in scene.cut((0, said), beside="anybody")
    assert not any("disconnect" in op for op in scene.cut((0, said), beside="own"))


def test_what_others_say_at_the_same_moment_is_kept(scene: Scene) -> None:
    said = scene.do(1.0, "emit", "c10", user="u7", to="u8")
    scene.do(1.001, "emit", "c13", user="u9", to="u5")
    assert sum("emit" in op for op in scene.cut((0, said), beside="nobody")) == 2
