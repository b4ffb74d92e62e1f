"""What a target must manage before fuzzing means anything: a program so plain that only the plug can be wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile

from ...models.isolation.violations import (
    BrokenRun,
    Deadlock,
    Dropped,
    LostEvent,
    Refused,
    ReplacedEvent,
    UnhandledException,
)
from ..core.choices import PROMISES
from ..core.handshake import Sent
from ..core.history import Failure, Farewell
from ..core.program import EMITS, Operation, Program
from ..core.text import plain
from ..engine.execution import Execution, TargetError, Worker
from ..findings.finding import judged
from ..targets.login import Http
from ..targets.traits import WireTraits
from ..targets.wire import Login, Outgoing, Wire
from ..world import InOrder
from .rounds import Batch

__all__ = ("preflight",)

SAID = EMITS | {"act"}
"""What has to arrive somewhere, of what the first client does."""

SHOWN = 6
"""How many frames are listed."""

REMARKS, ONE_REMARK = 4, 200
"""So many remarks are shown where the target does not do what it should, and so many characters of each."""

ALONE = (
    "only c0 itself heard it; where a server answers the sender alone, it is an action for the sender (actions=, "
    "docs/operations.md)"
)
ONE_TO_ONE = "; where clients say nothing to one user alone, to_user=None says so"

SYMPTOMS = (BrokenRun, Dropped, LostEvent, Refused, ReplacedEvent, UnhandledException)
"""Violations by which a wire shows that it does not speak the application's protocol; others are the application's."""


def preflight(worker: Worker, promises: frozenset[str] = frozenset(PROMISES)) -> Batch | None:
    """Let users connect, be sent an event, and leave, one after the other.

    Returns the batch where already that breaks a promise, else None.  Raises `TargetError`, in one line, where the
    target does not do what it is plugged in for.
    """
    try:
        return _preflight(worker, promises)
    except TargetError as error:
        remarks = worker.remarks.shown(REMARKS, ONE_REMARK)
        if not remarks:
            raise
        raise TargetError(f"{error}; meanwhile {'; '.join(remarks)}") from error


def _preflight(worker: Worker, promises: frozenset[str]) -> Batch | None:
    traits = worker.target.traits
    program = _spoken(traits) if isinstance(traits, WireTraits) else _called(worker)
    shown = judged(worker, worker.run(program, InOrder()))
    execution = shown.execution
    name = worker.target.name
    for row in execution.history:
        op = program.operation(row.operation)
        if row.kind == "raised" and op is not None:
            assert isinstance(row.detail, Failure)
            place = row.detail.place
            raise TargetError(
                f"{name}: {op.kind} of a single user fails with {row.detail.brief}"
                + (f", raised in {place}" if place else "")
            )
    if isinstance(traits, WireTraits) and execution.history:
        if not shown.violations:
            _answered_alone(name, traits.wire, worker.frames)
        if any(isinstance(violation, Deadlock) for violation in shown.violations):
            _let_in(name, traits, execution, [sent for sent in worker.frames if sent.connection == "c0"])
        elif all(isinstance(one, SYMPTOMS) or one.promise == "hygiene" for one in shown.violations):
            try:
                _speaks(worker, traits, execution)
            except TargetError:
                if not _understood_in_the_end(worker, traits):
                    raise
    batch = Batch(program)
    batch.add(worker.target.name, shown, promises)
    return batch if batch.findings else None


def _called(worker: Worker) -> Program:
    operations = [Operation("connect", "c0", "u0")]
    if worker.target.offers("authenticate"):
        operations.append(Operation("authenticate", "c0", token="valid"))
    if worker.target.offers("emit"):
        operations.append(Operation("emit", user="u0", to="u0"))
    return Program((*operations, Operation("settle"), Operation("disconnect", "c0")))


def _speaks(worker: Worker, traits: WireTraits, execution: Execution) -> None:
    """Raise `TargetError` unless the wire speaks the application's protocol, as the last execution shows."""
    _understood(worker.target.name, traits, execution, worker.frames)
    _joined(worker.target.name, traits.wire, execution, worker.frames)


