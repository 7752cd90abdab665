"""Structured logs on standard error: events with keys, as text for people and as JSON lines for machines.

Libraries that use `logging` (aiohttp, asyncio) come out in the same shape. Nothing here is called per packet.
"""

import logging
import os
import sys
from typing import Literal, TextIO

import structlog

__all__ = ["LogFormat", "LogLevel", "configure"]

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["auto", "text", "json"]

# sd-daemon(3): journald takes the number off the front of a line and keeps it as the priority.
_PRIORITY = {"critical": "<2>", "error": "<3>", "warning": "<4>", "info": "<6>", "debug": "<7>"}


def configure(level: LogLevel, format: LogFormat, stream: TextIO | None = None) -> None:  # noqa: A002 - the configuration's own word
    """Set up `structlog` and `logging` for the whole process. `stream` is standard error if not given.

    "auto" is text on a terminal and JSON lines elsewhere. Lines that go to journald carry its priority prefix and no time
    of their own; all others begin with the time in UTC. Calling it again replaces what was set up before.
    """
    stream = sys.stderr if stream is None else stream
    terminal = stream.isatty()
    journal = _is_journal(stream)
    text = format == "text" or (format == "auto" and terminal)
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        *([] if journal else [structlog.processors.TimeStamper(fmt="iso", utc=True)]),
        structlog.processors.format_exc_info,
        structlog.processors.UnicodeDecoder(),
    ]
    render = _render_text if text else structlog.processors.JSONRenderer(default=str)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[_prefixed(render, journal)],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    # One access line a request would be one a second for each open page.
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _is_journal(stream: TextIO) -> bool:
    """Whether the stream is the one that systemd connected to journald (JOURNAL_STREAM, systemd.exec(5))."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _prefixed(render: structlog.typing.Processor, journal: bool) -> structlog.typing.Processor:
    def finish(logger: structlog.typing.WrappedLogger, name: str, event: structlog.typing.EventDict) -> str:
        event = structlog.stdlib.ProcessorFormatter.remove_processors_meta(logger, name, event)
        prefix = _PRIORITY.get(str(event.get("level")), "") if journal else ""
        if journal:
            event.pop("level", None)
        return prefix + str(render(logger, name, event))

    return finish


def _render_text(_logger: structlog.typing.WrappedLogger, _name: str, event: structlog.typing.EventDict) -> str:
    exception = event.pop("exception", None)
    head = [str(event.pop(key)) for key in ("timestamp", "level", "logger", "event") if event.get(key) not in (None, "")]
    pairs = [f"{key}={_shown(value)}" for key, value in event.items()]
    return " ".join([*head, *pairs]) + (f"\n{exception}" if exception else "")


def _shown(value: object) -> str:
    text = str(value)
    # Text from outside (a sentence, a name) must not be able to forge a line.
    return text if text and text.isprintable() and not set(' "=') & set(text) else repr(text)
