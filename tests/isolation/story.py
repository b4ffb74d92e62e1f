"""Histories written by hand: a story tells what happened, row by row, and asks the model what it says of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from crosswire.fuzzer.core.history import Aim, Content, Detail, EventId, Failure, Mention, Outcome, Row, RowKind
from crosswire.fuzzer.core.program import CRITICAL_EVENTS, Kind, Operation, Program
from crosswire.fuzzer.core.stacks import Place
from crosswire.fuzzer.targets.adapter import Adapter, Client, Event, Target
from crosswire.fuzzer.targets.json_wire import JsonWire
from crosswire.fuzzer.targets.policy import Policy
from crosswire.fuzzer.targets.traits import WireTraits
from crosswire.models.isolation import judge, withheld
from crosswire.models.isolation.index import HistoryIndex
from crosswire.models.isolation.violations import Violation

__all__ = (
    "KEY_ERROR",
    "NOBODY",
    "SOMEWHERE",
    "WIRE",
    "Plain",
    "Story",
    "circumstances",
    "emit",
    "kinds",
    "managed",
    "refused",
    "served",
)

WIRE = JsonWire(ready={"type": "ready"}, refused={"type": "denied"}, authenticates=True, logout={"type": "logout"})

NOBODY = Outcome.INDETERMINATE

SOMEWHERE = Place("Hub.send", "hub.py", 7)
KEY_ERROR = Failure("KeyError: 'u1'", SOMEWHERE, "KeyError")


class Plain(Adapter):
    def connect(self, client: Client) -> Any: ...
    def emit(self, event: Event) -> Any: ...
    def disconnect(self, client: Client) -> Any: ...


class TwoSteps(Plain):
    def authenticate(self, client: Client, token: str) -> Any: ...


class Story:
    """One history; `served` makes one of an application with a wire, `managed` one of a manager."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.operations: list[Operation] = []
        self.rows: list[Row] = []
        self.time = 0.0
        self.extra = 0
        self.waiting: dict[str, list[Content]] = {}

    # -- operations ------------------------------

    def begin(self, kind: Kind, connection: str | None = None, user: str | None = None, **fields: Any) -> int:
        """An operation is invoked; gives its number."""
        detail = fields.pop("detail", None)
        op = Operation(kind, connection, user, **fields)
        self.operations.append(op)
        number = len(self.operations) - 1
        aim: Detail = detail
        if detail is None and kind in ("emit", "emit_to_thread", "run_agent"):
            aim = Aim(op.to)
        elif detail is None and kind in ("emit_to_room", "join", "leave"):
            aim = Aim(rooms=(op.room or "",))
        elif detail is None and kind == "connect" and op.room is not None:
            aim = Aim(rooms=(op.room,))
        return self.row(RowKind.INVOKED, number, connection, aim)

    def end(self, number: int, said: Detail = None, kind: RowKind = RowKind.RETURNED) -> Story:
        """It ends: returns what was ``said``, or is raised or cancelled."""
        op = self.operations[number] if number < len(self.operations) else None
        self.row(kind, number, op.connection if op is not None else None, said)
        return self

    def done(self, kind: Kind, connection: str | None = None, user: str | None = None, **fields: Any) -> int:
        """An operation from beginning to end; gives its number."""
        said = fields.pop("said", None)
        number = self.begin(kind, connection, user, **fields)
        self.end(number, said)
        return number

    def connect(self, name: str, user: str, *, token: str | None = None, said: Detail = "own", **fields: Any) -> int:
        """A login; ``said`` is what the server says of it (its own user, unless told otherwise)."""
        return self.done("connect", name, user, token=token, said=user if said == "own" else said, **fields)

    def leave(self, name: str, how: Kind = "disconnect") -> Story:
        number = self.begin(how, name)
        self.row(RowKind.GONE, number, name, how)
        return self.end(number)

    # -- frames ------------------------------

    def send(
        self, name: str, *events: int | tuple[int, str], word: str = "", during: int | None = None, **says: Any
    ) -> Story:
        """A frame is sent: with events (a run's with their step), or only a word."""
        ids = [EventId(event) if isinstance(event, int) else EventId(*event) for event in events]
        content = Content(tuple(Mention(event, **says) for event in ids), kind=word)
        if word[:1] == "@":
            content = Content(recipient=word[1:])
        self.waiting.setdefault(name, []).append(content)
        self.row(RowKind.SENT, during if during is not None else ids[0].number if ids else None, name, content)
        return self

    def turned_away(self, name: str, *events: int) -> Story:
        """A frame with events is sent to a client that has gone, and the send fails."""
        content = Content(tuple(Mention(EventId(event)) for event in events))
        self.row(RowKind.REFUSED, events[0], name, content)
        return self

    def receive(self, name: str) -> Story:
        self.row(RowKind.RECEIVED, None, name, self.waiting[name].pop(0))
        return self

    def hears(self, name: str, *events: int | tuple[int, str], **says: Any) -> Story:
        return self.send(name, *events, **says).receive(name)

    def run(self, number: int, name: str, steps: tuple[str, ...] = CRITICAL_EVENTS) -> Story:
        """An agent's events arrive."""
        for step in steps:
            self.hears(name, (number, step))
        return self

    # -- the rest ------------------------------

    def rest(self) -> Story:
        self.row(RowKind.REST)
        return self

    def wait(self, seconds: float) -> Story:
        self.time += seconds
        return self

    def mark(
        self, kind: RowKind, detail: Detail = None, connection: str | None = None, number: int | None = None
    ) -> Story:
        self.row(kind, number, connection, detail)
        return self

    def stall(self, name: str) -> Story:
        return self.mark(RowKind.STALLED, None, name, 0)

    def resume(self, name: str, *, waited_out: bool = False) -> Story:
        return self.mark(RowKind.RESUMED, None, name, None if waited_out else 0)

    def closed(self, name: str, why: str = "closed with 1000") -> Story:
        return self.mark(RowKind.CLOSED, why, name)

    def row(
        self, kind: RowKind, number: int | None = None, connection: str | None = None, detail: Detail = None
    ) -> int:
        self.rows.append(Row(self.time, kind, number, connection, detail))
        return number if number is not None else -1

    # -- verdicts ------------------------------

    def judged(self, **policy: Any) -> list[Violation]:
        return judge(self._declaring(policy), Program(tuple(self.operations)), tuple(self.rows))

    def excused(self, **policy: Any) -> list[str]:
        """The names of the excuses for what looks broken and is not."""
        said = withheld(self._declaring(policy), Program(tuple(self.operations)), tuple(self.rows))
        return [name for _, name in said]

    def index(self) -> HistoryIndex:
        policy = self.target.traits.policy
        return HistoryIndex(self.target, policy, Program(tuple(self.operations)), tuple(self.rows))

    def _declaring(self, policy: dict[str, Any]) -> Target:
        if not policy:
            return self.target
        traits = self.target.traits
        if isinstance(traits, WireTraits):
            return replace(self.target, traits=replace(traits, limits=replace(traits.policy, **policy)))
        assert isinstance(traits, type)
        own: type[Adapter] = type("Declaring", (traits,), {"policy": replace(traits.policy, **policy)})
        return replace(self.target, traits=own)


