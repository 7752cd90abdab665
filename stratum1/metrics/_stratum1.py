"""The stratum1_* families: lock, clock, receiver, pulse, reference clock, listeners."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, StateSetMetricFamily
from prometheus_client.metrics_core import Metric

from stratum1.control import GnssStatus, PpsStatus, RefclockStatus, SetupStatus, Status, TemperatureStatus, alarms
from stratum1.control.foresight import LearnedLaw
from stratum1.control.words import SETUP_WORDS
from stratum1.interchange import LockState
from stratum1.timescale import NS, UtcNs

from ._families import counter, counters, flag, gauge, gauges
from ._integrity import integrity_families
from ._listeners import listener_families
from ._nts import nts_families
from ._outputs import output_families
from ._receiver import receiver_families, sawtooth_families
from ._selection import selection_families
from ._stability import stability_families

__all__ = ["stratum1_families"]

_CONSTELLATIONS = {
    "G": "gps",
    "R": "glonass",
    "E": "galileo",
    "C": "beidou",
    "J": "qzss",
    "I": "navic",
    "S": "sbas",
}
_LEAP_SAYS = {"insert": 1.0, "delete": -1.0, "none": 0.0}
_OFFSET_SIGN = "reference minus our clock: positive means that ours is behind"
_FREQUENCY_SIGN = "the correction applied: positive speeds our clock up"


def stratum1_families(status: Status) -> Iterator[Metric]:
    """Everything beyond ntpd-rs's names. A part that is not configured has its families without series."""
    yield from _lock(status)
    yield from _clock(status)
    yield from _foresight(status)
    yield from _temperature(status.temperature) if status.temperature else ()
    yield from _leap(status)
    yield from _gnss(status.gnss) if status.gnss else ()
    yield from _pps(status.pps) if status.pps else ()
    yield from _refclock(status.refclock) if status.refclock else ()
    yield from listener_families(status.server)
    yield from selection_families(status.selection)
    yield from stability_families(status.stability)
    yield from integrity_families(status.integrity)
    yield from output_families(status.outputs)
    yield from nts_families(status.nts_ke)


def _timestamp(instant: UtcNs | None) -> float | None:
    return None if instant is None else instant / NS


def _lock(status: Status) -> Iterator[Metric]:
    states = {state.value: state is status.lock.state for state in LockState}
    yield StateSetMetricFamily("stratum1_lock_state", "What the server knows about the time: one state is 1, the others 0", value=states)
    yield gauge(
        "stratum1_lock_state_since_timestamp_seconds", "Unix time at which the lock state was entered", _timestamp(status.lock.since)
    )
    yield gauge(
        "stratum1_in_specification", "1 while the error bound is within the configured limit, else 0", flag(status.lock.in_specification)
    )
    yield gauge("stratum1_alarms", "Alarms that need a person; the status page and `stratum1 status` say them", len(alarms(status)))
    yield gauge("stratum1_simulated", "1 if the receiver is simulated: the time served is invented", flag(status.simulated))


def _clock(status: Status) -> Iterator[Metric]:
    time, discipline = status.time, status.discipline
    yield gauge("stratum1_offset_seconds", f"Last measured offset, seconds; {_OFFSET_SIGN}", time.offset)
    yield gauge("stratum1_offset_sigma_seconds", "Standard deviation of the last measured offset's random error, seconds", time.sigma)
    yield gauge("stratum1_error_bound_seconds", "Bound that the absolute error of our clock stays below now, seconds", time.error_bound)
    yield gauge(
        "stratum1_error_bound_growth_ratio", "Growth of the error bound without further measurements, seconds per second", time.bound_rate
    )
    yield gauge("stratum1_frequency_ratio", f"Frequency correction, seconds per second; {_FREQUENCY_SIGN}", time.frequency_ppm * 1e-6)
    yield gauge("stratum1_precision_seconds", "Time that a reading of the clock takes, seconds", 2.0**time.precision)
    yield counter("stratum1_clock_steps", "Times that the clock was stepped since the start", time.steps)
    wander = discipline.wander_ppm if discipline else None
    yield gauge(
        "stratum1_jitter_seconds",
        "Root mean square of the offsets that the discipline sees, seconds",
        discipline.jitter if discipline else None,
    )
    yield gauge("stratum1_wander_ratio", "Wander of the frequency, seconds per second", None if wander is None else wander * 1e-6)
    yield gauge(
        "stratum1_discipline_time_constant_seconds",
        "Time constant of the discipline, seconds",
        discipline.time_constant if discipline else None,
    )


