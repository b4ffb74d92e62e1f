"""Puts a target's state back after each execution, instead of executing its modules anew.

A snapshot records every mutable object that the project's own modules lead to, and apart from these the libraries'
modules, classes and what hangs on them.  `Snapshot.restore` puts back what an execution changed and says what that was;
what it cannot put back it says too, by module and attribute, for somebody else to take a stricter way.
"""

from __future__ import annotations

import contextvars
import gc
import logging
import os
import random
import sys
import threading
import types
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import filterfalse
from operator import is_
from typing import Any

from .comparing import Watched
from .kinds import State, environment, set_environment
from .reach import WARNED, Reach, is_own
from .records import Mapping, Record, Unordered

__all__ = ("Change", "Snapshot")

FAR = 512
"""Libraries' objects are all looked at after 1, 2, 4, 8 and so on executions, and after every so many; those that ever
changed after each."""

CALM, SPARSELY = 64, 8
"""A target that has changed nothing for so many executions is looked at after every so many, until it does."""

FEW = 1000
"""So many of the project's own objects are looked at once more for what destructors wrote; of more, those that ever
changed."""

Root = tuple[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """What an execution changed; whether it was put back exactly."""

    path: str
    what: str
    lossless: bool = True
    own: bool = True
    """Whether it is the project's, or hangs on what is."""

    def __str__(self) -> str:
        return f"{self.path} ({self.what})"


class Snapshot:
    """Everything that executions may change and that is put back after each.

    ``own`` tells the project's modules from libraries'.  Take it, and restore, while the same clocks are held.
    """

    def __init__(self, own: Callable[[types.ModuleType], bool] = is_own) -> None:
        self.trouble: dict[str, Change] = {}
        """What could not be put back, by path."""
        self.changes: Counter[str] = Counter()
        """How often what was put back, by path."""
        self.late: list[str] = []
        """What had changed some executions before it was looked at, by path."""
        self.restores = 0
        self._calm = 0
        """Times in a row that nothing had changed."""
        self._reach = reach = Reach(own)
        self._hot: dict[int, Record] = {}
        """What ever changed."""
        self._near, self._far = Watched(), Watched()
        self._near_ids: set[int] = set()
        self._watched = 0, 0
        self._empty: list[set[Any]] = []
        """Sets that are empty at the beginning, libraries' too."""
        self._full: list[Record] = []
        """Sets of the project's own that are not."""
        self._modules: dict[str, Any] = {}
        self._imported = _imported()
        for thing in (self, reach, vars(reach), sys.modules, gc.garbage, os.environ, os.environ._data):  # type: ignore[attr-defined]
            reach.leave(thing)
        reach.leave(random._inst)  # the world's to keep
        reach.near += [
            State(os.environ, "os.environ", environment, set_environment),
            State(os, "the working folder", lambda _: os.getcwd(), lambda _, folder: os.chdir(folder)),
            State(threading, "threads", lambda _: _threads(), None),
        ]
        self.take_in()

    @property
    def own_trouble(self) -> list[Change]:
        """What could not be put back of the project's own objects and what they lead to."""
        return [change for change in self.trouble.values() if change.own]

    @property
    def opaque(self) -> dict[str, str]:
        """Objects of extension modules, by path: their state is not to be seen from Python."""
        return self._reach.opaque

    @property
    def size(self) -> tuple[int, int]:
        """How many objects are recorded: the project's own and what they lead to, and libraries'."""
        return len(self._reach.near), len(self._reach.far)

    @property
    def outlived(self) -> bool:
        """Whether a module of the project's is gone that was there when executions began.

        What is recorded of it is of no use, and would be looked at for ever.
        """
        return any(
            sys.modules.get(name) is not module and isinstance(module, types.ModuleType) and self._reach.own(module)
            for name, module in self._modules.items()
        )

    def take_in(self, roots: Iterable[Root] = ()) -> None:
        """Take what there is now for the beginning of executions: modules that came since, values set since.

        ``roots`` are what was made once for all executions, by path.  They may be another target's than those of the
        executions up to now, of whose calm nothing follows.
        """
        self._calm = 0
        reach = self._reach
        for record in self.changed(thorough=True):
            record.take()
            if id(record) in self._near_ids:
                reach.near_by([(record.path, child) for child in record.children()])
        loaded = sys.modules.copy()
        modules = [(name, module) for name, module in loaded.items() if isinstance(module, types.ModuleType)]
        for name, module in modules:
            if reach.own(module):
                reach.module(name, module)
        variables = contextvars.copy_context().items()
        reach.near_by(
            [
                *roots,
                ("logging.root", logging.root),
                ("sys.path", sys.path),
                ("sys.meta_path", sys.meta_path),
                ("warnings.filters", warnings.filters),
                *((f"context variable {variable.name}", value) for variable, value in variables),
            ]
        )
        for name, module in modules:
            reach.module(name, module)
        self._modules = dict(sys.modules)
        self._imported = _imported()
        self._watch()

    def _watch(self) -> None:
        """Look at what was recorded since the last time, too."""
        reach = self._reach
        near, far = reach.near[self._watched[0] :], reach.far[self._watched[1] :]
        self._watched = len(reach.near), len(reach.far)
        self._near_ids.update(map(id, near))
        for record in near + far:
            if type(record) is Unordered:
                if not record.saved and type(record.thing) is set:
                    self._empty.append(record.thing)
                elif id(record) in self._near_ids:
                    self._full.append(record)
        self._near.add(near)
        self._far.add(far)

    def changed(self, *, thorough: bool) -> list[Record]:
        """The records of what is not as it was: of the project's own, and of libraries' where they are looked at."""
        return self._near.changed() + self._far.changed(all_of_them=thorough)

    def restore(self, *, thorough: bool = False) -> list[Change]:
        """Put back what changed; the changes found.  ``thorough``: look at every object of libraries' too.

        What was taken out is dropped when everything is back, and destructors of it may write once more: so that is
        put back again.
        """
        self.restores += 1
        number = self.restores
        thorough = thorough or not number & (number - 1) or not number % FAR
        if thorough or self._imported != _imported():
            self._forget_modules()
        found: list[Change] = []
        if thorough or self._calm < CALM or not number % SPARSELY:
            dropped = self._put_back(self.changed(thorough=thorough), found)
            self._calm = 0 if found else self._calm + 1
        else:
            dropped = self._put_back(self._near.changed(all_of_them=False), found)
        if dropped:
            dropped.clear()
            small = len(self._near_ids) <= FEW
            again = self._near.changed(all_of_them=small or thorough) + self._far.changed(all_of_them=False)
            self._put_back(again, [])
        self._smooth()
        return found

    def _smooth(self) -> None:
        """Empty what is empty, and fill what is full: a set remembers what was taken out of it, and its order shows."""
        deque(map(set.clear, filterfalse(None, self._empty)), maxlen=0)
        for record in self._full:
            record.put_back()

    def _put_back(self, records: list[Record], found: list[Change]) -> list[Any]:
        dropped: list[Any] = []
        for record in records:
            if id(record) not in self._hot:
                self._hot[id(record)] = record
                if id(record) not in self._near_ids and self.restores > 1:
                    self.late.append(record.path)
            if type(record) is Mapping and self._only_what_stays(record):
                continue
            change = Change(record.path, record.describe())
            try:
                dropped.append(record.put_back())
                lossless = record.lossless and not record.changed()
            except Exception as error:
                change = Change(record.path, f"{change.what}; {type(error).__name__}: {error}")
                lossless = False
            if not lossless:
                change = Change(change.path, change.what, lossless=False, own=id(record) in self._near_ids)
                self.trouble.setdefault(record.path, change)
                record.take()
            self.changes[record.path] += 1
            found.append(change)
        return dropped

    def _only_what_stays(self, record: Record) -> bool:
        """Whether all that is new is a library's submodule, or the register of warnings that were shown once."""
        for key, value in list(dict.items(record.thing)):
            if key not in record.saved and (
                (isinstance(value, types.ModuleType) and not self._reach.own(value)) or key == WARNED
            ):
                record.saved[key] = value
        return not record.changed()

    def _forget_modules(self) -> None:
        """The project's modules that an execution imported go; libraries' stay, and are watched from now on."""
        known = self._modules
        if len(sys.modules) == len(known) and all(map(is_, sys.modules.values(), known.values())):
            return
        grown = False
        for name, module in sys.modules.copy().items():
            if known.get(name) is not module:
                if isinstance(module, types.ModuleType) and self._reach.own(module):
                    del sys.modules[name]
                else:
                    known[name] = module
                    if isinstance(module, types.ModuleType):
                        self._reach.module(name, module)
                        grown = True
        for name, module in known.items():
            if sys.modules.get(name) is not module:
                sys.modules[name] = module
        self._imported = _imported()
        if grown:
            self._watch()


_DUMMY: Any = getattr(threading, "_DummyThread", ())
"""What stands for a thread that was not started by `threading`, and only asked for its name: a test runner's, say."""


def _threads() -> int:
    """How many threads there are that were started by `threading`."""
    return sum(not isinstance(thread, _DUMMY) for thread in threading.enumerate())


def _imported() -> tuple[int, str]:
    """Changes with every import: how many modules there are, and which came last."""
    return len(sys.modules), next(reversed(sys.modules))
