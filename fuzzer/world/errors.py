"""What can go wrong between a target and its world.

* `OutsideWorldError`: the target reached for something the world does not simulate.
* `TargetBlockedError`: the target kept the loop's thread busy and never gave it back.
"""

from __future__ import annotations

__all__ = ("OutsideWorldError", "TargetBlockedError")


class OutsideWorldError(RuntimeError):
    """The target reached outside the world; ``call`` names what it called."""

    def __init__(self, call: str) -> None:
        super().__init__(
            f"the target called {call}, which reaches outside the deterministic world; "
            "give the target an in-memory stand-in for it (await crosswire.fuzzer.world.latency(name) for the delay)"
        )
        self.call = call


class TargetBlockedError(BaseException):
    """The target blocked the event loop in real time; ``where`` is the file and line it was seen at.

    A `BaseException`, so that a target's ``except Exception`` cannot swallow it.
    """

    def __init__(self, where: str, seconds: float) -> None:
        super().__init__(f"the target blocked the event loop for more than {seconds:g} s of real time, at {where}")
        self.where = where
