"""The tables of the service's benchmark: medians of the rounds, ratios to chrony, goals beside what was reached."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["GOALS", "goals_table", "medians", "tables", "write_into"]

BASE = "chrony"
_MARKS = ("<!-- figures -->", "<!-- end of figures -->")
_Medians = Mapping[str, Mapping[str, Any]]


def medians(rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The median of every number, server by server; None where a round has none."""
    names = dict.fromkeys(name for each in rounds for name in each)
    return {name: _middle([each[name] for each in rounds if name in each]) for name in names}


def _middle(values: Sequence[Any]) -> Any:
    if all(isinstance(each, Mapping) for each in values):
        keys = dict.fromkeys(key for each in values for key in each)
        return {key: _middle([each[key] for each in values if key in each]) for key in keys}
    numbers = [each for each in values if isinstance(each, int | float) and not isinstance(each, bool)]
    return statistics.median(numbers) if len(numbers) == len(values) and numbers else None


def get(middle: Mapping[str, Any], *path: str) -> float | None:
    """A number in a tree of them; None where it is not."""
    found: Any = middle
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, int | float) else None


@dataclass(frozen=True, slots=True)
class Column:
    """One column: where the number stands, by what it is multiplied to be shown, how; ratio: shown beside it, to chrony's."""

    title: str
    path: tuple[str, ...]
    scale: float = 1.0
    form: str = ",.0f"
    ratio: bool = False

    def cell(self, own: Mapping[str, Any], base: Mapping[str, Any]) -> str:
        """The text."""
        value, reference = get(own, *self.path), get(base, *self.path)
        if value is None:
            return "-"
        text = format(value * self.scale, self.form)
        return f"{text} ({value / reference:.2f})" if self.ratio and reference else text


_TABLES: Mapping[str, tuple[Column, ...]] = {
    "Plain NTP (version 4, 48 octets); in parentheses: chrony = 1": (
        Column("answered/s at saturation", ("plain", "answered_per_second"), ratio=True),
        Column("highest rate under 1 % loss", ("plain", "lossless_per_second")),
        Column("CPU a request, processes, us", ("plain", "cpu_ns_a_request"), 1e-3, ".2f", ratio=True),
        Column("whole core a request, us", ("core", "busy_ns_a_request"), 1e-3, ".2f", ratio=True),
        Column("the same, by its threads, us", ("core", "threads_ns_a_request"), 1e-3, ".2f", ratio=True),
        Column("eBPF run time, ns", ("plain", "xdp_ns_a_run"), 1.0, ".0f"),
    ),
    "Latency of plain NTP at 20,000 requests/s from 1,000 addresses": (
        Column("p50, us", ("latency", "latency", "p50"), 1e6, ".1f"),
        Column("p99, us", ("latency", "latency", "p99"), 1e6, ".1f"),
        Column("max, us", ("latency", "latency", "max"), 1e6, ",.0f"),
    ),
    "Error of the served time at 1,000 requests/s": (
        Column("basic: median, us", ("served", "basic", "offset_median"), 1e6, "+.2f"),
        Column("p99 of its size, us", ("served", "basic", "offset_size_p99"), 1e6, ".2f"),
        Column("interleaved: median, us", ("served", "interleaved", "offset_median"), 1e6, "+.3f"),
        Column("p99 of its size, us", ("served", "interleaved", "offset_size_p99"), 1e6, ".2f"),
    ),
    "Interleaved mode (RFC 9769), 20,000 clients, 40,000 requests/s": (
        Column("clients answered interleaved", ("interleaved", "interleaved_clients")),
        Column("CPU a request, us", ("interleaved", "cpu_ns_a_request"), 1e-3, ".2f", ratio=True),
    ),
    "NTS, AEAD 15, requests of 228 octets with one cookie": (
        Column("answered/s at saturation", ("nts", "answered_per_second"), ratio=True),
        Column("highest rate under 1 % loss", ("nts", "lossless_per_second")),
        Column("CPU a request, us", ("nts", "cpu_ns_a_request"), 1e-3, ".2f", ratio=True),
    ),
    "NTS key establishment, full TLS 1.3 handshakes, ECDSA P-256, 4 at a time": (
        Column("a second", ("ke", "per_second")),
        Column("CPU each, ms", ("ke", "cpu_ms_each"), 1.0, ".3f", ratio=True),
        Column("p99, ms", ("ke", "latency", "p99"), 1e3, ".1f"),
    ),
    "Resident memory, processes": (
        Column("at the start, MB", ("resident_mb_at_start",), 1.0, ".1f"),
        Column("after the load, MB", ("resident_mb",), 1.0, ".1f"),
    ),
}


