"""Bugs: findings that come from the same place are one, with several symptoms.

To put two different bugs together would hide one, so two findings are of one bug only where what decides is the same
place, or where windows overlap and each one's counterfactual makes the other go away as well; what merely overlaps is
said to be perhaps the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from ...targets.adapter import Target
from ..finding import Finding
from .cause import UNSURE, Cause, Reason
from .experiments import Strength
from .spectrum import Step, shape

__all__ = ("bugs_of", "joined", "perhaps")

ALIKE = 0.4
"""The share of their lines that two findings which are known by suspicion only must have in common."""

TOLD = 3
"""So many places are told first."""

Member = TypeVar("Member", bound=Hashable)


def joined(members: Sequence[Member], ties: Iterable[tuple[Member, Member]]) -> list[list[Member]]:
    """Members put together by what ties them, each group and the groups in the order of the members."""
    group = {member: [member] for member in members}
    for one, other in ties:
        if group[one] is not group[other]:
            group[one].extend(group[other])
            for member in group[other]:
                group[member] = group[one]
    place = {member: at for at, member in enumerate(members)}
    once = {id(one): sorted(one, key=place.__getitem__) for one in group.values()}
    return sorted(once.values(), key=lambda one: place[one[0]])


def bugs_of(
    causes: Mapping[str, Cause | None], findings: Mapping[str, Finding] | None = None, target: Target | None = None
) -> list[list[str]]:
    """The signatures of one target's findings, those of one bug together, in order.

    With the ``findings``, by signature, and their ``target``, one of which no cause is known goes with the only bug
    that shows in the same way and after less, or that shows with it and is a reason for it or follows from it.
    """
    names = list(causes)
    ties = [(one, two) for at, one in enumerate(names) for two in names[:at] if _same(causes, one, two)]
    ties += _followers(causes, joined(names, ties))
    if findings is not None and target is not None:
        ties += _unexplained(causes, findings, target, joined(names, ties))
    return joined(names, ties)


def _followers(causes: Mapping[str, Cause | None], groups: Sequence[Sequence[str]]) -> Iterator[tuple[str, str]]:
    """Ties each finding to what it follows from, where all of that is of one bug: it must not make one of two."""
    known = {name: cause for name, cause in causes.items() if cause is not None}
    for later, cause in known.items():
        firsts = {
            group[0]: name
            for group in groups
            for name in group
            if name in known and later not in group and _follows(cause, known[name], name)
        }
        if len(firsts) == 1:
            yield later, next(iter(firsts.values()))


def _unexplained(
    causes: Mapping[str, Cause | None],
    findings: Mapping[str, Finding],
    target: Target,
    groups: Sequence[Sequence[str]],
) -> Iterator[tuple[str, str]]:
    """Ties each finding of which no cause is known to the only bug that it may well be a symptom of."""
    if not any(_perhaps_follows(causes[name]) for name in findings if name in causes):
        return
    known = {name: _Shown(finding, target) for name, finding in findings.items() if name in causes}
    for name, shown in known.items():
        if not _perhaps_follows(causes[name]):
            continue
        others = [(group[0], one) for group in groups if name not in group for one in group if one in known]
        alike = [
            (first, one) for first, one in others if not _perhaps_follows(causes[one]) and known[one].kin == shown.kin
        ]
        if len({first for first, _ in alike}) == 1 and any(_within(known[one].after, shown.after) for _, one in alike):
            yield alike[0][0], name
            continue
        tied = {
            first
            for first, one in others
            if _follows_from(shown, one, known[one])
            or (_unknown(causes[name]) and _follows_from(known[one], name, shown))
        }
        if len(tied) == 1:
            yield tied.pop(), name


def _unknown(cause: Cause | None) -> bool:
    """Whether nothing tells where a finding begins."""
    return cause is None or cause.reason is Reason.SHOWN


def _perhaps_follows(cause: Cause | None) -> bool:
    """Whether no more is known than lines that are suspected: it may well follow from what has a cause."""
    return cause is None or cause.reason in UNSURE


class _Shown:
    """What a finding shows, after what, and what else its execution shows."""

    def __init__(self, finding: Finding, target: Target) -> None:
        self.kin = finding.violation.kin
        self.after = shape(finding.execution.program)
        self.beside = finding.beside(target)


def _follows_from(later: _Shown, first: str, its: _Shown) -> bool:
    """Whether one shows where another does as well, which may be the reason for it, and shows after less."""
    return first in later.beside and its.kin in FOLLOWS.get(later.kin, ()) and _within(its.after, later.after)


def _same(causes: Mapping[str, Cause | None], one: str, two: str) -> bool:
    a, b = causes[one], causes[two]
    if a is None or b is None:
        return False
    if a.key == b.key:
        return _spare_alike(a, b)
    if one in b.besides or two in a.besides or _suspects_first(a, b) or _suspects_first(b, a):
        return True
    if one in b.implies and two in a.implies:  # neither is ever seen without the other
        return True
    if _raises_meanwhile(a, b) or _raises_meanwhile(b, a) or _suspect_the_same(a, b):
        return True
    if a.kin == b.kin and _detour(a) == _detour(b):
        suspected = a.weak and b.weak and _suspect_alike(a, b)
        if suspected or _begin_alike(a, b) or _meet_alike(a, b) or (a.weak and b.weak and a.shape == b.shape):
            return True
    return two in _cured(a) and one in _cured(b) and not a.hints.isdisjoint(b.hints)


TOGETHER: dict[str, frozenset[str]] = {
    "CrossUserLeak": frozenset({"LostEvent", "HeadOfLineBlocking"}),
    "DuplicateEvent": frozenset({"LostEvent"}),
    "HeadOfLineBlocking": frozenset({"CrossUserLeak"}),
    "LostEvent": frozenset({"CrossUserLeak", "DuplicateEvent"}),
    "MissingEntry": frozenset({"StaleEntry"}),
    "StaleEntry": frozenset({"MissingEntry"}),
}
"""What goes wrong with one event, or entry, from one place: who hears what is somebody else's keeps it from them, or
has it twice, who has no business to be sent it holds up those who have, and where the wrong one is taken out another
stays."""

FOLLOWS: dict[str, frozenset[str]] = {
    "LostEvent": frozenset(
        {"MissingEntry", "OverLimit", "WrongIdentity", "CrossUserLeak", "UnhandledException", "Deadlock"}
    ),
    "DuplicateEvent": frozenset({"OverLimit", "StaleEntry", "LeakedEntry"}),
    "OutOfOrder": frozenset({"DuplicateEvent"}),
    "CrossUserLeak": frozenset({"WrongIdentity", "BadTokenAccepted"}),
    "MixedUp": frozenset({"WrongIdentity", "CrossUserLeak"}),
    "UnauthenticatedEvent": frozenset({"BadTokenAccepted"}),
    "EarlyDelivery": frozenset({"BadTokenAccepted"}),
    "OverLimit": frozenset({"MissingEntry"}),
    "WrongAnswer": frozenset({"StaleEntry", "MissingEntry", "LeakedEntry", "WrongIdentity"}),
    "FalseFailure": frozenset({"MissingEntry"}),
    "Dropped": frozenset({"UnhandledException"}),
    "Refused": frozenset({"UnhandledException", "StaleEntry", "LeakedEntry", "OverLimit"}),
    "LeakedEntry": frozenset({"UnhandledException", "StaleEntry", "LeftOpen"}),
    "StaleEntry": frozenset({"UnhandledException", "LeftOpen"}),
    "LeftOpen": frozenset({"UnhandledException"}),
    "LateDelivery": frozenset({"LeftOpen", "StaleEntry"}),
    "LeakedTask": frozenset({"UnhandledException", "Deadlock"}),
    "UnhandledException": frozenset({"LeakedTask"}),
}
"""What goes wrong -> what else going wrong it may be the consequence of: who is entered nowhere is sent nothing."""


def _follows(later: Cause, first: Cause, of_first: str) -> bool:
    """Whether one shows only together with another that needs no more than it, and that it may be a consequence of.

    One whose own cause is known has that, unless all that is known makes way for something else of its class.
    """
    return (
        (later.weak or later.strength is Strength.FINDING)
        and first.kin in FOLLOWS.get(later.kin, ())
        and of_first in later.implies
        and _within(first.shape, later.shape)
    )


def _within(one: Sequence[Step], other: Sequence[Step]) -> bool:
    """Whether nothing happens in one program that does not happen in the other as well, and as often."""
    return not Counter(step[0] for step in one) - Counter(step[0] for step in other)


def _suspects_first(a: Cause, b: Cause) -> bool:
    """Whether what is suspected first of one is the line that raises in the other, and the same goes wrong."""
    if not (a.kin == b.kin and a.weak and b.reason is Reason.RAISED and not b.weak):
        return False
    return a.places[:1] == b.places[:1]


def _raises_meanwhile(a: Cause, b: Cause) -> bool:
    """Whether one is known to raise in the very line that goes by what is changed, in the other, while it waits."""
    if a.reason is not Reason.RAISED or a.weak or b.window is None or not b.window.shared:
        return False
    return b.window.goes_by is not None and a.places[:1] == ((b.window.goes_by,),)


def _detour(cause: Cause) -> str:
    """The operation that does well when it is said in a plainer way, if one does: others are of other bugs."""
    return cause.change.key if cause.change is not None and cause.change.instead is not None else ""


def _suspect_alike(a: Cause, b: Cause) -> bool:
    """Whether much of what is suspected first is the same: of which of the lines comes first, chance has a say."""
    return len(a.suspects & b.suspects) >= ALIKE * len(a.suspects | b.suspects) > 0


def _begin_alike(a: Cause, b: Cause) -> bool:
    """Whether the same line, and no other beside it, is suspected first of both, by suspicion only."""
    if not (a.weak and b.weak and a.places and b.places):
        return False
    return a.places[0] == b.places[0] and len(a.places[0]) == 1


def _suspect_the_same(a: Cause, b: Cause) -> bool:
    """Whether the same places are suspected of both, that is all there is to say of either, and the two go together."""
    with_it = TOGETHER.get(a.kin, frozenset()) | FOLLOWS.get(a.kin, frozenset()) | {a.kin}
    if b.kin not in with_it and a.kin not in FOLLOWS.get(b.kin, ()):
        return False
    if a.weak and b.weak and a.kin != b.kin and a.reason is b.reason and a.places[:1] == b.places[:1] and a.places:
        return True
    told = a.reason is b.reason is Reason.LINES and len(a.places) >= TOLD
    return told and a.places[:TOLD] == b.places[:TOLD]


def _meet_alike(a: Cause, b: Cause) -> bool:
    """Whether both wait at one line, where they do not always wait."""
    if a.window is None or b.window is None or a.window.resting or b.window.resting:
        return False
    return a.window.places[-1] == b.window.places[-1]


def _spare_alike(a: Cause, b: Cause) -> bool:
    """Whether what one's change spares is among what the other's does: of one operation, there may be two bugs."""
    if a.change is None or b.change is None or a.change.instead is None:
        return True
    one, two = set(a.change.spared), set(b.change.spared)
    return one <= two or two <= one


def _cured(cause: Cause) -> frozenset[str]:
    """What a counterfactual of the order of events makes go away, if nothing like the finding is left."""
    if cause.reason is not Reason.ORDER or cause.strength is None or cause.strength < Strength.CLASS:
        return frozenset()
    return cause.cured


def perhaps(causes: Mapping[str, Cause | None], one: Sequence[str], two: Sequence[str]) -> bool:
    """Whether two bugs, each by its signatures, are perhaps the same: some of what decides overlaps."""
    return bool(_hints(causes, one) & _hints(causes, two))


def _hints(causes: Mapping[str, Cause | None], signatures: Sequence[str]) -> set[tuple[str, ...]]:
    found = (causes.get(signature) for signature in signatures)
    return {hint for cause in found if cause is not None for hint in (cause.key, *cause.hints)}