def _foresight(status: Status) -> Iterator[Metric]:
    crystal, holdover = status.crystal, status.holdover
    warmth, ageing = (crystal.warmth, crystal.ageing) if crystal else (None, None)
    per_degree = "Change of the frequency correction with temperature, seconds per second and degree Celsius"
    yield gauge("stratum1_temperature_coefficient_ratio", per_degree, _parts(warmth, warmth.value if warmth else None))
    yield gauge(
        "stratum1_temperature_coefficient_sigma_ratio", "Its standard uncertainty", _parts(warmth, warmth.sigma if warmth else None)
    )
    yield gauge(
        "stratum1_ageing_ratio",
        "Lasting change of the frequency correction in a day, seconds per second",
        _parts(ageing, ageing.value if ageing else None),
    )
    yield gauge("stratum1_ageing_sigma_ratio", "Its standard uncertainty", _parts(ageing, ageing.sigma if ageing else None))
    yield gauge("stratum1_holdover_age_seconds", "Seconds since the last sample that was used", holdover.age if holdover else None)
    yield gauge(
        "stratum1_holdover_limit_seconds",
        "Error bound at which the time is no longer claimed to be known",
        holdover.limit if holdover else None,
    )
    yield gauge(
        "stratum1_holdover_remaining_seconds",
        "Seconds until the error bound would reach the limit without any more samples; NaN for a week or more, and while nothing is known",
        holdover.remaining if holdover else None,
    )


def _parts(law: LearnedLaw | None, value: float | None) -> float | None:
    return None if law is None or law.sigma is None or value is None else value * 1e-6


def _temperature(temperature: TemperatureStatus) -> Iterator[Metric]:
    yield gauges(
        "stratum1_temperature_celsius",
        "Temperature of the sensor that stands for the crystal's, degrees Celsius; NaN without a reading",
        "sensor",
        [(temperature.sensor, temperature.celsius)] if temperature.sensor else [],
    )


def _leap(status: Status) -> Iterator[Metric]:
    time = status.time
    yield gauge(
        "stratum1_reference_timestamp_seconds", "Unix time of the last measurement that steered the clock", _timestamp(time.reference_time)
    )
    yield gauge("stratum1_tai_offset_seconds", "TAI minus UTC, seconds", time.tai_offset)
    yield gauge(
        "stratum1_leap_file_expiry_timestamp_seconds",
        "Unix time at which the list of leap seconds expires",
        _timestamp(time.leap_file_expires),
    )
    leap = time.next_leap
    yield gauge(
        "stratum1_next_leap_timestamp_seconds",
        "Unix time right after the leap second to come; NaN for none known",
        _timestamp(leap.at) if leap else None,
    )
    yield gauge("stratum1_next_leap_sign", "Leap second to come: 1 inserted, -1 deleted, 0 for none known", leap.sign if leap else 0)
    yield gauges(
        "stratum1_leap_witness",
        "What list, receiver and sources say of the next leap second: 1 inserted, -1 deleted, 0 none; NaN where one does not speak",
        "witness",
        [(each.witness, _LEAP_SAYS.get(each.says)) for each in (status.leaps.witnesses if status.leaps else ())],
    )


