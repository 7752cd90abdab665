"""Writes the build date into the package and builds its native part; all else about the build stands in pyproject.toml.

STRATUM1_NATIVE says what to do about the native part: "auto" (the default) builds it where there is a Rust toolchain of at least
1.85, "require" fails where it can't be built, "off" leaves it out.
"""

import os
import time
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

try:
    from setuptools_rust import Binding, RustExtension
except ModuleNotFoundError:  # an install without build isolation, on a machine that does not have it
    RustExtension = None

_DAY = 86_400
_INFO = Path("stratum1") / "_build_info.py"


def build_day() -> str:
    """The day before SOURCE_DATE_EPOCH, or before now: a floor, so a builder's clock that is some hours ahead must not raise it."""
    seconds = float(os.environ.get("SOURCE_DATE_EPOCH") or time.time())
    return time.strftime("%Y-%m-%d", time.gmtime(seconds - _DAY))


class BuildWithDate(build_py):
    """build_py that adds `stratum1/_build_info.py` to what is built; an editable install stays as it is in the tree."""

    def run(self) -> None:
        """Build, then write the file next to the copied modules."""
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib) / _INFO
            target.write_text(f'"""Written by setup.py."""\n\nBUILD_DATE = "{build_day()}"\n', encoding="ascii")

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """What is built, that file included."""
        outputs: list[str] = super().get_outputs(include_bytecode)
        return outputs if self.editable_mode else [*outputs, str(Path(self.build_lib) / _INFO)]


def rust_extensions() -> list:
    """The native data plane, as far as STRATUM1_NATIVE wants it."""
    wanted = os.environ.get("STRATUM1_NATIVE") or "auto"
    if wanted not in ("auto", "require", "off"):
        raise SystemExit(f'STRATUM1_NATIVE: "auto", "require" or "off" is expected, not {wanted!r}')
    if wanted == "off":
        return []
    if RustExtension is None:
        if wanted == "require":
            raise SystemExit("STRATUM1_NATIVE=require: setuptools-rust is not installed")
        return []
    return [
        RustExtension(
            "stratum1._dataplane",
            path="stratum1/dataplane/Cargo.toml",
            binding=Binding.PyO3,
            py_limited_api=True,
            optional=wanted == "auto",
            debug=False,
            rust_version=">=1.85",
            args=["--locked"],
        )
    ]


setup(cmdclass={"build_py": BuildWithDate}, rust_extensions=rust_extensions())
