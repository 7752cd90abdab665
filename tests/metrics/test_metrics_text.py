import math
from dataclasses import replace

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from testkit.shown import FakeSource, make_bare_status, make_status

from stratum1.control import Status
from stratum1.interchange import LockState
from stratum1.metrics import make_registry, render

SERVER = (
    *(f"ntp_server_{kind}_packets_total" for kind in ("received", "accepted", "denied", "ignored", "rate_limited")),
    "ntp_server_response_send_errors_total",
    *(f"ntp_server_nts_{kind}_packets_total" for kind in ("received", "accepted", "denied", "rate_limited", "nak")),
)
SYSTEM = (
    "ntp_system_stratum",
    "ntp_system_leap_indicator",
    "ntp_system_root_delay_seconds",
    "ntp_system_root_dispersion_seconds",
    "ntp_system_accumulated_steps_seconds",
    "ntp_system_accumulated_steps_threshold_seconds",
)
# Whatever has a sign says which: (metric, the words of its help)
SIGNED = (
    ("stratum1_offset_seconds", "positive means that ours is behind"),
    ("stratum1_source_offset_seconds", "positive means that ours is behind"),
    ("stratum1_frequency_ratio", "positive speeds our clock up"),
    ("stratum1_serial_delay_seconds", "positive: the sentence comes later"),
)


def _text(status: Status, accept: str = "") -> str:
    return render(make_registry(FakeSource(status)), accept)[0].decode()


def _samples(status: Status) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value for family in parse_text(_text(status)) for sample in family.samples
    }


def _value(status: Status, name: str, **labels: str) -> float:
    return _samples(status)[name, frozenset(labels.items())]


def test_ntpd_rs_names_and_labels_are_exact() -> None:
    status = make_status()
    samples = _samples(status)
    for name in SERVER:
        field = name.removeprefix("ntp_server_").removesuffix("_total").removesuffix("_packets")
        for listener in status.server.listeners:
            assert samples[name, frozenset({("listen_address", listener.listen_address)})] == getattr(listener, field)
    for name in SYSTEM:
        assert (name, frozenset()) in samples
    build = {"version": "0.1.0", "build_commit": "", "build_commit_date": ""}
    assert _value(status, "ntp_uptime_seconds", **build) == 5000.0


def test_values_are_the_status_in_base_units() -> None:
    status = make_status()
    assert _value(status, "stratum1_offset_seconds") == -37.2e-9
    assert _value(status, "stratum1_frequency_ratio") == pytest.approx(-19.87654e-6)
    assert _value(status, "stratum1_error_bound_seconds") == 1.26e-6
    assert _value(status, "stratum1_gnss_constellation_satellites_used", constellation="gps") == 3
    assert _value(status, "stratum1_gnss_constellation_satellites_seen", constellation="gps") == 4
    assert _value(status, "stratum1_gnss_best_carrier_to_noise_dbhz", constellation="gps") == 47
    assert _value(status, "stratum1_serial_delay_seconds", sentence="GNRMC") == 0.137
    assert _value(status, "stratum1_gnss_rejects_total", reason="checksum") == 3
    assert _value(status, "stratum1_refclock_rejected_edges_total", reason="no-fix") == 0
    assert _value(status, "stratum1_leap_file_expiry_timestamp_seconds") == 1814140800
    assert _value(status, "stratum1_pps_missed_pulses_total") == 10
    assert _value(status, "stratum1_server_version_packets_total", listen_address="[::]:11123", version="3") == 1000


@pytest.mark.parametrize("state", list(LockState))
def test_lock_state_is_one_hot(state: LockState) -> None:
    status = make_status()
    status = replace(status, lock=replace(status.lock, state=state))
    values = {other: _value(status, "stratum1_lock_state", stratum1_lock_state=other.value) for other in LockState}
    assert values == {other: float(other is state) for other in LockState}


