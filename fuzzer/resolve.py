"""From what a user typed to a target: a standing target's name, or ``module:Adapter``."""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import sys

from ..models.targets import TARGETS
from .stacks import raised_at
from .targets.adapter import Adapter, Target

__all__ = ("UnknownTargetError", "resolve")


class UnknownTargetError(ValueError):
    """There is no such target, or it cannot be imported; the message is one line."""


def resolve(name: str) -> Target:
    """The target a name stands for; raises `UnknownTargetError`.

    The current folder can be imported from, as with ``python -m``.
    """
    if name in TARGETS:
        return TARGETS[name]
    if ":" not in name:
        close = difflib.get_close_matches(name, TARGETS, 1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise UnknownTargetError(
            f"unknown target {name!r}: {hint}name one of {', '.join(TARGETS)}, or your own as module:Adapter"
        )
    module_name, _, attribute = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        place = raised_at(error)
        raise UnknownTargetError(
            f"target {name!r}: importing {module_name!r} failed with {type(error).__name__}: {error}"
            + (f", in {place}" if place and "importlib" not in place else "")
        ) from error
    found = getattr(module, attribute, None)
    if isinstance(found, Target):
        return found
    if found is None:
        adapters = [key for key, value in vars(module).items() if _is_adapter(value)]
        hint = f"; it has {', '.join(adapters)}" if adapters else ""
        raise UnknownTargetError(f"target {name!r}: module {module_name!r} has no {attribute!r}{hint}")
    if not _is_adapter(found):
        raise UnknownTargetError(
            f"target {name!r}: {attribute} is not an adapter; subclass crosswire.fuzzer.targets.Adapter "
            "and define connect, emit and disconnect"
        )
    missing = sorted(getattr(found, "__abstractmethods__", ()))
    if missing:
        raise UnknownTargetError(f"target {name!r}: adapter {attribute} lacks {' and '.join(missing)}")
    needed = [
        parameter.name
        for parameter in inspect.signature(found).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if needed:
        raise UnknownTargetError(
            f"target {name!r}: adapter {attribute} is made anew for every execution and must take no arguments; "
            f"it asks for {', '.join(needed)}"
        )
    return Target(name, found, found)


def _is_adapter(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Adapter) and value is not Adapter
