"""Does the fuzzer find every known defect of the standing managers by itself, from how many seeds, how soon, how small?

    python -m benchmarks.defects [--seeds 5] [--seconds 60] [--json FILE] [--page FILE] [--plots FOLDER] [TARGET ...]

The fuzzer is told nothing.  A finding is put down to a defect afterwards, by the violation, by what its history
proves, and by what the minimal program needed for it.  ``--page docs/defects.md`` writes the page of the documentation.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import geometric_mean
from typing import Any, Literal

from crosswire.fuzzer.campaigns.preflight import preflight
from crosswire.fuzzer.campaigns.rounds import Batch, Plan, run_round
from crosswire.fuzzer.core.program import CRITICAL_EVENTS, Operation
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.findings.finding import Finding, judged, soundness_doubt
from crosswire.fuzzer.findings.minimise import attempts, minimise
from crosswire.models.managers.isolated import IDLE_LIMIT
from crosswire.models.managers.targets import TARGETS
from crosswire.models.managers.unified import KEPT, REPLAY_TIMEOUT

from .report import arguments, machine, middle, table, write

__all__ = ("DEFECTS", "Defect", "Looks", "Seen", "hunt")

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


@dataclass(frozen=True, slots=True)
class Seen:
    """A defect's first finding, made minimal, and after how many executions and seconds it was seen."""

    finding: Finding
    at_execution: int
    at_seconds: float

    @property
    def operations(self) -> int:
        return len(self.finding.execution.program)


# -- proofs ------------------------------


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
    Defect("D1", "isolated", "waits for its own lock", "liveness", _is("Stuck", where="Isolated")),
    Defect("D2", "isolated", "a stalled tab holds up the others", "independence", _is("HeldUp")),
    Defect("D3", "isolated", "what is kept is never delivered", "offline delivery", _is("OfflineLoss")),
    Defect(
        "D4",
        "isolated",
        "takes a frame that is late for one that failed",
        "liveness",
        _is("Stuck", where="Isolated", proof=_nobody_left),
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
        _is("LostEvent", "BrokenGoldenPath", where="RuntimeError"),
    ),
    Defect(
        "D10",
        "emergency",
        "two connections, one id",
        "consistency",
        _is("MissingEntry", needs=TWO, lacks=LEAVING),
    ),
    Defect("D11", "emergency", "removes another connection", "consistency", _is("GhostEntry", needs=TWO)),
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
    Defect("D16", "unified", "waits for its own lock", "liveness", _is("Stuck", where="Unified")),
    Defect(
        "D17",
        "unified",
        "what is new overtakes what was kept",
        "offline delivery",
        _is("OfflineDisorder", "Disorder", lacks=("broadcast",)),
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
        _is("GhostEntry", "LeakedEntry", where="left"),
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
            "BrokenGoldenPath",
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
        _is("LostEvent", "BrokenGoldenPath", needs=TWO, where="_require_active"),
    ),
)


# -- the hunt ------------------------------


def hunt(target: str, seed: int, seconds: float, executions: int | None = None) -> dict[str, Seen]:
    """Fuzz a target until its defects are all found or the budget is used up; defect -> its first finding.

    Every program's findings are looked at, not only the first of a signature: two defects may show alike.
    """
    missing = [defect for defect in DEFECTS if defect.target == target]
    found: dict[str, Seen] = {}
    worker = Worker(TARGETS[target])
    began = time.perf_counter()
    done = 0

    def over(more: int = 0) -> bool:
        spent = executions is not None and done + more >= executions
        return not missing or spent or time.perf_counter() - began >= seconds

    with worker.session():
        preflight(worker)
        for number in count():
            with closing(run_round(worker, Plan(seed=seed), number, over)) as batches:
                for batch in batches:
                    for defect in list(missing):
                        first = _first(worker, defect.looks, batch)
                        if first is not None:
                            at, finding = first
                            found[defect.name] = Seen(finding, done + at, time.perf_counter() - began)
                            missing.remove(defect)
                    done += len(batch.executions)
                    if over():
                        return found
    raise AssertionError


def _first(worker: Worker, looks: Looks, batch: Batch) -> tuple[int, Finding] | None:
    """At which execution of a program one of its findings looked so, and that finding made minimal."""
    for signature, finding in batch.findings.items():
        if looks.may(finding) and soundness_doubt(worker, finding) is None:
            small, _ = minimise(worker, finding)
            if not looks.may(small):  # the minimum of its signature is another defect's
                small = _smaller(worker, looks, finding)
            if looks.show(small):
                return next(at for at, (_, shown) in enumerate(batch.executions, 1) if signature in shown), small
    return None


