"""From what a user typed to a target: a standing target's name, ``module:Adapter``, or an application.

How an application is run and spoken to follows behind a question mark, ``chat:app?wire=chat.wire:wire&via=uvicorn``, so
that a target's name says all there is to know: in counterexamples, profiles and other processes.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module
from urllib.parse import parse_qsl, urlencode

from .adapter import Adapter, Target
from .applications import UnknownTargetError, application, load_module

__all__ = ("UnknownTargetError", "bundled", "bundled_by_default", "reached", "resolve")

BUNDLED = "crosswire.models.managers.targets"
"""The module whose ``TARGETS`` have names of their own; taken up by its name, as any target's module is."""


@cache
def bundled() -> Mapping[str, Target]:
    """Return the targets that come with Crosswire, by name."""
    targets: Mapping[str, Target] = import_module(BUNDLED).TARGETS
    return targets


def bundled_by_default() -> list[Target]:
    """Return those that are fuzzed where nobody names a target."""
    return list(import_module(BUNDLED).STANDING)


def reached(names: Sequence[str] | None, wire: str | None, via: str | None) -> list[str]:
    """Targets' names with how they are spoken to and reached added; raises `UnknownTargetError`."""
    options = urlencode({key: value for key, value in (("wire", wire), ("via", via)) if value is not None}, safe=":/")
    if not options:
        return list(names or ())
    for name in names or ("the standing managers",):
        if ":" not in name:
            raise UnknownTargetError(f"--wire and --via are for applications, named module:name; {name} need neither")
    return [f"{name}{'&' if '?' in name else '?'}{options}" for name in names or ()]


def resolve(name: str) -> Target:
    """The target a name stands for; raises `UnknownTargetError`.

    The current folder can be imported from, as with ``python -m``.
    """
    if ":" not in name:
        targets = bundled()
        if name in targets:
            return targets[name]
        close = difflib.get_close_matches(name, targets, 1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise UnknownTargetError(
            f"unknown target {name!r}: {hint}name one of {', '.join(targets)}, or your own as module:Adapter"
        )
    place, _, options = name.partition("?")
    module_name, _, attribute = place.partition(":")
    module = load_module(name, module_name)
    found = getattr(module, attribute, None)
    if isinstance(found, Target):
        return replace(found, name=name)
    if found is None:
        adapters = [key for key, value in vars(module).items() if _is_adapter(value)]
        hint = f"; it has {', '.join(adapters)}" if adapters else ""
        raise UnknownTargetError(f"target {name!r}: module {module_name!r} has no {attribute!r}{hint}")
    if not _is_adapter(found):
        said = dict(parse_qsl(options))
        unknown = sorted(said.keys() - {"wire", "via", "compression", "port"})
        if unknown:
            raise UnknownTargetError(
                f"target {name!r}: unknown option {unknown[0]!r}; there are wire, via, compression, port"
            )
        port = said.get("port")
        if port is not None and not port.isdecimal():
            raise UnknownTargetError(f"target {name!r}: port {port!r} is no number")
        target = application(
            place,
            wire=said.get("wire"),
            via=said.get("via"),
            compression=said.get("compression") == "on",
            port=int(port) if port is not None else None,
        )
        return replace(target, name=name)
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
