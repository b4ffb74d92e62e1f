"""Where targets, wires and classes stand, ``package.module:name`` or ``path/to/file.py:name``; how to get there."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from ..core.errors import UsageError
from ..core.stacks import raised_at
from ..core.text import cut, said
from .fresh import taken_up

__all__ = ("UnknownTargetError", "is_ours", "load_module", "module_and_name")


class UnknownTargetError(UsageError):
    """There is no such target, or it cannot be used; the message is one line."""


def module_and_name(place: str) -> tuple[str, str]:
    """A place's module and the name in it, which is empty where none is said; raises `UnknownTargetError`.

    Where the module's file is named, the folder of its outermost package, or its own, can be imported from afterwards,
    as ``python path/to/file.py`` would do.
    """
    module, _, name = place.partition(":")
    if not module.endswith(".py"):
        return module, name
    file = Path(module).resolve()
    if not file.is_file():
        raise UnknownTargetError(f"target {place!r}: there is no file {module}")
    if (file.with_suffix("") / "__init__.py").is_file():
        raise UnknownTargetError(
            f"target {place!r}: beside {file.name} there is a package {file.stem}/, which is what importing "
            f"{file.stem} gives: name the application in a file of another name"
        )
    folder, parts = file.parent, [file.stem] if file.stem != "__init__" else []
    while (folder / "__init__.py").is_file():
        folder, parts = folder.parent, [folder.name, *parts]
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    return ".".join(parts), name


def load_module(name: str, module_name: str) -> Any:
    """Import the module of a target; raises `UnknownTargetError` in one line."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return taken_up(module_name)
    except BaseException as error:
        if is_ours(error):
            raise
        place = raised_at(error)
        failed = "ended the program with" if isinstance(error, SystemExit | KeyboardInterrupt) else "failed with"
        raise UnknownTargetError(
            f"target {name!r}: importing {module_name!r} {failed} {cut(type(error).__name__, 100)}: {said(error)}"
            + (f", in {place}" if place and "importlib" not in place else "")
        ) from error


def is_ours(error: BaseException) -> bool:
    """Whether it is Ctrl-C that was raised: in a process that ignores it, the target raised it itself."""
    return isinstance(error, KeyboardInterrupt) and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
