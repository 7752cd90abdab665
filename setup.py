"""Writes the build date into the package; all else about the build stands in pyproject.toml."""

import os
import time
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

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


setup(cmdclass={"build_py": BuildWithDate})
