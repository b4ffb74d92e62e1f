"""Do the tests of the isolation model notice when one of its checks is weakened, strengthened or turned around?

    python -m benchmarks.mutants [--sample N] [--seed S] [--seconds 60] [--histories] [--json FILE] [MODULE ...]

Each mutant is the model with one small change: an excuse left out, a check left out, a comparison turned around, one
part of a condition dropped, ``any`` made ``all``, a constant turned over.  It is killed where ``tests/isolation`` fails
or hangs.  A mutant that no history can tell from the original lives, and counts as alive.  With ``--histories`` those
tests alone are asked that judge written histories, without those that execute servers: a tenth of the time.

Operators after R. A. DeMillo, R. J. Lipton and F. G. Sayward, "Hints on test data selection", Computer 11 (4), 1978;
the tests are collected once, and each mutant is planted in a process forked for it.
"""

from __future__ import annotations

import ast
import gc
import importlib
import inspect
import os
import random
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

from crosswire.models.isolation.verdicts import DECLARATIONS, Check

from .report import arguments, table, write

__all__ = ("Jury", "Mutant", "mutants", "plant")

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "models" / "isolation"
PACKAGE = "crosswire.models.isolation"
TESTS = ROOT / "tests" / "isolation"

SLOW = ("test_managed", "test_policies", "test_served")
"""Tests that execute servers: asked last, since those of written histories cost a hundredth."""

QUIET = (
    "-oaddopts=",
    "-otimeout=0",
    *(f"-pno:{plugin}" for plugin in ("cacheprovider", "terminal")),
    "-Wignore::pytest.PytestAssertRewriteWarning",
)
"""Says nothing, also not of a plugin that is imported already; and leaves the alarm to us."""

UNPLANTED = 3
"""With what a process ends in which a mutant could not be planted."""

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
    if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "NEVER_JUDGED":  # a list for the documentation
        yield from ast.walk(node)


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


def plant(mutant: Mutant) -> None:
    """Turn one module of the model, as it is imported, into the mutant: whoever has its functions in hand has it too.

    Raises RuntimeError where that changes nothing.
    """
    planted = importlib.import_module(f"{PACKAGE}.{mutant.module}")
    grown = ModuleType(planted.__name__)
    grown.__package__ = planted.__package__
    sys.modules[grown.__name__] = grown  # where dataclasses look up the names in their annotations
    exec(mutant.code, vars(grown))
    sys.modules[planted.__name__] = planted
    changed = [_take_over(thing, vars(grown)[name]) for name, thing in vars(planted).items() if name in vars(grown)]
    if True not in changed:
        raise RuntimeError(f"{mutant} changes nothing")


def _take_over(old: object, new: object) -> bool:
    """Give ``old`` the code of ``new``, the same thing in another version of its module; whether that changed it."""
    if isinstance(old, property) and isinstance(new, property):
        return _take_over(old.fget, new.fget)
    if isinstance(old, cached_property) and isinstance(new, cached_property):
        return _take_over(old.func, new.func)
    if isinstance(old, tuple) and isinstance(new, tuple) and old and isinstance(_plain(old[0]), Check):
        left = {check.breaches.__name__: check for check in map(_plain, new)}
        return True in [_lose(check, left.get(check.breaches.__name__)) for check in map(_plain, old)]
    old, new = (inspect.unwrap(thing) if callable(thing) else thing for thing in (old, new))
    if isinstance(old, FunctionType) and isinstance(new, FunctionType):
        was = old.__code__, old.__kwdefaults__, DECLARATIONS.get(old)
        old.__code__, old.__kwdefaults__ = new.__code__, new.__kwdefaults__
        if new in DECLARATIONS:
            DECLARATIONS[old] = DECLARATIONS[new]
        return was != (old.__code__, old.__kwdefaults__, DECLARATIONS.get(old))
    if isinstance(old, type) and isinstance(new, type) and old is not new:
        return True in [_take_over(thing, vars(new)[name]) for name, thing in vars(old).items() if name in vars(new)]
    return False


def _plain(check: Any) -> Any:
    """A check, which an outside one has within it."""
    return getattr(check, "check", check)


