"""Drives a manager through its adapter: operations are calls in tasks of their own, clients are fake websockets."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextvars import Context
from functools import partial
from typing import Any

from ..core.history import Aim, Detail, EventId, Failure, Remains, RowKind
from ..core.program import CRITICAL_EVENTS, Operation, Program
from ..core.stacks import Place, waits_at
from ..core.text import cut
from ..targets.adapter import Adapter, Client, Event, Target, registered
from ..targets.own import Own, aim_of
from ..targets.websocket import FakeWebSocket
from ..world import Interrupted, Outer, OutsideWorldError, TargetBlockedError
from ..world.external import operation
from .base import Driver, Lane, failure
from .evidence import Connections
from .retained import Root

__all__ = ("ManagerDriver", "answer", "credentials")

EACH = 3
"""So many of a user's clients must each have left something behind before it is the clients that do."""

LONG = 3600.0
"""Seconds after which what is put off until later has been done."""

NOBODY = "server"
"""Who an event is from that the server makes of its own accord."""


class ManagerDriver(Driver):
    """One execution of a manager."""

    def __init__(self, target: Target, program: Program, loop: Outer) -> None:
        super().__init__(target, program, loop)
        self.clients: dict[str, Client] = {}
        self.login_step = "authenticate" if target.offers("authenticate") else "connect"
        self.logged_in: set[str] = set()
        """connections whose login is done, and nobody has begun to end it"""
        self.signed_off: set[str] = set()
        """connections that have logged out by an operation of the target's, with their sockets open"""
        self.running = 0
        self.adapter: Adapter
        self.at_start = 0
        """how many tasks there were when the first operation began"""

    def begin(self) -> None:
        try:
            self.adapter = self.target.create()
        except Exception as error:
            self.error = error
            return
        if self.target.offers("start"):
            self.context = self.context.copy()
            self._task(None, Lane(()), self.adapter.start, (), self.context)  # type: ignore[attr-defined]
        else:
            self._started()

    def _started(self) -> None:
        """Operations wait for ``start()``, and run in the context that it leaves."""
        self.started = True
        self.at_start = len(self.loop.tasks)
        self.enter_stage()

    # -- at rest ------------------------------

    def resume_stalled(self) -> bool:
        stalled = [client for client in self.clients.values() if client.websocket.stalled]
        for client in stalled:
            client.websocket.resume()
            self.record(RowKind.RESUMED, None, client.id, None)
        return bool(stalled)

    def settle(self) -> None:
        pass

    def under_way(self) -> bool:
        return self.running > 0

    def roots(self) -> list[Root]:
        return [(type(self.adapter).__name__, self.adapter)]

    def connections(self) -> Connections:
        return Connections()  # fake websockets say themselves whose they are

    def left_behind(self) -> Iterator[Remains]:
        """All that is left after a shut-down; where there is none, what each of a user's clients has left."""
        if self.target.offers("shut_down"):
            yield from super().left_behind()
        else:
            yield from self._of_each_client()

    def _of_each_client(self) -> list[Remains]:
        """A task of those that several of a user's clients have each left, most of them; where there are such.

        What a target starts once, or once for each user, may well outlive its clients.
        """
        left: dict[tuple[str, str], list[tuple[str, Any]]] = {}
        for task, number in zip(self.loop.tasks, self.loop.started_by, strict=True):
            name = self.operations[number].connection if number is not None and not task.done() else None
            if name is not None:
                kind = waits_at(task).function, self.clients[name].user
                left.setdefault(kind, []).append((name, task))
        for (_, user), tasks in left.items():
            mine = sum(client.user == user for client in self.clients.values())
            if len({name for name, _ in tasks}) >= max(EACH, mine / 2):
                name, task = tasks[0]
                return [self.remaining(task, waits_at(task), name)]
        return []

    def served_by(self, task: Any) -> str | None:
        return None if task in self.loop.tasks[: self.at_start] else "an operation"

    def unfinished(self) -> Iterator[tuple[int, Place]]:
        if self.running:
            for lane in self.lanes.values():
                if lane.running is not None and lane.task is not None:
                    yield lane.running, waits_at(lane.task)

    def observe(self) -> None:
        adapter: Any = self.adapter
        if self.target.offers("registry"):
            self.record(RowKind.REGISTRY, None, None, registered(adapter.registry()))
        if self.target.offers("is_active"):
            active = tuple(user for user in self.users if adapter.is_active(user))
            self.record(RowKind.ACTIVE, None, None, active)

    def leavers(self) -> list[str]:
        return [name for name, up in self.up.items() if up or self._signed_off(name)]

    def _signed_off(self, name: str) -> bool:
        """Whether a connection has logged out and can still hang up."""
        websocket = self.clients[name].websocket
        return name in self.signed_off and not websocket.gone and not websocket.closed

    def shut_down(self) -> bool:
        if not self.target.offers("shut_down"):
            if self.epilogue == 2 and self._of_each_client():
                self.moving_to = self.loop.time() + LONG
                return True
            return False
        self.operations.append(Operation("shut_down"))
        self.lanes["server"] = lane = Lane((len(self.operations) - 1,))
        self.offer(lane)
        return True

    # -- operations ------------------------------

    def _task(
        self,
        number: int | None,
        lane: Lane,
        method: Callable[..., Any],
        args: tuple[Any, ...],
        context: Context | None = None,
    ) -> None:
        context = self.context.copy() if context is None else context
        context.run(operation.set, number)
        self.running += 1
        lane.running = number
        self._spawn(number, lane, method, args, context)

    def _spawn(
        self, number: int | None, lane: Lane, method: Callable[..., Any], args: tuple[Any, ...], context: Context
    ) -> None:
        """Have an operation run in a task of its own, the lane's."""
        lane.task = asyncio.Task(self._perform(number, lane, method, args), loop=self.loop, context=context)
        self.loop.drivers.append(lane.task)

    async def _perform(self, number: int | None, lane: Lane, method: Callable[..., Any], args: tuple[Any, ...]) -> None:
        kind: RowKind
        detail: Detail
        try:
            result = method(*args)
            if inspect.isawaitable(result):
                result = await result
        except asyncio.CancelledError:
            kind, detail = RowKind.CANCELLED, None
        except OutsideWorldError as error:
            kind, detail = RowKind.RAISED, Failure(type(error).__name__, Place(), type(error).__name__)
        except Exception as error:
            kind, detail = RowKind.RAISED, failure(error)
        except (Interrupted, TargetBlockedError, GeneratorExit):
            raise
        except BaseException as error:  # it would end the process, and everybody's connection with it
            kind, detail = RowKind.RAISED, failure(error)
            if number is not None:
                self.record(RowKind.UNHANDLED, number, None, detail)
        else:
            kind, detail = RowKind.RETURNED, answer(result)
        self._finish(number, lane, kind, detail)

    def _finish(self, number: int | None, lane: Lane, kind: RowKind, detail: Detail) -> None:
        self.running -= 1
        lane.running = lane.task = None
        if number is None:
            if kind == RowKind.RAISED:
                self.record(RowKind.UNHANDLED, None, None, detail)
            self._started()
            return
        op = self.operations[number]
        self.record(kind, number, op.connection, detail)
        if op.connection is not None:
            if op.kind == "connect":
                self.up[op.connection] = kind == RowKind.RETURNED and detail is not False
                if kind == RowKind.CANCELLED:
                    self._leave(number, op.connection, "cancelled")
            elif op.kind in ("disconnect", "abort", "log_out"):
                self.up[op.connection] = False
                if op.kind == "log_out" and self.target.offers("log_out"):
                    self.signed_off.add(op.connection)
            if op.kind == self.login_step and self._accepted(op.kind, kind, detail):
                self.logged_in.add(op.connection)
                self.signed_off.discard(op.connection)
                self.up[op.connection] = True
        if lane.noticed is not None:
            noticed, lane.noticed = lane.noticed, None
            self.loop.external(("notice", noticed), self._notice, noticed, lane, context=self.context)
        else:
            self.offer(lane)

    def _accepted(self, step: str, kind: RowKind, detail: Detail) -> bool:
        """Whether a step of a login let the client in: who is authenticated is somebody."""
        return kind == RowKind.RETURNED and detail is not False and (step == "connect" or detail is not None)

    def _invoke(self, number: int, lane: Lane, method: Callable[..., Any], *args: Any, aim: Aim | None = None) -> None:
        self.record(RowKind.INVOKED, number, self.operations[number].connection, aim)
        self._task(number, lane, method, args)

    def _leave(self, number: int, connection: str, how: str) -> None:
        self.record(RowKind.GONE, number, connection, how)
        self.clients[connection].websocket.leave()

    def websocket(self, connection: str) -> FakeWebSocket:
        """The server's side of a new connection."""
        return FakeWebSocket(connection, len(self.clients), self)

    def do_connect(self, number: int, op: Operation, lane: Lane) -> None:
        assert op.connection is not None and op.user is not None
        if op.connection in self.clients:
            self.skip(number)
            return
        websocket = self.websocket(op.connection)
        token, identity = credentials(op)
        client = Client(op.connection, op.user, token, identity, websocket)
        self.clients[op.connection] = client
        self.up[op.connection] = False
        self._invoke(number, lane, self.adapter.connect, client)

    def _client(self, number: int, op: Operation) -> Client | None:
        """The operation's client where its connection is up; else the operation is skipped."""
        assert op.connection is not None
        client = self.clients.get(op.connection)
        if client is None or client.websocket.gone or not self.up[op.connection]:
            self.skip(number)
            return None
        return client

    def _speaks(self, number: int, op: Operation) -> bool:
        """Whether who asks can be heard: a user's backend always, a client only while it is logged in."""
        if op.connection is None:
            return True
        client = self.clients.get(op.connection)
        if client is None or client.websocket.gone or client.websocket.closed or client.id not in self.logged_in:
            self.skip(number)
            return False
        return True

    def _dismiss(self, user: str | None) -> None:
        """The server begins to end the logins of a user's clients, or of all."""
        self.logged_in -= {name for name, c in self.clients.items() if user in (None, c.user, c.identity)}

    def do_authenticate(self, number: int, op: Operation, lane: Lane) -> None:
        client = self.clients.get(op.connection or "")
        if client is None or not self._signed_off(client.id):
            client = self._client(number, op)
        if client is not None:
            self.logged_in.discard(client.id)
            client.user = op.user or client.user
            client.token, client.identity = credentials(op, client.user)
            self._invoke(number, lane, self.adapter.authenticate, client, client.token)  # type: ignore[attr-defined]

    def do_disconnect(self, number: int, op: Operation, lane: Lane) -> None:
        assert op.connection is not None
        client = self.clients.get(op.connection)
        there = client is not None and not client.websocket.gone
        if not there or (lane.running is None and not self.up[op.connection] and not self._signed_off(op.connection)):
            self.skip(number)
            return
        self.record(RowKind.INVOKED, number, op.connection, None)
        self._leave(number, op.connection, op.kind)
        if lane.running is None or self.adapter.disconnect_overlaps:
            self._task(number, lane, self.adapter.disconnect, (client,))
        else:
            lane.noticed = number

    do_abort = do_disconnect

    def _notice(self, number: int, lane: Lane) -> None:
        """The server, done with the operation before, sees that the client has gone meanwhile."""
        connection = self.operations[number].connection
        assert connection is not None
        if self.up[connection] or self._signed_off(connection):
            self._task(number, lane, self.adapter.disconnect, (self.clients[connection],))
        else:
            self.skip(number)
            self.offer(lane)

    def do_log_out(self, number: int, op: Operation, lane: Lane) -> None:
        client = self._client(number, op)
        if client is not None:
            self.logged_in.discard(client.id)
            self._invoke(number, lane, getattr(self.adapter, "log_out", self.adapter.disconnect), client)

    def do_expire(self, number: int, op: Operation, lane: Lane) -> None:
        client = self._client(number, op)
        if client is not None:
            self.logged_in.discard(client.id)
            self._invoke(number, lane, self.adapter.expire, client)  # type: ignore[attr-defined]

    def do_stall(self, number: int, op: Operation, lane: Lane) -> None:
        client = self.clients.get(op.connection or "")
        if client is None or client.websocket.gone or client.websocket.stalled == (op.kind == "stall"):
            self.skip(number)
        elif op.kind == "stall":
            client.websocket.stall()
            self.record(RowKind.STALLED, number, client.id, None)
            if op.seconds is not None:
                self.loop.call_later(op.seconds, self._resume, number, client, context=self.context)
        else:
            self._resume(number, client)

    do_unstall = do_stall

    def _resume(self, number: int, client: Client) -> None:
        if client.websocket.stalled and not client.websocket.gone:
            client.websocket.resume()
            self.record(RowKind.RESUMED, number, client.id, None)

    def do_cancel(self, number: int, op: Operation, lane: Lane) -> None:
        if lane.task is None:
            self.skip(number)
        else:
            self.record(RowKind.INVOKED, number, op.connection, lane.running)
            lane.task.add_done_callback(partial(self._cancelled_unborn, lane.running, lane), context=self.context)
            lane.task.cancel()

    def _cancelled_unborn(self, number: int | None, lane: Lane, task: asyncio.Task[None]) -> None:
        """A task cancelled before its first step never runs a line of `_perform`."""
        if lane.running == number and lane.task is task:
            self._finish(number, lane, RowKind.CANCELLED, None)

    def _event(
        self, number: int, op: Operation, type_: str = "message", step: str = "", aim: Aim | None = None
    ) -> Event:
        """An event of an operation, known by its id from now on; for whom the operation says, or ``aim``."""
        made = EventId(number, step)
        to, room = (op.to, op.room) if aim is None else (aim.to, op.room if aim.rooms else None)
        event = Event(f"cw-{made}", type_, op.user or NOBODY, to, f"r{number}" if step else None, room)
        self.made[event.id] = made
        return event

    def do_emit(self, number: int, op: Operation, lane: Lane) -> None:
        self._invoke(number, lane, self.adapter.emit, self._event(number, op), aim=Aim(op.to))

    def do_broadcast(self, number: int, op: Operation, lane: Lane) -> None:
        broadcast: Callable[..., Any] = self.adapter.broadcast  # type: ignore[attr-defined]
        self._invoke(number, lane, broadcast, self._event(number, op), aim=Aim())

    def do_emit_to_thread(self, number: int, op: Operation, lane: Lane) -> None:
        emit: Callable[..., Any] = self.adapter.emit_to_thread  # type: ignore[attr-defined]
        self._invoke(number, lane, emit, self._event(number, op), op.thread, aim=Aim(op.to))

    def do_emit_to_room(self, number: int, op: Operation, lane: Lane) -> None:
        assert op.room is not None
        emit: Callable[..., Any] = self.adapter.emit_to_room  # type: ignore[attr-defined]
        self._invoke(number, lane, emit, self._event(number, op), aim=Aim(rooms=(op.room,)))

    def do_join(self, number: int, op: Operation, lane: Lane) -> None:
        client = self._client(number, op)
        if client is not None:
            assert op.room is not None
            method: Callable[..., Any] = getattr(self.adapter, op.kind)
            self._invoke(number, lane, method, client, op.room, aim=Aim(rooms=(op.room,)))

    do_leave = do_join

    def do_run_agent(self, number: int, op: Operation, lane: Lane) -> None:
        if self._speaks(number, op):
            events = [self._event(number, op, name, name) for name in CRITICAL_EVENTS]
            self._invoke(number, lane, self._agent, events, aim=Aim(op.to))

    async def _agent(self, events: list[Event]) -> None:
        critical = self.target.offers("emit_critical")  # an adapter may have switched an inherited one off
        emit: Callable[[Event], Any] = self.adapter.emit_critical if critical else self.adapter.emit  # type: ignore[attr-defined]
        for event in events:
            result = emit(event)
            if inspect.isawaitable(result):
                await result

    def do_act(self, number: int, op: Operation, lane: Lane) -> None:
        own, method = type(self.adapter).marked(op.name)
        if own is None:
            self.skip(number)
            return
        args: list[Any] = []
        if own.by == "client":
            if not self._speaks(number, op):
                return
            args.append(self.clients[op.connection or ""])
        elif own.by == "user":
            args.append(op.user)
        aim = aim_of(own, op)
        if aim is not None:
            args.append(self._event(number, op, own.name, aim=aim))
        self._invoke(number, lane, self._own, own, getattr(self.adapter, method), *args, aim=aim)

    async def _own(self, own: Own, method: Callable[..., Any], *args: Any) -> Any:
        result = method(*args)
        if inspect.isawaitable(result):
            result = await result
        return None if own.returns is None else result

    def do_clean_up(self, number: int, op: Operation, lane: Lane) -> None:
        self._dismiss(op.user)
        self._invoke(number, lane, self.adapter.clean_up, op.user)  # type: ignore[attr-defined]

    def do_shut_down(self, number: int, op: Operation, lane: Lane) -> None:
        self._dismiss(None)
        self._invoke(number, lane, self.adapter.shut_down)  # type: ignore[attr-defined]


def answer(result: object) -> str | int | None:
    """What an operation gave back, where that is a word or a number: of ours, not of a class of the target's."""
    if isinstance(result, bool):
        return result
    if isinstance(result, int):
        return int.__index__(result)
    return cut(str.__str__(result)[:]) if isinstance(result, str) else None


def credentials(op: Operation, user: str | None = None) -> tuple[str, str | None]:
    """What a client shows at login, and whom that makes it."""
    user = op.user or user
    match op.token:
        case None | "valid":
            return f"token-{user}", user
        case "invalid":
            return "invalid", None
        case "expired":
            return f"expired-{user}", None
        case other:
            return f"token-{other}", other
