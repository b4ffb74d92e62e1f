"""``crosswire schedule``: a ready file that runs a profile every so often, for cron, systemd or GitHub Actions."""

from __future__ import annotations

import re
import shlex

from ..core.choices import ScheduleKind
from ..core.errors import UsageError

__all__ = ("TimetableError", "timetable")


class TimetableError(UsageError):
    """The interval cannot be said in this kind of file; the message is one line."""


def timetable(every: str, kind: ScheduleKind, profile: str, folder: str) -> str:
    """The file's text.  ``every`` is like ``30m``, ``6h`` or ``1d``; ``folder`` is where the run happens."""
    match = re.fullmatch(r"([1-9]\d*)([mhd])", every.strip())
    if match is None:
        raise TimetableError(f"interval {every!r} is not understood: write it like 30m, 6h or 1d")
    minutes = int(match[1]) * {"m": 1, "h": 60, "d": 1440}[match[2]]
    if kind == "systemd":
        return _systemd(every, minutes, profile, folder)
    expression = _cron_expression(every, minutes)
    return _cron(every, expression, profile, folder) if kind == "cron" else _github(every, expression, minutes, profile)


def _cron_expression(every: str, minutes: int) -> str:
    """Minute, hour and day, where cron's fields can say it: a part of an hour, of a day, or of a week."""
    if minutes < 60 and 60 % minutes == 0:
        return f"*/{minutes} * * * *" if minutes > 1 else "* * * * *"
    if minutes % 60 == 0 and minutes < 1440 and 24 % (minutes // 60) == 0:
        return f"17 */{minutes // 60} * * *" if minutes > 60 else "17 * * * *"
    if minutes == 1440:
        return "17 3 * * *"
    if minutes == 7 * 1440:
        return "17 3 * * 1"
    raise TimetableError(
        f"cron cannot say every {every}: take a part of an hour (5m, 15m, 30m), of a day (1h, 6h, 12h), 1d or 7d, "
        "or --as systemd"
    )


def _command(profile: str) -> str:
    return f"crosswire run --profile {shlex.quote(profile)}"


def _cron(every: str, expression: str, profile: str, folder: str) -> str:
    command = f"cd {shlex.quote(folder)} && {_command(profile)} >> results/cron.log 2>&1".replace("%", r"\%")
    return (
        f"# Fuzz every {every}. Install: crosswire schedule ... > crosswire.cron && crontab -l | cat - crosswire.cron "
        f"| crontab -\n"
        f"# cron has a short PATH: give the folder of the crosswire command.\n"
        f"PATH=/usr/local/bin:/usr/bin:/bin\n"
        f"{expression} mkdir -p {shlex.quote(folder).replace('%', chr(92) + '%')}/results && {command}\n"
    )


def _systemd(every: str, minutes: int, profile: str, folder: str) -> str:
    quoted = folder.replace("\\", "\\\\").replace("%", "%%")
    return (
        f"# Fuzz every {every}. Two files; put them into ~/.config/systemd/user/ and run\n"
        "#   systemctl --user enable --now crosswire.timer\n"
        "\n"
        "# crosswire.service\n"
        "[Unit]\n"
        "Description=Crosswire fuzz run\n"
        "\n"
        "[Service]\n"
        "Type=oneshot\n"
        f"WorkingDirectory={quoted}\n"
        f"ExecStart=/usr/bin/env {_command(profile)}\n"
        "\n"
        "# crosswire.timer\n"
        "[Unit]\n"
        "Description=Crosswire fuzz runs\n"
        "\n"
        "[Timer]\n"
        "OnActiveSec=1min\n"
        f"OnUnitActiveSec={minutes}min\n"
        "\n"
        "[Install]\n"
        "WantedBy=timers.target\n"
    )


def _github(every: str, expression: str, minutes: int, profile: str) -> str:
    if minutes < 5:
        raise TimetableError(f"GitHub runs nothing more often than every 5m; every {every} is too often")
    return (
        f"# .github/workflows/crosswire.yml: fuzz every {every}.\n"
        "name: crosswire\n"
        "on:\n"
        "  schedule:\n"
        f"    - cron: '{expression}'\n"
        "  workflow_dispatch:\n"
        "jobs:\n"
        "  fuzz:\n"
        "    runs-on: ubuntu-latest\n"
        "    steps:\n"
        "      - uses: actions/checkout@v4\n"
        "      - uses: actions/setup-python@v5\n"
        "        with:\n"
        "          python-version: '3.13'\n"
        "      - run: pip install crosswire .\n"
        "      - uses: actions/cache@v4\n"
        "        with:\n"
        "          path: results\n"
        "          key: crosswire-${{ github.run_id }}\n"
        "          restore-keys: crosswire-\n"
        f"      - run: {_command(profile)} --junit results/junit.xml\n"
        "      - uses: actions/upload-artifact@v4\n"
        "        if: always()\n"
        "        with:\n"
        "          name: crosswire-results\n"
        "          path: results\n"
    )
