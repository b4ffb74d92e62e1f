"""Does the fuzzer find every known defect of the standing managers by itself, from how many seeds, how soon, how small?

    python -m benchmarks.defects [--seeds 5] [--seconds 60] [--json FILE] [--plots FOLDER] [TARGET ...]

The fuzzer is told nothing.  A finding is put down to a defect afterwards, by the violation and what the minimal
program needed for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

from crosswire.fuzzer.campaigns.campaign import Campaign, Plan
from crosswire.fuzzer.campaigns.events import BugFound
from crosswire.fuzzer.findings.tally import Found
from crosswire.models.managers.targets import TARGETS

from .report import arguments, middle, write

__all__ = ("DEFECTS", "Defect", "hunt")


@dataclass(frozen=True, slots=True)
class Defect:
    """A known defect, the target it is in, the promise it breaks, and what a finding of it looks like."""

    name: str
    target: str
    promise: str
    shows: Callable[[Found], bool]


def _is(*kinds: str, needs: tuple[str, ...] = (), where: str = "") -> Callable[[Found], bool]:
    """Findings of these kinds whose minimal program has all of ``needs``, and whose circumstance names ``where``."""

    def shows(found: Found) -> bool:
        violation = found.finding.violation
        ops = [operation.kind for operation in found.finding.execution.program.operations]
        enough = all(ops.count(kind) >= needs.count(kind) for kind in needs)  # type: ignore[arg-type]
        return violation.kind in kinds and enough and where in violation.circumstance

    return shows


TWO = ("connect", "connect")

DEFECTS: tuple[Defect, ...] = (
    Defect("D1", "isolated", "liveness", _is("Stuck", where="Isolated")),
    Defect("D2", "isolated", "independence", _is("HeldUp", needs=("stall",))),
    Defect("D3", "isolated", "offline delivery", _is("OfflineLoss")),
    Defect("D4", "isolated", "no loss", _is("FalseFailure")),
    Defect("D5", "isolated", "hygiene", _is("LeftOpen", needs=("clean_up",))),
    Defect("D6", "factory", "consistency", _is("MissingEntry", needs=TWO)),
    Defect("D7", "factory", "availability", _is("Refused", where="enforce_resource_limits")),
    Defect("D8", "factory", "consistency", _is("WrongAnswer", where="is not")),
    Defect("D9", "emergency", "no loss", _is("LostEvent", "BrokenGoldenPath", where="RuntimeError")),
    Defect("D10", "emergency", "consistency", _is("MissingEntry", needs=TWO)),
    Defect("D11", "emergency", "consistency", _is("GhostEntry", needs=TWO)),
    Defect("D12", "emergency", "isolation", _is("CrossUserLeak", where="foreign token")),
    Defect("D13", "emergency", "consistency", _is("WrongAnswer", where="is")),
    Defect("D14", "degraded", "no loss", _is("ReplacedEvent")),
    Defect("D15", "degraded", "no loss", _is("LostEvent", needs=TWO, where="another connection was sent")),
    Defect("D16", "unified", "liveness", _is("Stuck", where="Unified")),
    Defect("D17", "unified", "offline delivery", _is("OfflineDisorder")),
    Defect("D18", "unified", "offline delivery", _is("OfflineDuplicate", needs=TWO, where="emit")),
    Defect("D19", "unified", "offline delivery", _is("OfflineDuplicate", needs=("run_agent",))),
    Defect("D20", "unified", "isolation", _is("CrossUserLeak", needs=("emit_to_thread",))),
    Defect("D21", "unified", "consistency", _is("GhostEntry", "LeakedEntry", where="left")),
    Defect("D22", "unified", "authentication", _is("LateDelivery", needs=("broadcast", "log_out"))),
    Defect("D23", "singleton", "no loss", _is("LostEvent", needs=("broadcast",), where="RuntimeError")),
    Defect("D24", "golden-path-shared-login", "authentication", _is("WrongIdentity", needs=TWO)),
)


def hunt(target: str, seed: int, seconds: float) -> dict[str, Found]:
    """Fuzz a target until its defects are all found or the time is up; defect -> what showed it first."""
    missing = [defect for defect in DEFECTS if defect.target == target]
    found: dict[str, Found] = {}

    with closing(Campaign(TARGETS[target], Plan(seed=seed, seconds=seconds)).events()) as events:
        for event in events:
            if isinstance(event, BugFound):
                for defect in list(missing):
                    if defect.shows(event.found):
                        found[defect.name] = event.found
                        missing.remove(defect)
            if not missing:
                break
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table, a line as soon as it is known."""
    parser, given = arguments(__doc__, argv)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="those with known defects unless named")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args(given)
    seeds, seconds = (1, 10.0) if options.quick else (options.seeds, options.seconds)
    headings = f"{'defect':7} {'target':25} {'promise':17} {'seeds':>6} {'executions (median)':>20}"
    print(f"{headings} {'s (max)':>8} {'operations':>11}")
    figures: dict[str, list[dict[str, float]]] = {}
    for target in options.targets or dict.fromkeys(defect.target for defect in DEFECTS):
        runs = [hunt(target, seed, seconds) for seed in range(1, seeds + 1)]
        for defect in (d for d in DEFECTS if d.target == target):
            figures[defect.name] = seen = [
                {"executions": f.at_execution, "seconds": f.at_seconds, "operations": len(f.finding.execution.program)}
                for f in (run[defect.name] for run in runs if defect.name in run)
            ]
            cells = ("-", "-", "-")
            if seen:
                cells = (
                    f"{middle([f['executions'] for f in seen]):,.0f}",
                    f"{max(f['seconds'] for f in seen):.1f}",
                    f"{middle([f['operations'] for f in seen]):g}",
                )
            print(
                f"{defect.name:7} {target:25} {defect.promise:17} {len(seen):>3}/{len(runs)} "
                f"{cells[0]:>20} {cells[1]:>8} {cells[2]:>11}",
                flush=True,
            )
    write(options.json, {"seeds": seeds, "seconds": seconds, "found": figures})
    if options.plots:
        from .plots import draw_defects

        draw_defects(figures, options.plots)


if __name__ == "__main__":
    main()
