"""Refactored twins of modules: every function's body moved into a helper with another name, and nothing else changed.

What a module shows, its twin shows too, with other names at other lines: what is told of the one must be told of the
other.
"""

from __future__ import annotations

import ast
from pathlib import Path

__all__ = ("refactored", "write_twin")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def refactored(source: str) -> str:
    """The module with each body moved; generators, and what takes any number of arguments, stay as they are."""
    tree = ast.parse(source)
    tree.body = _moved(tree.body, "")
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def write_twin(source: Path, folder: Path, name: str) -> Path:
    """Write the twin of a module into a folder, under another name."""
    path = folder / f"{name}.py"
    path.write_text(refactored(source.read_text(encoding="utf-8")), encoding="utf-8")
    return path


def _moved(body: list[ast.stmt], owner: str) -> list[ast.stmt]:
    """The statements, and before each function the helper that now does its work."""
    found: list[ast.stmt] = []
    for statement in body:
        if isinstance(statement, ast.ClassDef):
            statement.body = _moved(statement.body, statement.name)
        elif isinstance(statement, Function) and _movable(statement):
            found.append(_helper(statement, owner))
        found.append(statement)
    return found


def _movable(function: Function) -> bool:
    arguments = function.args
    plain = not (arguments.vararg or arguments.kwarg or arguments.kwonlyargs or arguments.posonlyargs)
    within = {type(node) for node in ast.walk(function)}
    kinds = {ast.unparse(decorator) for decorator in function.decorator_list}
    special = function.name.startswith("__") or not kinds.isdisjoint({"property", "staticmethod", "classmethod"})
    return plain and not special and within.isdisjoint({ast.Yield, ast.YieldFrom})


def _helper(function: Function, owner: str) -> Function:
    """Take a function's body out into a helper, and have the function call that."""
    name = f"_moved_{owner}_{function.name}" if owner else f"_moved_{function.name}"
    arguments = [ast.Name(argument.arg, ast.Load()) for argument in function.args.args]
    called: ast.expr = ast.Name(name, ast.Load())
    if owner:
        called = ast.Attribute(arguments.pop(0), name, ast.Load())
    call: ast.expr = ast.Call(called, list(arguments), [])
    bare = ast.arguments([], [ast.arg(argument.arg) for argument in function.args.args], None, [], [], None, [])
    if isinstance(function, ast.AsyncFunctionDef):
        helper: Function = ast.AsyncFunctionDef(name, bare, function.body, [], None)
        call = ast.Await(call)
    else:
        helper = ast.FunctionDef(name, bare, function.body, [], None)
    function.body = [ast.Return(call)]
    return helper
