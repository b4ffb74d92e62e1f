"""What operations are to a manager: calls of its adapter, for clients that are fake websockets."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from ..core.history import Aim, EventId, RowKind
from ..core.program import CRITICAL_EVENTS, Operation, Program
from ..targets.adapter import Adapter, Client, Event, Target
from ..targets.own import Own, aim_of
from ..targets.websocket import FakeWebSocket
from ..world import Outer
from .base import Driver, Lane

__all__ = ("Calling", "credentials")

NOBODY = "server"
"""Who an event is from that the server makes of its own accord."""


class Calling(Driver):
    """The operations of a manager's driver, each a call; how a call runs is the affair of whoever derives from this."""

    def __init__(self, target: Target, program: Program, loop: Outer) -> None:
        super().__init__(target, program, loop)
        self.adapter: Adapter
        self.clients: dict[str, Client] = {}
        self.login_step = "authenticate" if target.offers("authenticate") else "connect"
        self.logged_in: set[str] = set()
        """connections whose login is done, and nobody has begun to end it"""
        self.signed_off: set[str] = set()
        """connections that have logged out by an operation of the target's, with their sockets open"""
        self.shutting_down = False
        """a server does so once, and lets nobody in from then on"""

    def release(self) -> None:
        super().release()
        self.clients.clear()
        vars(self).pop("adapter", None)

    @abstractmethod
    def _task(self, number: int, lane: Lane, method: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Have an operation's call run in a task of its own."""

    def _invoke(self, number: int, lane: Lane, method: Callable[..., Any], *args: Any, aim: Aim | None = None) -> None:
        self.record(RowKind.INVOKED, number, self.operations[number].connection, aim)
        self._task(number, lane, method, args)

    def _leave(self, number: int, connection: str, how: str) -> None:
        self.record(RowKind.GONE, number, connection, how)
        self.clients[connection].websocket.leave()

    def _signed_off(self, name: str) -> bool:
        """Whether a connection has logged out and can still hang up."""
        websocket = self.clients[name].websocket
        return name in self.signed_off and not websocket.gone and not websocket.closed

    def websocket(self, connection: str) -> FakeWebSocket:
        """The server's side of a new connection."""
        return FakeWebSocket(connection, len(self.clients), self)

    def do_connect(self, number: int, op: Operation, lane: Lane) -> None:
        assert op.connection is not None and op.user is not None
        if op.connection in self.clients or self.shutting_down:
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
                self.later(op.seconds, self._resume, number, client)
        else:
            self._resume(number, client)

    do_unstall = do_stall

    def _resume(self, number: int, client: Client) -> None:
        if client.websocket.stalled and not client.websocket.gone:
            client.websocket.resume()
            self.record(RowKind.RESUMED, number, client.id, None)

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
        if own.by == "server" and self.shutting_down:  # it does nothing by itself any more
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
        if own.removes:
            args += [op.to, op.room]
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
        if self.shutting_down:
            self.skip(number)
            return
        self.shutting_down = True
        self._dismiss(None)
        self._invoke(number, lane, self.adapter.shut_down)  # type: ignore[attr-defined]


def credentials(op: Operation, user: str | None = None) -> tuple[str, str | None]:
    """What a client shows at login, and whom that makes it."""
    user = op.user or user
    assert user is not None
    identity = op.identity(user)
    match op.token:
        case "invalid":
            return "invalid", identity
        case "expired":
            return f"expired-{user}", identity
        case _:
            return f"token-{identity}", identity
