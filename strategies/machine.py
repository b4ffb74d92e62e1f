"""The stateful machine: it writes a program down; when Hypothesis ends the example, the program is executed as written.

What its steps are, for a target, say the `rules`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

from ..fuzzer.core.program import Program
from ..fuzzer.engine.schedule import Deliver
from .phrases import Said
from .script import SPEAKING, Script, Vocabulary

__all__ = ("MOMENTS", "Check", "ProgramMachine", "moment", "something_said", "which")

Check = Callable[[Program, Sequence["int | Deliver"]], None]
"""What is done with a finished program and the order it was written in; raises to fail the example."""

MOMENTS = (1.0, 6.0, 12.0, 35.0, 65.0, 310.0, 1900.0, 4000.0, 90_000.0)
"""Seconds that a pause may last where nothing is known of the target's timers: beyond the usual ones."""


class ProgramMachine(RuleBasedStateMachine):
    """Writes programs; see `rules.machine_for`, which makes a machine for a target out of it."""

    check: ClassVar[Check]
    vocabulary: ClassVar[Vocabulary]
    moments: ClassVar[Sequence[float]] = MOMENTS
    """How long pauses may last, in seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.script = Script(self.vocabulary)
        self.goes_on = False
        """Whether everybody speaks once more in the end."""

    def moment(self, which: int) -> float:
        """How long a pause lasts, by number."""
        return self.moments[which % len(self.moments)]

    def teardown(self) -> None:
        script, speeches = self.script, self.vocabulary.speeches
        if not script.operations:
            return
        if speeches and (self.goes_on or not any(op.kind in (*SPEAKING, "act") for op in script.operations)):
            script.settle()
            script.everyone_speaks(speeches)
        type(self).check(Program(tuple(script.operations)), script.order)


# -- what rules draw ------------------------------

which = st.integers(0, 3)
"""A user, a connection, a room, by number."""

moment = st.integers(0, 63)
"""How long a pause lasts, by number."""


def something_said(vocabulary: Vocabulary) -> st.SearchStrategy[Said]:
    """Something said by somebody to somebody: mostly the plainest of what can be said."""
    plain = vocabulary.speeches[:1] * (len(vocabulary.speeches) // 2)
    return st.tuples(st.sampled_from((*plain, *vocabulary.speeches)), which, which)
