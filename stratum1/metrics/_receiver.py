"""What a receiver says of itself, and the sawtooth of its pulses, as metric families."""

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from stratum1.control import ReceiverTold, SawtoothStatus

from ._families import counter, flag, gauge, gauges

__all__ = ["receiver_families", "sawtooth_families"]

_ANTENNA = ("init", "unknown", "ok", "short", "open")
_JAMMING = ("unknown", "ok", "warning", "critical")
_SPOOFING = ("unknown", "none", "indicated", "affirmed")


def receiver_families(receiver: ReceiverTold) -> Iterator[Metric]:
    """Accuracy, survey, radio, spoofing."""
    yield gauge(
        "stratum1_gnss_time_accuracy_seconds", "The receiver's own estimate of its time's accuracy, seconds", receiver.time_accuracy
    )
    yield gauge(
        "stratum1_gnss_position_accuracy_metres",
        "The receiver's own estimate of its position's accuracy, metres",
        receiver.position_accuracy,
    )
    yield gauge(
        "stratum1_gnss_fixed_position", "1 while the receiver holds its position and solves for time only", flag(receiver.fixed_position)
    )
    yield gauge("stratum1_gnss_leap_seconds", "GPS minus UTC as the receiver is certain of it, seconds", receiver.leap_seconds)
    survey = receiver.survey
    yield gauge("stratum1_gnss_survey_active", "1 while the receiver surveys its position", flag(survey.active) if survey else None)
    yield gauge("stratum1_gnss_survey_valid", "1 once the survey is good enough to be used", flag(survey.valid) if survey else None)
    yield gauge("stratum1_gnss_survey_duration_seconds", "Time surveyed so far, seconds", survey.duration if survey else None)
    yield gauge("stratum1_gnss_survey_accuracy_metres", "Accuracy of the surveyed position, metres", survey.accuracy if survey else None)
    yield from _radio(receiver)
    yield gauge(
        "stratum1_gnss_spoofing_state",
        "What the receiver says of spoofing: 0 unknown, 1 none, 2 indicated, 3 affirmed",
        _SPOOFING.index(receiver.spoofing) if receiver.spoofing in _SPOOFING else None,
    )


def _radio(receiver: ReceiverTold) -> Iterator[Metric]:
    blocks = [(str(each.block), each) for each in receiver.radio]
    for name, text, words, value in (
        ("antenna", "State of the antenna: 0 starting, 1 unknown, 2 good, 3 short circuit, 4 open", _ANTENNA, "antenna"),
        ("jamming", "Interference: 0 unknown, 1 none, 2 warning, 3 critical", _JAMMING, "jamming"),
    ):
        states = [(block, float(words.index(word)) if (word := getattr(each, value)) in words else None) for block, each in blocks]
        yield gauges(f"stratum1_gnss_{name}_state", text, "block", states)
    yield gauges(
        "stratum1_gnss_jamming_indicator",
        "Strength of continuous interference, 0 to 255",
        "block",
        [(block, each.jamming_indicator) for block, each in blocks],
    )
    yield gauges(
        "stratum1_gnss_agc_ratio",
        "Gain of the receiver's input as a share of its range",
        "block",
        [(block, each.agc) for block, each in blocks],
    )
    yield gauges(
        "stratum1_gnss_noise_level", "Noise level as the receiver counts it", "block", [(block, each.noise) for block, each in blocks]
    )


def sawtooth_families(sawtooth: SawtoothStatus) -> Iterator[Metric]:
    """What was announced and corrected."""
    yield gauge("stratum1_sawtooth_in_use", "1 while pulses are corrected by what the receiver announces", flag(sawtooth.in_use))
    yield gauge(
        "stratum1_sawtooth_error_seconds", "Announced error of the last pulse, seconds; positive: the pulse comes late", sawtooth.last
    )
    yield gauge("stratum1_sawtooth_spread_seconds", "Root mean square of the announced errors, seconds", sawtooth.spread)
    yield gauge("stratum1_sawtooth_agreement_ratio", "Share of the announced errors that is seen in the pulses; 1: all", sawtooth.agreement)
    yield counter("stratum1_sawtooth_corrected_pulses", "Pulses corrected", sawtooth.corrected)
    yield counter("stratum1_sawtooth_uncorrected_pulses", "Pulses not corrected though others near them were", sawtooth.uncorrected)
    yield counter("stratum1_sawtooth_late_announcements", "Announcements that came after their pulse", sawtooth.late)
