"""The book's page of the protocol names everything that a packet's record may say."""

import re
from pathlib import Path

from stratum1.server import ServerReason, ServerResponse

PAGE = Path(__file__).resolve().parents[2] / "docs" / "protocol.md"


def test_every_reason_and_response_has_its_row_and_nothing_else_has() -> None:
    rows = re.findall(r"^\| `([a-z0-9-]+)` \|", PAGE.read_text(), re.MULTILINE)
    assert rows == [response.value for response in ServerResponse] + [reason.value for reason in ServerReason]
