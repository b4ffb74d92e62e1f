"""What a process uses of the machine, seen from outside: processor time, and memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

__all__ = ("memory_used", "processor_time")

LINUX = sys.platform == "linux"
TICKS = os.sysconf("SC_CLK_TCK") if LINUX else 1
PAGE = os.sysconf("SC_PAGE_SIZE") if LINUX else 1


def processor_time(pid: int | None, group: bool = False) -> float:
    """Return the seconds of processor time a process has used; 0.0 where that cannot be known.

    With ``group`` those of all processes that it leads, where that can be known (Linux).
    """
    if LINUX:
        pids = [name for name in os.listdir("/proc") if name.isdecimal()] if group else [str(pid)]
        return sum(used for name in pids for leader, used in _used(name) if name == str(pid) or leader == pid)
    days, _, clock = _asked(pid, "time").rpartition("-")
    seconds = float(days or 0) * 24
    for part in clock.split(":"):
        seconds = seconds * 60 + float(part or 0)
    return seconds


def _used(name: str) -> Iterator[tuple[int, float]]:
    """A process's leader, and the seconds of processor time it and the children it has seen the end of have used."""
    try:
        with open(f"/proc/{name}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        yield int(fields[2]), sum(map(int, fields[11:15])) / TICKS
    except (OSError, IndexError, ValueError):
        return


def memory_used(pid: int | None) -> float:
    """Return the MiB of memory a process holds; 0.0 where that cannot be known."""
    if LINUX:
        try:
            with open(f"/proc/{pid}/statm", "rb") as file:
                return int(file.read().split()[1]) * PAGE / (1 << 20)
        except (OSError, IndexError, ValueError):
            return 0.0
    return float(_asked(pid, "rss") or 0) / 1024


def _asked(pid: int | None, what: str) -> str:
    """What ``ps`` says of a process (POSIX)."""
    try:
        done = subprocess.run(["ps", "-o", f"{what}=", "-p", str(pid)], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()
