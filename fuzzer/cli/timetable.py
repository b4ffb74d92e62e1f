"""``crosswire schedule``: a ready file that runs a profile every so often, for cron, systemd or GitHub Actions."""

from __future__ import annotations

import json
import re
import shlex
import sys
from importlib.metadata import PackageNotFoundError, distribution

from ..core.choices import ScheduleKind
from ..core.errors import UsageError

__all__ = ("TimetableError", "timetable")


class TimetableError(UsageError):
    """The interval cannot be said in this kind of file; the message is one line."""


def timetable(
    every: str, kind: ScheduleKind, profile: str, folder: str, results: str = "results", junit: str | None = None
) -> str:
    """The file's text.

    ``every`` is like ``30m``, ``6h`` or ``1d``; ``folder`` is where the run happens; ``results`` and ``junit`` are what
    the profile says of them.
    """
    match = re.fullmatch(r"([1-9]\d*)([mhd])", every.strip())
    if match is None:
        raise TimetableError(f"interval {every!r} is not understood: write it like 30m, 6h or 1d")
    minutes = int(match[1]) * {"m": 1, "h": 60, "d": 1440}[match[2]]
    if kind == "systemd":
        return _systemd(every, minutes, profile, folder)
    expression = _cron_expression(every, minutes)
    if kind == "cron":
        return _cron(every, expression, profile, folder, results)
    return _github(every, expression, minutes, profile, results, junit)


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


def _here(profile: str) -> str:
    """The command by the interpreter that has Crosswire now: what runs it has a PATH of its own."""
    return f"{shlex.quote(sys.executable)} -m crosswire.fuzzer run --profile {shlex.quote(profile)}"


def _cron(every: str, expression: str, profile: str, folder: str, results: str) -> str:
    log = shlex.quote(f"{results}/cron.log")
    command = f"cd {shlex.quote(folder)} && mkdir -p {shlex.quote(results)} && {_here(profile)} >> {log} 2>&1"
    escaped = command.replace("%", r"\%")
    return (
        f"# Fuzz every {every}. Install: crosswire schedule ... > crosswire.cron && crontab -l | cat - crosswire.cron "
        f"| crontab -\n"
        f"{expression} {escaped}\n"
    )


def _systemd(every: str, minutes: int, profile: str, folder: str) -> str:
    quoted, command = (text.replace("\\", "\\\\").replace("%", "%%") for text in (folder, _here(profile)))
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
        f"ExecStart={command}\n"
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


def _github(every: str, expression: str, minutes: int, profile: str, results: str, junit: str | None) -> str:
    if minutes < 5:
        raise TimetableError(f"GitHub runs nothing more often than every 5m; every {every} is too often")
    junit_too = "" if junit is not None else f" --junit {shlex.quote(f'{results}/junit.xml')}"
    cached = (
        f"        with:\n          path: {json.dumps(results)}\n          key: crosswire-${{{{ github.run_id }}}}\n"
    )
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
        f"          python-version: '{sys.version_info.major}.{sys.version_info.minor}'\n"
        f"{_installing()}"
        "      - uses: actions/cache/restore@v4\n"
        f"{cached}"
        "          restore-keys: crosswire-\n"
        f"      - run: {_command(profile)}{junit_too}\n"
        "      - uses: actions/cache/save@v4\n"
        "        if: always()  # what is new today is known tomorrow\n"
        f"{cached}"
        "      - uses: actions/upload-artifact@v4\n"
        "        if: always()\n"
        "        with:\n"
        "          name: crosswire-results\n"
        f"          path: {json.dumps(results)}\n"
    )


def _installing() -> str:
    """The step that installs Crosswire and the project: from where it was installed here, if others can reach that."""
    source = _repository()
    if source is not None:
        return f"      - run: pip install {shlex.quote(f'crosswire @ {source}')} .\n"
    return (
        "      # Crosswire is on no package index: name where it can be had, 'crosswire @ git+https://...' say,\n"
        "      # among your project's dependencies, or here.\n"
        "      - run: pip install .\n"
    )


def _repository() -> str | None:
    """Where Crosswire was installed from, as pip has noted it (PEP 610), if that is a repository."""
    try:
        said = json.loads(distribution("crosswire").read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return None
    vcs = said.get("vcs_info")
    return f"{vcs['vcs']}+{said['url']}@{vcs['commit_id']}" if vcs else None
