"""The verdicts: one class for each way a promise of the isolation model can be broken.

========================  ===================================================================
promise                   violations
========================  ===================================================================
isolation                 `CrossUserLeak`, `MixedUp`
authentication            `EarlyDelivery`, `LateDelivery`, `UnauthenticatedEvent`, `WrongIdentity`,
                          `BadTokenAccepted`
no loss                   `LostEvent`, `ReplacedEvent`, `FalseFailure`
no duplicate              `DuplicateEvent`
offline delivery          `OfflineLoss`, `OfflineDuplicate`, `OfflineOutOfOrder`
independence              `HeadOfLineBlocking`
order                     `OutOfOrder`
agent run                 `BrokenRun`
liveness                  `Deadlock`, `Livelock`, `BlocksLoop`, `KillsProcess`
consistency               `MissingEntry`, `StaleEntry`, `WrongAnswer`
hygiene                   `UnhandledException`, `BlockedLoop`, `LeftOpen`, `LeakedTask`, `LeakedEntry`,
                          `EatsMemory`
availability              `Refused`, `Dropped`, `OverLimit`
========================  ===================================================================
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

from ...fuzzer.core.choices import PROMISES
from ...fuzzer.core.renames import FORMER, VIOLATIONS_NOW, moved, said_then

__all__ = (
    "OUT_OF_ORDER",
    "PROMISES",
    "BadTokenAccepted",
    "BlockedLoop",
    "BlocksLoop",
    "BrokenRun",
    "CrossUserLeak",
    "Deadlock",
    "Dropped",
    "DuplicateEvent",
    "EarlyDelivery",
    "EatsMemory",
    "FalseFailure",
    "HeadOfLineBlocking",
    "KillsProcess",
    "LateDelivery",
    "LeakedEntry",
    "LeakedTask",
    "LeftOpen",
    "Livelock",
    "LostEvent",
    "MissingEntry",
    "MixedUp",
    "OfflineDuplicate",
    "OfflineLoss",
    "OfflineOutOfOrder",
    "OutOfOrder",
    "OverLimit",
    "Refused",
    "ReplacedEvent",
    "StaleEntry",
    "UnauthenticatedEvent",
    "UnhandledException",
    "Violation",
    "WrongAnswer",
    "WrongIdentity",
)


OUT_OF_ORDER = "out of order"
"""The circumstance of a run whose events arrive, and one before another."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken promise.

    ``message`` says what happened in one sentence; ``evidence`` are the numbers of the history rows that prove it;
    ``circumstance`` is what, besides class and target, tells two bugs apart; ``allowed`` names the declarations that
    would allow it, as the message does.
    """

    promise: ClassVar[str]
    alike: ClassVar[str] = ""
    """The class that says the same of other circumstances, if one does."""

    message: str
    circumstance: str
    evidence: tuple[int, ...]
    allowed: tuple[str, ...] = ()

    def hinted(self, allowed: Iterable[str]) -> Violation:
        """The same, with the declarations named that would allow it."""
        names = tuple(allowed)
        return replace(self, message=self.claim + _naming(names), allowed=names)

    @property
    def claim(self) -> str:
        """What happened, whatever may be declared."""
        return self.message.removesuffix(_naming(self.allowed))

    @property
    def kin(self) -> str:
        """What goes wrong, whatever promise that breaks: the same for classes that are alike."""
        return self.alike or self.kind

    @property
    def kind(self) -> str:
        return type(self).__name__

    def signature(self, target: str) -> str:
        """The same for what is most likely the same bug: a short hash of target, class and circumstance."""
        text = f"{target}|{FORMER.get(self.kind, self.kind)}|{said_then(self.circumstance)}"
        return f"{self.kind}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _naming(allowed: tuple[str, ...]) -> str:
    return f" (allowed if declared: {', '.join(allowed)})" if allowed else ""


class CrossUserLeak(Violation):
    """An event reached a connection that is not authenticated as anybody it was for."""

    __slots__ = ()
    promise = "isolation"


class MixedUp(Violation):
    """A frame carries an event beside another event's sender, recipient, room, run or text."""

    __slots__ = ()
    promise = "isolation"


class UnauthenticatedEvent(Violation):
    """What a client said that was refused, had not logged in or had logged out reached somebody."""

    __slots__ = ()
    promise = "authentication"


class EarlyDelivery(Violation):
    """Something of a user was sent to a connection before its login was even asked for, or after it was refused."""

    __slots__ = ()
    promise = "authentication"


class LateDelivery(Violation):
    """Something of a user was sent to a connection after its log-out, clean-up or expiry had returned."""

    __slots__ = ()
    promise = "authentication"


