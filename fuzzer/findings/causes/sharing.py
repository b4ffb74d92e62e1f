"""What a line of source reads and changes of what tasks share: attributes, and variables of modules and closures.

Told from the source, by names: two lines that say ``.tabs`` may mean one thing, whatever objects they hold.  Which
objects a line has to do with is seen when it runs (`objects`), by what is noted here of its expressions.
"""

from __future__ import annotations

import ast
import linecache
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from ...core.source import Function, Line, within

__all__ = ("MODULE", "NOTHING", "Access", "Use", "access")

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

KEYED = {"get", "pop", "setdefault", "add", "discard", "remove"}
"""Methods whose first argument says which part of a container they are about."""

MODULE = ""
"""The scope of a module's own variables."""


@dataclass(frozen=True, slots=True, eq=False)
class Use:
    """What an expression has to do with an object, or with a variable that others can see.

    ``of`` is the expression of the object, or the scope of a variable: the qualified name of its function, or `MODULE`.
    ``part`` is the attribute, or the variable, or the expression of a container's key; None where it is all of it.
    ``before``: it goes by what was read of it in a line before.
    """

    of: ast.expr | str
    part: ast.expr | str | None
    name: str
    changes: bool = False
    before: bool = False


@dataclass(frozen=True, slots=True)
class Access:
    """The names of what a line reads and changes, how it says so, and the lines of the conditions it runs under."""

    reads: frozenset[str] = frozenset()
    changes: frozenset[str] = frozenset()
    under: frozenset[int] = frozenset()
    uses: tuple[Use, ...] = ()


NOTHING = Access()


def access(line: Line) -> Access:
    """What a line has to do with what is shared; nothing where its file cannot be read."""
    return _accesses(line.file).get(line.number, NOTHING)


@cache
def _accesses(file: str) -> dict[int, Access]:
    try:
        found = _Reader(ast.parse("".join(linecache.getlines(file))))
    except (SyntaxError, ValueError, RecursionError):  # the last where an expression is very long
        return {}
    lines = {*found.reads, *found.changes, *found.under, *found.uses}
    return {
        number: Access(
            frozenset(found.reads[number]),
            frozenset(found.changes[number]),
            frozenset(found.under.get(number, ())),
            tuple(found.uses[number]),
        )
        for number in lines
    }


