"""Reads the source of handlers: what they receive and look up in it, what they say first, and what they ask for."""

from __future__ import annotations

import ast
import inspect
import re
from collections import ChainMap
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_origin

from ..core.stacks import is_library
from .scripts import parsed

__all__ = (
    "KINDS",
    "RECEIVES_OBJECTS",
    "TOKENS",
    "USERS",
    "Seen",
    "Source",
    "called_name",
    "parameters_of",
    "read_arguments",
    "read_source",
    "sources_of",
)

RECEIVES_OBJECTS = frozenset({"receive_json", "iter_json"})

PARSES_MODELS = frozenset({"model_validate_json", "parse_raw"})

RECEIVES_JSON = RECEIVES_OBJECTS | PARSES_MODELS | {"loads", "receive_data"}

VALIDATES = PARSES_MODELS | {"model_validate", "parse_obj"}
"""Ways to make a model of Pydantic's out of what was received."""

SENDS_JSON = frozenset({"send_json", "send_data"})

KINDS = ("type", "action", "event", "kind", "op", "cmd", "command")

TOKENS = ("token", "access_token", "jwt", "auth", "key", "api_key")

USERS = ("user", "user_id", "username", "client_id", "name", "uid")

GREETINGS = ("ready", "welcome", "connected", "hello")

FOUND_ELSEWHERE = re.compile(r"Depends|Cookie|Header|Body")
"""In an argument's annotation or default: the framework does not take it out of the query."""

DEPTH = 3
"""Calls from the handler into other functions of its module that are read."""


@dataclass
class Seen:
    """What was found in the source of a handler, in the order in which it stands there."""

    receives_json: bool = False
    keys: dict[str, None] = field(default_factory=dict)
    needed: dict[str, None] = field(default_factory=dict)
    kinds: dict[str, list[str]] = field(default_factory=dict)
    ready: dict[str, Any] = field(default_factory=dict)
    user: str | None = None
    query: dict[str, str] = field(default_factory=dict)
    """What is asked for in the query, and how its type is written, where it is."""
    bearer: bool = False


@dataclass
class Source:
    """A function that is read: whether a framework gives it its arguments, and which of them were received."""

    function: Any
    tree: ast.AST
    asked: bool
    received: set[str]


def sources_of(endpoint: Any, received: Set[str] = frozenset()) -> Iterator[Source]:
    """A handler, its dependencies, and the functions and methods of its own project that it calls.

    ``received`` are the handler's arguments that hold what came in.
    """
    first = inspect.unwrap(endpoint) if callable(endpoint) else endpoint
    waiting: list[tuple[Any, int, bool, set[str]]] = [(first, 0, True, set(received))]
    seen: set[int] = set()
    while waiting:
        function, depth, asked, given = waiting.pop(0)
        if id(function) in seen:
            continue
        seen.add(id(function))
        tree = parsed(function)
        if tree is None:
            continue
        held = given | _received(tree)
        yield Source(function, tree, asked, held)
        if depth == DEPTH:
            continue
        names = ChainMap(_enclosed(function), getattr(function, "__globals__", {}))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called, depends = _called(node, names)
                if called is not None:
                    waiting.append((called, depth + 1, depends, _given(node, called, held)))


def _called(node: ast.Call, names: Mapping[str, Any]) -> tuple[Any, bool]:
    """What is called, or depended on, where it is a function of the caller's project; whether it is the latter.

    ``names`` are those that the caller knows.
    """
    said: ast.expr = node.func
    depends = isinstance(said, ast.Name) and said.id == "Depends" and bool(node.args)
    if depends:
        said = node.args[0]
    called = None
    if isinstance(said, ast.Name):
        called = names.get(said.id)
    elif isinstance(said, ast.Attribute) and isinstance(said.value, ast.Name):
        called = inspect.getattr_static(names.get(said.value.id), said.attr, None)
        called = getattr(type(names.get(said.value.id)), said.attr, None) if called is None else called
    if not inspect.isfunction(called) or is_library(called.__code__.co_filename):
        return None, False
    return called, depends


def _enclosed(function: Any) -> dict[str, Any]:
    """What a function that was made by another knows of it."""
    try:
        return dict(inspect.getclosurevars(function).nonlocals)
    except (TypeError, ValueError):
        return {}


def parameters_of(function: Any) -> list[str]:
    """What the parameters of a function or a method are called; none where it does not tell."""
    try:
        return [name for name in inspect.signature(function).parameters if name != "self"]
    except (TypeError, ValueError):
        return []


def _given(node: ast.Call, called: Any, received: set[str]) -> set[str]:
    """The called function's arguments for which something received is given."""
    passed = dict(zip(parameters_of(called), node.args, strict=False)) | {
        word.arg: word.value for word in node.keywords if word.arg
    }
    return {name for name, value in passed.items() if isinstance(value, ast.Name) and value.id in received}


