"""What a campaign tells while it runs: one typed stream, which command line, store and reports listen to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ..findings.tally import Found, Tally

__all__ = ("BugFound", "BugUpdated", "CampaignEvent", "Finished", "Noted", "Phase", "Progressed", "Started")


class Phase(Enum):
    """What a campaign is at; all of it is inside the budget."""

    STARTING = "starting"
    SEARCHING = "searching"
    SHRINKING = "shrinking"
    EXPLAINING = "looking for causes"
    CONFIRMING = "confirming"


@dataclass(frozen=True, slots=True)
class Started:
    """A target's campaign begins, or goes on."""

    tally: Tally


@dataclass(frozen=True, slots=True)
class Progressed:
    """Something was done; the tally has the figures so far."""

    tally: Tally
    phase: Phase


@dataclass(frozen=True, slots=True)
class BugFound:
    """A bug was found."""

    tally: Tally
    found: Found


@dataclass(frozen=True, slots=True)
class BugUpdated:
    """More is known of a bug: a smaller counterexample, its cause, or whether it was confirmed."""

    tally: Tally
    found: Found


@dataclass(frozen=True, slots=True)
class Finished:
    """A target's campaign is over: its budget is used up, or nothing more was asked for."""

    tally: Tally


@dataclass(frozen=True, slots=True)
class Noted:
    """Something the user should know, in one sentence."""

    text: str


CampaignEvent = Started | Progressed | BugFound | BugUpdated | Finished | Noted
