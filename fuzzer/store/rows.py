"""The store's rows as plain data."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ("CampaignRow", "CountRow", "FailureRow", "FirstRow", "SampleRow", "SightingRow")


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """One run over one or more targets; times in seconds since the epoch.

    ``status`` is ``running``, ``finished``, ``interrupted``, ``failed`` or ``killed``; ``plan`` and ``environment``
    are JSON.
    """

    id: int
    profile: str | None
    started: float
    ended: float | None
    status: str
    seed: int
    plan: str
    environment: str


@dataclass(frozen=True, slots=True)
class CountRow:
    """Executions of a target by strategy, number of users and program length; ``broken`` maps promise to executions."""

    campaign: int
    target: str
    strategy: str
    users: int
    length: int
    executions: int
    broken: dict[str, int]


@dataclass(frozen=True, slots=True)
class FailureRow:
    """One finding, by signature, over all campaigns.

    ``counterexample`` is the file's text; ``gone_since`` when a replay last failed to show the violation (None while
    it shows); ``bug`` is the bug it is a symptom of: the signature of the one found first.
    """

    signature: str
    target: str
    promise: str
    violation: str
    message: str
    operations: int
    deviations: int
    file: str
    counterexample: str
    first_seen: float
    last_seen: float
    times: int
    gone_since: float | None
    bug: str


@dataclass(frozen=True, slots=True)
class SampleRow:
    """A point of a discovery curve: how many signatures were seen, how many of them in one program, how many in two.

    Where ``programs`` is 0, an older release has written it: it counted executions in place of programs.
    """

    campaign: int
    target: str
    executions: int
    seconds: float
    distinct: int
    singletons: int
    doubletons: int
    programs: int


@dataclass(frozen=True, slots=True)
class FirstRow:
    """After how many of its executions a strategy first showed a signature in a campaign.

    ``signature`` is None, and ``executions`` all there were, where it showed none: a censored observation.
    """

    campaign: int
    target: str
    strategy: str
    signature: str | None
    executions: int


@dataclass(frozen=True, slots=True)
class SightingRow:
    """A violation in one campaign: how often it was seen, in how many programs, and when first.

    Seconds are those since the campaign of its target began; ``programs`` is 0 where an older release has written it.
    """

    campaign: int
    target: str
    signature: str
    times: int
    at_execution: int
    at_seconds: float
    programs: int
