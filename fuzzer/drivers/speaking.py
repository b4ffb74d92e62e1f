"""What clients of a wire do over their connections, whoever lets them: in the world, or over real sockets.

A client says something by a frame or by a request over HTTP, joins and leaves rooms, logs in again and out.  What it
says is in flight until the server confirms it, or until whoever drives the clients counts it as done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from ..clients.link import Link, Unconnected, refusal
from ..core.history import Aim, Detail, Outcome, Refusal, RowKind
from ..core.http import HttpAnswer
from ..core.jsons import read_json
from ..core.program import Operation
from ..targets.login import Http
from ..targets.own import Action, aim_of
from ..targets.templates import names_room
from ..targets.wire import Frame, Login, Outgoing
from .base import Lane
from .calling import credentials
from .client import WireClient
from .saying import Saying

__all__ = ("Speaking",)


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


class Speaking(Saying):
    """What operations say over a wire; a driver of clients derives from it."""

    # -- comings and goings ------------------------------

    def unanswered(self, client: WireClient) -> bool:
        """Whether nobody will say that the client is connected."""
        return not self.wire.waits_for_ready or client.following

    def connected(self, client: WireClient, kind: RowKind, detail: Detail) -> None:
        """The login has ended, in this way."""
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

    def served(self, client: WireClient) -> None:
        """The server has finished with the client's connection."""
        if client.leaving is not None and client.link.over:
            self.has_left(client, None)

    def has_left(self, client: WireClient, detail: Detail) -> None:
        """The client's leaving is over."""
        number, client.leaving = client.leaving, None
        assert number is not None
        self.record(RowKind.RETURNED, number, client.login.connection, detail)

    def come(self, number: int, op: Operation, lane: Lane, make: Callable[[WireClient], Callable[[], Link]]) -> None:
        """A client arrives: its handshake begins, or its login over HTTP; ``make`` gives what makes its link."""
        assert op.connection is not None and op.user is not None
        name = op.connection
        token, identity = credentials(op)
        login = Login(name, op.user, token, identity, self.room_of(op))
        client = WireClient(self, number, lane, login, self.wire)
        connect, before = make(client), self.wire.before
        client.link = connect() if before is None else Unconnected(name, client, op.pace)
        self.clients[name] = client
        self.up[name] = False
        lane.running = number
        self.record(RowKind.INVOKED, number, name, Aim(rooms=self.wire.enters(login)))
        if before is None:
            client.link.open(self.wire.request(login))
        else:
            self.ask(client, before, self.wire.said(login), partial(self.logged_in, client, connect))

    # -- operations ------------------------------

    def room_of(self, op: Operation) -> str | None:
        """The room a client connects to, where it connects to one."""
        if not self.wire.rooms_at_connect:
            return None
        return op.room or self.wire.room_names[0]

    def logged_in(self, client: WireClient, connect: Callable[[], Link], answer: HttpAnswer) -> None:
        """A client's login over HTTP is answered: now its handshake, with what the answer gave."""
        before = self.wire.before
        assert before is not None
        if client.gone:
            return
        body = answer.body.decode("utf-8", "replace")
        self.remarks.add(f"{before.method} {before.path} was answered HTTP {answer.status}", body)
        if not answer.good:
            said = refusal(answer.status, body)
            client.refused(Refusal.of(answer.status, f"{before.method} {before.path}: {said}"))
            return
        client.cookies = answer.cookies
        try:
            token = before.found(answer)
        except (LookupError, TypeError, ValueError):
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
        room: str | None = None,
    ) -> None:
        """Let a client say something, where it can; in this ``room``, where the server has chosen it."""
        client = self._client(number, op)
        if client is None:
            return
        event = Outgoing(self.event(number, op), op.to, client.login, op.room if room is None else room)
        said = speak(event)
        self._send(number, lane, client, said if isinstance(said, Http) else (said,), aim, event, heard)

    def _send(
        self,
        number: int,
        lane: Lane,
        client: WireClient,
        said: Sequence[Frame] | Http,
        aim: Aim | None,
        event: Outgoing,
        heard: Callable[[HttpAnswer], Detail] = taken,
    ) -> None:
        """Say something by frames, or by a request over a connection of its own: the next waits for its answer."""
        name = client.login.connection
        if isinstance(said, Http):
            self.record(RowKind.INVOKED, number, name, aim._replace(by_request=True) if aim is not None else None)
            lane.running = number
            self.asking[number] = name
            self.ask(client, said, self.wire.told(event), partial(self.answered, number, lane, heard))
            return
        self.record(RowKind.INVOKED, number, name, aim)
        self.emitting[number] = name
        for frame in said:
            client.link.send(frame)

    def answered(self, number: int, lane: Lane, heard: Callable[[HttpAnswer], Detail], answer: HttpAnswer) -> None:
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
        if self.wire.chooses_rooms:
            self._say_where_it_is(number, op, lane, self.wire.emit_to_room, self.wire.names_rooms)
            return
        client = self.clients.get(op.connection or "")
        rooms = self.wire.spoken_in(client.login, op.room) if client is not None else ()
        moves = not rooms and not self.wire.names_rooms and self.wire.offers("join")
        self._say(number, op, lane, self.wire.emit_to_room, Aim(rooms=rooms, wherever=moves))

    def _say_where_it_is(
        self,
        number: int,
        op: Operation,
        lane: Lane,
        speak: Callable[[Outgoing], Frame | Http],
        named: bool,
        heard: Callable[[HttpAnswer], Detail] = taken,
    ) -> None:
        """Let a client say something in the room that the server has put it into, once it has; ``named``: by name."""
        client = self._client(number, op)
        if client is None:
            return
        if not client.rooms:
            self.wait_for_room(number, lane)
            return
        *_, room = client.rooms
        aim = Aim(rooms=(room,)) if named else Aim(rooms=tuple(sorted(client.rooms)), wherever=True)
        self._say(number, op, lane, speak, aim, heard, room)

    def do_join(self, number: int, op: Operation, lane: Lane) -> None:
        if not self.wire.offers(op.kind):  # a program may be another wire's
            self.skip(number)
            return
        client = self._client(number, op)
        if client is not None:
            assert op.room is not None
            room = op.room
            if self.wire.chooses_rooms:
                aim = Aim(rooms=tuple(sorted(client.rooms)) if op.kind == "leave" else (), wherever=True)
                *_, room = client.rooms or (op.room,)
                if op.kind == "leave":
                    client.rooms.clear()
            elif op.kind == "leave" and self.wire.leaves_where_it_is and not self._is_just_in(client, room):
                self.skip(number)
                return
            else:
                aim = Aim(rooms=(room,))
                client.asked = [one for one in client.asked if one != room]
                if op.kind == "join":
                    client.asked.append(room)
            speak = self.wire.join_room if op.kind == "join" else self.wire.leave_room
            self._send(number, lane, client, speak(client.login, room), aim, Outgoing("", None, client.login, room))

    def _is_just_in(self, client: WireClient, room: str) -> bool:
        """Whether a client that says that it leaves where it is leaves this room, and no other."""
        mine = client.login.connection
        joins = [row for row in self.history if row.connection == mine and self._joins(row.operation)]
        refused = any(row.kind == "returned" and row.detail is False for row in joins)
        begun = {row.operation for row in joins if row.kind == "invoked"}
        answered = begun <= {row.operation for row in joins if row.kind != "invoked"}
        asked = client.asked[-1:] if self.target.traits.policy.one_room else client.asked
        return asked == [room] and answered and not refused

    def _joins(self, number: int | None) -> bool:
        return number is not None and number < len(self.operations) and self.operations[number].kind == "join"

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

    def do_expire(self, number: int, op: Operation, lane: Lane) -> None:
        self._say(number, op, lane, lambda event: self.wire.expire(event.login), None)

    def do_act(self, number: int, op: Operation, lane: Lane) -> None:
        name = op.name or ""
        action, own = self.wire.actions.get(name), self.target.own(name)
        if action is None or own is None:
            self.skip(number)
            return
        speak, heard = partial(self.wire.act, name), partial(answer_of, action)
        if own.audience == "room" and self.wire.chooses_rooms:
            self._say_where_it_is(number, op, lane, speak, names_room(action.say), heard)
        else:
            self._say(number, op, lane, speak, aim_of(own, op), heard)

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
                self.later(op.seconds, self._resume, number, client)
        else:
            self._resume(number, client)

    do_unstall = do_stall

    def _resume(self, number: int, client: WireClient) -> None:
        if client.link.stalled and not client.gone and not client.hung_up:
            client.link.resume()
            self.record(RowKind.RESUMED, number, client.login.connection, None)
