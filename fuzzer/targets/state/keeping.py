"""How the executions of one target are kept apart, and what that says of itself.

Three ways, each stricter than the one before.  *snapshot*: the target is taken up once, and what an execution changed
is put back.  *modules*: the project's modules are executed anew for each.  *process*: each is run in a process of its
own, forked from one in which nothing was executed yet.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, get_args

from .snapshot import Change, Root, Snapshot
from .sources import Sources

__all__ = ("WAYS", "Keeping", "Way")

Way = Literal["snapshot", "modules", "process"]

WAYS: tuple[Way, ...] = get_args(Way)
"""Each is stricter than the one before, and most targets' executions take longer."""

_shared: Snapshot | None = None
"""State belongs to the process, so all targets that are kept apart by it share one snapshot."""


def _snapshot() -> Snapshot:
    global _shared
    if _shared is None:
        _shared = Snapshot()
    return _shared


class Keeping:
    """Keeps executions of a target apart, in its ``way``; ``forced`` where the user said which.

    ``environment``: variables set while executions run.
    """

    def __init__(self, way: Way | None = None, *, environment: Mapping[str, str] | None = None) -> None:
        self.way: Way = way or "snapshot"
        self.forced = way is not None
        self.environment = dict(environment or {})
        self.anew: Callable[[], Any] | None = None
        """Executes the target's modules a second time and returns what is run; without it that way is none."""
        self.roots: tuple[Root, ...] = ()
        """What was made once for all executions, by path."""
        self.notes: list[str] = []
        """What there is to say of the choice, a line each."""
        self._snapshot: Snapshot | None = None
        self._sources = Sources()

    def force(self, way: Way) -> None:
        """Keep executions apart in this way, whatever is proven."""
        self.way, self.forced = way, True

    @property
    def stricter(self) -> Way | None:
        """The next stricter way that there is."""
        after = WAYS[WAYS.index(self.way) + 1 :]
        return next((way for way in after if way != "modules" or self.anew is not None), None)

    @contextmanager
    def set_up(self) -> Iterator[None]:
        """Have the target's environment variables set, and what it asks of its own sources remembered."""
        before = {key: os.environ.get(key) for key in self.environment}
        os.environ.update(self.environment)
        try:
            with self._sources.remembered():
                yield
        finally:
            for key, value in before.items():
                if value is None:
                    os.environ.pop(key, None)
                else:
                    os.environ[key] = value

    def begin(self) -> None:
        """Executions begin: what there is now is what each of them is to find."""
        if self.way == "snapshot":
            self._snapshot = _snapshot()
            self._snapshot.take_in(self.roots)
            gc.freeze()  # the records are many, and none of them is garbage

    def put_back(self, *, thorough: bool = False) -> list[Change]:
        """An execution is over; what it had changed and is put back.  ``thorough``: libraries are looked at too."""
        if self.way != "snapshot" or self._snapshot is None:
            return []
        return self._snapshot.restore(thorough=thorough)

    @property
    def snapshot(self) -> Snapshot | None:
        """What is put back, once executions have begun; None in the other ways."""
        return self._snapshot if self.way == "snapshot" else None
