"""The GPIO fallback: the text that names a line, and periphery's real code on an emulated chip."""

import queue
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from periphery import EdgeEvent
from testkit.fakegpio import FakeGpio

from stratum1.interchange import KernelClockId
from stratum1.pps import Edge, EdgeKind, GpioEdges, GpioLine, GpioSyntaxError, PpsError, PpsGoneError, PpsState, parse_gpio_line
from stratum1.pps._gpio import GpioSource, edge_of_event
from stratum1.pps._reader import EdgeReader

SECOND = 1_800_000_000 * 10**9
_REALTIME_FLAG, _INPUT, _BOTH_EDGES = 0x800, 0x4, 0x30


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [("gpiochip0:18", "/dev/gpiochip0", 18), ("/dev/gpiochip4:4", "/dev/gpiochip4", 4), ("gpiochip10:0", "/dev/gpiochip10", 0)],
)
def test_text_names_chip_and_line(text: str, path: str, line: int) -> None:
    assert parse_gpio_line(text) == GpioLine(path, line)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gpiochip0", "a colon"),
        ("", "a colon"),
        (":18", "the chip is ''"),
        ("gpio0:18", "the chip is 'gpio0'"),
        ("gpiochip:18", "the chip is 'gpiochip'"),
        ("../gpiochip0:18", "the chip is"),
        ("gpiochip0:", "the line is ''"),
        ("gpiochip0:GPIO18", "the line is 'GPIO18'"),
        ("gpiochip0:-1", "the line is '-1'"),
        ("gpiochip0:1 8", "the line is '1 8'"),
        ("gpiochip0:18\n", "the line is"),
        ("gpiochip0:٣", "the line is"),
        ("gpiochip0:1024", "0 to 1023"),
    ],
)
def test_error_says_which_part_is_wrong(text: str, words: str) -> None:
    with pytest.raises(GpioSyntaxError, match=words):
        parse_gpio_line(text)


@given(st.text(max_size=30) | st.from_regex(r"(/dev/)?gpiochip\d*:\d*", fullmatch=True))
@settings(deadline=None)
def test_any_text_gives_a_line_or_the_typed_error(text: str) -> None:
    try:
        parsed = parse_gpio_line(text)
    except GpioSyntaxError:
        return
    assert parse_gpio_line(f"{parsed.path}:{parsed.line}") == parsed


@given(st.sampled_from(["rising", "falling", "none"]), st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_event_becomes_an_edge_or_nothing(name: str, stamp_ns: int, sequence: int) -> None:
    edge = edge_of_event(EdgeEvent(name, stamp_ns), sequence, KernelClockId.REALTIME)
    if name == "none" or stamp_ns == 0:
        assert edge is None
    else:
        kind = EdgeKind.ASSERT if name == "rising" else EdgeKind.CLEAR
        assert edge == Edge(kind, sequence, stamp_ns, KernelClockId.REALTIME, 0)


def test_missing_chip_is_explained() -> None:
    with pytest.raises(PpsError, match=r"/dev/gpiochip9999 line 18 is missing: .*ls /dev/gpiochip"):
        GpioSource(parse_gpio_line("gpiochip9999:18"))


def test_other_file_is_not_a_chip(tmp_path: Path) -> None:
    (tmp_path / "chip").touch()
    with pytest.raises(PpsError, match="is not a GPIO chip"):
        GpioSource(GpioLine(str(tmp_path / "chip"), 18))


def test_edges_of_both_kinds_with_the_kernels_stamps(tmp_path: Path) -> None:
    chip = FakeGpio(tmp_path / "chip")
    source = chip.call(lambda: GpioSource(GpioLine(str(tmp_path / "chip"), 18)))
    assert (chip.line, chip.flags) == (18, _REALTIME_FLAG | _INPUT | _BOTH_EDGES)  # the library asks for CLOCK_REALTIME
    assert source.read(0.01) == ()
    chip.event("rising", SECOND)
    chip.event("falling", SECOND + 10**8)
    chip.event("rising", SECOND + 10**9)
    edges = [edge for _ in range(3) for edge in source.read(1.0)]
    realtime = KernelClockId.REALTIME
    assert edges == [
        Edge(EdgeKind.ASSERT, 1, SECOND, realtime, 0),
        Edge(EdgeKind.CLEAR, 1, SECOND + 10**8, realtime, 0),
        Edge(EdgeKind.ASSERT, 2, SECOND + 10**9, realtime, 0),
    ]
    chip.hang_up()
    with pytest.raises(PpsGoneError, match="unplugged"):
        source.read(1.0)
    source.close()


@pytest.mark.parametrize(("line", "words"), [(60, "no such line"), (18, "is taken")])
def test_refused_line_is_explained(tmp_path: Path, line: int, words: str) -> None:
    chip = FakeGpio(tmp_path / "chip")
    first = chip.call(lambda: GpioSource(GpioLine(str(tmp_path / "chip"), 5)))
    with pytest.raises(PpsError, match=words):
        chip.call(lambda: GpioSource(GpioLine(str(tmp_path / "chip"), line)))
    first.close()


def test_thread_delivers_and_survives_the_chips_end(tmp_path: Path) -> None:
    chip, edges = FakeGpio(tmp_path / "chip"), queue.Queue[Edge]()
    line = GpioLine(str(tmp_path / "chip"), 18)
    reader = EdgeReader("gpiochip0:18", lambda: GpioSource(line), edges.put, EdgeKind.ASSERT)
    chip.call(reader.start)
    for second in range(4):
        chip.event("rising", SECOND + second * 10**9)
        chip.event("falling", SECOND + second * 10**9 + 10**8)
    assert [edges.get(timeout=5).sequence for _ in range(8)] == [1, 1, 2, 2, 3, 3, 4, 4]
    report = reader.report()
    assert (report.state, report.pulses, report.width) == (PpsState.PULSING, 4, 0.1)
    assert report.notes
    chip.hang_up()
    _until(lambda: reader.report().failures > 0)
    reader.stop()


def test_named_line_is_retried_while_there_is_no_chip() -> None:
    reader = GpioEdges("gpiochip9999:18", lambda _: None)
    reader.start()
    _until(lambda: reader.report().failures > 1)
    assert "is missing" in reader.report().text
    reader.stop()


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
