"""The one-way rule, the pure rooms and the rules of size, held by reading the source."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest
from architecture import ANYTHING, IO_MODULES, MAY_IMPORT, ROOT, Module, imported, is_pure, modules, tracked_files

MODULES = modules()
_CLOCK_TYPES = {"Clock", "ClockError", "ClockLimits", "ClockStatus"}
_WALL_CLOCK = re.compile(r"^(time\.(time|time_ns|localtime|gmtime|ctime)|(datetime\.)?(datetime\.(now|utcnow|today)|date\.today))$")


def one_way_faults(module: Module) -> list[str]:
    """Imports that go against the arrow, or reach into another room's private modules."""
    faults = []
    allowed = MAY_IMPORT.get(module.room, set()) if module.room else set()
    for source, name in imported(module):
        parts = source.split(".")
        if parts[0] != "stratum1" or len(parts) == 1 or parts[1] in (module.room, "__version__"):
            continue
        if any(part.startswith("_") for part in parts[2:]):
            faults.append(f"{module.name} reaches into {source}")
        # A room's events may be taken from where they are defined or from the room that re-exports them.
        spelled = {parts[1], ".".join(parts[1:3])} | ({f"{parts[1]}.{name}"} if len(parts) == 2 else set())
        if ANYTHING not in allowed and not spelled & allowed:
            faults.append(f"{module.name} imports {source}")
    return faults


def purity_faults(module: Module) -> list[str]:
    """What a pure module imports that does I/O; of the clock it may know the types only. The simulated world has seeded randomness."""
    forbidden = IO_MODULES - ({"random"} if module.room == "simulation" else set())
    faults = [f"{module.name} imports {source}" for source, _ in imported(module) if source.split(".")[0] in forbidden]
    return faults + [
        f"{module.name} takes {name} from the clock"
        for source, name in imported(module)
        if source.startswith("stratum1.clock") and module.room != "simulation" and name not in _CLOCK_TYPES
    ]


def wall_clock_faults(module: Module) -> list[str]:
    """Calls that read the host's time of day: only the clock room does."""
    calls = [node.func for node in ast.walk(module.tree) if isinstance(node, ast.Call)]
    return [f"{module.name} calls {ast.unparse(call)}" for call in calls if _WALL_CLOCK.match(ast.unparse(call))]


def size_faults(path: Path, tree: ast.Module, longest: int) -> list[str]:
    faults = [f"{path.relative_to(ROOT)}: over 400 lines"] if len(path.read_text().splitlines()) > 400 else []
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return faults + [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: over {longest} lines"
        for node in functions
        if (node.end_lineno or 0) - node.lineno + 1 > longest
    ]


def test_every_room_is_on_the_map() -> None:
    assert {module.room for module in MODULES} - {""} - set(MAY_IMPORT) == set()


def test_imports_go_one_way() -> None:
    assert [fault for module in MODULES for fault in one_way_faults(module)] == []


def test_only_the_command_knows_the_daemon_and_nobody_the_command() -> None:
    users = {"daemon": {"cli"}, "cli": {"__main__"}}
    faults = [
        f"{module.name} imports {source}"
        for module in MODULES
        for source, _ in imported(module)
        for room, allowed in users.items()
        if source.split(".")[:2] == ["stratum1", room] and module.room != room and module.room not in allowed
    ]
    assert faults == []


def test_pure_modules_do_no_io() -> None:
    pure = [module for module in MODULES if is_pure(module)]
    assert {module.room for module in pure} >= {"timescale", "ntp", "refclock", "discipline", "pipeline", "gnss", "server"}
    assert [fault for module in pure for fault in purity_faults(module)] == []


def test_nobody_but_the_clock_reads_the_time_of_day() -> None:
    assert [fault for module in MODULES if module.room != "clock" for fault in wall_clock_faults(module)] == []


_WALLS = {"stratum1.ntske._listener": 1}
"""Handlers that keep a fault of ours where it happened, by module: each counts it, tells it, and ends what had it."""