def _lose(check: Check, left: Check | None) -> bool:
    """Take from a check the excuses that its mutant lacks, or its breaches where there is no mutant of it."""
    names = [excuse.__name__ for excuse in left.excuses] if left is not None else []
    kept = tuple(excuse for excuse in check.excuses if excuse.__name__ in names)
    lost = left is None or len(kept) < len(check.excuses)
    object.__setattr__(check, "excuses", kept)
    if left is None:
        object.__setattr__(check, "breaches", lambda index: iter(()))
    return lost


class Jury:
    """A plugin of pytest: instead of running once, what it has collected runs for every mutant.

    Each in a process forked for it, to the first test that fails; which is asked first for the next mutant.
    """

    def __init__(self, made: Sequence[Mutant], seconds: int, *, histories: bool = False) -> None:
        self._made, self._seconds, self._histories = made, seconds, histories
        self.alive: Counter[str] = Counter()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: item.path.stem in SLOW)
        if self._histories:
            items[:] = [item for item in items if item.path.stem not in SLOW]

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = list(session.items)
        gc.freeze()
        if (failed := self._killer(None, items)) is not None:
            raise SystemExit(f"the tests fail on the model as it is: {failed}")
        for mutant in self._made:
            killer = self._killer(mutant, items)
            if killer is None:
                self.alive[mutant.module] += 1
                print(f"alive: {mutant}", flush=True)
            else:
                items.sort(key=lambda item: item.nodeid != killer)
        return True

    def _killer(self, mutant: Mutant | None, items: Sequence[pytest.Item]) -> str | None:
        """The test that fails on a mutant; empty where one hangs or ends the process, None where all pass."""
        reads, writes = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                if mutant is not None:
                    plant(mutant)
            except BaseException:
                traceback.print_exc(file=sys.__stderr__)
                os._exit(UNPLANTED)
            try:
                signal.setitimer(signal.ITIMER_PROF, self._seconds)
                signal.alarm(20 * self._seconds)
                os.write(writes, self._failing(items).encode())
                os._exit(0)
            except BaseException:
                os._exit(1)
        os.close(writes)
        with os.fdopen(reads) as pipe:
            said = pipe.read()
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if code == UNPLANTED:
            raise SystemExit(f"cannot be planted: {mutant}")
        return said or (None if code == 0 else "")

    def _failing(self, items: Sequence[pytest.Item]) -> str:
        for item, following in zip_longest(items, items[1:]):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if item.session.testsfailed:
                return item.nodeid
        return ""


def main(argv: Sequence[str] | None = None) -> None:
    """Print who survived as soon as it is known, and the share of the killed."""
    parser, given = arguments(__doc__, argv)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="of the model; all unless named")
    parser.add_argument("--sample", type=int, help="so many, drawn at random, rather than all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--histories", action="store_true", help="ask no tests that execute servers")
    parser.add_argument("--seconds", type=int, default=60, help="of processor time, in which a mutant's tests end")
    options = parser.parse_args(given)
    modules = options.modules or sorted(path.stem for path in MODEL.glob("*.py") if path.stem not in PLAIN)
    made = [mutant for module in modules for mutant in mutants(module)]
    sample = 5 if options.quick else options.sample
    if sample is not None and sample < len(made):
        made = random.Random(options.seed).sample(made, sample)
    began, jury = time.perf_counter(), Jury(made, options.seconds, histories=options.histories)
    code = pytest.main(["-s", *QUIET, str(TESTS)], [jury])
    if code != pytest.ExitCode.OK:
        raise SystemExit(int(code))
    all_of = Counter(mutant.module for mutant in made)
    rows = [(name, n, n - jury.alive[name], f"{1 - jury.alive[name] / n:.0%}") for name, n in all_of.items()]
    total, living = all_of.total(), jury.alive.total()
    rows.append(("all", total, total - living, f"{1 - living / total:.0%}"))
    print(table(("module", "mutants", "killed", "share"), rows))
    print(f"in {time.perf_counter() - began:.0f} s")
    write(options.json, {"mutants": {name: [count, jury.alive[name]] for name, count in all_of.items()}})


if __name__ == "__main__":
    main()
