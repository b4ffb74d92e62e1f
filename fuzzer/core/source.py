"""Lines of source: where they are, which function they are in, and what they say."""

from __future__ import annotations

import ast
import linecache
import os
import re
from collections.abc import Iterator
from types import CodeType
from typing import NamedTuple

__all__ = ("Function", "Line", "LineAt", "line_of", "short", "within")

LineAt = tuple[str, int]
"""A source file and a line in it."""

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

INNER = re.compile(r"\.<locals>\.<\w+>$")
"""A comprehension, a generator expression or a lambda at the end of a qualified name: part of what it is written in."""


class Line(NamedTuple):
    """A line of a source file, and the qualified name of the function that it is in."""

    file: str
    number: int
    function: str

    @property
    def text(self) -> str:
        """What the line says, without its indentation; empty where the file cannot be read."""
        return linecache.getline(self.file, self.number).strip()

    @property
    def key(self) -> str:
        """The line as edits elsewhere leave it: its function, what it says, and which of equal lines before it is."""
        text = self.text
        if not text:
            return f"{self.function}:{self.number}"
        lines = linecache.getlines(self.file)[: self.number]
        return f"{os.path.basename(self.file)}:{self.function}:{text}#{sum(line.strip() == text for line in lines)}"

    def __str__(self) -> str:
        return f"{short(self.file)}:{self.number}"


def line_of(code: CodeType, number: int) -> Line:
    """The line of a code object, which counts as its function's where it is a comprehension or a lambda."""
    name = code.co_qualname
    while (outer := INNER.sub("", name)) != name:
        name = outer
    return Line(code.co_filename, number, name)


def short(file: str) -> str:
    """A file as a reader knows it: from the folder one is in, else its name."""
    near = os.path.relpath(file) if os.path.isabs(file) else file
    return os.path.basename(file) if near.startswith(os.pardir) else near


def within(scope: ast.AST) -> Iterator[ast.AST]:
    """What stands in a module, a class or a function, and in none of those within it."""
    for node in ast.iter_child_nodes(scope):
        yield node
        if not isinstance(node, Function | ast.ClassDef):
            yield from within(node)
