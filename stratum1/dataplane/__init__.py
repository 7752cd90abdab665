"""The native data plane: the Rust crate in this directory, built as `stratum1._dataplane`, if it was built."""

from importlib import import_module
from types import ModuleType
from typing import Any

__all__ = ["MISSING", "native"]


_NEEDED = ("Service", "Listener", "PureResponder", "Workers", "TlsServer", "TlsClient", "TlsError", "seal_cookie")


def _load() -> tuple[ModuleType | None, str]:
    try:
        module = import_module("stratum1._dataplane")
        lacking = [name for name in _NEEDED if not hasattr(module, name)]
        return (None, f"it was built from another version: it has no {lacking[0]}") if lacking else (module, "")
    except ModuleNotFoundError:
        return None, "it was not built (no Rust toolchain of at least 1.85 when stratum1 was installed)"
    except ImportError as error:
        return None, f"it can't be loaded: {error}"


_module, MISSING = _load()
"""Why there is no native data plane, as the end of a sentence; empty where there is one."""


def native() -> Any:
    """The compiled module `stratum1._dataplane`, None where it is missing (`MISSING` says why)."""
    return _module
