"""What of the interpreter's own a target may have changed that whoever runs it depends on: put back after executions.

What it does to modules is put back with its state; these are asked for between one execution and the next, when that
has not been done yet or is not done at all.
"""

from __future__ import annotations

import gc
import os
import sys

__all__ = ("Interpreter",)

FUNCTIONS = tuple(
    (module, name)
    for module, names in (
        (gc, ("collect", "disable", "enable", "freeze", "get_objects", "get_referents", "isenabled", "unfreeze")),
        (os, ("_exit", "close", "fork", "pipe", "waitpid", "write")),
    )
    for name in names
    if hasattr(module, name)
)


class Interpreter:
    """The interpreter's settings and functions as they are now."""

    def __init__(self) -> None:
        self._depth = sys.getrecursionlimit()
        self._functions = [(module, name, getattr(module, name)) for module, name in FUNCTIONS]

    def put_back(self) -> None:
        """Make them so again."""
        if sys.getrecursionlimit() != self._depth:
            sys.setrecursionlimit(self._depth)
        for module, name, function in self._functions:
            if getattr(module, name, None) is not function:
                setattr(module, name, function)
