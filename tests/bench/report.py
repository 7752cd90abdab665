"""Markdown tables, and pages of the book that hold them: what stands between `<!-- measured: NAME -->` and `<!-- /measured -->`."""

import re
import subprocess
from collections.abc import Callable, Iterable, Sequence
from math import isnan
from multiprocessing import Pool
from pathlib import Path
from typing import TypeVar

__all__ = ["amount", "over", "replaced", "table", "verdict", "version", "write"]

_PART = re.compile(r"(<!-- measured: ([a-z0-9-]+) -->\n).*?(<!-- /measured -->)", re.DOTALL)
Job = TypeVar("Job")
Answer = TypeVar("Answer")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(header)} |", "|" + "---|" * len(header)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def amount(value: float | None, unit: float = 1.0, digits: int = 3) -> str:
    """A number in a unit; an en dash for what does not exist."""
    return "–" if value is None or isnan(value) else f"{value / unit:.{digits}f}"


def verdict(failures: Sequence[str]) -> str:
    """PASS, or FAIL and what fails."""
    return f"**FAIL**: {', '.join(failures)}" if failures else "PASS"


def over(jobs: Sequence[Job], work: Callable[[Job], Answer], processes: int) -> list[Answer]:
    """The answers in the order of the jobs, from so many processes."""
    if processes == 1:
        return [work(job) for job in jobs]
    with Pool(processes) as pool:
        return pool.map(work, jobs, chunksize=1)


def version() -> str:
    """The commit that was measured, with a plus if the tree has changes."""
    command = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    return subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent, check=False).stdout.strip() or "unknown"


def replaced(page: str, parts: dict[str, str]) -> str:
    """The page with these parts made anew. Raises LookupError for a part that stands nowhere in it."""
    lost = set(parts) - {match[2] for match in _PART.finditer(page)}
    if lost:
        raise LookupError(f"no part <!-- measured: NAME --> for {', '.join(sorted(lost))}")
    return _PART.sub(lambda match: f"{match[1]}\n{parts[match[2]]}\n\n{match[3]}" if match[2] in parts else match[0], page)


def write(path: Path, parts: dict[str, str]) -> None:
    """Replace these parts of a page."""
    path.write_text(replaced(path.read_text(encoding="utf-8"), parts), encoding="utf-8")
