"""Where nobody said whom what clients say is for, the plainest program tells; where it was said, it is held to."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crosswire.fuzzer import JsonWire, test_case_for
from crosswire.fuzzer.campaigns.audience import find_audience, for_audience
from crosswire.fuzzer.campaigns.campaign import Campaign, Plan
from crosswire.fuzzer.campaigns.events import Noted
from crosswire.fuzzer.core.program import Kind
from crosswire.fuzzer.engine.execution import TargetError, Worker
from crosswire.fuzzer.findings.counterexample import of_finding
from crosswire.fuzzer.findings.regression import shown_by
from crosswire.fuzzer.targets.adapter import Target
from crosswire.fuzzer.targets.resolve import resolve
from crosswire.fuzzer.targets.traits import WireTraits
from crosswire.fuzzer.targets.wire import Login, Wire
from crosswire.strategies.script import Script, Vocabulary

CHAT = """
import asyncio

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()
here = {{}}


def hearers(message, sender, room):
    {hearers}


async def write(ws, outbox):
    try:
        while True:
            await ws.send_text(await outbox.get())
    except (WebSocketDisconnect, RuntimeError):
        pass


@app.websocket("{path}")
async def chat(ws: WebSocket, user: str, room_id: str = ""):
    await ws.accept()
    outbox = asyncio.Queue()
    here[outbox] = user, room_id
    writer = asyncio.create_task(write(ws, outbox))
    try:
        while True:
            {receive}
            for other in hearers(message, user, room_id):
                other.put_nowait(f"{{user}} says {{message}}")
    except WebSocketDisconnect:
        pass
    finally:
        del here[outbox]
        writer.cancel()
