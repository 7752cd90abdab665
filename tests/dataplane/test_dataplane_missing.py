"""What is said where the native module is not there, can't be loaded, or is another version's."""

from types import SimpleNamespace

import pytest

from stratum1 import dataplane
from stratum1.dataplane import _load


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (ModuleNotFoundError("No module named 'stratum1._dataplane'"), "it was not built"),
        (ImportError("undefined symbol: x"), "it can't be loaded: undefined symbol: x"),
        (SimpleNamespace(Service=None, Listener=None, PureResponder=None), "it was built from another version: it has no Workers"),
    ],
)
def test_why_there_is_no_native_data_plane(monkeypatch: pytest.MonkeyPatch, found: object, says: str) -> None:
    def imported(_name: str) -> object:
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(dataplane, "import_module", imported)
    module, missing = _load()
    assert module is None
    assert missing.startswith(says)
