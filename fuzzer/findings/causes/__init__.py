"""Causes: where in the target's own source a finding comes from, and which findings come from the same place."""

from .bugs import bugs_of, joined, perhaps
from .cause import Cause, Reason
from .diagnosis import cause_of, known_at_once
from .experiments import Change, Flip, Strength
from .spectrum import FEWEST
from .story import Cell, Step, Story, story_of
from .windows import Window
from .words import counterfactual, event_in_words, in_lines, places_in_words, roles, why

__all__ = (
    "FEWEST",
    "Cause",
    "Cell",
    "Change",
    "Flip",
    "Reason",
    "Step",
    "Story",
    "Strength",
    "Window",
    "bugs_of",
    "cause_of",
    "counterfactual",
    "event_in_words",
    "in_lines",
    "joined",
    "known_at_once",
    "perhaps",
    "places_in_words",
    "roles",
    "story_of",
    "why",
)
