"""Is this the receiver's rate? Judged by whether its bytes make frames."""

from stratum1.timescale import MonoNs

from ._framer import Framer

__all__ = ["BAUD_RATES", "Probe"]

BAUD_RATES = (9600, 115_200, 38_400, 4800, 57_600, 230_400, 19_200, 460_800)
"""In the order of how common they are among receivers on boards."""
_ENOUGH = 2
_HOPELESS = 2048
"""Bytes without a frame after which a rate is given up early; longer than what is left of most UBX frames when one joins in."""


class Probe:
    """Looks at the bytes read at one rate and keeps them, so that nothing is lost once the rate is accepted."""

    def __init__(self) -> None:
        self.chunks: list[tuple[bytes, MonoNs]] = []
        self._framer = Framer()
        self._frames = 0
        self._since_frame = 0

    @property
    def accepted(self) -> bool:
        """Two frames with a right checksum (NMEA or UBX): chance makes one in 2^16 candidates at most."""
        return self._frames >= _ENOUGH

    @property
    def hopeless(self) -> bool:
        """Many bytes have come since the last frame."""
        return self._since_frame > _HOPELESS

    def feed(self, data: bytes, at_ns: MonoNs) -> None:
        """Take what one read returned."""
        if not self.accepted:
            self.chunks.append((data, at_ns))
        frames = len(self._framer.feed(data, at_ns))
        self._frames += frames
        self._since_frame = 0 if frames else self._since_frame + len(data)
