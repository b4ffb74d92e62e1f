"""The known defects of the bundled managers, and how one tells their findings.

A finding is put down to a defect by the violation, by what its history proves, and by what the minimal program needed
for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from crosswire.fuzzer.core.program import CRITICAL_EVENTS, Operation
from crosswire.fuzzer.findings.finding import Finding
from crosswire.models.managers.isolated import IDLE_LIMIT
from crosswire.models.managers.unified import KEPT, REPLAY_TIMEOUT

__all__ = ("DEFECTS", "Defect", "Looks", "Proof")

Provenance = Literal["original", "planted"]
"""Whether the defect was in the code the managers are re-created from, or was added to see that it is found."""


Proof = Callable[[Finding], bool]


def _anything(finding: Finding) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Looks:
    """What the findings of a defect have in common.

    All of them: the violation is one of ``kinds``, its circumstance names ``where``, and the history is ``proof``.
    What is minimal too: the program has all of ``needs``, nothing of ``lacks``, and at most so many ``connections``.
    """

    kinds: tuple[str, ...]
    where: str = ""
    proof: Proof = _anything
    needs: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    connections: int = 9

    def may(self, finding: Finding) -> bool:
        """Whether a finding may be one, once it is minimal."""
        violation = finding.violation
        return violation.kind in self.kinds and self.where in violation.circumstance and self.proof(finding)

    def show(self, finding: Finding) -> bool:
        """Whether a minimal finding is one."""
        operations = [str(operation.kind) for operation in finding.execution.program.operations]
        return (
            self.may(finding)
            and all(operations.count(kind) >= self.needs.count(kind) for kind in self.needs)
            and not any(kind in operations for kind in self.lacks)
            and operations.count("connect") <= self.connections
        )


def _is(*kinds: str, **more: Any) -> Looks:
    return Looks(kinds, **more)


@dataclass(frozen=True, slots=True)
class Defect:
    """A known defect: in which target, what goes wrong, which promise that breaks, and what its findings look like."""

    name: str
    target: str
    what: str
    promise: str
    looks: Looks
    provenance: Provenance = "original"


def _lasted(seconds: float) -> Proof:
    """From the first of what proves the violation to the last, more time has passed."""

    def proof(finding: Finding) -> bool:
        rows = [finding.execution.history[row] for row in finding.violation.evidence]
        return rows[-1].time - rows[0].time > seconds

    return proof


def _nobody_left(finding: Finding) -> bool:
    return not any(row.kind == "gone" for row in finding.execution.history[: finding.violation.evidence[-1]])


def _somebody_left(finding: Finding) -> bool:
    return not _nobody_left(finding)


def _said_yes(finding: Finding) -> bool:
    return not finding.violation.circumstance.startswith("is not")


def _emitter(finding: Finding) -> Operation | None:
    """The operation that emitted what the violation is about: the evidence begins with it."""
    return _operation(finding, finding.execution.history[finding.violation.evidence[0]].operation)


def _lost_of(finding: Finding) -> tuple[str, int] | None:
    """Who missed something that was meant for them, and how many events were; None where it was lost on a detour."""
    lost = _emitter(finding)
    if lost is None or lost.kind not in ("emit", "run_agent") or lost.to is None:
        return None
    said = Counter(op.kind for op in finding.execution.program.expanded if op.to == lost.to)
    return lost.to, said["emit"] + said["emit_to_thread"] + len(CRITICAL_EVENTS) * said["run_agent"]


def _overflowed(finding: Finding) -> bool:
    """More was said to the user than is kept for one."""
    lost = _lost_of(finding)
    return lost is not None and lost[1] > KEPT


def _cut_off(finding: Finding) -> bool:
    """What was said to the user can be kept, and an arrival of the user took as long as a replay may."""
    lost = _lost_of(finding)
    if lost is None or lost[1] > KEPT:
        return False
    began: dict[int | None, float] = {}
    return any(
        row.time - began.setdefault(row.operation, row.time) >= REPLAY_TIMEOUT
        for row in finding.execution.history
        if (op := _operation(finding, row.operation)) is not None and op.kind == "connect" and op.user == lost[0]
    )


def _operation(finding: Finding, number: int | None) -> Operation | None:
    operations = finding.execution.program.expanded
    return operations[number] if number is not None and number < len(operations) else None


TWO = ("connect", "connect")

LEAVING = ("disconnect", "abort", "log_out")

DEFECTS: tuple[Defect, ...] = (
    Defect("D1", "isolated", "waits for its own lock", "liveness", _is("Deadlock", where="Isolated")),
    Defect("D2", "isolated", "a stalled tab holds up the others", "independence", _is("HeadOfLineBlocking")),
    Defect("D3", "isolated", "what is kept is never delivered", "offline delivery", _is("OfflineLoss")),
    Defect(
        "D4",
        "isolated",
        "takes a frame that is late for one that failed",
        "liveness",
        _is("Deadlock", where="Isolated", proof=_nobody_left),
    ),
    Defect("D5", "isolated", "a clean-up closes nothing", "hygiene", _is("LeftOpen", needs=("clean_up",))),
    Defect(
        "D6",
        "factory",
        "forgets the manager made meanwhile",
        "consistency",
        _is("MissingEntry", needs=TWO, lacks=("pause",)),
    ),
    Defect(
        "D7",
        "singleton",
        "who has left still counts",
        "availability",
        _is("Refused", where="enforce_resource_limits", proof=_somebody_left),
    ),
    Defect("D8", "factory", "two names for one connection", "consistency", _is("WrongAnswer", where="is not")),
    Defect(
        "D9",
        "emergency",
        "the table changes while it is walked",
        "no loss",
        _is("LostEvent", "BrokenRun", where="RuntimeError"),
    ),
    Defect(
        "D10",
        "emergency",
        "two connections, one id",
        "consistency",
        _is("MissingEntry", needs=TWO, lacks=LEAVING),
    ),
    Defect("D11", "emergency", "removes another connection", "consistency", _is("StaleEntry", needs=TWO)),
    Defect("D12", "emergency", "accepts anybody", "isolation", _is("CrossUserLeak", where="foreign token")),
    Defect("D13", "emergency", "says yes for every user", "consistency", _is("WrongAnswer", proof=_said_yes)),
    Defect("D14", "degraded", "sends something else", "no loss", _is("ReplacedEvent")),
    Defect(
        "D15",
        "degraded",
        "serves one connection of several",
        "no loss",
        _is("LostEvent", needs=TWO, where="another connection was sent"),
        "planted",
    ),
    Defect("D16", "unified", "waits for its own lock", "liveness", _is("Deadlock", where="Unified")),
    Defect(
        "D17",
        "unified",
        "what is new overtakes what was kept",
        "offline delivery",
        _is("OfflineOutOfOrder", "OutOfOrder", lacks=("broadcast",)),
    ),
    Defect(
        "D18",
        "unified",
        "two arrivals replay the same",
        "offline delivery",
        _is("OfflineDuplicate", "DuplicateEvent", needs=TWO, where="emit"),
        "planted",
    ),
    Defect(
        "D19",
        "unified",
        "keeps an event twice",
        "offline delivery",
        _is("OfflineDuplicate", "DuplicateEvent", where="run_agent", connections=1),
        "planted",
    ),
    Defect("D20", "unified", "takes a thread for a user", "isolation", _is("CrossUserLeak", needs=("emit_to_thread",))),
    Defect(
        "D21",
        "unified",
        "registers who has left meanwhile",
        "consistency",
        _is("StaleEntry", "LeakedEntry", where="left"),
    ),
    Defect(
        "D22",
        "unified",
        "sends to who has left meanwhile",
        "authentication",
        _is("LateDelivery", needs=("broadcast", "log_out")),
    ),
    Defect(
        "D23",
        "singleton",
        "the table changes while it is walked",
        "no loss",
        _is("LostEvent", needs=("broadcast",), where="broadcast_to_all"),
    ),
    Defect(
        "D24",
        "golden-path-shared-login",
        "two logins share a variable",
        "authentication",
        _is("WrongIdentity", needs=TWO),
        "planted",
    ),
    Defect(
        "D25",
        "isolated",
        "takes age for idleness",
        "no loss",
        _is(
            "LostEvent",
            "BrokenRun",
            "MissingEntry",
            "WrongAnswer",
            needs=("connect", "pause"),
            lacks=("sweep",),
            proof=_lasted(IDLE_LIMIT),
        ),
    ),
    Defect("D26", "unified", "keeps the newest fifty only", "offline delivery", _is("OfflineLoss", proof=_overflowed)),
    Defect(
        "D27",
        "unified",
        "forgets what a slow client was not sent in time",
        "offline delivery",
        _is("OfflineLoss", proof=_cut_off),
    ),
    Defect("D28", "golden-path-pooled-runs", "two runs share an emitter", "isolation", _is("MixedUp", where="run")),
    Defect(
        "D29",
        "golden-path-breaker",
        "five wrong logins shut everybody out",
        "availability",
        _is("Refused", where="BreakerEndpoint"),
    ),
    Defect(
        "D30",
        "unified-own-ids",
        "two users, one connection id",
        "isolation",
        _is("CrossUserLeak", lacks=("emit_to_thread",)),
    ),
    Defect(
        "D31",
        "singleton",
        "a second tab ends one that was silent",
        "no loss",
        _is("LostEvent", "BrokenRun", needs=TWO, where="_require_active"),
    ),
)
