"""The ``crosswire`` command; also ``python -m crosswire.fuzzer``."""

import os
import signal

__all__ = ("main",)

INTERRUPTED = 130


def main() -> None:
    """Run the command line.

    Ctrl-C ends it at any moment: until there is anything to save, at once.  Sets of strings iterate in an order that
    the interpreter's hash seed decides; for executions to be the same everywhere it is pinned for the processes that
    they run in.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    os.environ.setdefault("PYTHONHASHSEED", "0")
    from .cli.main import main as run

    run()


def _leave(number: int, frame: object) -> None:
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
