"""How stable the pulses and the steered clock are, over spans from a second to eighteen hours: Allan deviation, time deviation, MTIE.

Pure: phases in, once a second; figures out at any time.
"""

from ._estimator import LONGEST_TAU, PhaseStatistics, StabilityPoint
from ._watch import StabilityReport, StabilityWatch

__all__ = ["LONGEST_TAU", "PhaseStatistics", "StabilityPoint", "StabilityReport", "StabilityWatch"]
