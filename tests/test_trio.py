"""Managers on trio: found, replayed and not accused as on asyncio, with the order of a batch among the decisions."""

# ruff: noqa: E402 - what needs trio is imported after it was looked for

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

trio: Any = pytest.importorskip("trio")

import contextlib
import importlib

import anyio
import anyio.lowlevel

from crosswire.fuzzer.core.choices import BACKENDS, Backend
from crosswire.fuzzer.core.history import Failure, RowKind
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Execution, TargetError, Worker
from crosswire.fuzzer.findings.confirm import confirm
from crosswire.fuzzer.findings.counterexample import load, of_finding, save
from crosswire.fuzzer.findings.finding import Finding
from crosswire.fuzzer.findings.regression import replayed
from crosswire.fuzzer.search.random_walk import RandomWalk
from crosswire.fuzzer.targets.adapter import Adapter, Client, Event
from crosswire.fuzzer.targets.resolve import UnknownTargetError, resolve
from crosswire.fuzzer.world import InOrder, latency
from crosswire.fuzzer.world.entropy import real_clock
from crosswire.fuzzer.world.trio_stock import make_stock
from crosswire.models.isolation import judge

from .command import crosswire
from .replaying import ENOUGH

PROGRAM = Program(
    (
        Operation("connect", "c0", "u0"),
        Operation("connect", "c1", "u0"),
        Operation("emit", None, "u1", "u0"),
        Operation("disconnect", "c0"),
    )
)

CANCELLED = Program((*PROGRAM.operations[:3], Operation("cancel", None, "u1")))


class Chat(Adapter):
    """While one client is written to, another leaves the list that is walked."""

    backends: ClassVar[tuple[Backend, ...]] = ("asyncio", "trio")

    def __init__(self) -> None:
        self.rooms: dict[str, list[Any]] = {}

    async def connect(self, client: Client) -> None:
        await client.websocket.accept()
        self.rooms.setdefault(client.user, []).append(client.websocket)

    def audience(self, user: str | None) -> list[Any]:
        return self.rooms.get(user or "", [])

    async def emit(self, event: Event) -> Any:
        for websocket in self.audience(event.to):
            with contextlib.suppress(ConnectionError):
                await websocket.send_json(event.payload)

    async def disconnect(self, client: Client) -> None:
        if client.websocket in self.audience(client.user):
            self.audience(client.user).remove(client.websocket)


class Repaired(Chat):
    async def emit(self, event: Event) -> None:
        async def one(websocket: Any) -> None:
            with contextlib.suppress(ConnectionError):
                await websocket.send_json(event.payload)

        async with anyio.create_task_group() as group:
            for websocket in list(self.audience(event.to)):
                group.start_soon(one, websocket)


class Waits(Chat):
    """Its deadline passes in virtual time."""

    async def emit(self, event: Event) -> bool:
        with anyio.move_on_after(0.5):
            await anyio.sleep_forever()
        return False


class Fails(Chat):
    async def emit(self, event: Event) -> None:
        async def fail() -> None:
            await latency("db")
            raise LookupError("no such room")

        async with anyio.create_task_group() as group:
            group.start_soon(fail)
            group.start_soon(anyio.sleep_forever)


class InThreads(Chat):
    async def emit(self, event: Event) -> None:
        for websocket in await anyio.to_thread.run_sync(list, self.audience(event.to)):
            with contextlib.suppress(ConnectionError):
                await anyio.to_thread.run_sync(anyio.from_thread.run, websocket.send_json, event.payload)


class LeavesSomething(Repaired):
    async def emit(self, event: Event) -> None:
        trio.lowlevel.spawn_system_task(trio.sleep_forever)
        await super().emit(event)

    async def shut_down(self) -> None:
        pass


class LeavesAGenerator(Repaired):
    """It is found by the collector alone, after the execution."""

    async def emit(self, event: Event) -> None:
        numbers = self.numbers()
        kept: list[Any] = [numbers]
        kept.append(kept)
        async for number in numbers:
            if number:
                break
        await super().emit(event)

    async def numbers(self) -> AsyncIterator[int]:
        for number in range(3):
            await latency("numbers")
            yield number


