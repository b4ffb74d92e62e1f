"""The sockets and pipes that a target makes in a world, and which of them are left when an execution is over."""

from __future__ import annotations

import contextlib
import os
import socket
import weakref
from typing import Any

from .insocket import InSocket

__all__ = ("Sockets",)


class Sockets:
    """What `gate_sockets` asks of a world; mixed into each whose sockets are its own."""

    in_sockets: dict[int, InSocket]
    """descriptor -> socket, of all that were made in this execution"""
    local: dict[int, None]
    """Descriptors of pipes and of pairs of local sockets that were made in this execution: the kernel's own."""

    def sockets_clear(self) -> None:
        """Forget every socket, and close what the execution before left open."""
        for state in getattr(self, "in_sockets", {}).values():
            state.closed = True
        self.in_sockets = {}
        for known in getattr(self, "socket_objects", ()):
            left = known()
            if left is not None:
                left.close()
        for fd, inode in getattr(self, "pipes", ()):
            with contextlib.suppress(OSError):
                if os.fstat(fd).st_ino == inode:
                    os.close(fd)
        self.socket_objects: list[weakref.ref[socket.socket]] = []
        self.pipes: list[tuple[int, int]] = []
        self.local = {}

    def made_socket(self: Any, made: socket.socket) -> None:
        """A socket object was made in this world: with a descriptor of its own, or for one that was accepted."""
        fd = made.fileno()
        if fd not in self.in_sockets:
            self.in_sockets[fd] = InSocket(self, fd)
        known = self.in_sockets[fd].made = weakref.ref(made)
        self.socket_objects.append(known)

    def closed_socket(self, fd: int) -> None:
        """A socket object is closed for good."""
        state = self.in_sockets.pop(fd, None)
        if state is not None:
            state.close()

    def made_pipe(self, ends: tuple[int, int]) -> None:
        """A pipe was made in this world; who forgets to close it has it closed afterwards."""
        self.pipes.extend((fd, os.fstat(fd).st_ino) for fd in ends)
        self.local.update(dict.fromkeys(ends))

    def fd_changed(self, fd: int) -> None:
        """Something has come in at a descriptor, or there is room."""
        raise NotImplementedError
