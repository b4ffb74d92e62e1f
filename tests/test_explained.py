"""What a counterexample's picture tells beside its events: the frames that clients were sent, and tracebacks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from rich.console import Console, RenderableType

from crosswire.fuzzer.cli.lanes import LONGEST, lanes
from crosswire.fuzzer.core.history import RowKind
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Execution, Worker
from crosswire.fuzzer.findings.finding import judged
from crosswire.fuzzer.reports.words import describe, lane_of, tracebacks
from crosswire.fuzzer.targets.resolve import resolve
from crosswire.fuzzer.world import InOrder
from crosswire.models.isolation.violations import UnhandledException, Violation

PROGRAM = Program(
    (Operation("connect", "c0", "u0"), Operation("settle"), Operation("broadcast", "c0", "u0"), Operation("settle"))
)


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    worker = Worker(resolve("tests.applications.nested:app?wire=text"))
    with worker.session():
        yield worker


@pytest.fixture(scope="module")
def shown(worker: Worker) -> tuple[Execution, Violation]:
    result = judged(worker, worker.run(PROGRAM, InOrder()))
    (violation,) = (one for one in result.violations if isinstance(one, UnhandledException))
    return result.execution, violation


def drawn(picture: RenderableType) -> str:
    console = Console(width=1200)
    with console.capture() as captured:
        console.print(picture)
    return captured.get()


def test_frames_stand_beside_the_rows_that_tell_of_them(worker: Worker, shown: tuple[Execution, Violation]) -> None:
    rows = [row for row in shown[0].history if row.kind is RowKind.SENT]
    assert [shown[0].history[sent.row] for sent in worker.frames if sent.row is not None] == rows
    cut = drawn(lanes(*shown, worker.frames))
    assert "server sends e2: cw-e2 and so on and so on" in cut
    assert "... (405 characters)" in cut
    assert " and so on" * 40 not in cut
    whole = drawn(lanes(*shown, worker.frames, None))
    assert f"server sends e2: cw-e2{' and so on' * 40}" in whole
    assert "server sends e2 " in drawn(lanes(*shown))
    assert LONGEST < 400


def test_where_lanes_are_too_narrow_each_row_says_whose_it_is(shown: tuple[Execution, Violation]) -> None:
    def rows(width: int) -> list[list[str]]:
        console = Console(width=width)
        with console.capture() as captured:
            console.print(lanes(*shown))
        return [line.split() for line in captured.get().splitlines()]

    connected = [op.connection for op in PROGRAM.operations if op.kind == "connect"]
    beside = 10 + 16 * (1 + len(connected))
    assert rows(beside)[1][:2] == ["time", "server"]
    heading, *below = rows(beside - 1)[1:]
    assert heading == ["time", "where", "what"]
    assert any(row[1] in connected and row[3:6] == ["server", "sends", "e2"] for row in below if len(row) > 5)


def test_what_comes_after_a_repetition_has_its_own_name() -> None:
    program = Program(
        (
            Operation("connect", "c0", "u0"),
            Operation("emit", "c0", "u0", "u0", times=3),
            Operation("broadcast", None, "u1"),
        )
    )
    execution = Worker(resolve("reference")).run(program, InOrder())
    invoked = [row for row in execution.history if row.kind == RowKind.INVOKED]
    said = [describe(row, program) for row in invoked]
    assert said == [
        "connect c0 as u0",
        *["emit c0 as u0 -> u0"] * 3,
        "broadcast u1",
        "disconnect at the end",
        "shut_down",
    ]
    assert [lane_of(row, program) for row in invoked] == [*["c0"] * 4, "server", "c0", "server"]


def test_an_exceptions_way_is_told_as_far_as_it_is_the_targets_own(shown: tuple[Execution, Violation]) -> None:
    headline, *places = tracebacks(*shown)
    assert headline == "KeyError, raised by way of"
    assert [place.split()[0] for place in places] == ["endpoint", "farewell", "record"]
    assert all("(nested.py:" in place for place in places)