class StartsProcesses(Chat):
    async def emit(self, event: Event) -> None:
        await anyio.run_process(["true"])


class TakesLonger(Repaired):
    """What is emitted is worked on one after the other, and the more there is, the longer each takes."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = anyio.Lock()
        self.waiting = 0

    async def emit(self, event: Event) -> None:
        self.waiting += 1
        async with self.lock:
            for _ in range(6 * self.waiting):
                await anyio.lowlevel.checkpoint()
        await super().emit(event)


class NeverEnds(Repaired):
    async def emit(self, event: Event) -> None:
        while True:
            await anyio.lowlevel.checkpoint()


class OnAsyncioOnly(Chat):
    backends = ("asyncio",)


def worker(adapter: type[Adapter], backend: str = "trio") -> Worker:
    return Worker(resolve(f"{__name__}:{adapter.__name__}?backend={backend}"))


def kinds(worker: Worker, program: Program, times: int) -> set[str]:
    with worker.session():
        executions = [worker.run(program, RandomWalk(seed)) for seed in range(times)]
    return {violation.kind for one in executions for violation in judge(worker.target, program, one.history)}


@pytest.mark.parametrize(
    ("adapter", "found"), [(Chat, {"LostEvent"}), (Repaired, set()), (InThreads, set()), (LeavesAGenerator, set())]
)
def test_a_run_and_its_replay_are_the_same_and_only_the_race_is_accused(
    adapter: type[Adapter], found: set[str]
) -> None:
    one, other = worker(adapter), worker(adapter)
    seen, turned = set(), 0
    with one.session():
        executions = [one.run(PROGRAM, RandomWalk(seed)) for seed in range(80)]
    with other.session():
        for execution in reversed(executions):
            again = other.replay(PROGRAM, execution.schedule)
            assert (again.history, again.visible) == (execution.history, execution.visible)
            seen |= {violation.kind for violation in judge(one.target, PROGRAM, execution.history)}
            turned += (("reversed",), True) in execution.visible
    assert seen == found
    assert turned


def test_the_race_needs_a_batch_the_other_way_round() -> None:
    assert not kinds(worker(Chat, "asyncio"), PROGRAM, 200)


def test_deadlines_pass_in_virtual_time_and_operations_can_be_cancelled() -> None:
    for backend in ("trio", "asyncio"):
        one = worker(Waits, backend)
        with one.session():
            history = one.run(PROGRAM, InOrder()).history
            cancelled = [one.run(CANCELLED, RandomWalk(seed)).history for seed in range(40)]
        assert [row.time for row in history if (row.kind, row.operation) == (RowKind.RETURNED, 2)] == [0.5]
        assert any((row.kind, row.operation) == (RowKind.CANCELLED, 2) for history in cancelled for row in history)


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_a_hundred_do_at_once_may_take_each_of_them_long(backend: Backend) -> None:
    def spins(adapter: type[Adapter], times: int) -> bool:
        program = Program((PROGRAM.operations[0], Operation("emit", None, "u1", "u0", times=times)))
        history = worker(adapter, backend).run(program, InOrder()).history
        return any(row.kind == RowKind.SPINNING for row in history)

    assert not spins(TakesLonger, 100)
    assert spins(NeverEnds, 100)
    assert spins(NeverEnds, 1)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_group_of_one_exception_is_told_as_that_one(backend: Backend) -> None:
    history = worker(Fails, backend).run(PROGRAM, InOrder()).history
    failures = [row.detail for row in history if row.kind == RowKind.RAISED]
    assert [one.brief for one in failures if isinstance(one, Failure)] == ["LookupError: no such room"]


def test_what_is_given_to_trio_itself_is_left_behind_after_a_shut_down() -> None:
    assert kinds(worker(LeavesSomething), PROGRAM, 3) == {"LeakedTask"}


def test_what_leaves_the_world_is_named() -> None:
    with pytest.raises(TargetError, match=r"subprocess\.Popen.*outside"):
        worker(StartsProcesses).run(PROGRAM, InOrder())


SAID = """
{imports}
from crosswire.fuzzer import Adapter

