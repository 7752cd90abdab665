"""A whole daemon with [nts-ke]: it refuses until the time is known, then NTS works, keys rotate, certificates are renewed, all live."""

import json
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from testkit.daemon import Daemon, started
from testkit.loopback import free_port

from stratum1.cli.client import ControlClient
from stratum1.ntske import KeError, establish_keys
from stratum1.sources.nts import NtsAnswer, query_nts
from stratum1.sources.protocol import Target


def page(daemon: Daemon, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{daemon.web}{path}", timeout=5) as answer:
        body: bytes = answer.read()
        return body


def asked(port: int, authority: bytes) -> NtsAnswer:
    return query_nts(Target("127.0.0.1", port), authority)


def serving(status: Any) -> bool:
    return status["nts_ke"] is not None and bool(status["nts_ke"]["state"] == "serving")


def test_the_whole_life_of_key_establishment(tmp_path: Path) -> None:
    port = free_port(socket.SOCK_STREAM)
    with started(tmp_path, f'[nts-ke]\nlisten = "127.0.0.1:{port}"\nnames = ["clock.example.org"]') as daemon:
        early = daemon.await_status(lambda status: status["nts_ke"] is not None, 10)["nts_ke"]
        assert (early["state"], early["certificate"]) == ("waiting", None)
        assert "the time is not known" in early["reason"]
        authority = page(daemon, "/nts-ca.pem")
        with pytest.raises(KeError):
            establish_keys("127.0.0.1", port, authority, 2.0)
        assert "refuses its clients" in daemon.printed()

        status = daemon.await_status(serving, 40)
        assert status["lock"]["in_specification"] or status["time"]["stratum"] == 1
        answer = asked(port, authority)
        assert answer.answer.measurement.stratum == 1
        assert answer.answer.port == daemon.ntp  # the KE names the port, which is not 123
        assert answer.new_cookies == 1

        nts = daemon.status()["nts_ke"]
        assert nts["certificate"]["names"][0] == "clock.example.org"
        assert "server localhost iburst nts" in nts["clients"]["chrony"]
        assert f"ntsport {port}" in nts["clients"]["chrony"]
        assert nts["outcomes"]["no-certificate"] == 1
        text = page(daemon, "/").decode()
        assert nts["authority_fingerprint"] in text
        assert "ntstrustedcerts" in text
        metrics = page(daemon, "/metrics").decode()
        assert 'stratum1_nts_ke_outcomes_total{outcome="issued"} 1.0' in metrics
        assert 'stratum1_nts_ke_aeads_total{aead="15"} 1.0' in metrics
        assert "stratum1_nts_certificate_expiry_timestamp_seconds" in metrics

        done = ControlClient(daemon.socket).post("/api/v1/nts/rotate")["done"]
        current = daemon.status()["nts_ke"]["key"]["current"]
        assert current in done
        assert current != nts["key"]["current"]
        asked(port, authority)

        command = [sys.executable, "-m", "stratum1", "nts", "--socket", str(daemon.socket)]
        shown = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
        assert "2 clients, 16 cookies" in shown.stdout
        assert "For ntpd-rs" in shown.stdout

        plain = daemon.file.read_text()
        daemon.file.write_text(plain.replace("[nts-ke]", "[nts-ke]\naeads = [30]\ncookies = 3"))
        ControlClient(daemon.socket).post("/api/v1/reload")
        answer = asked(port, authority)  # the same authority and, with it, the same certificate
        assert (answer.established.keys.aead, len(answer.established.result.cookies)) == (30, 3)
        kept = [line for line in plain.splitlines() if "nts-ke" not in line and str(port) not in line and "names" not in line]
        daemon.file.write_text("\n".join(kept))
        ControlClient(daemon.socket).post("/api/v1/reload")
        assert daemon.status()["nts_ke"] is None
        with pytest.raises(KeError, match="nothing listens"):
            establish_keys("127.0.0.1", port, authority, 2.0)
        with pytest.raises(urllib.error.HTTPError):
            page(daemon, "/nts-ca.pem")
        assert daemon.end() == 0
    assert json.loads((tmp_path / "stratum1" / "nts-keys").read_text())["version"] == 1


def test_certificates_of_the_owner_are_renewed_live_and_a_bad_pair_is_an_alarm(tmp_path: Path) -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "ntske"))
    from ke_world import issued  # noqa: PLC0415

    port, chain, key = free_port(socket.SOCK_STREAM), tmp_path / "chain.pem", tmp_path / "key.pem"
    one, two = issued("127.0.0.1", "one.example"), issued("127.0.0.1", "two.example")
    table = f'[nts-ke]\nlisten = "127.0.0.1:{port}"\ncertificate = "{chain}"\nprivate-key = "{key}"\n'
    config = f'[clock]\ncontrol = "virtual"\nstate-directory = "{tmp_path / "state"}"\n{table}'
    with started(tmp_path, config, arguments=()) as daemon:
        status = daemon.await_status(lambda status: bool(status["alarms"]), 10)
        assert any("chain.pem" in each and "no such file" in each for each in status["alarms"])
        chain.write_bytes(one.chain)
        key.write_bytes(one.key)
        daemon.await_status(serving, 10)
        establish_keys("127.0.0.1", port, one.authority, 2.0)  # keys need no time of ours, where the certificate is the owner's
        key.write_bytes(two.key)
        status = daemon.await_status(lambda status: bool(status["nts_ke"]["reason"]), 10)
        assert "stays in force" in status["nts_ke"]["reason"]
        establish_keys("127.0.0.1", port, one.authority, 2.0)
        chain.write_bytes(two.chain)
        daemon.await_status(lambda status: serving(status) and not status["nts_ke"]["reason"], 10)
        establish_keys("127.0.0.1", port, two.authority, 2.0)
