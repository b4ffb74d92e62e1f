"""How much of the target's own code a campaign has run, and which functions or lines of functions it never did.

A search that breaks no promise says nothing of code that it never reached.  Counted are the lines of functions:
a module's and a class's own run once, when they are imported, and so does a function that only makes others or that the
module itself calls.  Adapters of other targets in the same file are nobody's concern.
"""

from __future__ import annotations

import ast
import linecache
from collections import defaultdict
from collections.abc import Iterable, Iterator
from types import CodeType
from typing import NamedTuple

from ..core.source import LineAt, line_of

__all__ = ("Reach", "Unreached", "reach_of")

MADE = frozenset({"__annotate__"})
"""Functions that the compiler makes (PEP 649, Python 3.14 and later)."""

FUNCTION = 0x0002
"""``CO_NEWLOCALS``: a function's code, not a module's; a class's has it neither."""


class Unreached(NamedTuple):
    """A function of which lines never ran, by the lines' numbers; ``whole`` where none of it did."""

    file: str
    function: str
    lines: tuple[int, ...]
    whole: bool

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """The lines, first to last, those together that follow each other."""
        found: list[tuple[int, int]] = []
        for number in self.lines:
            if found and number == found[-1][1] + 1:
                found[-1] = found[-1][0], number
            else:
                found.append((number, number))
        return found


class Reach(NamedTuple):
    """Lines of functions that ran, of how many in the same files, and the functions of which some never did."""

    ran: int
    lines: int
    unreached: tuple[Unreached, ...]


def reach_of(reached: Iterable[LineAt], adapter: str = "") -> Reach:
    """Compare the lines that ran with those that there are; a file whose source cannot be read is left out.

    Where the target is an ``adapter``, those of other targets beside it are left out too.
    """
    by_file: dict[str, set[int]] = defaultdict(set)
    for file, number in reached:
        by_file[file].add(number)
    ran, lines, unreached = 0, 0, []
    for file, numbers in sorted(by_file.items()):
        module = _parsed(file)
        functions = _functions(module, file)
        ran_in = {function for function, there in functions.items() if not there.isdisjoint(numbers)}
        others = tuple(f"{name}." for name in _others(module, adapter))
        imported = _called_on_import(module)
        for function, there in functions.items():
            if function.startswith(others):
                continue
            makes = any(inner.startswith(f"{function}.<locals>.") for inner in ran_in)
            if function not in ran_in and (makes or function in imported):
                continue
            missed = tuple(sorted(there - numbers))
            lines, ran = lines + len(there), ran + len(there) - len(missed)
            if missed:
                unreached.append(Unreached(file, function, missed, len(missed) == len(there)))
    return Reach(ran, lines, tuple(unreached))


def _parsed(file: str) -> ast.Module:
    """A file's source as a tree: an empty one where it cannot be read."""
    try:
        return ast.parse("".join(linecache.getlines(file)), file)
    except (SyntaxError, ValueError):
        return ast.Module([], [])


def _others(module: ast.Module, adapter: str) -> set[str]:
    """The adapters in a file but this one and those that it derives from; none where the file does not have it."""
    bases: dict[str, set[str]] = {"Adapter": set()}
    for one in module.body:
        if isinstance(one, ast.ClassDef):
            above = {ast.unparse(base).rpartition(".")[2] for base in one.bases} & bases.keys()
            if above:
                bases[one.name] = above.union(*(bases[name] for name in above))
    return bases.keys() - bases[adapter] - {adapter} if adapter in bases else set()


def _called_on_import(module: ast.Module) -> set[str]:
    """The functions that a module calls itself, and what makes the instances that it holds."""
    waiting: list[ast.AST] = [module]
    called: set[str] = set()
    for node in waiting:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            called |= {node.func.id, f"{node.func.id}.__init__"}
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += node.decorator_list
        elif not isinstance(node, ast.Lambda):
            waiting += ast.iter_child_nodes(node)
    return called


def _functions(module: ast.Module, file: str) -> dict[str, set[int]]:
    """The lines that have code of each function in a file, by its qualified name, in their order."""
    found: dict[str, set[int]] = defaultdict(set)
    try:
        compiled = compile(module, file, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return {}
    for code in _inside(compiled):
        if code.co_flags & FUNCTION and code.co_name not in MADE:
            for _, _, number in code.co_lines():
                if number is not None and number > code.co_firstlineno:
                    found[line_of(code, number).function].add(number)
    return {function: lines for function, lines in found.items() if lines}


def _inside(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _inside(constant)
