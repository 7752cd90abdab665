"""The look at a PPS device that changes nothing, through the real ioctl calls."""

import errno
import struct
import threading
import time
from pathlib import Path

import pytest
from testkit.fakepps import ASSERT_ONLY, FETCH, GETCAP, SETPARAMS, FakePps

from stratum1.pps import EdgeKind, PpsError, PpsProbe, probe_device

SECOND = 1_800_000_000 * 10**9


@pytest.fixture
def fake(tmp_path: Path) -> FakePps:
    return FakePps(tmp_path / "pps0")


def probed(fake: FakePps, seconds: float = 0.05) -> PpsProbe:
    return fake.call(lambda: probe_device(str(fake.path), seconds))


def test_it_tells_the_capabilities_and_sets_nothing(fake: FakePps) -> None:
    probe = probed(fake)
    assert probe.can_capture == frozenset(EdgeKind)
    assert probe.captures == {EdgeKind.ASSERT}
    assert (fake.calls[GETCAP], fake.calls[SETPARAMS]) == (1, 0)


def test_a_silent_device_has_no_pulses(fake: FakePps) -> None:
    fake.count(41)
    probe = probed(fake)
    assert probe.pulses[EdgeKind.ASSERT] == 0
    assert probe.total[EdgeKind.ASSERT] == 41
    assert probe.seconds == 0.05


def test_pulses_are_counted_while_it_looks_also_over_the_wrap_of_the_count(fake: FakePps) -> None:
    fake.count(0xFFFF_FFFF)

    def beat() -> None:
        while not fake.calls[FETCH]:
            time.sleep(0.001)
        time.sleep(0.1)  # the first FETCH has been answered by now
        fake.pulse(SECOND)
        fake.pulse(SECOND + 10**9)

    beating = threading.Thread(target=beat)
    beating.start()
    probe = probed(fake, 0.5)
    beating.join()
    assert probe.pulses == {EdgeKind.ASSERT: 2, EdgeKind.CLEAR: 0}
    assert probe.total[EdgeKind.ASSERT] == 1


def test_an_offset_that_another_program_set_is_seen(fake: FakePps) -> None:
    fake.params = struct.pack("@iiqiIqiI", 1, 0x1011, -1, 999_999_000, 0, 0, 0, 0)
    assert probed(fake).offset_ns == -1000


def test_one_edge_only(tmp_path: Path) -> None:
    assert probed(FakePps(tmp_path / "pps0", ASSERT_ONLY)).can_capture == {EdgeKind.ASSERT}


def test_a_file_is_no_device(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PpsError, match="is not a PPS device"):
        probe_device(str(tmp_path / "file"), 0.05)


def test_a_missing_device_is_told(tmp_path: Path) -> None:
    with pytest.raises(PpsError, match="can't be opened: No such file"):
        probe_device(str(tmp_path / "pps0"), 0.05)


def test_a_refusal_is_told(fake: FakePps) -> None:
    fake.refusals[GETCAP] = errno.EIO
    with pytest.raises(PpsError, match="Input/output error"):
        probed(fake)
