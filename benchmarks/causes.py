"""Are findings of one bug put together, those of two kept apart, and is the faulty line named?

    python -m benchmarks.causes [--seeds 2] [--seconds 20] [--json FILE] [--page FILE] [TARGET ...]

The bundled managers, the examples and the tests' own wrong servers are fuzzed; each minimal finding is put down to a
known bug by what it looks like, and to the lines that a repair changes, both written down by hand (`benchmarks.truth`,
`benchmarks.known`).  Findings that look like no known bug, or like several, are left out of the figures and counted.

*Precision* and *recall* are over pairs of findings of one target: of the pairs put together, how many are of one bug;
of the pairs of one bug, how many are put together.  Homogeneity and completeness are Rosenberg and Hirschberg's
(EMNLP-CoNLL 2007), within targets.  *Survive*: each counterexample is also replayed on the module's refactored twin,
every function's body moved into a helper of another name; of the pairs of findings, how many are put together, or kept
apart, there as here.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

from crosswire.fuzzer.campaigns.campaign import Campaign
from crosswire.fuzzer.campaigns.rounds import Plan
from crosswire.fuzzer.engine.alone import in_fork
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.findings.causes import Cause, bugs_of, cause_of
from crosswire.fuzzer.findings.counterexample import Counterexample, of_finding
from crosswire.fuzzer.findings.finding import Finding
from crosswire.fuzzer.findings.regression import replayed
from crosswire.fuzzer.targets.resolve import resolve

from .known import DEFECTS, Looks
from .report import arguments, machine, middle, table, write
from .truth import FAULTY, SERVERS, Fault, Server, is_faulty
from .twins import write_twin

__all__ = ("Known", "Score", "lines_read", "places_read", "score", "survival")

TWO = ("connect", "connect")


def _quiet(finding: Finding) -> bool:
    """Nothing raised, and no answer was yes: the manager no longer knows who is there."""
    circumstance = finding.violation.circumstance
    return "RuntimeError" not in circumstance and circumstance != "is"


ALSO: tuple[tuple[str, str, Looks], ...] = (
    (
        "D10",
        "emergency",
        Looks(("LostEvent", "BrokenRun", "LeftOpen", "WrongAnswer"), proof=_quiet, needs=TWO, lacks=("pause",)),
    ),
    ("D14", "degraded", Looks(("BrokenRun",), connections=1)),
    ("D20", "unified", Looks(("LostEvent", "OfflineLoss"), needs=("emit_to_thread",))),
    ("D21", "unified", Looks(("WrongAnswer",), needs=TWO)),
)
"""Other symptoms of a defect in a target: not what it is counted as found by, and known from reading."""

OTHERS = {server.target: server for server in SERVERS}
"""The servers besides the bundled managers, by their targets' names."""

FIRST = 3
"""Places that are read before the search for a fault counts as lost."""


@dataclass(frozen=True, slots=True)
class Known:
    """A finding with the defect it is of, and what was made of it."""

    target: str
    signature: str
    defect: str
    faults: tuple[Fault, ...]
    cause: Cause | None
    bug: str
    counterexample: Counterexample


@dataclass(frozen=True, slots=True)
class Score:
    """How well groups match defects."""

    findings: int
    defects: int
    groups: int
    precision: float
    recall: float
    homogeneity: float
    completeness: float


def score(found: Sequence[Known]) -> Score:
    """Compare groups with defects; pairs and entropies within targets."""
    together = alike = both = 0
    for one, two in combinations(found, 2):
        if one.target == two.target:
            same, one_bug = one.defect == two.defect, one.bug == two.bug
            alike, together, both = alike + same, together + one_bug, both + (same and one_bug)
    targets = [(one.target,) for one in found]
    defects = [(one.target, one.defect) for one in found]
    groups = [(one.target, one.bug) for one in found]
    return Score(
        len(found),
        len(set(defects)),
        len(set(groups)),
        both / together if together else 1.0,
        both / alike if alike else 1.0,
        _explained(defects, groups, targets),
        _explained(groups, defects, targets),
    )