def _received(tree: ast.AST) -> set[str]:
    """The variables to which what was received is assigned."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr | ast.AsyncFor) and _is_json(node):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def read_source(source: Source, seen: Seen) -> None:
    tree, received = source.tree, source.received
    kinds: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            _call(node, seen)
        elif isinstance(node, ast.Subscript):
            _looked_up(node.value, node.slice, seen)
    for model in _models(source):
        _fields(model, seen)
    for node in ast.walk(tree):
        key = _key(node, received)
        if key is not None:
            seen.keys[key] = None
            if isinstance(node, ast.Subscript):
                seen.needed[key] = None
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            named = _key(node.value, received)
            if named is not None:
                kinds[node.targets[0].id] = named
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.In):
            key = kinds.get(node.left.id) if isinstance(node.left, ast.Name) else _key(node.left, received)
            values = ast.walk(node.comparators[0])
        elif isinstance(node, ast.Match):
            key = kinds.get(node.subject.id) if isinstance(node.subject, ast.Name) else _key(node.subject, received)
            values = (part for case in node.cases for part in ast.walk(case.pattern))
        else:
            continue
        if key in KINDS:
            said = [v.value for v in values if isinstance(v, ast.Constant) and isinstance(v.value, str)]
            seen.kinds.setdefault(str(key), []).extend(said)


def _models(source: Source) -> Iterator[Any]:
    """The models of Pydantic's that what was received is made into: ``Say.model_validate(data)``, ``Say(**data)``."""
    names = getattr(source.function, "__globals__", {})
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            validates = isinstance(node.func, ast.Attribute) and node.func.attr in VALIDATES
            made = node.func.value if validates and isinstance(node.func, ast.Attribute) else node.func
            given = node.args if validates else [word.value for word in node.keywords if word.arg is None]
            received = any(isinstance(value, ast.Name) and value.id in source.received for value in given)
            if isinstance(made, ast.Name) and (received or called_name(node.func) in PARSES_MODELS):
                yield names.get(made.id)


def _fields(model: Any, seen: Seen) -> None:
    """What a model asks for is what is looked up; a `typing.Literal` is a kind of message."""
    for name, about in getattr(model, "model_fields", {}).items():
        key = about.alias or name
        seen.keys[key] = None
        if key in KINDS and get_origin(about.annotation) is Literal:
            seen.kinds.setdefault(key, []).extend(map(str, get_args(about.annotation)))
        elif about.is_required():
            seen.needed[key] = None


def _is_json(node: Any) -> bool:
    value = node.iter if isinstance(node, ast.AsyncFor) else node.value
    while isinstance(value, ast.Await):
        value = value.value
    return isinstance(value, ast.Call) and called_name(value.func) in RECEIVES_JSON


def called_name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _key(node: ast.AST, received: set[str]) -> str | None:
    """The key that an expression looks up in something that was received."""
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in received:
        return node.slice.value if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str) else None
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get" and node.args:
        owner, first = node.func.value, node.args[0]
        if isinstance(owner, ast.Name) and owner.id in received and isinstance(first, ast.Constant):
            return first.value if isinstance(first.value, str) else None
    return None


def _call(node: ast.Call, seen: Seen) -> None:
    name = called_name(node.func)
    if name in RECEIVES_JSON:
        seen.receives_json = True
    elif name in SENDS_JSON and node.args and isinstance(node.args[0], ast.Dict) and not seen.ready:
        said, user = _constants(node.args[0])
        if any(word in str(value).lower() for value in said.values() for word in GREETINGS):
            seen.ready, seen.user = said, user
    elif name == "get" and isinstance(node.func, ast.Attribute) and node.args:
        _looked_up(node.func.value, node.args[0], seen)


def _constants(said: ast.Dict) -> tuple[dict[str, Any], str | None]:
    """What is constant in a frame, and the field in which it says who is logged in."""
    constants: dict[str, Any] = {}
    user = None
    for key, value in zip(said.keys, said.values, strict=True):
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            if isinstance(value, ast.Constant):
                constants[key.value] = value.value
            elif key.value in USERS and user is None:
                user = key.value
    return constants, user


def _looked_up(owner: ast.expr, key: ast.expr, seen: Seen) -> None:
    """``websocket.query_params.get("token")``, ``websocket.headers.get("authorization")``."""
    if not (isinstance(key, ast.Constant) and isinstance(key.value, str)):
        return
    where = called_name(owner)
    if where in ("query_params", "query", "args"):
        seen.query[key.value] = ""
    elif where == "headers" and key.value.lower() == "authorization":
        seen.bearer = True


def read_arguments(tree: ast.AST, seen: Seen, path: set[str]) -> None:
    """Arguments that a framework takes out of the query: those that are called as tokens and users are."""
    function = next((node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)), None)
    if function is None:
        return
    said = function.args
    arguments = [*said.posonlyargs, *said.args, *said.kwonlyargs]
    filled = [None] * (len(said.posonlyargs) + len(said.args) - len(said.defaults)) + [
        *said.defaults,
        *said.kw_defaults,
    ]
    for argument, default in zip(arguments, filled, strict=False):
        about = " ".join(ast.unparse(part) for part in (argument.annotation, default) if part is not None)
        if argument.arg in (*TOKENS, *USERS) and argument.arg not in path and not FOUND_ELSEWHERE.search(about):
            seen.query[argument.arg] = ast.unparse(argument.annotation) if argument.annotation is not None else ""
