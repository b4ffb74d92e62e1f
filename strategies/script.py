"""Writing a program down, operation after operation, in the words a target understands.

A `Vocabulary` says once what users of a target can do; a `Script` is a program being written: it numbers connections,
knows whose they are and which have not left, and says each thing in the way the target takes it, over the speaker's
own connection where clients speak for themselves, from the user's backend where a manager is called directly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..fuzzer.core.program import Kind, Operation, Pace
from ..fuzzer.engine.schedule import Deliver
from ..fuzzer.targets.adapter import Target
from ..fuzzer.targets.own import FOR_A_ROOM, FOR_A_USER, Own
from ..fuzzer.targets.traits import WireTraits
from ..fuzzer.targets.wire import DEFAULT_ROOMS, Login

__all__ = ("SPEAKING", "Script", "Speech", "Vocabulary", "of_oneself")

Speech = Kind | Own
"""An operation by which somebody is told something, or one of the target's own."""

SPEAKING: tuple[Kind, ...] = ("emit", "broadcast", "run_agent", "emit_to_thread", "emit_to_room")
"""What users say, the plainest first."""


def of_oneself(speech: Speech) -> bool:
    """Whether the user who does it is the one who is told: then it had better be somebody in particular."""
    own = isinstance(speech, Own) and speech.audience in ("own", "sender")
    return own or speech in ("run_agent", "emit_to_thread")


LEAVING: tuple[Kind, ...] = ("disconnect", "abort", "log_out")


@dataclass(frozen=True)
class Vocabulary:
    """What the users of a target can do; ``users`` is how many there are at most."""

    target: Target
    users: int

    @property
    def by_wire(self) -> bool:
        """Clients speak for themselves, over their own connections."""
        return self.target.traits.by_wire

    @property
    def logs_in(self) -> bool:
        """Whether login is an operation of its own."""
        return self.target.offers("authenticate")

    @property
    def logs_in_again(self) -> bool:
        """Whether a client that has logged in may do so once more."""
        return self.target.traits.logs_in_again and (self.logs_in or self.by_wire)

    def offers(self, kind: Kind) -> bool:
        """Whether an operation means anything to the target."""
        if kind == "log_out" and self.target.traits.policy.logs_out is False:
            return False
        if kind in ("log_out", "cancel") and not self.by_wire:
            return True
        if kind == "run_agent" and not self.by_wire:
            return self.target.offers("emit")
        return kind in ("connect", "disconnect", "abort", "stall", "unstall") or self.target.offers(kind)

    @cached_property
    def speeches(self) -> tuple[Speech, ...]:
        """What can be said, and done besides, the plainest first."""
        return (*(kind for kind in SPEAKING if self.offers(kind)), *self.target.traits.own_operations)

    @cached_property
    def rooms(self) -> tuple[str, ...]:
        """Two rooms, or the one there is, as the target calls them."""
        traits = self.target.traits
        return traits.wire.room_names[:2] if isinstance(traits, WireTraits) else DEFAULT_ROOMS

    def room(self, number: int) -> str:
        """The room of a number, as `Script.user` is the user of one."""
        return self.rooms[number % len(self.rooms)]

    @cached_property
    def enters(self) -> bool:
        """Whether a client connects to a room, and stays there."""
        traits = self.target.traits
        return isinstance(traits, WireTraits) and traits.wire.rooms_at_connect

    @cached_property
    def speaks_elsewhere(self) -> bool:
        """Whether a client that connects to a room can say something in another."""
        traits = self.target.traits
        if not isinstance(traits, WireTraits) or len(self.rooms) < 2:
            return False
        inside, elsewhere = self.rooms[:2]
        return elsewhere in traits.wire.spoken_in(Login("c0", "u0", "", "u0", inside), elsewhere)

    @cached_property
    def in_rooms(self) -> tuple[Speech, ...]:
        """What can be said in rooms that clients join, where they are not in one from connecting on."""
        return self.spoken_in_rooms if self.offers("join") and not self.enters else ()

    @cached_property
    def spoken_in_rooms(self) -> tuple[Speech, ...]:
        """What can be said in rooms, however clients come into them."""
        own = (speech for speech in self.speeches if isinstance(speech, Own) and speech.audience in FOR_A_ROOM)
        return (*(("emit_to_room",) if self.offers("emit_to_room") else ()), *own)

    @cached_property
    def gathers(self) -> bool:
        """Whether nobody can speak but in rooms that clients join: who comes had better go into one."""
        kinds = {speech for speech in self.speeches if not isinstance(speech, Own)}
        return bool(self.in_rooms) and kinds <= {"emit_to_room"}

    @cached_property
    def leaving(self) -> tuple[Kind, ...]:
        """How a client can leave."""
        return tuple(kind for kind in LEAVING if self.offers(kind))

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        """What a client may show besides its own token: what is worth nothing, and other users' tokens."""
        others = tuple(f"u{number}" for number in range(self.users))
        if self.logs_in or (self.by_wire and self.target.traits.checks_identity):
            return ("invalid", "expired", *others)
        return others if self.target.traits.checks_identity else ()

    @cached_property
    def paces(self) -> tuple[Pace, ...]:
        """How a client's link can be, other than plain."""
        if not self.by_wire:
            return ()
        return ("slow", "split", "merged") if self.target.offers("truncate") else ("slow",)


