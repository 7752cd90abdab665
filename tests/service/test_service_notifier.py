"""The notifier against a real datagram socket, as systemd holds it."""

import asyncio
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stratum1.service import Notifier


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The service manager's end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "notify"))
        end.settimeout(2)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.delenv("WATCHDOG_USEC", raising=False)
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        yield end


@pytest.fixture
def notifier(manager: socket.socket) -> Iterator[Notifier]:
    notifier = Notifier()
    yield notifier
    notifier.close()


def _waiting(manager: socket.socket) -> list[bytes]:
    manager.setblocking(False)
    messages = []
    try:
        while True:
            messages.append(manager.recv(4096))
    except BlockingIOError:
        return messages


def test_start_status_and_stop_reach_the_manager(manager: socket.socket, notifier: Notifier) -> None:
    notifier.ready("acquiring")
    notifier.status("locked, offset 12 ns")
    notifier.stopping()
    assert [manager.recv(4096) for _ in range(3)] == [b"READY=1\nSTATUS=acquiring", b"STATUS=locked, offset 12 ns", b"STOPPING=1"]


def test_status_is_one_line_of_utf8(manager: socket.socket, notifier: Notifier) -> None:
    notifier.status("±3 µs → locked\nSTOPPING=1")
    assert manager.recv(4096) == "STATUS=±3 µs → locked STOPPING=1".encode()


def test_reloading_carries_the_monotonic_time(manager: socket.socket, notifier: Notifier) -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier.reloading()
    state, stamp = manager.recv(4096).decode().split("\n")
    assert state == "RELOADING=1"
    assert before <= int(stamp.removeprefix("MONOTONIC_USEC=")) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def test_abstract_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        name = f"stratum1-test-{os.getpid()}"
        end.bind("\0" + name)
        end.settimeout(2)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name)
        notifier = Notifier()
        notifier.ready()
        notifier.close()
        assert end.recv(4096) == b"READY=1"


def test_nothing_happens_without_a_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.setenv("WATCHDOG_USEC", "2000000")
    notifier = Notifier()
    notifier.ready("unheard")
    notifier.heartbeat()
    assert not notifier.listening
    assert notifier.heartbeat_interval is None
    notifier.close()


def test_a_manager_that_went_away_does_no_harm(manager: socket.socket, notifier: Notifier) -> None:
    manager.close()
    notifier.status("still running")
    notifier.heartbeat()
    assert notifier.listening


def test_a_manager_that_does_not_read_never_blocks_us(manager: socket.socket, notifier: Notifier) -> None:
    started = time.monotonic()
    for _ in range(20_000):
        notifier.heartbeat()
    assert time.monotonic() - started < 5
    assert manager.recv(4096) == b"WATCHDOG=1"


@pytest.mark.parametrize(
    ("period", "owner", "interval"),
    [
        ("3000000", None, 1.5),
        ("3000000", "self", 1.5),
        ("3000000", "1", None),
        ("0", None, None),
        ("soon", None, None),
        (None, None, None),
    ],
)
def test_heartbeat_interval_is_half_the_watchdogs(
    notifier: Notifier, monkeypatch: pytest.MonkeyPatch, period: str | None, owner: str | None, interval: float | None
) -> None:
    if period is not None:
        monkeypatch.setenv("WATCHDOG_USEC", period)
    if owner is not None:
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if owner == "self" else owner)
    assert notifier.heartbeat_interval == interval


def test_watchdog_is_fed_while_healthy_and_starved_after(
    manager: socket.socket, notifier: Notifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "40000")
    answers = iter([True, True, True])

    async def feed() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(notifier.feed_watchdog(lambda: next(answers, False)), 0.3)

    asyncio.run(feed())
    assert _waiting(manager) == [b"WATCHDOG=1"] * 3


def test_feeding_returns_at_once_without_a_watchdog(notifier: Notifier) -> None:
    asyncio.run(asyncio.wait_for(notifier.feed_watchdog(lambda: True), 1))
    assert notifier.heartbeat_interval is None
