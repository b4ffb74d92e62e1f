"""The store's rows as plain data."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = (
    "CampaignRow",
    "CountRow",
    "FailureRow",
    "FirstRow",
    "SampleRow",
    "SightingRow",
    "StressFailureRow",
    "StressIntervalRow",
    "StressRow",
    "StressViolationRow",
)


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


@dataclass(frozen=True, slots=True)
class StressRow:
    """One run against a live server; ``status``, ``plan`` and ``environment`` as in a `CampaignRow`.

    ``traffic`` of its ``seconds`` something was said; ``rested`` of its rounds came to rest; ``owed`` events were owed
    for certain, and looked for.  ``lag`` is by how many seconds the clients were late at most, ``away`` for how many
    the server did not answer, ``processor`` seconds of processor time, ``judging`` of them.  Percentiles are in
    milliseconds, of events from when they were to be said, and None where nothing was measured.
    """

    id: int
    url: str
    wire: str
    started: float
    ended: float | None
    status: str
    seed: int
    plan: str
    environment: str
    seconds: float
    traffic: float
    rounds: int
    rested: int
    said: int
    frames: int
    heard: int
    owed: int
    connects: int
    departures: int
    lag: float
    away: float
    processor: float
    judging: float
    event_p50: float | None
    event_p90: float | None
    event_p99: float | None
    event_p999: float | None
    event_max: float | None
    connect_p50: float | None
    connect_p90: float | None
    connect_p99: float | None
    connect_p999: float | None
    connect_max: float | None


@dataclass(frozen=True, slots=True)
class StressIntervalRow:
    """What was measured in ``seconds`` of a run, from the second ``at`` on; the columns are those of a `StressRow`."""

    run: int
    at: float
    seconds: float
    traffic: float
    said: int
    frames: int
    heard: int
    connects: int
    departures: int
    lag: float
    away: float
    event_p50: float | None
    event_p90: float | None
    event_p99: float | None
    event_p999: float | None
    event_max: float | None
    connect_p50: float | None
    connect_p90: float | None
    connect_p99: float | None
    connect_p999: float | None
    connect_max: float | None


@dataclass(frozen=True, slots=True)
class StressFailureRow:
    """How often something failed in the interval that begins at ``at``.

    ``failure`` is a kind of violation, with its ``grade``; or an error by its kind, whoever's fault it is, without.
    """

    run: int
    at: float
    failure: str
    grade: str
    times: int


@dataclass(frozen=True, slots=True)
class StressViolationRow:
    """A way in which a live server broke a promise.

    ``grade`` and ``proof`` say how far that is proven, ``at_seconds`` and ``at_events`` after how much it was seen
    first.  ``history`` and ``reproduced`` are files in the folders ``stress`` and ``counterexamples``, None where
    there is none.  Of ``reruns`` of the lanes alone, ``failed`` showed it again.
    """

    run: int
    violation: str
    promise: str
    circumstance: str
    grade: str
    proof: str
    message: str
    times: int
    round: int
    at_seconds: float
    at_events: int
    history: str | None
    reproduced: str | None
    reruns: int
    failed: int
