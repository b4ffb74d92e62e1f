"""How executions are kept apart is chosen by proof: each way, on an application that needs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from crosswire.fuzzer.core.history import RowKind
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.drivers.retained import _children
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.targets import Adapter, Client, Event, Target
from crosswire.fuzzer.targets.fresh import FreshModule
from crosswire.fuzzer.targets.state.reach import Reach
from crosswire.fuzzer.world import InOrder
from crosswire.fuzzer.world.identity import number_classes

CHAT = """
here = []

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    await receive()
    await send({"type": "websocket.accept"})
    here.append(send)
    await send({"type": "websocket.send", "text": f"<{greeting()}>"})
    while (message := await receive())["type"] == "websocket.receive":
        for other in list(here):
            await other({"type": "websocket.send", "text": message["text"]})
    here.remove(send)
"""

KEPT = "visits = []\ndef greeting():\n    visits.append(1)\n    return len(visits)\n"

HELD = (
    "import queue, threading\nlock, jobs = threading.Lock(), queue.SimpleQueue()\n"
    "def greeting():\n    jobs.put(1)\n    return lock.acquire(blocking=False), jobs.qsize()\n"
)

SPENT = "numbers = (n for n in range(10**9))\ndef greeting():\n    return next(numbers)\n"

ONCE = "import json\nassert not hasattr(json, 'taken_by_test')\njson.taken_by_test = 1\n"

UNCERTAIN = "import ctypes\ndef greeting():\n    return f'process number {ctypes.CDLL(None).getpid()}'\n"
NUMBERED = UNCERTAIN.replace("ctypes.CDLL(None)", "os").replace("ctypes", "os")

HIDDEN = (
    "from multidict import MultiDict\nhidden = MultiDict()\n"
    "def greeting():\n    hidden.add('a', 1)\n    return len(hidden) > 700\n"
)

PROVE = """
import json, sys
from crosswire.fuzzer.campaigns.proof import prove, sample
from crosswire.fuzzer.drivers.retained import _children
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.targets.resolve import resolve

target = resolve(sys.argv[1])
worker = Worker(target)
programs = [program for program, _ in sample(target)]
histories = []
with worker.session():
    prove(worker)
    proven = target.state.way
    for number in range(int(sys.argv[2])):
        histories.append(repr(worker.run(programs[0], RandomWalk(1)).history))