def _smaller(worker: Worker, looks: Looks, best: Finding) -> Finding:
    """Drop single operations for as long as some finding still looks so."""
    at = len(best.execution.program) - 1
    while at >= 0:
        smaller = best.execution.program.without(at)
        for chooser in attempts(best, smaller, at):
            result = judged(worker, worker.run(smaller, chooser))
            findings = (Finding(violation, result.execution) for violation in result.violations)
            found = next((finding for finding in findings if looks.may(finding)), None)
            if found is not None:
                best, at = found, len(smaller)
                break
        at -= 1
    return best


# -- the page ------------------------------

PAGE = """# Known defects and what finding them takes

`python -m benchmarks.defects --page docs/defects.md` writes this page. It fuzzes each standing manager from {seeds},
for at most {seconds:g} s each, and tells the fuzzer nothing. Measured with {machine}.

*Executions*: until the first finding, the median over the seeds that found it. *Operations*: of the shrunk program, the
median. *Provenance*: whether a defect was in the code the managers are re-created from (original), or was added to see
that it is found (planted).

{mean}

{table}
"""

FIRST = 24
"""The defects that have been there from the beginning, and are counted together."""

HEADINGS = (
    "defect",
    "target",
    "what goes wrong",
    "promise",
    "provenance",
    "found from",
    "executions",
    "slowest",
    "operations",
)


def _row(defect: Defect, seen: Sequence[dict[str, float]], seeds: int) -> tuple[str, ...]:
    found = f"{len(seen)}/{seeds}"
    start = (defect.name, defect.target, defect.what, defect.promise, defect.provenance, found)
    if not seen:
        return (*start, "-", "-", "-")
    return (
        *start,
        f"{middle([f['executions'] for f in seen]):,.0f}",
        f"{max(f['seconds'] for f in seen):.1f} s",
        f"{middle([f['operations'] for f in seen]):g}",
    )


def _mean(figures: dict[str, list[dict[str, float]]]) -> str:
    """What it takes on the whole, in a sentence: the geometric mean of the medians, over D1 to D24."""
    first = [seen for defect, seen in figures.items() if seen and int(defect[1:]) <= FIRST]
    if not first:
        return "None was found."
    mean = geometric_mean(middle([found["executions"] for found in seen]) for seen in first)
    return f"D1 to D{FIRST} take {mean:.0f} executions in the geometric mean (of {len(first)} that were found)."


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table, a line as soon as it is known."""
    parser, given = arguments(__doc__, argv)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="those with known defects unless named")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--page", metavar="FILE", help="write the table with its explanation as Markdown")
    options = parser.parse_args(given)
    seeds, seconds = (1, 10.0) if options.quick else (options.seeds, options.seconds)
    figures: dict[str, list[dict[str, float]]] = {}
    rows: dict[str, tuple[str, ...]] = {}
    for target in options.targets or dict.fromkeys(defect.target for defect in DEFECTS):
        runs = [hunt(target, seed, seconds) for seed in range(1, seeds + 1)]
        for defect in (d for d in DEFECTS if d.target == target):
            figures[defect.name] = [
                {"executions": seen.at_execution, "seconds": seen.at_seconds, "operations": seen.operations}
                for seen in (run[defect.name] for run in runs if defect.name in run)
            ]
            rows[defect.name] = _row(defect, figures[defect.name], seeds)
            print("  ".join(rows[defect.name]), flush=True)
    listed = table(HEADINGS, (rows[defect.name] for defect in DEFECTS if defect.name in rows), left=5)
    mean = _mean(figures)
    print(f"\n{listed}\n\n{mean}")
    if options.page:
        said = f"{seeds} seeds" if seeds > 1 else "one seed"
        text = PAGE.format(seeds=said, seconds=seconds, machine=machine(), mean=mean, table=listed)
        Path(options.page).write_text(text, encoding="utf-8")
    write(options.json, {"seeds": seeds, "seconds": seconds, "found": figures})
    if options.plots:
        from .plots import draw_defects

        draw_defects(figures, options.plots)


if __name__ == "__main__":
    main()
