"""`stratum1 doctor`: what is wrong on this host, and the remedy."""

import json
import os
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from stratum1 import __version__
from stratum1.cli.paths import ConfigOption
from stratum1.config import ConfigError
from stratum1.doctor import Finding, Level, examine, exit_status
from stratum1.settings import DEFAULT_FILE, load_config

__all__ = ["doctor"]

_TITLES = {
    "configuration": "Configuration",
    "software": "Software and board",
    "serial": "Serial line",
    "pulse": "Pulse per second",
    "timekeepers": "Other time services",
    "clock": "Clock",
    "network": "Network",
    "storage": "State and control",
}
_COLOURS = {Level.OK: "green", Level.WARNING: "yellow", Level.FAILURE: "red", Level.SKIPPED: "bright_black"}
_INDENT = 11
_BAD_CONFIGURATION = 2


def doctor(
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Look over this host: receiver, pulse, permissions, other time services, ports; each fault with its remedy. Changes nothing.

    Exit status 0 if the server can work, 1 if a check failed, 2 for a bad configuration.
    """
    path = config or DEFAULT_FILE
    refused = False
    findings: Iterable[Finding]
    try:
        settings = load_config(path)
        findings = chain([Finding(Level.OK, "configuration.file", f"{path} is good")], examine(settings))
    except ConfigError as error:
        refused = True
        findings = [Finding(Level.FAILURE, "configuration.file", line, _config_remedy(path)) for line in str(error).splitlines()]
    found: list[Finding] = []
    for finding in findings:  # shown as they come: counting pulses takes some seconds
        if not as_json:
            typer.echo(_as_text(finding, new_group=not found or found[-1].group != finding.group))
        found.append(finding)
    status = _BAD_CONFIGURATION if refused else exit_status(found)
    typer.echo(json.dumps(_as_dict(found, status), indent=2, ensure_ascii=False) if as_json else _summary(found))
    raise typer.Exit(status)


def _as_dict(findings: list[Finding], status: int) -> dict[str, object]:
    """The program's version, the exit status, how many findings of each level, and the findings in order (remedy: null if none)."""
    counts = Counter(finding.level for finding in findings)
    return {
        "version": __version__,
        "status": status,
        "counts": {level.value: counts[level] for level in Level},
        "findings": [{"level": one.level.value, "name": one.name, "text": one.text, "remedy": one.remedy or None} for one in findings],
    }


def _summary(findings: list[Finding]) -> str:
    counts = Counter(finding.level for finding in findings)
    return "\n" + ", ".join(f"{counts[level]} {level}" for level in Level if counts[level])


def _as_text(finding: Finding, new_group: bool) -> str:
    """A line of level and text, the remedy below it, and before the first of a group its title."""
    word = finding.level.value.upper() if finding.level is Level.FAILURE else finding.level.value
    first = " " * 2 + _coloured(word.ljust(_INDENT - 2), finding.level) + _wrapped(finding.text, "")
    lines = [first, *([" " * _INDENT + _wrapped(finding.remedy, "  ", "-> ")] if finding.remedy else [])]
    title = _TITLES.get(finding.group, finding.group)
    return "\n".join([f"\n{title}", *lines] if new_group else lines)


def _wrapped(text: str, deeper: str, mark: str = "") -> str:
    """Lines that fit the terminal, indented below the first; in a pipe one long line, which is easier to search."""
    if not sys.stdout.isatty():
        return mark + text
    width = max(60, shutil.get_terminal_size().columns)
    wrapped = textwrap.wrap(mark + text, width - _INDENT, subsequent_indent=deeper, break_long_words=False, break_on_hyphens=False)
    return "\n".join([wrapped[0], *(" " * _INDENT + line for line in wrapped[1:])])


def _coloured(word: str, level: Level) -> str:
    """Colour helps on a terminal, but the word says it all (and NO_COLOR is heeded)."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return word
    return typer.style(word, fg=_COLOURS[level], bold=level is Level.FAILURE)


def _config_remedy(path: Path) -> str:
    if path.exists():
        return "Correct that line; `stratum1 config schema` tells what there is."
    return f"Write {path} (`stratum1 config show` prints all defaults), name another one by -c FILE, or try `stratum1 run --simulate`."
