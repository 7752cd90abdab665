"""The reference clock under anything at all: no sequence of inputs raises, and nothing that is not finite comes out."""

import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from refclock_world import START, Talk, World

from stratum1.gnss.events import Event, Fix, FixMode, TimeMark
from stratum1.interchange import KernelClockId, Reading
from stratum1.pps.events import Edge, EdgeKind
from stratum1.refclock import RefClock, RefClockSettings
from stratum1.timescale import NS, LeapTable, MonoNs, UtcNs

_INSTANT = st.one_of(st.integers(0, 3 * NS), st.integers(-(2**62), 2**62))
_EVENTS = st.one_of(
    st.tuples(st.just("edge"), _INSTANT, st.sampled_from(EdgeKind)),
    st.tuples(st.just("mark"), _INSTANT, st.integers(-(2**62), 2**62), st.booleans(), st.booleans(), st.sampled_from(["GNRMC", "GPGGA"])),
    st.tuples(st.just("fix"), _INSTANT, st.sampled_from(FixMode), st.booleans()),
    st.tuples(st.just("line"), _INSTANT, st.booleans()),
    st.tuples(st.just("run"), _INSTANT),
    st.tuples(st.just("step"), _INSTANT),
)


@settings(deadline=None, max_examples=150)
@given(st.booleans(), st.booleans(), st.booleans(), st.lists(_EVENTS, max_size=40))
def test_any_sequence_of_inputs_leaves_finite_samples_and_sentences(warm: bool, pulses: bool, leaps: bool, events: list[Any]) -> None:
    table = LeapTable((UtcNs(0), UtcNs((START + 30) * NS)), (37, 38), UtcNs(2**62)) if leaps else None
    clock = RefClock(RefClockSettings(has_pulse=pulses), table)
    world = World(Talk(kinds={"GNRMC": 0.0}))
    if warm:
        world.run(clock, 15)
    now = int(world.raw(world.second))
    for kind, instant, *rest in events:
        now = now + instant if abs(instant) <= 3 * NS else instant
        reading = Reading(MonoNs(now), UtcNs(now * 3))
        sample = None
        if kind == "edge":
            sample = clock.edge(Edge(rest[0], 0, now, KernelClockId.REALTIME, 0), reading)
        elif kind == "line":
            clock.line(rest[0], "gone")
        elif kind == "step":
            clock.clock_stepped(MonoNs(now))
        elif kind == "run":
            world.run(clock, 3)
        else:
            event: Event = (
                TimeMark(MonoNs(now), UtcNs(rest[0]), rest[3], rest[1], rest[2], 0)
                if kind == "mark"
                else Fix(MonoNs(now), None, rest[0], 0, 0, None, None, None, rest[1], 0)
            )
            sample = clock.gnss(event, reading)
        if sample is not None:
            assert all(math.isfinite(n) for n in (sample.offset, sample.sigma, sample.root_dispersion))
            assert sample.sigma > 0
        shown = clock.report(MonoNs(now))
        assert (shown.health.reason == "") is shown.health.usable
        assert all(math.isfinite(e.delay) and math.isfinite(e.spread) for e in shown.delays)
        assert all(len(text) > 20 for text in shown.alarms)
        assert all(math.isfinite(delay) for delay in clock.memory().values())
