"""Coroutines of the target that nobody awaited: what Python only warns of.

The one place that listens to ``RuntimeWarning: coroutine ... was never awaited``, which CPython's coroutines give in
their destructor, with the coroutine as the warning's ``source`` (`warnings.WarningMessage`), and with where it was
made as its ``cr_origin`` (`sys.set_coroutine_origin_tracking_depth`).
"""

from __future__ import annotations

import inspect
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from ..core.history import Failure
from ..core.stacks import Place, is_library, is_own

__all__ = ("watched",)


@contextmanager
def watched() -> Iterator[list[warnings.WarningMessage]]:
    """Listen to warnings; others than these are shown as they would have been."""
    depth = sys.get_coroutine_origin_tracking_depth()
    sys.set_coroutine_origin_tracking_depth(max(depth, 1))
    try:
        with warnings.catch_warnings(record=True) as heard:
            warnings.filterwarnings("always", r"coroutine .* was never awaited", RuntimeWarning)
            yield heard
    finally:
        sys.set_coroutine_origin_tracking_depth(depth)
    for message in heard:
        if not inspect.iscoroutine(message.source):
            warnings.warn_explicit(message.message, message.category, message.filename, message.lineno)


def forgotten(heard: list[warnings.WarningMessage]) -> Iterator[Failure]:
    """Coroutines of the target's own, and such as it has made of a library's, that were never awaited.

    What a library makes and forgets is its own affair.
    """
    for message in heard:
        coroutine = message.source
        if not inspect.iscoroutine(coroutine):
            continue
        code, origin = coroutine.cr_code, coroutine.cr_origin
        if not is_library(code.co_filename):
            place = Place(code.co_qualname, os.path.basename(code.co_filename), code.co_firstlineno)
        elif origin and is_own(origin[0][0]):
            file, line, function = origin[0]
            place = Place(f"{code.co_qualname}, called in {function}", os.path.basename(file), line)
        else:
            continue
        yield Failure(f"RuntimeWarning: coroutine {code.co_qualname!r} was never awaited", place, "never awaited")
