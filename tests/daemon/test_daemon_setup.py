"""The whole daemon with a u-blox receiver on a pseudo-terminal: set up, shown, and left alone where nobody handed it over."""

import contextlib
import os
import threading
import time
import tty
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from testkit.daemon import Daemon, started
from testkit.ublox import Ublox


class Played(threading.Thread):
    """Answers as the receiver does, and sends its seconds."""

    def __init__(self, receiver: Ublox) -> None:
        super().__init__(daemon=True)
        self.receiver = receiver
        self.heard = bytearray()
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.device = os.ttyname(self._slave)
        self._ended = threading.Event()

    def run(self) -> None:
        due = 0.0
        while not self._ended.wait(0.01):
            with contextlib.suppress(BlockingIOError):
                if time.monotonic() > due:
                    due = time.monotonic() + 1.0
                    os.write(self._master, self.receiver.second())
                data = os.read(self._master, 4096)
                self.heard += data
                os.write(self._master, self.receiver.feed(data))

    def end(self) -> None:
        self._ended.set()
        self.join()
        os.close(self._master)
        os.close(self._slave)


@pytest.fixture
def played() -> Iterator[Played]:
    player = Played(Ublox(8, refuses=frozenset({"NAV-SAT"})))
    player.start()
    yield player
    player.end()


def daemon(directory: Path, player: Played, more: str) -> contextlib.AbstractContextManager[Daemon]:
    text = f'[receiver]\ndevice = "{player.device}"\npps = "none"\n{more}\n[clock]\ncontrol = "virtual"\nstate-directory = "{directory}"\n'
    return started(directory, text, arguments=())


def test_a_receiver_that_was_handed_over_is_set_up_and_shown(tmp_path: Path, played: Played) -> None:
    with daemon(tmp_path, played, '[receiver.setup]\nconfigure = true\nmode = "survey-in"') as running:
        status = running.await_status(lambda status: (status["gnss"]["setup"] or {}).get("state") == "partly", 20)
        setup = status["gnss"]["setup"]
        assert setup == {
            "state": "partly",
            "model": "NEO-M8T-0",
            "firmware": "TIM 1.10",
            "protocol": "22.00",
            "generation": 8,
            "timing": True,
            "refused": ["NAV-SAT: the receiver refuses it (NAK); it is left as it was"],
            "changes": setup["changes"],
        }
        assert setup["changes"] == len(set(played.receiver.writes)) - 1
        assert "Receiver set-up: NAV-SAT: the receiver refuses it (NAK); it is left as it was" in status["alarms"]
        texts = [event["text"] for event in status["events"]]
        assert any(text.startswith("the receiver is set up (NEO-M8T-0, firmware TIM 1.10, protocol 22.00): ") for text in texts)
        page = urllib.request.urlopen(f"http://127.0.0.1:{running.web}/", timeout=5).read().decode()
        assert "(NEO-M8T-0, firmware TIM 1.10, protocol 22.00, generation 8, with a timing mode)" in page
        metrics = urllib.request.urlopen(f"http://127.0.0.1:{running.web}/metrics", timeout=5).read().decode()
        assert 'stratum1_receiver_setup_state{stratum1_receiver_setup_state="partly"} 1.0' in metrics
        assert 'stratum1_receiver_info{firmware="TIM 1.10",generation="8",model="NEO-M8T-0",protocol="22.00"} 1.0' in metrics
        assert running.end() == 0


def test_one_that_was_not_handed_over_hears_not_a_byte(tmp_path: Path, played: Played) -> None:
    with daemon(tmp_path, played, "") as running:
        status = running.await_status(lambda status: bool(status["gnss"]["sentences"]), 20)
        time.sleep(1.0)
        assert status["gnss"]["setup"] is None
        assert bytes(played.heard) == b""
        assert running.end() == 0
