"""Findings show behind real servers too: same program, same order of external events, real sockets."""

from __future__ import annotations

import asyncio
import importlib
import time
from pathlib import Path

import pytest

from crosswire.fuzzer import Http, HttpLogin, JsonWire, LineServer, application
from crosswire.fuzzer.campaigns import campaign as campaigns
from crosswire.fuzzer.campaigns import finishing
from crosswire.fuzzer.campaigns.campaign import Campaign, Plan
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.drivers.served import served_driver
from crosswire.fuzzer.engine.execution import Execution, Worker
from crosswire.fuzzer.findings.confirm import NOT_TRIED, Confirmation, confirm
from crosswire.fuzzer.findings.counterexample import load
from crosswire.fuzzer.findings.finding import judged
from crosswire.fuzzer.findings.regression import replayed
from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.targets import Adapter, Client, Event, Target
from crosswire.fuzzer.targets.resolve import resolve
from crosswire.fuzzer.world import InOrder
from crosswire.fuzzer.world.stock import StockLoop
from crosswire.models.managers.targets import TARGETS

BASELINE = sorted((Path(__file__).parent.parent / "results/baseline/counterexamples").glob("*.json"))

CHAT = """
import json
CLIENTS = {}
async def handler(ws):
    user = ws.request.path.rpartition("/")[2]
    CLIENTS.setdefault(user, set()).add(ws)
    try:
        async for message in ws:
            data = json.loads(message)
            for client in CLIENTS.get(data["to"], ()):
                await client.send(json.dumps({"type": "message", "text": data["text"]}))
    finally:
        CLIENTS[user].discard(ws)
"""


LONG = Operation("pause", seconds=2000.0)

QUICK = 20.0
"""Real seconds where one that is not confirmed may be among them."""

ENOUGH = 120.0
"""Real seconds for a confirmation where the machine may be busy; the number of attempts ends it long before."""


def test_published_counterexamples_are_confirmed_behind_a_real_server() -> None:
    """A sample of them: here and there one needs an order of callbacks that no real server has."""
    tried, not_so = 0, []
    for path in BASELINE[::9]:
        counterexample = load(path)
        outcome = replayed(counterexample)
        if outcome.violation is None:
            continue  # whether they replay is another test's question
        tried += 1
        said = confirm(resolve(counterexample.target), outcome.execution, counterexample.signature, QUICK, attempts=15)
        if said.verdict != "confirmed":
            not_so.append(f"{path.name}: {said}")
    assert tried > 6
    assert len(not_so) <= tried // 10, not_so


def test_what_takes_long_to_confirm_lets_the_others_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, float]] = []

    def confirming(target: Target, execution: Execution, signature: str, seconds: float) -> Confirmation:
        asked.append((signature, seconds))
        slow = signature == asked[0][0] and len(asked) == 1
        return NOT_TRIED if slow else Confirmation("confirmed", "in a word")

    monkeypatch.setattr(finishing, "confirm", confirming)
    monkeypatch.setattr(finishing, "ENOUGH", 1)
    monkeypatch.setattr(campaigns, "ENOUGH", 1)
    campaign = Campaign(
        TARGETS["emergency"], Plan(seconds=ENOUGH, executions=120, seed=1), confirming=True, explaining=False
    )
    tally = campaign.run()
    assert len(tally.found) > 2
    assert {found.confirmation.verdict for found in tally.found.values() if found.confirmation} == {"confirmed"}
    assert [signature for signature, _ in asked] == [*dict(asked), asked[0][0]]
    assert asked[-1][1] > asked[0][1]


def test_findings_in_a_real_server_are_confirmed_over_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slow and stalled clients among them, whose backlog is named."""
    (tmp_path / "confirmed_chat.py").write_text(
        CHAT + "from crosswire.fuzzer.targets import JsonWire\nwire = JsonWire(path='/ws/{user}')\n"
    )
    monkeypatch.chdir(tmp_path)
    target = resolve("confirmed_chat:handler")
    campaign = Campaign(target, Plan(executions=60, seed=1), explaining=False).run()
    assert campaign.found
    said = [confirm(target, f.finding.execution, signature, QUICK) for signature, f in campaign.found.items()]
    assert all(one.verdict == "confirmed" for one in said), said
    assert all("its own server, loopback sockets" in str(one) for one in said)


SHOP = """
import asyncio
from fastapi import FastAPI, Form, WebSocket, WebSocketDisconnect
from typing import Annotated
app = FastAPI()
peers = {}
known = []
async def fill():
    known.extend(["u0", "u1"])
@app.post("/login")
async def login(name: Annotated[str, Form()]):
    assert name in known
    reader, writer = await asyncio.open_connection("users", 7000)
    writer.write(f"{name}\\n".encode())
    token = (await reader.readline()).decode().strip()
    writer.close()
    return {"token": token}
