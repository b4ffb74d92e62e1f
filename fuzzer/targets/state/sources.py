"""Answers `inspect.getsourcelines` from memory: FastAPI asks about every endpoint, and the file is parsed each time."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType
from typing import Any

__all__ = ("Sources",)


_real = inspect.getsourcelines


class Sources:
    """Remembers what `inspect.getsourcelines` said of functions."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[CodeType, list[str], int]] = {}
        """By the identity of a code object, which is the same however often a module is executed."""

    @contextmanager
    def remembered(self) -> Iterator[None]:
        """Meanwhile, answer from memory."""
        before = inspect.getsourcelines
        inspect.getsourcelines = self._lines
        try:
            yield
        finally:
            inspect.getsourcelines = before

    def _lines(self, object: Any) -> tuple[list[str], int]:
        if type(object) is not FunctionType or hasattr(object, "__wrapped__"):
            return _real(object)
        code = object.__code__
        if id(code) not in self._known:
            self._known[id(code)] = code, *_real(object)
        _, lines, number = self._known[id(code)]
        return list(lines), number
