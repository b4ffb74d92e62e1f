"""A server of the user's, started afresh for each round: what a bug has damaged stays damaged in its process."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress

import anyio

from ..core.errors import UsageError
from ..core.text import cut, plain
from .link import Address

__all__ = ("Server", "listens")

STARTS_WITHIN = 30.0
"""Seconds."""

ENDS_WITHIN = 5.0
"""Seconds that it has after SIGTERM."""

LAST_WORDS = 300
"""Characters of what it printed that are shown where it does not start."""


def listens(address: Address) -> bool:
    """Whether somebody listens there."""
    with socket.socket(address.family) as sock:
        sock.settimeout(2.0)
        return sock.connect_ex(address.sockaddr) == 0


class Server:
    """One process of the server, with its children."""

    def __init__(self, command: str, address: Address) -> None:
        self._command, self._address = command, address
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise UsageError(f"--start {cut(command, 100)!r}: {error}") from None
        if not words:
            raise UsageError("--start needs a command")
        if listens(address):
            raise UsageError(f"somebody listens at {address.host} already: --start needs the port for itself")
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - for as long as the server runs
        try:
            self._process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=self._output, stderr=self._output, start_new_session=True
            )
        except OSError as error:
            self._output.close()
            raise UsageError(f"--start {cut(command, 100)!r}: {error.strerror}") from None

    async def until_it_listens(self) -> None:
        """Wait for its port; raises `UsageError` where it ends before, or takes too long."""
        ends = time.monotonic() + STARTS_WITHIN
        while not listens(self._address):
            code = self._process.poll()
            if code is not None or time.monotonic() > ends:
                what = f"ended with {code}" if code is not None else f"does not listen after {STARTS_WITHIN:g} s"
                raise UsageError(f"--start {cut(self._command, 100)!r} {what}: {self._last_words()}")
            await anyio.sleep(0.05)

    @property
    def ended(self) -> int | None:
        """The code with which it has ended by itself; None while it runs."""
        return self._process.poll()

    def _last_words(self) -> str:
        size = self._output.seek(0, os.SEEK_END)
        self._output.seek(max(0, size - LAST_WORDS))
        return plain(" ".join(self._output.read().decode("utf-8", "replace").split())) or "it said nothing"

    def end(self) -> None:
        """End it and its children: asked to first, then without asking."""
        for number in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
            with suppress(OSError):
                os.killpg(self._process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(ENDS_WITHIN)
                break
        with suppress(OSError):  # children that outlived it
            os.killpg(self._process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        self._output.close()
