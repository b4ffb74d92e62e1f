"""How a target is plugged in: the adapter a user writes, and what the engine hands to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol
from zlib import crc32

from ..core.choices import Backend
from .own import Own, declared_in
from .policy import Limits, Policy, policy_of
from .state import Keeping
from .websocket import FakeWebSocket

__all__ = ("CALLED_WITH", "SAYING", "Adapter", "Client", "Event", "Limits", "Policy", "Target", "Traits")

CALLED_WITH: dict[str, tuple[str, ...]] = {
    "connect": ("client",),
    "emit": ("event",),
    "disconnect": ("client",),
    "authenticate": ("client", "token"),
    "broadcast": ("event",),
    "clean_up": ("user",),
    "emit_critical": ("event",),
    "emit_to_room": ("event",),
    "emit_to_thread": ("event", "thread"),
    "expire": ("client",),
    "is_active": ("user",),
    "join": ("client", "room"),
    "leave": ("client", "room"),
    "log_out": ("client",),
    "registry": (),
    "shut_down": (),
    "start": (),
}
"""What an adapter's methods are called with; those after the first three are optional, and each adds operations to the
programs, or checks to the model."""

SAYING = frozenset({"emit", "broadcast", "emit_critical", "emit_to_room", "emit_to_thread"})
"""By which users speak: one of them with an empty body is not there, rather than one that loses everything."""


@dataclass(slots=True, weakref_slot=True, eq=False)
class Client:
    """One simulated connection, as the server sees it.

    ``user`` is whom the client asks to be; ``token`` what it shows (``token-u0``, ``invalid``, ``expired-u0``);
    ``identity`` whom the token belongs to, or None where it is worth nothing.
    Equal only to itself, but hashes the same in every run, so that sets of clients keep their order.
    """

    id: str
    user: str
    token: str
    identity: str | None
    websocket: FakeWebSocket
    state: dict[str, Any] = field(default_factory=dict)

    def __hash__(self) -> int:
        return crc32(self.id.encode())


@dataclass(frozen=True, slots=True)
class Event:
    """Something emitted: pass ``payload`` (JSON-able, carries the id) through the target to the user ``to``.

    Or to the members of ``room``, or, where neither is said, to everybody.  Where a frame has the payload's other
    fields beside the id, they must be this event's.
    """

    id: str
    type: str
    sender: str
    to: str | None
    run: str | None = None
    room: str | None = None

    @property
    def text(self) -> str:
        return f"said in {self.id.removeprefix('cw-')}"

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = {"event_id": self.id, "from": self.sender, "text": self.text}
        if self.to is not None:
            data["to"] = self.to
        if self.room is not None:
            data["room"] = self.room
        if self.run is not None:
            data["run_id"] = self.run
        return data

    @property
    def payload(self) -> dict[str, Any]:
        return {"type": self.type, **self.data}


class Adapter(ABC):
    """What the engine knows of a target.  Subclass it; it is made anew, without arguments, for every execution.

    Methods may be plain or ``async``; returning False means "refused" (connect) or "not delivered" (emit), raising
    means failed.  Besides `connect`, `disconnect` and `emit`, any of these may be defined; where users speak by them
    alone, `emit` may be left out:

    * ``authenticate(client, token) -> user id``: login is a step of its own; says who the connection is now.
    * ``broadcast(event)``, ``emit_to_thread(event, thread)``, ``emit_critical(event)`` (one of the five agent events).
    * ``join(client, room)``, ``leave(client, room)``, ``emit_to_room(event)``: rooms, of any users; the event is for
      ``event.room``.
    * ``log_out(client)``: the user leaves, the socket stays open (without it `disconnect` is called).
    * ``expire(client)``: the client's token ends now.  ``clean_up(user)``: close all of a user's connections.
    * ``registry() -> connections`` (clients, their websockets or ids) and ``is_active(user) -> bool``: what the target
      believes at rest.  ``start()`` and ``shut_down()``: around its life.

    What its users do besides is said by methods of any name that are marked as an `operation`.
    """

    policy: ClassVar[Policy] = policy_of(Limits())
    """What the target does on purpose; what is not declared is promised strictly."""
    limits: ClassVar[Limits] = Limits()
    """The part of the policy that came first, for those who declare no more."""
    offline_delivery: ClassVar[bool] = False
    """An event for an absent user is kept and delivered, in order, on the user's next connection.

    A policy's ``kept`` says more: on that one only, or on each.
    """
    checks_identity: ClassVar[bool] = False
    """Connect is given tokens too: programs try other users' tokens, and `Client.identity` may differ from the user."""
    logs_in_again: ClassVar[bool] = False
    """`authenticate` may be called again, also for another user (then `Client.user`), and also after a `log_out`."""
    disconnect_overlaps: ClassVar[bool] = False
    """The application may call disconnect while connect of the same client is still under way."""
    by_wire: ClassVar[bool] = False
    """Clients speak for themselves, over their own connections; an adapter is spoken to directly."""
    own_operations: ClassVar[tuple[Own, ...]] = ()
    """What the methods marked as an `operation` declare."""
    backends: ClassVar[tuple[Backend, ...]] = ()
    """The libraries whose tasks the target can be run as, ``("asyncio", "trio")`` say, the first where nobody chooses.

    Where nothing is said, what its module imports tells: trio, anyio (both), anything else (asyncio).
    """
    _marked: ClassVar[Mapping[str, tuple[Own, str]]] = {}
    """The same by name, with the method's name."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """One policy, in whichever way the class declares it."""
        super().__init_subclass__(**kwargs)
        cls._marked = declared_in(cls)  # once: executions ask for it
        cls.own_operations = tuple(own for own, _ in cls._marked.values())
        declared = vars(cls)
        if "policy" in declared:
            cls.policy = policy_of(cls.policy, declared.get("offline_delivery", False))
        elif "limits" in declared:
            cls.policy = policy_of(cls.limits, cls.offline_delivery)
        elif "offline_delivery" in declared:
            cls.policy = policy_of(replace(cls.policy, kept="no"), cls.offline_delivery)
        cls.offline_delivery = cls.policy.kept != "no"

    @classmethod
    def offers(cls, method: str) -> bool:
        """Whether a method is there, and one by which users speak does something.

        Of ``act``, whether any is marked as an `operation`.
        """
        if method == "act":
            return bool(cls.own_operations)
        there = getattr(cls, method, None)
        return callable(there) and not (method in SAYING and _is_empty(there))

    @classmethod
    def marked(cls, name: str | None) -> tuple[Own | None, str]:
        """The operation of its own that has this name, and its method; (None, "") where there is none."""
        return cls._marked.get(name or "", (None, ""))

    @abstractmethod
    def connect(self, client: Client) -> Any:
        """A client arrives, asking to be ``client.user``."""

    @abstractmethod
    def disconnect(self, client: Client) -> Any:
        """The server has noticed that this client is gone."""

    def emit(self, event: Event) -> Any:  # noqa: B027 - what does nothing is not offered
        """Send an event to all connections of user ``event.to``; needed unless users speak in another way alone."""


class Traits(Protocol):
    """What is known of a target before it is made: what it promises, and which operations make sense with it."""

    @property
    def limits(self) -> Limits | Policy: ...

    @property
    def policy(self) -> Policy: ...

    @property
    def offline_delivery(self) -> bool: ...

    @property
    def checks_identity(self) -> bool: ...

    @property
    def logs_in_again(self) -> bool: ...

    @property
    def by_wire(self) -> bool: ...

    @property
    def own_operations(self) -> tuple[Own, ...]: ...

    def offers(self, method: str) -> bool:
        """Whether an operation, named as the method of an `Adapter`, can be used."""


@dataclass(frozen=True)
class Target:
    """A named, constructible system under test: an adapter's class, or an application with its wire.

    ``create`` makes what an execution is run against; ``state`` keeps executions apart.
    """

    name: str
    create: Callable[[], Any]
    traits: Traits
    description: str = ""
    state: Keeping = field(default_factory=Keeping, compare=False, repr=False)
    backend: Backend = "asyncio"
    """Which library's tasks it is run as."""
    backends: tuple[Backend, ...] = ("asyncio",)
    """Those it can be run as."""
    behind: Callable[..., Target] | None = field(default=None, compare=False, repr=False)
    """The same application, called with another ``via=`` (`VIA`)."""
    kept_by: str = ""
    """What keeps it on asyncio, where that is not its own code, in words that asyncio's servers follow."""

    def offers(self, method: str) -> bool:
        return self.traits.offers(method)

    def own(self, name: str | None) -> Own | None:
        """What is declared of an operation of the target's own; None where there is none of that name."""
        return next((own for own in self.traits.own_operations if own.name == name), None)


def _nothing() -> None: ...


def _nothing_said() -> None:
    """Nothing, and says so."""


async def _no_wait() -> None: ...


async def _no_wait_said() -> None:
    """Nothing, and says so."""


EMPTY = frozenset(function.__code__.co_code for function in (_nothing, _nothing_said, _no_wait, _no_wait_said))


def _is_empty(method: object) -> bool:
    """Whether a method's body is ``pass``, ``...`` or a docstring alone."""
    code = getattr(method, "__code__", None)
    return code is not None and code.co_code in EMPTY and set(map(type, code.co_consts)) <= {str, type(None)}


def registered(entries: Iterable[object]) -> tuple[str, ...]:
    """The connections a target's registry names, by id, sorted; each entry a client, a websocket or an id."""
    names = set()
    for entry in entries:
        if isinstance(entry, Client):
            names.add(entry.id)
        elif isinstance(entry, FakeWebSocket):
            names.add(entry.name)
        else:
            names.add(str(entry))
    return tuple(sorted(names))
