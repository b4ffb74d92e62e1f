"""Rooms that the server chooses, or takes somebody out of: who hears what there, and what nobody is owed."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crosswire.fuzzer import Action, Adapter, Client, Event, JsonWire, application, operation
from crosswire.fuzzer.campaigns.explore import Memory, explore
from crosswire.fuzzer.core.errors import UsageError
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.findings.finding import judged
from crosswire.fuzzer.search import DEFAULT
from crosswire.fuzzer.targets.adapter import Target
from crosswire.fuzzer.targets.wire import WireError
from crosswire.fuzzer.world import InOrder

from .searching import kinds_found
from .silent.wires import WIRES

SERVERS = Path(__file__).parent / "silent" / "servers"


def changed(folder: Path, name: str, right: str, wrong: str, **wire: Any) -> Target:
    """One of the correct servers with one thing wrong."""
    text = (SERVERS / f"{name}.py").read_text()
    assert text.count(right) == 1
    module = f"wrong_{sum(map(ord, str(folder) + wrong))}"
    (folder / f"{module}.py").write_text(text.replace(right, wrong))
    plug = WIRES[name]
    assert isinstance(plug, JsonWire)
    return application(f"{module}:app", wire=replace(plug, **wire))


def target_of(adapter: type[Adapter]) -> Target:
    return Target(adapter.__name__, adapter, adapter)


def found(target: Target, executions: int = 600, wanted: Collection[str] = ()) -> set[str]:
    return kinds_found(target, executions, 3, wanted)


@pytest.mark.parametrize(
    ("name", "right", "wrong", "violation"),
    [
        (
            "fastapi_matches",
            "for one in self.games[player.game]:",
            "for one in sum(self.games.values(), []):",
            "CrossUserLeak",
        ),
        ("fastapi_matches", "if one is not player:", "if one is player:", "LostEvent"),
        ("starlette_moderated", 'if one.user == said["user"]]:', 'if one.user == said["user"]][:1]:', "CrossUserLeak"),
        ("starlette_moderated", "members[room].discard(seat)", "pass", "CrossUserLeak"),
    ],
)
def test_what_goes_wrong_with_such_a_membership_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, right: str, wrong: str, violation: str
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    assert violation in found(changed(tmp_path, name, right, wrong), wanted={violation})


PLAYED = (
    Operation("connect", "c0", "u0"),
    Operation("connect", "c1", "u1"),
    Operation("join", "c0", room="any"),
    Operation("emit_to_room", "c0", "u0", room="any"),
    Operation("join", "c1", room="any"),
    Operation("settle"),
)


def rows(target: Target, *operations: Operation) -> list[tuple[str, int | None, str | None, str]]:
    execution = Worker(target).run(Program(operations), InOrder())
    return [(row.kind, row.operation, row.connection, str(row.detail)) for row in execution.history]


SEATED = (
    *PLAYED[:2],
    Operation("join", "c0", room="r0"),
    Operation("join", "c1", room="r0"),
    Operation("settle"),
)
SAID = Operation("emit_to_room", "c0", "u0", room="r0")


def matches() -> Target:
    return application("tests.silent.servers.fastapi_matches:app", wire=WIRES["fastapi_matches"])


def test_who_has_nobody_to_speak_to_waits_until_the_server_has_found_somebody() -> None:
    told = rows(matches(), *PLAYED)
    placed = told.index(("placed", None, "c0", "g100"))
    said = next(at for at, row in enumerate(told) if row[:3] == ("invoked", 3, "c0"))
    assert placed < said < told.index(("received", 3, "c1", "e3"))
    assert ("returned", 2, "c0", "None") in told[placed : placed + 2]


def test_who_never_gets_into_a_room_has_nothing_to_say_and_goes_on() -> None:
    told = rows(matches(), *PLAYED[:1], *PLAYED[2:4], Operation("disconnect", "c0"))
    assert ("skipped", 2, "c0", "None") in told
    assert any(row[:3] == ("gone", 3, "c0") for row in told)


def test_what_is_said_goes_to_the_room_that_one_is_in_and_to_no_other() -> None:
    again = (Operation("leave", "c1", room="any"), Operation("settle"), *PLAYED[2:5], Operation("settle"))
    told = rows(matches(), *PLAYED, *again)
    assert [row[3] for row in told if row[0] == "placed"] == ["g100", "g100", "g101", "g101"]
    assert [row[2:] for row in told if row[0] == "removed"][:2] == [("c0", "g100"), ("c1", "g100")]


class Rooms(Adapter):
    """Rooms whose members may be put out of them."""

    lets_go = True

    def __init__(self) -> None:
        self.members: dict[str, dict[str, Client]] = {}

    async def connect(self, client: Client) -> None: ...

    async def disconnect(self, client: Client) -> None:
        for clients in self.members.values():
            clients.pop(client.id, None)

    async def join(self, client: Client, room: str) -> None:
        self.members.setdefault(room, {})[client.id] = client

    async def leave(self, client: Client, room: str) -> None:
        self.members.get(room, {}).pop(client.id, None)

    async def emit_to_room(self, event: Event) -> None:
        there = list(self.members.get(event.room or "", {}).values())
        await asyncio.gather(*(self.send(client, event) for client in there))

    async def send(self, client: Client, event: Event) -> None:
        with suppress(ConnectionError):
            await client.websocket.send_json(event.payload)

    @operation(by="user", removes=True)
    async def kick(self, moderator: str, user: str, room: str) -> None:
        if self.lets_go:
            for one in [one for one in self.members.get(room, {}).values() if one.user == user]:
                del self.members[room][one.id]


class Lax(Rooms):
    lets_go = False


def test_who_is_put_out_by_an_operation_of_an_adapters_own_is_owed_nothing_and_hears_nothing() -> None:
    assert not found(target_of(Rooms), 400)
    assert found(target_of(Lax), 400) == {"CrossUserLeak"}


def said_after(target: Target, name: str) -> list[str]:
    """What is reported where a member does something of that name and then speaks."""
    program = Program((*SEATED, Operation("act", "c0", "u0", name=name), Operation("settle"), SAID))
    worker = Worker(target)
    return [type(one).__name__ for one in judged(worker, worker.run(program, InOrder())).violations]


@pytest.mark.parametrize(("removed", "missed"), [({"type": "kicked", "room": "{room}"}, False), (None, True)])
def test_who_is_told_that_the_server_has_put_him_out_is_missed_by_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, removed: dict[str, str] | None, missed: bool
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    clear = {"clear": Action({"type": "kick", "room": "r0", "user": "-"}, answer={"type": "done"})}
    others = 'if one.user == said["user"]]:', f"if one is not self]: # {missed}"
    target = changed(tmp_path, "starlette_moderated", *others, actions=clear, removed=removed)
    assert said_after(target, "clear") == (["LostEvent"] if missed else [])


@pytest.mark.parametrize(("named", "missed"), [("u1", False), ("u", True)])
def test_who_is_named_by_an_action_that_carries_no_event_may_be_put_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str, missed: bool
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    kick = {"kick": Action({"type": "kick", "room": "r0", "user": named}, answer={"type": "done"})}
    begins = 'if one.user == said["user"]]:', f'if one.user.startswith(said["user"]) and one is not self]: # {missed}'
    target = changed(tmp_path, "starlette_moderated", *begins, actions=kick, removed=None)
    assert said_after(target, "kick") == (["LostEvent"] if missed else [])


class SlowJoin(Rooms):
    """Whoever is put out while it is still coming in is let in all the same."""

    async def join(self, client: Client, room: str) -> None:
        await asyncio.sleep(0.005)
        await super().join(client, room)

    @operation(by="user", removes=True)
    async def kick(self, moderator: str, user: str, room: str) -> None:
        for one in [one for one in self.members.get(room, {}).values() if one.user == user]:
            del self.members[room][one.id]
        await asyncio.sleep(0.01)


class Deaf(Rooms):
    """Whoever has been put out once hears nothing for ever, though it is let in again."""

    def __init__(self) -> None:
        super().__init__()
        self.out: set[str] = set()

    @operation(by="user", removes=True)
    async def kick(self, moderator: str, user: str, room: str) -> None:
        self.out.add(user)

    async def send(self, client: Client, event: Event) -> None:
        if client.user not in self.out:
            await super().send(client, event)


def test_a_kick_and_a_joining_that_overlap_come_in_either_order() -> None:
    assert not found(target_of(SlowJoin), 400)


def test_who_is_let_in_again_is_owed_what_is_said() -> None:
    assert found(target_of(Deaf), 400) == {"LostEvent"}


def explored(target: Target, *operations: Operation) -> frozenset[str]:
    """What is reported of a program under many schedules."""
    worker, program = Worker(target), Program(operations)
    with worker.session():
        shown = explore(worker, program, range(len(program.expanded)), 200, DEFAULT, 1, Memory(1))
        return frozenset(type(violation).__name__ for result in shown for violation in result.violations)


def test_who_joins_again_as_it_is_put_out_may_be_a_member(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    target = changed(tmp_path, "starlette_moderated", 'banned.add((room, said["user"]))', "pass")
    kick = Operation("act", "c0", "u0", to="u1", room="r0", name="kick")
    again = Operation("join", "c1", room="r0"), Operation("settle"), SAID, Operation("settle")
    assert not explored(target, *SEATED, kick, *again)


def test_who_goes_before_it_has_read_where_it_was_put_may_have_spoken_there() -> None:
    asks = (Operation("join", name, room="any") for name in ("c2", "c0"))
    goes = Operation("emit_to_room", "c0", "u0", room="any"), Operation("disconnect", "c0"), Operation("settle")
    third = Operation("connect", "c2", "u2")
    assert not explored(matches(), *PLAYED, third, Operation("leave", "c1", room="any"), *asks, *goes)


@pytest.mark.parametrize(("said", "named"), [('"move"', False), ('"draw"', True)])
def test_an_action_in_the_room_that_the_server_has_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, named: bool
) -> None:
    """Said in whichever room the client is in, or in the one that it names, as the server has told it."""
    monkeypatch.syspath_prepend(tmp_path)
    right = 'elif said["type"] == "move":'
    wrong = f'elif said["type"] == {said}' + (' and said.get("game") == player.game:' if named else ":")
    say = {"type": said.strip('"'), "text": "{event}"} | ({"game": "{room}"} if named else {})
    draw = {"draw": Action(say, audience="room")}
    target = changed(tmp_path, "fastapi_matches", right, wrong, actions=draw, to_room=say)
    assert not found(target, 250)
    drawn = Operation("act", "c0", "u0", room="any", name="draw")
    assert ("received", 6, "c1", "e6") in rows(target, *PLAYED, drawn)


@pytest.mark.parametrize(("room", "heard"), [("r1", ["CrossUserLeak"]), ("r0", [])])
def test_who_is_put_out_of_no_room_in_particular_is_put_out_of_all(room: str, heard: list[str]) -> None:
    kick = {"kick": Action({"type": "kick", "user": "{to}", "room": "r0"}, answer={"type": "done"}, removes=True)}
    plug = WIRES["starlette_moderated"]
    assert isinstance(plug, JsonWire)
    worker = Worker(application("tests.silent.servers.starlette_moderated:app", wire=replace(plug, actions=kick)))
    both = (Operation("join", name, room="r1") for name in ("c0", "c1"))
    kicked = Operation("act", "c0", "u0", to="u1", room="r0", name="kick"), Operation("settle")
    program = Program((*SEATED, *both, Operation("settle"), *kicked, Operation("emit_to_room", "c0", "u0", room=room)))
    assert [type(one).__name__ for one in judged(worker, worker.run(program, InOrder())).violations] == heard


BATCHES = """all = [await self.outbox.get()]
                await asyncio.sleep(0.05)
                while not self.outbox.empty():
                    all.append(self.outbox.get_nowait())
                await self.ws.send_json({frame})"""


@pytest.mark.parametrize(("frame", "batch"), [("all", None), ('{"type": "batch", "all": all}', "all")])
def test_several_messages_in_one_frame_are_each_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frame: str, batch: str | None
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    alone = "await self.ws.send_json(await self.outbox.get())"
    target = changed(tmp_path, "starlette_moderated", alone, BATCHES.replace("{frame}", frame), batch=batch)
    told = rows(target, *SEATED, Operation("act", "c1", "u1", to="u0", room="r0", name="kick"), SAID)
    assert [row for row in told if row[0] == "returned" and row[1] in range(4)] == [
        ("returned", number, f"c{number % 2}", "None") for number in range(4)
    ]
    assert ("removed", None, "c0", "r0") in told and ("returned", 6, "c0", "False") in told
    assert not found(target, 200)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"placed": {"type": "matched"}}, "says which room"),
        ({"placed": ["matched"]}, "is what an answer contains"),
        ({"actions": {"kick": Action({"type": "kick"}, removes=True)}}, "says whom, by {to}"),
        ({"actions": {"kick": Action({"who": "{to}"}, audience="user", removes=True)}}, "has no audience"),
        ({"actions": {"kick": Action({"who": "{to}"}, answer={"who": "{to}"}, removes=True)}}, "may not name {to}"),
    ],
)
def test_what_cannot_be_meant_is_one_line(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(WireError) as told:
        JsonWire(**fields)
    assert message in str(told.value)


def test_an_operation_that_removes_somebody_carries_no_event() -> None:
    with pytest.raises(UsageError, match="carries no event"):
        operation(audience="room", removes=True)
