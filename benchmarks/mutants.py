"""Do the tests of the isolation model notice when one of its checks is weakened, strengthened or turned around?

    python -m benchmarks.mutants [--sample N] [--seed S] [--seconds 60] [--json FILE] [MODULE ...]

Each mutant is the model with one small change: an excuse left out, a check left out, a comparison turned around, one
part of a condition dropped, ``any`` made ``all``, a constant turned over.  It is killed where ``tests/isolation`` fails
or hangs.  A mutant that no history can tell from the original lives, and counts as alive.

Operators after R. A. DeMillo, R. J. Lipton and F. G. Sayward, "Hints on test data selection", Computer 11 (4), 1978;
each mutant runs in a process of its own, forked where everything but the model is imported.
"""

from __future__ import annotations

import ast
import importlib
import importlib.abc
import importlib.util
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType

import pytest

from .report import arguments, table, write

__all__ = ("Mutant", "mutants", "survives")

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "models" / "isolation"
PACKAGE = "crosswire.models.isolation"
TESTS = ROOT / "tests" / "isolation"

SLOW = ("test_managed", "test_served")
"""Tests that execute servers: asked last, since those of written histories cost a hundredth."""

AGAIN = ("tests", "crosswire.models", "crosswire.fuzzer.findings", "crosswire.fuzzer.campaigns")
"""What is imported again for each mutant: whatever has the model in its hands."""

IGNORED = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
"""A plugin that is imported already, as part of what is common, would be told of."""

COMMON = (
    "crosswire.fuzzer.engine.execution",
    "crosswire.fuzzer.search",
    "crosswire.fuzzer.targets.applications",
    "hypothesis",
    "starlette.applications",
    "uvicorn",
    "websockets.asyncio.server",
)
"""What is imported once, before the first fork."""

PLAIN = ("__init__", "violations")
"""Modules that decide nothing."""

TURNED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
SWAPPED = {"any": "all", "all": "any", "min": "max", "max": "min"}


@dataclass(frozen=True)
class Mutant:
    """One small change to one module of the model: where, what, and the code that it makes."""

    module: str
    line: int
    change: str
    code: CodeType

    def __str__(self) -> str:
        return f"{self.module}.py:{self.line} {self.change}"


Change = tuple[str, Callable[[], None]]
"""A change to a syntax tree: in words, and done."""


def mutants(module: str) -> Iterator[Mutant]:
    """Every mutant of one module, in the order of its source."""
    path = MODEL / f"{module}.py"
    source = path.read_text(encoding="utf-8")
    original = ast.parse(source)
    declared = {id(node) for made in ast.walk(original) for node in _declaring(made)}
    for at, node in enumerate(ast.walk(original)):
        if id(node) in declared:
            continue
        for number, (words, _) in enumerate(_changes(node)):
            tree = ast.parse(source)
            _changes(list(ast.walk(tree))[at])[number][1]()
            code = compile(ast.fix_missing_locations(tree), str(path), "exec")
            yield Mutant(module, getattr(node, "lineno", 0), words, code)


def _declaring(node: ast.AST) -> Iterator[ast.AST]:
    """What says how a class is stored or tells a type checker what it cannot know, rather than what decides."""
    if isinstance(node, ast.Assert):
        yield from ast.walk(node)
    for decorator in node.decorator_list if isinstance(node, ast.ClassDef) else ():
        yield from ast.walk(decorator)
    if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Constant):
        yield node.value


def _changes(node: ast.AST) -> list[Change]:
    """What can be changed at a node."""
    if isinstance(node, ast.Compare):
        return [_turned(node, at) for at in range(len(node.ops))]
    if isinstance(node, ast.BoolOp):
        return [_without(node, at) for at, value in enumerate(node.values) if not _is_guard(value)]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return [(f"{ast.unparse(node)} without not", _set(node, "operand", ast.UnaryOp(ast.Not(), node.operand)))]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id in SWAPPED:
            swapped = SWAPPED[node.func.id]
            return [(f"{swapped} for {ast.unparse(node)}", _set(node.func, "id", swapped))]
        if node.func.id == "Check" and len(node.args) > 1 and isinstance(node.args[1], ast.Tuple):
            return _dropped(node.args[1], f"check {ast.unparse(node.args[0])} without the excuse")
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "CHECKS" and isinstance(node.value, ast.Tuple):
        return _dropped(node.value, "without the check")
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        return [(f"{not node.value} for {node.value}", _set(node, "value", not node.value))]
    return []


