"""The ``crosswire`` command; also ``python -m crosswire``, and, not installed, ``python -m crosswire.fuzzer``."""

if __name__ == "__main__":  # what `signal` is made of is built in, and imports nothing that Ctrl-C could fall into
    from _signal import SIG_DFL, SIGINT  # type: ignore[import-not-found]
    from _signal import signal as set_handler

    set_handler(SIGINT, SIG_DFL)

import os
import signal
import sys

__all__ = ("main",)

INTERRUPTED = 130

HELD_BACK = (signal.SIGINT, signal.SIGTERM)

INFORMATION = frozenset({"--help", "--version"})
"""Asked for anywhere on the command line, they run nothing of a target's."""


def main() -> None:
    """Pin the hash seed, and run the command line.

    Sets of strings iterate in an order that the interpreter's hash seed decides; for executions to be the same
    everywhere it is pinned, which takes a fresh interpreter: before anything else is loaded.  Ctrl-C ends the command
    at any moment: until there is anything to save, at once.
    """
    for number in HELD_BACK:
        signal.signal(number, _leave)
    arguments = sys.argv[1:]
    if "PYTHONHASHSEED" not in os.environ and arguments and INFORMATION.isdisjoint(arguments):
        os.environ["PYTHONHASHSEED"] = "0"
        _hold(True)  # a new interpreter says nothing sensible of a signal until it is here again
        os.execv(sys.executable, [sys.executable, "-m", "crosswire.fuzzer", *arguments])
    _hold(False)
    from .cli.main import main as run

    run()


def _hold(back: bool) -> None:
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK if back else signal.SIG_UNBLOCK, HELD_BACK)


def _leave(number: int, frame: object) -> None:
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
