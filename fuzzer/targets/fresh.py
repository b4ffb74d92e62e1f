"""An application as if just imported, for every execution.

Applications keep their state in modules: ``app = FastAPI()``, ``manager = ConnectionManager()``.  An execution must not
see what the one before left there, so the modules of the user's project are executed anew each time; libraries are not.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import CodeType, FunctionType, ModuleType
from typing import Any

from ..core.stacks import is_library
from ..world.identity import number_classes, number_libraries

__all__ = ("FreshModule",)


def _installed(module: ModuleType) -> bool:
    """Whether a module is no part of the user's project; one without a file is, where it is a namespace package."""
    if module.__name__.partition(".")[0] == "crosswire":
        return True
    file = getattr(module, "__file__", None)
    return is_library(file) if file is not None else not hasattr(module, "__path__")


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


class _Sources:
    """Remembers `inspect.getsourcelines`: FastAPI asks it about every endpoint, and it parses the file each time."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[CodeType, list[str], int]] = {}
        """By the identity of a code object, which is the same however often a module is executed."""

    @contextmanager
    def remembered(self) -> Iterator[None]:
        """While a module is executed, answer from memory."""
        self._real = inspect.getsourcelines
        inspect.getsourcelines = self._lines
        try:
            yield
        finally:
            inspect.getsourcelines = self._real

    def _lines(self, object: Any) -> tuple[list[str], int]:
        if type(object) is not FunctionType or hasattr(object, "__wrapped__"):
            return self._real(object)
        code = object.__code__
        if id(code) not in self._known:
            self._known[id(code)] = code, *self._real(object)
        _, lines, number = self._known[id(code)]
        return list(lines), number


def _defined_in(value: Any, name: str) -> bool:
    return isinstance(value, type) and value.__module__ == name


class FreshModule:
    """A module of the user's project that can be had as new, with every module of the project it imports."""

    def __init__(self, name: str) -> None:
        self.name = name
        before = set(sys.modules)
        self.module = importlib.import_module(name)
        package = name.partition(".")[0]
        self._own = [
            key
            for key, module in list(sys.modules.items())
            if isinstance(module, ModuleType)
            and (key not in before or key.partition(".")[0] == package)
            and not _installed(module)
        ]
        self._cached = _Cached()
        self._sources = _Sources()
        for key in self._own:
            module = sys.modules[key]
            spec = module.__spec__
            loader: Any = spec.loader if spec is not None else None
            code = loader.get_code(key) if hasattr(loader, "get_code") else None
            if code is not None and module.__file__ is not None:
                paths = list(module.__path__) if hasattr(module, "__path__") else None
                self._cached.codes[key] = (code, module.__file__, paths)

        self.trouble: Exception | None = None
        """What kept the modules from being executed a second time; they keep their state then."""
        try:
            self.again()
        except Exception as error:
            self.trouble = error

    def again(self) -> ModuleType:
        """The module, as if imported for the first time."""
        if self.trouble is not None:
            return self.module
        before = {key: sys.modules.pop(key) for key in self._cached.codes if key in sys.modules}
        sys.meta_path.insert(0, self._cached)
        try:
            with self._sources.remembered():
                module = importlib.import_module(self.name)
        except Exception:
            sys.modules.update(before)
            raise
        finally:
            sys.meta_path.remove(self._cached)
        number_libraries()
        return module