class Chat(Adapter):
    def connect(self, client): return None
    def emit(self, event): return None
    def disconnect(self, client): return None
"""


@pytest.mark.parametrize(
    ("imports", "known"),
    [
        ("import trio", ("trio",)),
        ("from trio import open_nursery", ("trio",)),
        ("import anyio", ("asyncio", "trio")),
        ("from anyio import sleep", ("asyncio", "trio")),
        ("import anyio, asyncio", ("asyncio",)),
        ("import json", ("asyncio",)),
    ],
)
def test_what_a_target_is_written_for_is_known_from_its_imports(
    imports: str, known: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    name = "written_for_" + "".join(filter(str.isalpha, imports))
    (tmp_path / f"{name}.py").write_text(SAID.format(imports=imports), encoding="utf-8")
    assert resolve(f"{name}:Chat").backend == known[0]
    for backend in BACKENDS:
        if backend in known:
            assert resolve(f"{name}:Chat?backend={backend}").backend == backend
        else:
            with pytest.raises(UnknownTargetError, match=f"is written for {known[0]}"):
                resolve(f"{name}:Chat?backend={backend}")


@pytest.mark.parametrize(
    ("imports", "known"), [("trio", ("trio",)), ("anyio", BACKENDS), ("asyncio", ("asyncio",)), ("json", ("asyncio",))]
)
def test_an_adapter_beside_its_manager_is_written_for_what_that_imports(
    imports: str, known: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / f"manager_on_{imports}.py").write_text(f"import {imports}\n\nclass Manager: ...\n", encoding="utf-8")
    beside = SAID.format(imports=f"from manager_on_{imports} import Manager")
    (tmp_path / f"beside_{imports}.py").write_text(beside, encoding="utf-8")
    assert resolve(f"beside_{imports}:Chat").backends == known


def test_a_backend_that_is_none_is_refused_in_a_line() -> None:
    with pytest.raises(UnknownTargetError, match="one of asyncio, trio"):
        resolve(f"{__name__}:Chat?backend=curio")
    with pytest.raises(UnknownTargetError, match="is written for asyncio"):
        resolve(f"{__name__}:OnAsyncioOnly?backend=trio")


def first(adapter: type[Adapter]) -> tuple[Execution, str]:
    """An execution that shows a violation, and that one's signature."""
    one = worker(adapter)
    with one.session():
        for seed in range(300):
            execution = one.run(PROGRAM, RandomWalk(seed))
            for violation in judge(one.target, PROGRAM, execution.history):
                return execution, violation.signature(one.target.name)
    raise AssertionError("nothing was found")


@pytest.mark.parametrize("adapter", [Chat, Repaired, Waits, Fails, LeavesSomething, LeavesAGenerator])
def test_stock_trio_shows_the_same(adapter: type[Adapter]) -> None:
    here, stock = worker(adapter), Worker(resolve(f"{__name__}:{adapter.__name__}?backend=trio"), make_stock())
    with here.session():
        executions = [here.run(PROGRAM, RandomWalk(seed)) for seed in range(40)]
    with stock.session():
        for execution in executions:
            assert stock.replay(PROGRAM, execution.schedule).history == execution.history


def test_what_is_found_is_confirmed_on_stock_trio_and_its_repair_is_not() -> None:
    execution, signature = first(Chat)
    confirmed = confirm(worker(Chat).target, execution, signature, ENOUGH)
    assert str(confirmed).startswith("confirmed on stock trio (trio.run")
    repaired = confirm(worker(Repaired).target, execution, signature, ENOUGH, attempts=5)
    assert str(repaired).startswith("not confirmed on stock trio: under trio.run, e2 was sent to c1")


