"""What is no race is not told as one: each operation done before the next, or another order after a pause, shows it."""

from __future__ import annotations

import pytest

from crosswire.fuzzer import Adapter, Client, Event, Policy, latency
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.core.source import Line
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.findings.causes import Cause, Reason, cause_of
from crosswire.fuzzer.findings.causes.experiments import Change, Strength, prevents, shows_one_by_one
from crosswire.fuzzer.findings.causes.spectrum import Budget
from crosswire.fuzzer.findings.finding import Finding, judged
from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.world import Chooser, InOrder

from .explaining import of


class Newest(Adapter):
    """Whoever leaves, the newest is taken out: it needs no two things at once."""

    def __init__(self) -> None:
        self._tabs: dict[str, list[Client]] = {}

    async def connect(self, client: Client) -> bool:
        await latency("directory")
        self._tabs.setdefault(client.user, []).append(client)
        return True

    async def emit(self, event: Event) -> None:
        for tab in list(self._tabs.get(event.to or "", ())):
            await tab.websocket.send_json(event.payload)

    async def disconnect(self, client: Client) -> None:
        if self._tabs.get(client.user):
            self._tabs[client.user].pop()  # here: Newest

    def registry(self) -> list[object]:
        return [tab.websocket for tabs in self._tabs.values() for tab in tabs]


class Counted(Newest):
    """Counts before it waits and enters after it: of two who come at once both come in."""

    policy = Policy(per_user=1)

    async def connect(self, client: Client) -> bool:
        tabs = self._tabs.setdefault(client.user, [])
        if tabs:
            return False
        await latency("directory")
        tabs.append(client)  # here: Counted
        return True

    async def disconnect(self, client: Client) -> None:
        tabs = self._tabs.get(client.user, [])
        if client in tabs:
            tabs.remove(client)


def shown(adapter: type[Adapter], kind: str, *operations: Operation) -> tuple[Cause, bool]:
    """The cause of what a program shows, and whether it shows one by one."""
    worker = Worker(of(adapter))
    with worker.session():
        choosers: list[Chooser] = [InOrder(), *map(RandomWalk, range(50))]
        results = (judged(worker, worker.run(Program(operations), chooser)) for chooser in choosers)
        result, violation = next((one, v) for one in results for v in one.violations if v.kind == kind)
        finding = Finding(violation, result.execution)
        cause = cause_of(worker, finding)
        assert cause is not None
        return cause, shows_one_by_one(worker, finding, Budget())


def marked(cause: Cause, by: str, most: int = 3) -> bool:
    lines: list[Line] = [line for place in cause.places[:most] for line in place]
    return any(f"# here: {by}" in line.text for line in lines)


COME = (Operation("connect", "c0", "u0"), Operation("connect", "c1", "u0"))
LEAVE = Operation("disconnect", "c0")


def test_what_shows_one_by_one_is_no_race() -> None:
    cause, plain = shown(Newest, "MissingEntry", *COME, LEAVE)
    assert plain
    assert cause.window is None
    assert marked(cause, "Newest")


def test_what_two_at_once_show_is_one_and_what_it_goes_on_with_comes_first() -> None:
    cause, plain = shown(Counted, "OverLimit", *COME)
    assert not plain
    assert cause.reason is Reason.ORDER
    assert cause.window is not None
    assert cause.window.before
    assert marked(cause, "Counted")


def test_a_pause_is_a_reason_only_where_it_prevents_it() -> None:
    for adapter, kind, helps in ((Counted, "OverLimit", True), (Newest, "MissingEntry", False)):
        operations = COME if adapter is Counted else (*COME, LEAVE)
        worker = Worker(of(adapter))
        with worker.session():
            runs = (judged(worker, worker.run(Program(operations), RandomWalk(seed))) for seed in range(50))
            result, violation = next((one, v) for one in runs for v in one.violations if v.kind == kind)
            change = Change(1, COME[0], COME[1], None, Strength.ALL, (), frozenset())
            finding = Finding(violation, result.execution)
            assert prevents(worker, finding, change, Budget(), 30) is helps
            assert not prevents(worker, finding, change, Budget(lambda: True), 30)  # nothing was tried


@pytest.mark.parametrize("kind", ["stall", "cancel", "flood"])
def test_what_is_about_operations_under_way_is_not_tried_one_by_one(kind: str) -> None:
    worker = Worker(of(Newest))
    with worker.session():
        result = judged(worker, worker.run(Program((*COME, LEAVE)), InOrder()))
        (violation, *_) = result.violations
        held = Operation("stall", "c0") if kind == "stall" else Operation(kind, "c1")  # type: ignore[arg-type]
        more = Program((*COME, held, LEAVE))
        execution = worker.run(more, InOrder())
        budget = Budget()
        assert not shows_one_by_one(worker, Finding(violation, execution), budget)
        assert budget.executions == 0
