"""From what a user typed to a target: a bundled target's name, ``module:Adapter``, or an application.

How an application is run and spoken to follows behind a question mark, ``chat:app?wire=chat.wire:wire&via=uvicorn``, so
that a target's name says all there is to know: in counterexamples, profiles and other processes.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from importlib import import_module
from urllib.parse import parse_qsl, urlencode

from ..core.choices import BACKENDS, WAYS, Backend, Backends, Way
from .adapter import CALLED_WITH, SAYING, Adapter, Target
from .applications import application
from .backends import backends_of, on
from .fresh import FreshModule
from .places import UnknownTargetError, load_module, module_and_name
from .state import Keeping

__all__ = (
    "UnknownTargetError",
    "bundled",
    "bundled_by_default",
    "check_name",
    "reached",
    "resolve",
    "resolve_on",
)

BUNDLED = "crosswire.models.managers.targets"
"""The module whose ``TARGETS`` have names of their own; taken up by its name, as any target's module is."""

SILENT = "an adapter whose emit does nothing, so nobody speaks: what is received is not checked"


@cache
def bundled() -> Mapping[str, Target]:
    """Return the targets that come with Crosswire, by name."""
    targets: Mapping[str, Target] = import_module(BUNDLED).TARGETS
    return targets


def bundled_by_default() -> list[Target]:
    """Return those that are fuzzed where nobody names a target."""
    return list(import_module(BUNDLED).BUNDLED)


def reached(
    names: Sequence[str] | None,
    wire: str | None,
    via: str | None,
    state: str | None = None,
    backend: Backends | None = None,
) -> list[str]:
    """Targets' names with how they are spoken to, reached, kept apart and run added; raises `UnknownTargetError`.

    On both backends a target is two.
    """
    if backend == "both":
        return [one for name in names or [""] for each in BACKENDS for one in reached([name], wire, via, state, each)]
    given = (("wire", wire), ("via", via), ("state", state), ("backend", backend))
    options = urlencode({key: value for key, value in given if value is not None}, safe=":/")
    if not options:
        return list(names or ())
    for name in names or ("the bundled managers",):
        if ":" not in name:
            raise UnknownTargetError(
                "--wire and --via are for applications, --state and --backend for what is named module:name; "
                f"{name or 'the bundled managers'} need none"
            )
    return [f"{name}{'&' if '?' in name else '?'}{options}" for name in names or ()]


def check_name(name: str) -> None:
    """See whether a name can stand for a target, without taking it up; raises `UnknownTargetError`."""
    targets = bundled()
    if ":" not in name and name not in targets:
        if name.endswith(".py"):
            raise UnknownTargetError(f"target {name!r}: say what in the file is to be fuzzed, {name}:target for one")
        close = difflib.get_close_matches(name, targets, 1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise UnknownTargetError(
            f"unknown target {name!r}: {hint}name one of {', '.join(targets)}, or your own as module:Adapter "
            "or file.py:Adapter"
        )


def resolve(name: str) -> Target:
    """The target a name stands for; raises `UnknownTargetError`.

    The current folder can be imported from, as with ``python -m``.
    """
    check_name(name)
    if ":" not in name:
        return bundled()[name]
    place, _, options = name.partition("?")
    module_name, attribute = module_and_name(place)
    module = load_module(name, module_name)
    found = getattr(module, attribute, None)
    said = dict(parse_qsl(options))
    state = _way(name, said)
    wanted = said.pop("backend", None)
    if isinstance(found, Target):
        if found.behind is not None and "via" in said:
            found = found.behind(via=said.pop("via"))
        _refuse_idle(place, said, "made with application(...), and takes them there")
        if state is not None:
            found.state.force(state)
        return on(replace(found, name=name), wanted)
    if found is None:
        adapters = [key for key, value in vars(module).items() if _is_adapter(value)]
        hint = f"; it has {', '.join(adapters)}" if adapters else ""
        raise UnknownTargetError(f"target {name!r}: module {module_name!r} has no {attribute!r}{hint}")
    if _is_adapter(found):
        _refuse_idle(place, said, "an adapter, which is called directly")
    else:
        unknown = sorted(said.keys() - {"wire", "via", "compression", "port", "state"})
        if unknown:
            raise UnknownTargetError(
                f"target {name!r}: unknown option {unknown[0]!r}; there are wire, via, compression, port, state"
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
            state=state,
        )
        return on(replace(target, name=name), wanted)
    missing = sorted(getattr(found, "__abstractmethods__", ()))
    speaks = any(map(found.offers, (*SAYING, "act")))
    if found.emit is Adapter.emit and not speaks:
        missing.append("emit (or broadcast, emit_to_room, an operation of its own)")
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
    _check_methods(name, found)
    keeping = Keeping(state)
    fresh = FreshModule(module_name)
    keeping.anew = lambda: getattr(fresh.again(), attribute)()
    create = partial(_adapter, found, keeping)
    silent = "" if speaks else SILENT
    backends = backends_of(found)
    return on(Target(name, create, found, silent, keeping, backends[0], backends), wanted)


def resolve_on(name: str, backend: Backend) -> Target:
    """The target a name stands for, on the backend that a file says, whatever its module imports by now."""
    if backend == "asyncio" or "backend=" in name:
        return resolve(name)
    return replace(resolve(f"{name}{'&' if '?' in name else '?'}backend={backend}"), name=name)


def _check_methods(name: str, adapter: type[Adapter]) -> None:
    """Hold the adapter's methods against what they will be called with; raises `UnknownTargetError`."""
    for method, arguments in CALLED_WITH.items():
        if adapter.offers(method) and not _takes(inspect.getattr_static(adapter, method), arguments):
            raise UnknownTargetError(
                f"target {name!r}: {adapter.__name__}.{method} cannot be called as {method}({', '.join(arguments)}), "
                "as it will be; where it is something else, give it another name"
            )


def _takes(method: object, arguments: Sequence[str]) -> bool:
    """Return whether a method, as it stands in its class, can be called with these arguments."""
    bound = isinstance(method, staticmethod)
    function = method.__func__ if isinstance(method, staticmethod | classmethod) else method
    try:
        inspect.signature(function).bind(*(() if bound else (None,)), *arguments)  # type: ignore[arg-type]
    except TypeError:
        return False
    except ValueError:  # it tells nobody its signature
        return True
    return True


def _way(name: str, said: Mapping[str, str]) -> Way | None:
    """How executions are to be kept apart, where that is said."""
    wanted = said.get("state")
    for way in WAYS:
        if wanted == way:
            return way
    if wanted is None:
        return None
    raise UnknownTargetError(f"target {name!r}: unknown state {wanted!r}; it is one of {', '.join(WAYS)}")


def _adapter(made_of: type[Adapter], keeping: Keeping) -> Adapter:
    anew = keeping.anew
    return anew() if keeping.way == "modules" and anew is not None else made_of()


def _refuse_idle(place: str, said: Mapping[str, str], what: str) -> None:
    """Options that would change nothing are a mistake; how executions are kept apart can be said of everything."""
    idle = [f"{option}={value}" for option, value in said.items() if option != "state"]
    if idle:
        raise UnknownTargetError(f"target {place!r} is {what}: {' and '.join(idle)} would change nothing")


def _is_adapter(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Adapter) and value is not Adapter
