"""What users do to each other, as one step: the situations in which servers fail, each written by one function.

Bugs of concurrency need two or three operations that meet: one user speaks while another leaves, a login is cancelled
beside another.  Written one operation at a time, at random, they hardly ever meet; the openings and the rules of the
machine write them as wholes, by the functions here, and leave it to schedules how they meet.  Users and connections
are given by number, which any script can make something of.
"""

from .comings import (
    back_for_long,
    come_and_go,
    come_and_go_on_two_days,
    cut_off,
    keep_and_fetch,
    leave_meanwhile,
    leave_together,
    reconnect_meanwhile,
    second_tab,
)
from .logins import cleaned_up, expired, log_in_again, log_in_together, login_ended, refused_and_spoken, sign_out
from .rooms import Mind, change_ones_mind, change_places, in_two_rooms, minds, moved
from .speaking import (
    SLOW_FOR,
    SLOW_FOR_LONG,
    Said,
    again_and_again,
    burst,
    cancelled,
    concern,
    concurrently,
    flood_the_slow,
    on_the_heels,
    shut_down_meanwhile,
    stay_busy,
    two_runs,
    two_stalled,
    while_stalled,
)

__all__ = (
    "Mind",
    "SLOW_FOR",
    "SLOW_FOR_LONG",
    "Said",
    "again_and_again",
    "back_for_long",
    "burst",
    "cancelled",
    "change_ones_mind",
    "change_places",
    "cleaned_up",
    "come_and_go",
    "come_and_go_on_two_days",
    "concern",
    "concurrently",
    "cut_off",
    "expired",
    "flood_the_slow",
    "in_two_rooms",
    "keep_and_fetch",
    "leave_meanwhile",
    "leave_together",
    "log_in_again",
    "log_in_together",
    "login_ended",
    "minds",
    "moved",
    "on_the_heels",
    "reconnect_meanwhile",
    "refused_and_spoken",
    "second_tab",
    "shut_down_meanwhile",
    "sign_out",
    "stay_busy",
    "two_runs",
    "two_stalled",
    "while_stalled",
)
