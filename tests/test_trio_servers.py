"""Servers that listen through trio run in the world: found, replayed, and not accused."""

from __future__ import annotations

import pytest

from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.findings.confirm import confirm
from crosswire.fuzzer.search.random_walk import RandomWalk
from crosswire.fuzzer.targets.resolve import resolve

from .applications import served_on_trio
from .replaying import PROGRAM, shown_and_replayed

pytestmark = pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")  # trio says so of ``async for``

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


def test_what_needs_sockets_cannot_be_confirmed_under_trio_run_and_says_so() -> None:
    target = resolve(f"{served_on_trio.__name__}:walks")
    worker = Worker(target)
    with worker.session():
        execution = worker.run(PROGRAM, RandomWalk(0))
    said = str(confirm(target, execution, "any"))
    assert said == "not confirmable on stock trio: its server's sockets are the world's own"
