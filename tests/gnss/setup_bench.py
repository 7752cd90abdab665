"""What the tests of the set-up share."""

from testkit.ublox import Bench, Ublox

from stratum1.gnss.setup import SetupMachine, SetupState, SetupWish

__all__ = ["GENERATIONS", "WISH", "bench", "state"]

GENERATIONS = (6, 7, 8, 9, 10)
WISH = SetupWish(pulse_polarity="rising", cable_delay=35, constellations=None)


def state(line: Bench) -> SetupState:
    return line.machine.report.state


def bench(receiver: Ublox, wish: SetupWish = WISH, seconds: float = 120.0) -> Bench:
    line = Bench(SetupMachine(wish), receiver)
    line.open()
    line.run(seconds)
    return line
