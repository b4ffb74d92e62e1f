"""Are findings of one bug put together, those of two kept apart, and is the faulty line named?

    python -m benchmarks.causes [--seeds 2] [--seconds 20] [--json FILE] [--page FILE] [TARGET ...]

The standing managers are fuzzed; each minimal finding is put down to a known defect by what it looks like (see
`benchmarks.defects`), and to the functions whose repair ends that defect, written down by hand.  Findings that look
like no known defect, or like several, are left out of the figures and counted.  *Precision* and *recall* are over pairs
of findings of one target: of the pairs put together, how many are of one defect; of the pairs of one defect, how many
are put together.  Homogeneity and completeness are Rosenberg and Hirschberg's (EMNLP-CoNLL 2007), within targets.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from crosswire.fuzzer.campaigns.campaign import Campaign
from crosswire.fuzzer.campaigns.rounds import Plan
from crosswire.fuzzer.findings.causes import Cause, bugs_of
from crosswire.fuzzer.findings.finding import Finding
from crosswire.models.managers.targets import TARGETS

from .defects import DEFECTS, Looks
from .report import arguments, machine, middle, table, write

__all__ = ("FAULTY", "Known", "Score", "score")

FAULTY: dict[str, tuple[str, ...]] = {
    "D1": ("IsolatedWebSocketManager.send_to_user", "IsolatedWebSocketManager.remove_connection"),
    "D2": ("IsolatedWebSocketManager.send_to_user",),
    "D3": ("IsolatedWebSocketManager.send_to_user",),
    "D4": ("IsolatedWebSocketManager.send_to_user",),
    "D5": ("IsolatedWebSocketManager.cleanup_all_connections", "IsolatedWebSocketManager._require_active"),
    "D8": ("isolation_key_of",),
    "D9": ("EmergencyWebSocketManager.send_to_user",),
    "D10": ("EmergencyWebSocketManager.connect_user",),
    "D11": ("EmergencyWebSocketManager.disconnect_user",),
    "D12": ("EmergencyWebSocketManager.connect_user", "EmergencyWebSocketManager.add_connection"),
    "D13": ("EmergencyWebSocketManager.is_connection_active",),
    "D14": ("DegradedWebSocketManager.send_to_user",),
    "D15": ("DegradedWebSocketManager.send_to_user",),
    "D16": ("UnifiedWebSocketManager.send_to_user", "UnifiedWebSocketManager.remove_connection"),
    "D17": ("UnifiedWebSocketManager.attempt_message_recovery", "UnifiedWebSocketManager.process_recovery_queue"),
    "D18": ("UnifiedWebSocketManager.attempt_message_recovery", "UnifiedWebSocketManager.process_recovery_queue"),
    "D19": ("UnifiedWebSocketManager.emit_critical_event",),
    "D20": ("UnifiedWebSocketManager.send_to_thread",),
    "D21": ("UnifiedWebSocketManager.connect_user", "UnifiedWebSocketManager.add_connection"),
    "D22": ("UnifiedWebSocketManager.broadcast",),
    "D25": ("IsolatedWebSocketManager._watch_health", "IsolatedWebSocketManager.send_to_user"),
    "D26": ("UnifiedWebSocketManager._keep",),
    "D27": ("UnifiedWebSocketManager.attempt_message_recovery",),
}
"""For each defect, the functions one of which a repair changes; written down by hand, from the managers' source."""

TWO = ("connect", "connect")


def _quiet(finding: Finding) -> bool:
    """Nothing raised, and no answer was yes: the manager no longer knows who is there."""
    circumstance = finding.violation.circumstance
    return "RuntimeError" not in circumstance and circumstance != "is"


