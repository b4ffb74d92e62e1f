"""Which lines of the target's own code executions run: the code signal of coverage-guided search, and what was reached.

By `sys.monitoring` (PEP 669, Python 3.12 and later), which switches a line's event off once it was seen, so that the
signal costs nothing where there is nothing new.  Elsewhere, and where another tool holds every identifier, there is
none, and the order signal is all there is; what is reached is then seen by ``sys.settrace``, in one execution of some.

What a process does once, when a module is imported lazily or a cache is filled, must not count: rounds would depend on
which of them the process had run before.  So a new line counts only if the same schedule runs it again the second time.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident
from types import CodeType, FrameType
from typing import Any

import hypothesis

from ..core.source import LineAt
from ..core.stacks import is_own
from ..world.lockstep import member_here

__all__ = ("SAMPLE", "SEES_ALL", "Paths")

SEES_ALL = hasattr(sys, "monitoring")
"""Whether every execution is looked at."""

SAMPLE = 16
"""Where not, so many executions go by for one that is, which takes a few times as long."""

TOOLS = (4, 3, 5)
"""Identifiers that PEP 669 leaves to whoever comes, and the one of optimisers."""

HERE = Path(__file__).parents[2]

ENGINE = tuple(str(HERE / room) + os.sep for room in ("fuzzer", "strategies", "models/isolation"))

GENERATOR = str(Path(hypothesis.__file__).parent) + os.sep

LIBRARY = tuple({sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib")})

INSTALLED = tuple({sysconfig.get_path(name) + os.sep for name in ("purelib", "platlib")})


def of_target(file: str) -> bool:
    """Whether a file's lines are the target's or of a library it uses; the same ones wherever these are installed."""
    if file.startswith(("<", GENERATOR, *ENGINE)):
        return False
    return file.startswith(INSTALLED) or not file.startswith(LIBRARY)


class Paths:
    """The lines run so far, by all executions of a round."""

    def __init__(self) -> None:
        self.reached: set[LineAt] = set()
        """Those of the target's own, without libraries'."""
        self._runs = 0
        self._known: set[LineAt] = set()
        self._fresh: set[LineAt] = set()
        self._own: dict[str, bool] = {}
        self._watching = False
        self._thread = get_ident()
        self._monitoring: Any = getattr(sys, "monitoring", None)

    @contextmanager
    def session(self) -> Iterator[None]:
        """Hold the interpreter's line events; without them, nothing is ever new."""
        monitoring = self._monitoring
        tool = next((t for t in TOOLS if monitoring.get_tool(t) is None), None) if monitoring is not None else None
        if tool is None:
            yield
            return
        line = monitoring.events.LINE
        monitoring.use_tool_id(tool, "crosswire")
        monitoring.register_callback(tool, line, self._line)
        monitoring.set_events(tool, line)
        monitoring.restart_events()
        try:
            yield
        finally:
            monitoring.set_events(tool, 0)
            monitoring.register_callback(tool, line, None)
            monitoring.free_tool_id(tool)

    def _line(self, code: CodeType, number: int) -> Any:
        name = code.co_filename
        own = self._own.get(name)
        if own is None:
            own = self._own[name] = of_target(name)
        line = (name, number)
        if not own or line in self._known:
            return self._monitoring.DISABLE
        if self._watching and (get_ident() == self._thread or member_here() is not None):
            self._fresh.add(line)
        return None

    def _watch(self, run: Callable[[], object]) -> set[LineAt]:
        self._fresh = set()
        self._watching = True
        try:
            run()
        finally:
            self._watching = False
        return self._fresh

    def watched(self, run: Callable[[], Any], again: Callable[[Any], object]) -> tuple[Any, Iterable[LineAt]]:
        """Call ``run``; its result, and the new lines that calling ``again`` with that runs too."""
        results: list[Any] = []
        self._runs += 1
        if not SEES_ALL and self._runs % SAMPLE == 1:
            with _traced(self.reached):
                return run(), ()
        fresh = self._watch(lambda: results.append(run()))
        (result,) = results
        self.reached.update(line for line in fresh if is_own(line[0]))
        if not fresh:
            return result, ()
        lasting = fresh & self._watch(lambda: again(result))
        self._known |= fresh
        return result, lasting


@contextmanager
def _traced(reached: set[LineAt]) -> Iterator[None]:
    """Add the lines of the target's own that this thread runs, and threads that are started meanwhile."""

    def local(frame: FrameType, event: str, argument: object) -> Any:
        if event == "line":
            reached.add((frame.f_code.co_filename, frame.f_lineno))
        return local

    def entered(frame: FrameType, event: str, argument: object) -> Any:
        return local if is_own(frame.f_code.co_filename) else None

    before = sys.gettrace()
    if before is not None:  # a debugger, or another tool that measures what runs
        yield
        return
    of_threads = threading.gettrace()
    threading.settrace(entered)
    sys.settrace(entered)
    try:
        yield
    finally:
        sys.settrace(None)
        threading.settrace(of_threads)
