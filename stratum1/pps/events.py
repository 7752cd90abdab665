"""What a pulse source says."""

from dataclasses import dataclass
from enum import StrEnum

from stratum1.interchange import KernelClockId

__all__ = ["Edge", "EdgeKind"]


class EdgeKind(StrEnum):
    """Which edge of the pulse (RFC 2783, section 3.2)."""

    ASSERT = "assert"
    CLEAR = "clear"


@dataclass(frozen=True, slots=True)
class Edge:
    """One edge, stamped by the kernel. stamp_ns: reading of `clock`. sequence: the kernel's count of this kind of edge (32 bits, wraps).

    missed: edges of this kind that the kernel counted and we did not get, since the one before.
    """

    kind: EdgeKind
    sequence: int
    stamp_ns: int
    clock: KernelClockId
    missed: int
