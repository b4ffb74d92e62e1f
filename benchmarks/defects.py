"""Does the fuzzer find every known defect of the bundled managers by itself, from how many seeds, how soon, how small?

    python -m benchmarks.defects [--seeds 5] [--seconds 60] [--json FILE] [--page FILE] [--plots FOLDER] [TARGET ...]

The fuzzer is told nothing.  A finding is put down to a defect afterwards, by what it looks like
(`benchmarks.known`).  ``--page docs/defects.md`` writes the page of the documentation.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import geometric_mean

from crosswire.fuzzer.campaigns.preflight import preflight
from crosswire.fuzzer.campaigns.rounds import Batch, Plan, run_round
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.findings.finding import Finding, judged, soundness_doubt
from crosswire.fuzzer.findings.minimise import attempts, minimise
from crosswire.models.managers.targets import TARGETS

from .known import DEFECTS, Defect, Looks
from .report import arguments, machine, middle, table, write

__all__ = ("Seen", "hunt")


@dataclass(frozen=True, slots=True)
class Seen:
    """A defect's first finding, made minimal, and after how many executions and seconds it was seen."""

    finding: Finding
    at_execution: int
    at_seconds: float

    @property
    def operations(self) -> int:
        return len(self.finding.execution.program)


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

`python -m benchmarks.defects --page docs/defects.md` writes this page. It fuzzes each bundled manager from {seeds},
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
