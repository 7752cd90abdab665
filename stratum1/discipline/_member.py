"""One Kalman filter of phase, frequency and drift: a member of the jury (`_jury`), which holds one for each kind of crystal.

State: theta (reference minus our clock, seconds), f (the correction that would hold it still, s/s) and d (change of f a second).
Model over dt seconds, with c the correction that was in force: theta += (f - c) dt + d dt^2/2, f += d dt, and noise: f walks at
`wander` (s/s per square-root second), d at `drift` (s/s^2 per square-root second). Brown and Hwang, Random Signals, chapter 5, for the
equations; the noise is taken to enter at the end of each interval of one second, as a crystal that is looked at once a second shows it.
"""

__all__ = ["Member"]


class Member:
    """wander and drift: what this member believes the crystal does; drift 0.0 leaves out the third state."""

    __slots__ = ("_p00", "_p01", "_p02", "_p11", "_p12", "_p22", "d", "drift", "f", "gain", "innovation", "theta", "wander")

    def __init__(self, wander: float, drift: float) -> None:
        self.wander = wander
        self.drift = drift
        self.theta = self.f = self.d = self.innovation = 0.0
        self.gain = 1.0
        self._p00 = self._p01 = self._p02 = self._p11 = self._p12 = self._p22 = 0.0

    @property
    def phase_variance(self) -> float:
        """Variance of theta, s^2."""
        return self._p00

    @property
    def frequency_variance(self) -> float:
        """Variance of f, (s/s)^2."""
        return self._p11

    def begin(self, theta: float, f: float, phase_sigma: float, frequency_sigma: float, covariance: float) -> None:
        """Start from a measured line: values, their standard uncertainties, and the covariance of theta and f."""
        self.theta, self.f, self.d = theta, f, 0.0
        self._p00, self._p11, self._p01 = phase_sigma**2, frequency_sigma**2, covariance
        self._p02 = self._p12 = self._p22 = 0.0
        if self.drift:
            self._p22 = (self.drift * 30.0) ** 2  # what a walk of half an hour or so makes of it would take minutes to forget

    def predict(self, dt: float, applied: float) -> None:
        """Let dt seconds pass, in which the steering moved our clock by `applied` seconds against the crystal."""
        p01, p11 = self._p01, self._p11
        self.theta += self.f * dt - applied
        if not self.drift:
            self._p00 += dt * (2.0 * p01 + dt * p11) + self.wander**2 * dt * (dt - 1.0) * (2.0 * dt - 1.0) / 6.0
            self._p01 = p01 + dt * p11 + self.wander**2 * dt * (dt - 1.0) / 2.0
            self._p11 = p11 + self.wander**2 * dt
            return
        p02, p12, p22 = self._p02, self._p12, self._p22
        h = 0.5 * dt * dt
        self.theta += self.d * h
        self.f += self.d * dt
        q, s = self.wander**2, self.drift**2
        self._p00 += 2.0 * dt * p01 + dt * dt * p11 + 2.0 * h * (p02 + dt * p12) + h * h * p22
        self._p00 += q * dt * (dt - 1.0) * (2.0 * dt - 1.0) / 6.0 + s * max(0.0, dt - 1.0) ** 5 / 20.0
        self._p01 = (
            p01 + dt * (p11 + p02) + (h + dt * dt) * p12 + h * dt * p22 + q * dt * (dt - 1.0) / 2.0 + s * max(0.0, dt - 1.0) ** 4 / 8.0
        )
        self._p02 = p02 + dt * p12 + h * p22 + s * max(0.0, dt - 1.0) ** 3 / 6.0
        self._p11 = p11 + dt * (2.0 * p12 + dt * p22) + q * dt + s * max(0.0, dt - 1.0) ** 3 / 3.0
        self._p12 = p12 + dt * p22 + s * dt * max(0.0, dt - 1.0) / 2.0
        self._p22 = p22 + s * dt

    def update(self, offset: float, variance: float) -> None:
        """Correct by a measured offset (seconds) of this variance (s^2)."""
        p00, p01, p02 = self._p00, self._p01, self._p02
        total = p00 + variance
        innovation = self.innovation = offset - self.theta
        k0, k1 = p00 / total, p01 / total
        self.gain = k0
        self.theta += k0 * innovation
        self.f += k1 * innovation
        self._p00 = p00 * variance / total
        self._p01 = p01 * variance / total
        self._p11 = max(0.0, self._p11 - k1 * p01)
        if self.drift:
            k2 = p02 / total
            self.d += k2 * innovation
            self._p02 = p02 * variance / total
            self._p12 -= k2 * p01
            self._p22 = max(0.0, self._p22 - k2 * p02)

    def relax(self, share: float) -> None:
        """Keep this share of the drift: it is no guess for a time without samples."""
        self.d *= share
