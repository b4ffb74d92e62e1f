"""What a campaign's process tells of its figures is all of what it counted, whenever it told some of it before."""

from __future__ import annotations

from typing import cast

from crosswire.fuzzer.campaigns.campaign import Campaign
from crosswire.fuzzer.campaigns.events import Phase
from crosswire.fuzzer.campaigns.messages import Line
from crosswire.fuzzer.campaigns.rounds import Plan
from crosswire.fuzzer.campaigns.supervisor import Figures, _Teller
from crosswire.models.managers.targets import TARGETS


class Told:
    """A line of which only what is told counts."""

    def __init__(self) -> None:
        self.figures: list[Figures] = []

    def tell(self, message: object) -> None:
        assert isinstance(message, Figures)
        self.figures.append(message)


def test_programs_of_a_finding_are_told_though_its_executions_were_told_before() -> None:
    line = Told()
    tally = Campaign(TARGETS["degraded"], Plan(executions=20), explaining=False).run()
    found = next(iter(tally.found.values()))
    teller = _Teller(cast("Line", line), tally)
    found.times += 1
    teller.tell(Phase.SHRINKING, now=True)  # in the midst of a program: its executions are counted, it is not yet
    found.programs += 1
    teller.tell(Phase.SEARCHING, now=True)
    assert line.figures[-1].seen[found.signature][1] == found.programs
    teller.tell(Phase.SEARCHING, now=True)
    assert line.figures[-1].seen == {}
