"""What a process that runs a target's code and whoever started it say to each other, and how that travels.

Data travels as length-prefixed pickles over a pipe.  Nothing of the target's is unpickled: what is of its classes is
sent as the plain value it stands for, and only names of Crosswire's are looked up on the other side.
"""

from __future__ import annotations

import io
import os
import pickle
import struct
import sys
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, Protocol

from ..core.errors import CrosswireError
from ..core.text import cut, plain

__all__ = (
    "EXHAUSTED",
    "HEADER",
    "Done",
    "Exhausted",
    "Inbox",
    "Job",
    "Line",
    "Said",
    "Started",
    "keep_modules",
    "packed",
    "remember_modules",
    "unpacked",
)

LARGEST = 1 << 28
"""Bytes of one message; what is longer is none of ours."""

EXHAUSTED = 77
"""Exit code of a process that was refused memory."""

HEADER = struct.Struct("!I")


class Line(Protocol):
    """The child's end: what it says to whoever started it."""

    def tell(self, message: object) -> None:
        """Send plain data."""

    def asked(self) -> object | None:
        """Return the next thing that was sent here, waiting for it; None where nothing more will come."""

    def ready(self) -> bool:
        """Return whether something was sent here, so that `asked` need not wait."""

    def beat(self) -> None:
        """Say that things go on; costs nothing."""

    def begun(self) -> None:
        """Say that starting is over."""

    def at_leisure(self) -> None:
        """Say that what comes now may take as long as starting may."""


class Job(Protocol):
    """What a child is to do; plain data."""

    def run(self, line: Line) -> None: ...


@dataclass(frozen=True, slots=True)
class Started:
    """The child is there, and is about to take up its job."""


@dataclass(frozen=True, slots=True)
class Exhausted:
    """The child was refused memory, and ends; a target can end it with the same exit code, and says nothing."""


@dataclass(frozen=True, slots=True)
class Done:
    """The job is done; ``error`` is what it raised, where that is for the user to read."""

    error: CrosswireError | None = None
    fault: str = ""
    """A traceback: what nobody had thought of."""

    @property
    def gist(self) -> str:
        """The last of the traceback in one line: the place, and the exception."""
        written = self.fault.strip().splitlines() or ["for no reason that is known"]
        place = next((line.strip() for line in reversed(written) if line.startswith('  File "')), "")
        return plain(cut(f"{written[-1]} {place}".strip(), 500))


@dataclass(frozen=True, slots=True)
class Said:
    """A line that the target printed."""

    text: str


class _Plain(pickle.Pickler):
    """Pickles our own data; of a target's classes the plain value they stand for."""

    dispatch_table: dict[type, Any] = {}  # noqa: RUF012, as the base class has it
    """Whatever libraries register with copyreg, some of them for every exception, is none of ours."""

    def reducer_override(self, value: Any) -> Any:
        kind = type(value)
        named = value if isinstance(value, NAMED) else kind  # what the other side will have to look up
        if _is_ours(named.__module__, named.__name__):
            return NotImplemented
        if isinstance(value, str):
            return str, (str.__str__(value)[:],)
        if isinstance(value, int):
            return int, (int.__index__(value),)
        if isinstance(value, float):
            return float, (float.__float__(value),)
        return str, (f"<{cut(kind.__name__, 80)}>",)


class _Ours(pickle.Unpickler):
    """Unpickles nothing but plain data and classes of ours."""

    def find_class(self, module: str, name: str) -> Any:
        if _is_ours(module, name):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is none of ours")


NAMED = (type, FunctionType, BuiltinFunctionType)
"""What travels as a name."""

PLAIN: dict[str, frozenset[str]] = {
    "builtins": frozenset({"str", "int", "float", "set", "frozenset", "bytearray", "complex", "object", "range"}),
    "collections": frozenset({"Counter", "OrderedDict", "defaultdict", "deque"}),
    "copyreg": frozenset({"_reconstructor", "__newobj__"}),
    "pathlib": frozenset({"PosixPath", "PurePosixPath", "WindowsPath", "Path"}),
    "pathlib._local": frozenset({"PosixPath", "PurePosixPath", "WindowsPath", "Path"}),
}


def _is_ours(module: object, name: str) -> bool:
    return isinstance(module, str) and (module.startswith("crosswire.") or name in PLAIN.get(module, ()))


_known: dict[str, ModuleType] = {}


def remember_modules() -> None:
    """Remember which modules there are, for a process in which a target may forget them."""
    if len(sys.modules) > len(_known):
        _known.update(sys.modules)


def put_modules_back() -> bool:
    """Put back those modules that a target has made be forgotten, beside what is there; whether there were any."""
    missing = _known.keys() - sys.modules.keys()
    sys.modules.update({name: _known[name] for name in missing})
    return bool(missing)


def keep_modules() -> None:
    """Put modules back where ours are gone: a target that is imported anew for each execution drops its own alone."""
    if __name__ not in sys.modules:
        put_modules_back()


def packed(message: object) -> bytes:
    """Return a message as it travels."""
    try:
        return _packed(message)
    except (pickle.PicklingError, KeyError, ImportError):
        if not put_modules_back():
            raise
        return _packed(message)


def _packed(message: object) -> bytes:
    buffer = io.BytesIO()
    _Plain(buffer, protocol=pickle.HIGHEST_PROTOCOL).dump(message)
    data = buffer.getvalue()
    return HEADER.pack(len(data)) + data


def unpacked(data: bytes) -> Any:
    """Return the message that travelled as ``data``; raises `ValueError` where it is none of ours."""
    try:
        return _Ours(io.BytesIO(data[HEADER.size :])).load()
    except Exception as error:
        raise ValueError(f"a message that is none of ours: {error}") from None


class Inbox:
    """Messages as they come in through a pipe, without ever waiting for the rest of one."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe = pipe
        self.over = False
        self._buffer = bytearray()
        os.set_blocking(pipe.fileno(), False)

    def read(self) -> list[Any]:
        """Return what has come in; raises `ValueError` where it is none of ours."""
        self._fill()
        messages = []
        while len(self._buffer) >= HEADER.size:
            (size,) = HEADER.unpack_from(self._buffer)
            if size > LARGEST:
                raise ValueError(f"a message of {size} bytes")
            if len(self._buffer) < HEADER.size + size:
                break
            data = bytes(self._buffer[: HEADER.size + size])
            del self._buffer[: HEADER.size + size]
            messages.append(unpacked(data))
        return messages

    def text(self) -> str:
        """Return what has come in as text."""
        self._fill()
        data, self._buffer = bytes(self._buffer), bytearray()
        return data.decode("utf-8", "replace")

    def _fill(self) -> None:
        while not self.over and len(self._buffer) <= LARGEST:
            try:
                data = os.read(self.pipe.fileno(), 1 << 16)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self.over = True
            self._buffer += data
            if len(data) < 1 << 12:
                return
