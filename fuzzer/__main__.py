"""The ``crosswire`` command; also ``python -m crosswire.fuzzer``."""

import os
import sys

__all__ = ("main",)

INFORMATION = frozenset({"--help", "--version"})
"""Asked for anywhere on the command line, they run nothing of a target's."""


def main() -> None:
    """Pin the hash seed, and run the command line.

    Sets of strings iterate in an order that the interpreter's hash seed decides; for executions to be the same
    everywhere it is pinned, which takes a fresh interpreter: before anything else is loaded.
    """
    arguments = sys.argv[1:]
    if "PYTHONHASHSEED" not in os.environ and arguments and INFORMATION.isdisjoint(arguments):
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "crosswire.fuzzer", *arguments])
    from .cli.main import main as run

    run()


if __name__ == "__main__":
    main()
