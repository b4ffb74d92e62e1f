"""Which libraries' tasks a target can be run as, and which of them it is: what it says itself, or what it imports."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import ModuleType

from ..core.choices import BACKENDS, Backend
from ..core.stacks import is_own
from .adapter import Adapter, Target
from .places import UnknownTargetError
from .traits import WireTraits

__all__ = ("backends_for", "backends_of", "on")

EITHER = frozenset({"anyio", "fastapi", "starlette"})
"""Libraries whose code runs on asyncio and on trio."""

TRIO = frozenset({"quart_trio", "trio"})

WITH_TRIO = ("hypercorn.trio", "websockets.trio")
"""Packages of libraries that have one for each."""


REACHABLE = "on trio run adapters, ASGI applications that are called directly, and what listens through trio itself"


def _imported_by(module: ModuleType) -> tuple[Backend, ...]:
    """The libraries that a module's own names come from: trio's alone, either's, or asyncio's.

    Where they come from none of these, as in an adapter beside its manager, those that it has of the project's modules
    say it.
    """
    seen = {module.__name__}
    nearest = [module]
    while nearest:
        names = {name for near in nearest for name in _origins(near)}
        roots = {"trio" if name.startswith(WITH_TRIO) else name.partition(".")[0] for name in names}
        if "asyncio" in roots:
            return ("asyncio",)
        if roots & TRIO:
            return ("trio",)
        if roots & EITHER:
            return BACKENDS
        nearest = [sys.modules[name] for name in sorted(names - seen) if _is_projects(name)]
        seen |= names
    return ("asyncio",)


def _origins(module: ModuleType) -> Iterator[str]:
    for value in vars(module).values():
        yield value.__name__ if isinstance(value, ModuleType) else _module_of(value)


def _module_of(value: object) -> str:
    """The name of the module that something says it is from; "" where it says nothing, or raises when asked."""
    try:
        return str(getattr(value, "__module__", ""))
    except (Exception, SystemExit):
        return ""


def _is_projects(name: str) -> bool:
    module = sys.modules.get(name)
    return (
        module is not None and name.partition(".")[0] != "crosswire" and is_own(getattr(module, "__file__", "") or "")
    )


def _declared(value: object) -> tuple[Backend, ...]:
    """The backends that somebody says, in the order in which they are said; none where it is something else."""
    said = value if isinstance(value, tuple | list) else ()
    known = tuple(backend for one in said for backend in BACKENDS if one == backend)
    return known if len(known) == len(said) else ()


def backends_of(adapter: type[Adapter]) -> tuple[Backend, ...]:
    """The libraries whose tasks an adapter can be run as, the first where nobody chooses.

    What it says itself, or what the module it is written in imports.
    """
    return adapter.backends or _imported_by(sys.modules[adapter.__module__])


def backends_for(name: str, module: ModuleType, said: Sequence[Backend], servers: str) -> tuple[Backend, ...]:
    """The same of an application in this module, where ``said`` says more than that.

    ``servers``: what keeps it on asyncio, if anything does.  Raises `UnknownTargetError` where it is for trio alone.
    """
    known = _declared(said)
    if len(known) != len(said):
        raise UnknownTargetError(f"target {name!r}: backends are of {', '.join(BACKENDS)}; these are {said!r}")
    known = known or _declared(getattr(module, "backends", ())) or _imported_by(module)
    if not servers:
        return known
    if "asyncio" not in known:
        raise UnknownTargetError(f"target {name!r} is written for trio, but {servers} asyncio's servers; {REACHABLE}")
    return ("asyncio",)


def on(target: Target, wanted: str | None) -> Target:
    """The target run as this library's tasks, where that is said; raises `UnknownTargetError` where it cannot be."""
    if wanted is None:
        return target
    for backend in BACKENDS:
        if wanted == backend:
            if backend in target.backends:
                return replace(target, backend=backend)
            raise UnknownTargetError(f"target {target.name!r} {_instead(target, backend)}")
    raise UnknownTargetError(f"target {target.name!r}: unknown backend {wanted!r}; it is one of {', '.join(BACKENDS)}")


def _instead(target: Target, backend: Backend) -> str:
    """Why a target is not run so, and what to do."""
    if target.kept_by:
        return f"runs on asyncio alone: {target.kept_by} asyncio's servers; {REACHABLE}"
    traits = target.traits
    known = " and ".join(target.backends)
    where = "its module, or in application(...)" if isinstance(traits, WireTraits) else "the adapter"
    wrong = f'where that is wrong, say backends = ("{backend}",) in {where}, or ("asyncio", "trio") if it can be both'
    return f"is written for {known}; {wrong}"