@app.post("/say")
async def say(to: Annotated[str, Form()], text: Annotated[str, Form()]):
    for peer in list(peers.get(to, ())):
        for _ in range(2):
            await peer.send_json({"to": to, "text": text})
    return {}
@app.websocket("/ws/{token}")
async def chat(websocket: WebSocket, token: str):
    user = token.removeprefix("issued-")
    await websocket.accept()
    peers.setdefault(user, []).append(websocket)
    await websocket.send_json({"type": "ready"})
    try:
        await websocket.receive_text()
    except WebSocketDisconnect:
        peers[user].remove(websocket)
"""


def test_clients_log_in_and_speak_over_http_on_real_sockets_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what stands in for another machine answers there as well, and whoever is to be known is made known."""
    (tmp_path / "confirmed_shop.py").write_text(SHOP)
    monkeypatch.chdir(tmp_path)
    wire = JsonWire(
        before=HttpLogin("POST", "/login", form={"name": "{user}"}, token="token"),
        path="/ws/{token}",
        ready={"type": "ready"},
        to_user=Http("POST", "/say", form={"to": "{to}", "text": "{event}"}),
    )
    issue = LineServer("users", 7000, lambda name: f"issued-{name}")

    async def prepare() -> None:
        await importlib.import_module("confirmed_shop").fill()

    target = application("confirmed_shop:app", wire=wire, prepare=prepare, stand_ins=[issue])
    arriving = (Operation("connect", "c0", "u0"), Operation("connect", "c1", "u1"), Operation("settle"))
    program = Program((*arriving, Operation("emit", "c1", "u1", "u0")))
    worker = Worker(target)
    with worker.session():
        shown = judged(worker, worker.run(program, InOrder()))
    assert [violation.kind for violation in shown.violations] == ["DuplicateEvent"]
    said = confirm(target, shown.execution, shown.violations[0].signature(target.name), ENOUGH)
    assert said.verdict == "confirmed", said
    assert "uvicorn, loopback sockets" in said.detail


class Calm(Adapter):
    """A manager without a fault in what is asked of it here."""

    def __init__(self) -> None:
        self.clients: list[Client] = []

    async def connect(self, client: Client) -> None:
        self.clients.append(client)

    async def emit(self, event: Event) -> None:
        for client in list(self.clients):
            if client.user == event.to:
                await client.websocket.send_json(event.payload)

    async def disconnect(self, client: Client) -> None:
        self.clients.remove(client)


def test_what_does_not_show_is_not_confirmed() -> None:
    target = Target("calm", Calm, Calm)
    program = Program((Operation("connect", "c0", "u0"), Operation("emit", user="u0", to="u0")))
    execution = Worker(target).run(program, InOrder())
    said = confirm(target, execution, "LostEvent-00000000", ENOUGH)
    assert said.verdict == "not confirmed"
    assert "everything happened as when found" in said.detail


class Forgets(Calm):
    """Its registry forgets whoever came a quarter of an hour ago."""

    async def connect(self, client: Client) -> None:
        await super().connect(client)
        self.until = time.time() + 900

    async def emit(self, event: Event) -> None:
        await asyncio.wait_for(super().emit(event), 5.0)

    def registry(self) -> list[Client]:
        return self.clients if time.time() < self.until else []


def test_the_same_said_of_the_same_program_is_the_same_whatever_the_circumstance() -> None:
    """Where it was found, a client had not read for a while; that makes another bug of it, and no other claim."""
    target = Target("forgets", Forgets, Forgets)
    program = Program((Operation("connect", "c0", "u0"), Operation("emit", None, "u1", "u0"), LONG))
    worker = Worker(target)
    with worker.session():
        tried = (judged(worker, worker.run(program, RandomWalk(seed))) for seed in range(100))
        slow = next(one for one in tried if any("given up" in violation.circumstance for violation in one.violations))
    (violation, *_) = slow.violations
    assert violation.allowed == ("slow",) and violation.message == f"{violation.claim} (allowed if declared: slow)"
    signature = violation.signature(target.name)
    assert confirm(target, slow.execution, signature, ENOUGH).verdict == "confirmed"
    said = confirm(target, slow.execution, "LostEvent-00000000", ENOUGH, attempts=1)
    assert said.verdict == "not confirmed"
    assert said.detail.endswith("everything happened as when found, and this did not show"), "it was known besides"


TORNADO = """
import tornado.web, tornado.websocket

here = set()

class Chat(tornado.websocket.WebSocketHandler):
    def open(self):
        here.add(self)
    def on_close(self):
        here.discard(self)
    async def on_message(self, message):
        raise ValueError(message)

def app():
    return tornado.web.Application([(r"/ws", Chat)])
"""


IPV6 = """
async def serve():
    import asyncio
    server = tornado.httpserver.HTTPServer(app())
    server.add_sockets(tornado.netutil.bind_sockets(8888, "::1"))
    await asyncio.Event().wait()
"""


