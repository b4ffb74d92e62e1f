"""Which lines of a target's own functions ran: told of each function, and of nothing that only makes others."""

from __future__ import annotations

import asyncio
import inspect
import sys
from pathlib import Path

import pytest

from crosswire.fuzzer import Adapter, Client, Event
from crosswire.fuzzer.campaigns.summary import ReachSummary
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.core.stacks import is_own
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.findings.reach import reach_of
from crosswire.fuzzer.search import paths
from crosswire.fuzzer.targets.adapter import Target
from crosswire.fuzzer.world import InOrder

from ..command import crosswire

SOURCE = '''\
LIMIT = 3


def make(users):
    here = []

    def enter(user):
        """Let somebody in."""
        if user in users:
            here.append(user)
        return sorted(
            name
            for name in here
            if name
        )

    return enter


class Room:
    size = 3

    def leave(self):
        self.size -= 1
        return self.size


def one(): return 1
'''


def gaps(tmp_path: Path, *numbers: int) -> tuple[int, int, list[str]]:
    file = tmp_path / "room.py"
    file.write_text(SOURCE)
    summary = ReachSummary.of((str(file), number) for number in numbers)
    assert summary is not None
    return summary.ran, summary.lines, [str(gap).replace(f"{tmp_path}/", "") for gap in summary.unreached]


def test_what_did_not_run_is_told_by_function(tmp_path: Path) -> None:
    ran, lines, told = gaps(tmp_path, 9, 11, 12, 13, 14)
    assert told == ["make.enter (room.py:10)", "Room.leave (room.py:24-25)"]
    assert lines - ran == 3


def test_a_function_that_only_makes_others_ran_before_and_counts_where_none_of_them_did(tmp_path: Path) -> None:
    assert [gap.partition(" ")[0] for gap in gaps(tmp_path, 24)[2]] == ["make", "make.enter", "Room.leave"]
    assert [gap.partition(" ")[0] for gap in gaps(tmp_path, 5, 24, 25)[2]] == ["make", "make.enter"]


ADAPTERS = """
from crosswire import fuzzer

class Both(fuzzer.Adapter):
    def connect(self, client):
        return True

class One(Both):
    def emit(self, event):
        return True

class Other(Both):
    def emit(self, event):
        return False

class Books:
    def emit(self, event):
        return None
"""


def test_adapters_of_other_targets_in_the_same_file_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "both.py").write_text(ADAPTERS)
    reached = [(str(tmp_path / "both.py"), 6)]
    assert (reach_of(reached, "One").ran, reach_of(reached, "One").lines) == (1, 3)
    assert [gap.function for gap in reach_of(reached, "One").unreached] == ["One.emit", "Books.emit"]
    assert [gap.function for gap in reach_of(reached, "Both").unreached] == ["Books.emit"]
    everything = ["One.emit", "Other.emit", "Books.emit"]
    for name in ("", "app"):
        assert [gap.function for gap in reach_of(reached, name).unreached] == everything
    summary = ReachSummary.of(reached, "both:Other?backend=trio")
    assert summary is not None and [gap.function for gap in summary.unreached] == ["Other.emit", "Books.emit"]


DESK = """\
class Desk:
    def __init__(self, name):
        self.name = name

    def close(self):
        self.name = None


def settings():
    return {}


def serve():
    return Desk("later")


def unused():
    return settings()


DESKS = [Desk(name) for name in sorted(settings())] + [Desk("front")]
"""


def test_what_a_module_calls_itself_ran_when_it_was_imported(tmp_path: Path) -> None:
    file = tmp_path / "desk.py"
    file.write_text(DESK)
    reach = reach_of([(str(file), DESK[: DESK.index('return Desk("later")')].count("\n") + 1)])
    assert [one.function for one in reach.unreached] == ["Desk.close", "unused"]
    assert (reach.ran, reach.lines) == (1, 3)


def test_nothing_is_said_of_what_cannot_be_read(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("def f(:")
    assert reach_of([(str(broken), 1), (str(tmp_path / "none.py"), 3), ("<string>", 1)]) == (0, 0, ())
    assert ReachSummary.of([]) is None


def test_another_tool_that_traces_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "SEES_ALL", False)
    heard: list[str] = []

    def tracer(frame: object, event: str, argument: object) -> None:
        heard.append(event)

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        found, lines = paths.Paths().watched(lambda: 7, lambda seen: None)
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)
    assert (found, lines) == (7, ())
    assert heard


@pytest.mark.parametrize("every", [True, False])
def test_what_runs_in_threads_of_the_world_ran(every: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dependency without ``async``, say, which a framework calls in a thread."""
    monkeypatch.setattr(paths, "SEES_ALL", every)
    if every and not hasattr(sys, "monitoring"):
        pytest.skip("before Python 3.12 some executions are looked at, and not every one")
    worker = Worker(Target("threaded", Threaded, Threaded))
    seen = paths.Paths()
    with worker.session(), seen.session():
        program = Program((Operation("connect", "c0", "u0"), Operation("settle")))
        seen.watched(lambda: worker.run(program, InOrder()), lambda _: worker.run(program, InOrder()))
    line = inspect.getsourcelines(Threaded.look_up)[1] + 1
    assert (__file__, line) in seen.reached


class Threaded(Adapter):
    def look_up(self) -> int:
        return 1

    async def connect(self, client: Client) -> None:
        await asyncio.to_thread(self.look_up)

    async def disconnect(self, client: Client) -> None:
        return None

    async def emit(self, event: Event) -> None:
        return None


def test_what_is_installed_or_generated_is_not_the_targets_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``pip install --target`` puts packages into any folder; a router may compile code of no file."""
    for folder in ("app", "app/deps", "app/deps/web-1.0.dist-info", "app/deps/web", "app/chat"):
        (tmp_path / folder).mkdir()
    for folder in ("app", "app/deps"):
        monkeypatch.syspath_prepend(tmp_path / folder)
    assert not is_own(str(tmp_path / "app/deps/web/routing.py"))
    assert is_own(str(tmp_path / "app/chat/rooms.py"))
    assert is_own(str(tmp_path / "elsewhere.py"))
    assert not is_own("") and not is_own("<string>")


SERVER = """
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()
here = []

@app.websocket("/ws")
async def chat(ws: WebSocket, token: str):
    if token == "nobody":
        await ws.close()
        return
    await ws.accept()
    here.append(ws)
    try:
        while True:
            text = await ws.receive_text()
            for other in list(here):
                try:
                    await other.send_text(text)
                except Exception:
                    pass
    except WebSocketDisconnect:
        here.remove(ws)

@app.get("/health")
def health():
    return "well"
"""


def test_a_run_without_a_finding_says_what_it_never_reached(tmp_path: Path) -> None:
    (tmp_path / "chat.py").write_text(SERVER)
    done = crosswire("run", "chat:app", "--wire", "text", "--max-executions", "60", cwd=tmp_path, expect=0)
    told = " ".join(done.stdout.split())
    assert "lines of its functions ran" in told
    assert ": chat (chat.py:10-11" in told
    assert "health (chat.py:27)" in told
