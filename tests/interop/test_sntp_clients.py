"""Other people's clients, from Debian's packages, take the time from our server: chronyd, ntpdig (NTPsec), rdate and ntplib."""

import json
import re
import subprocess
import time
from pathlib import Path

import pytest
from sntp_peers import Island, Peers, island

AHEAD = 0.25
"""Our server's time minus the host's, seconds: what every client has to find."""
NEAR = 0.05
"""How far a client's figure may be off: a busy machine delays packets by milliseconds."""
HOSTS = ("127.0.0.1", "::1")


@pytest.fixture(scope="module")
def peers() -> Peers:
    return Peers()


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(("leap", "word"), [(0, "no-leap"), (1, "add-leap"), (2, "del-leap")])
def test_ntpdig_takes_the_time(peers: Peers, host: str, leap: int, word: str) -> None:
    with island(peers, f"--ahead={AHEAD}", f"--leap={leap}") as place:
        ran = place.run(*peers.ntpdig, "-j", "-t", "5", host)
        told = json.loads(ran.stdout)
        assert place.finish()["accepted"] >= 1
    assert (told["ip"], told["stratum"], told["leap"]) == (host, 1, word)
    assert abs(told["offset"] - AHEAD) < NEAR


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_ntplib_takes_the_time_in_every_version(peers: Peers, host: str, version: int) -> None:
    code = (
        "import json, ntplib\n"
        f"told = ntplib.NTPClient().request({host!r}, version={version})\n"
        "print(json.dumps([told.version, told.mode, told.stratum, told.ref_id.to_bytes(4, 'big').decode(), told.leap, told.offset]))\n"
    )
    with island(peers, f"--ahead={AHEAD}") as place:
        ran = place.run(*peers.python, "-c", code)
        *told, offset = json.loads(ran.stdout)
        assert place.finish()["by_version"] == {str(version): 1}
    assert told == [version, 4, 1, "GPS\0", 0]
    assert abs(offset - AHEAD) < NEAR


@pytest.mark.parametrize("host", HOSTS)
def test_rdate_takes_the_time(peers: Peers, host: str) -> None:
    # -p: prints and sets nothing; an hour ahead, because whole seconds are all that it prints
    with island(peers, "--ahead=3600") as place:
        ran = place.run(*peers.rdate, "-npv", host)
    found = re.search(r"adjust local clock by ([+-]?[\d.]+) seconds", ran.stdout)
    assert found, ran.stdout
    assert abs(float(found[1]) - 3600) < NEAR


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("options", ["", "version 3", "xleave"])
def test_chronyd_takes_the_time_once(peers: Peers, host: str, options: str) -> None:
    with island(peers, f"--ahead={AHEAD}") as place:
        ran = chronyd_once(place, peers, f"server {host} iburst maxsamples 1 {options}")
    assert ran.returncode == 0, ran.stdout
    found = re.search(r"System clock wrong by (-?[\d.]+) seconds \(ignored\)", ran.stdout)
    assert found, ran.stdout
    assert abs(float(found[1]) - AHEAD) < NEAR


def test_chronyd_stays_with_us_and_reports_stratum_1_and_gps(peers: Peers, tmp_path: Path) -> None:
    socket = tmp_path / "chronyd.sock"
    tmp_path.chmod(0o700)  # chronyd's condition for a command socket
    settings = ["cmdport 0", f"bindcmdaddress {socket}", f"pidfile {tmp_path / 'pid'}"]
    source = "server 127.0.0.1 iburst minpoll 0 maxpoll 0 minsamples 4"
    with island(peers, f"--ahead={AHEAD}") as place, place.running(*peers.chronyd, "-x", "-d", "-u", "root", *settings, source):
        report = ""
        for _ in range(60):
            report = place.run(*peers.chronyc, "-h", str(socket), "-c", "tracking").stdout
            if report.startswith("7F000001,"):
                break
            time.sleep(0.25)
        tracking = report.strip().split(",")
        ntpdata = place.run(*peers.chronyc, "-h", str(socket), "-c", "ntpdata", "127.0.0.1").stdout.strip().split(",")
    assert tracking[:3] == ["7F000001", "127.0.0.1", "2"]  # it has become a stratum 2 server behind us
    assert ntpdata[5:9] == ["Normal", "4", "Server", "1"]
    assert "47505300" in ntpdata
    assert "GPS" in ntpdata


def test_a_server_that_does_not_know_the_time_convinces_nobody(peers: Peers) -> None:
    with island(peers, f"--ahead={AHEAD}", "--leap=3") as place:
        ran = chronyd_once(place, peers, "server 127.0.0.1 iburst maxsamples 1", seconds=3)
        dug = place.run(*peers.ntpdig, "-j", "-t", "1", "127.0.0.1")
        assert place.finish()["accepted"] >= 2
    assert ran.returncode != 0
    assert "wrong by" not in ran.stdout
    assert dug.returncode != 0
    assert "no eligible servers" in dug.stdout


def test_a_client_with_a_key_that_we_do_not_have_takes_nothing(peers: Peers, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("7 SHA1 HEX:0123456789abcdef0123456789abcdef01234567\n")
    with island(peers, f"--ahead={AHEAD}") as place:
        ran = chronyd_once(place, peers, "server 127.0.0.1 iburst maxsamples 1 key 7", f"keyfile {keys}", seconds=3)
        counted = place.finish()
    assert counted["received"] >= 1
    assert counted["accepted"] == 0
    assert ran.returncode != 0
    assert "wrong by" not in ran.stdout


def chronyd_once(place: Island, peers: Peers, source: str, *settings: str, seconds: int = 8) -> subprocess.CompletedProcess[str]:
    """Print the offset and exit."""
    return place.run(*peers.chronyd, "-Q", "-t", str(seconds), "-u", "root", source, *settings)
