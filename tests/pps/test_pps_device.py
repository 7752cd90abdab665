"""A PPS device through its real ioctl calls, answered by the fake device, and what is said when it can't be used."""

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from testkit.fakepps import ALL, ASSERT_ONLY, FETCH, GETCAP, GETPARAMS, SETPARAMS, FakePps

from stratum1.interchange import KernelClockId
from stratum1.pps import Edge, EdgeKind, PpsDevice, PpsError, PpsGoneError

SECOND = 1_800_000_000 * 10**9


@pytest.fixture
def fake(tmp_path: Path) -> FakePps:
    return FakePps(tmp_path / "pps0")


def opened(fake: FakePps, edge: EdgeKind = EdgeKind.ASSERT) -> PpsDevice:
    return fake.call(lambda: PpsDevice(str(fake.path), edge))


def test_both_edges_are_captured(fake: FakePps) -> None:
    device = opened(fake)
    assert device.captures == frozenset(EdgeKind)
    assert set(device.capabilities) >= {"CAPTUREASSERT", "CAPTURECLEAR", "CANWAIT", "TSFMT_TSPEC"}
    assert device.notes == ()
    assert fake.calls[SETPARAMS] == 1
    device.close()


def test_edges_carry_the_kernels_stamp_and_count(fake: FakePps) -> None:
    fake.count(41)

    def session() -> list[tuple[EdgeKind, int, int, KernelClockId, int]]:
        device = PpsDevice(str(fake.path))
        fake.count(44)
        fake.pulse(SECOND)
        fake.pulse(SECOND + 10**8, "clear")
        edges = [*device.read(0.02), *_after(fake, device, SECOND + 10**9)]
        device.close()
        return [(e.kind, e.sequence, e.stamp_ns, e.clock, e.missed) for e in edges]

    # The two first came while nobody waited: the kernel shows them with the next edge, which replaces the older assert.
    assert fake.call(session) == [
        (EdgeKind.CLEAR, 1, SECOND + 10**8, KernelClockId.REALTIME, 0),
        (EdgeKind.ASSERT, 46, SECOND + 10**9, KernelClockId.REALTIME, 4),
    ]


def _after(fake: FakePps, device: PpsDevice, stamp_ns: int) -> tuple[Edge, ...]:
    def send() -> None:
        fake.await_reader()
        fake.pulse(stamp_ns)

    sender = threading.Thread(target=send)
    sender.start()
    edges = device.read(5.0)
    sender.join()
    return edges


def test_timeout_is_no_edge_and_no_error(fake: FakePps) -> None:
    device = opened(fake)
    assert fake.call(lambda: device.read(0.02)) == ()
    device.close()


def test_device_without_clear_edges_is_used_and_says_so(tmp_path: Path) -> None:
    device = opened(FakePps(tmp_path / "pps0", capabilities=ASSERT_ONLY))
    assert device.captures == {EdgeKind.ASSERT}
    assert any("PPS_CAPTURECLEAR" in note and "capture_clear" in note for note in device.notes)
    device.close()


def test_settings_that_are_right_already_are_left_alone(tmp_path: Path) -> None:
    fake = FakePps(tmp_path / "pps0", capabilities=ASSERT_ONLY)
    opened(fake).close()
    assert fake.calls[GETPARAMS] == 1
    assert fake.calls[SETPARAMS] == 0


def test_without_cap_sys_time_the_device_is_used_as_it_is(fake: FakePps) -> None:
    fake.refusals[SETPARAMS] = errno.EPERM
    device = opened(fake)
    assert device.captures == {EdgeKind.ASSERT}
    assert any("CAP_SYS_TIME" in note for note in device.notes)
    device.close()


@pytest.mark.parametrize(
    ("capabilities", "edge", "words"),
    [
        (ASSERT_ONLY, EdgeKind.CLEAR, "PPS_CAPTURECLEAR"),
        (ALL & ~0x1, EdgeKind.ASSERT, 'pps-edge = "clear"'),
        (ALL & ~0x1000 | 0x2000, EdgeKind.ASSERT, "PPS_TSFMT_TSPEC"),
    ],
)
def test_missing_capability_is_explained(tmp_path: Path, capabilities: int, edge: EdgeKind, words: str) -> None:
    with pytest.raises(PpsError, match=words):
        opened(FakePps(tmp_path / "pps0", capabilities=capabilities), edge)