ALSO: tuple[tuple[str, str, Looks], ...] = (
    (
        "D10",
        "emergency",
        Looks(("LostEvent", "BrokenGoldenPath", "LeftOpen", "WrongAnswer"), proof=_quiet, needs=TWO, lacks=("pause",)),
    ),
    ("D14", "degraded", Looks(("BrokenGoldenPath",), connections=1)),
    ("D20", "unified", Looks(("LostEvent", "OfflineLoss"), needs=("emit_to_thread",))),
    ("D21", "unified", Looks(("WrongAnswer",), needs=TWO)),
)
"""Other symptoms of a defect in a target: not what it is counted as found by, and known from reading."""

FIRST = 3
"""Places that are read before the search for a fault counts as lost."""


@dataclass(frozen=True, slots=True)
class Known:
    """A finding with the defect it is of, and what was made of it."""

    target: str
    signature: str
    defect: str
    cause: Cause | None
    bug: str


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


def explained(target: str, seed: int, seconds: float, executions: int | None = None) -> tuple[list[Known], int]:
    """Fuzz a target; its findings that look like one known defect, and how many there were in all."""
    tally = Campaign(
        TARGETS[target], Plan(seed=seed, seconds=None if executions else seconds, executions=executions)
    ).run()
    causes = {signature: found.cause for signature, found in tally.found.items()}
    bug = {signature: group[0] for group in bugs_of(causes) for signature in group}
    known = []
    for signature, found in tally.found.items():
        looks = defects_of(target, found.finding)
        if len(looks) == 1:
            known.append(Known(target, signature, looks[0], found.cause, f"{seed}:{bug[signature]}"))
    return known, len(tally.found)


def places_read(known: Known) -> int | None:
    """How many places are read up to the first in a faulty function; None where none is, or none is written down."""
    if known.cause is None or known.defect not in FAULTY:
        return None
    functions = FAULTY[known.defect]
    for number, lines in enumerate(known.cause.places, 1):
        if any(line.function in functions for line in lines):
            return number
    return None


HEADINGS = ("target", "findings", "labelled", "defects", "bugs", "precision", "recall", "hom.", "compl.", "first 3")

PAGE = """# Causes: what is put together, and which place is named

`python -m benchmarks.causes --page docs/causes.md` writes this page. {seeds}, {seconds:g} s each. {machine}.

*Labelled*: findings that look like exactly one known defect (docs/defects.md); the others are left out. *Bugs*: entries
a run shows for them. *Precision* and *recall*: over pairs of findings of one campaign. *First 3*: findings among whose
first three places is a function that a repair changes, of those whose functions are written down.

{table}
"""


def _row(name: str, found: Iterable[Known], total: int) -> tuple[str, ...]:
    labelled = list(found)
    result = score(labelled)
    read = [places_read(one) for one in labelled if one.defect in FAULTY]
    named = f"{sum(at is not None and at <= FIRST for at in read)}/{len(read)}"
    shares = (result.precision, result.recall, result.homogeneity, result.completeness)
    counts = (total, result.findings, result.defects, result.groups)
    return (name, *map(str, counts), *(f"{share:.2f}" for share in shares), named)


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser, given = arguments(__doc__, argv)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="those with known defects unless named")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--executions", type=int, help="of each campaign, at most: what does not depend on the machine")
    parser.add_argument("--page", metavar="FILE", help="write the table with its explanation as Markdown")
    options = parser.parse_args(given)
    seeds, seconds = (1, 5.0) if options.quick else (options.seeds, options.seconds)
    rows: list[tuple[str, ...]] = []
    everything: list[Known] = []
    total = costs = 0
    for target in options.targets or dict.fromkeys(defect.target for defect in DEFECTS):
        found: list[Known] = []
        count = 0
        for seed in range(1, seeds + 1):
            known, all_of_them = explained(target, seed, seconds, options.executions)
            # a campaign is scored by itself: its target's name carries the seed
            found += [Known(f"{target} {seed}", k.signature, k.defect, k.cause, k.bug) for k in known]
            count += all_of_them
        rows.append(_row(target, found, count))
        print("  ".join(rows[-1]), flush=True)
        everything += found
        total += count
    rows.append(_row("all", everything, total))
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
