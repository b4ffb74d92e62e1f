"""A cause in words: events, the counterfactual as strongly as it was tested, and the places."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile

from ...core.program import Program
from ...core.source import Line
from ...world.external import Key
from .cause import UNSURE, Cause, Reason
from .experiments import Strength
from .windows import Window

__all__ = ("counterfactual", "event_in_words", "in_lines", "places_in_words", "roles", "why")

GONE = {
    Strength.ALL: "nothing would be wrong",
    Strength.CLASS: "this would not have happened (something else goes wrong then)",
    Strength.FINDING: "this would not have happened so (it does in another way)",
}


def event_in_words(key: Key, program: Program) -> str:
    """An external event as its users would say it."""
    operations = program.expanded

    def of(number: object) -> str:
        if isinstance(number, int) and 0 <= number < len(operations):
            return str(operations[number])
        return "the end, when whoever is left leaves"

    match key:
        case ("start", number):
            return of(number)
        case ("notice", number):
            return f"the server learns of: {of(number)}"
        case ("frame", name):
            return f"{name} takes a frame"
        case ("latency", name, number):
            return f"{name} answers{f' for: {of(number)}' if number != -1 else ''}"
        case ("bytes", name):
            return f"bytes of {name} arrive"
        case ("connect", name):
            return f"{name} reaches the server"
        case ("lost", name):
            return f"{name} is cut off"
        case ("request", name):
            return f"a request of {name} arrives"
        case ("response", name):
            return f"{name} is answered"
        case ("job" | "begin", name, number):
            done = "is done" if key[0] == "job" else "begins"
            return f"a thread's job {done}{f' for: {of(number)}' if number != -1 else ''}"
        case ("clock",):
            return "time passes"
        case ("late",):
            return "just before the next timer"
        case ("reversed",):
            return "of the tasks that are ready, the last runs first"
        case _:
            return " ".join(map(str, key))


def counterfactual(cause: Cause, program: Program) -> str:
    """What would have helped, in a sentence; empty where nothing was found that does."""
    if cause.flip is not None:
        flip, gone = cause.flip, GONE[cause.flip.strength]
        one, two = (f"'{event_in_words(key, program)}'" for key in (flip.earlier, flip.later))
        if flip.apart:
            return f"Had {one} been dealt with to its end before {two} came, {gone}."
        return f"Had {two} come before {one}, {gone}."
    if cause.change is not None:
        change, gone = cause.change, GONE[cause.change.strength]
        if change.instead is None:
            return f"With a pause before '{change.said}', {gone}."
        if change.instead.kind == change.said.kind:
            return f"With '{change.instead}' instead of '{change.said}', {gone}."
        return f"With '{change.instead.kind}' instead of '{change.said.kind}', {gone}."
    if cause.cut and cause.reason in UNSURE:
        return "The time was up before more was tried; crosswire explain takes the time that it needs."
    if cause.failing and cause.passing and cause.reason is Reason.RAISED:
        return f"Raised more often when it goes wrong ({cause.failing} executions) than when not ({cause.passing})."
    if cause.failing and cause.passing and cause.reason is Reason.LINES:
        return f"Nothing that was tried says more: {cause.failing} executions went wrong, {cause.passing} did not."
    return ""


SUSPECTED = "not known yet; suspected so far"

UNTOLD = "no line runs more often when it goes wrong than when not"

INTRODUCED = {
    Reason.DEADLOCK: "it waits here with a lock that others need, or it itself",
    Reason.KEPT: "a lock, or a turn, is taken here and never given back, and others wait for it",
    Reason.STUCK: "what is stuck longest waits here",
    Reason.HELD_UP: "it waits here for the client that does not read, and others wait for it",
    Reason.TOLD: "this raises, or keeps the thread",
    Reason.RAISED: "the exception comes from here",
    Reason.ORDER: "while this waits, other code runs that it does not expect",
    Reason.CHANGE: "the first of these is not run after the change that helps",
    Reason.LINES: "this runs more often when it goes wrong than when not",
    Reason.SHOWN: "where it shows; nothing tells where it begins",
}


def roles(cause: Cause) -> tuple[str, ...]:
    """What happens at the first places, one after the other; empty where nothing more is known than their order."""
    if cause.window is not None:
        met = _met(cause.window, cause.places[0][0])
        return tuple(met[place[0]] for place in takewhile(lambda place: place[0] in met, cause.places))
    if cause.reason is Reason.DEADLOCK:
        holding, places = len(cause.key) - 1, len(set(cause.key[1:]))
        if holding > places:
            return ("each of them has a lock here, and waits for another's", "the locks are taken here")
        if holding > 1:
            return ("this has a lock, and waits",) * holding
        return ("this has the lock, and waits", "the lock is taken here", "and waited for here")[: len(cause.places)]
    behind = list(takewhile(lambda place: place[0] in cause.origins | cause.decisions, cause.places[1:3]))
    told, changed = ["this runs"], ""
    for line, *_ in behind:
        if line in cause.decisions:
            told.append("where nothing is wrong it goes on in another way here")
        elif not changed:
            told.append("what it goes by was last changed here")
        else:
            told.append("which is called here" if f"{changed}(" in line.text else "and before that here")
        changed = changed if line in cause.decisions else line.function.rpartition(".")[2]
    return tuple(told) if behind else ()


def _met(window: Window, first: Line) -> dict[Line, str]:
    """What happens at the lines of a window, of which one is named first; in one line two things may."""
    waits = window.places[-1]
    told = [(first, "this waits, and goes on afterwards")]
    if window.goes_by is None:
        told.append((window.intruder, "meanwhile this runs, up to here"))
    else:
        does, then = ("changes", "goes by") if window.changes else ("goes by", "changes")
        told.append((window.intruder, f"meanwhile this {does} '{window.shared}'"))
        told.append((window.goes_by, f"which the one that waits {then} here"))
    if first != waits:
        told.append((waits, "where it waits in what it calls"))
    elif len(window.places) > 1:
        told.append((window.places[-2], "from here it is called"))
    found: dict[Line, str] = {}
    for line, role in told:
        found[line] = f"{found[line]}; {role}" if line in found else role
    return found


def why(cause: Cause) -> str:
    """What the first place has to do with it, in a few words."""
    window = cause.window
    if not cause.places:
        return UNTOLD
    if cause.cut and cause.reason in UNSURE:
        return SUSPECTED
    if window is not None and window.shared:
        if window.changes:
            return f"while this waits, other code changes '{window.shared}', which it goes by"
        return f"while this waits, other code goes by '{window.shared}', which it changes"
    spared = set(cause.change.spared) if cause.change is not None else set()
    if cause.reason is Reason.CHANGE and not (cause.places and spared.issuperset(cause.places[0])):
        return INTRODUCED[Reason.LINES]
    return INTRODUCED[cause.reason]


def places_in_words(places: tuple[tuple[Line, ...], ...], most: int) -> Iterator[str]:
    """The first so many places: file and lines, function, and what the first line says."""
    for lines in places[:most]:
        first, last = lines[0], lines[-1]
        span = str(first) if first.number == last.number else f"{first}-{last.number}"
        yield f"{span} in {first.function}: {first.text}"


def in_lines(cause: Cause, program: Program, most: int = 3) -> list[str]:
    """The cause as plain text: why, the first places, and what would have helped."""
    said = counterfactual(cause, program)
    told = [*places_in_words(cause.places, most), *([said] if said else [])]
    return [f"cause: {why(cause)}", *(f"  {line}" for line in told)]