def _understood_in_the_end(worker: Worker, traits: WireTraits) -> bool:
    """Whether what was said in vain arrives where it is said twice.

    Then the wire speaks the application's protocol, and it is the application that loses what is said.
    """
    remarks = worker.remarks
    execution = worker.run(_spoken(traits, times=2), InOrder())
    try:
        _speaks(worker, traits, execution)
    except TargetError:
        return False
    finally:
        worker.remarks = remarks
    return True


def _spoken(traits: WireTraits, times: int = 1) -> Program:
    operations = [Operation("connect", "c0", "u0"), Operation("settle")]
    operations += [Operation("connect", "c1", "u1"), Operation("settle")]
    operations += _said(traits) * times
    return Program((*operations, Operation("disconnect", "c0"), Operation("settle"), Operation("disconnect", "c1")))


def _said(traits: WireTraits) -> list[Operation]:
    """All that a client can say, each thing once."""
    operations: list[Operation] = []
    if traits.offers("emit"):
        operations += [Operation("emit", "c0", "u0", "u1"), Operation("settle")]
    if traits.offers("broadcast"):
        operations += [Operation("broadcast", "c0", "u0"), Operation("settle")]
    room = _shared_room(traits.wire)
    if traits.offers("emit_to_room") and room is not None:
        if traits.offers("join"):
            operations += [Operation("join", name, room=room) for name in ("c0", "c1")] + [Operation("settle")]
        operations += [Operation("emit_to_room", "c0", "u0", room=room), Operation("settle")]
    if traits.offers("run_agent"):
        operations += [Operation("run_agent", "c0", "u0", "u0"), Operation("settle")]
    for name, action in traits.wire.actions.items():
        if action.audience == "sender":
            operations += [Operation("act", "c0", "u0", name=name), Operation("settle")]
    return operations


def _shared_room(wire: Wire) -> str | None:
    """A room in which both users can be: one for everybody, or one that both are in from login on."""
    if isinstance(wire.rooms, Mapping):
        return next((room for room in wire.rooms.get("u0", ()) if room in wire.rooms.get("u1", ())), None)
    return wire.room_names[0] if wire.rooms or wire.rooms_at_connect else None


def _unhandled(execution: Execution) -> list[Failure]:
    """What nobody handled while clients were served; what ending raises comes later, and is not why they fail."""
    return [row.detail for row in execution.history if row.kind == "unhandled" and isinstance(row.detail, Failure)]


def turned_away(traits: WireTraits, execution: Execution, farewell: object) -> str:
    """Why the first client was not let in: the application failed, has no such route, or says what it minds."""
    raised = _unhandled(execution)
    if raised:
        place = raised[0].place
        return f"the first client is turned away ({farewell}) because the application raised {raised[0].brief}" + (
            f", in {place}" if place else ""
        )
    words = farewell.words if isinstance(farewell, Farewell) else ""
    why = f"{farewell}: {words}" if words else str(farewell)
    path = traits.wire.request(Login("c0", "u0", "token-u0", "u0")).path
    routes = traits.routes
    listed = ", ".join(map(str, routes))
    if routes and not any(route.matches(path, typed=False) for route in routes):
        return f"the first client is turned away ({why}): there is no route for {path}; the application has {listed}"
    said = f"the first client is turned away: {why}"
    if routes and not any(route.matches(path) for route in routes):
        wanted = next(route for route in routes if route.matches(path, typed=False))
        other = traits.wire.request(Login("c0", "u1", "token-u1", "u1")).path
        better = (
            "users=integer_users or users=uuid_users" if other != path else "what it wants there (rooms= for {room})"
        )
        return f"{said}; it asked for {path}, and the route is {wanted}: say {better}"
    mounted = next((route for route in routes if route.socketio and route.matches(path)), None)
    if mounted is not None and mounted.path != getattr(mounted.endpoint, "engineio_path", mounted.path):
        return (
            f"{said}; Socket.IO compares the whole path with its socketio_path {mounted.endpoint.engineio_path}, which "
            f"since Starlette 0.33 must then begin with that of the mount: {mounted.path}"
        )
    if not routes and not traits.by_bytes:
        said += "; no route for WebSocket connections is found in the application"
    return (
        f"{said}; does the wire ask for the right path and log in as the application expects? "
        f"clients speak {traits.wire.describe()}"
    )


