"""What a line of source reads and changes of what tasks share: attributes, and variables of modules and closures.

Told from the source, by names: two lines that say ``.tabs`` are taken to mean one thing, whatever objects they hold,
unless both say ``self.tabs`` and whoever asks knows whose.  That is enough to say which of the lines that ran had to do
with each other, and no proof that they had.
"""

from __future__ import annotations

import ast
import linecache
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from ...core.source import Function, Line, within

__all__ = ("NOTHING", "SELF", "Access", "access")

CHANGING = {
    *("append", "appendleft", "extend", "insert", "remove", "pop", "popitem", "popleft", "clear", "update", "add"),
    *("discard", "setdefault", "set"),
}
"""Methods of containers, events and context variables that change what they are called on."""

TAKING = {
    *("list", "tuple", "set", "frozenset", "dict", "sorted", "reversed", "enumerate", "iter", "next", "zip"),
    *("min", "max"),
}
"""Functions whose result is made of what is in their arguments."""

SELF = "self"
"""What a method calls the object it is of."""


@dataclass(frozen=True, slots=True)
class Access:
    """The names of what a line reads and changes, and the lines of the conditions under which it runs.

    ``own`` are those that it only reads and changes of the object whose method it is in.
    """

    reads: frozenset[str] = frozenset()
    changes: frozenset[str] = frozenset()
    under: frozenset[int] = frozenset()
    own: frozenset[str] = frozenset()

    @property
    def touches(self) -> frozenset[str]:
        return self.reads | self.changes


NOTHING = Access()


def access(line: Line) -> Access:
    """What a line has to do with what is shared; nothing where its file cannot be read."""
    return _accesses(line.file).get(line.number, NOTHING)


@cache
def _accesses(file: str) -> dict[int, Access]:
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return {}
    found = _Reader(tree)
    lines = {*found.reads, *found.changes, *found.under}
    return {
        number: Access(
            frozenset(found.reads[number]),
            frozenset(found.changes[number]),
            frozenset(found.under.get(number, ())),
            frozenset(found.own[number] - found.others[number]),
        )
        for number in lines
    }