Labels = Sequence[tuple[str, ...]]


def _explained(labels: Labels, by: Labels, within: Labels) -> float:
    """The share of what labels tell beyond ``within`` that ``by`` tells too."""
    free = _entropy(labels, within)
    return 1.0 - _entropy(labels, by) / free if free else 1.0


def _entropy(labels: Labels, given: Labels) -> float:
    """H(labels | given), in nats."""
    joint, marginal = Counter(zip(labels, given, strict=True)), Counter(given)
    return -sum(times / len(labels) * math.log(times / marginal[one]) for (_, one), times in joint.items())


def defects_of(target: str, finding: Finding) -> list[str]:
    """The known defects that a minimal finding looks like."""
    known = [(defect.name, defect.target, defect.looks) for defect in DEFECTS]
    return list(dict.fromkeys(name for name, of, looks in (*known, *ALSO) if of == target and looks.show(finding)))


def bugs_in(server: Server, finding: Finding) -> list[str]:
    """The bugs of a server that a minimal finding looks like; the first named of several."""
    return [bug.name for bug in server.bugs if bug.looks.show(finding)][:1]


def explained(target: str, seed: int, seconds: float, executions: int | None = None) -> tuple[list[Known], int]:
    """Fuzz a target; its findings that look like one known bug, and how many there were in all."""
    server = OTHERS.get(target)
    if server is not None:
        executions = executions or server.executions
    plan = Plan(seed=seed, seconds=None if executions else seconds, executions=executions)
    adapter = resolve(target)
    tally = Campaign(adapter, plan).run()
    causes = {signature: found.cause for signature, found in tally.found.items()}
    findings = {signature: found.finding for signature, found in tally.found.items()}
    bug = {signature: group[0] for group in bugs_of(causes, findings, adapter) for signature in group}
    known = []
    for signature, found in tally.found.items():
        looks = bugs_in(server, found.finding) if server is not None else defects_of(target, found.finding)
        if len(looks) == 1:
            faults = faults_of(server, looks[0])
            saved = of_finding(target, signature, found.finding)
            known.append(Known(target, signature, looks[0], faults, found.cause, f"{seed}:{bug[signature]}", saved))
    return known, len(tally.found)


def faults_of(server: Server | None, bug: str) -> tuple[Fault, ...]:
    """The lines that a repair of a bug changes; none where none are written down."""
    if server is None:
        return FAULTY.get(bug, ())
    return next(one.faults for one in server.bugs if one.name == bug)


def places_read(known: Known) -> int | None:
    """How many places are read up to the first with a faulty line; None where none has one, or none is known."""
    if known.cause is not None:
        for number, lines in enumerate(known.cause.places, 1):
            if any(is_faulty(line, known.faults) for line in lines):
                return number
    return None


def lines_read(known: Known) -> int | None:
    """How many lines are read up to the first faulty one, that one counted."""
    if known.cause is not None:
        lines = [line for place in known.cause.places for line in place]
        return next((number for number, line in enumerate(lines, 1) if is_faulty(line, known.faults)), None)
    return None


def survival(target: str, known: Sequence[Known]) -> tuple[int, int]:
    """Of the pairs of findings, how many are put together or kept apart on the target's refactored twin as here.

    In a process of its own, where the twin stands in place of the module.
    """
    if len(known) < 2:
        return 0, 0
    there = in_fork(lambda: _on_the_twin(target, known))
    pairs = [(a, b) for a, b in combinations(known, 2) if {a.signature, b.signature} <= there.keys()]
    alike = sum((a.bug == b.bug) == (there[a.signature] == there[b.signature]) for a, b in pairs)
    return alike, len(pairs)