def tables(result: Mapping[str, Any]) -> str:
    """All tables as markdown. Servers without a figure in a table are left out of it."""
    middle: _Medians = result["medians"]
    where = result["machine"]
    parts = [
        "Taken on {}: {}, {} cores, Linux {}; medians of {} rounds.".format(
            result["taken"], where["cpu"], where["cores"], where["kernel"], len(result["rounds"])
        ),
        _rows(["server", "version", "options"], [[name, result["versions"][name], result["options"][name]] for name in middle]),
    ]
    for title, columns in _TABLES.items():
        rows = [
            [name, *(column.cell(own, middle.get(BASE, {})) for column in columns)]
            for name, own in middle.items()
            if any(get(own, *column.path) is not None for column in columns)
        ]
        if rows:
            parts.append(f"**{title}**\n\n" + _rows(["", *(column.title for column in columns)], rows))
    return "\n\n".join(parts)


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure to reach: found from the medians, None where it was not measured; at_least: the other way round."""

    title: str
    find: Callable[[_Medians], float | None]
    limit: float
    unit: str = ""
    form: str = ".2f"
    at_least: bool = False

    def row(self, middle: _Medians) -> list[str]:
        """Goal and reached beside each other."""
        found = self.find(middle)
        sign = ">=" if self.at_least else "<="
        reached = "not measured" if found is None else f"{found:{self.form}}{self.unit}"
        met = "-" if found is None else "yes" if (found >= self.limit if self.at_least else found <= self.limit) else "**no**"
        return [self.title, f"{sign} {self.limit:{self.form}}{self.unit}", reached, met]


def _ratio(ours: str, *path: str, base: str = BASE) -> Callable[[_Medians], float | None]:
    def find(middle: _Medians) -> float | None:
        own, reference = get(middle, ours, *path), get(middle, base, *path)
        return own / reference if own is not None and reference else None

    return find


def _value(*path: str, scale: float = 1.0, size: bool = False) -> Callable[[_Medians], float | None]:
    def find(middle: _Medians) -> float | None:
        value = get(middle, *path)
        return None if value is None else (abs(value) if size else value) * scale

    return find


GOALS = (
    Goal("plain NTP, native, CPU a request, chrony = 1", _ratio("native", "plain", "cpu_ns_a_request"), 0.65),
    Goal("the same, bare loop = 1", _ratio("native", "plain", "cpu_ns_a_request", base="bare loop"), 1.10),
    Goal("plain NTP, XDP, run time of the program", _value("XDP", "plain", "xdp_ns_a_run"), 150, " ns", ".0f"),
    Goal("plain NTP, XDP, loss at all that the sender can make", _value("XDP", "plain", "loss", scale=100), 0.01, " %"),
    Goal("NTS (AEAD 15), native, CPU a request, chrony = 1", _ratio("native", "nts", "cpu_ns_a_request"), 0.60),
    Goal("NTS-KE, CPU a handshake, chrony = 1", _ratio("native", "ke", "cpu_ms_each"), 0.90),
    Goal("two workers against one, CPU a request", _ratio("native, 2 workers", "plain", "cpu_ns_a_request", base="native"), 1.15),
    Goal(
        "clients answered interleaved, of 20,000", _value("native", "interleaved", "interleaved_clients"), 16_000, "", ",.0f", at_least=True
    ),
    Goal("the same, CPU a request, chrony = 1", _ratio("native", "interleaved", "cpu_ns_a_request"), 1.0),
    Goal("XDP, whole core a request, chrony = 1", _ratio("XDP", "core", "busy_ns_a_request"), 0.30),
    Goal("served time, native, median", _value("native", "served", "basic", "offset_median", scale=1e6, size=True), 1.0, " us"),
    Goal("served time, native, p99 of its size", _value("native", "served", "basic", "offset_size_p99", scale=1e6), 4.8, " us"),
    Goal("served time, XDP, median", _value("XDP", "served", "basic", "offset_median", scale=1e6, size=True), 0.3, " us"),
    Goal("served time, XDP, p99 of its size", _value("XDP", "served", "basic", "offset_size_p99", scale=1e6), 1.5, " us"),
    Goal(
        "served time, interleaved, median",
        _value("native", "served", "interleaved", "offset_median", scale=1e6, size=True),
        0.05,
        " us",
        ".3f",
    ),
    Goal("served time, interleaved, p99 of its size", _value("native", "served", "interleaved", "offset_size_p99", scale=1e6), 0.25, " us"),
    Goal("plain NTP, Python, CPU a request, chrony = 1", _ratio("Python", "plain", "cpu_ns_a_request"), 2.0),
)
"""The figures that this server is built to reach."""


def goals_table(middle: _Medians) -> str:
    """Goal and reached beside each other."""
    return "**Goals**\n\n" + _rows(["", "goal", "reached", "met"], [goal.row(middle) for goal in GOALS])


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write_into(document: Path, text: str) -> None:
    """Replace what stands between the marks."""
    before, _, rest = document.read_text(encoding="utf-8").partition(_MARKS[0])
    _, mark, after = rest.partition(_MARKS[1])
    if not mark:
        raise SystemExit(f"{document}: the marks {_MARKS[0]} and {_MARKS[1]} are not there")
    document.write_text(f"{before}{_MARKS[0]}\n\n{text}\n\n{_MARKS[1]}{after}", encoding="utf-8")
