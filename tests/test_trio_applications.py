"""Applications on trio, called directly: found, replayed, confirmed under `trio.run`, and not accused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.targets.adapter import Target
from crosswire.fuzzer.targets.applications import application
from crosswire.fuzzer.targets.backends import on
from crosswire.fuzzer.targets.resolve import UnknownTargetError, resolve
from crosswire.fuzzer.targets.standins import LineServer
from crosswire.fuzzer.world import InOrder
from crosswire.models.isolation import judge

from .applications import on_anyio
from .command import crosswire
from .replaying import confirmed_on_trio, shown_and_replayed, stock_trio_shows_the_same

PLACE = "tests.applications"

pytestmark = pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")  # trio says so of `iter_text`

APPLICATIONS = {
    "on_anyio:walks?backend=trio": {"LostEvent", "Dropped"},
    "on_anyio:repaired?backend=trio": set[str](),
    "on_anyio:threads?backend=trio": set[str](),
    "on_quart_trio:walks": {"LostEvent", "Dropped"},
    "on_quart_trio:repaired": set[str](),
    "on_trio:chat": set[str](),
    "on_trio:contagious": {"LostEvent", "UnhandledException", "Dropped"},
    "on_trio:leaves": {"LeakedTask"},
    "on_trio:raises": {"UnhandledException"},
    "on_trio:stays": {"Deadlock"},
}
"""What each breaks."""


def target(name: str) -> Target:
    if "quart_trio" in name:
        pytest.importorskip("quart_trio")
    return resolve(f"{PLACE}.{name}")


@pytest.mark.parametrize("name", APPLICATIONS)
def test_a_run_and_its_replay_are_the_same_and_only_what_is_wrong_is_accused(name: str) -> None:
    assert shown_and_replayed(target(name), 150) == APPLICATIONS[name]


@pytest.mark.parametrize(("name", "found"), [("on_trio:keeps", {"LeakedEntry"}), ("on_trio:writes", set())])
def test_what_is_kept_of_each_client_is_found_and_a_history_is_not(name: str, found: set[str]) -> None:
    def day(clients: range) -> list[Operation]:
        comings = [Operation("connect", f"c{number}", "u0") for number in clients]
        return [*comings, Operation("settle"), *(replace(coming, kind="disconnect") for coming in comings)]

    program = Program((*day(range(6)), Operation("pause", seconds=90_000), *day(range(6, 12))))
    worker = Worker(application(f"{PLACE}.{name}", wire=on_anyio.wire))  # nobody logs in over HTTP, and stays so
    with worker.session():
        history = worker.run(program, InOrder()).history
    assert {violation.kind for violation in judge(worker.target, program, history)} == found


@pytest.mark.parametrize("name", [name for name in APPLICATIONS if "threads" not in name])
def test_stock_trio_shows_the_same(name: str) -> None:
    stock_trio_shows_the_same(target(name), 30)


def test_a_finding_is_confirmed_under_trio_run_and_its_repair_is_not() -> None:
    confirmed = confirmed_on_trio(target("on_anyio:walks?backend=trio"), target("on_anyio:repaired?backend=trio"))
    assert str(confirmed).startswith("confirmed on stock trio (trio.run, its batches in the recorded order")


def test_what_is_not_reachable_is_refused_in_a_line_that_says_what_to_do() -> None:
    for name, says in {
        f"{PLACE}.on_anyio:walks?via=uvicorn&backend=trio": "runs on asyncio alone: an ASGI application (Starlette), b",
        f"{PLACE}.on_trio:chat?backend=asyncio": 'say backends = ("asyncio",) in its module, or in application(...)',
        f"{PLACE}.on_trio:chat?via=uvicorn": "is written for trio, but an ASGI application (Chat), behind uvicorn, is",
        f"{PLACE}.on_anyio:walks?backend=curio": "one of asyncio, trio",
        f"{PLACE}.frameworks.on_aiohttp:create_app?backend=trio": "is served by asyncio's servers; on trio run",
    }.items():
        with pytest.raises(UnknownTargetError) as refused:
            resolve(name)
        assert says in str(refused.value) and "\n" not in str(refused.value)
    with pytest.raises(UnknownTargetError, match="but it has stand-ins, which are asyncio's servers"):
        application(f"{PLACE}.on_trio:chat", stand_ins=[LineServer("stats", 8125, str)])
    with pytest.raises(UnknownTargetError, match="backends are of asyncio, trio"):
        application(f"{PLACE}.on_trio:chat", backends=("curio",))  # type: ignore[arg-type]


def test_an_application_says_on_which_backends_it_runs() -> None:
    assert (target("on_anyio:walks").backend, target("on_trio:chat").backend) == ("asyncio", "trio")
    either = application(f"{PLACE}.on_anyio:repaired", backends=("trio", "asyncio"))
    assert (either.backend, on(either, "asyncio").backend) == ("trio", "asyncio")


CHAT = """
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from crosswire.fuzzer import JsonWire

wire = JsonWire(path="/", to_user=None, to_all="{event}")
online = set()

async def talk(websocket):
    await websocket.accept()
    online.add(websocket)
    try:
        while True:
            text = await websocket.receive_text()
            for other in online:
                await other.send_text(text)
    finally:
        online.remove(websocket)

app = Starlette(routes=[WebSocketRoute("/", talk)])
"""


def test_a_user_runs_it_and_replays_what_is_found(tmp_path: Path) -> None:
    (tmp_path / "a_chat.py").write_text(CHAT, encoding="utf-8")
    budget = "--max-executions", "100", "--promise", "availability", "--no-cause", "--no-confirm"
    crosswire("run", "a_chat:app", "--backend", "trio", *budget, cwd=tmp_path, expect=1)
    found = sorted((tmp_path / "results" / "counterexamples").glob("*backend-trio-Dropped*.json"))
    again = crosswire("replay", str(found[0]), "--confirm", "--trust", cwd=tmp_path, expect=1)
    assert "still there, as recorded" in again.stdout and "confirmed on stock trio" in again.stdout
    refused = crosswire("run", "a_chat:app", "--backend", "trio", "--via", "uvicorn", cwd=tmp_path, expect=2)
    assert refused.stderr.count("\n") == 1 and "on trio run adapters" in refused.stderr