def test_every_series_is_there_from_the_start() -> None:
    """A receiver and a pulse that have said nothing yet have the same series as busy ones (those that data names excepted)."""
    status = make_status()
    assert status.gnss is not None
    assert status.pps is not None
    assert status.refclock is not None
    silent = replace(
        status,
        discipline=None,
        time=replace(make_bare_status().time),
        gnss=replace(status.gnss, satellites=(), dop=None, position=None, utc=None),
        pps=replace(status.pps, jitter=None, last_edge=None),
        refclock=replace(status.refclock, pulse_width=None),
    )
    assert _samples(silent).keys() == _samples(status).keys()
    assert math.isnan(_value(silent, "stratum1_offset_seconds"))


def test_parts_that_are_not_configured_leave_the_rest() -> None:
    samples = _samples(make_bare_status())
    assert ("ntp_system_stratum", frozenset()) in samples
    assert ("stratum1_gnss_satellites_used", frozenset()) not in samples
    assert _value(make_bare_status(), "stratum1_error_bound_seconds") == math.inf


def test_both_formats_parse_and_every_family_has_help() -> None:
    openmetrics = list(parse_openmetrics(_text(make_status(), "application/openmetrics-text")))  # type: ignore[no-untyped-call]
    for families in (list(parse_text(_text(make_status()))), openmetrics):
        ours = [family for family in families if family.name.startswith(("ntp_", "stratum1_"))]
        assert len(ours) > 50
        assert [family.name for family in ours if not family.documentation] == []
        assert [family.name for family in ours if family.type not in ("gauge", "counter", "stateset")] == []


@pytest.mark.parametrize(("name", "words"), SIGNED)
def test_signs_are_told_by_the_help(name: str, words: str) -> None:
    helps = {family.name: family.documentation for family in parse_text(_text(make_status()))}
    assert words in helps[name]


def test_a_scrape_asks_for_one_snapshot() -> None:
    source = FakeSource(make_status())
    registry = make_registry(source)
    assert source.asked == 0
    render(registry, "")
    assert source.asked == 1


def test_hostile_label_values_stay_values() -> None:
    status = make_status()
    assert status.gnss is not None
    name = 'x"} 1\nfake_metric 2\\'
    status = replace(status, gnss=replace(status.gnss, rejects={name: 5}))
    assert _value(status, "stratum1_gnss_rejects_total", reason=name) == 5
    assert not [key for key in _samples(status) if key[0] == "fake_metric"]


def test_stability_has_a_series_for_each_figure_that_was_measured() -> None:
    status = make_status()
    labels = {"source": "refclock", "tau": "4"}
    assert _value(status, "stratum1_stability_deviation_ratio", clock="pulses", kind="adev", **labels) == 2.5e-7
    assert _value(status, "stratum1_stability_deviation_seconds", clock="steered", kind="mtie", **labels) == 3e-6
    assert _value(status, "stratum1_stability_samples", clock="steered", kind="tdev", **labels) == 899
    long = [dict(key[1]) for key in _samples(status) if ("tau", "512") in key[1] and key[0] != "stratum1_stability_samples"]
    assert long == [{"source": "refclock", "clock": "steered", "kind": "mtie", "tau": "512"}]


def test_every_source_has_its_letter_and_its_numbers() -> None:
    status = make_status()
    names = {"source": "ntp11.metas.ch", "kind": "server"}
    assert _value(status, "stratum1_source_state", **names, letter="D") == 1
    assert _value(status, "stratum1_source_root_distance_seconds", **names) == 4.1e-3
    assert _value(status, "stratum1_source_reachability_ratio", **names) == 7 / 8
    assert _value(status, "stratum1_source_weight_ratio", source="refclock", kind="receiver") == 1
    assert not any(name.startswith("stratum1_source") for name, _ in _samples(make_bare_status()))


def test_integrity_counts_every_group_from_the_start() -> None:
    status = make_status()
    assert _value(status, "stratum1_integrity_score", source="refclock") == 0.42
    assert _value(status, "stratum1_integrity_refused", source="refclock") == 0
    assert _value(status, "stratum1_integrity_evidence_ratio", source="refclock", kind="radio") == 0.6
    assert _value(status, "stratum1_integrity_evidence_ratio", source="refclock", kind="pulse") == 0
    assert _value(status, "stratum1_integrity_refusals_total", source="refclock") == 1
    assert math.isnan(_value(status, "stratum1_integrity_refused_since_timestamp_seconds", source="refclock"))
