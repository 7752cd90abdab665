"""Bytes into frames: finds NMEA sentences and UBX frames in a serial stream, whatever lies between them and however it is split."""

import re
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import reduce
from itertools import accumulate
from operator import xor

from stratum1.timescale import MonoNs

__all__ = ["MAX_SENTENCE", "MAX_UBX_PAYLOAD", "Frame", "Framer", "NmeaFrame", "Reject", "UbxFrame"]

MAX_SENTENCE = 255
"""Longest sentence, "$" to checksum. NMEA 0183 says 82 with the line end, but receivers with many digits or reports of their own
(PGLOR, GGA of RTK engines) send up to 130."""
MAX_UBX_PAYLOAD = 8192
"""Longest UBX payload; the largest that is defined, RXM-RAWX with 255 measurements, has 8176 bytes."""

_NOISE_BLOCK = 256
_DOLLAR = 0x24
_SYNC = b"\xb5\x62"
_BREAK = re.compile(rb"[^\x20-\x23\x25-\x7e]")
"""What ends a sentence, well or badly: a line end, the next "$", a byte that is no ASCII text."""
_START = re.compile(rb"[$\xb5]")
_CHECKED = re.compile(rb"(.*)\*([0-9A-Fa-f]{2})\Z")


class Reject(Enum):
    """Why bytes or a sentence were thrown away; the closed list behind every reject counter."""

    TEXT = "text between frames"
    BINARY = "binary between frames"
    OVERLONG = "sentence too long"
    TRUNCATED = "sentence cut off by the next one"
    GARBLED = "byte in a sentence that is no ASCII text"
    NO_CHECKSUM = "sentence without checksum"
    CHECKSUM = "wrong checksum of a sentence"
    UBX_OVERLONG = "UBX frame too long"
    UBX_CHECKSUM = "wrong checksum of a UBX frame"
    UBX_LENGTH = "UBX message of a wrong length"
    UBX_MESSAGE = "UBX message that the UBX library refuses"
    UNFINISHED = "frame cut off by the end of the stream"
    SENTENCE = "sentence that the NMEA library refuses"
    FIELD = "impossible value in a field"
    DATE = "impossible date"


@dataclass(frozen=True, slots=True)
class NmeaFrame:
    """A sentence with a right checksum: from "$" to the checksum, without the line end. at_ns: arrival of the "$"."""

    at_ns: MonoNs
    text: str


@dataclass(frozen=True, slots=True)
class UbxFrame:
    """A UBX frame with a right checksum (u-blox interface description, section "UBX frame structure"). at_ns: arrival of its first byte."""

    at_ns: MonoNs
    message_class: int
    message_id: int
    payload: bytes


Frame = NmeaFrame | UbxFrame