def test_no_blanket_exception_is_swallowed() -> None:
    """Catching everything is for cleaning up on the way out: the handler ends with a bare raise."""
    blanket = [
        module.name
        for module in MODULES
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler) and (node.type is None or ast.unparse(node.type) in ("Exception", "BaseException"))
        if ast.unparse(node.body[-1]) != "raise"
    ]
    assert Counter(blanket) == _WALLS


def test_files_and_functions_are_small() -> None:
    tests = [(path, 120) for path in tracked_files() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in ("tests", "tools")]
    sources = [(module.path, 60) for module in MODULES]
    assert [fault for path, longest in sources + tests for fault in size_faults(path, ast.parse(path.read_text()), longest)] == []


def test_every_module_says_what_may_live_there() -> None:
    assert [module.name for module in MODULES if len(ast.get_docstring(module.tree) or "") < 20] == []


def test_nothing_is_left_for_later() -> None:
    words = re.compile(rb"\b(TO" + rb"DO|FIX" + rb"ME|NotImplemented" + rb"Error)\b")
    assert [
        str(path) for path in tracked_files() if path.suffix in (".py", ".md", ".sh", ".toml", ".yml") and words.search(path.read_bytes())
    ] == []


@pytest.mark.parametrize(
    "word",
    ["../" + "shared", "/work" + "/main", "/work" + "/shared", "/work/" + ".library"]
    + [
        ".".join(parts)
        for parts in (("pypi", "org"), ("pythonhosted", "org"), ("crates", "io"), ("npmjs", "org"), ("deb", "debian", "org"))
    ]
    + [
        ".".join(parts)
        for parts in (("security", "debian", "org"), ("snapshot", "debian", "org"), ("proxy", "golang", "org"), ("maven", "org"))
    ],
)
def test_no_file_names_this_machine_or_a_registry(word: str) -> None:
    # cargo's lock file names its index in every entry, in the one form that cargo reads
    named = [str(path) for path in tracked_files() if word.encode() in path.read_bytes() and path.name != "Cargo.lock"]
    assert named == []


@pytest.mark.parametrize(
    ("name", "source", "fault"),
    [
        (
            "stratum1.gnss.serial_reader",
            "from stratum1.discipline import Discipline",
            "stratum1.gnss.serial_reader imports stratum1.discipline",
        ),
        ("stratum1.web._app", "import stratum1.gnss", "stratum1.web._app imports stratum1.gnss"),
        ("stratum1.metrics._x", "from ..server import Server", "stratum1.metrics._x imports stratum1.server"),
        ("stratum1.ntp._packet", "def f():\n    from stratum1 import server", "stratum1.ntp._packet imports stratum1.server"),
        ("stratum1.refclock._gate", "from stratum1.gnss import Decoder", "stratum1.refclock._gate imports stratum1.gnss"),
        ("stratum1.cli.status", "from stratum1.control._json import x", "stratum1.cli.status reaches into stratum1.control._json"),
    ],
)
def test_an_import_against_the_arrow_is_found(name: str, source: str, fault: str) -> None:
    assert one_way_faults(Module(name, Path("x.py"), ast.parse(source))) == [fault]


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("stratum1.ntp._packet", "import time"),
        ("stratum1.refclock._gate", "from os import path"),
        ("stratum1.gnss._decoder", "import os.path"),
        ("stratum1.server.reply", "def f():\n    import random"),
        ("stratum1.discipline._pll", "from stratum1.clock import KernelClock"),
    ],
)
def test_io_in_a_pure_room_is_found(name: str, source: str) -> None:
    module = Module(name, Path("x.py"), ast.parse(source))
    assert is_pure(module)
    assert len(purity_faults(module)) == 1


@pytest.mark.parametrize("call", ["time.time()", "time.time_ns()", "datetime.now(UTC)", "datetime.datetime.utcnow()", "date.today()"])
def test_reading_the_time_of_day_is_found(call: str) -> None:
    assert len(wall_clock_faults(Module("stratum1.web._app", Path("x.py"), ast.parse(call)))) == 1


def test_a_long_function_is_found() -> None:
    path = ROOT / "stratum1" / "__init__.py"
    tree = ast.parse("def f():\n" + "    pass\n" * 60)
    assert size_faults(path, tree, 60) == ["stratum1/__init__.py:1 f: over 60 lines"]
