"""Coroutines of the target that nobody awaited: what Python only warns of.

The one place that listens to ``RuntimeWarning: coroutine ... was never awaited``, which CPython's coroutines give in
their destructor, with the coroutine as the warning's ``source`` (`warnings.WarningMessage`).
"""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from ..core.history import Failure
from ..core.stacks import Place, is_library

__all__ = ("watched",)


@contextmanager
def watched() -> Iterator[list[warnings.WarningMessage]]:
    """Listen to warnings; others than these are shown as they would have been."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.filterwarnings("always", r"coroutine .* was never awaited", RuntimeWarning)
        yield heard
    for message in heard:
        if not inspect.iscoroutine(message.source):
            warnings.warn_explicit(message.message, message.category, message.filename, message.lineno)


def forgotten(heard: list[warnings.WarningMessage]) -> Iterator[Failure]:
    """The target's own coroutines among those that were never awaited."""
    for message in heard:
        if inspect.iscoroutine(message.source):
            code = message.source.cr_code
            if not is_library(code.co_filename):
                place = Place(code.co_qualname, os.path.basename(code.co_filename), code.co_firstlineno)
                yield Failure(f"RuntimeWarning: {message.message}", place, "never awaited")
