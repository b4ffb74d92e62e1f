"""Takes a target's modules up: once, under the world's clocks; and as if just imported, where that is asked for.

Applications keep their state in modules: ``app = FastAPI()``, ``manager = ConnectionManager()``.  Where what an
execution changed there cannot be put back, the modules of the user's project are executed anew for each; libraries
are not.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from ..world import OutsideWorldError, WorldLoop
from ..world.identity import number_classes, numbering_apart
from .adapter import Target
from .state.reach import is_collected, is_own
from .state.sources import Sources

__all__ = ("Before", "FreshModule", "taking_up")


class _Open(WorldLoop):
    """A world's clocks and generators, and nothing that is forbidden: modules may open what they like."""

    ways_out = frozenset()


@contextmanager
def taking_up() -> Iterator[None]:
    """Meanwhile, clocks and generators are those of an execution's beginning.

    What a target reads of them while it is taken up, a secret or when it was started, is then the same in each process.
    """
    entropy = _Open().entropy
    entropy.enter()
    try:
        with numbering_apart():
            yield
    finally:
        entropy.leave()


def taken_up(name: str) -> ModuleType:
    """Import a module under the clocks of an execution's beginning, or under the real ones where it starts threads."""
    try:
        with taking_up():
            return importlib.import_module(name)
    except OutsideWorldError:
        return importlib.import_module(name)


class _Cached(Loader):
    """Finds and loads modules from code objects kept in memory: no look at the disk for each execution."""

    def __init__(self) -> None:
        self.codes: dict[str, tuple[CodeType, str, list[str] | None]] = {}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        known = self.codes.get(name)
        if known is None:
            return None
        spec = ModuleSpec(name, self, origin=known[1], is_package=known[2] is not None)
        spec.has_location = True
        if known[2] is not None:
            spec.submodule_search_locations = known[2]
        return spec

    def get_code(self, name: str) -> CodeType:
        """The code again, for whoever takes up a module that came from here."""
        return self.codes[name][0]

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(self.codes[module.__name__][0], module.__dict__)
        number_classes(value for value in vars(module).values() if _defined_in(value, module.__name__))


def _defined_in(value: Any, name: str) -> bool:
    return issubclass(type(value), type) and value.__module__ == name


@dataclass(frozen=True, slots=True)
class Before:
    """What was imported, and which environment variables were set, before those of a target were."""

    modules: frozenset[str] = field(default_factory=lambda: frozenset(sys.modules))
    variables: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


_under: dict[str, dict[str, str | None]] = {}
"""module -> the environment variables that targets have asked for, as they were when it was executed last"""


class FreshModule:
    """A module of the user's project that can be had as new, with every module of the project it imports."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.module = taken_up(name)
        self._cached = _Cached()
        self._sources = Sources()
        self._known: set[str] = set()

    def again(self) -> ModuleType:
        """The module, as if imported for the first time; raises what executing it raises."""
        self._look_for_more()
        before = {key: sys.modules.pop(key) for key in self._known if key in sys.modules}
        sys.meta_path.insert(0, self._cached)
        try:
            with self._sources.remembered():
                module = importlib.import_module(self.name)
        except Exception:
            sys.modules.update(before)
            raise
        finally:
            sys.meta_path.remove(self._cached)
        return module

    def under(self, variables: Iterable[str], before: Before) -> Sequence[str]:
        """Have the module as it is with the environment variables as they are now; gives those it is executed anew for.

        It is where it, or another of its project, had been imported with others.  Raises what executing it raises.
        """
        known = _under.setdefault(self.name, {})
        now = {name: os.environ.get(name) for name in {*variables, *known}}
        then = {name: known.get(name, before.variables.get(name)) for name in now}
        anew = [name for name in sorted(now) if now[name] != then[name]]
        if before.modules.isdisjoint(self.loaded):
            anew.clear()
        if anew:
            self.module = self.again()
        known |= now
        return anew

    @property
    def loaded(self) -> dict[str, ModuleType]:
        """It and the modules of its project that are imported now, by name."""
        self._look_for_more()
        return {name: sys.modules[name] for name in self._known if name in sys.modules}

    def _look_for_more(self) -> None:
        """Take account of the project's modules that were imported since the last time."""
        seen = self._known | _being_executed()
        for key, module in sys.modules.copy().items():
            if key in seen or not isinstance(module, ModuleType) or not self._belongs(module):
                continue
            self._known.add(key)
            spec = module.__spec__
            loader: Any = spec.loader if spec is not None else None
            code = loader.get_code(key) if hasattr(loader, "get_code") else None
            file = getattr(module, "__file__", None)
            if code is not None and file is not None:
                paths = list(module.__path__) if hasattr(module, "__path__") else None
                self._cached.codes[key] = (code, file, paths)

    def _belongs(self, module: ModuleType) -> bool:
        """Whether a module is under test: part of its package or folder, no test, no file that says how to fuzz it."""
        if module.__name__ != self.name and is_collected(module):
            return False
        if not is_own(module) or any(isinstance(value, Target) for value in vars(module).values()):
            return False
        if module.__name__.partition(".")[0] == self.name.partition(".")[0]:
            return True
        mine, other = (getattr(one, "__file__", None) for one in (self.module, module))
        return mine is not None and other is not None and _folder(mine, self.name) == _folder(other, module.__name__)


def _being_executed() -> set[str]:
    """The modules that are about to be imported, by name: a file that says how to fuzz others, say."""
    frame, names = inspect.currentframe(), set()
    while frame is not None:
        if frame.f_code.co_name == "<module>":
            names.add(frame.f_globals.get("__name__", ""))
        frame = frame.f_back
    return names


def _folder(file: str, name: str) -> str:
    """The folder that a module's top-level package or file stands in."""
    path = Path(file)
    up = name.count(".") + (path.stem == "__init__")
    return str(path.parents[up])
