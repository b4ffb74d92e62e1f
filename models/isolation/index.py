"""A history in one pass: connections with their intervals, invocations, and events with their deliveries.

Each kind of row has one small method.  Nothing here is judged; what an operation does to the intervals is all it says.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar

from ...fuzzer.core.history import Aim, Content, Detail, EventId, History, Mention, RowKind
from ...fuzzer.core.program import CRITICAL_EVENTS, EMITS, LEAVING, Operation, Program
from ...fuzzer.targets.adapter import Target
from ...fuzzer.targets.own import Own
from ...fuzzer.targets.policy import Policy
from ...fuzzer.targets.traits import WireTraits
from .heartbeats import late_beats
from .membership import Expulsions, answer, ask, place, remove, settle_rooms
from .records import Connection, Delivery, Event, Invocation
from .spans import NEVER

__all__ = ("HistoryIndex",)

ENDS_ITS_OWN = LEAVING | {"log_out", "expire"}
"""Operations after which a connection is nobody's any more."""

Method = Callable[[Any, int, float, int | None, Connection | None, Detail], None]


class HistoryIndex:
    """What the checks look things up in."""

    methods: ClassVar[Mapping[RowKind, Method]]
    """Row kind -> the method that reads it; the other rows are marks, which checks read themselves."""

    def __init__(self, target: Target, policy: Policy, program: Program, history: History) -> None:
        self.target, self.policy, self.program, self.history = target, policy, program, history
        self.operations = program.expanded
        self.by_wire = target.traits.by_wire
        self.wire = target.traits.wire if isinstance(target.traits, WireTraits) else None
        self.two_steps = target.offers("authenticate")
        self.sees_sends = not (isinstance(target.traits, WireTraits) and target.traits.by_bytes)
        """What the target sends is seen the moment it does, and not only what has left its buffers."""
        self.tells_identity = self.two_steps or self.by_wire
        """What a login returns is the user the server takes the client for."""
        self.invocations: dict[int, Invocation] = {}
        self.connections: dict[str, Connection] = {}
        """Each under its last login."""
        self.sessions: list[Connection] = []
        """Each under each of its logins."""
        self.events: dict[EventId, Event] = {}
        self.rests: list[int] = []
        self.marks: dict[RowKind, list[int]] = defaultdict(list)
        """Rows that checks read themselves."""
        self._kept_busy = 0.0, -1.0
        """when the machine was last busy with something else, from when until when"""
        self.instead: dict[tuple[int, str], list[int]] = defaultdict(list)
        """(operation, connection): rows of frames sent during it that carry no event."""
        self.misidentified = False
        """A login came out as somebody else: what follows from that is not counted again."""
        self.expired: set[str | None] = set()
        """Users whose token has ended, which all their clients show."""
        self.expulsions = Expulsions(self.wire)
        self.shut = False
        """The target was shut down amid the program: availability is no longer promised."""
        connections, marks, methods = self.connections, self.marks, self.methods
        for row, (time, kind, number, name, detail) in enumerate(history):
            method = methods.get(kind)
            if method is None:
                marks[kind].append(row)
            else:
                method(self, row, time, number, connections.get(name) if name is not None else None, detail)
        settle_rooms(self.events.values(), self.sessions)

    # -- questions ------------------------------

    def rest_after(self, row: int) -> int:
        """The next moment of rest after a row, or NEVER."""
        at = bisect_right(self.rests, row)
        return self.rests[at] if at < len(self.rests) else NEVER

    @cached_property
    def beats_late(self) -> dict[str, int]:
        """Connection -> the row at which a heartbeat, or its answer, may have been on its way for too long."""
        hides = self.wire is not None and self.wire.has_heartbeats
        return late_beats(self.history, self.marks.get(RowKind.CLOCK, ()), self.policy.delay, hides)

    def missed_beat(self, connection: Connection, until: int) -> bool:
        """Whether the server may have given a connection up by a row, though it is open and reads."""
        return self.beats_late.get(connection.name, NEVER) < until

    def reads(self, connection: Connection, since: int, until: int) -> bool:
        """No lapse touches the time between two rows; a lapse is over at the next rest after it."""
        return all(a > until or self.rest_after(b) < since for a, b in connection.lapses)

    def surely_up(self, connection: Connection, since: int, until: int) -> bool:
        """Logged in, reading, and not closed by the server, all the time."""
        return (
            connection.login.must(since, until) and connection.closed > until and self.reads(connection, since, until)
        )

    def surely_absent(self, connection: Connection, since: int, until: int) -> bool:
        """Not even asked for before ``until``, or all over before ``since``."""
        login = connection.login
        return connection.asked > until or (login.may_until < since and login.doubtful > until)

    def session(self, act: Invocation) -> Connection:
        """An operation's connection under the login that the operation asked for, or that was there when it began."""
        name = act.op.connection
        return next(c for c in reversed(self.sessions) if c.name == name and c.asked <= act.began)

    def promised(self, login: Connection) -> bool:
        """Whether a login is one that is promised: the first over its connection, or any, where that is declared."""
        return login.before is None or self.target.traits.logs_in_again

    def of_user(self, user: str | None) -> Iterator[Connection]:
        return (c for c in self.sessions if user is None or c.identity == user)

    def between(self, kinds: frozenset[str], since: int, until: int) -> bool:
        """Whether an operation of these kinds may have been under way between two rows."""
        return any(i.op.kind in kinds and i.began < until and i.ended > since for i in self.invocations.values())

    # -- operations ------------------------------

    def _invoked(self, row: int, time: float, number: int | None, c: Connection | None, detail: Detail) -> None:
        assert number is not None
        name = self.history[row].connection
        known = number < len(self.operations)
        op = self.operations[number] if known else Operation("disconnect" if name else "shut_down", name)
        act = self.invocations[number] = Invocation(number, op, row, time)
        kind = op.kind
        if c is not None:
            c.heard_at = time
        if kind in EMITS or (kind == "act" and isinstance(detail, Aim)):
            aim = detail if isinstance(detail, Aim) else Aim(op.to)
            act.by_request = aim.by_request
            for step in CRITICAL_EVENTS if kind == "run_agent" else ("",):
                event = EventId(number, step)
                self.events[event] = Event(event, act, c, aim.to, aim.rooms, aim.wherever)
        elif kind == "act":
            own = self.own(act)
            if own is not None and own.removes:
                self.expulsions.asked(row, op, self.sessions)
        elif kind == "connect":
            self._connects(row, time, op, detail)
        elif kind == "authenticate" and c is not None:
            user = op.user or c.user
            if c.login.may_from == NEVER:
                c.login.begins(row)
                c.user, c.identity = user, op.identity(user)
            else:
                c = self.connections[c.name] = c.logs_in_again(row, user, op.identity(user))
                self.sessions.append(c)
        elif kind in ENDS_ITS_OWN and c is not None:
            c.ends_at(row, kind)
            if kind == "expire" and self.by_wire:
                self._expires(row, c)
        elif c is not None and isinstance(detail, Aim):  # joins or leaves
            act.wherever = detail.wherever
            for room in c.rooms if act.wherever and kind == "leave" else detail.rooms:
                ask(c, room, kind == "join", row)
        elif kind in ("clean_up", "shut_down", "sweep", "pause"):
            self._server_ends(row, time, number, op)
        elif kind == "cancel" and isinstance(detail, int):
            self._cancels(self.invocations[detail])

    def _connects(self, row: int, time: float, op: Operation, detail: Detail) -> None:
        assert op.connection is not None and op.user is not None
        c = self.connections[op.connection] = Connection(op.connection, op.user, op.identity(op.user), row, time, time)
        self.sessions.append(c)
        for room in detail.rooms if isinstance(detail, Aim) else ():
            ask(c, room, True, row)
        if not self.two_steps:
            c.login.begins(row)
            if c.identity not in (None, c.user) or c.identity in self.expired:
                c.login.doubt(row)  # whether a server refuses it or serves it as who it is, is its own affair

    def own(self, act: Invocation) -> Own | None:
        """What the target declares of the operation of its own that this is; None where it is none."""
        return self.target.own(act.op.name) if act.op.kind == "act" else None

    def goes_back(self, event: Event) -> bool:
        """Whether an event is owed to nobody but the connection it was asked for on: an agent's, or an answer."""
        return (event.by.op.kind == "run_agent" and event.emitter is not None) or self.answers(event)

    def answers(self, event: Event) -> bool:
        """Whether an event is declared to be answered to its sender: it is owed to the connection it was said on."""
        own = self.own(event.by)
        return own is not None and own.audience == "sender" and event.emitter is not None

    def _expires(self, row: int, c: Connection) -> None:
        """A token that a user's clients share ends for all of them, and whether it lets anybody in is not known."""
        self.expired.add(c.identity)
        for other in self.sessions:
            if other is not c and other.identity == c.identity:
                other.ends_at(row, "expire")
                other.login.doubt(row)

    def _server_ends(self, row: int, time: float, number: int, op: Operation) -> None:
        if op.kind == "clean_up":
            for other in self.sessions:
                if op.user in (other.user, other.identity) and other.login.may_from < row:
                    other.ends_at(row, "clean_up")
        elif op.kind == "shut_down":
            self.shut = self.shut or number < len(self.operations)  # not the one at the very end
            for other in self.sessions:
                other.ends_at(row, "shut_down")
        else:
            self._time_passes(row, time, op.kind, op.seconds or 0.0)

    def _time_passes(self, row: int, time: float, how: str, seconds: float = 0.0) -> None:
        """Time goes by in which the server may end logins: all, where that is long by itself, or who was silent."""
        idle, session = self.policy.idle, self.policy.session
        lasts = [limit for limit in (idle, session) if limit is not None]
        if not lasts:
            return
        long = how == "sweep" or seconds >= min(lasts) / 2
        until = time + seconds
        for c in self.sessions:
            silent = idle is not None and round(until - c.heard_at, 3) >= idle
            if long or silent or (session is not None and round(until - c.came_at, 3) >= session):
                c.ends_at(row, how)
                c.login.doubt(row)

    def _cancels(self, act: Invocation) -> None:
        act.cancelled = True
        c = self.connections.get(act.op.connection or "")
        if c is None:
            return
        if act.op.kind in ("join", "leave"):
            for span in c.rooms.get(act.op.room or "", ()):
                span.doubt(act.began)
        else:
            c.login.doubt(act.began)

    def _ended(self, row: int, time: float, number: int | None, c: Connection | None, detail: Detail) -> None:
        assert number is not None
        act = self.invocations[number]
        act.ended, act.ended_at, act.finished, act.detail = row, time, self.history[row].kind, detail
        if c is not None and c.before is not None:
            c = self.session(act)
        kind = act.op.kind
        returned = act.finished == RowKind.RETURNED
        if kind in ENDS_ITS_OWN and c is not None:
            if returned and not (kind == "expire" and act.said_no):
                c.login.ended(row)
            else:
                c.login.doubt(row)
        elif (kind == "authenticate" or (kind == "connect" and not self.two_steps)) and c is not None:
            self._logged_in(row, act, c)
        elif kind == "connect" and c is not None and not act.went_well:
            c.ends_at(row, "refused")
            c.login.ended(row)
        elif kind == "act" and (own := self.own(act)) is not None and own.removes:
            self.expulsions.answered(row, act, self.sessions)
        elif kind in ("join", "leave") and c is not None:
            barred = act.indeterminate and self.expulsions.bar(c, act.op.room or "")
            answer(row, act, c, self.by_wire, barred)
        elif kind == "clean_up" and returned:
            for other in self.sessions:
                if act.op.user == other.user == other.identity and other.login.sure_from < act.began:
                    other.login.ended(row)

    def names_of(self, act: Invocation) -> tuple[str | None, ...]:
        """Whom a server may take the one who did something for."""
        c = self.connections.get(act.op.connection or "")
        return c.names if c is not None else (act.op.user,)

    def _logged_in(self, row: int, act: Invocation, c: Connection) -> None:
        if act.went_well and not (self.two_steps and act.detail is None):
            c.login.begun(row)
            for room, spans in c.rooms.items():
                for span in spans:
                    if span.may_from == c.asked and self.expulsions.bar(c, room):
                        span.doubt(c.asked)
                    elif span.may_from == c.asked:
                        span.begun(row)
            c.unconfirmed = act.indeterminate
            if c.before is not None:
                c.before.login.ended(row)
            if self.tells_identity and isinstance(act.detail, str) and act.detail != c.identity:
                c.login.doubt(row)
                self.misidentified = True
        elif c.login.sure_from == NEVER:
            if not act.cut_off:
                c.failed = row
                if c.before is not None:  # whether the login before goes on is the server's affair
                    c.before.login.doubt(c.asked)
                    self.connections[c.name] = c.before
            elif any(how in ENDS_ITS_OWN for _, how in c.ends):
                return  # it left before it was answered: the server is done with it once that is over
            c.ends_at(row, "refused")
            c.login.ended(row)

    # -- frames ------------------------------

    def _sent(self, row: int, time: float, number: int | None, c: Connection | None, detail: Detail) -> None:
        if c is None:
            return
        assert isinstance(detail, Content)
        deliveries = self._deliver(detail, c, row)
        began, until = self._kept_busy
        c.in_flight.append((row, began if until == round(time, 3) else time, deliveries))
        if not self.by_wire:
            c.heard_at = time
        if not deliveries and number is not None:
            self.instead[number, c.name].append(row)

    def _deliver(self, content: Content, c: Connection, row: int, received: int = NEVER) -> list[Delivery]:
        """Enter what a frame carries, at the events that it carries."""
        deliveries = [
            Delivery(event, c, row, said, received, content.retells) for said, event in self.mentioned(content)
        ]
        for delivery in deliveries:
            delivery.event.deliveries.append(delivery)
        return deliveries

    def _turned_away(self, row: int, time: float, number: int | None, c: Connection | None, detail: Detail) -> None:
        if isinstance(detail, Content):
            for _, event in self.mentioned(detail):
                event.turned_away = event.turned_away or (c is not None and event.to in (c.user, c.identity))

    def mentioned(self, content: Content) -> list[tuple[Mention, Event]]:
        """The events that a frame carries, with what it says of each."""
        return [(mention, self.events[mention.event]) for mention in content.mentions if mention.event in self.events]

    def _received(self, row: int, time: float, number: int | None, c: Connection | None, detail: Detail) -> None:
        if c is not None and c.in_flight:
            sent, sent_at, deliveries = c.in_flight.popleft()
            if not self.by_wire:
                c.heard_at = time
            for delivery in deliveries:
                delivery.received = row
            c.waited = sent, sent_at, time
            self._perhaps_lapsed(c, sent, row, time - sent_at)

    # -- connections ------------------------------

    def _sessions_of(self, c: Connection) -> list[Connection]:
        """The same socket under each of its logins."""
        return [session for session in self.sessions if session.name == c.name]

    def _rest(self, row: int, time: float, number: int | None, c: Connection | None, detail: Detail) -> None:
        self.rests.append(row)
        self._time_passes(row, time, "silence")
        for other in self.connections.values():
            if other.in_flight:
                sent, sent_at, _ = other.in_flight[0]
                self._perhaps_lapsed(other, sent, NEVER, time - sent_at)

    def _perhaps_lapsed(self, c: Connection, since: int, until: int, seconds: float) -> None:
        """Note that a connection read nothing between two rows, where that is longer than a server need wait."""
        if round(seconds, 3) >= self.policy.delay:
            c.lapses.append((since, until))

    def _busy(self, row: int, time: float, number: int | None, c: Connection | None, detail: Detail) -> None:
        """The target learns only after so many seconds of what has just been read: for it, that took as much longer."""
        self.marks[RowKind.BUSY].append(row)
        assert isinstance(detail, float | int)
        self._kept_busy = time, round(time + detail, 3)  # what it sends next, it may have begun to send before
        for other in self.connections.values():
            if other.waited is not None and other.waited[2] == time:
                sent, sent_at, _ = other.waited
                self._perhaps_lapsed(other, sent, row, time + detail - sent_at)

    def _gone(self, row: int, time: float, number: int | None, c: Connection | None, detail: Detail) -> None:
        if c is not None:
            for session in self._sessions_of(c):
                session.gone = min(session.gone, row)
            c.in_flight.clear()
            c.ends_at(row, str(detail))

    def _closed(self, row: int, time: float, number: int | None, c: Connection | None, detail: Detail) -> None:
        if c is not None:
            for session in self._sessions_of(c):
                session.closed = min(session.closed, row)
            act = self.invocations.get(number) if number is not None else None
            login = act is not None and act.op.connection == c.name and act.op.kind in ("connect", "authenticate")
            if act is not None and login and act.finished is None:
                act.hung_up = True

    def _stalled(self, row: int, time: float, number: int | None, c: Connection | None, detail: Detail) -> None:
        if c is not None:
            for session in self._sessions_of(c):
                session.stalled_since = (row, time)

    def _resumed(self, row: int, time: float, number: int | None, c: Connection | None, detail: Detail) -> None:
        if c is not None and c.stalled_since is not None:
            since, at = c.stalled_since
            c.stalls.append((since, row, number is None))
            c.waited = since, at, time
            self._perhaps_lapsed(c, since, row, time - at)
            for session in self._sessions_of(c):
                session.stalled_since = None

    @property
    def _rested(self) -> int:
        """The last moment of rest up to now; -1 where there was none."""
        return self.rests[-1] if self.rests else -1

    def _placed(self, row: int, time: float, number: int | None, c: Connection | None, detail: Detail) -> None:
        if c is not None:
            asked = (i for i in self.invocations.values() if i.op.kind == "join" and i.op.connection == c.name)
            place(row, c, str(detail), self._rested, asked)

    def _removed(self, row: int, time: float, number: int | None, c: Connection | None, detail: Detail) -> None:
        self.marks[RowKind.REMOVED].append(row)
        if c is not None:
            tabs = () if self.policy.tabs_apart else (o for o in self.sessions if o.name != c.name and o.shares_user(c))
            remove(row, c, str(detail), self._rested, tabs)


HistoryIndex.methods = {
    RowKind.INVOKED: HistoryIndex._invoked,
    RowKind.RETURNED: HistoryIndex._ended,
    RowKind.RAISED: HistoryIndex._ended,
    RowKind.CANCELLED: HistoryIndex._ended,
    RowKind.SENT: HistoryIndex._sent,
    RowKind.RECEIVED: HistoryIndex._received,
    RowKind.REFUSED: HistoryIndex._turned_away,
    RowKind.REST: HistoryIndex._rest,
    RowKind.GONE: HistoryIndex._gone,
    RowKind.CLOSED: HistoryIndex._closed,
    RowKind.STALLED: HistoryIndex._stalled,
    RowKind.RESUMED: HistoryIndex._resumed,
    RowKind.BUSY: HistoryIndex._busy,
    RowKind.PLACED: HistoryIndex._placed,
    RowKind.REMOVED: HistoryIndex._removed,
}
