"""Whether the receiver can be believed: evidence against it, added up to a score; above a limit the reference is refused.

Pure: events, pulses, temperature and comparisons in; a verdict and its sentences out. What each kind of evidence is and what it can't see
stands in its module: `_crystal` (pulses against what this crystal has ever done), `_clock_time` (jumps and replays), `_position`,
`_radio` (strengths, jamming, constellations, the receiver's own word) and `_sources` (trusted servers).
"""

from ._guard import Guard, Standing
from ._types import KINDS, Evidence, IntegrityReport, IntegritySettings

__all__ = ["KINDS", "Evidence", "Guard", "IntegrityReport", "IntegritySettings", "Standing"]
