"""The inside of a child process: set up so that whatever the target does to it can be told from outside."""

from __future__ import annotations

import faulthandler
import io
import multiprocessing
import os
import pickle
import select
import signal
import sys
import threading
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from ..core.errors import CrosswireError
from ..core.processes import own_number
from .beginning import let_go
from .messages import EXHAUSTED, HEADER, Done, Exhausted, Job, Started, packed

__all__ = ("begin",)

DIES_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of Linux' prctl(2)."""

WAKING = 1.0
"""Real seconds between two beats while there is nothing to do."""

ROOM = 2
"""How many times the memory it may hold a process can ask for before it is refused any (RLIMIT_DATA)."""


class _Line:
    """The child's end of the pipes."""

    def __init__(self, tell: Connection, asked: Connection, pulse: Any) -> None:
        self._tell = tell.fileno()
        self._asked = asked.fileno()
        self._ends = tell, asked
        self._pulse = pulse

    def tell(self, message: object) -> None:
        data = memoryview(packed(message))
        while data:
            data = data[_write(self._tell, data) :]

    def asked(self) -> object | None:
        while not select.select([self._asked], [], [], WAKING)[0]:
            self.beat()
        header = self._read(HEADER.size)
        if not header:
            return None
        (size,) = HEADER.unpack(header)
        message: object = pickle.loads(self._read(size))  # from whoever started this process
        return message

    def ready(self) -> bool:
        return bool(select.select([self._asked], [], [], 0)[0])

    def _read(self, size: int) -> bytes:
        buffer = io.BytesIO()
        while (left := size - buffer.tell()) > 0 and (data := _read(self._asked, left)):
            buffer.write(data)
        return buffer.getvalue()

    def beat(self) -> None:
        self._pulse[0] += 1

    def begun(self) -> None:
        self._pulse[0] += 1
        self._pulse[1] = 1

    def at_leisure(self) -> None:
        self._pulse[0] += 1
        self._pulse[1] = 0


_read, _write = os.read, os.write


def begin(
    job: Job,
    tell: Connection,
    asked: Connection,
    say: Connection,
    fault: Connection,
    pulse: Any,
    memory: int,
    by_main: bool,
) -> None:
    """Set the process up, do the job, and end without running anything of the target's that waits for the end."""
    let_go({end.fileno() for end in (tell, asked, say, fault)})
    _by_itself(say, fault, by_main)
    _bounded(memory)
    line = _Line(tell, asked, pulse)
    leave = os._exit
    _named(fault)
    done, exhausted = Done(), packed(Exhausted())
    try:
        line.tell(Started())
        job.run(line)
    except CrosswireError as error:
        done = Done(error=error)
    except MemoryError:
        with suppress(OSError):
            _write(tell.fileno(), exhausted)
        leave(EXHAUSTED)
    except BaseException as error:  # what a target raised where nobody expected it, or a fault of ours: told, not shown
        with suppress(Exception):
            done = Done(fault="".join(traceback.format_exception(error, limit=-12))[-8000:])
        done = done if done.fault else Done(fault=type(error).__name__)
    try:
        line.tell(done)
    finally:
        leave(0)


def _by_itself(say: Connection, fault: Connection, by_main: bool) -> None:
    """Stand apart: own process group, nothing to read, what is printed and what goes wrong to the parent."""
    if hasattr(os, "setpgid"):
        with suppress(OSError):
            os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(say.fileno(), 1)
    os.dup2(say.fileno(), 2)
    faulthandler.enable(file=fault.fileno())
    parent = multiprocessing.parent_process()
    assert parent is not None
    if not (by_main and _dies_with(parent.pid)):
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


def _dies_with(parent: int | None) -> bool:
    """Have the kernel end this process with the thread that started it, whatever holds the interpreter; if it can."""
    if sys.platform != "linux":
        return False
    try:
        import ctypes

        prctl = ctypes.CDLL(None).prctl
        refused = prctl(DIES_WITH_PARENT, signal.SIGKILL)
    except (ImportError, OSError, AttributeError):
        return False
    if os.getppid() != parent:
        os._exit(1)
    os.register_at_fork(after_in_child=lambda: prctl(DIES_WITH_PARENT, signal.SIGKILL))  # it is not inherited
    return not refused


def _follow(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def _bounded(memory: int) -> None:
    """Refuse memory far beyond what the process may hold, and leave no core files."""
    try:
        import resource
    except ImportError:
        return
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError, ValueError):
        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        most = memory * ROOM << 20
        if soft == resource.RLIM_INFINITY or soft > most:
            resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def _named(fault: Connection) -> None:
    """Have a process that ends itself say where it did."""
    leave, own = os._exit, own_number()

    def named(status: int) -> Any:
        if own_number() == own:  # what was forked from it ends like this, and means no harm
            with suppress(Exception):
                faulthandler.dump_traceback(file=fault.fileno(), all_threads=False)
        leave(status)

    os._exit = named
