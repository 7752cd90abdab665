"""The map of docs/architecture.md as data, and what reads the tree to hold it. Used by test_architecture.py."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ANYTHING", "IO_MODULES", "MAY_IMPORT", "Module", "imported", "is_pure", "modules", "tracked_files"]

ROOT = Path(__file__).resolve().parent.parent

ANYTHING = "anything"
_VALUES = {"timescale", "interchange"}
_EVENTS = {"gnss.events", "pps.events"}

MAY_IMPORT: dict[str, set[str]] = {
    "timescale": set(),
    "config": set(),
    "logs": set(),
    "service": set(),
    "secondhand": set(),
    "durable": set(),
    "hw": set(),
    "dataplane": set(),
    "interchange": {"timescale"},
    "build_date": {"timescale"},
    "_pace": {"timescale"},
    "gnss": {"timescale", "_pace"},
    "pps": _VALUES | {"_pace"},
    "temperature": _VALUES,
    "inputs": _VALUES | _EVENTS,
    "refclock": _VALUES | _EVENTS,
    "ntp": {"timescale"},
    "nts": {"timescale", "ntp"},
    "ntske": {"timescale", "nts", "dataplane", "durable"},
    "sources": _VALUES | {"ntp", "nts", "ntske"},
    "selection": _VALUES,
    "stability": _VALUES,
    "integrity": _VALUES | _EVENTS,
    "clock": _VALUES | {"durable"},
    "discipline": _VALUES | {"clock"},
    "leaplist": {"timescale", "clock", "durable"},
    "leaps": _VALUES | _EVENTS,
    "reference": _VALUES | _EVENTS | {"gnss", "inputs", "refclock", "stability", "integrity"},
    "pipeline_values": _VALUES | _EVENTS | {"discipline", "gnss", "leaps", "reference", "refclock", "selection", "integrity"},
    "pipeline": _VALUES
    | _EVENTS
    | {"clock", "discipline", "gnss", "inputs", "leaps", "pipeline_values", "reference", "refclock", "selection", "sources", "integrity"},
    "recording": _VALUES | _EVENTS | {"clock", "discipline", "inputs", "pipeline", "refclock", "selection", "integrity"},
    "replay": _VALUES | {"inputs", "pipeline", "recording"},
    "recorder": _VALUES | {"inputs", "recording"},
    "outputs": _VALUES | {"clock", "config"},
    "xdp": set(),
    "server": _VALUES | {"ntp", "nts", "dataplane", "xdp"},
    "control": _VALUES | _EVENTS | {"config"},
    "metrics": _VALUES | {"control"},
    "history": _VALUES | {"control"},
    "web": _VALUES | {"control", "metrics"},
    "simulation": _VALUES | _EVENTS | {"clock", "discipline", "gnss", "inputs", "leaps", "pipeline", "pps", "refclock", "selection"},
    "settings": {"config", "hw"},
    "receiver": _VALUES | {"config", "gnss", "pps", "simulation.truth"},
    "serving": _VALUES | {"config", "nts", "server"},
    "served": _VALUES | {"control", "server"},
    "startup": _VALUES
    | _EVENTS
    | {"build_date", "clock", "config", "discipline", "integrity", "leaplist", "pipeline", "refclock", "selection", "server", "serving"},
    "timekeeper": _VALUES | {"discipline", "clock", "inputs", "leaps", "pipeline", "recorder", "server"},
    "receivers": _VALUES | _EVENTS | {"clock", "config", "gnss", "inputs", "pipeline", "pps", "receiver", "startup"},
    "snapshot": _VALUES
    | {
        "config",
        "control",
        "discipline",
        "gnss",
        "integrity",
        "ntp",
        "outputs",
        "pipeline",
        "pps",
        "receivers",
        "refclock",
        "reference",
        "selection",
        "stability",
        "temperature",
        "timekeeper",
    },
    "handout": _VALUES | {"config", "outputs", "timekeeper"},
    "doctor": _VALUES | {"build_date", "clock", "config", "hw", "leaplist", "ntske", "pps", "server", "serving", "temperature"},
    "keyservice": {"timescale", "build_date", "config", "control", "nts", "ntske"},
    "daemon": {ANYTHING},
    "cli": {ANYTHING},
    "__main__": {"cli"},
}
"""Room -> what it may import of us. The arrow of the map: time flows down, nothing below TimeState is imported above it."""

IO_MODULES = frozenset(
    {
        "aiohttp",
        "asyncio",
        "ctypes",
        "fcntl",
        "multiprocessing",
        "os",
        "pathlib",
        "periphery",
        "random",
        "secrets",
        "select",
        "selectors",
        "serial",
        "signal",
        "socket",
        "sqlite3",
        "ssl",
        "subprocess",
        "termios",
        "threading",
        "time",
    }
)

_PURE_ROOMS = {
    "config",
    "timescale",
    "interchange",
    "inputs",
    "ntp",
    "nts",
    "refclock",
    "selection",
    "stability",
    "integrity",
    "discipline",
    "leaps",
    "reference",
    "pipeline",
    "pipeline_values",
    "recording",
    "replay",
    "simulation",
}
_PURE_MODULES = {
    *(
        "stratum1.gnss." + name
        for name in (
            *(
                "_calendar",
                "_decoder",
                "_epoch",
                "_framer",
                "_satellites",
                "_sentences",
                "_simulated_nmea",
                "_simulated_sky",
                "_simulated_ubx",
                "events",
            ),
            *("_setup_dialogue", "_setup_frames", "_setup_items", "_setup_model", "_setup_plan", "setup"),
            *("_ubx_messages", "_ubx_nav", "_ubx_reader", "_ubx_sky", "_ubx_state"),
        )
    ),
    *("stratum1.outputs." + name for name in ("_management", "_ptp_clock", "_quality", "_sample", "_servo", "report")),
    *("stratum1.pps." + name for name in ("events", "report")),
    *(
        "stratum1.server." + name
        for name in (
            *("_access", "_judge", "_mac", "_nts", "_reasons", "_rules", "_shown", "_smear", "_stamps", "_state_words", "_tables"),
            *("_reference_ids", "_v5", "_v5_fields", "_xdp_words", "keyfile", "reply", "service"),
        )
    ),
    *("stratum1.xdp." + name for name in ("_layout", "_object")),
}


@dataclass(frozen=True, slots=True)
class Module:
    """One source file of the package."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def room(self) -> str:
        """The package or module right below stratum1 ("" for stratum1 itself)."""
        return [*self.name.split("."), ""][1]