@pytest.mark.parametrize(("left", "up"), [(60.0, False), (-1.0, True)])
def test_stock_trio_gives_up_by_the_real_clock_however_long_the_machine_is_up(left: float, up: bool) -> None:
    with worker(Chat).session():  # clocks are gated by now, whatever was loaded before
        stock = importlib.reload(importlib.import_module("crosswire.fuzzer.world.trio_stock")).make_stock()
    one = Worker(worker(Chat).target, stock)
    stock.until = real_clock() + left
    with one.session():
        one.run(PROGRAM, InOrder())
        assert stock.out_of_time is up


def test_what_needs_threads_cannot_be_confirmed() -> None:
    execution, signature = first(Chat)
    assert "not confirmable on stock trio" in str(confirm(worker(InThreads).target, execution, signature, ENOUGH))


class Endless(Chat):
    """Whoever cancels it is not heard."""

    async def emit(self, event: Event) -> None:
        while True:
            with contextlib.suppress(trio.Cancelled):
                await trio.sleep_forever()


def test_a_task_that_will_not_end_is_given_up_on_stock_trio_too() -> None:
    for one in (worker(Endless), Worker(worker(Endless).target, make_stock())):
        with one.session():
            kinds = [row.kind for row in one.run(PROGRAM, InOrder()).history]
            assert kinds == [row.kind for row in one.run(PROGRAM, InOrder()).history]
            assert RowKind.STUCK in kinds


ANYIO = """
import anyio
from crosswire.fuzzer import Adapter

class Chat(Adapter):
    def __init__(self):
        self.rooms = {}

    async def connect(self, client):
        self.rooms.setdefault(client.user, []).append(client.websocket)

    async def emit(self, event):
        for websocket in self.rooms.get(event.to, []):
            with anyio.move_on_after(1):
                try:
                    await websocket.send_json(event.payload)
                except ConnectionError:
                    pass

    async def disconnect(self, client):
        if client.websocket in self.rooms.get(client.user, []):
            self.rooms[client.user].remove(client.websocket)
"""


def test_a_user_runs_both_replays_and_has_it_confirmed(tmp_path: Path) -> None:
    (tmp_path / "anyio_chat.py").write_text(ANYIO, encoding="utf-8")
    budget = "--max-executions", "150", "--promise", "no loss", "--no-cause"
    done = crosswire("run", "anyio_chat:Chat", "--backend", "both", *budget, cwd=tmp_path, expect=1)
    assert "confirmed on stock asyncio" in done.stdout and "confirmed on stock trio" in done.stdout
    last = done.stdout.splitlines()[-1]
    assert last.startswith("anyio_chat:Chat: ") and "on trio alone" in last
    found = sorted((tmp_path / "results" / "counterexamples").glob("*backend-trio*.json"))
    assert load(found[0]).backend == "trio"
    again = crosswire("replay", str(found[0]), "--confirm", "--trust", cwd=tmp_path, expect=1)
    assert "still there, as recorded" in again.stdout and "confirmed on stock trio" in again.stdout
    refused = crosswire("run", "reference", "--backend", "trio", cwd=tmp_path, expect=2)
    assert refused.stderr.count("\n") == 1


def test_a_file_says_on_which_backend_it_is_to_be_replayed_whatever_imports_tell_later(tmp_path: Path) -> None:
    one = worker(Chat)
    execution, signature = first(Chat)
    violation = next(iter(judge(one.target, PROGRAM, execution.history)))
    name = f"{__name__}:Chat"  # which nobody asks for on trio
    path = save(of_finding(name, violation.signature(name), Finding(violation, execution), "trio"), tmp_path)
    assert replayed(load(path)).how == "as recorded"
    path.write_text(path.read_text(encoding="utf-8").replace('"backend": "trio"', '"backend": "asyncio"'), "utf-8")
    assert replayed(load(path)).how != "as recorded"
    assert signature != violation.signature(name)