"""

IN_JSON = "message = dict(json.loads(await ws.receive_text()).items())"
IN_TEXT = "message = await ws.receive_text()"
NAMES_ONE = 'message = json.loads(await ws.receive_text())\n            to = message["to"]'

TO_ALL = "return list(here)"
TO_ONE = "return [o for o, (user, _) in here.items() if message.get('to', user) == user]"
TO_ONE_OR_ALL = "return [o for o, (user, _) in here.items() if user == message['to'] or sender == 'u2']"
IN_ROOM = "return [o for o, (_, there) in here.items() if there == room]"
IN_ROOM_OR_ALL = "return [o for o, (_, there) in here.items() if there == room or room == 'r1']"
TO_TWO = "return list(here)[:2]"
FROM_ONE_TO_NOBODY = "return list(here) if sender != 'u1' else []"
ROOMS = "/ws/{room_id}/{user}"


@pytest.fixture
def chat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the application goes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "heard.py"


def write(chat: Path, hearers: str, receive: str, path: str = "/ws/{user}", options: str = "") -> Target:
    parsing = "import json\n" * ("json" in receive)
    chat.write_text(parsing + CHAT.format(hearers=hearers, receive=receive, path=path))
    sys.modules.pop("heard", None)
    return resolve(f"heard:app{options}")


def guessed(target: Target) -> tuple[Kind, ...]:
    assert isinstance(target.traits, WireTraits)
    return target.traits.guessed


def reaches(target: Target) -> Kind | None:
    assert isinstance(target.traits, WireTraits)
    return target.traits.reaches


def found_out(target: Target) -> tuple[Target, str | None]:
    worker = Worker(target)
    with worker.session():
        told = find_audience(worker)
    return worker.target, told


def accusations(target: Target, executions: int = 60) -> set[str]:
    target.state.proven = True  # proving takes longer than what is asked here
    tally = Campaign(target, Plan(executions=executions, seed=7), explaining=False).run()
    return {found.finding.violation.kind for found in tally.found.values()}


@pytest.mark.parametrize(
    ("hearers", "receive", "path", "way", "told"),
    [
        (TO_ALL, IN_JSON, "/ws/{user}", "broadcast", "it reaches everybody"),
        (TO_ONE, IN_JSON, "/ws/{user}", "emit", None),
        (TO_ALL, IN_TEXT, "/ws/{user}", "broadcast", None),
        (IN_ROOM, IN_TEXT, ROOMS, "emit_to_room", None),
        (TO_ALL, IN_TEXT, ROOMS, "broadcast", "it reaches everybody"),
        (IN_ROOM, IN_JSON, ROOMS, "emit_to_room", "it reaches everybody in the room"),
    ],
    ids=["all", "one", "all in text", "a room's", "all, whatever the room", "a room's in JSON"],
)
def test_it_is_for_whom_it_reaches(
    chat: Path, hearers: str, receive: str, path: str, way: Kind, told: str | None
) -> None:
    target, said = found_out(write(chat, hearers, receive, path))
    assert reaches(target) == way and way in guessed(target)
    assert [kind for kind in ("emit", "emit_to_room", "broadcast") if target.offers(kind)] == [way]
    assert said is None if told is None else said is not None and f"{told}:" in said
    assert not accusations(target)


def test_before_anybody_asked_it_is_for_everybody(chat: Path) -> None:
    target = write(chat, TO_ALL, IN_JSON)
    assert guessed(target) == ("emit", "broadcast")
    assert target.offers("broadcast") and not target.offers("emit")
    assert reaches(target) is None and for_audience(target, "emit").offers("emit")


def test_who_is_reached_besides_later_is_a_leak(chat: Path) -> None:
    assert accusations(write(chat, TO_ONE_OR_ALL, IN_JSON)) == {"CrossUserLeak"}


def test_a_room_that_everybody_hears_later_is_a_leak(chat: Path) -> None:
    assert accusations(write(chat, IN_ROOM_OR_ALL, IN_TEXT, ROOMS)) == {"CrossUserLeak"}


def test_what_is_declared_is_no_guess(chat: Path) -> None:
    target = write(chat, TO_ALL, IN_JSON, options="?wire=json")
    assert guessed(target) == () and found_out(target) == (target, None)
    assert accusations(target, 2) == {"CrossUserLeak"}


def test_what_a_handler_looks_up_is_no_guess(chat: Path) -> None:
    target = write(chat, TO_ALL, NAMES_ONE)
    assert guessed(target) == ()
    assert accusations(target, 2) == {"CrossUserLeak"}


def test_what_a_handler_looks_up_by_another_name_is_a_guess(chat: Path) -> None:
    """It is sent ``to``, and has every right to tell everybody."""
    elsewhere = NAMES_ONE.replace('message["to"]', 'message.get("recipient")')
    target, said = found_out(write(chat, TO_ALL, elsewhere))
    assert reaches(target) == "broadcast"
    assert said is not None and "it reaches everybody:" in said


def test_what_reaches_some_is_a_question(chat: Path) -> None:
    target = write(chat, TO_TWO, IN_TEXT)
    with pytest.raises(
        TargetError, match=r"^heard:app: what c0 says arrives on some connections and not on c2; .*rooms="
    ):
        found_out(target)


def test_a_test_case_knows_whom_it_is_for(chat: Path) -> None:
    assert test_case_for(write(chat, TO_ONE, IN_JSON), max_examples=1)
    silent = write(chat, TO_TWO, IN_TEXT)
    with pytest.raises(TargetError):
        test_case_for(silent)


@pytest.mark.parametrize("workers", [1, 2])
def test_it_is_told_and_a_counterexample_replays(chat: Path, workers: int) -> None:
    """Other processes speak to whom the first has found out; a target that nobody has asked replays what was found."""
    target = write(chat, FROM_ONE_TO_NOBODY, IN_JSON)
    target.state.proven = True
    campaign = Campaign(target, Plan(executions=40, seed=7), workers=workers, explaining=False)
    told = [event.text for event in campaign.events() if isinstance(event, Noted)]
    assert [text.partition(":")[0] for text in told] == ["heard"] and "it reaches everybody: so it is taken" in told[0]
    found = {f.finding.violation.kind: f for f in campaign.tally.found.values()}
    assert "LostEvent" in found and "CrossUserLeak" not in found
    saved = of_finding(target.name, found["LostEvent"].signature, found["LostEvent"].finding)
    assert shown_by(saved, Worker(resolve("heard:app")))


@pytest.mark.parametrize(("options", "guess"), [("", True), ("?wire=json", False)])
def test_what_is_heard_by_nobody_is_said_with_what_to_do(chat: Path, options: str, guess: bool) -> None:
    with pytest.raises(TargetError, match="nothing of what c0 sends arrives on c1") as raised:
        accusations(write(chat, "return []", IN_JSON, options=options))
    assert "to_user=None" not in str(raised.value)  # there is nothing else that clients could say
    advice = "which is a guess: crosswire init heard:app reads its handlers"
    assert (advice in str(raised.value)) is guess


def test_where_rooms_alone_are_spoken_in_it_is_said_how_to_say_that(chat: Path) -> None:
    """``to_user`` has a default, and a wire of rooms may have been written without a thought of it."""
    target = write(chat, IN_ROOM + " if 'to' not in message else []", IN_JSON, ROOMS)
    assert isinstance(target.traits, WireTraits)
    wire = JsonWire(path="/ws/{room}/{user}", rooms=["a", "b"], to_room={"say": "{event}"})
    with pytest.raises(TargetError, match="to one user alone, to_user=None says so"):
        accusations(replace(target, traits=replace(target.traits, wire=wire, guessed=())))
    wire = replace(wire, to_user=None)
    assert not accusations(replace(target, traits=replace(target.traits, wire=wire, guessed=())))


@pytest.mark.parametrize(
    ("rooms", "named"),
    [
        (["lobby", "kitchen", "cellar"], ("lobby", "kitchen")),
        ({"u0": ["a"], "u1": ["a", "b"]}, ("a", "b")),
        (["hall"], ("hall",)),
        ([], ("r0", "r1")),
    ],
)
def test_programs_call_rooms_as_the_wire_does(chat: Path, rooms: Any, named: tuple[str, ...]) -> None:
    target = write(chat, IN_ROOM, IN_TEXT, ROOMS)
    assert isinstance(target.traits, WireTraits)
    wire = JsonWire(path="/ws/{room}/{user}", rooms=rooms, to_user=None, to_room="{event}")
    script = Script(Vocabulary(replace(target, traits=replace(target.traits, wire=wire)), 3))
    assert script.vocabulary.rooms == named
    for user in ("u0", "u1", "u2"):
        script.connect(user)
    assert [op.room for op in script.operations] == [named[0], named[0], named[-1]]
    for speaker, room in ((0, named[0]), (2, named[-1])):
        script.say("emit_to_room", speaker, 1)
        assert script.operations[-1].room == room  # it says nothing of a room, so it is the one that it is in
    naming = replace(wire, to_room={"room": "{room}", "text": "{event}"})
    script = Script(Vocabulary(replace(target, traits=replace(target.traits, wire=naming)), 3))
    script.connect("u0")
    script.say("emit_to_room", 0, 3)
    assert script.operations[-1].room == named[-1]


def test_a_wire_of_ones_own_speaks_where_its_clients_are() -> None:
    class Halls(Wire):
        rooms = ("red", "blue")
        rooms_at_connect = True

    there = Login("c0", "u0", "token-u0", "u0", "red")
    assert Halls().spoken_in(there, "blue") == ("red",)
    assert Wire().spoken_in(there, "blue") == ("blue",)
