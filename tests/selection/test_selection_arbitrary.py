"""Whatever is fed to the selection: no exception, finite numbers, an ordered clock, and the letters that the rule demands."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from stratum1.interchange import Leap, Reading, ReferenceHealth, Sample
from stratum1.selection import Own, Selection, SelectionSettings, SourceOptions, SourceState
from stratum1.timescale import NS, MonoNs, UtcNs

_ANY = st.floats(allow_nan=False, allow_infinity=False)
_MILD = st.floats(-1e-2, 1e-2)
_NAMES = st.sampled_from(["gps", "pps", "a", "b", "c", "d"])
_INSTANTS = st.one_of(st.integers(0, 200).map(lambda s: s * NS), st.integers(-(2**62), 2**62))
_CLOCKS = st.one_of(st.integers(-(10**6), 10**6), st.integers(-(2**62), 2**62))
_OPTIONS = st.builds(SourceOptions, st.booleans(), st.booleans(), st.booleans(), st.booleans())
_OWN = st.one_of(st.just(Own()), st.builds(Own, st.floats(0, 1e9), st.booleans()))
_SAMPLES = st.builds(
    Sample,
    _NAMES,
    _INSTANTS.map(MonoNs),
    st.one_of(_MILD, _ANY),
    st.one_of(st.floats(1e-9, 1e-3), _ANY),
    st.one_of(st.floats(0, 1e-2), _ANY),
    st.integers(-1, 20),
    st.just(b"abcd"),
    st.one_of(st.just(0.0), _ANY),
    st.one_of(st.just(1e-6), _ANY),
    st.integers(-(2**62), 2**62).map(UtcNs),
    st.sampled_from(Leap),
)


def _assert_finite(sample: Sample) -> None:
    numbers = (sample.offset, sample.sigma, sample.delay, sample.root_delay, sample.root_dispersion)
    assert all(math.isfinite(number) for number in numbers)
    assert sample.sigma > 0


def _assert_sound(selection: Selection, now: Reading, own: Own) -> None:
    report = selection.report(now, own)
    leaders = [each.name for each in report.sources if each.state is SourceState.SELECTED]
    assert leaders == ([report.selected] if report.selected else [])
    assert report.text
    for each in report.sources:
        assert each.text
        numbers = (each.offset, each.sigma, each.distance, each.jitter, each.delay, each.weight)
        assert all(number is None or math.isfinite(number) for number in numbers)
        assert 0 <= each.weight <= 1
        assert 0 <= each.reach <= 255
        assert not (each.options.noselect and each.state.value in "*+x-")


@settings(deadline=None, max_examples=200)
@given(
    st.integers(1, 3),
    st.dictionaries(_NAMES, _OPTIONS, max_size=3),
    st.lists(st.tuples(_SAMPLES, _CLOCKS, st.integers(0, 300), st.integers(-50, 50), _OWN, st.booleans()), max_size=40),
)
def test_arbitrary_samples(minimum: int, options: dict[str, SourceOptions], samples: list[tuple[Sample, int, int, int, Own, bool]]) -> None:
    selection = Selection(SelectionSettings(minimum, options), ("gps", "pps"))
    for sample, shift, reach, poll, own, usable in samples:
        clock = UtcNs(sample.at_ns + shift)
        selection.tell_health("gps", ReferenceHealth(True, usable, "" if usable else "why not"))
        found = selection.observe(sample, clock, own, reach, poll)
        if found is not None:
            assert found.at_ns == sample.at_ns
            _assert_finite(found)
        now = Reading(sample.at_ns, clock)
        _assert_sound(selection, now, own)
        selection.server_health(now)


@settings(deadline=None, max_examples=60)
@given(st.integers(3, 7), st.data())
def test_the_honest_majority_is_never_left_and_the_rest_is_told_apart(n: int, data: st.DataObject) -> None:
    """Fewer than half lie, each by more than the honest ones' distance: all liars are found, and no honest one is taken for one."""
    liars = data.draw(st.integers(0, (n - 1) // 2))
    lies = [data.draw(st.one_of(st.floats(0.02, 10.0), st.floats(-10.0, -0.02))) for _ in range(liars)]
    errors = [*lies, *(data.draw(st.floats(-3e-4, 3e-4)) for _ in range(n - liars))]
    selection = Selection(SelectionSettings())
    steered = []
    for poll in range(8):
        for number, error in enumerate(errors):
            at = MonoNs(poll * 16 * NS + number * 10_000_000)
            delay = 2e-3 + 1e-5 * ((poll * 7 + number * 3) % 5)
            sample = Sample(f"s{number}", at, error, 1e-6, delay, 1, b"abcd", 0.0, 1e-4, UtcNs(at), Leap.NONE)
            steered.append(selection.observe(sample, UtcNs(at), Own(), 0xFF, 4))
    now = Reading(MonoNs(7 * 16 * NS + NS), UtcNs(7 * 16 * NS + NS))
    states = {each.name: each.state for each in selection.report(now, Own()).sources}
    assert {name for name, state in states.items() if state is SourceState.FALSETICKER} == {f"s{number}" for number in range(liars)}
    assert all(abs(each.offset) < 2e-3 for each in steered if each is not None)
    assert steered[-1] is not None or states[f"s{n - 1}"] in (SourceState.OUTLIER, SourceState.TOO_FAR_TO_COMBINE)
