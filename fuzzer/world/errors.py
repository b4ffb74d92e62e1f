"""What can go wrong between a target and its world.

* `OutsideWorldError`: the target reached for something the world does not simulate.
* `TargetBlockedError`: the target kept the loop's thread busy and never gave it back.
* `Interrupted`: a person pressed Ctrl-C, which is none of the target's doing.
"""

from __future__ import annotations

from ..core.stacks import Place

__all__ = ("Interrupted", "OutsideWorldError", "TargetBlockedError")


class OutsideWorldError(RuntimeError):
    """The target reached outside the world; ``call`` names what it called."""

    def __init__(self, call: str) -> None:
        super().__init__(
            f"the target called {call}, which reaches outside the deterministic world; "
            "give the target an in-memory stand-in for it (await crosswire.fuzzer.world.latency(name) for the delay)"
        )
        self.call = call


class TargetBlockedError(BaseException):
    """The target kept the event loop's thread; ``where`` it was seen at, after so many seconds.

    ``waiting`` says that these are real seconds in which it did nothing; else they are seconds of processor time.
    A `BaseException`, so that a target's ``except Exception`` cannot swallow it.
    """

    def __init__(self, where: Place, seconds: float, waiting: bool = False) -> None:
        spent = "waited for" if waiting else "took"
        super().__init__(f"the target blocked the event loop: it {spent} more than {seconds:g} s, in {where}")
        self.where = where
        self.seconds = seconds
        self.waiting = waiting


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, as the engine raises it: a plain `KeyboardInterrupt` inside an execution is raised by the target."""
