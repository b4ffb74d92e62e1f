"""Servers that listen through trio run in the world: found, replayed, and not accused."""

from __future__ import annotations

import pytest

from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.findings.confirm import confirm
from crosswire.fuzzer.targets.resolve import resolve
from crosswire.fuzzer.world.trio_stock import make_stock
from crosswire.models.isolation import judge

from .applications import served_on_trio
from .replaying import PROGRAM, run, shown_and_replayed

pytestmark = pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")  # trio says so of ``async for``

ENOUGH = 300.0
"""Real seconds for a confirmation: no test depends on how busy the machine is."""

SERVERS = {
    "walks": {"LostEvent", "Dropped"},
    "repaired": set[str](),
    "main": set[str](),
    "contagious": {"UnhandledError", "Dropped"},
    "hypercorn": set[str](),
}
"""What each breaks."""


@pytest.mark.parametrize("name", SERVERS)
def test_a_run_and_its_replay_are_the_same_and_only_what_is_wrong_is_accused(name: str) -> None:
    target = resolve(f"{served_on_trio.__name__}:{name}")
    assert target.backend == "trio"
    assert shown_and_replayed(target, 60) == SERVERS[name]


@pytest.mark.parametrize("name", [name for name in SERVERS if name != "contagious"])
def test_stock_trio_shows_the_same(name: str) -> None:
    """But for tasks that are cancelled at once, which stock trio keeps in a set, in order of their addresses."""
    target = resolve(f"{served_on_trio.__name__}:{name}")
    stock = Worker(target, make_stock())
    executions = run(Worker(target), 30)
    with stock.session():
        for execution in executions:
            again = stock.replay(PROGRAM, execution.schedule)
            assert (again.history, again.visible) == (execution.history, execution.visible)


def test_a_finding_is_confirmed_under_trio_run_and_its_repair_is_not() -> None:
    wrong, right = (resolve(f"{served_on_trio.__name__}:{name}") for name in ("walks", "repaired"))
    execution, lost = next(
        (execution, violation)
        for execution in run(Worker(wrong), 150)
        for violation in judge(wrong, PROGRAM, execution.history)
        if violation.kind == "LostEvent"
    )
    confirmed = confirm(wrong, execution, lost.signature(wrong.name), ENOUGH)
    assert str(confirmed).startswith("confirmed on stock trio (trio.run, its batches in the recorded order, conn")
    assert confirm(right, execution, lost.signature(wrong.name), ENOUGH, attempts=5).verdict == "not confirmed"
