"""What do users do to each other in generated programs?  For each situation, the share of executions it occurs in.

    python -m benchmarks.situations [--executions 1000] [--seed 1] [--json FILE] [TARGET ...]

An execution counts for a situation when it really occurred: operations that the program allows to overlap must have
overlapped in the history, a client must have been there when another left.  A line that says ``-`` is of a situation
that the target has no operations for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

from crosswire.fuzzer.campaigns.rounds import Plan
from crosswire.fuzzer.core.history import RowKind
from crosswire.fuzzer.core.program import LEAVING
from crosswire.fuzzer.targets.adapter import Target
from crosswire.fuzzer.targets.resolve import resolve
from crosswire.models.managers.targets import TARGETS

from .report import arguments, table, write
from .stories import NEVER, SPEAKING, Story, first_executions, told

__all__ = ("SITUATIONS", "Situation", "shares")

TYPICAL = (
    "isolated",
    "unified",
    "benchmarks.club:Club",
    "examples.fastapi_chat:app?wire=examples.wires:fastapi_chat",
    "examples.agent_server:app?wire=examples.wires:agent",
    "examples.aiohttp_chat:create_app?wire=examples.wires:aiohttp_chat",
    "benchmarks.lounge:handler?wire=benchmarks.lounge:wire",
)
"""Targets looked at unless others are named: three managers by their adapters, four applications by their wires."""

MANY = 5
"""Repetitions that count as many."""

LONG = 60.0
"""Seconds that count as a long pause."""


def several_speak(story: Story) -> bool:
    """Two users speak at once."""
    return any(a.speaker != b.speaker and a.overlaps(b) for a, b in combinations(story.speeches, 2))


def three_at_once(story: Story) -> bool:
    """Three events are under way at once."""
    return any(sum(b.during(a.began) for b in story.speeches) >= 2 for a in story.speeches)


def on_the_heels(story: Story) -> bool:
    """A client, or a user's backend, speaks again before the first has come to rest."""
    speeches = story.speeches
    return any(
        a.op.lane == b.op.lane and not any(a.began < rest < b.began for rest in story.rests)
        for a, b in combinations(speeches, 2)
    )


def cancelled_while_others_wait(story: Story) -> bool:
    """An emit is cancelled while others are under way."""
    return any(
        number in story.spans
        and story.spans[number].op.kind in SPEAKING
        and any(span.number != number and span.during(row) for span in story.speeches)
        for row, number in story.cancelled
    )


def speaker_leaves(story: Story) -> bool:
    """A client leaves while what its user said is under way."""
    return any(s.speaker == life.user and s.during(life.left) for s in story.speeches for life in story.lives.values())


def listener_leaves(story: Story) -> bool:
    """A client leaves while an event for its user is under way."""
    return any(s.op.to == life.user and s.during(life.left) for s in story.speeches for life in story.lives.values())


def leaves_while_connecting(story: Story) -> bool:
    """A client leaves before its login was answered."""
    return any(life.asked < life.left < life.up for life in story.lives.values())


def logins_overlap(story: Story) -> bool:
    """Two users log in at once."""
    return any(a.speaker != b.speaker and a.overlaps(b) for a, b in combinations(story.logins, 2))


def one_of_two_logins_ends(story: Story) -> bool:
    """Of two logins under way one is cancelled, or its client leaves."""
    ends = [(number, row) for row, number in story.cancelled]
    ends += [(a.number, life.left) for a in story.logins for life in [story.lives[a.op.connection or ""]]]
    return any(
        a.number == number and a.began < row <= a.ended and b is not a and b.during(row)
        for number, row in ends
        for a in story.logins
        for b in story.logins
    )


def second_tab_meanwhile(story: Story) -> bool:
    """A second tab of a user comes while an event from or for that user is under way."""
    return any(
        (span.op.user in s.users or s.op.to is None)
        and s.overlaps(span)
        and any(life.user == span.op.user and life.there(span.began) for life in story.lives.values())
        for span in story.of("connect")
        for s in story.speeches
    )


def stalled_and_others_speak(story: Story) -> bool:
    """One client does not read; somebody speaks to it, or to all, and somebody else to another."""
    for since, until, name in story.stalls:
        user = story.lives[name].user
        during = [s for s in story.speeches if since < s.began < until]
        hit = [s for s in during if s.op.to in (user, None)]
        if hit and any(s not in hit[:1] and s.speaker != user for s in during):
            return True
    return False


def two_stalled_one_gone(story: Story) -> bool:
    """Something is said while two clients do not read, and one of them leaves before it reads again."""
    return any(
        one != other and max(a, b) < s.began and story.lives[one].left < min(until, after)
        for a, until, one in story.stalls
        for b, after, other in story.stalls
        for s in story.speeches
        if s.began < story.lives[one].left
    )