def served(*users: str, **policy: Any) -> Story:
    """An application with a wire, whose users are connected over c0, c1 and so on."""
    return _with(Story(Target("served", object, WireTraits(WIRE, Policy(**policy)))), users)


def managed(*users: str, two_steps: bool = False, **policy: Any) -> Story:
    """A manager, whose users are connected over c0, c1 and so on."""
    made: type[Adapter] = type("Made", (TwoSteps if two_steps else Plain,), {"policy": Policy(**policy)})
    return _with(Story(Target("managed", made, made)), () if two_steps else users)


def _with(story: Story, users: tuple[str, ...]) -> Story:
    for number, user in enumerate(users):
        said = user if isinstance(story.target.traits, WireTraits) else None
        story.connect(f"c{number}", user, said=said)
    return story


def emit(story: Story, *heard: str, to: str = "u1", said: Detail = None, kind: RowKind = RowKind.RETURNED) -> Story:
    """u0 emits, and some hear it, or nobody; over c0 where clients speak for themselves."""
    over = "c0" if story.target.traits.by_wire else None
    number = story.begin("emit", over, "u0", to=to)
    for name in heard:
        story.hears(name, number)
    return story.end(number, NOBODY if over else said, kind).rest()


def refused(story: Story, *, said: Any = False, kind: RowKind = RowKind.RETURNED) -> Story:
    """One more connection is asked for, and not given."""
    return story.end(story.begin("connect", "c9", "u9"), said, kind).rest()


def kinds(story: Story, **policy: Any) -> list[str]:
    return [violation.kind for violation in story.judged(**policy)]


def circumstances(story: Story, **policy: Any) -> Iterator[str]:
    return (violation.circumstance for violation in story.judged(**policy))
