"""Which methods of a class fit which operation of an adapter: where the adapter of a manager begins.

By the words in a method's name and by its parameters: a method fits where everything it must be given is there when
the operation is asked for.  For a class that is an adapter already, its methods are checked against the protocol.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ...fuzzer.targets.adapter import Adapter
from .interface import READ, Member, Sort, members

__all__ = ("OPERATIONS", "Fit", "Fitting", "fitting", "unused")

SEND = "send emit push publish deliver notify dispatch"
ROOM = "room rooms group channel topic"
ANYBODY = "all everyone everybody broadcast"

CLIENT = {
    "client": "client",
    "user user_id username uid identity": "client.user",
    "websocket ws socket sock": "client.websocket",
    "id connection_id conn_id client_id session_id sid": "client.id",
    "token access_token credentials": "client.token",
}
EVENT = {
    "event message msg payload text content body": "event.payload",
    "data": "event.data",
    "type event_type message_type kind event_name": "event.type",
    "user user_id username uid to to_user recipient recipient_id target target_user": "event.to",
    "sender from_user sender_id author": "event.sender",
    "run run_id": "event.run",
    ROOM + " room_id group_id channel_id room_name": "event.room",
    "thread thread_id": "thread",
}
USER = {"user user_id username uid": "user"}


USED: dict[Sort, str] = {
    "async": "await ",
    "async iterator": "async for ... in ",
    "context manager": "with ",
    "async context manager": "async with ",
}
"""What stands before a call, by how its method is used."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An operation of an adapter.

    ``words``: a method for it has one of the words of each group in its name, and none of ``without``; ``given``: names
    of parameters, and what stands for them in the adapter; ``parameters``: those of the adapter's own method.
    """

    words: tuple[str, ...]
    given: Mapping[str, str]
    parameters: tuple[str, ...]
    without: str = ""


OPERATIONS: dict[str, Asked] = {
    "connect": Asked(("connect add register attach accept",), CLIENT, ("client",), f"{ROOM} job thread handler is"),
    "authenticate": Asked(("authenticate login auth verify validate",), CLIENT, ("client", "token")),
    "emit": Asked((SEND,), EVENT, ("event",), f"{ROOM} {ANYBODY} thread critical connection job"),
    "emit_critical": Asked((SEND, "critical event"), EVENT, ("event",), f"{ROOM} {ANYBODY} thread"),
    "emit_to_thread": Asked((SEND, "thread"), EVENT, ("event", "thread")),
    "emit_to_room": Asked((SEND + " broadcast", ROOM), EVENT, ("event",)),
    "broadcast": Asked((ANYBODY,), EVENT, ("event",), f"{ROOM} thread get cleanup clean close disconnect stop"),
    "join": Asked(("join enter subscribe",), {**CLIENT, ROOM: "room"}, ("client", "room")),
    "leave": Asked(("leave exit unsubscribe",), {**CLIENT, ROOM: "room"}, ("client", "room")),
    "disconnect": Asked(
        ("disconnect remove unregister detach",), CLIENT, ("client",), f"{ROOM} job all thread handler"
    ),
    "log_out": Asked(("logout signout",), CLIENT, ("client",)),
    "expire": Asked(("expire revoke invalidate",), CLIENT, ("client",)),
    "clean_up": Asked(("cleanup clear close kick disconnect", "user all connections"), USER, ("user",), "error data"),
    "registry": Asked(
        ("connections clients websockets sessions registry",), USER, (), "is has wait close cleanup clear"
    ),
    "is_active": Asked(("is has", "active connected online present connection connections"), USER, ("user",)),
    "start": Asked(("start startup setup",), {}, (), "task"),
    "shut_down": Asked(("shutdown stop close aclose",), {}, (), "user connection connections task monitoring"),
}
"""The operations of an adapter."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A method that may serve an operation.

    ``call`` is what the adapter would say; ``lacks`` names the parameters for which nothing is at hand.
    """

    operation: str
    method: str
    call: str
    lacks: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.call + (f", with {' and '.join(self.lacks)} of your own" if self.lacks else "")


@dataclass(frozen=True, slots=True)
class Fitting:
    """A class beside the protocol: the fits of every operation, the best first, and the methods that fit none."""

    fits: dict[str, tuple[Fit, ...]]
    rest: tuple[str, ...]
    faults: tuple[str, ...] = ()


def fitting(owner: type) -> Fitting:
    """Lay a class beside the adapter protocol."""
    if issubclass(owner, Adapter):
        return _checked(owner)
    known = members(owner)
    fits = {
        name: tuple(sorted(_fits(name, asked, known), key=lambda fit: (len(fit.lacks), len(fit.method), fit.method)))
        for name, asked in OPERATIONS.items()
    }
    used = {fit.method for found in fits.values() for fit in found}
    return Fitting(fits, tuple(name for name in known if name not in used))


def _fits(operation: str, asked: Asked, known: Mapping[str, Member]) -> Iterator[Fit]:
    for member in known.values():
        words = set(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", member.name).lower().replace("clean_up", "cleanup").split("_"))
        words |= {"logout"} if {"log", "out"} <= words else set()
        words |= {"shutdown"} if {"shut", "down"} <= words else set()
        if words & set(asked.without.split()) or not all(words & set(group.split()) for group in asked.words):
            continue
        if member.sort in READ:
            if operation in ("registry", "is_active"):
                yield Fit(operation, member.name, f"manager.{member.name}")
            continue
        names = {name: said for names, said in asked.given.items() for name in names.split()}
        lacks, arguments = [], []
        unsaid = [parameter.name for parameter in member.parameters if parameter.name not in names]
        if unsaid and all(parameter.how in ("*", "**") for parameter in member.parameters):
            lacks, arguments = unsaid, ["..."]  # it takes anything, as what a decorator makes of it does
        for parameter in member.parameters:
            if parameter.name in names:
                said = names[parameter.name]
                arguments.append(f"{parameter.name}={said}" if parameter.how == "name" else said)
            elif not parameter.optional and parameter.how not in ("*", "**"):
                lacks.append(parameter.name)
                arguments.append("...")
        call = f"{USED.get(member.sort, '')}manager.{member.name}({', '.join(arguments)})"
        yield Fit(operation, member.name, call, tuple(lacks))


def _checked(owner: type) -> Fitting:
    """An adapter: which operations it has, and what is wrong with its methods."""
    known = members(owner)
    fits: dict[str, tuple[Fit, ...]] = dict.fromkeys(OPERATIONS, ())
    faults = []
    for name, asked in OPERATIONS.items():
        member = known.get(name)
        if member is None or getattr(getattr(owner, name), "__isabstractmethod__", False):
            continue
        given = len(asked.parameters)
        needed = [p for p in member.parameters if not p.optional and p.how in ("", "/")]
        most = len([p for p in member.parameters if p.how in ("", "/")])
        starred = any(p.how == "*" for p in member.parameters)
        if member.sort not in ("sync", "async") or len(needed) > given or (most < given and not starred):
            faults.append(f"{name}{member.called_with} is called as {name}({', '.join(asked.parameters)})")
        else:
            fits[name] = (Fit(name, name, f"{name}({', '.join(asked.parameters)})"),)
    missing = sorted(getattr(owner, "__abstractmethods__", ()))
    faults += [f"{name} is missing, and every adapter has it" for name in missing]
    rest = unused(owner)
    for name in rest:
        close = difflib.get_close_matches(name, OPERATIONS, 1, 0.75)
        if close and close[0] not in known:
            faults.append(f"{name} is no operation: did you mean {close[0]}?")
    return Fitting(fits, rest, tuple(faults))


def unused(owner: type) -> tuple[str, ...]:
    """The public members of an adapter that are neither operations nor the base class's."""
    return tuple(name for name in members(owner) if name not in OPERATIONS and not hasattr(Adapter, name))