class _Reader:
    """Walks a module and notes, line by line, the shared names that are read and changed."""

    def __init__(self, tree: ast.Module) -> None:
        self.reads: dict[int, set[str]] = defaultdict(set)
        self.changes: dict[int, set[str]] = defaultdict(set)
        self.uses: dict[int, list[Use]] = defaultdict(list)
        self.under: dict[int, tuple[int, ...]] = {}
        self._shared: list[dict[str, str]] = [dict.fromkeys(_bound(tree), MODULE)]
        """the variables that others can see, each with its scope"""
        self._within: tuple[str, ...] = ()
        self._aliases: list[dict[str, frozenset[str]]] = [{}]
        self._sources: list[dict[str, tuple[Use, ...]]] = [{}]
        """what a variable's value was taken from"""
        self._conditions: tuple[int, ...] = ()
        self._new: str | None = None
        self._kept = {
            node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
        }
        """attributes that something is kept in: a function, say, that is called there"""
        for statement in tree.body:
            self._see(statement)

    def _see(self, node: ast.AST, *, taken_from: bool = False) -> None:
        """Note what is in a part of the source; of what something is ``taken_from`` not all is read."""
        if isinstance(node, Function):
            self._function(node)
            return
        if isinstance(node, ast.stmt):
            self.under.setdefault(node.lineno, self._conditions)
        self._assigned(node)
        if not taken_from:
            self._all_of(node)
        match node:
            case ast.Attribute(value=ast.Name(id=made), ctx=ast.Store()) if made == self._new:
                return  # nobody else has it yet
            case ast.Attribute(value=value, attr=name, ctx=context):
                where = self.reads if isinstance(context, ast.Load) else self.changes
                where[node.lineno].add(name)
                self.uses[node.lineno].append(Use(value, name, name, where is self.changes))
                self._see(value, taken_from=True)
                return
            case ast.Name(id=name, ctx=context) if name in self._shared[-1]:
                where = self.reads if isinstance(context, ast.Load) else self.changes
                where[node.lineno].add(name)
                self.uses[node.lineno].append(Use(self._shared[-1][name], name, name, where is self.changes))
            case ast.Name(id=name, ctx=ast.Load()):
                self.reads[node.lineno] |= self._aliases[-1].get(name, frozenset())
                self.uses[node.lineno] += self._sources[-1].get(name, ())
            case ast.Subscript(value=value, slice=key, ctx=context):
                changes = not isinstance(context, ast.Load)
                if changes:
                    self.changes[node.lineno] |= self._meant(value)
                self._part_of(value, key, node.lineno, changes=changes)
                self._see(value, taken_from=True)
                self._see(key)
                return
            case ast.AugAssign(target=target):
                value = target.value if isinstance(target, ast.Subscript) else target
                self.reads[node.lineno] |= self._meant(value)
                self._part_of_target(target)
            case ast.Compare(left=key, ops=[ast.In() | ast.NotIn()], comparators=[value]):
                self._part_of(value, key, node.lineno)
                self._see(key)
                self._see(value, taken_from=True)
                return
            case ast.Call(func=ast.Attribute(value=value, attr=method)):
                if method in CHANGING:
                    self.changes[node.lineno] |= self._meant(value)
                if method in self._kept:
                    self.reads[node.lineno].add(method)
                    self.uses[node.lineno].append(Use(value, method, method))
                about = node.args[0] if node.args and method in KEYED else None
                self._part_of(value, about, node.lineno, changes=method in CHANGING)
                self._see(value, taken_from=True)
                for inner in (*node.args, *node.keywords):  # a method's name is no state
                    self._see(inner)
                return
            case _:
                pass
        before = self._conditions
        scope = self._within
        if isinstance(node, ast.ClassDef):
            self._within = (*scope, node.name)
        for name, value in ast.iter_fields(node):
            if name in ("body", "orelse", "handlers") and isinstance(node, ast.If | ast.While | ast.For | ast.AsyncFor):
                self._conditions = (*before, node.lineno)
            for inner in value if isinstance(value, list) else [value]:
                if isinstance(inner, ast.AST):
                    self._see(inner)
            self._conditions = before
        self._within = scope

    def _part_of_target(self, target: ast.expr) -> None:
        """What is changed goes by what it was."""
        match target:
            case ast.Attribute(value=value, attr=name):
                self.uses[target.lineno].append(Use(value, name, name))
            case ast.Subscript(value=value, slice=key):
                self._part_of(value, key, target.lineno)
            case ast.Name(id=name) if name in self._shared[-1]:
                self.uses[target.lineno].append(Use(self._shared[-1][name], name, name))
            case _:
                pass

    def _part_of(self, value: ast.expr, key: ast.expr | None, line: int, *, changes: bool = False) -> None:
        self.uses[line].append(Use(value, key, min(self._meant(value), default=_said(value)), changes))

    def _all_of(self, node: ast.AST) -> None:
        """Whoever takes a container as a value reads all that is in it."""
        match node:
            case ast.Name(ctx=ast.Load()) | ast.Attribute(ctx=ast.Load()) | ast.Subscript(ctx=ast.Load()):
                self._part_of(node, None, node.lineno)
            case ast.Call(func=ast.Attribute(attr="get" | "setdefault")):
                self._part_of(node, None, node.lineno)
            case _:
                pass

    def _function(self, node: Function) -> None:
        """A function's own variables are nobody else's, but for those that a function within it uses."""
        told = {
            name: MODULE if isinstance(said, ast.Global) else self._shared[-1].get(name, MODULE)
            for said in within(node)
            if isinstance(said, ast.Global | ast.Nonlocal)
            for name in said.names
        }
        own = set(_bound(node)) - told.keys()
        inner = {
            used.id
            for function in ast.walk(node)
            if function is not node and isinstance(function, Function)
            for used in ast.walk(function)
            if isinstance(used, ast.Name)
        }
        outer_scope = self._within
        self._within = (*outer_scope, getattr(node, "name", "<lambda>"))
        here = ".".join(self._within)
        seen = {name: scope for name, scope in self._shared[-1].items() if name not in own}
        seen |= dict.fromkeys(own & inner, here) | told
        self._shared.append(seen)
        self._aliases.append({})
        self._sources.append({})
        self._within = (*self._within, "<locals>")
        before, self._conditions = self._conditions, ()
        outer, self._new = self._new, _made_by(node)  # a function within may be called once others have it
        for statement in node.body if isinstance(node.body, list) else [node.body]:
            self._see(statement)
        self._conditions, self._new = before, outer
        self._within = outer_scope
        self._aliases.pop()
        self._sources.pop()
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
        meant, source = self._meant(value), self._used_by(value)
        for target in targets:
            for inner in ast.walk(target):
                if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                    self._aliases[-1][inner.id] = meant
                    self._sources[-1][inner.id] = source if meant else ()

    def _used_by(self, value: ast.expr) -> tuple[Use, ...]:
        """What an expression has to do with, by itself."""
        outer, self.uses = self.uses, defaultdict(list)
        self._see(value)
        found = (use for uses in self.uses.values() for use in uses)
        once = dict.fromkeys(use if use.before else replace(use, changes=False, before=True) for use in found)
        self.uses = outer
        return tuple(once)

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


def _said(value: ast.expr) -> str:
    """What an expression is called that stands for nothing else."""
    names = (
        node.attr if isinstance(node, ast.Attribute) else node.id
        for node in ast.walk(value)
        if isinstance(node, ast.Attribute | ast.Name)
    )
    return next(names, "")


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