worker.close()
print(json.dumps([proven, target.state.way, target.state.notes, len(set(histories))]))
"""


def proven(folder: Path, source: str, options: str = "", executions: int = 6) -> tuple[str, str, list[str], int]:
    """The way that is proven, the way after some executions, the notes, and how many histories these had."""
    (folder / "chat.py").write_text(source + CHAT)
    (folder / "prove.py").write_text(PROVE)
    done = subprocess.run(
        [sys.executable, "prove.py", f"chat:app?wire=text{options}", str(executions)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said: Any = json.loads(done.stdout)
    return said[0], said[1], said[2], said[3]


@pytest.mark.parametrize("source", [KEPT, HELD], ids=["list", "what threads wait on"])
def test_what_can_be_put_back_is(tmp_path: Path, source: str) -> None:
    assert proven(tmp_path, source) == ("snapshot", "snapshot", [], 1)


def test_what_cannot_be_put_back_is_named_and_the_modules_are_executed_anew(tmp_path: Path) -> None:
    way, _, notes, histories = proven(tmp_path, SPENT)
    assert way == "modules" and histories == 1
    (note,) = notes
    assert "not kept apart by snapshot" in note and "chat.numbers" in note


def test_where_the_modules_cannot_be_executed_anew_each_execution_has_a_process(tmp_path: Path) -> None:
    way, _, notes, histories = proven(tmp_path, ONCE + SPENT)
    assert way == "process" and histories == 1
    assert len(notes) == 2 and "not kept apart by modules" in notes[1] and "AssertionError" in notes[1]


def test_a_way_that_is_asked_for_is_taken_and_what_is_wrong_with_it_is_told(tmp_path: Path) -> None:
    way, _, notes, _ = proven(tmp_path, SPENT, "&state=snapshot")
    assert way == "snapshot"
    (note,) = notes
    assert note.startswith("executions are kept apart by snapshot, though chat.numbers")


def test_a_module_that_a_library_made_and_that_has_no_file_is_left_alone(tmp_path: Path) -> None:
    """As six.moves is, and whatever else is put into `sys.modules` by hand."""
    made = "import sys, types\nmoves = sys.modules['chat_moves'] = types.ModuleType('chat_moves')\n{path}"
    for path in ("moves.__path__ = []\n", f"moves.__path__ = [{str(tmp_path)!r}]\n"):
        assert proven(tmp_path, made.format(path=path) + KEPT, "&state=modules") == ("modules", "modules", [], 1)


@pytest.mark.parametrize("way", ["modules", "process"])
def test_other_ways_give_one_history_too(way: str, tmp_path: Path) -> None:
    assert proven(tmp_path, KEPT, f"&state={way}") == (way, way, [], 1)


@pytest.mark.parametrize("way", ["snapshot", "process"])
def test_the_number_of_the_process_is_the_same_in_each(way: str, tmp_path: Path) -> None:
    assert proven(tmp_path, NUMBERED, f"&state={way}", executions=2) == (way, way, [], 1)


def test_a_target_that_is_not_deterministic_is_no_matter_of_state(tmp_path: Path) -> None:
    way, _, notes, _ = proven(tmp_path, UNCERTAIN, executions=2)
    assert way == "snapshot"
    (note,) = notes
    assert "not deterministic" in note and "process number" in note


def test_what_shows_later_is_found_by_sampling(tmp_path: Path) -> None:
    before, after, notes, _ = proven(tmp_path, HIDDEN, executions=650)
    assert (before, after) == ("snapshot", "process")
    (note,) = notes
    assert "showed something else than alone" in note and "MultiDict" in note


FLAT = """
from hub import lifetime

def greeting():
    return lifetime["visits"]

"""

FACTORY = """
def create_app():
    from inner.hub import lifetime

    async def counted(scope, receive, send):
        lifetime["visits"] += 1
        await app(scope, receive, send)

    return counted
"""

LATE = """
def greeting():
    import late
    late.visits.append(1)
    return len(late.visits)
"""


def test_modules_beside_the_targets_and_in_factories_and_handlers_are_put_back(tmp_path: Path) -> None:
    (tmp_path / "hub.py").write_text("lifetime = {'visits': 0}\n")
    flat = FLAT + CHAT.replace("here.append(send)", "here.append(send)\n    lifetime['visits'] += 1")
    (tmp_path / "main.py").write_text(flat)
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "__init__.py").touch()
    (tmp_path / "inner" / "hub.py").write_text("lifetime = {'visits': 0}\n")
    (tmp_path / "inner" / "main.py").write_text(
        "def greeting():\n    from inner.hub import lifetime\n    return lifetime['visits']\n" + CHAT + FACTORY
    )
    (tmp_path / "late.py").write_text("visits = []\n")
    assert proven(tmp_path, LATE) == ("snapshot", "snapshot", [], 1)
    for name in ("main:app", "inner.main:create_app"):
        done = subprocess.run(
            [sys.executable, "prove.py", f"{name}?wire=text", "6"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(done.stdout) == ["snapshot", "snapshot", [], 1]


ADAPTER = """
from crosswire.fuzzer.targets import Adapter

online = {}
count = [0]

class Chat(Adapter):
    def connect(self, client):
        count[0] += 1
        online.setdefault(client.user, []).append(client.websocket)
        if count[0] > 3:
            return False

    async def emit(self, event):
        for websocket in list(online.get(event.to, ())):
            try:
                await websocket.send_json(event.payload)
            except ConnectionError:
                pass

    def disconnect(self, client):
        if client.websocket in online.get(client.user, ()):
            online[client.user].remove(client.websocket)
