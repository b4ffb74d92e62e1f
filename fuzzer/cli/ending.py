"""How the command line ends, whatever happens: one line for an error, everything written out, and the exit code."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import traceback
from contextlib import suppress
from typing import NoReturn

import typer

from ..core.errors import CrosswireError
from ..core.text import lines, plain, said

__all__ = ("end", "end_in_order")

USAGE: type[Exception] = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
"""What an argument that makes no sense raises; typer has it from click, or from a copy of its own."""


def end(app: typer.Typer) -> NoReturn:
    """Run a command, and end the process with its exit code."""
    code = 2
    try:
        code = _run(app)
    except KeyboardInterrupt:
        code = 130
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        for child in multiprocessing.active_children():
            child.kill()
        code = code if _written_out() or code == 130 else 2
    sys.exit(code)


def end_in_order() -> None:
    """From here on have Ctrl-C and SIGTERM leave time to save what was found.

    Not before: an interrupt that is raised while modules are imported can be lost in a callback of the import system.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)


def _run(app: typer.Typer) -> int:
    """Run a command; gives its exit code."""
    try:
        code = app(prog_name="crosswire", standalone_mode=False)
        return code if code in (0, 1, 2, 130) else 0
    except (CrosswireError, OSError) as error:
        _complain(plain(" ".join(said(error).split())))
    except USAGE as error:
        with suppress(OSError):
            error.show()  # type: ignore[attr-defined]
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except SystemExit as error:
        if _completing():
            return 2 if error.code else 0
        _complain("the output could not be written, or what was loaded ended the program")
    except Exception as error:
        with suppress(OSError, ValueError):
            print(lines(traceback.format_exc()), file=sys.stderr, end="")
        _complain(f"a fault of Crosswire's own, please report it: {type(error).__name__}")
    return 2


def _completing() -> bool:
    """Whether a shell asks what could come next, or how to ask: typer ends the program itself then."""
    return "_CROSSWIRE_COMPLETE" in os.environ or not {"--install-completion", "--show-completion"}.isdisjoint(sys.argv)


def _complain(text: str) -> None:
    with suppress(OSError, ValueError):
        print(f"crosswire: {text}", file=sys.stderr)


def _written_out() -> bool:
    """Whether everything printed has gone out; else nothing more will, which the interpreter need not find out."""
    fine = True
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            fine = False
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return fine