def _on_the_twin(target: str, known: Sequence[Known]) -> dict[str, int]:
    """Signature -> number of the bug that a finding is of on the twin, for those that show there."""
    place, _, options = target.partition("?")
    module, _, attribute = place.partition(":")
    with TemporaryDirectory() as folder:
        twin = f"{module.rpartition('.')[2]}_refactored"
        spec = find_spec(module)
        assert spec is not None
        assert spec.origin is not None
        write_twin(Path(spec.origin), Path(folder), twin)
        sys.path.insert(0, folder)
        worker = Worker(resolve(f"{twin}:{attribute}?{options}".rstrip("?")))
        causes: dict[str, Cause | None] = {}
        for one in known:
            outcome = replayed(one.counterexample, worker)
            if outcome.violation is not None:
                with worker.session():
                    cause = cause_of(worker, Finding(outcome.violation, outcome.execution))
                causes[one.signature] = cause
        return {signature: number for number, group in enumerate(bugs_of(causes)) for signature in group}


HEADINGS = (
    *("target", "findings", "labelled", "bugs", "entries", "precision", "recall", "hom.", "compl.", "first 3", "lines"),
    "survive",
)

PAGE = """# Causes: what is put together, and which place is named

`python -m benchmarks.causes --page docs/causes.md` writes this page. {seeds}, {seconds:g} s each. {machine}.

*Labelled*: findings that look like exactly one known bug (docs/defects.md, `benchmarks.truth`); the others are left
out. *Entries*: what a run shows for them. *Precision* and *recall*: over pairs of findings of one campaign. *First 3*:
findings among whose first three places is a line that a repair changes, of those whose lines are written down. *Lines*:
read up to the first such line, the median. *Survive*: pairs of findings put together, or kept apart, alike on the
refactored twin.

{table}
"""


def _row(name: str, found: Iterable[Known], total: int, kept: tuple[int, int]) -> tuple[str, ...]:
    labelled = list(found)
    result = score(labelled)
    read = [places_read(one) for one in labelled if one.faults]
    lines = [number for one in labelled if (number := lines_read(one)) is not None]
    named = f"{sum(at is not None and at <= FIRST for at in read)}/{len(read)}"
    shares = (result.precision, result.recall, result.homogeneity, result.completeness)
    counts = (total, result.findings, result.defects, result.groups)
    survive = f"{kept[0]}/{kept[1]}" if kept[1] else "-"
    shown = (named, f"{middle(lines):g}" if lines else "-", survive)
    return (name.partition("?")[0], *map(str, counts), *(f"{share:.2f}" for share in shares), *shown)


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser, given = arguments(__doc__, argv)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="those with known bugs unless named")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--executions", type=int, help="of each campaign, at most: what does not depend on the machine")
    parser.add_argument("--page", metavar="FILE", help="write the table with its explanation as Markdown")
    options = parser.parse_args(given)
    seeds, seconds = (1, 5.0) if options.quick else (options.seeds, options.seconds)
    rows: list[tuple[str, ...]] = []
    everything: list[Known] = []
    total = alike = pairs = 0
    for target in options.targets or [*dict.fromkeys(defect.target for defect in DEFECTS), *OTHERS]:
        found: list[Known] = []
        count = 0
        kept = (0, 0)
        for seed in range(1, seeds + 1):
            known, all_of_them = explained(target, seed, seconds, options.executions)
            if target in OTHERS:
                kept = survival(target, known)
                alike, pairs = alike + kept[0], pairs + kept[1]
            # a campaign is scored by itself: its target's name carries the seed
            found += [replace(one, target=f"{target} {seed}") for one in known]
            count += all_of_them
        rows.append(_row(target, found, count, kept))
        print("  ".join(rows[-1]), flush=True)
        everything += found
        total += count
    rows.append(_row("all", everything, total, (alike, pairs)))
    listed = table(HEADINGS, rows)
    spent = [one.cause.executions for one in everything if one.cause is not None]
    costs = int(middle(spent)) if spent else 0
    print(f"\n{listed}\n\n{costs} executions for a finding (median)")
    if options.page:
        said = f"{seeds} seeds" if seeds > 1 else "One seed"
        text = PAGE.format(seeds=said, seconds=seconds, machine=machine(), table=listed)
        Path(options.page).write_text(text, encoding="utf-8")
    write(options.json, {"seeds": seeds, "seconds": seconds, "rows": rows, "executions": costs})


if __name__ == "__main__":
    main()
