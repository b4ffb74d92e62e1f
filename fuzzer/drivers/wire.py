"""Drives an application through its own protocol: clients outside the loop speak a wire over links.

A client knows what the server tells it and no more.  Where the wire has no answer to an operation, the operation counts
as done when everything has come to rest: until then its effects may be seen, and need not be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from ..clients.asgi import AsgiLink
from ..clients.link import Link, Unconnected, refusal
from ..core.history import Aim, Detail, EventId, Outcome, Remains, RowKind
from ..core.http import HttpAnswer
from ..core.jsons import read_json
from ..core.program import CRITICAL_EVENTS, Operation, Program
from ..core.stacks import Place, waits_at
from ..targets.adapter import Target
from ..targets.login import Http
from ..targets.own import Action, aim_of
from ..targets.serving import Service
from ..targets.traits import WireTraits
from ..targets.wire import Frame, Login, Outgoing
from ..world import Outer
from .base import Driver, Lane, failure
from .client import WireClient
from .evidence import Connections
from .logs import LogWatch, watched_logs
from .manager import credentials
from .retained import Root

__all__ = ("WireDriver",)

PATIENCE = 120.0
"""Seconds for which servers wait for clients to leave before they end all the same; the usual ones wait for 60."""


def taken(answer: HttpAnswer) -> Detail:
    """Return how an operation ended that was answered over HTTP: it was taken, or refused."""
    return None if answer.good else False


def answer_of(action: Action, answer: HttpAnswer) -> Detail:
    """Return how an action ended that was answered over HTTP: refused, or done, for the user whom the answer names."""
    if not answer.good:
        return False
    if action.answer is None and action.user is None:
        return None
    try:
        data = read_json(answer.body)
    except ValueError:
        data = None
    if not isinstance(data, Mapping) or not action.answered_by(data):
        return False
    named = data.get(action.user) if action.user is not None else None
    return named if isinstance(named, str) else None


def _code(task: Any) -> object:
    return getattr(task.get_coro(), "cr_code", None)


class WireDriver(Driver):
    """One execution of an application with a wire."""

    making = "starting it"

    def __init__(self, target: Target, program: Program, loop: Outer) -> None:
        super().__init__(target, program, loop)
        assert isinstance(target.traits, WireTraits)
        self.wire = target.traits.wire
        self.clients: dict[str, WireClient] = {}
        self.service: Service
        self.logs = LogWatch()
        self.stop: asyncio.Future[None] | None = None
        self.ending: int | None = None
        self.emitting: dict[int, str] = {}
        """operations sent and not yet done, with the connection they were sent on"""
        self.asking: dict[int, str] = {}
        """operations that wait for an answer over HTTP, with their client's connection"""
        self.requests = 0
        if self.wire.before is not None:
            self.two_days = None  # who logged in over HTTP may stay logged in when the socket is closed
        loop.numbered = True

    @contextmanager
    def around(self) -> Iterator[None]:
        with watched_logs(self.logs), super().around():
            yield

    def begin(self) -> None:
        task = asyncio.Task(self._serve(), loop=self.loop, context=self.context)
        self.loop.drivers.append(task)

    async def _serve(self) -> None:
        try:
            self.service = self.target.create()
            async with self.service:
                self.started = True
                self.stop = self.loop.create_future()
                self.enter_stage()
                await self.stop
        except BaseException as error:
            if not self.started:
                self.error = error
            elif self.ending is not None and not isinstance(error, asyncio.CancelledError):
                self.record(RowKind.RAISED, self.ending, None, failure(error))
                self.ending = None
            else:
                raise
        else:
            self.record(RowKind.RETURNED, self.ending, None, None)
            self.ending = None

    def roots(self) -> list[Root]:
        return list(self.target.state.roots)

    def connections(self) -> Connections:
        known = Connections()
        for client in self.clients.values():
            known.add(client.link)
        return known

    def uncaught(self) -> Iterator[tuple[BaseException, str | None]]:
        heard, self.logs.heard = self.logs.heard, []
        yield from heard

    # -- at rest ------------------------------

    def resume_stalled(self) -> bool:
        stalled = [client for client in self.clients.values() if client.link.stalled and not client.gone]
        for client in stalled:
            client.link.resume()
            self.record(RowKind.RESUMED, None, client.login.connection, None)
        return bool(stalled)

    def settle(self) -> None:
        """Nothing more will come: a connection that is open is connected, what was sent has had its effect."""
        for client in self.clients.values():
            if client.connecting is not None and client.open and self.unanswered(client):
                self.connected(client, RowKind.RETURNED, Outcome.INDETERMINATE)
            if client.leaving is not None:
                self._left(client, Outcome.INDETERMINATE)
        for number, name in list(self.emitting.items()):
            emitter = self.clients[name]
            if not emitter.link.unread or emitter.gone:
                confirmed = self.wire.confirms_joins and emitter.joining.pop(number, None) is not None
                confirmed = confirmed or emitter.acting.pop(number, None) is not None
                self._done(number, Outcome.INDETERMINATE, RowKind.CANCELLED if confirmed else RowKind.RETURNED)

    def unanswered(self, client: WireClient) -> bool:
        """Whether nobody will say that the client is connected."""
        return not self.wire.waits_for_ready or client.following

    def under_way(self) -> bool:
        return self.ending is not None or any(
            client.connecting is not None and not self.unanswered(client) for client in self.clients.values()
        )

    def unfinished(self) -> Iterator[tuple[int, Place]]:
        for name, client in self.clients.items():
            if client.connecting is not None:
                yield client.connecting, self.place(name)
        for number, name in (*self.emitting.items(), *self.asking.items()):
            yield number, self.place(name)
        if self.ending is not None:
            yield self.ending, self.place(None)

    def place(self, name: str | None) -> Place:
        """Where the code waits that serves a connection; any code of the target's, where there is none for it."""
        label = self.loop.labels
        tasks = [task for task in self.loop.tasks if not task.done()]
        own = [task for task in tasks if name is not None and label.get(task) == name]
        places = [waits_at(task) for task in own or tasks]
        return next((place for place in places if place), Place())

    def observe(self) -> None:
        for name, client in self.clients.items():
            if client.online is not None and not client.gone and not client.hung_up:
                self.record(RowKind.ACTIVE, None, name, client.online)

    def leavers(self) -> list[str]:
        return [name for name, client in self.clients.items() if not client.gone and not client.link.over]

    def shut_down(self) -> bool:
        if not self.stopped:
            self.operations.append(Operation("shut_down"))
            self._stop(len(self.operations) - 1)
        self.rested_at = self.loop.time()
        return True

    @property
    def stopped(self) -> bool:
        """The server has been told to end."""
        return self.stop is not None and self.stop.done()

    def _stop(self, number: int) -> None:
        self.record(RowKind.INVOKED, number, None, None)
        self.ending = number
        assert self.stop is not None
        self.stop.set_result(None)

    def horizon(self) -> float:
        """The same; a server that ends while clients are there may give them some time to leave."""
        return super().horizon() + (PATIENCE if self.ending is not None else 0.0)

    def served_by(self, task: Any) -> str | None:
        """The client; none of a task that is the only one of its kind, which the first to come may have set going.

        What an application begins once, on whatever occasion, is its own: the program's end cancels it.
        """
        code = _code(task)
        alone = code is not None and sum(_code(other) is code for other in self.loop.tasks) == 1
        return None if alone else self.loop.labels.get(task)

    def left_behind(self) -> Iterator[Remains]:
        told = {client.link.task for client in self.clients.values() if isinstance(client.link, AsgiLink)}
        for task in self.loop.tasks:
            place = waits_at(task, own=True) if not task.done() and task not in told else Place()
            if place:  # what libraries leave running is their own affair
                yield self.remaining(task, place, self.served_by(task))
        for name, client in self.clients.items():
            if not client.link.over:
                yield Remains(f"connection {name}", self.place(name), "connection", False, name)

    # -- what is said ------------------------------

    def event(self, number: int, op: Operation) -> str:
        """The marker of an operation's event, known by its id from now on."""
        for step in ("", *CRITICAL_EVENTS) if op.kind == "run_agent" else ("",):
            made = EventId(number, step)
            self.made[str(made)] = made
        return f"cw-{EventId(number)}"

    # -- how operations end ------------------------------

    def connected(self, client: WireClient, kind: RowKind, detail: Detail) -> None:
        number, client.connecting = client.connecting, None
        if number is not None:
            name = client.login.connection
            self.record(kind, number, name, detail)
            self.up[name] = kind == RowKind.RETURNED and detail is not False
            self.go_on(client)

    def go_on(self, client: WireClient) -> None:
        """The client may do what comes next."""
        client.lane.running = None
        self.offer(client.lane)

    def done(self, text: str) -> None:
        """The server confirms that an event was emitted."""
        event = self.made.get(text)
        if event is not None and event.number in self.emitting:
            self._done(event.number, None)

    def joined(self, client: WireClient, room: str) -> None:
        """The server confirms that a room was joined; without a name, the one that was asked for first."""
        for number, wanted in client.joining.items():
            if room in ("", wanted):
                del client.joining[number]
                if number in self.emitting:
                    self._done(number, None)
                return

    def acted(self, client: WireClient, name: str, user: str | None) -> None:
        """The server confirms that an action is done: the one of that name that was asked for first."""
        number = next((number for number, wanted in client.acting.items() if wanted == name), None)
        if number is not None:
            del client.acting[number]
            if number in self.emitting:
                self._done(number, user)

    def _done(self, number: int, detail: Detail, kind: RowKind = RowKind.RETURNED) -> None:
        name = self.emitting.pop(number)
        self.record(kind, number, name, detail)

    def served(self, client: WireClient) -> None:
        if client.leaving is not None and client.link.over:
            self._left(client, None)

    def _left(self, client: WireClient, detail: Detail) -> None:
        number, client.leaving = client.leaving, None
        assert number is not None
        self.record(RowKind.RETURNED, number, client.login.connection, detail)

    # -- operations ------------------------------

    def do_connect(self, number: int, op: Operation, lane: Lane) -> None:
        assert op.connection is not None and op.user is not None
        name = op.connection
        if name in self.clients or self.stopped:
            self.skip(number)
            return
        token, identity = credentials(op)
        login = Login(name, op.user, token, identity, self.room_of(op))
        client = WireClient(self, number, lane, login, self.wire)
        connect = partial(self.service.connect, name, len(self.clients), client, op.pace)
        before = self.wire.before
        client.link = connect() if before is None else Unconnected(name, client, op.pace)
        self.clients[name] = client
        self.up[name] = False
        lane.running = number
        self.record(RowKind.INVOKED, number, name, Aim(rooms=self.wire.enters(login)))
        if before is None:
            client.link.open(self.wire.request(login))
        else:
            self._ask(client, before, self.wire.said(login), partial(self._logged_in, client, connect))

    def _ask(
        self, client: WireClient, http: Http, said: Mapping[str, Any], heard: Callable[[HttpAnswer], None]
    ) -> None:
        self.requests += 1
        self.service.ask(client.login.connection, self.requests, http.request(said, client.cookies), heard)

    def _logged_in(self, client: WireClient, connect: Callable[[], Link], answer: HttpAnswer) -> None:
        """A client's login over HTTP is answered: now its handshake, with what the answer gave."""
        before = self.wire.before
        assert before is not None
        if client.gone:
            return
        if not answer.good:
            said = refusal(answer.status, answer.body.decode("utf-8", "replace"))
            client.refused(f"{before.method} {before.path}: {said}")
            return
        client.cookies = answer.cookies
        try:
            token = before.found(answer)
        except (LookupError, TypeError, ValueError):
            body = answer.body.decode("utf-8", "replace")
            client.refused(f"{before.method} {before.path}: no {before.token or before.cookie} in the answer {body}")
            return
        if token is not None:
            client.login = replace(client.login, token=token, issued=True)
        request = self.wire.request(client.login)
        if client.cookies:
            cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
            request = replace(request, headers=(*request.headers, ("Cookie", cookies)))
        stalled = client.link.stalled
        client.link = connect()
        if stalled:
            client.link.stall()
        client.link.open(request)

    def room_of(self, op: Operation) -> str | None:
        """The room a client connects to, where it connects to one."""
        if not self.wire.rooms_at_connect:
            return None
        return op.room or self.wire.room_names[0]

    def _client(self, number: int, op: Operation) -> WireClient | None:
        """The operation's client where its connection is open; else the operation is skipped."""
        client = self.clients.get(op.connection or "")
        if client is None or client.gone or client.hung_up or not client.open:
            self.skip(number)
            return None
        return client

    def _say(
        self,
        number: int,
        op: Operation,
        lane: Lane,
        speak: Callable[[Outgoing], Frame | Http],
        aim: Aim | None,
        heard: Callable[[HttpAnswer], Detail] = taken,
    ) -> WireClient | None:
        """Let a client say something; the client, where it can."""
        client = self._client(number, op)
        if client is None:
            return None
        event = Outgoing(self.event(number, op), op.to, client.login, op.room)
        said = speak(event)
        if isinstance(said, Http) and aim is not None:
            aim = aim._replace(by_request=True)
        self.record(RowKind.INVOKED, number, op.connection, aim)
        if isinstance(said, Http):  # over connections of their own, so the next waits until this one is answered
            lane.running = number
            self.asking[number] = client.login.connection
            self._ask(client, said, self.wire.told(event), partial(self._answered, number, lane, heard))
        else:
            self.emitting[number] = client.login.connection
            client.link.send(said)
        return client

    def _answered(self, number: int, lane: Lane, heard: Callable[[HttpAnswer], Detail], answer: HttpAnswer) -> None:
        """What was asked over HTTP is answered: it was taken, or refused."""
        self.record(RowKind.RETURNED, number, self.asking.pop(number), heard(answer))
        lane.running = None
        self.offer(lane)

    def do_emit(self, number: int, op: Operation, lane: Lane) -> None:
        self._say(number, op, lane, self.wire.emit, Aim(op.to))

    def do_broadcast(self, number: int, op: Operation, lane: Lane) -> None:
        self._say(number, op, lane, self.wire.broadcast, Aim())

    def do_run_agent(self, number: int, op: Operation, lane: Lane) -> None:
        client = self.clients.get(op.connection or "")
        asks = client.login.identity if client is not None else None  # who asks is who the token says
        self._say(number, op, lane, self.wire.run_agent, Aim(asks or op.to))

    def do_emit_to_room(self, number: int, op: Operation, lane: Lane) -> None:
        client = self.clients.get(op.connection or "")
        rooms = self.wire.spoken_in(client.login, op.room) if client is not None else ()
        self._say(number, op, lane, self.wire.emit_to_room, Aim(rooms=rooms))

    def do_join(self, number: int, op: Operation, lane: Lane) -> None:
        if not self.wire.offers(op.kind):  # a program may be another wire's
            self.skip(number)
            return
        client = self._client(number, op)
        if client is not None:
            assert op.room is not None
            self.record(RowKind.INVOKED, number, op.connection, Aim(rooms=(op.room,)))
            self.emitting[number] = client.login.connection
            if op.kind == "join":
                client.joining[number] = op.room
            speak = self.wire.join_room if op.kind == "join" else self.wire.leave_room
            for frame in speak(client.login, op.room):
                client.link.send(frame)

    do_leave = do_join

    def do_authenticate(self, number: int, op: Operation, lane: Lane) -> None:
        if not self.wire.logs_in_again:  # a program may be another wire's
            self.skip(number)
            return
        client = self._client(number, op)
        if client is None:
            return
        user = op.user or client.login.user
        token, identity = credentials(op, user)
        client.login = replace(client.login, user=user, token=token, identity=identity)
        client.connecting = lane.running = number
        self.record(RowKind.INVOKED, number, op.connection, None)
        for frame in self.wire.login(client.login):
            client.link.send(frame)

    def do_log_out(self, number: int, op: Operation, lane: Lane) -> None:
        client = self._client(number, op)
        if client is not None:
            self.record(RowKind.INVOKED, number, op.connection, None)
            self.emitting[number] = client.login.connection
            self.up[client.login.connection] = False
            for frame in self.wire.log_out(client.login):
                client.link.send(frame)

    def do_shut_down(self, number: int, op: Operation, lane: Lane) -> None:
        coming = any(client.connecting is not None and not client.open for client in self.clients.values())
        if self.stopped or coming:  # what a library does with a handshake then is not the application's affair
            self.skip(number)
        else:
            self._stop(number)

    def do_expire(self, number: int, op: Operation, lane: Lane) -> None:
        self._say(number, op, lane, lambda event: self.wire.expire(event.login), None)

    def do_act(self, number: int, op: Operation, lane: Lane) -> None:
        name = op.name or ""
        action, own = self.wire.actions.get(name), self.target.own(name)
        if action is None or own is None:
            self.skip(number)
            return
        client = self._say(number, op, lane, partial(self.wire.act, name), aim_of(own, op), partial(answer_of, action))
        if client is not None and number in self.emitting and action.answer is not None:
            client.acting[number] = name

    def _leave(self, number: int, op: Operation, lane: Lane) -> None:
        client = self.clients.get(op.connection or "")
        if client is None or client.gone or client.hung_up:
            self.skip(number)
            return
        name = client.login.connection
        self.record(RowKind.INVOKED, number, name, None)
        self.record(RowKind.GONE, number, name, op.kind)
        client.gone = True
        client.leaving = number
        self.up[name] = False
        if op.kind in ("disconnect", "malform") and client.connecting is None and not self.stopped:
            self.parted.add(name)
        if client.connecting is not None:  # one that is open may have been logged in long since: nobody would say
            known = not self.unanswered(client) or not client.open
            self.connected(client, RowKind.CANCELLED, None if known else Outcome.INDETERMINATE)
        if op.kind == "malform" and client.open:
            message = self.wire.malformed(sum(name.encode()))
            if message is not None:  # a program may be another wire's
                self.malformed.add(name)
                client.link.send(message)
        if op.kind in ("disconnect", "malform"):
            client.link.close()
        elif op.kind == "abort":
            client.link.abort()
        else:
            client.link.misbehave(op.kind)

    do_disconnect = do_abort = do_garble = do_truncate = do_malform = _leave

    def do_flood(self, number: int, op: Operation, lane: Lane) -> None:
        client = self._client(number, op)
        if client is not None:
            client.link.misbehave(op.kind)

    def do_stall(self, number: int, op: Operation, lane: Lane) -> None:
        client = self.clients.get(op.connection or "")
        if client is None or client.gone or client.hung_up or client.link.stalled == (op.kind == "stall"):
            self.skip(number)
        elif op.kind == "stall":
            client.link.stall()
            self.record(RowKind.STALLED, number, client.login.connection, None)
            if op.seconds is not None:
                self.loop.call_later(op.seconds, self._resume, number, client, context=self.context)
        else:
            self._resume(number, client)

    do_unstall = do_stall

    def _resume(self, number: int, client: WireClient) -> None:
        if client.link.stalled and not client.gone and not client.hung_up:
            client.link.resume()
            self.record(RowKind.RESUMED, number, client.login.connection, None)
