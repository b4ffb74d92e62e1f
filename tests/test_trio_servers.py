"""Servers that listen through trio run in the world: found, replayed, and not accused."""

from __future__ import annotations

import pytest

from crosswire.fuzzer.targets.resolve import resolve

from .applications import served_on_trio
from .replaying import confirmed_on_trio, shown_and_replayed, stock_trio_shows_the_same

pytestmark = pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")  # trio says so of ``async for``

SERVERS = {
    "walks": {"LostEvent", "Dropped"},
    "repaired": set[str](),
    "main": set[str](),
    "contagious": {"UnhandledException", "Dropped"},
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
    stock_trio_shows_the_same(resolve(f"{served_on_trio.__name__}:{name}"), 30)


def test_a_finding_is_confirmed_under_trio_run_and_its_repair_is_not() -> None:
    wrong, right = (resolve(f"{served_on_trio.__name__}:{name}") for name in ("walks", "repaired"))
    confirmed = confirmed_on_trio(wrong, right)
    assert str(confirmed).startswith("confirmed on stock trio (trio.run, its batches in the recorded order, conn")
