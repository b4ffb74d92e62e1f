"""Which lines of the target's own code an execution runs: the code signal of coverage-guided search.

By `sys.monitoring` (PEP 669, Python 3.12 and later), which switches a line's event off once it was seen, so that the
signal costs nothing where there is nothing new.  Elsewhere, and where another tool holds every identifier, there is
none, and the order signal is all there is.

What a process does once, when a module is imported lazily or a cache is filled, must not count: rounds would depend on
which of them the process had run before.  So a new line counts only if the same schedule runs it again the second time.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident
from types import CodeType
from typing import Any

import hypothesis

from ..world.lockstep import member_here

__all__ = ("Line", "Paths")

Line = tuple[str, int]
"""A file and a line in it."""

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
        self._known: set[Line] = set()
        self._fresh: set[Line] = set()
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

    def _watch(self, run: Callable[[], object]) -> set[Line]:
        self._fresh = set()
        self._watching = True
        try:
            run()
        finally:
            self._watching = False
        return self._fresh

    def watched(self, run: Callable[[], Any], again: Callable[[Any], object]) -> tuple[Any, Iterable[Line]]:
        """Call ``run``; its result, and the new lines that calling ``again`` with that runs too."""
        results: list[Any] = []
        fresh = self._watch(lambda: results.append(run()))
        (result,) = results
        if not fresh:
            return result, ()
        lasting = fresh & self._watch(lambda: again(result))
        self._known |= fresh
        return result, lasting