def _gnss(gnss: GnssStatus) -> Iterator[Metric]:
    yield gauge("stratum1_gnss_line_open", "1 while the receiver's serial line is open, else 0", flag(gnss.line.open))
    yield gauge("stratum1_gnss_fix_mode", "Kind of fix: 0 unknown, 1 none, 2 two-dimensional, 3 three-dimensional", gnss.mode)
    yield gauge("stratum1_gnss_time_trusted", "1 once the receiver's date is confirmed by consecutive consistent fixes", flag(gnss.trusted))
    yield gauge("stratum1_gnss_time_timestamp_seconds", "Unix time of the receiver's last epoch", _timestamp(gnss.utc))
    yield gauge("stratum1_gnss_week_rollovers", "Times 1024 weeks added to the receiver's dates", gnss.rollovers)
    yield gauge("stratum1_gnss_satellites_used", "Satellites used in the fix", gnss.satellites_used)
    yield gauge("stratum1_gnss_satellites_seen", "Satellites in view", gnss.satellites_seen)
    yield from _constellations(gnss)
    for name in ("pdop", "hdop", "vdop"):
        yield gauge(f"stratum1_gnss_{name}", f"Dilution of precision ({name[0].upper()}DOP)", getattr(gnss.dop, name) if gnss.dop else None)
    yield counters("stratum1_gnss_sentences", "Sentences and UBX messages, by kind", "sentence", gnss.sentences)
    yield from _setup(gnss.setup) if gnss.setup else ()
    yield counters("stratum1_gnss_rejects", "Sentences rejected, by reason", "reason", gnss.rejects)
    yield from receiver_families(gnss.receiver)


def _setup(setup: SetupStatus) -> Iterator[Metric]:
    states = {state: state == setup.state for state in SETUP_WORDS}
    yield StateSetMetricFamily(
        "stratum1_receiver_setup_state", "How the set-up of the receiver stands: one state is 1, the others 0", value=states
    )
    words = {"model": setup.model, "firmware": setup.firmware, "protocol": setup.protocol, "generation": str(setup.generation or "")}
    info = GaugeMetricFamily("stratum1_receiver_info", "1, with the receiver in its own words, empty while unknown", labels=list(words))
    info.add_metric(list(words.values()), 1)
    yield info
    yield gauge("stratum1_receiver_setup_refused", "Things that the receiver is not set to, since it refuses them", len(setup.refused))
    yield counter("stratum1_receiver_setup_changes", "Things that were written to the receiver since the start", setup.changes)


def _constellations(gnss: GnssStatus) -> Iterator[Metric]:
    for name, text, chosen in (
        ("used", "Satellites used in the fix, by constellation", [each for each in gnss.satellites if each.used]),
        ("seen", "Satellites in view, by constellation", list(gnss.satellites)),
    ):
        letters = [each.constellation for each in chosen]
        values = [(full, float(letters.count(letter))) for letter, full in _CONSTELLATIONS.items()]
        yield gauges(f"stratum1_gnss_constellation_satellites_{name}", text, "constellation", values)
    best = [
        (full, max((each.cn0 for each in gnss.satellites if each.constellation == letter and each.cn0 is not None), default=None))
        for letter, full in _CONSTELLATIONS.items()
    ]
    yield gauges(
        "stratum1_gnss_best_carrier_to_noise_dbhz", "Strongest signal (C/N0) by constellation, dB-Hz; NaN for none", "constellation", best
    )


def _pps(pps: PpsStatus) -> Iterator[Metric]:
    yield counter("stratum1_pps_pulses", "Pulses seen since the start", pps.pulses)
    yield counter("stratum1_pps_missed_pulses", "Pulses missed since the start", pps.missed)
    yield gauge("stratum1_pps_jitter_seconds", "Standard deviation of the pulses' spacing from whole seconds, seconds", pps.jitter)
    yield gauge("stratum1_pps_last_edge_timestamp_seconds", "Unix time of the last pulse", _timestamp(pps.last_edge))


def _refclock(refclock: RefclockStatus) -> Iterator[Metric]:
    yield gauge("stratum1_refclock_usable", "1 while the reference clock may steer, else 0", flag(refclock.usable))
    yield gauge(
        "stratum1_refclock_pulse_width_seconds", "Width of the pulse, seconds; NaN where only one edge is seen", refclock.pulse_width
    )
    yield counters("stratum1_refclock_rejected_edges", "Edges refused, by reason", "reason", refclock.rejected)
    yield from sawtooth_families(refclock.sawtooth)
    delays = refclock.delays
    yield gauges(
        "stratum1_serial_delay_seconds",
        "Learned time from the pulse to the sentence's first byte, seconds; positive: the sentence comes later",
        "sentence",
        [(each.sentence, each.delay) for each in delays],
    )
    yield gauges(
        "stratum1_serial_delay_spread_seconds",
        "Standard deviation of the learned serial delay, seconds",
        "sentence",
        [(each.sentence, each.spread) for each in delays],
    )
