"""What has an entry for each client that ever came is found; a history, what ages, and what is bounded is not."""

from __future__ import annotations

from typing import Any

import pytest

from crosswire.fuzzer import Client, JsonWire, application
from crosswire.fuzzer.campaigns.timers import night
from crosswire.fuzzer.core.history import Kept, RowKind
from crosswire.fuzzer.core.program import Kind, Operation, Program
from crosswire.fuzzer.drivers.retained import EACH_DAY, LONG_AFTER, long_pause
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.findings.confirm import confirm
from crosswire.fuzzer.findings.finding import judged
from crosswire.fuzzer.targets.adapter import Target
from crosswire.fuzzer.world import InOrder
from crosswire.strategies.openings import openings

from .applications import ledgers
from .applications.ledgers import Ledger

SETTLE = Operation("settle")
NIGHT = Operation("pause", seconds=LONG_AFTER)


def comings(first: int, times: int, how: Kind = "disconnect", user: str = "u0") -> list[Operation]:
    operations: list[Operation] = []
    for number in range(first, first + times):
        operations += [Operation("connect", f"c{number}", user), SETTLE, Operation(how, f"c{number}"), SETTLE]
    return operations


def two_days(first: int = EACH_DAY, second: int = EACH_DAY, night: Operation = NIGHT) -> Program:
    return Program((*comings(0, first), night, *comings(first, second)))


def two_days_of_talk() -> Program:
    """The same, and each says something while there."""
    said = [Operation("emit", user="u0", to="u0"), SETTLE]
    operations = two_days().operations
    return Program(tuple(one for op in operations for one in ((*said, op) if op.kind == "disconnect" else (op,))))


def kept(target: Target, program: Program) -> list[str]:
    worker = Worker(target)
    with worker.session():
        found = judged(worker, worker.run(program, InOrder()))
    return [violation.circumstance for violation in found.violations if violation.kind == "LeakedEntry"]


def made(adapter: type[Ledger]) -> Target:
    return Target(adapter.__name__, adapter, adapter)


@pytest.mark.parametrize(
    ("adapter", "where"),
    [
        (ledgers.Seen, "Seen.seen"),
        (ledgers.Names, "Names.books.names[...]"),
        (ledgers.Channels, "Channels.channels"),
        (ledgers.Rebuilt, "Rebuilt.seen"),
    ],
)
def test_what_has_an_entry_for_each_who_ever_came_is_found(adapter: type[Ledger], where: str) -> None:
    assert kept(made(adapter), two_days()) == [where]


def test_where_something_is_said_what_is_alive_counts_alone() -> None:
    assert kept(made(ledgers.Locked), two_days_of_talk()) == ["Locked.locks"]
    assert kept(made(ledgers.Locked), two_days()) == []  # the locks are made by the first who speaks
    assert kept(made(ledgers.Channels), two_days_of_talk()) == ["Channels.channels"]
    for adapter in (ledgers.Archive, ledgers.Journal, ledgers.Newest, ledgers.Users, ledgers.Seen):
        assert kept(made(adapter), two_days_of_talk()) == []


@pytest.mark.parametrize(
    "adapter",
    [
        Ledger,
        ledgers.Journal,
        ledgers.Forgetful,
        ledgers.Newest,
        ledgers.Loosely,
        ledgers.Users,
        ledgers.Written,
        ledgers.Turned,
    ],
)
def test_what_may_be_kept_is_not(adapter: type[Ledger]) -> None:
    assert kept(made(adapter), two_days()) == []


def test_what_allows_it_is_named() -> None:
    worker = Worker(made(ledgers.Seen))
    with worker.session():
        (violation,) = judged(worker, worker.run(two_days(), InOrder())).violations
    assert "allowed if declared: records" in violation.message
    assert f"all {2 * EACH_DAY} clients have left" in violation.message


BETWEEN = Operation("emit", user="u0", to="u0")
STAYS = Operation("connect", "c99", "u0")


@pytest.mark.parametrize(
    "program",
    [
        two_days(first=EACH_DAY - 1),
        two_days(second=EACH_DAY - 1),
        two_days(night=Operation("pause", seconds=LONG_AFTER - 1)),
        Program((*two_days().operations, BETWEEN)),
        Program((*two_days().operations, Operation("clean_up", user="u0"))),
        Program((*two_days().operations, *comings(50, 1, user="u1"))),
        Program((STAYS, *two_days().operations)),
    ],
    ids=["few", "few later", "soon", "spoken", "cleaned up", "two users", "somebody is there"],
)
def test_where_it_may_be_something_else_nothing_is_said(program: Program) -> None:
    assert kept(made(ledgers.Seen), program) == []


def test_an_opening_shows_it_where_a_day_is_no_more_than_the_targets_timers_bear() -> None:
    target = made(ledgers.Seen)
    nights = [program for program in openings(target, 3, (), 90_000.0) if long_pause(program) is not None]
    assert [program.expanded[2].kind for program in nights] == ["disconnect", "abort", "emit"]
    assert [bool(kept(target, program)) for program in nights] == [True, True, False]
    assert not any(long_pause(program) is not None for program in openings(target, 3, (65.0,)))


@pytest.mark.parametrize(("adapter", "seconds"), [(ledgers.Seen, 90_000.0), (ledgers.Ticking, None)])
def test_a_night_is_as_long_as_the_targets_own_timers_bear(adapter: type[Ledger], seconds: float | None) -> None:
    worker = Worker(made(adapter))
    with worker.session():
        assert night(worker) == night(worker) == seconds


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("visited", ["tests.applications.guests.BOOK"]),
        ("counted", []),
        ("held", ["tests.applications.guests.SOCKETS"]),
        ("served", ["tests.applications.guests.TABLES"]),
    ],
)
def test_it_is_found_in_applications_too(name: str, where: list[str]) -> None:
    wire = JsonWire(path="/ws?user={user}", to_all={"text": "{event}"})
    assert kept(application(f"tests.applications.guests:{name}", wire=wire), two_days()) == where


@pytest.mark.parametrize("name", ["visited", "served"])
def test_stock_asyncio_confirms_it(name: str) -> None:
    wire = JsonWire(path="/ws?user={user}", to_all={"text": "{event}"})
    target: Any = application(f"tests.applications.guests:{name}", wire=wire)
    worker = Worker(target)
    with worker.session():
        found = judged(worker, worker.run(two_days(), InOrder()))
    (violation,) = found.violations
    assert [row.detail for row in found.execution.history if row.kind == RowKind.KEPT] == [
        Kept(violation.circumstance, 2 * EACH_DAY)
    ]
    signature = violation.signature(target.name)
    assert confirm(target, found.execution, signature, seconds=120.0).verdict == "confirmed"


def test_what_a_test_itself_defines_is_looked_at() -> None:
    """Of the modules that pytest has collected those alone count that the target leads into."""
    assert kept(Target("here", Here, Here), two_days()) == [f"{__name__}.VISITORS"]
    VISITORS.clear()
    assert kept(made(Ledger), two_days()) == []


VISITORS: set[str] = set()


class Here(Ledger):
    def came(self, number: int, client: Client) -> None:
        VISITORS.add(f"{client.id}, number {number}")