def reconnect_meanwhile(story: Story) -> bool:
    """A user's client leaves and another connects while an event from or for the user is under way."""
    return any(
        life.user == span.op.user
        and life.left < span.began
        and life.user in s.users | ({life.user} if s.op.to is None else set())
        and s.began < span.ended
        and s.ended > life.left
        for life in story.lives.values()
        for span in story.of("connect")
        for s in story.speeches
    )


def back_after_all_left(story: Story) -> bool:
    """Two users' clients leave with no rest in between, and one of the two users comes back afterwards."""
    gone = [life for life in story.lives.values() if life.left < NEVER]
    return any(
        one.user != other.user
        and not any(one.left < rest < other.left for rest in story.rests)
        and any(span.op.user in (one.user, other.user) and span.began > other.left for span in story.of("connect"))
        for one in gone
        for other in gone
        if one.left < other.left
    )


def broadcast_while_leaving(story: Story) -> bool:
    """Somebody leaves while a broadcast is under way."""
    return any(s.during(life.left) for s in story.of("broadcast") for life in story.lives.values())


def logged_out_meanwhile(story: Story) -> bool:
    """A user logs out while an event is under way that concerns the user."""
    outs = story.of("log_out")
    return any(
        o.overlaps(s) and (s.op.to is None or story.lives[o.op.connection or ""].user in s.users)
        for o in outs
        for s in story.speeches
    )


def kept_and_fetched(story: Story) -> bool:
    """An event for a user who is absent, and then the user comes."""
    return any(
        span.op.user == s.op.to
        and s.ended < span.began
        and not any(
            life.user == s.op.to and life.asked < s.ended and life.over > s.began for life in story.lives.values()
        )
        for s in story.speeches
        if s.op.to is not None
        for span in story.of("connect")
    )


def cleaned_up_while_connecting(story: Story) -> bool:
    """A user is cleaned up while a client of the user's connects."""
    return any(
        c.op.user == story.lives[span.op.connection or ""].user and c.overlaps(span)
        for c in story.of("clean_up")
        for span in story.of("connect", "authenticate")
    )


def two_runs_of_one_user(story: Story) -> bool:
    """Two agents run for one user at once."""
    return any(a.op.to == b.op.to and a.overlaps(b) for a, b in combinations(story.of("run_agent"), 2))


def run_while_a_tab_leaves(story: Story) -> bool:
    """An agent runs for a user while one of several tabs of the user leaves."""
    return any(
        s.op.to == life.user
        and s.during(life.left)
        and any(o is not life and o.user == life.user and o.there(life.left) for o in story.lives.values())
        for s in story.of("run_agent")
        for life in story.lives.values()
    )


def many_times(story: Story) -> bool:
    """The same is done five times in a row, or more."""
    return any(op.times >= MANY for op in story.program.operations)


def long_pause(story: Story) -> bool:
    """Somebody is connected over a pause of a minute or longer."""
    return any(
        (span.op.seconds or 0) >= LONG and any(life.there(span.began) for life in story.lives.values())
        for span in story.of("pause")
    )


def pause_before_speaking(story: Story) -> bool:
    """A user connects, time goes by, and then an event from or for the user."""
    return any(
        life.up < pause.began < s.began and life.over > s.began and life.user in s.users
        for pause in story.of("pause")
        for life in story.lives.values()
        for s in story.speeches
    )


def refused_then_spoken(story: Story) -> bool:
    """A login is refused, and then an event from or for that user."""
    return any(
        a.refused and s.began > a.ended and (a.speaker in s.users or s.op.connection == a.op.connection)
        for a in story.logins
        for s in story.speeches
    )


def foreign_token(story: Story) -> bool:
    """A client shows another user's token, and then an event for one of the two."""
    return any(
        life.token not in ("valid", "invalid", "expired")
        and s.began > life.asked
        and s.op.to in (life.user, life.token)
        for life in story.lives.values()
        for s in story.speeches
    )


def expired_then_spoken(story: Story) -> bool:
    """A token expires, and then an event for its user."""
    return any(
        s.began > e.began and s.op.to in (None, story.lives[e.op.connection or ""].user)
        for e in story.of("expire")
        for s in story.speeches
    )


def room_left_meanwhile(story: Story) -> bool:
    """A member joins or leaves a room while an event for it is under way."""
    return any(
        s.op.room == m.op.room and s.overlaps(m) for s in story.of("emit_to_room") for m in story.of("join", "leave")
    )


def spoken_among_members(story: Story) -> bool:
    """Something is said in a room that another client has joined and is still in."""
    return any(
        j.op.room == s.op.room and j.op.connection != s.op.connection and j.ended < s.began < story.lives[name].over
        for s in story.of("emit_to_room")
        for j in story.of("join")
        if j.outcome == RowKind.RETURNED and (name := j.op.connection) is not None
        if not any(
            x.op.connection == name and x.op.room == s.op.room and j.began < x.began < s.began
            for x in story.of("leave")
        )
    )


