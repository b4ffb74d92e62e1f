"""Where the server is, and whether it may be stressed: this machine alone, unless another is named.

The address that was checked is the one that is connected to: a name is looked up once.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass, replace
from urllib.parse import SplitResult, urlsplit

from ..core.errors import UsageError
from ..core.text import cut
from ..targets.applications import WIRES, wire_at
from ..targets.json_wire import JsonWire
from ..targets.wire import Wire
from .link import Address
from .tls import context_for

__all__ = ("REMOTE_CLIENTS", "REMOTE_RATE", "Spot", "descriptors_for", "look_up", "wire_for")

REMOTE_CLIENTS, REMOTE_RATE = 100, 200.0
"""Clients at a time, and events a second, that a server on another machine is asked to bear at most."""

SPARE = 64
"""File descriptors of this process's own."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A server's address, whether it is on this machine, and the path that its URL names."""

    address: Address
    local: bool
    path: str


def look_up(url: str, allowed: str | None, insecure: bool = False) -> Spot:
    """Look a server up; ``insecure``: whatever certificate it shows.

    Raises `UsageError` where it may not be stressed, or there is no such place.
    """
    shown = repr(cut(url, 100))
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "wss" else 80)
    except ValueError as error:
        raise UsageError(f"{shown} is no URL: {error}") from None
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise UsageError(f"{shown}: name a server as ws://127.0.0.1:8000/ws, or wss://")
    if insecure and parts.scheme == "ws":
        raise UsageError(f"{shown} has no certificate that --insecure could leave unchecked: say wss://")
    host = parts.hostname
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"{shown}: {host!r} is not known ({getattr(error, 'strerror', None) or error})") from None
    family, _, _, _, sockaddr = found[0]
    if any(ipaddress.ip_address(str(one[4][0]).partition("%")[0]).is_unspecified for one in found):
        raise UsageError(f"{shown}: {host} is where servers listen; name where clients connect to, 127.0.0.1")
    local = all(ipaddress.ip_address(str(one[4][0]).partition("%")[0]).is_loopback for one in found)
    if not local and allowed != host:
        raise UsageError(
            f"{host} is another machine: stress what is yours, and say so with --allow-remote {host}"
            + (f" (and not {allowed})" if allowed is not None else "")
        )
    tls = context_for(insecure) if parts.scheme == "wss" else None
    return Spot(Address(family, sockaddr, parts.netloc.rpartition("@")[2], tls, host), local, _path(parts))


def _path(parts: SplitResult) -> str:
    return parts.path + (f"?{parts.query}" if parts.query else "")


def wire_for(name: str, spot: Spot, url: str) -> Wire:
    """Return the wire of that name, at the path that the URL names; raises `UsageError`.

    A wire of the user's own has a path, with which the URL's may begin.
    """
    if name not in WIRES:
        wire = wire_at(url, name)
        path = getattr(wire, "path", None)
        if spot.path not in ("", "/") and isinstance(path, str) and not path.startswith(spot.path):
            raise UsageError(f"the URL says {spot.path}, and the wire {name} asks for {path}: leave one of them out")
        return wire
    wire = WIRES[name]
    if spot.path not in ("", "/") and isinstance(wire, JsonWire):
        return replace(wire, path=spot.path)
    return wire


def descriptors_for(clients: int) -> None:
    """See that there are file descriptors for so many clients, and for those that come and go beside them.

    Raises `UsageError` where the limit is lower, and cannot be raised.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    needed = clients * 2 + SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard == resource.RLIM_INFINITY or hard >= needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
        return
    raise UsageError(f"{clients} clients need {needed} file descriptors, and the limit is {hard}: ulimit -n {needed}")