def _joined(name: str, wire: Wire, execution: Execution, frames: Sequence[Sent]) -> None:
    """Raise `TargetError` where nobody says of a room that it was joined, though the wire knows what would."""
    if not wire.confirms_joins:
        return
    said = {row.operation for row in execution.history if row.kind == "returned" and row.detail is None}
    for number, op in enumerate(execution.program.operations):
        if op.kind == "join" and number not in said:
            heard = [sent.shown(80) for sent in frames if sent.connection == op.connection]
            raise TargetError(
                f"{name}: nobody says that {op.connection} has joined {op.room}: the frame that does (joined=) never "
                f"comes, and {op.connection} was sent {_listed(heard)}; clients speak {wire.describe()}"
            )


def _listed(heard: Sequence[str]) -> str:
    """What clients received: the last of it, since a greeting or a ticker comes first."""
    before = f"{len(heard) - SHOWN} others and at last " if len(heard) > SHOWN else ""
    return before + ", ".join(heard[-SHOWN:]) if heard else "nothing"


def _hint(name: str, traits: WireTraits) -> str:
    """What to do where nobody said how clients speak; empty where somebody did."""
    if not traits.guessed:
        return ""
    place, _, _ = name.partition("?")
    return f", which is a guess: crosswire init {place} reads its handlers and writes a file to say it in"


def _let_in(name: str, traits: WireTraits, execution: Execution, sent: Sequence[Sent]) -> None:
    """Raise `TargetError` where the first client waits in vain for its login: the application failed, or the wire waits
    for something else than what was ``sent``.
    """
    answered = any(row.operation == 0 and row.kind == "returned" for row in execution.history)
    raised = _unhandled(execution)
    if raised and not answered:
        place = f", in {raised[0].place}" if raised[0].place else ""
        raise TargetError(
            f"{name}: the login of the first client is never answered, because the application raised "
            f"{raised[0].brief}{place}; does the wire log in as the application expects? "
            f"clients speak {traits.wire.describe()}"
        )
    if sent and not answered and traits.wire.waits_for_ready:
        heard = ", ".join(one.shown(80) for one in sent[:3])
        raise TargetError(
            f"{name}: the login of the first client is never done: what says so (ready=) never comes, and it was sent "
            f"{heard}; does the wire wait for the right answer? clients speak {traits.wire.describe()}"
        )


def _answered_alone(name: str, wire: Wire, frames: Sequence[Sent]) -> None:
    """Raise `TargetError` where what answers the second client's login, by its name, is told to the first as well.

    Of two who come at once each would take the other's answer for its own.
    """
    if not wire.waits_for_ready:
        return
    first, second = ([sent.frame for sent in frames if sent.connection == f"c{number}"] for number in (0, 1))
    for frame in second:
        own = wire.read(frame, Login("c1", "u1", "token-u1", "u1"))
        if not (own.ready and own.user == "u1" and frame in first):
            continue
        if wire.read(frame, Login("c0", "u0", "token-u0", "u0")).ready:
            raise TargetError(
                f"{name}: {plain(str(frame))} is taken for the answer to a login (ready=), and is sent to all who "
                f"are connected: of two who come at once each would take the other's for its own; "
                f'ready={{..., "FIELD": "{{identity}}"}} waits for the one that names the client itself'
            )