class Script:
    """A program while it is written."""

    def __init__(self, vocabulary: Vocabulary, crowd: int | None = None) -> None:
        self.vocabulary = vocabulary
        self.operations: list[Operation] = []
        self.order: list[int | Deliver] = []
        """The numbers of the operations as they were written, and deliveries between them."""
        self.owners: dict[str, str] = {}
        """connection -> the user it asks to be"""
        self.here: list[str] = []
        """Connections that have not left yet, as far as the script says."""
        self.rooms: dict[str, str] = {}
        """connection -> the room it went into last"""
        self.crowd = crowd if crowd is not None else vocabulary.users
        """How many users this program has."""
        self.gathers = vocabulary.gathers
        """Whether whoever logs in goes into a room at once."""
        self._numbers = 0

    def add(self, kind: Kind, **fields: Any) -> None:
        """Write an operation down."""
        if fields.get("token") == fields.get("user") is not None:
            fields["token"] = "valid"
        operation = Operation(kind, **fields)
        self.operations.append(operation)
        if kind == "join":
            self.rooms[fields["connection"]] = fields["room"]
        self.order.extend(range(self._numbers, self._numbers + operation.times))
        self._numbers += operation.times

    # -- who is there ------------------------------

    def user(self, which: int) -> str:
        """A user, by number; beyond the crowd they are counted from the beginning again."""
        return f"u{which % self.crowd}"

    def connection(self, which: int) -> str:
        """A connection that has not left, by number; a client arrives where there is none."""
        return self.here[which % len(self.here)] if self.here else self.arrive(self.user(which))

    def two(self, one: int, other: int) -> tuple[str, str]:
        """Two such connections, where there are two."""
        first, second = self.connection(one), self.connection(other)
        return first, second if second != first else self.connection(other + 1)

    def of(self, user: str) -> list[str]:
        """The connections of a user that have not left."""
        return [name for name in self.here if self.owners[name] == user]

    def arrive(self, user: str, token: str = "valid", pace: Pace | None = None) -> str:
        """A client connects and logs in; its connection."""
        name = self.connect(user, token, pace)
        self.log_in(name, token)
        return name

    def connect(self, user: str, token: str = "valid", pace: Pace | None = None) -> str:
        """A client connects, and logs in with that where login is no operation of its own; its connection."""
        number = len(self.owners)
        name = f"c{number}"
        self.owners[name] = user
        self.here.append(name)
        room = self._first_room(name) if self.vocabulary.enters else None
        if room is not None:
            self.rooms[name] = room
        token = "valid" if self.vocabulary.logs_in else token
        self.add("connect", connection=name, user=user, token=token, pace=pace, room=room)
        if not self.vocabulary.logs_in:
            self._gather(name, token)
        return name

    def log_in(self, connection: str, token: str = "valid") -> None:
        """A client logs in, where that is an operation of its own."""
        if self.vocabulary.logs_in:
            own = token == self.owners[connection]
            self.add("authenticate", connection=connection, token="valid" if own else token)
            self._gather(connection, token)

    def _first_room(self, connection: str) -> str:
        """The room a client comes into: every third in another one than those who talk to each other."""
        return self.vocabulary.room(int(connection[1:]) % 3 // 2)

    def _gather(self, connection: str, token: str) -> None:
        """Who has logged in joins a room, where nobody hears anything elsewhere."""
        if self.gathers and token in ("valid", self.owners[connection]):
            self.add("join", connection=connection, room=self._first_room(connection))

    def log_in_again(self, connection: str, user: str, token: str = "valid") -> None:
        """A client that has logged in does so once more, as that user."""
        self.owners[connection] = user
        self.add("authenticate", connection=connection, user=user, token=token)

    def leave(self, connection: str, how: Kind) -> None:
        """A client leaves, one way or the other."""
        self.add(how, connection=connection)
        if connection in self.here:
            self.here.remove(connection)

    def speaker_at(self, connection: str) -> int:
        """The number of the speaker that a client is: its connection's, or its user's where a backend speaks for it."""
        return self.here.index(connection) if self.vocabulary.by_wire else int(self.owners[connection][1:])

    def beside(self, user: str, speaker: int) -> int:
        """The number of a speaker other than that user, where clients speak for themselves and there is one."""
        others = [number for number, name in enumerate(self.here) if self.owners[name] != user]
        return others[speaker % len(others)] if self.vocabulary.by_wire and others else speaker

    # -- what is said ------------------------------

    def say(self, speech: Speech, speaker: int, to: int, times: int = 1, *, over: bool = False) -> str:
        """Somebody says something; who it was.

        Clients that speak for themselves do so over the connection of that number; else a user of that number does,
        and with ``over`` an agent is asked for over a connection of that user's, beside the user's other doings.
        """
        if isinstance(speech, Own):
            return self._do(speech, speaker, to, times)
        fields: dict[str, Any] = {"times": times}
        if self.vocabulary.by_wire:
            name = self.connection(speaker)
            user = self.owners[name]
            fields["connection"] = name
        else:
            user = self.user(speaker)
            tabs = self.of(user) if over and speech == "run_agent" else []
            if tabs:
                fields["connection"] = tabs[-1]
        match speech:
            case "emit":
                fields["to"] = self.user(to)
            case "run_agent":
                fields["to"] = user
            case "emit_to_thread":
                fields.update(to=user, thread=self.user(to) if to % 4 else "t0")
            case "emit_to_room":
                fields["room"] = self._spoken_in(fields.get("connection"), to)
        self.add(speech, user=user, **fields)
        return user

    def _spoken_in(self, connection: str | None, to: int) -> str:
        """The room that something is said in: mostly the one that the speaker is in, where that was gone into.

        Always, where it is the one that was connected to, and nothing can be said elsewhere.
        """
        room = self.rooms.get(connection or "")
        if self.vocabulary.enters and room is not None and not self.vocabulary.speaks_elsewhere:
            return room
        mostly = self.gathers or self.vocabulary.enters
        return room if mostly and room is not None and to % 4 < 3 else self.vocabulary.room(to)

    def _do(self, own: Own, speaker: int, to: int, times: int) -> str:
        """Somebody does one of the target's own operations, or the server does; who it was."""
        fields: dict[str, Any] = {"name": own.name, "times": times}
        user = self.user(speaker)
        if own.by == "client":
            tabs = self.here if self.vocabulary.by_wire else self.of(user)
            fields["connection"] = tabs[speaker % len(tabs)] if tabs else self.arrive(user)
            user = self.owners[fields["connection"]]
        if own.by != "server":
            fields["user"] = user
        if own.audience in FOR_A_USER or own.about:
            fields["to"] = self.user(to)
        if own.removes:
            fields["room"] = self.vocabulary.room(to // self.crowd)
        elif own.audience in FOR_A_ROOM:
            fields["room"] = self._spoken_in(fields.get("connection"), to)
        self.add("act", **fields)
        return user

    def everyone_speaks(self, speeches: Sequence[Speech]) -> None:
        """Each user, or each connection, says something to the next."""
        for number in range(len(self.here) if self.vocabulary.by_wire else self.crowd):
            self.say(speeches[number % len(speeches)], number, number + 1)

    def settle(self) -> None:
        """Everything comes to rest."""
        if self.operations and self.operations[-1].kind != "settle":
            self.add("settle")

    def pause(self, seconds: float) -> None:
        """Everything comes to rest, and time goes by."""
        self.add("pause", seconds=seconds)