def is_pure(module: Module) -> bool:
    """Whether the module takes values and returns values, and does no I/O (rule 1 of the map)."""
    return module.room in _PURE_ROOMS or module.name in _PURE_MODULES or module.name.startswith("stratum1.sources.protocol")


def modules() -> list[Module]:
    """All modules of the package."""
    found: list[Module] = []
    for path in sorted((ROOT / "stratum1").rglob("*.py")) + sorted((ROOT / "hw").rglob("*.py")):
        relative = path.relative_to(ROOT).with_suffix("")
        parts = relative.parts if relative.parts[0] == "stratum1" else ("stratum1", *relative.parts)
        name = ".".join(parts).removesuffix(".__init__")
        if not any(module.name == name for module in found):
            found.append(Module(name, path, ast.parse(path.read_text())))
    return found


def imported(module: Module) -> Iterator[tuple[str, str]]:
    """Each import of a module, also inside functions: dotted module and the name taken from it ("" for the whole module)."""
    package = module.name if module.path.name == "__init__.py" else module.name.rpartition(".")[0]
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                # "from stratum1 import gnss" takes a room, "from stratum1.gnss import Fix" a name of one.
                yield (f"{source}.{alias.name}", "") if source == "stratum1" else (source, alias.name)


def tracked_files() -> list[Path]:
    """All files of the tree that are ours (also where there is no git): what .gitignore leaves out is left out."""
    ignored = {
        ".git",
        ".venv",
        ".cache",
        "build",
        "target",
        "dist",
        "site",
        "__pycache__",
        ".mypy_cache",
        ".ruff_cache",
        ".pytest_cache",
        ".hypothesis",
    }
    found = []
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        if path.is_file() and not ignored & set(parts) and not any(part.endswith((".egg-info", ".so", ".o")) for part in parts):
            found.append(path)
    return found