"""


@pytest.mark.parametrize("way", ["snapshot", "modules", "process"])
def test_what_an_adapters_module_keeps_is_put_back_too(way: str, tmp_path: Path) -> None:
    (tmp_path / "manager.py").write_text(ADAPTER)
    (tmp_path / "prove.py").write_text(PROVE)
    done = subprocess.run(
        [sys.executable, "prove.py", f"manager:Chat?state={way}", "6"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [way, way, [], 1]


PREPARED = """
import asyncio, os
from contextvars import ContextVar
from crosswire.fuzzer.targets import application

async def set_up():
    import chat
    await asyncio.sleep(0)
    chat.users.append("u0")

async def fails():
    raise OSError("no database")

target = application("chat:app", wire="text", prepare=set_up, environment={"CHAT_ROOM": "lobby"})
broken = application("chat:app", wire="text", prepare=fails)
"""

READS = """
import os

room = os.environ.get("CHAT_ROOM")
users = []

def greeting():
    return f"{users} {room} {os.environ.get('CHAT_ROOM')}"

"""

SHOW = """
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import TargetError, Worker
from crosswire.fuzzer.world import InOrder
from crosswire.fuzzer.world.identity import number_classes
import os, fuzz
worker = Worker(fuzz.target)
for _ in range(2):
    worker.run(Program((Operation("connect", "c0", "u0"),)), InOrder())
    print([(sent.connection, sent.frame) for sent in worker.frames])
print(os.environ.get("CHAT_ROOM"))
try:
    Worker(fuzz.broken).run(Program((Operation("connect", "c0", "u0"),)), InOrder())
except TargetError as error:
    print(error)
"""


def test_the_users_set_up_runs_before_each_execution_and_variables_are_set(tmp_path: Path) -> None:
    (tmp_path / "chat.py").write_text(READS + CHAT)
    (tmp_path / "fuzz.py").write_text(PREPARED)
    done = subprocess.run([sys.executable, "-c", SHOW], cwd=tmp_path, capture_output=True, text=True, check=True)
    first, second, outside, failed = done.stdout.splitlines()
    assert first == second == "[('c0', \"<['u0'] lobby lobby>\")]"
    assert outside == "None"
    assert "starting it failed: OSError: no database" in failed


TWICE = """
import rooms
from crosswire.fuzzer.targets import application

def keep(name):
    def prepare():
        import chat
        chat.users.append(name)
    return prepare

here = application("chat:app", wire="text", environment={"CHAT_ROOM": "here"}, prepare=keep("u0"))
there = application("chat:app", wire="text", environment={"CHAT_ROOM": "there"}, prepare=keep("u1"))
also = application("chat:app", wire="text", environment={"CHAT_ROOM": "there"}, prepare=keep("u2"))
"""

SHOW_TWICE = """
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.world import InOrder
import fuzz
for target in (fuzz.here, fuzz.there, fuzz.also, fuzz.here):
    worker = Worker(target)
    with worker.session():
        worker.WAY(Program((Operation("connect", "c0", "u0"),)), InOrder())
    print(worker.frames[0].frame, *target.state.notes)
