"""Counterexample files: a target's name, a program, a schedule, and the violation they show.  JSON, never code.

A file is versioned and human-readable.  What cannot be read raises `CounterexampleError`, whose message is one line
that says what is wrong and what to do.
"""

from __future__ import annotations

import json
import os
import platform
import re
import stat
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec

from ..core.choices import PROMISES, Backend
from ..core.errors import UsageError
from ..core.program import AT_ONCE, EMITS, Operation, Program, said_of
from ..core.renames import FORMER, PROMISES_NOW, VIOLATIONS_NOW, signature_now
from ..core.text import LONGEST, cut, plain
from ..engine.schedule import Schedule, Visible
from .finding import Finding, kept_circumstance

__all__ = ("FORMAT", "Counterexample", "CounterexampleError", "load", "of_finding", "parsed", "path_for", "save")

FORMAT = 1
"""The version of the file format this release writes."""

ON_CONNECTION = frozenset({"connect", "authenticate", "log_out", "expire", "join", "leave"}) | (AT_ONCE - {"cancel"})
BY_USER = EMITS | {"connect", "clean_up"}
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

MOST_OPERATIONS = 100_000
"""Operations of a program, each repetition counted."""

MOST_DECISIONS = 1 << 31
"""What no execution comes to: its decisions, and the events that one of them is taken among."""

LONGEST_TEXT = 20_000
"""Characters of a message or a circumstance."""

SIGNATURE = re.compile(r"(\w{1,100})-[0-9a-f]{8}", re.ASCII)
"""The class of a violation, and a hash of what else tells it from others."""

FIELDS = frozenset(field.name for field in fields(Operation))


class CounterexampleError(UsageError):
    """The file is no counterexample this release can read."""


class Counterexample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
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
    backend: Backend = "asyncio"
    """Which library's tasks the target was run as; not in files of those on asyncio."""
    circumstance: str | None = None
    """What besides the class tells the violation from others, less the names of functions; None in older files."""

    def to_program(self) -> Program:
        return Program(tuple(self.program))

    def to_schedule(self) -> Schedule:
        return Schedule(tuple(self.schedule))

    def to_order(self) -> list[Visible]:
        """The order in which events became visible: what to follow where another Python numbers decisions otherwise."""
        return [(tuple(key), busy) for key, busy in self.order]