def _turned_down(wire: Wire, op: Operation, last: str) -> str:
    """What was asked of the application and refused, where it had sent this ``last``, if anything."""
    if op.kind != "join":
        answer = f", by {last}" if last else ""
        return (
            f"what {op.connection} says ({op}) is turned down{answer}, though a plain client may say it: does the wire "
            "say it as the application expects (or may_refuse=True)?"
        )
    asked = wire.join_room(Login(op.connection or "", "u0", "", "u0"), op.room or "")
    answer = f": it was sent {last}" if last else ""
    if isinstance(asked, Http):
        answer = f": {asked.method} {asked.path} is answered by a refusal"
    return f"{op.connection} is not let into {op.room}{answer}; are these the rooms that there are (rooms=)?"


def _kind(op: Operation) -> tuple[str, str | None]:
    """What is said by an operation: of what is said twice, once is enough to arrive."""
    return op.kind, op.name


def _heard_by(op: Operation) -> str:
    """The client on which it has to arrive what a plain program says."""
    return "c0" if op.kind in ("run_agent", "act") else "c1"


def _understood(name: str, traits: WireTraits, execution: Execution, frames: Sequence[Sent]) -> None:
    """Raise `TargetError` unless the wire speaks the application's protocol: clients get in, what is said arrives."""
    why: dict[str, object] = {}
    wire = traits.wire
    operations = execution.program.operations
    refused = {row.operation for row in execution.history if row.kind == "returned" and row.detail is False}
    saying = {number for number, op in enumerate(operations) if op.kind in SAID}
    joins = {number: op for number, op in enumerate(operations) if op.kind == "join"}
    barred = {(op.connection, op.room) for number, op in joins.items() if number in refused}
    let_in = {op.room for number, op in joins.items() if number not in refused}
    turned_down = refused & saying if traits.policy.may_refuse else set[int]()
    for number, row in enumerate(execution.history):
        if row.kind == "closed" and row.connection is not None:
            why.setdefault(row.connection, row.detail)
        if row.kind == "gone":
            break
        if row.kind == "returned" and row.detail is False and row.operation not in turned_down:
            op = execution.program.operation(row.operation)
            if op is not None and op.kind == "join" and op.room in let_in:  # there is such a room, and it may be full
                continue
            sent = [one for one in frames if one.connection == row.connection and (one.row or 0) < number]
            last = sent[-1].shown(200) if sent else ""
            if op is not None and (op.kind == "join" or row.operation in saying):
                raise TargetError(f"{name}: {_turned_down(wire, op, last)} clients speak {wire.describe()}")
            refusal = why.get(row.connection or "", f"it was sent {last}" if last else "")
            raise TargetError(f"{name}: {turned_away(traits, execution, refusal)}")
    arrived = {(row.operation, row.connection) for row in execution.history if row.kind == "received"}
    heard_of = {
        _kind(operations[number]) for number, to in arrived if number in saying and to == _heard_by(operations[number])
    }
    staying = takewhile(lambda row: row.kind != "gone", execution.history)
    placed = {row.connection for row in staying if row.kind == "placed"}
    for number, op in enumerate(operations):
        to = _heard_by(op)
        if number not in saying or _kind(op) in heard_of or (arrived and number in turned_down):
            continue
        if (wire.chooses_rooms and placed and to not in placed) or (to, op.room) in barred:  # somebody has to let it in
            continue
        said = Outgoing(f"cw-e{number}", op.to, Login("c0", "u0", "token-u0", "u0"), op.room)
        frame = wire.act(op.name or "", said) if op.kind == "act" else getattr(wire, op.kind)(said)
        errors = [failure.brief for failure in _unhandled(execution)]
        if errors:
            came = f"the application raised {errors[0]}"
        elif (number, "c0") in arrived:
            came = ALONE
        else:
            heard = [str(row.detail) for row in execution.history if row.kind == "received"]
            came = f"clients received {_listed(heard)}"
        if op.kind == "emit" and any(operations[one].kind != "emit" for one in saying):
            came += ONE_TO_ONE
        raise TargetError(
            f"{name}: nothing of what c0 sends arrives on {to}: it sent {frame!r}, and {came}; does the wire speak the "
            f"application's protocol? it is {wire.describe()}{_hint(name, traits)}"
        )