def test_needed_edge_that_may_not_be_set_is_explained(fake: FakePps) -> None:
    fake.refusals[SETPARAMS] = errno.EPERM
    with pytest.raises(PpsError, match=r"clear edge.*CAP_SYS_TIME"):
        opened(fake, EdgeKind.CLEAR)


def test_device_that_does_not_say_canwait_is_used_with_a_note(tmp_path: Path) -> None:
    device = opened(FakePps(tmp_path / "pps0", capabilities=ALL & ~0x100))
    assert any("PPS_CANWAIT" in note for note in device.notes)
    device.close()


@pytest.mark.parametrize("request_number", [GETCAP, GETPARAMS, FETCH])
def test_errors_of_the_kernel_name_the_device(fake: FakePps, request_number: int) -> None:
    fake.refusals[request_number] = errno.EIO
    with pytest.raises(PpsError, match="pps0"):
        opened(fake)


def test_no_descriptor_is_lost_on_a_failed_opening(fake: FakePps) -> None:
    fake.refusals[GETPARAMS] = errno.EIO
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with pytest.raises(PpsError):
            fake.call(lambda: PpsDevice(str(fake.path)))
    # Each call leaves one listener until its supervisor has seen the end of the filtered thread.
    assert len([name for name in os.listdir("/proc/self/fd") if _points_to(name, fake.path)]) == 0
    assert len(os.listdir("/proc/self/fd")) <= before + 5


def _points_to(descriptor: str, path: Path) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}") == str(path)
    except OSError:
        return False


def test_removed_device_is_noticed(fake: FakePps) -> None:
    device = opened(fake)
    fake.remove()
    with pytest.raises(PpsGoneError, match="vanished"):
        fake.call(lambda: device.read(0.02))
    device.close()


def test_device_made_anew_under_the_same_name_is_noticed(fake: FakePps) -> None:
    device = opened(fake)
    fake.remove()
    fake.restore()
    with pytest.raises(PpsGoneError):
        fake.call(lambda: device.read(0.02))
    device.close()


def test_failing_fetch_is_a_device_that_is_gone(fake: FakePps) -> None:
    device = opened(fake)
    fake.refusals[FETCH] = errno.ENODEV
    with pytest.raises(PpsGoneError, match="No such device"):
        fake.call(lambda: device.read(0.02))
    device.close()


def test_missing_device_names_the_overlay(tmp_path: Path) -> None:
    with pytest.raises(PpsError, match=r"is missing.*dtoverlay=pps-gpio"):
        PpsDevice(str(tmp_path / "pps0"))


def test_other_file_is_not_a_pps_device(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (str(tmp_path / "file"), "/dev/null"):
        with pytest.raises(PpsError, match="is not a PPS device"):
            PpsDevice(path)


def test_forbidden_device_names_the_udev_rule(tmp_path: Path) -> None:
    (tmp_path / "pps0").touch(mode=0o000)
    tmp_path.chmod(0o755)
    program = (
        "import os, sys\n"
        "from stratum1.pps import PpsDevice, PpsError\n"
        "if os.getuid() == 0: os.setuid(65534)\n"
        "try: PpsDevice(sys.argv[1])\n"
        "except PpsError as error: print(error)\n"
    )
    # By a descriptor of the directory: an unprivileged user may not walk through the temporary directories above it.
    directory = os.open(tmp_path, os.O_RDONLY)
    path = f"/proc/self/fd/{directory}/pps0"
    answer = subprocess.run([sys.executable, "-c", program, path], pass_fds=(directory,), capture_output=True, text=True, check=True)
    os.close(directory)
    assert "udev rule" in answer.stdout


def test_a_program_of_its_own_reads_the_fake_device(fake: FakePps) -> None:
    program = (
        "import sys\n"
        "from stratum1.pps import PpsDevice\n"
        "device = PpsDevice(sys.argv[1])\n"
        "for _ in range(3):\n"
        "    for edge in device.read(10): print(edge.kind, edge.sequence, edge.stamp_ns, edge.missed, flush=True)\n"
    )
    process = fake.spawn([sys.executable, "-c", program, str(fake.path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for number, (kind, delay) in enumerate((("assert", 0), ("clear", 10**8), ("assert", 10**9))):
        fake.await_reader(20)
        fake.pulse(SECOND + delay, "clear" if kind == "clear" else "assert")
        assert process.stdout.readline().split() == [kind, str(1 + number // 2), str(SECOND + delay), "0"]
    assert process.wait(10) == 0
    process.stdout.close()
