"""A login that is answered to another connection: nothing is stuck, an answer is missing."""

from __future__ import annotations

from crosswire.fuzzer import JsonWire, Policy, application
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.core.stacks import Listening
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.findings.causes import cause_of
from crosswire.fuzzer.findings.causes.cause import Reason
from crosswire.fuzzer.findings.finding import Finding, judged
from crosswire.fuzzer.targets.adapter import Target
from crosswire.fuzzer.world import InOrder

WIRE = JsonWire(
    path="/desk/{user}",
    first=[{"do": "check in"}],
    ready={"key": 7},
    to_user={"do": "say", "to": "{to}", "text": "{event}"},
)
TWO_LINES = Program(tuple(Operation("connect", f"c{number}", "u0") for number in range(2)))


def front_desk(**policy: bool) -> Target:
    return application("tests.applications.front_desk:app", wire=WIRE, policy=Policy(**policy))  # type: ignore[arg-type]


def test_who_is_waited_for_is_said_where_nothing_is_stuck() -> None:
    worker = Worker(front_desk())
    with worker.session():
        shown = judged(worker, worker.run(TWO_LINES, InOrder()))
        (deadlock,) = (violation for violation in shown.violations if violation.kind == "Deadlock")
        assert isinstance(shown.execution.history[deadlock.evidence[-1]].detail, Listening)
        assert "was never answered: everything has arrived, and the server waits for what c0 says next" in str(deadlock)
        assert deadlock.allowed == ("one_tab",)
        cause = cause_of(worker, Finding(deadlock, shown.execution))
    assert cause is not None and cause.reason is not Reason.STUCK


def test_it_may_be_so_where_one_tab_hears() -> None:
    worker = Worker(front_desk(one_tab=True))
    with worker.session():
        assert judged(worker, worker.run(TWO_LINES, InOrder())).violations == ()
