from testkit.shown import make_bare_status, make_status

from stratum1.web._view import make_view


def test_figures_become_rows_and_curves() -> None:
    view = make_view(make_status(), {})
    assert view.shown["stability"]
    rows = view.rows["stability"]
    assert rows[0] == ["pulses", "1 s", "1.00e-06", "600 ns", "20.0 µs", "4\N{NARROW NO-BREAK SPACE}998"]
    assert rows[-1] == ["our clock", "8 min 32 s", "–", "–", "3.10 µs", "389"]
    curves = view.data["stability"]
    assert set(curves) == {"adev_pulses", "adev_clock", "tdev_clock", "mtie_clock"}
    assert curves["adev_pulses"][2] == [4, 2.5e-7]
    assert curves["mtie_clock"][-1] == [512, 3.1e-6]
    assert len(curves["tdev_clock"]) == 7


def test_nothing_measured_is_nothing_shown() -> None:
    view = make_view(make_bare_status(), {})
    assert not view.shown["stability"]
    assert view.rows["stability"] == []
    assert all(curve == [] for curve in view.data["stability"].values())
