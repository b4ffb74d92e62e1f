"""What the users do: operations, in order, on lanes.  Plain, hashable data.

Operations of one lane happen one after the other; operations of different lanes may overlap in any way.  A lane is
one connection (``c0``), the events one user's backend emits (``from u0``), or the server's own doings (``server``).
`BARRIERS` hold everything after them back until everything before them has come to rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import accumulate
from typing import Literal, get_args

__all__ = ("BARRIERS", "CRITICAL_EVENTS", "KINDS", "LEAVING", "Kind", "Operation", "Pace", "Program")

Kind = Literal[
    "connect",
    "authenticate",
    "emit",
    "emit_to_thread",
    "broadcast",
    "run_agent",
    "disconnect",
    "abort",
    "log_out",
    "expire",
    "stall",
    "unstall",
    "cancel",
    "clean_up",
    "pause",
    "sweep",
    "settle",
    "shut_down",
    "join",
    "leave",
    "emit_to_room",
    "act",
    "garble",
    "truncate",
    "flood",
    "malform",
]

Pace = Literal["slow", "split", "merged"]
"""A client's link: congested, so that every send of the server waits until the client takes it; or bytes that reach
the server in two reads each, or all that waits in one."""

KINDS: tuple[str, ...] = get_args(Kind)

CRITICAL_EVENTS = ("agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed")
"""The events of an agent's run, in order, once each."""

Stage = tuple[tuple[tuple[str, tuple[int, ...]], ...], int | None]
"""What comes between two barriers: for each lane its operations' numbers; and the barrier's number, None at the end."""

EMITS = frozenset({"emit", "emit_to_thread", "emit_to_room", "broadcast", "run_agent"})
"""Operations by which somebody is told something."""

BARRIERS = frozenset({"settle", "pause", "sweep"})

LEAVING = frozenset({"disconnect", "abort", "garble", "truncate", "malform"})
"""How a client can leave: properly, without a word, behind bytes that mean nothing, in the middle of a frame, properly
after a message that means nothing."""

LATER: dict[str, object] = {"room": None, "name": None, "times": 1}
"""Fields of an operation that came later, and what they are where nothing is said."""

AT_ONCE = LEAVING | {"stall", "unstall", "flood", "cancel"}
"""What a client can do while an earlier operation on its lane is still under way."""


def said_of(operation: Mapping[str, object]) -> dict[str, object]:
    """An operation's fields, by name, as files have them: less what it does not say."""
    return {name: value for name, value in operation.items() if value is not None and LATER.get(name, ...) != value}


@dataclass(frozen=True, slots=True, repr=False)
class Operation:
    """One thing a user, a client or the server does.

    ``connection`` is the client's connection; ``user`` who acts (emits, connects, is cleaned up); ``to`` whom an
    event is for; ``thread`` the name of the thread it is sent to; ``token`` what a client shows at login: ``valid``,
    ``invalid``, ``expired``, or another user's name for that user's token; ``seconds`` how long a pause lasts, or a
    stall; ``pace`` how the connection's link behaves; ``room`` what is joined, left or spoken in; ``name`` which of the
    target's own operations an ``act`` is; ``times`` how often the operation is done, one after the other.
    """

    kind: Kind
    connection: str | None = None
    user: str | None = None
    to: str | None = None
    thread: str | None = None
    token: str | None = None
    seconds: float | None = None
    pace: Pace | None = None
    room: str | None = None
    name: str | None = None
    times: int = 1

    def __repr__(self) -> str:
        """As a dataclass's, less what was not there from the beginning and is not said: seeds are made of it."""
        said = {field.name: getattr(self, field.name) for field in fields(self)}
        shown = (f"{name}={value!r}" for name, value in said.items() if name not in LATER or value != LATER[name])
        return f"Operation({', '.join(shown)})"

    @property
    def lane(self) -> str:
        if self.connection is not None:
            return self.connection
        if self.user is not None and self.kind != "clean_up":
            return f"from {self.user}"
        return "server"

    @property
    def called(self) -> str:
        """What it is called: of the target's own operations the name, of the others the kind."""
        return self.name or self.kind

    def identity(self, user: str) -> str | None:
        """Whose the token is that a login as ``user`` shows; None where it is nobody's."""
        if self.token in ("invalid", "expired"):
            return None
        return user if self.token in (None, "valid") else self.token

    def __str__(self) -> str:
        words: list[str] = [self.called]
        if self.connection is not None:
            words.append(self.connection)
        if self.user is not None:
            words.append(f"as {self.user}" if self.connection is not None else self.user)
        if self.to is not None:
            words.append(f"-> {self.to}")
        if self.thread is not None:
            words.append(f"in thread {self.thread!r}")
        if self.room is not None:
            words.append(f"in {self.room}" if self.kind in ("emit_to_room", "act") else self.room)
        if self.token not in (None, "valid"):
            words.append(
                f"({self.token} token)" if self.token in ("invalid", "expired") else f"(token of {self.token})"
            )
        if self.seconds is not None:
            words.append(f"{self.seconds:g} s")
        if self.pace is not None:
            words.append(f"({self.pace} link)" if self.pace == "slow" else f"({self.pace} reads)")
        if self.times > 1:
            words.append(f"({self.times} times)")
        return " ".join(words)


@dataclass(frozen=True)
class Program:
    """Operations in order; the position of an operation in `expanded` is its number everywhere else."""

    operations: tuple[Operation, ...]

    @cached_property
    def expanded(self) -> tuple[Operation, ...]:
        """The operations with each repetition written out: what drivers play, histories number and oracles judge."""
        if all(op.times == 1 for op in self.operations):
            return self.operations
        return tuple(replace(op, times=1) for op in self.operations for _ in range(op.times))

    def operation(self, number: int | None) -> Operation | None:
        """The operation that a row of a history names; None of one that no program has, as the end's are."""
        return self.expanded[number] if number is not None and number < len(self.expanded) else None

    @cached_property
    def numbers(self) -> tuple[range, ...]:
        """For each operation as it is written, the numbers of its repetitions."""
        ends = tuple(accumulate(op.times for op in self.operations))
        return tuple(range(end - op.times, end) for op, end in zip(self.operations, ends, strict=True))

    def __len__(self) -> int:
        return len(self.operations)

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """Between barriers: for each lane its operations' numbers; then the barrier's number, or None at the end."""
        stages: list[Stage] = []
        lanes: dict[str, list[int]] = {}
        for number, operation in enumerate(self.expanded):
            if operation.kind in BARRIERS:
                stages.append((tuple((lane, tuple(ops)) for lane, ops in lanes.items()), number))
                lanes = {}
            else:
                lanes.setdefault(operation.lane, []).append(number)
        stages.append((tuple((lane, tuple(ops)) for lane, ops in lanes.items()), None))
        return tuple(stages)

    def without(self, *numbers: int) -> Program:
        """The program less some operations."""
        return Program(tuple(op for number, op in enumerate(self.operations) if number not in numbers))

    @cached_property
    def users(self) -> tuple[str, ...]:
        """Everybody the program mentions, in order of appearance."""
        names = (name for op in self.operations for name in (op.user, op.to) if name is not None)
        return tuple(dict.fromkeys(names))