class Framer:
    """Re-frames a byte stream; the frames and counts do not depend on how the stream is split.

    Holds at most one unfinished frame (MAX_UBX_PAYLOAD + 8 bytes). A fault is counted once: what follows it up to the next good frame
    belongs to it, but bytes that fit nowhere count again for every 256 of them, so that a wrong rate or protocol keeps counting.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._arrivals: deque[tuple[int, MonoNs]] = deque()  # (end of a chunk in the buffer, its arrival)
        self._covered = 0  # further noise bytes that the last fault accounts for
        self._rejects: Counter[Reject] = Counter()

    @property
    def rejects(self) -> Mapping[Reject, int]:
        """How often each fault was seen, since the start."""
        return self._rejects

    def reset(self) -> None:
        """Forget the unfinished frame (the line was closed and opened again); the counts stay."""
        self._buffer.clear()
        self._arrivals.clear()
        self._covered = 0

    def feed(self, data: bytes, at_ns: MonoNs) -> list[Frame]:
        """Take what one read returned, at `at_ns`; return the frames that are complete now."""
        if not data:
            return []
        self._buffer += data
        if self._arrivals and self._arrivals[-1][1] == at_ns:
            self._arrivals.pop()
        self._arrivals.append((len(self._buffer), at_ns))
        return self._scan()

    def flush(self) -> list[Frame]:
        """The stream ends here: reject the unfinished frame and return what was hidden inside it."""
        frames: list[Frame] = []
        while self._buffer:
            self._reject(Reject.UNFINISHED)
            self._drop(1)
            frames += self._scan()
        return frames

    def _scan(self) -> list[Frame]:
        frames: list[Frame] = []
        position = 0
        while position < len(self._buffer):
            start = self._skip_noise(position)
            if start == len(self._buffer):
                position = start
                break
            frame, after = self._sentence(start) if self._buffer[start] == _DOLLAR else self._ubx(start)
            if after == start:
                position = start
                break
            if frame is not None:
                frames.append(frame)
                self._covered = 0
            position = after
        self._drop(position)
        return frames

    def _skip_noise(self, position: int) -> int:
        """The index of the next byte that may start a frame, counting what lies before it."""
        found = _START.search(self._buffer, position)
        start = found.start() if found else len(self._buffer)
        self._pass_over(bytes(self._buffer[position:start]))
        return start

    def _sentence(self, start: int) -> tuple[NmeaFrame | None, int]:
        """The sentence at `start` and the index after it; (None, start) if more bytes are needed."""
        limit = start + MAX_SENTENCE
        found = _BREAK.search(self._buffer, start + 1, limit + 1)
        if found is None:
            if len(self._buffer) <= limit:
                return None, start
            self._reject(Reject.OVERLONG)
            return None, start + 1
        end = found.start()
        if self._buffer[end] not in b"\r\n":
            self._reject(Reject.TRUNCATED if self._buffer[end] == _DOLLAR else Reject.GARBLED)
            return None, end
        body = _CHECKED.match(bytes(self._buffer[start + 1 : end]))
        if body is None:
            self._reject(Reject.NO_CHECKSUM)
            return None, end
        if reduce(xor, body[1], 0) != int(body[2], 16):
            self._reject(Reject.CHECKSUM)
            return None, end
        return NmeaFrame(self._arrival(start), self._buffer[start:end].decode("ascii")), end

    def _ubx(self, start: int) -> tuple[UbxFrame | None, int]:
        """As `_sentence`, for what begins with the first synchronisation byte of UBX."""
        head = self._buffer[start : start + 6]
        if not _SYNC.startswith(head[:2]):
            self._pass_over(_SYNC[:1])
            return None, start + 1
        if len(head) < 6:
            return None, start
        length = head[4] | head[5] << 8
        if length > MAX_UBX_PAYLOAD:
            self._reject(Reject.UBX_OVERLONG)
            return None, start + 2
        end = start + 8 + length
        if len(self._buffer) < end:
            return None, start
        if _fletcher(self._buffer[start + 2 : end - 2]) != self._buffer[end - 2 : end]:
            self._reject(Reject.UBX_CHECKSUM)
            return None, start + 2
        return UbxFrame(self._arrival(start), head[2], head[3], bytes(self._buffer[start + 6 : end - 2])), end

    def _pass_over(self, skipped: bytes) -> None:
        """Count bytes that belong to no frame; line ends are nobody's fault."""
        noise = skipped.translate(None, b"\r\n")
        place = 0
        while place < len(noise):
            if not self._covered:
                self._reject(Reject.TEXT if 0x20 <= noise[place] < 0x7F else Reject.BINARY)
            taken = min(self._covered, len(noise) - place)
            self._covered -= taken
            place += taken

    def _reject(self, reason: Reject) -> None:
        self._rejects[reason] += 1
        self._covered = _NOISE_BLOCK

    def _arrival(self, index: int) -> MonoNs:
        return next(at_ns for end, at_ns in self._arrivals if index < end)

    def _drop(self, count: int) -> None:
        if not count:
            return
        del self._buffer[:count]
        while self._arrivals and self._arrivals[0][0] <= count:
            self._arrivals.popleft()
        self._arrivals = deque((end - count, at_ns) for end, at_ns in self._arrivals)


def _fletcher(data: bytes | bytearray) -> bytes:
    """The 8-bit Fletcher checksum of UBX, over class, id, length and payload."""
    return bytes((sum(data) & 0xFF, sum(accumulate(data)) & 0xFF))
