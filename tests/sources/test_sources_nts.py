"""`stratum1 query --nts` against our own key establishment and server: every AEAD, rotations, and servers that fail."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from test_sources_query import AHEAD, run, state

from stratum1.interchange import TimeState
from stratum1.nts.aead import Aead
from stratum1.nts.ke_server import KePolicy
from stratum1.nts.keyring import KeyRing
from stratum1.ntske import KeError, KeSettings, KeyEstablishment, believed_authorities
from stratum1.server import ListenAddress, Server, StateCell
from stratum1.server.service import ServiceSettings
from stratum1.sources import QueryError
from stratum1.sources.nts import query_nts
from stratum1.sources.protocol import Target
from stratum1.timescale import NS, UtcNs, from_rfc3339


class World:
    """A whole NTS server on loopback."""

    def __init__(self, directory: Path, served: TimeState, host: str = "127.0.0.1", **policy: object) -> None:
        self.server = Server([ListenAddress(ip_address(host), 0)], StateCell(served))
        self.server.start()
        port = self.server.addresses[0].port
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.bind((host, 0))
            self.port: int = probe.getsockname()[1]
        settings = KeSettings(
            host,
            self.port,
            directory,
            from_rfc3339("2026-11-24"),
            policy=replace(KePolicy(port=port), **policy),  # type: ignore[arg-type]
        )
        self.host = host
        self.now = served.bound_at
        self.established = KeyEstablishment(settings, lambda _alarm, _text: None, self.use, self.now)
        self.use(self.established.ring)
        # the certificate's dates are judged by the host's clock
        self.established.start(UtcNs(self.now - AHEAD), self.now)
        self.authority = directory / "nts-ca.pem"

    def use(self, ring: KeyRing) -> None:
        self.server.configure(replace(self.server.service, nts=ring))

    @property
    def target(self) -> Target:
        return Target(self.host, self.port)

    def stop(self) -> None:
        self.established.stop()
        self.server.stop()


@contextmanager
def world(directory: Path, served: TimeState | None = None, host: str = "127.0.0.1", **policy: object) -> Iterator[World]:
    made = World(directory, served or state(), host, **policy)
    try:
        yield made
    finally:
        made.stop()


@pytest.mark.parametrize("aead", list(Aead))
def test_the_time_comes_authenticated_with_each_aead(tmp_path: Path, aead: Aead) -> None:
    with world(tmp_path) as made:
        found = query_nts(made.target, made.authority.read_bytes(), aeads=(aead.value,))
        told = found.answer.measurement
        assert abs(told.offset - AHEAD / NS) <= told.error_bound
        assert told.stratum == 1
        assert found.established.keys.aead is aead
        assert len(found.established.result.cookies) == 8
        assert found.new_cookies == 1
        counted = sum(each.nts_accepted for each in made.server.counters().values())
        assert counted == 1


def test_ipv6(tmp_path: Path) -> None:
    with world(tmp_path, host="::1") as made:
        assert query_nts(made.target, made.authority.read_bytes()).answer.address == "::1"


def test_cookies_from_before_a_rotation_still_open(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        from stratum1.sources._query import resolve  # noqa: PLC0415
        from stratum1.sources.nts import _ask  # noqa: PLC0415

        found = query_nts(made.target, made.authority.read_bytes())
        for _ in range(7):
            made.established.rotate(made.now)
        address = resolve(Target("127.0.0.1", found.answer.port))[0]
        told, reply = _ask(address, found.established, found.established.result.cookies[1], 2.0)
        assert told.stratum == 1
        assert len(reply.cookies) == 1
        made.established.rotate(made.now)
        with pytest.raises(Exception, match="NAK"):
            _ask(address, found.established, found.established.result.cookies[2], 2.0)
        told, _ = _ask(address, found.established, reply.cookies[0], 2.0)  # the new one is younger
        assert told.stratum == 1


def test_a_server_that_serves_no_nts_is_told_apart(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.server.configure(ServiceSettings())
        with pytest.raises(QueryError, match="NAK"):
            query_nts(made.target, made.authority.read_bytes())


def test_a_server_with_other_keys_is_told_apart(tmp_path: Path) -> None:
    with ExitStack() as stack:
        one = stack.enter_context(world(tmp_path / "one"))
        two = stack.enter_context(world(tmp_path / "two"))
        one.server.configure(two.server.service)
        with pytest.raises(QueryError, match="NAK"):
            query_nts(one.target, one.authority.read_bytes())


def test_an_authority_that_is_not_the_server_s_gives_no_keys(tmp_path: Path) -> None:
    with world(tmp_path / "one") as one, world(tmp_path / "two") as two:
        with pytest.raises(QueryError, match="no keys were established: TLS"):
            query_nts(one.target, two.authority.read_bytes())
        with pytest.raises(QueryError, match="no keys were established"):
            query_nts(Target("127.0.0.2", one.port), one.authority.read_bytes())


def test_a_server_that_sends_us_elsewhere(tmp_path: Path) -> None:
    with world(tmp_path, server="127.0.0.1") as made:
        assert query_nts(made.target, made.authority.read_bytes()).established.result.server == "127.0.0.1"
    with world(tmp_path, server="a" * 64) as made, pytest.raises(QueryError, match="can't be resolved"):
        query_nts(made.target, made.authority.read_bytes())


def test_keys_without_an_answer(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.server.stop()
        with pytest.raises(QueryError, match=r"gave keys, but .* does not answer.*nothing listens"):
            query_nts(made.target, made.authority.read_bytes(), timeout=0.3)


def test_a_mute_server_is_given_up_in_time(tmp_path: Path) -> None:
    with world(tmp_path) as made, socket.create_server(("127.0.0.1", 0)) as mute:
        target, authority = Target("127.0.0.1", mute.getsockname()[1]), made.authority.read_bytes()
        with pytest.raises(QueryError) as raised:
            query_nts(target, authority, timeout=0.3)
        assert "no answer within 0.3 s" in str(raised.value)


def test_the_authorities_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "own.pem").write_bytes(b"own")
    assert believed_authorities(tmp_path / "own.pem") == b"own"
    with pytest.raises(KeError, match="no such file"):
        believed_authorities(tmp_path / "missing.pem")


def test_command(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        place = f"127.0.0.1:{made.port}"
        status, out, _ = run(place, "--nts", "--ca", str(made.authority), "--json")
        told = json.loads(out)
        assert status == 0
        assert told["authenticated"] is True
        assert (told["nts"]["aead"], told["nts"]["cookies"], told["nts"]["cookie_octets"], told["nts"]["new_cookies"]) == (15, 8, 100, 1)
        assert told["nts"]["ke_port"] == made.port
        assert told["port"] == made.server.addresses[0].port
        status, out, _ = run(place, "--nts", "--ca", str(made.authority))
        assert status == 0
        for words in ("authenticated by NTS", "AEAD 15 (AES-SIV-CMAC-256)", "8 of 100 octets; 1 new"):
            assert words in out
        (tmp_path / "rubbish.pem").write_text("rubbish")
        status, _, err = run(place, "--nts", "--ca", str(tmp_path / "rubbish.pem"))
        assert status == 1
        assert "no keys were established" in err