"""


@pytest.mark.parametrize("way", ["run", "alone"])
def test_targets_of_one_application_have_each_its_own_variables(tmp_path: Path, way: str) -> None:
    """What reads them when it is imported has them, too, whoever had imported it before."""
    (tmp_path / "rooms.py").write_text('import os\n\nroom = os.environ.get("CHAT_ROOM")\n')
    (tmp_path / "chat.py").write_text("import rooms\n" + READS.replace('f"{users}', 'f"{users} {rooms.room}') + CHAT)
    (tmp_path / "fuzz.py").write_text(TWICE)
    shows = SHOW_TWICE.replace("WAY", way)
    done = subprocess.run([sys.executable, "-c", shows], cwd=tmp_path, capture_output=True, text=True, check=True)
    told = "its modules were imported with other environment variables (CHAT_ROOM), and are executed anew"
    assert done.stdout.splitlines() == [
        f"<['u0'] here here here> {told}",
        f"<['u1'] there there there> {told}",
        "<['u2'] there there there>",
        f"<['u0'] here here here> {told}",
    ]


def test_modules_that_cannot_be_executed_again_are_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "rooms.py").write_text("import sys\n\nassert not hasattr(sys, 'once'), 'twice'\nsys.once = True\n")
    (tmp_path / "chat.py").write_text("import rooms\n" + READS + CHAT)
    (tmp_path / "fuzz.py").write_text(TWICE)
    done = subprocess.run([sys.executable, "-c", "import fuzz"], cwd=tmp_path, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1].endswith(
        "target 'chat:app': its modules were imported before its environment variables were set (CHAT_ROOM), and "
        "executing them anew failed with AssertionError: twice; import them inside functions"
    )


visits: list[str] = []


def visited(client: str) -> int:
    visits.append(client)
    return len(visits)


class CountsVisits(Adapter):
    """Keeps its state in the module of a test, by way of a function."""

    async def connect(self, client: Client) -> None:
        await client.websocket.send_json({"visits": visited(client.id)})

    async def disconnect(self, client: Client) -> None: ...

    async def emit(self, event: Event) -> None: ...


def followed(*roots: object) -> list[object]:
    """What is recorded of this module, when a target leads to ``roots``."""
    reach = Reach()
    reach.module("tests", sys.modules["tests"])
    reach.module(__name__, sys.modules[__name__])
    reach.near_by(("the target", root) for root in roots)
    return [record.thing for record in reach.near if record.thing is globals() or record.thing is visits]


@pytest.mark.parametrize("root", [CountsVisits, visited, [visited], CountsVisits().connect, lambda: None])
def test_a_test_that_was_collected_is_looked_at_where_the_target_leads_there(root: object) -> None:
    assert followed(root) == [globals(), visits]


def test_a_test_that_was_collected_is_nobodys_state_otherwise() -> None:
    assert followed() == followed(Path, [], json.dumps) == []


def test_what_a_target_keeps_in_a_tests_module_is_put_back() -> None:
    worker = Worker(Target("visits", CountsVisits, CountsVisits))
    with worker.session():
        for _ in range(3):
            execution = worker.run(Program((Operation("connect", "c0", "u0"),)), InOrder())
            assert any(row.kind is RowKind.RECEIVED for row in execution.history)
            assert not visits


SCRIPT = """
import itertools
from crosswire.fuzzer import Adapter

count, seen, numbers = 0, [], itertools.count()

class Chat(Adapter):
    async def connect(self, client):
        global count
        count += 1
        seen.append(client.user)
        raise LookupError(f"{count} {seen} {next(numbers)}")

    async def emit(self, event): ...

    async def disconnect(self, client): ...

def main():
    from crosswire.fuzzer.core.program import Operation, Program
    from crosswire.fuzzer.engine.execution import Worker
    from crosswire.fuzzer.targets.adapter import Target
    from crosswire.fuzzer.world import InOrder

    worker = Worker(Target("chat", Chat, Chat))
    with worker.session():
        for _ in range(3):
            history = worker.run(Program((Operation("connect", "c0", "u0"),)), InOrder()).history
            print(*(row.detail.brief for row in history if row.kind == "raised"), worker.target.state.way)

main()
"""


def test_what_a_script_keeps_that_fuzzes_itself_is_put_back(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["LookupError: 1 ['u0'] 0 snapshot"] * 3


class Bare:
    """Hashes by number, which takes a ``__del__`` of ours."""

    __slots__ = ("user",)


def test_what_the_fuzzer_gives_to_classes_is_none_of_their_state() -> None:
    number_classes([Bare])
    assert "__del__" in vars(Bare)
    reach = Reach()
    reach.near_by([("the class", Bare)])
    assert any(record.thing is Bare for record in reach.near)
    assert not any(record.path.startswith("the class.__del__") for record in reach.records())
    assert [label for label, _ in _children(Bare)] == [f".{name}" for name in vars(Bare)]
    assert not list(_children(vars(Bare)["__del__"]))


def test_tests_that_were_collected_are_not_executed_anew_with_a_module_of_their_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fresh = FreshModule("tests.applications.board")
    there = sys.modules["tests.applications.board"]
    monkeypatch.setitem(sys.modules, "tests.applications.board", there)  # put back afterwards
    assert fresh.again() is not there
    assert sys.modules[__name__].__dict__ is globals()
