"""What is said of the clock, the time of day and the leap seconds."""

import dataclasses
import hashlib
from pathlib import Path

import pytest
from host_tree import NOW, Tree, config, only

from stratum1.clock import ClockError, Timex
from stratum1.doctor._clock import (
    check_battery_clock,
    check_clock_privilege,
    check_clocksource,
    check_governor,
    check_kernel_clock,
    check_leap_list,
    check_nohz,
    check_time_of_day,
)
from stratum1.leaplist import packaged_list
from stratum1.timescale import NS, NTP_UNIX_OFFSET, UtcNs, from_rfc3339

LEAPS = "/usr/share/zoneinfo/leap-seconds.list"
UPUTRONICS = 'hat = "uputronics"\ndevice = "/dev/ttyAMA0"'


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "root")


def test_root_may_set_the_clock_and_others_may_not(tree: Tree) -> None:
    assert only(check_clock_privilege(config(), tree.host())).level == "ok"
    tree.caller(64990)
    finding = only(check_clock_privilege(config(), tree.host()))
    assert finding.level == "failure"
    assert 'control = "virtual"' in finding.remedy


def test_the_unit_gives_the_privilege(tree: Tree) -> None:
    tree.caller(64990)
    tree.unit()
    assert only(check_clock_privilege(config(), tree.host())).level == "ok"


@pytest.mark.parametrize(
    ("timex", "level"),
    [
        (Timex(freq=-(12 << 16), tolerance=500 << 16, tick=10_000), "ok"),
        (Timex(freq=499 << 16, tolerance=500 << 16, tick=10_000), "warning"),
        (Timex(freq=-(500 << 16), tolerance=500 << 16, tick=10_000), "warning"),
        (Timex(), "failure"),
    ],
)
def test_the_kernels_correction_needs_room(tree: Tree, timex: Timex, level: str) -> None:
    assert only(check_kernel_clock(config(), tree.host(timex=timex))).level == level


def test_a_sandbox_that_forbids_the_call_is_told(tree: Tree) -> None:
    def refuse() -> Timex:
        raise ClockError("clock_adjtime failed: Operation not permitted; a sandbox forbids it")

    host = dataclasses.replace(tree.host(), timex=refuse)
    assert only(check_kernel_clock(config(), host)).text.startswith("clock_adjtime failed")


@pytest.mark.parametrize(("now", "level"), [(NOW, "ok"), (UtcNs(0), "warning"), (from_rfc3339("2017-04-09"), "warning")])
def test_a_time_before_the_build_is_impossible(tree: Tree, now: UtcNs, level: str) -> None:
    assert only(check_time_of_day(config(), tree.host(now))).level == level


def test_a_battery_clock_is_looked_for(tree: Tree) -> None:
    missing = only(check_battery_clock(config(receiver=UPUTRONICS), tree.host()))
    assert missing.level == "warning"
    assert "dtoverlay=i2c-rtc,rv3028" in missing.remedy
    assert "Nothing has to be done" in only(check_battery_clock(config(), tree.host())).remedy
    tree.file("/sys/class/rtc/rtc0/name", "rpi_rtc soc\n")
    tree.file("/sys/class/rtc/rtc0/since_epoch", f"{NOW // NS}\n")
    assert only(check_battery_clock(config(), tree.host())).level == "ok"
    tree.file("/sys/class/rtc/rtc0/since_epoch", "86411\n")
    assert only(check_battery_clock(config(), tree.host())).remedy == "Its battery is empty: replace it."


def leap_list(expires: str, damage: str = "") -> str:
    packaged = packaged_list()
    rows = [(start // NS + NTP_UNIX_OFFSET, offset) for start, offset in zip(packaged.starts, packaged.offsets, strict=True)]
    until = from_rfc3339(expires) // NS + NTP_UNIX_OFFSET
    digest = hashlib.sha1((str(until) + "".join(f"{start}{offset}" for start, offset in rows)).encode(), usedforsecurity=False).hexdigest()
    words = " ".join(digest[index : index + 8] for index in range(0, 40, 8))
    return "\n".join([f"#@ {until}", *(f"{start} {offset}{damage}" for start, offset in rows), f"#h {words}", ""])


@pytest.mark.parametrize(
    ("text", "level", "told"),
    [
        (leap_list("2027-12-28"), "ok", "is valid until 2027-12-28; TAI is UTC + 37 s"),
        (leap_list("2027-03-20"), "ok", "is valid for 18 more days"),
        (leap_list("2026-12-28"), "warning", "expired on 2026-12-28"),
        (leap_list("2027-12-28", damage="1"), "failure", "is damaged: "),
        ("<html>", "failure", "is damaged: "),
        (leap_list("2026-12-28").replace("3692217600", "3692217601"), "failure", "is damaged: "),
        (None, "warning", "the copy that comes with stratum1 is used"),
    ],
)
def test_the_list_of_leap_seconds(tree: Tree, text: str | None, level: str, told: str) -> None:
    if text is not None:
        tree.file(LEAPS, text)
    finding = only(check_leap_list(config(), tree.host()))
    assert finding.level == level
    assert told in finding.text
    assert bool(finding.remedy) == ("TAI is" not in told)


@pytest.mark.parametrize(
    ("source", "available", "level", "remedy"),
    [
        ("arch_sys_counter", "arch_sys_counter", "ok", ""),
        ("hpet", "hpet acpi_pm tsc", "warning", "clocksource=tsc"),
        ("acpi_pm", "acpi_pm", "warning", "dmesg"),
    ],
)
def test_the_counter_behind_the_clock(tree: Tree, source: str, available: str, level: str, remedy: str) -> None:
    folder = "/sys/devices/system/clocksource/clocksource0"
    assert list(check_clocksource(config(), tree.host())) == []
    tree.file(f"{folder}/current_clocksource", source)
    tree.file(f"{folder}/available_clocksource", available)
    finding = only(check_clocksource(config(), tree.host()))
    assert (finding.level, remedy in finding.remedy) == (level, True)


@pytest.mark.parametrize(("governor", "level"), [("performance", "ok"), ("ondemand", "ok"), ("powersave", "warning")])
def test_the_frequency_governor(tree: Tree, governor: str, level: str) -> None:
    assert list(check_governor(config(), tree.host())) == []
    tree.file("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", f"{governor}\n")
    finding = only(check_governor(config(), tree.host()))
    assert (finding.level, bool(finding.remedy)) == (level, governor != "performance")


def test_the_tick_is_information_only(tree: Tree) -> None:
    before = only(check_nohz(config(), tree.host()))
    tree.file("/proc/cmdline", "root=/dev/mmcblk0p2 nohz=off\n")
    after = only(check_nohz(config(), tree.host()))
    assert (before.level, after.level) == ("ok", "ok")
    assert after.text.startswith("nohz=off")
