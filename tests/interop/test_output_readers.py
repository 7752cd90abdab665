"""Our time as the reference of others: chronyd by socket and by shared memory; ptp4l as grandmaster, with ptpd and ptp4l as clients."""

import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from output_peers import CLOCKLESS, IpcDaemon, Namespace, PretendedClock, await_value, ipc_daemon, ptp_network, text_of
from sntp_peers import PEERS, Peers

from stratum1.outputs._quality import accuracy_limit

UNIT = 7
NEAR = 2e-3
"""Seconds: how far figures taken one after the other may differ, on a machine that does other things too."""


@pytest.fixture(scope="module")
def peers() -> Peers:
    return Peers()


@pytest.fixture(scope="module")
def place(peers: Peers, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("o")
    directory.chmod(0o700)  # chronyd's condition for a command socket
    return directory


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[IpcDaemon]:
    """A daemon whose simulated truth is 0.1 s ahead of the host: beyond the usual limit for what ptp4l hands out, so a wide one is set."""
    tables = (
        f'[clock]\nholdover-limit = 1.0\n[[output]]\nmode = "sock"\npath = "{place}/sock"\n'
        f'[[output]]\nmode = "shm"\nunit = {UNIT}\n[[output]]\nmode = "ptp4l"\npath = "{place}/ptp4l"\n'
    )
    with ipc_daemon(place, tables) as running:
        yield running


@contextmanager
def running(command: Sequence[str], peers: Peers, log: Path, spawn: Any = subprocess.Popen) -> Iterator[None]:
    """A peer meanwhile; what it prints goes to a file."""
    with log.open("wb") as file:
        process = spawn(command, env=peers.environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        yield
        assert process.poll() is None, log.read_text(errors="replace")
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.parametrize(("mode", "driver"), [("sock", "SOCK {place}/sock"), ("shm", "SHM {unit}:perm=0666")])
def test_chronyd_takes_our_samples_and_selects_us(peers: Peers, server: IpcDaemon, place: Path, mode: str, driver: str) -> None:
    command = place / f"{mode}.cmd"
    settings = ["cmdport 0", f"bindcmdaddress {command}", f"pidfile {place}/{mode}.pid"]
    refclock = f"refclock {driver.format(place=place, unit=UNIT)} refid STR1 poll 0 filter 1 precision 1e-6"
    once = server.command([*peers.chronyd, "-Q", "-t", "20", "-u", "root", f"pidfile {place}/{mode}.pid", refclock])
    ran = subprocess.run(once, env=peers.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30, check=False)
    told = server.output(mode)
    assert told["state"] == "sending"
    assert 0.05 < told["offset"] < 0.2
    found = re.search(r"System clock wrong by (-?[\d.]+) seconds \(ignored\)", ran.stdout)
    assert found, ran.stdout
    assert abs(float(found[1]) - told["offset"]) < NEAR
    chronyd = server.command([*peers.chronyd, "-x", "-d", "-u", "root", *settings, refclock])

    def asked(what: str) -> list[str]:
        return text_of(peers, "usr/bin/chronyc", "-h", str(command), "-c", what).strip().split(",")

    with running(chronyd, peers, place / f"{mode}.log"):
        source = await_value(lambda: asked("sources"), lambda row: row[:3] == ["#", "*", "STR1"] and row[5] == "377", 30)
        stats, tracking = asked("sourcestats"), asked("tracking")
    assert float(source[3]) == 0  # a reference clock
    assert float(stats[7]) < 1e-4  # standard deviation: two readings of one machine's clocks
    assert tracking[1:3] == ["STR1", "1"]
    assert tracking[-1] == "Normal"


def clients_of(peers: Peers, place: Path) -> dict[str, dict[str, str]]:
    """State, clock class and offset (s) as the two clients say them."""
    asked = text_of(peers, "usr/sbin/pmc", "-u", "-b", "0", "-s", f"{place}/client", "-i", f"{place}/pmc", *(
        f"GET {name}" for name in ("PORT_DATA_SET", "PARENT_DATA_SET", "CURRENT_DATA_SET", "TIME_PROPERTIES_DATA_SET")
    ))  # fmt: skip
    rows = dict(re.findall(r"^\t\t(\S+)\s+(\S+)$", asked, re.MULTILINE))
    status = (place / "ptpd.status").read_text() if (place / "ptpd.status").exists() else ""
    lines = dict(re.findall(r"^(.+?)\s+:\s+(.*)$", status, re.MULTILINE))
    heard = re.search(r"clockClass (\d+)", lines.get("GM priority", ""))
    return {
        "ptp4l": {
            "state": rows.get("portState", ""),
            "class": rows.get("gm.ClockClass", ""),
            "accuracy": rows.get("gm.ClockAccuracy", ""),
            "offset": str(float(rows.get("offsetFromMaster", "nan")) / 1e9),
            "traceable": rows.get("timeTraceable", ""),
            "source": rows.get("timeSource", ""),
            "timescale": rows.get("ptpTimescale", ""),
            "utc": rows.get("currentUtcOffset", ""),
            "valid": rows.get("currentUtcOffsetValid", ""),
        },
        "ptpd": {
            "state": lines.get("Port state", "").removeprefix("PTP_"),
            "class": heard[1] if heard else "",
            "offset": lines.get("Offset from Master", "nan").split()[0],
        },
    }


@contextmanager
def ptp_peers(peers: Peers, place: Path, pretended: PretendedClock) -> Iterator[None]:
    """A grandmaster that is free running, a ptpd that adjusts nothing and a ptp4l that only believes that it adjusts."""
    ptp4l = [str(PEERS / "root/usr/sbin/ptp4l"), "-S", "-m", "--logAnnounceInterval", "-1", "--logSyncInterval", "-2"]
    ptpd = [
        str(PEERS / "root/usr/sbin/ptpd"), "-i", "eth", "--foreground", "--ptpengine:preset=slaveonly", "--clock:no_adjust=Y",
        "--ptpengine:ip_mode=multicast", "--global:ignore_lock=y", f"--global:lock_file={place}/ptpd.lock",
        "--global:log_status=y", f"--global:status_file={place}/ptpd.status", f"--clock:drift_file={place}/ptpd.drift",
    ]  # fmt: skip

    def inside(namespace: Namespace, *command: str) -> list[str]:
        return namespace.command([*CLOCKLESS, *command])

    with ptp_network() as (centre, (first, second)):
        master = inside(centre, *ptp4l, "-i", "gm0", "-i", "gm1", "--free_running", "1", "--uds_address", f"{place}/ptp4l")
        quick = [
            "--pi_proportional_const",
            "0.7",
            "--pi_integral_const",
            "0.3",
        ]  # those for hardware: with others it measures for half a minute
        client = inside(first, *ptp4l, "-i", "eth", "-s", *quick, "--uds_address", f"{place}/client")
        with (
            running(master, peers, place / "ptp4l.log"),
            running(client, peers, place / "client.log", pretended.spawn),
            running(inside(second, *ptpd), peers, place / "ptpd.log"),
        ):
            yield


def test_ptp_clients_follow_our_lock_state(peers: Peers, server: IpcDaemon, place: Path) -> None:
    pretended = PretendedClock()

    def seen() -> dict[str, dict[str, str]]:
        return clients_of(peers, place)

    def both(clock_class: str) -> Any:
        return lambda clients: all((each["state"], each["class"]) == ("SLAVE", clock_class) for each in clients.values())

    with ptp_peers(peers, place, pretended):
        locked = await_value(seen, both("6"), 40)
        output = await_value(lambda: server.output("ptp4l"), lambda row: "is grandmaster" in row["text"], 10)
        assert (output["state"], output["clock_class"]) == ("sending", 6)
        # One machine, one clock: no offset, and no 37 s in it either.
        offsets = {name: float(each["offset"]) for name, each in locked.items()}
        assert max(map(abs, offsets.values())) < NEAR, offsets
        told = locked["ptp4l"]
        assert (told["traceable"], told["source"], told["timescale"], told["utc"]) == ("1", "0x20", "0", "37")
        assert told["valid"] == "0"
        assert 0.1 <= accuracy_limit(int(told["accuracy"], 16)) <= 0.25  # the host's clock is handed out, 0.1 s from our time
        server.daemon.act("unplug")
        held = await_value(seen, both("7"), 30)
        assert (held["ptp4l"]["source"], held["ptp4l"]["traceable"]) == ("0xa0", "1")
        server.daemon.act("replug")
        await_value(seen, both("6"), 60)
    assert pretended.settings > 0  # it did steer, and what it steered was not there
