"""Log lines as a person, a collector and journald see them."""

import io
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from stratum1 import logs


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_json_lines_carry_event_level_time_and_keys() -> None:
    out = io.StringIO()
    logs.configure("info", "json", out)
    structlog.get_logger("stratum1.pps").info("pulse lost", missed=3)
    line = json.loads(out.getvalue())
    assert (line["event"], line["level"], line["missed"], line["logger"]) == ("pulse lost", "info", 3, "stratum1.pps")
    assert line["timestamp"].endswith("Z")


def test_text_is_one_line_with_quoted_values() -> None:
    out = io.StringIO()
    logs.configure("info", "text", out)
    structlog.get_logger("gnss").warning("rejected", sentence="$GP\nforged line", count=2)
    assert out.getvalue().endswith("warning gnss rejected sentence='$GP\\nforged line' count=2\n")
    assert out.getvalue().count("\n") == 1


def test_auto_is_json_where_nobody_reads() -> None:
    out = io.StringIO()
    logs.configure("info", "auto", out)
    structlog.get_logger("x").info("hello")
    assert json.loads(out.getvalue())["event"] == "hello"


def test_auto_is_text_on_a_terminal() -> None:
    master, slave = os.openpty()
    with os.fdopen(slave, "w") as terminal:
        logs.configure("info", "auto", terminal)
        structlog.get_logger("x").info("hello", n=1)
        assert os.read(master, 4096).decode().rstrip().endswith("info x hello n=1")
    os.close(master)


@pytest.mark.parametrize(("level", "shown"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_level_holds_for_ours_and_for_libraries(level: logs.LogLevel, shown: int) -> None:
    out = io.StringIO()
    logs.configure(level, "json", out)
    for name in ("debug", "info", "warning", "error"):
        getattr(structlog.get_logger("ours"), name)("event")
        getattr(logging.getLogger("theirs"), name)("event %d", 1)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["logger"] for line in lines] == ["ours", "theirs"] * shown


def test_library_records_come_out_in_the_same_shape() -> None:
    out = io.StringIO()
    logs.configure("info", "json", out)
    logging.getLogger("aiohttp.server").error("bad request from %s", "127.0.0.1", extra={"status": 400})
    line = json.loads(out.getvalue())
    assert (line["event"], line["level"], line["status"]) == ("bad request from 127.0.0.1", "error", 400)


def test_an_exception_is_told_with_its_trace() -> None:
    out = io.StringIO()
    logs.configure("info", "json", out)
    try:
        raise ValueError("broken")
    except ValueError:
        structlog.get_logger("x").exception("stopped")
    assert "ValueError: broken" in json.loads(out.getvalue())["exception"]


def test_journald_gets_priorities_and_no_second_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "journal").open("w+") as stream:
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        logs.configure("info", "auto", stream)
        structlog.get_logger("x").error("clock stepped", offset=1.5)
        stream.seek(0)
        line = stream.read()
    assert line.startswith("<3>{")
    assert json.loads(line[3:]) == {"event": "clock stepped", "offset": 1.5, "logger": "x"}


def test_configuring_again_replaces_what_was() -> None:
    first, second = io.StringIO(), io.StringIO()
    logs.configure("info", "json", first)
    logs.configure("info", "json", second)
    structlog.get_logger("x").info("once")
    assert first.getvalue() == ""
    assert second.getvalue().count("\n") == 1
