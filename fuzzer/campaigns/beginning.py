"""How processes begin that run a target's code: with everything imported anew, or forked from one that has it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import stat
import sys
import threading
import warnings
from contextlib import suppress
from multiprocessing.context import ForkContext, SpawnContext
from multiprocessing.process import BaseProcess
from typing import Literal, TextIO

__all__ = ("fork_from_here", "in_main_thread", "let_go", "processes", "start")

Method = Literal["spawn", "fork"]

method: Method = "spawn"
"""How the next process is started."""

HELD_BACK: tuple[signal.Signals, ...] = (signal.SIGINT, signal.SIGTERM) if hasattr(signal, "pthread_sigmask") else ()
"""Signals that a process must not get before it has said what it does about them."""


def fork_from_here() -> None:
    """Have processes forked from this one, which saves their imports; on Linux, elsewhere it is not sound.

    For a program that takes up no target itself, and whose hash seed is pinned.
    """
    global method
    if sys.platform == "linux":
        method = "fork"


def processes() -> SpawnContext | ForkContext:
    """Return what makes processes, and what they share."""
    return multiprocessing.get_context("fork") if method == "fork" else multiprocessing.get_context("spawn")


def start(process: BaseProcess) -> None:
    """Start a process, which gets no signal meant for whoever started it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK) if HELD_BACK else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of other threads: a child waits for none of them
            process.start()
    finally:
        if before is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def let_go(ends: set[int]) -> None:
    """In a process that was forked: let go of what is its parent's, which is open files and standard streams.

    ``ends`` are the descriptors that it keeps.  Files give way to the null device, so that closing one late closes
    nothing else.  Processes that it starts import everything anew: from here on there is a target in this one.
    """
    global method
    if method != "fork":
        return
    method = "spawn"
    nothing = os.open(os.devnull, os.O_RDWR)
    for name in os.listdir("/proc/self/fd"):
        number = int(name)
        with suppress(OSError):
            if number > 2 and number not in ends and stat.S_ISREG(os.fstat(number).st_mode):
                os.dup2(nothing, number, inheritable=False)
    os.close(nothing)
    sys.stdout = sys.__stdout__ = _stream(1)  # type: ignore[misc,assignment]
    sys.stderr = sys.__stderr__ = _stream(2)  # type: ignore[misc,assignment]


def _stream(number: int) -> TextIO:
    return open(number, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)