@pytest.mark.parametrize("name", ["app", "serve"])
def test_a_server_on_a_socket_of_its_own_is_met_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "own_socket.py").write_text("import tornado.httpserver, tornado.netutil\n" + TORNADO + IPV6)
    monkeypatch.chdir(tmp_path)
    target = resolve(f"own_socket:{name}?wire=text")
    worker = Worker(target)
    with worker.session():
        program = Program((Operation("connect", "c0", "u0"), Operation("settle"), Operation("broadcast", "c0", "u0")))
        shown = judged(worker, worker.run(program, InOrder()))
    error = next(violation for violation in shown.violations if violation.kind == "UnhandledException")
    for _ in range(2):
        said = confirm(target, shown.execution, error.signature(target.name), ENOUGH)
        assert str(said).startswith("confirmed on stock asyncio (its own server, loopback sockets"), str(said)
    said = confirm(target, shown.execution, "LostEvent-00000000", ENOUGH, attempts=2)
    assert said.verdict == "not confirmed"
    assert said.detail.endswith("everything happened as when found, and this did not show"), said.detail


def test_a_confirmation_without_time_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """With less than it may take nothing is decided; with all of it, that is all that can be said."""
    target = Target("calm", Calm, Calm)
    program = Program((Operation("connect", "c0", "u0"), Operation("emit", user="u0", to="u0")))
    execution = Worker(target).run(program, InOrder())
    assert confirm(target, execution, "LostEvent-00000000", seconds=0.0) is NOT_TRIED
    monkeypatch.setattr("crosswire.fuzzer.findings.confirm.SECONDS", 0.0)
    said = confirm(target, execution, "LostEvent-00000000")
    assert said.verdict == "not confirmable"
    assert "ran out of time" in said.detail


def test_the_same_history_on_both_loops() -> None:
    """In order, the world shows what the stock loop shows."""
    program = Program(
        (
            Operation("connect", "c0", "u0"),
            Operation("connect", "c1", "u1"),
            Operation("emit", user="u0", to="u1"),
            Operation("pause", seconds=6.0),
            Operation("emit", user="u1", to="u0"),
            Operation("disconnect", "c0"),
        )
    )
    for name in ("reference", "isolated", "unified", "golden-path"):
        target = resolve(name)
        stock = Worker(target, StockLoop())
        assert Worker(target).run(program, InOrder()).history == stock.run(program, InOrder()).history
        stock.loop.close()


TWO_SERVERS = """
import asyncio
from websockets.asyncio.server import serve
from crosswire.fuzzer.targets import JsonWire
async def turn_away(ws):
    await ws.close(1011)
async def relay(ws):
    async for message in ws:
        await ws.send(message)
async def main():
    async with serve(turn_away, "localhost", 8001), serve(relay, "localhost", 8000):
        await asyncio.Future()
wire = JsonWire(path="/", to_user=None, to_all="{event}")
"""


def test_clients_connect_to_the_port_that_was_named_on_both_loops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "two_servers.py").write_text(TWO_SERVERS)
    monkeypatch.chdir(tmp_path)
    target = resolve("two_servers:main?port=8000")
    program = Program((Operation("connect", "c0", "u0"), Operation("settle"), Operation("broadcast", "c0", "u0")))
    stock = Worker(target, StockLoop(), drive=served_driver)
    for worker in (Worker(target), stock):
        received = [str(row.detail) for row in worker.run(program, InOrder()).history if row.kind == "received"]
        assert received == ["e2"]
    stock.loop.close()


def test_the_one_private_method_is_there() -> None:
    """A client learns by it which transport is the server's end of its connection."""
    assert callable(getattr(asyncio.SelectorEventLoop, "_make_socket_transport", None))


HANGS_UP = """
from fastapi import FastAPI, WebSocket

app = FastAPI()

@app.websocket("/{user}")
async def chat(ws: WebSocket, user: str):
    await ws.accept()
    await ws.receive_text()
    await ws.close(4000, "that will do")
"""


@pytest.mark.parametrize("via", ["direct", "uvicorn"])
def test_a_farewell_with_a_reason_is_the_same_over_sockets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, via: str
) -> None:
    (tmp_path / "hangs_up.py").write_text(HANGS_UP)
    monkeypatch.chdir(tmp_path)
    target = resolve(f"hangs_up:app?wire=text&via={via}")
    program = Program((Operation("connect", "c0", "u0"), Operation("settle"), Operation("broadcast", "c0", "u0")))
    worker = Worker(target)
    with worker.session():
        shown = judged(worker, worker.run(program, InOrder()))
    dropped = next(violation for violation in shown.violations if violation.kind == "Dropped")
    assert dropped.circumstance == "closed with 4000: that will do"
    assert confirm(target, shown.execution, dropped.signature(target.name), ENOUGH).verdict == "confirmed"
