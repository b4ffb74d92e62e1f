"""Counterexample files: a target's name, a program, a schedule, and the violation they show.  JSON, never code.

A file is versioned and human-readable.  What cannot be read raises `CounterexampleError`, whose message is one line
that says what is wrong and what to do.
"""

from __future__ import annotations

import json
import os
import platform
import stat
import tempfile
from pathlib import Path

import msgspec

from ..core.errors import UsageError
from ..core.program import AT_ONCE, LATER, Operation, Program
from ..engine.schedule import Schedule, Visible
from .finding import Finding, kept_circumstance

__all__ = ("FORMAT", "Counterexample", "CounterexampleError", "load", "of_finding", "save")

FORMAT = 1
"""The version of the file format this release writes."""

ON_CONNECTION = frozenset({"connect", "authenticate", "log_out", "expire", "join", "leave"}) | (AT_ONCE - {"cancel"})
BY_USER = frozenset({"connect", "emit", "emit_to_thread", "emit_to_room", "broadcast", "run_agent", "clean_up"})
TO_USER = frozenset({"emit", "emit_to_thread", "run_agent"})

NEEDED: tuple[tuple[str, frozenset[str]], ...] = (
    ("connection", ON_CONNECTION),
    ("user", BY_USER),
    ("to", TO_USER),
    ("room", frozenset({"join", "leave"})),
    ("name", frozenset({"act"})),
)
"""The fields that operations of some kinds cannot do without."""

LARGEST = 1 << 24
"""Bytes of a file that is read at all."""

MOST_TIMES = 10_000
"""How often a file may have an operation repeated."""


class CounterexampleError(UsageError):
    """The file is no counterexample this release can read."""


class Counterexample(msgspec.Struct, frozen=True):
    """What a file holds; `program` and `schedule` as in the modules of those names."""

    crosswire: int
    target: str
    signature: str
    promise: str
    violation: str
    message: str
    program: list[Operation]
    schedule: list[tuple[int, int]]
    order: list[tuple[list[str | int], bool]] = []
    python: str = ""
    circumstance: str | None = None
    """What besides the class tells the violation from others, less the names of functions; None in older files."""

    def to_program(self) -> Program:
        return Program(tuple(self.program))

    def to_schedule(self) -> Schedule:
        return Schedule(tuple(self.schedule))

    def to_order(self) -> list[Visible]:
        """The order in which events became visible: what to follow where another Python numbers decisions otherwise."""
        return [(tuple(key), busy) for key, busy in self.order]


def of_finding(target: str, signature: str, finding: Finding) -> Counterexample:
    """The file's content for a finding."""
    execution = finding.execution
    return Counterexample(
        crosswire=FORMAT,
        target=target,
        signature=signature,
        promise=finding.violation.promise,
        violation=finding.violation.kind,
        message=finding.violation.message,
        program=list(execution.program.operations),
        schedule=list(execution.schedule.deviations),
        order=[(list(key), busy) for key, busy in execution.visible],
        python=platform.python_version(),
        circumstance=kept_circumstance(finding.violation, execution.history),
    )


def save(counterexample: Counterexample, folder: Path) -> Path:
    """Write ``<folder>/<target>-<signature>.json``, whole or not at all; gives its path."""
    folder.mkdir(parents=True, exist_ok=True)
    name = "".join(c if c.isalnum() or c in "-_." else "-" for c in counterexample.target)
    path = folder / f"{name}-{counterexample.signature}.json"
    data = msgspec.to_builtins(counterexample)
    data["program"] = [
        {key: value for key, value in step.items() if value is not None and LATER.get(key, ...) != value}
        for step in data["program"]
    ]
    lines = [f"  {json.dumps(key)}: {_lines(value)}" for key, value in data.items()]
    text = "{\n" + ",\n".join(lines) + "\n}"
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".", suffix=".tmp")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text + "\n")
    os.replace(temporary, path)
    return path


def _lines(value: object) -> str:
    """A field of the file; lists with an element a line, so that files can be read and compared."""
    if not isinstance(value, list) or not value:
        return json.dumps(value)
    return "[\n" + ",\n".join(f"    {json.dumps(element)}" for element in value) + "\n  ]"


def load(path: Path) -> Counterexample:
    """Read a file; raises `CounterexampleError`."""
    try:
        seen = path.stat()
        if not stat.S_ISREG(seen.st_mode):  # a pipe would be waited for, a device has no end
            raise CounterexampleError(f"{path}: no regular file, and no counterexample therefore")
        if seen.st_size > LARGEST:
            raise CounterexampleError(f"{path}: {seen.st_size:,} bytes, and no counterexample has over {LARGEST:,}")
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CounterexampleError(f"{path}: there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CounterexampleError(f"{path}: cannot be read: {error}") from None
    except CounterexampleError:
        raise
    except (ValueError, RecursionError) as error:
        raise CounterexampleError(
            f"{path}: not JSON, or cut short ({error}); restore it or run the campaign again"
        ) from None
    version = data.get("crosswire") if isinstance(data, dict) else None
    if not isinstance(version, int) or isinstance(version, bool):
        raise CounterexampleError(
            f"{path}: not a counterexample: it has no field 'crosswire' with the format's version"
        )
    if version < 1:
        raise CounterexampleError(f"{path}: format {version}, and there has never been one below 1")
    if version > FORMAT:
        raise CounterexampleError(
            f"{path}: format {version}, and this release reads up to {FORMAT}; upgrade crosswire to replay it"
        )
    try:
        counterexample = msgspec.convert(data, Counterexample)
        _check(counterexample)
    except (msgspec.ValidationError, CounterexampleError) as error:
        raise CounterexampleError(f"{path}: malformed: {error}") from None
    return counterexample


def _check(counterexample: Counterexample) -> None:
    if not counterexample.program:
        raise CounterexampleError("the program has no operations")
    for number, step in enumerate(counterexample.program):
        missing = [field for field, kinds in NEEDED if step.kind in kinds and getattr(step, field) is None]
        if step.kind == "cancel" and step.connection is None and step.user is None:
            missing.append("connection")
        if missing:
            raise CounterexampleError(f"operation {number} ({step.kind}) lacks {' and '.join(missing)}")
        if not 1 <= step.times <= MOST_TIMES:
            raise CounterexampleError(f"operation {number} ({step.kind}) is done {step.times} times")
        if step.seconds is not None and not 0 <= step.seconds <= 1e7:
            raise CounterexampleError(f"operation {number} ({step.kind}) lasts {step.seconds} seconds")
    for point, choice in counterexample.schedule:
        if not point or choice < 0:
            raise CounterexampleError(f"the schedule's entry [{point}, {choice}] is out of range")
