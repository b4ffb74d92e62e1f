"""The standing managers have their defects: programs written by hand show each, and a short campaign finds most."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

import pytest

from benchmarks.defects import hunt
from benchmarks.known import DEFECTS
from crosswire.fuzzer.core.program import Kind, Operation, Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.findings.finding import Finding, judged
from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.world import Chooser, InOrder
from crosswire.models.managers.targets import BUNDLED, MANAGERS, TARGETS


def do(kind: Kind, connection: str | None = None, **fields: Any) -> Operation:
    return Operation(kind, connection, **fields)


def connect(name: str, user: str = "u0", **fields: Any) -> Operation:
    return Operation("connect", name, user, **fields)


def emit(to: str = "u0", user: str = "u0", **fields: Any) -> Operation:
    return Operation("emit", user=user, to=to, **fields)


def log_in(name: str, token: str = "valid", **fields: Any) -> Operation:
    return Operation("authenticate", name, token=token, **fields)


def run(name: str) -> Operation:
    return Operation("run_agent", name, "u0", "u0")


ALICE, TAB, BOB = connect("c0"), connect("c1"), connect("c1", "u1")
RUN = Operation("run_agent", user="u0", to="u0")
SETTLE = do("settle")
SOME_TIME = do("pause", seconds=800.0)

PROGRAMS: dict[str, tuple[Operation, ...]] = {
    "D1": (ALICE, emit(), do("abort", "c0")),
    "D2": (ALICE, do("stall", "c0"), emit(), TAB, do("unstall", "c0")),
    "D3": (emit(), ALICE),
    "D4": (ALICE, emit()),
    "D5": (ALICE, do("clean_up", user="u0")),
    "D6": (ALICE, do("disconnect", "c0"), TAB),
    "D7": (ALICE, do("disconnect", "c0"), TAB, do("disconnect", "c1"), connect("c2")),
    "D8": (connect("c2"),),
    "D9": (ALICE, TAB, emit(), do("log_out", "c1")),
    "D10": (ALICE, TAB),
    "D11": (ALICE, do("pause", seconds=6.0), TAB, do("disconnect", "c1")),
    "D12": (connect("c0", token="u1"), emit()),
    "D13": (ALICE, emit("u1")),
    "D14": (ALICE, emit()),
    "D15": (ALICE, TAB, emit()),
    "D16": (ALICE, emit(), do("disconnect", "c0")),
    "D17": (emit(), emit(), ALICE, emit()),
    "D18": (emit(), ALICE, TAB),
    "D19": (RUN, SETTLE, ALICE),
    "D20": (ALICE, do("emit_to_thread", user="u1", to="u1", thread="u0")),
    "D21": (emit(), ALICE, TAB, do("disconnect", "c0")),
    "D22": (ALICE, BOB, do("broadcast", user="u0"), do("log_out", "c1")),
    "D23": (ALICE, BOB, do("broadcast", user="u0"), connect("c2", "u2")),
    "D24": (ALICE, BOB, log_in("c0"), log_in("c1")),
    "D25": (ALICE, SOME_TIME, emit(), SOME_TIME, emit(), SOME_TIME, emit()),
    "D26": (emit(times=51), ALICE),
    "D27": (emit(), emit(), ALICE, do("stall", "c0")),
    "D28": (ALICE, log_in("c0"), TAB, log_in("c1"), run("c0"), run("c1")),
    "D29": (ALICE, log_in("c0", "invalid", times=5), BOB, log_in("c1")),
    "D30": (ALICE, BOB, emit()),
    "D31": (ALICE, do("pause", seconds=11.0), TAB, emit()),
}
"""What shows each defect."""


def shown(target: str, program: Program, schedules: int) -> Iterator[Finding]:
    """What a program shows in order, and under some schedules."""
    worker = Worker(TARGETS[target])
    choosers: list[Chooser] = [InOrder(), *map(RandomWalk, range(schedules))]
    with worker.session():
        for chooser in choosers:
            result = judged(worker, worker.run(program, chooser))
            yield from (Finding(violation, result.execution) for violation in result.violations)


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: str(defect.name))
def test_a_program_shows_the_defect(defect: Any) -> None:
    assert any(map(defect.looks.show, shown(defect.target, Program(PROGRAMS[defect.name]), 300)))


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: str(defect.name))
@pytest.mark.parametrize("name", ["reference", "outbox"])
def test_the_same_program_accuses_no_manager_that_keeps_its_promises(defect: Any, name: str) -> None:
    target = "golden-path" if defect.target.startswith("golden") else name
    assert not [finding.violation.message for finding in shown(target, Program(PROGRAMS[defect.name]), 60)]


QUICK = {
    "isolated": {"D1", "D3", "D4", "D5"},
    "factory": {"D6", "D8"},
    "emergency": {"D9", "D10", "D12", "D13"},
    "degraded": {"D14", "D15"},
    "unified": {"D16", "D18", "D20", "D22"},
    "unified-own-ids": {"D30"},
    "singleton": {"D7", "D23"},
    "golden-path-shared-login": {"D24"},
}


@pytest.mark.parametrize("name", QUICK)
def test_defects_are_found_without_a_hint(name: str) -> None:
    assert hunt(name, 1, inf, 3_000).keys() >= QUICK[name]


def test_every_known_defect_has_an_entry() -> None:
    assert [defect.name for defect in DEFECTS] == [f"D{number}" for number in range(1, 32)] == list(PROGRAMS)
    assert {defect.target for defect in DEFECTS} <= {target.name for target in BUNDLED}
    assert {defect.name for defect in DEFECTS if defect.provenance == "planted"} == {"D15", "D18", "D19", "D24"}
    assert len(MANAGERS) == 7
