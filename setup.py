"""Writes the build date into the package and builds its native part; all else about the build stands in pyproject.toml.

STRATUM1_NATIVE says what to do about the native data plane: "auto" (the default) builds it where there is a Rust toolchain of at least
1.85, "require" fails where it can't be built, "off" leaves it out. STRATUM1_XDP says the same about the eBPF program of the XDP data
plane, which needs clang. `python setup.py build_xdp` builds that one in the tree.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from setuptools import Command, setup
from setuptools.command.build_py import build_py

try:
    from setuptools_rust import Binding, RustExtension
except ModuleNotFoundError:  # an install without build isolation, on a machine that does not have it
    RustExtension = None

_DAY = 86_400
_INFO = Path("stratum1") / "_build_info.py"
_XDP_SOURCE = Path("stratum1") / "dataplane" / "xdp" / "ntp.c"
_XDP = Path("stratum1") / "_xdp_ntp.o"


def build_day() -> str:
    """The day before SOURCE_DATE_EPOCH, or before now: a floor, so a builder's clock that is some hours ahead must not raise it."""
    seconds = float(os.environ.get("SOURCE_DATE_EPOCH") or time.time())
    return time.strftime("%Y-%m-%d", time.gmtime(seconds - _DAY))


def wanted(variable: str) -> str:
    """What an environment variable asks for: auto, require or off."""
    word = os.environ.get(variable) or "auto"
    if word not in ("auto", "require", "off"):
        raise SystemExit(f'{variable}: "auto", "require" or "off" is expected, not {word!r}')
    return word


def clang() -> str | None:
    """The compiler: the one called so, or the newest with a version in its name."""
    versions = [re.search(r"/clang-(\d+)$", str(path)) for each in os.get_exec_path() for path in Path(each).glob("clang-*")]
    numbered = sorted((int(found[1]), found.string) for found in versions if found)
    return shutil.which("clang") or (numbered[-1][1] if numbered else None)


def build_xdp(target: Path, word: str) -> bool:
    """Compile the eBPF program, as far as STRATUM1_XDP wants it; whether it is there then."""
    if word == "off":
        return False
    compiler = clang()
    failure = "there is no clang"
    if compiler is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
        options = ["-O2", "-Wall", "-Wextra", "-Werror", "-target", "bpf", "-mcpu=v3"]
        ran = subprocess.run([compiler, *options, "-c", str(_XDP_SOURCE), "-o", str(target)], check=False, capture_output=True, text=True)  # noqa: S603
        if ran.returncode == 0:
            return True
        failure = f"{compiler} fails:\n{ran.stderr}"
    if word == "require":
        raise SystemExit(f"STRATUM1_XDP=require: {failure}")
    sys.stderr.write(f"the XDP data plane is left out: {failure}\n")
    return False


class BuildXdp(Command):
    """`build_xdp`: the eBPF program, in the tree."""

    user_options: list = []  # noqa: RUF012 - as setuptools wants it

    def initialize_options(self) -> None:
        """There are none."""

    def finalize_options(self) -> None:
        """There are none."""

    def run(self) -> None:
        """Build it."""
        build_xdp(_XDP, wanted("STRATUM1_XDP"))


class BuildMore(build_py):
    """build_py that adds `stratum1/_build_info.py` (not where an install is editable) and the eBPF program to what is built."""

    def run(self) -> None:
        """Build, then write the files next to the copied modules."""
        super().run()
        base = Path() if self.editable_mode else Path(self.build_lib)
        self.added = []
        if build_xdp(base / _XDP, wanted("STRATUM1_XDP")):
            self.added.append(str(base / _XDP))
        if not self.editable_mode:
            target = base / _INFO
            target.write_text(f'"""Written by setup.py."""\n\nBUILD_DATE = "{build_day()}"\n', encoding="ascii")
            self.added.append(str(target))

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """What is built, those files included."""
        outputs: list[str] = super().get_outputs(include_bytecode)
        return outputs if self.editable_mode else [*outputs, *getattr(self, "added", ())]


def rust_extensions() -> list:
    """The native data plane, as far as STRATUM1_NATIVE wants it."""
    word = wanted("STRATUM1_NATIVE")
    if word == "off":
        return []
    if RustExtension is None:
        if word == "require":
            raise SystemExit("STRATUM1_NATIVE=require: setuptools-rust is not installed")
        return []
    return [
        RustExtension(
            "stratum1._dataplane",
            path="stratum1/dataplane/Cargo.toml",
            binding=Binding.PyO3,
            py_limited_api=True,
            optional=word == "auto",
            debug=False,
            rust_version=">=1.85",
            args=["--locked"],
        )
    ]


setup(cmdclass={"build_py": BuildMore, "build_xdp": BuildXdp}, rust_extensions=rust_extensions())