def place_changed(story: Story) -> bool:
    """A client joins a room while another is leaving it, or the server."""
    joins = [j for j in story.of("join") if j.outcome == RowKind.RETURNED]
    return any(
        j.overlaps(x) and j.op.connection != x.op.connection and x.op.room in (None, j.op.room)
        for j in joins
        for x in story.of("leave", *LEAVING)
    )


def own_meanwhile(story: Story) -> bool:
    """An operation of the target's own while something else is under way."""
    return any(a.overlaps(s) for a in story.of("act") for s in story.spans.values() if s is not a)


def shut_down_meanwhile(story: Story) -> bool:
    """The target is shut down while an event is under way."""
    return any(a.overlaps(s) for a in story.of("shut_down") for s in story.speeches)


@dataclass(frozen=True, slots=True)
class Situation:
    """A situation, and which targets it can occur with."""

    occurs: Callable[[Story], bool]
    applies: Callable[[Target], bool] = lambda target: True

    @property
    def name(self) -> str:
        return (self.occurs.__doc__ or "").rstrip(".")


def _offered(method: str) -> Callable[[Target], bool]:
    return lambda target: target.offers(method)


def _refuses(target: Target) -> bool:
    return target.offers("authenticate") or target.traits.checks_identity


def _logs_out(target: Target) -> bool:
    return target.offers("log_out") or not target.traits.by_wire


def _runs(target: Target) -> bool:
    return target.offers("run_agent") or not target.traits.by_wire


def _named(target: Target) -> bool:
    """Events are for somebody."""
    return target.offers("emit")


def _by_adapter(target: Target) -> bool:
    return not target.traits.by_wire


def _tokens_refused(target: Target) -> bool:
    return target.offers("authenticate") or (target.traits.by_wire and target.traits.checks_identity)


SITUATIONS: tuple[Situation, ...] = (
    Situation(several_speak),
    Situation(three_at_once),
    Situation(on_the_heels),
    Situation(cancelled_while_others_wait, _by_adapter),
    Situation(speaker_leaves),
    Situation(listener_leaves, _named),
    Situation(leaves_while_connecting),
    Situation(logins_overlap),
    Situation(one_of_two_logins_ends),
    Situation(second_tab_meanwhile),
    Situation(stalled_and_others_speak),
    Situation(two_stalled_one_gone),
    Situation(reconnect_meanwhile),
    Situation(back_after_all_left),
    Situation(broadcast_while_leaving, _offered("broadcast")),
    Situation(logged_out_meanwhile, _logs_out),
    Situation(kept_and_fetched, _named),
    Situation(cleaned_up_while_connecting, _offered("clean_up")),
    Situation(two_runs_of_one_user, _runs),
    Situation(run_while_a_tab_leaves, _runs),
    Situation(many_times),
    Situation(long_pause),
    Situation(pause_before_speaking),
    Situation(refused_then_spoken, _tokens_refused),
    Situation(foreign_token, lambda target: _refuses(target) and _named(target)),
    Situation(expired_then_spoken, _offered("expire")),
    Situation(room_left_meanwhile, _offered("join")),
    Situation(spoken_among_members, _offered("join")),
    Situation(place_changed, _offered("join")),
    Situation(own_meanwhile, _offered("act")),
    Situation(shut_down_meanwhile, _offered("shut_down")),
)


def shares(target: Target, executions: int, seed: int) -> dict[str, float | None]:
    """Situation -> the share of the first executions in which it occurs; None where the target has no use for it."""
    counted = [situation for situation in SITUATIONS if situation.applies(target)]
    times = dict.fromkeys((situation.name for situation in counted), 0)
    for execution in first_executions(target, Plan(seed=seed), executions):
        story = told(target, execution)
        for situation in counted:
            times[situation.name] += situation.occurs(story)
    return {s.name: times[s.name] / executions if s in counted else None for s in SITUATIONS}


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser, given = arguments(__doc__, argv)
    parser.add_argument("targets", nargs="*", metavar="TARGET", default=TYPICAL)
    parser.add_argument("--executions", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(given)
    executions = 200 if options.quick else options.executions
    targets = [TARGETS.get(name) or resolve(name) for name in options.targets]
    figures = {target.name: shares(target, executions, options.seed) for target in targets}
    heads = [name.partition(":")[0].removeprefix("examples.") for name in figures]
    rows = [
        (s.name, *("-" if (share := found[s.name]) is None else f"{share:.1%}" for found in figures.values()))
        for s in SITUATIONS
    ]
    print(table(("situation", *heads), rows))
    write(options.json, {"executions": executions, "seed": options.seed, "shares": figures})


if __name__ == "__main__":
    main()