def of_finding(target: str, signature: str, finding: Finding, backend: Backend = "asyncio") -> Counterexample:
    """The file's content for a finding."""
    execution = finding.execution
    return Counterexample(
        crosswire=FORMAT,
        target=target,
        signature=signature,
        promise=finding.violation.promise,
        violation=finding.violation.kind,
        message=plain(cut(finding.violation.message, LONGEST_TEXT // 10)),
        program=list(execution.program.operations),
        schedule=list(execution.schedule.deviations),
        order=[(list(key), busy) for key, busy in execution.visible],
        python=platform.python_version(),
        backend=backend,
        circumstance=kept_circumstance(finding.violation, execution.history),
    )


def path_for(target: str, signature: str, folder: Path) -> Path:
    """Return where a finding of a target's is kept in a folder."""
    name = "".join(c if c.isalnum() or c in "-_." else "-" for c in target)
    return folder / f"{name}-{signature}.json"


def save(counterexample: Counterexample, folder: Path) -> Path:
    """Write ``<folder>/<target>-<signature>.json``, whole or not at all; gives its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = path_for(counterexample.target, counterexample.signature, folder)
    data = msgspec.to_builtins(counterexample)
    data["program"] = list(map(said_of, data["program"]))
    if data["backend"] == "asyncio":
        del data["backend"]
    lines = [f"  {json.dumps(key)}: {_lines(value)}" for key, value in data.items()]
    text = "{\n" + ",\n".join(lines) + "\n}"
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".", suffix=".tmp")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text + "\n")
    os.replace(temporary, path)
    kind, _, rest = counterexample.signature.partition("-")
    if kind in FORMER:  # the same finding's, as an earlier release called it
        path_for(counterexample.target, f"{FORMER[kind]}-{rest}", folder).unlink(missing_ok=True)
    return path


def _lines(value: object) -> str:
    """A field of the file; lists with an element a line, so that files can be read and compared."""
    if not isinstance(value, list) or not value:
        return json.dumps(value)
    return "[\n" + ",\n".join(f"    {json.dumps(element)}" for element in value) + "\n  ]"


def load(path: Path) -> Counterexample:
    """Read a file; raises `CounterexampleError`.  Nothing of a target's is imported or run."""
    try:
        seen = path.stat()
        if not stat.S_ISREG(seen.st_mode):  # a pipe would be waited for, a device has no end
            raise CounterexampleError(f"{path}: no regular file, and no counterexample therefore")
        if seen.st_size > LARGEST:
            raise CounterexampleError(f"{path}: {seen.st_size:,} bytes, and no counterexample has over {LARGEST:,}")
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)  # some files have no size, and an end neither
        if len(data) > LARGEST:
            raise CounterexampleError(f"{path}: no counterexample has over {LARGEST:,} bytes")
        text = data.decode("utf-8")
    except FileNotFoundError:
        raise CounterexampleError(f"{path}: there is no such file") from None
    except (OSError, ValueError) as error:
        if isinstance(error, CounterexampleError):
            raise
        raise CounterexampleError(f"{path}: cannot be read: {error}") from None
    return parsed(text, str(path))


def parsed(text: str, where: str) -> Counterexample:
    """Return the counterexample that a text is; raises `CounterexampleError`, which begins with ``where`` it stands."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CounterexampleError(
            f"{where}: not JSON, or cut short ({error}); restore it or run the campaign again"
        ) from None
    version = data.get("crosswire") if isinstance(data, dict) else None
    if not isinstance(version, int) or isinstance(version, bool):
        raise CounterexampleError(
            f"{where}: not a counterexample: it has no field 'crosswire' with the format's version"
        )
    if version < 1:
        raise CounterexampleError(f"{where}: format {cut(str(version), 20)}, and there has never been one below 1")
    if version > FORMAT:
        raise CounterexampleError(
            f"{where}: format {cut(str(version), 20)}, and this release reads up to {FORMAT}; "
            "upgrade crosswire to replay it"
        )
    try:
        counterexample = msgspec.convert(_as_named_now(data), Counterexample)
        _check_fields(data["program"])
        _check(counterexample)
    except (msgspec.ValidationError, CounterexampleError, RecursionError) as error:
        raise CounterexampleError(f"{where}: malformed: {plain(cut(str(error)))}") from None
    return msgspec.structs.replace(counterexample, message=plain(counterexample.message))


def _as_named_now(data: dict[str, Any]) -> dict[str, Any]:
    """The same, where an earlier release wrote it."""
    for field, now in (("violation", VIOLATIONS_NOW), ("promise", PROMISES_NOW)):
        if isinstance(then := data.get(field), str):
            data[field] = now.get(then, then)
    if isinstance(signature := data.get("signature"), str):
        data["signature"] = signature_now(signature)
    return data


def _check_fields(program: list[dict[str, Any]]) -> None:
    """Hold operations against the fields that there are: what is said and not understood would be left out."""
    for number, step in enumerate(program):
        unknown = step.keys() - FIELDS
        if unknown:
            raise CounterexampleError(f"operation {number} has an unknown field {min(unknown)!r}")


def _check(counterexample: Counterexample) -> None:
    _check_claim(counterexample)
    if not counterexample.program:
        raise CounterexampleError("the program has no operations")
    for number, step in enumerate(counterexample.program):
        what = f"operation {number} ({step.kind})"
        missing = [field for field, kinds in NEEDED if step.kind in kinds and getattr(step, field) is None]
        if step.kind == "cancel" and step.connection is None and step.user is None:
            missing.append("connection")
        if missing:
            raise CounterexampleError(f"{what} lacks {' and '.join(missing)}")
        for field in ("connection", "user", "to", "thread", "token", "room", "name"):
            _check_name(f"{what}: {field}", getattr(step, field) or "")
        if not 1 <= step.times <= MOST_TIMES:
            raise CounterexampleError(f"{what} is done {_shown(step.times)} times")
        if step.seconds is not None and not 0 <= step.seconds <= 1e7:
            raise CounterexampleError(f"{what} lasts {step.seconds} seconds")
    if sum(step.times for step in counterexample.program) > MOST_OPERATIONS:
        raise CounterexampleError(f"the program has over {MOST_OPERATIONS:,} operations")
    for point, choice in counterexample.schedule:
        if not point or abs(point) > MOST_DECISIONS or not 0 <= choice <= MOST_DECISIONS:
            raise CounterexampleError(f"the schedule's entry [{_shown(point)}, {_shown(choice)}] is out of range")
    for key, _ in counterexample.order:
        for part in key:
            if isinstance(part, str):
                _check_name("an event of the order", part)
            elif abs(part) > MOST_DECISIONS:
                raise CounterexampleError(f"an event of the order has the number {_shown(part)}")


def _check_claim(counterexample: Counterexample) -> None:
    """Hold what a file says that it shows against itself; the signature is what a store knows it by."""
    _check_name("target", counterexample.target, empty=False)
    _check_name("python", counterexample.python)
    if counterexample.promise not in PROMISES:
        raise CounterexampleError(f"promise {cut(counterexample.promise)!r} is none of {', '.join(PROMISES)}")
    match = SIGNATURE.fullmatch(counterexample.signature)
    if match is None or match[1] != counterexample.violation:
        raise CounterexampleError(
            f"signature {cut(counterexample.signature)!r} is none of {cut(counterexample.violation)!r}; was it edited?"
        )
    for field, text in (("message", counterexample.message), ("circumstance", counterexample.circumstance or "")):
        if len(text) > LONGEST_TEXT:
            raise CounterexampleError(f"{field} has {len(text):,} characters, more than {LONGEST_TEXT:,}")


def _check_name(field: str, name: str, empty: bool = True) -> None:
    if len(name) > LONGEST or plain(name) != name or not (name or empty):
        raise CounterexampleError(f"{field} {cut(name, 60)!r} is no name: one line of up to {LONGEST} characters")


def _shown(number: int) -> str:
    return str(number) if abs(number) <= MOST_DECISIONS * 10 else "a number beyond all bounds"
