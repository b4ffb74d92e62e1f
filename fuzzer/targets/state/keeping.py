"""How the executions of one target are kept apart, and what that says of itself.

Three ways, each stricter than the one before.  *snapshot*: the target is taken up once, and what an execution changed
is put back.  *modules*: the project's modules are executed anew for each.  *process*: each is run in a process of its
own, forked from one in which nothing was executed yet.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from ...core.choices import WAYS, Way
from .snapshot import Change, Root, Snapshot
from .sources import Sources

__all__ = ("Keeping",)

WORDS: dict[Way, str] = {
    "snapshot": "what they change is put back",
    "modules": "the modules are executed anew for each",
    "process": "each runs in a process of its own, which takes longer",
}

SHOWN = 3
"""How many of what was not put back are listed."""

_shared: Snapshot | None = None
"""State belongs to the process, so all targets that are kept apart by it share one snapshot, until a module goes."""


def _snapshot() -> Snapshot:
    global _shared
    if _shared is None or _shared.outlived:
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
        self.modules: Mapping[str, ModuleType] = {}
        """The target's modules by name, where others of these names may be imported for another target."""
        self.roots: tuple[Root, ...] = ()
        """What was made once for all executions, by path."""
        self.notes: list[str] = []
        """What there is to say of the choice, a line each."""
        self.proven = False
        self._varies = False
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
        """Have the target's modules and environment variables, and what it asks of its own sources remembered."""
        sys.modules.update(self.modules)
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

    def begin(self, create: Callable[[], Any]) -> None:
        """Executions of what ``create`` makes begin: what there is now is what each of them is to find."""
        if self.way == "snapshot":
            self._snapshot = _snapshot()
            self._snapshot.take_in([*self.roots, ("the target", create)])
            gc.freeze()  # the records are many, and none of them is garbage

    def put_back(self, *, thorough: bool = False) -> list[Change]:
        """An execution is over; what it had changed and is put back.  ``thorough``: libraries are looked at too."""
        if self.way != "snapshot" or self._snapshot is None:
            return []
        return self._snapshot.restore(thorough=thorough)

    def end(self) -> None:
        """Executions are over: what there was when they began is held no longer."""
        self._snapshot = None

    def step_down(self, why: str) -> None:
        """Take the next stricter way, and say so."""
        before, after = self.way, self.stricter
        if after is None or self.forced:
            self.note(f"executions are kept apart by {before}, though {why}")
            return
        self.way = after
        self.note(f"executions are not kept apart by {before}: {why}; {WORDS[after]}")

    def differed(self, number: int, found: object, *, by_itself: object = None) -> None:
        """An execution showed something else after others than alone; ``by_itself``: and so it does each time alone."""
        if by_itself is not None:
            self.varies(by_itself)
            return
        if not self.forced:
            self.way = "process"
        changed = self._named()
        self.note(
            f"execution {number:,} showed something else than alone: {found}"
            + (f"; {changed}" if changed else "")
            + ("" if self.forced else f"; {WORDS['process']}")
        )

    def varies(self, found: object) -> None:
        """The same execution showed something else in another process of its own; the first time is told."""
        if not self._varies:
            self._varies = True
            self.note(f"the target is not deterministic, each execution in a process of its own: {found}")

    def _named(self) -> str:
        """What may have been left, by module and attribute."""
        snapshot = self._snapshot
        if snapshot is None:
            return ""
        if snapshot.trouble:
            return f"not put back: {', '.join(map(str, list(snapshot.trouble.values())[:SHOWN]))}"
        if snapshot.opaque:
            listed = [f"{path} ({kind})" for path, kind in snapshot.opaque.items()]
            return f"state that cannot be seen: {', '.join(listed[:SHOWN])}"
        return ""

    def note(self, text: str) -> None:
        """Remember something to say, once."""
        if text not in self.notes:
            self.notes.append(text)

    @property
    def snapshot(self) -> Snapshot | None:
        """What is put back, once executions have begun; None in the other ways."""
        return self._snapshot if self.way == "snapshot" else None