class WrongIdentity(Violation):
    """A login came out as somebody else."""

    __slots__ = ()
    promise = "authentication"


class BadTokenAccepted(Violation):
    """A login with an invalid or expired token succeeded."""

    __slots__ = ()
    promise = "authentication"


class LostEvent(Violation):
    """An event never arrived on a connection that was up all the time."""

    __slots__ = ()
    promise = "no loss"


class ReplacedEvent(Violation):
    """In place of the event something else arrived."""

    __slots__ = ()
    promise = "no loss"


class FalseFailure(Violation):
    """An emit reported failure, but its event arrived."""

    __slots__ = ()
    promise = "no loss"


class DuplicateEvent(Violation):
    """An event arrived more than once on one connection."""

    __slots__ = ()
    promise = "no duplicate"


class OfflineLoss(Violation):
    """An event for an absent user never arrived on the user's next connection."""

    __slots__ = ()
    promise = "offline delivery"
    alike = "LostEvent"


class OfflineDuplicate(Violation):
    """An event for an absent user arrived more than once."""

    __slots__ = ()
    promise = "offline delivery"
    alike = "DuplicateEvent"


class OfflineOutOfOrder(Violation):
    """An event kept for an absent user was overtaken by a later one of the same emitter."""

    __slots__ = ()
    promise = "offline delivery"
    alike = "OutOfOrder"


class HeadOfLineBlocking(Violation):
    """Somebody else's stalled client held an operation up for longer than the target's limit."""

    __slots__ = ()
    promise = "independence"


class OutOfOrder(Violation):
    """One emitter's events arrived on one connection in another order than they were emitted in."""

    __slots__ = ()
    promise = "order"


class BrokenRun(Violation):
    """An agent's run did not show its five events once each and in order."""

    __slots__ = ()
    promise = "agent run"

    @property
    def kin(self) -> str:
        """Events of a run that are missing are lost like others, and those that come in another order, too."""
        return "OutOfOrder" if self.circumstance == OUT_OF_ORDER else "LostEvent"


class Deadlock(Violation):
    """Nothing more can arrive, and an operation has not finished."""

    __slots__ = ()
    promise = "liveness"


class Livelock(Violation):
    """The target keeps the loop busy and never comes to rest."""

    __slots__ = ()
    promise = "liveness"


class BlocksLoop(Violation):
    """The target kept the event loop's thread and did not give it back."""

    __slots__ = ()
    promise = "liveness"


class KillsProcess(Violation):
    """The target ended the process it runs in, and everybody's connection with it."""

    __slots__ = ()
    promise = "liveness"


class MissingEntry(Violation):
    """At rest, the target does not know a connection that is up."""

    __slots__ = ()
    promise = "consistency"


class StaleEntry(Violation):
    """At rest, the target still knows a connection that is gone."""

    __slots__ = ()
    promise = "consistency"


class WrongAnswer(Violation):
    """Asked whether a user is connected, the target gives the wrong answer."""

    __slots__ = ()
    promise = "consistency"


class UnhandledException(Violation):
    """An exception that nobody handled, or a coroutine that nobody awaited."""

    __slots__ = ()
    promise = "hygiene"


class BlockedLoop(Violation):
    """The target slept on the event loop's own thread."""

    __slots__ = ()
    promise = "hygiene"


class LeftOpen(Violation):
    """A clean-up returned, and a connection it should have closed is still open."""

    __slots__ = ()
    promise = "hygiene"


class LeakedTask(Violation):
    """A task or a connection outlived the target's shut-down."""

    __slots__ = ()
    promise = "hygiene"


class LeakedEntry(Violation):
    """The last client has left, and the registry is not empty; or something has an entry for all who ever came."""

    __slots__ = ()
    promise = "hygiene"


class EatsMemory(Violation):
    """The target took more memory than it was given."""

    __slots__ = ()
    promise = "hygiene"


class Refused(Violation):
    """A user within the declared limits could not connect."""

    __slots__ = ()
    promise = "availability"


class Dropped(Violation):
    """The server closed the connection of a user within the declared limits that had done nothing wrong."""

    __slots__ = ()
    promise = "availability"
    alike = "Refused"


class OverLimit(Violation):
    """At rest, more connections of a user are logged in than the declared limit allows."""

    __slots__ = ()
    promise = "availability"


def __getattr__(name: str) -> type[Violation]:
    if (now := VIOLATIONS_NOW.get(name)) is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(moved("violation", name, now), DeprecationWarning, stacklevel=2)
    kind: type[Violation] = globals()[now]
    return kind