def _is_guard(node: ast.AST) -> bool:
    """Whether a part of a condition narrows a type, so that the others can be asked at all."""
    if isinstance(node, ast.Compare):
        return isinstance(node.ops[0], ast.Is | ast.IsNot) and ast.unparse(node.comparators[0]) == "None"
    called = isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance"
    return called or (isinstance(node, ast.Constant) and node.value == "")


def _turned(node: ast.Compare, at: int) -> Change:
    operator = TURNED[type(node.ops[at])]()

    def turn() -> None:
        node.ops[at] = operator

    return f"{ast.unparse(node)}, comparison {at + 1} turned around", turn


def _without(node: ast.BoolOp, at: int) -> Change:
    def drop() -> None:  # said twice, the other part alone decides
        node.values[at] = node.values[at - 1]

    return f"{ast.unparse(node)} without {ast.unparse(node.values[at])}", drop


def _dropped(node: ast.Tuple, words: str) -> list[Change]:
    def drop(at: int) -> Callable[[], None]:
        return lambda: node.elts.__delitem__(at)

    return [(f"{words} {ast.unparse(one)}", drop(at)) for at, one in enumerate(node.elts)]


def _set(node: ast.AST, name: str, value: object) -> Callable[[], None]:
    return lambda: setattr(node, name, value)


class _Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives one module of the model as the mutant has it."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        if fullname != f"{PACKAGE}.{self._mutant.module}":
            return None
        return importlib.util.spec_from_loader(fullname, self)

    def exec_module(self, module: ModuleType) -> None:
        exec(self._mutant.code, module.__dict__)


def survives(mutant: Mutant, seconds: int) -> bool:
    """Whether the tests pass on a mutant, in a process of their own; one that hangs does not."""
    pid = os.fork()
    if pid == 0:
        try:
            signal.alarm(seconds)
            os._exit(_tested(mutant))
        except BaseException:
            os._exit(3)
    _, status = os.waitpid(pid, 0)
    return os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0


def _tested(mutant: Mutant) -> int:
    silent = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(silent, stream)
    for name in list(sys.modules):
        if name.startswith(AGAIN):
            del sys.modules[name]
    sys.meta_path.insert(0, _Mutated(mutant))
    quick = sorted(str(path) for path in TESTS.glob("test_*.py") if path.stem not in SLOW)
    slow = [str(TESTS / f"{name}.py") for name in SLOW]
    return int(pytest.main(["-x", "-q", "-n", "0", "-p", "no:cacheprovider", *IGNORED, *quick, *slow]))


def main(argv: Sequence[str] | None = None) -> None:
    """Print who survived as soon as it is known, and the share of the killed."""
    parser, given = arguments(__doc__, argv)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="of the model; all unless named")
    parser.add_argument("--sample", type=int, help="so many, drawn at random, rather than all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=int, default=60, help="after which the tests of a mutant count as hanging")
    options = parser.parse_args(given)
    modules = options.modules or sorted(path.stem for path in MODEL.glob("*.py") if path.stem not in PLAIN)
    made = [mutant for module in modules for mutant in mutants(module)]
    sample = 5 if options.quick else options.sample
    if sample is not None and sample < len(made):
        made = random.Random(options.seed).sample(made, sample)
    for name in COMMON:
        importlib.import_module(name)
    began, alive, all_of = time.perf_counter(), Counter[str](), Counter[str]()
    first = MODEL / f"{modules[0]}.py"
    unchanged = Mutant(first.stem, 0, "unchanged", compile(first.read_text(encoding="utf-8"), str(first), "exec"))
    if not survives(unchanged, options.seconds):
        raise SystemExit("the tests fail on the model as it is")
    for mutant in made:
        all_of[mutant.module] += 1
        if survives(mutant, options.seconds):
            alive[mutant.module] += 1
            print(f"alive: {mutant}", flush=True)
    rows = [(name, count, count - alive[name], f"{1 - alive[name] / count:.0%}") for name, count in all_of.items()]
    total, living = all_of.total(), alive.total()
    rows.append(("all", total, total - living, f"{1 - living / total:.0%}"))
    print(table(("module", "mutants", "killed", "share"), rows))
    print(f"in {time.perf_counter() - began:.0f} s")
    write(options.json, {"mutants": {name: [count, alive[name]] for name, count in all_of.items()}})


if __name__ == "__main__":
    main()
