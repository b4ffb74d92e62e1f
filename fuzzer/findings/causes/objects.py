"""Which objects a line has to do with when it runs: what two lines that say the same name share, or do not.

Expressions are followed by what a frame holds, and nothing of the target is called for it: what only a call can tell,
a property or a method, stays unknown.
"""

from __future__ import annotations

import ast
import inspect
import types
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...core.source import Line
from ...core.stacks import is_own
from .sharing import MODULE, Use, access

__all__ = ("Objects", "Touch", "Touched", "is_same", "touches")


@dataclass(frozen=True, slots=True)
class Touch:
    """A part of an object that a line reads or changes.

    ``where`` is the object's id, or a variable's scope and whose that is; ``part`` the attribute or the key, and
    `ALL` where it is all of a container.  Two that did not live at once may have one id.  ``before``: it goes by what
    it read of it in a line before.
    """

    where: Hashable
    part: Hashable
    name: str
    changes: bool
    before: bool = False


ALL = object()
"""All of a container: what is in it, and how much."""

Touched = dict[Line, dict[int, set[Touch]]]
"""Line -> task -> what the line had to do with when the task ran it."""

CONTAINERS = (dict, list, set, deque, bytearray)

SCALARS = (str, int, bool, float, bytes, type(None))

MISSING = object()


class _UnknownError(Exception):
    """Only a call could tell."""


def touches(
    line: Line, names: Mapping[str, Any], module: dict[str, Any], whose: Callable[[str], Hashable]
) -> Iterator[Touch]:
    """What a line has to do with that is about to run, in a frame with these variables, in a module with those.

    ``whose`` says for which of its calls a function's variables are told apart.
    """
    for use in access(line).uses:
        changes = use.changes
        try:
            try:
                found = _found(use, names, module, whose)
            except _UnknownError:
                found, changes = _entered(use, names, module), True
        except Exception:  # whatever an object of the target's does when it is looked at, it must not come out of this
            continue
        if found is not None:
            yield Touch(*found, use.name, changes, use.before)


def _found(
    use: Use, names: Mapping[str, Any], module: dict[str, Any], whose: Callable[[str], Hashable]
) -> tuple[Hashable, Hashable] | None:
    """Which object, and which part of it."""
    if isinstance(use.of, str):
        return (id(module) if use.of == MODULE else (use.of, whose(use.of))), (use.part,)
    value = _value(use.of, names, module)
    if isinstance(use.part, str):
        if not use.changes:
            _held(value, use.part)
        return id(value), (use.part,)
    if not _is(value, *CONTAINERS):
        if not use.changes or _is_of_the_target(type(value)):
            return None  # what its methods do is seen where they do it
        return id(value), ALL
    if use.part is None or not _is(value, dict, set):
        return id(value), ALL
    try:
        return id(value), _key(_value(use.part, names, module))
    except _UnknownError:
        return id(value), ALL


def _entered(use: Use, names: Mapping[str, Any], module: Mapping[str, Any]) -> tuple[Hashable, Hashable] | None:
    """Which key a dictionary is given by being asked for it, that makes what is not there; None where it is not so."""
    if use.before or not isinstance(use.of, ast.Subscript):
        return None
    value, key = _value(use.of.value, names, module), _value(use.of.slice, names, module)
    if not _is(value, defaultdict) or dict.__contains__(value, key):
        return None
    return id(value), _key(key)


def _is(value: object, *kinds: type) -> bool:
    """Whether it is of such a type: ``isinstance`` asks a proxy what it stands for, and that may be nothing."""
    return issubclass(type(value), kinds)


def _is_of_the_target(kind: type) -> bool:
    members = (member for base in kind.__mro__ for member in vars(base).values())
    return any(isinstance(member, types.FunctionType) and is_own(member.__code__.co_filename) for member in members)


def _value(expression: ast.expr, names: Mapping[str, Any], module: Mapping[str, Any]) -> Any:
    """What an expression is, as far as nothing is called for it; raises `_UnknownError`."""
    match expression:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.Name(id=name) if name in module:
            return module[name]
        case ast.NamedExpr(value=inner):
            return _value(inner, names, module)
        case ast.Attribute(value=inner, attr=name):
            return _held(_value(inner, names, module), name)
        case ast.Subscript(value=inner, slice=key):
            return _item(_value(inner, names, module), _value(key, names, module))
        case ast.Call(func=ast.Attribute(value=inner, attr="get" | "setdefault"), args=[key, *_]):
            return _item(_value(inner, names, module), _value(key, names, module))
        case ast.Tuple(elts=parts):
            return tuple(_value(part, names, module) for part in parts)
        case ast.JoinedStr(values=parts):
            return "".join(_text(part, names, module) for part in parts)
        case _:
            raise _UnknownError


def _text(part: ast.expr, names: Mapping[str, Any], module: Mapping[str, Any]) -> str:
    plain = isinstance(part, ast.FormattedValue) and part.conversion == -1 and part.format_spec is None
    value = _value(part.value if isinstance(part, ast.FormattedValue) and plain else part, names, module)
    if type(value) not in (str, int):
        raise _UnknownError
    return str(value)


def _held(value: Any, name: str) -> Any:
    """An attribute, where it is in the object itself, whatever it is, or its class's and no function."""
    found = inspect.getattr_static(value, name, MISSING)
    if type(found) is types.MemberDescriptorType:
        try:
            return found.__get__(value)
        except AttributeError:
            raise _UnknownError from None
    if found is MISSING or (hasattr(type(found), "__get__") and name not in object.__getattribute__(value, "__dict__")):
        raise _UnknownError
    return found


def _item(value: Any, key: Any) -> Any:
    hashes: object = type(key).__hash__
    if not _is(key, *SCALARS, tuple) and hashes is not object.__hash__:  # looking it up runs its own code
        raise _UnknownError
    try:
        if _is(value, dict):
            found = dict.get(value, key, MISSING)
        elif type(value) in (list, tuple):
            found = value[key]
        else:
            raise _UnknownError
    except (TypeError, IndexError):
        raise _UnknownError from None
    if found is MISSING:
        raise _UnknownError
    return found


def _key(value: Any) -> Hashable:
    """A key as it is told apart: by what it says, or else by which object it is."""
    if type(value) is tuple:
        return tuple(map(_key, value))
    return value if type(value) in SCALARS else ("id", id(value))


class Objects:
    """What some lines have to do with when one task runs them, or all others do."""

    def __init__(self, touched: Iterable[Touch]) -> None:
        self._by_object: dict[Hashable, list[Touch]] = defaultdict(list)
        for touch in touched:
            self._by_object[touch.where].append(touch)

    def same(self, other: Touch) -> list[Touch]:
        """Those that are about the same part of the same object."""
        return [one for one in self._by_object.get(other.where, ()) if is_same(one, other)]


def is_same(one: Touch, other: Touch) -> bool:
    """Whether two are about the same part of the same object."""
    return one.where == other.where and (one.part == other.part or ALL in (one.part, other.part))
