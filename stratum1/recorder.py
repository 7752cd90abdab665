"""Writes the pipeline's inputs and outputs as they happen: to a file from the start, and to whoever asks later."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TextIO

from .inputs import GnssInput, Input
from .interchange import Steering
from .recording import Header, encode_header, encode_input, encode_output

__all__ = ["Recorder"]

_BACKLOG = 4096  # lines that a slow reader may be behind (some minutes) before its recording ends


class Recorder:
    """Costs nothing while nobody records. Used from the event loop's thread."""

    def __init__(self, problem: Callable[[str], None]) -> None:
        """problem: told when a recording had to end."""
        self._problem = problem
        self._file: TextIO | None = None
        self._taps: set[asyncio.Queue[str | None]] = set()

    def open(self, file: TextIO, header: Header) -> None:
        """Keep the whole run in a file, from the first input on; a full disk ends it later and is told."""
        self._file = file
        self._write(encode_header(header))

    def close(self) -> None:
        """End all recordings."""
        for tap in self._taps:
            _end(tap)
        self._drop_file("")

    def input(self, event: Input) -> None:
        """An input that the pipeline has taken."""
        if (self._file or self._taps) and not isinstance(event, GnssInput):
            self._write(encode_input(event))

    def output(self, steering: Steering) -> None:
        """What the input before led to."""
        if self._file or self._taps:
            self._write(encode_output(steering))

    async def stream(self, header: Callable[[], Header]) -> AsyncIterator[bytes]:
        """A recording from now on, for one reader, who is cut off when it falls too far behind."""
        tap: asyncio.Queue[str | None] = asyncio.Queue(_BACKLOG)
        self._taps.add(tap)
        try:
            yield (encode_header(header()) + "\n").encode()
            while (line := await tap.get()) is not None:
                yield line.encode()
        finally:
            self._taps.discard(tap)

    def _write(self, text: str) -> None:
        line = text + "\n"
        if self._file is not None:
            try:
                self._file.write(line)
            except OSError as error:  # a full disk ends the recording and nothing else
                self._drop_file(f"the recording ends here: {error.strerror}")
        for tap in tuple(self._taps):
            try:
                tap.put_nowait(line)
            except asyncio.QueueFull:
                self._taps.discard(tap)
                _end(tap)

    def _drop_file(self, why: str) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        try:
            file.close()
        except OSError as error:  # what was still held back does not fit either
            why = why or f"the end of the recording is lost: {error.strerror}"
        if why:
            self._problem(why)


def _end(tap: asyncio.Queue[str | None]) -> None:
    if tap.full():  # end it where its reader is: a recording with a hole would not replay
        while not tap.empty():
            tap.get_nowait()
    tap.put_nowait(None)