class _Reader:
    """Walks a module and notes, line by line, the shared names that are read and changed."""

    def __init__(self, tree: ast.Module) -> None:
        self.reads: dict[int, set[str]] = defaultdict(set)
        self.changes: dict[int, set[str]] = defaultdict(set)
        self.own: dict[int, set[str]] = defaultdict(set)
        self.others: dict[int, set[str]] = defaultdict(set)
        """attributes of ``self``, and whatever else is shared"""
        self.under: dict[int, tuple[int, ...]] = {}
        self._shared: list[frozenset[str]] = [frozenset(_bound(tree))]
        self._aliases: list[dict[str, frozenset[str]]] = [{}]
        self._conditions: tuple[int, ...] = ()
        self._new: str | None = None
        self._kept = {
            node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
        }
        """attributes that something is kept in: a function, say, that is called there"""
        for statement in tree.body:
            self._see(statement)

    def _see(self, node: ast.AST) -> None:
        if isinstance(node, Function):
            self._function(node)
            return
        if isinstance(node, ast.stmt):
            self.under.setdefault(node.lineno, self._conditions)
        self._assigned(node)
        match node:
            case ast.Attribute(value=ast.Name(id=made), ctx=ast.Store()) if made == self._new:
                return  # nobody else has it yet
            case ast.Attribute(attr=name, ctx=context):
                where = self.reads if isinstance(context, ast.Load) else self.changes
                where[node.lineno].add(name)
                whose = self.own if isinstance(node.value, ast.Name) and node.value.id == SELF else self.others
                whose[node.lineno].add(name)
            case ast.Name(id=name, ctx=context) if name in self._shared[-1]:
                where = self.reads if isinstance(context, ast.Load) else self.changes
                where[node.lineno].add(name)
                self.others[node.lineno].add(name)
            case ast.Name(id=name, ctx=ast.Load()):
                meant = self._aliases[-1].get(name, frozenset())
                self.reads[node.lineno] |= meant
                self.others[node.lineno] |= meant
            case ast.Subscript(value=value, ctx=ast.Store() | ast.Del()):
                self.changes[node.lineno] |= self._meant(value)
            case ast.AugAssign(target=ast.Subscript(value=value) | value):
                self.reads[node.lineno] |= self._meant(value)
            case ast.Call(func=ast.Attribute(value=value, attr=method)):
                if method in CHANGING:
                    self.changes[node.lineno] |= self._meant(value)
                if method in self._kept:
                    self.reads[node.lineno].add(method)
                for inner in (value, *node.args, *node.keywords):  # a method's name is no state
                    self._see(inner)
                return
            case _:
                pass
        before = self._conditions
        for name, value in ast.iter_fields(node):
            if name in ("body", "orelse", "handlers") and isinstance(node, ast.If | ast.While | ast.For | ast.AsyncFor):
                self._conditions = (*before, node.lineno)
            for inner in value if isinstance(value, list) else [value]:
                if isinstance(inner, ast.AST):
                    self._see(inner)
            self._conditions = before

    def _function(self, node: Function) -> None:
        """A function's own variables are nobody else's, but for those that a function within it uses."""
        own = set(_bound(node))
        told = {
            name for inner in ast.walk(node) if isinstance(inner, ast.Global | ast.Nonlocal) for name in inner.names
        }
        inner = {
            used.id
            for function in ast.walk(node)
            if function is not node and isinstance(function, Function)
            for used in ast.walk(function)
            if isinstance(used, ast.Name)
        }
        self._shared.append((self._shared[-1] - (own - told)) | (own & inner) | told)
        self._aliases.append({})
        before, self._conditions = self._conditions, ()
        outer, self._new = self._new, _made_by(node)  # a function within may be called once others have it
        for statement in node.body if isinstance(node.body, list) else [node.body]:
            self._see(statement)
        self._conditions, self._new = before, outer
        self._aliases.pop()
        self._shared.pop()

    def _assigned(self, node: ast.AST) -> None:
        """A variable stands for whatever it was taken out of."""
        match node:
            case ast.Assign(targets=targets, value=value):
                pass
            case ast.For(target=target, iter=value) | ast.AsyncFor(target=target, iter=value):
                targets = [target]
            case ast.NamedExpr(target=target, value=value):
                targets = [target]
            case _:
                return
        meant = self._meant(value)
        for target in targets:
            for inner in ast.walk(target):
                if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                    self._aliases[-1][inner.id] = meant

    def _meant(self, value: ast.AST) -> frozenset[str]:
        """The shared names of the object that an expression is, or is taken out of."""
        match value:
            case ast.Attribute(attr=name):
                return frozenset({name})
            case ast.Name(id=name):
                alone = frozenset({name}) if name in self._shared[-1] else frozenset[str]()
                return alone | self._aliases[-1].get(name, frozenset())
            case ast.Call(func=ast.Name(id=name)) if name not in TAKING:
                return frozenset()
            case ast.Call(func=ast.Attribute(value=inner)) | ast.Subscript(value=inner) | ast.Await(value=inner):
                return self._meant(inner)
            case ast.Starred(value=inner) | ast.NamedExpr(value=inner):
                return self._meant(inner)
            case ast.Call(args=parts) | ast.Tuple(elts=parts) | ast.BoolOp(values=parts):
                return frozenset().union(*map(self._meant, parts))
            case ast.IfExp(body=one, orelse=other) | ast.BinOp(left=one, right=other):
                return self._meant(one) | self._meant(other)
            case ast.ListComp(generators=parts) | ast.SetComp(generators=parts) | ast.GeneratorExp(generators=parts):
                return frozenset().union(*(self._meant(part.iter) for part in parts))
            case _:
                return frozenset()


def _made_by(node: Function) -> str | None:
    """What a function calls the object that it makes ready, if that is what it does."""
    if not isinstance(node, ast.FunctionDef) or node.name != "__init__":
        return None
    return next((argument.arg for argument in (*node.args.posonlyargs, *node.args.args)), None)


def _bound(scope: ast.AST) -> Iterator[str]:
    """The variables that a module or a function assigns itself."""
    for node in within(scope):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
