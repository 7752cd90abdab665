"""A fading-memory filter over the phase of pulses: where the next ones are to be expected, by those of the last minutes.

Third order (phase, frequency, its change), gains by E. Brookner, "Tracking and Kalman Filtering Made Easy" (Wiley, 1998), section 1.3
(critically damped g-h-k filter) and 1.4 (expanding memory, for the first seconds). A frequency that changes evenly, as by temperature,
is followed without a lag.
"""

from math import exp, inf, sqrt

__all__ = ["State", "Tracker", "extrapolated"]

State = tuple[int, float, float, float]
"""Second, phase (s), frequency (s/s), its change (1/s) right after the pulse of that second."""

_CLIP = 3.0  # innovations beyond so many of their own root mean squares are cut: one late pulse must not bend the line
_BLIND = 60  # innovations after which their root mean square is known
_MEMORY = 512
_SMALLEST = 1e-18  # s^2; pulses that never scatter (a simulation) leave room for the rounding of their stamps


class Tracker:
    """One filter. tau: seconds over which older pulses fade to 1/e."""

    __slots__ = ("_gains", "_measured", "_square", "count", "state", "tau")

    def __init__(self, tau: float) -> None:
        self.tau = tau
        self._gains = _steady(exp(-1.0 / tau))
        self._square = 0.0
        self._measured = 0
        self.state: State | None = None
        self.count = 0

    def restart(self) -> None:
        """Forget where the pulses were; how much they scatter is kept."""
        self.state = None
        self.count = 0

    @property
    def scatter(self) -> float:
        """Root mean square of the innovations, seconds; infinite while unknown."""
        return sqrt(max(self._square, _SMALLEST)) if self._measured > _BLIND else inf

    def innovation(self, second: int, phase: float) -> float:
        """How far a pulse is from where it was expected, seconds; 0 where nothing was."""
        return phase - extrapolated(self.state, second) if self.state is not None else 0.0

    def add(self, second: int, phase: float, noisier: float) -> None:
        """Take a pulse of a later second. noisier: how many times more than usual the pulses scatter now, at least 1."""
        state = self.state
        self.count += 1
        if state is None:
            self.state = (second, phase, 0.0, 0.0)
            return
        elapsed = second - state[0]
        expected = extrapolated(state, second)
        limit = _CLIP * noisier * self.scatter if self.count > _BLIND else inf  # a new line may begin anywhere
        cut = max(-limit, min(limit, phase - expected))
        if self.count > 3:
            self._measured += 1
            self._square += (min(cut * cut, 1.0) - self._square) / min(_MEMORY, self._measured)
        g, h, k = self._at(elapsed)
        velocity = state[2] + state[3] * elapsed
        self.state = (second, expected + g * cut, velocity + h * cut / elapsed, state[3] + k * cut / elapsed**2)

    def _at(self, elapsed: int) -> tuple[float, float, float]:
        """The gains: those of a least-squares parabola through all pulses while that is the longer memory, then the steady ones."""
        n = self.count - 1
        d = (n + 1) * (n + 2) * (n + 3)
        growing = 3 * (3 * n * n + 3 * n + 2) / d
        if growing > self._gains[0]:
            return growing, 18 * (2 * n + 1) / d, 60 / d if n > 1 else 0.0
        return self._gains if elapsed == 1 else _steady(exp(-elapsed / self.tau))


def _steady(fade: float) -> tuple[float, float, float]:
    return 1 - fade**3, 1.5 * (1 - fade) ** 2 * (1 + fade), (1 - fade) ** 3


def extrapolated(state: State, second: int) -> float:
    """The phase at a later second, seconds."""
    elapsed = second - state[0]
    return state[1] + state[2] * elapsed + 0.5 * state[3] * elapsed * elapsed
