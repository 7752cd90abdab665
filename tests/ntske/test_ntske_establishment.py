"""Certificate, keys and listener together, as the daemon has them."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from ke_world import BUILT, Client, Issued, backends, establish, host_now, issued, short_key
from test_ntske_keys import Told
from testkit.loopback import free_port
from testkit.waiting import until

from stratum1.nts.cookies import CookieJar, Session
from stratum1.nts.ke_server import KeOutcome
from stratum1.nts.keyring import KeyRing, Rotation
from stratum1.ntske import KeSettings, KeyEstablishment, choose_backend, open_listener
from stratum1.ntske._tls_openssl import OpenSslClient
from stratum1.timescale import NS, UtcNs


class World:
    """An establishment, what it told and which rings it handed on."""

    def __init__(self, settings: KeSettings) -> None:
        self.told = Told()
        self.rings: list[KeyRing] = []
        self.now = UtcNs(host_now())
        self.made = KeyEstablishment(settings, self.told, self.rings.append, self.now)
        self.port = settings.port

    def client(self) -> Client:
        return Client(self.port, OpenSslClient(self.made.authority or issued().authority).session("127.0.0.1"))


def settings_in(directory: Path, **changes: object) -> KeSettings:
    return replace(KeSettings("127.0.0.1", free_port(), directory, BUILT), **changes)  # type: ignore[arg-type]


@contextmanager
def running(settings: KeSettings, known: bool = True) -> Iterator[World]:
    world = World(settings)
    world.made.start(world.now if known else None, world.now)
    try:
        yield world
    finally:
        world.made.stop()


@pytest.mark.parametrize("backend", backends())
def test_an_own_certificate_serves_once_the_time_is_known(tmp_path: Path, backend: str) -> None:
    with running(settings_in(tmp_path, backend=backend), known=False) as world:
        made = world.made
        report = made.report()
        assert (report.state, report.identity) == ("waiting", None)
        assert "the time is not known" in report.reason
        assert "the time is not known" in world.told.notes[0]  # it is logged
        with socket.create_connection(("127.0.0.1", world.port)) as early:
            early.settimeout(5)
            assert early.recv(1) == b""
        made.look(world.now, world.now)
        report = made.report()
        assert (report.state, report.reason, report.backend) == ("serving", "", backend)
        assert report.identity is not None
        assert "127.0.0.1" in report.identity.names
        with world.client() as client:
            result = establish(client)
        assert isinstance(CookieJar(made.ring).open(result.cookies[0]), Session)
        assert made.report().counters.outcomes[KeOutcome.NO_CERTIFICATE] == 1
        made.look(None, world.now)  # the time is lost again: the certificate stays
        with world.client() as client:
            establish(client)


def test_cookies_outlive_rotations_as_long_as_is_set(tmp_path: Path) -> None:
    with running(settings_in(tmp_path, rotation=Rotation(60 * NS, old=2, future=1))) as world:
        with world.client() as client:
            cookie = establish(client).cookies[0]
        opens = []
        for minute in range(1, 5):
            later = UtcNs(world.now + minute * 60 * NS)
            world.made.look(later, later)
            opens.append(isinstance(CookieJar(world.made.ring).open(cookie), Session))
            with world.client() as client:
                assert isinstance(CookieJar(world.rings[-1]).open(establish(client).cookies[0]), Session)
        assert opens == [True, True, False, False]
        assert len(world.rings) == 4
        assert world.rings[-1] == world.made.ring
        assert len({ring.current.key_id for ring in world.rings}) == 4


def test_a_forced_rotation_says_which_key_seals(tmp_path: Path) -> None:
    with running(settings_in(tmp_path)) as world:
        text = world.made.rotate(world.now)
        assert f"{world.rings[0].current.key_id:06x}" in text


def test_a_fleet_shares_its_cookies(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("0123456789abcdef" * 4)
    secret.chmod(0o600)
    with (
        running(settings_in(tmp_path / "a", shared_secret=secret)) as one,
        running(settings_in(tmp_path / "b", shared_secret=secret)) as two,
    ):
        with one.client() as client:
            cookie = establish(client).cookies[0]
        assert isinstance(CookieJar(two.made.ring).open(cookie), Session)
        assert one.made.report().fleet
        assert "shared secret" in one.made.rotate(None)


def test_a_fleet_s_secret_that_is_none_is_told_and_own_keys_serve(tmp_path: Path) -> None:
    with running(settings_in(tmp_path, shared_secret=tmp_path / "missing")) as world:
        assert "openssl rand" in world.told.alarms[0]
        with world.client() as client:
            establish(client)


def test_a_renewed_certificate_is_served_live(tmp_path: Path) -> None:
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(issued("127.0.0.1").chain)
    key.write_bytes(issued("127.0.0.1").key)
    with running(settings_in(tmp_path, certificate=chain, private_key=key)) as world:
        renewed = issued("127.0.0.1", "renewed.example")
        with Client(world.port, OpenSslClient(issued("127.0.0.1").authority).session("127.0.0.1")) as client:
            establish(client)
        chain.write_bytes(renewed.chain)
        key.write_bytes(renewed.key)
        world.made.reload(world.now)
        with Client(world.port, OpenSslClient(renewed.authority).session("127.0.0.1")) as client:
            establish(client)
        assert world.made.authority == b""
        report = world.made.report()
        assert report.identity is not None
        assert report.identity.names == ("renewed.example", "127.0.0.1")
        chain.write_bytes(b"rubbish")
        world.made.reload(world.now)
        assert world.made.report().state == "serving"
        assert "stays in force" in world.made.report().reason
        with Client(world.port, OpenSslClient(renewed.authority).session("127.0.0.1")) as client:
            establish(client)


def test_a_certificate_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    with running(settings_in(tmp_path, certificate=chain, private_key=key)) as world:
        assert world.made.report().state == "problem"
        chain.write_bytes(issued("127.0.0.1").chain)
        key.write_bytes(issued("127.0.0.1").key)
        for _ in range(2):
            world.made.look(world.now, world.now)
        assert world.made.report().state == "serving"
        with Client(world.port, OpenSslClient(issued("127.0.0.1").authority).session("127.0.0.1")) as client:
            establish(client)


@pytest.mark.parametrize("backend", backends())
def test_a_certificate_that_tls_does_not_take_is_told_and_a_better_one_takes_its_place(tmp_path: Path, backend: str) -> None:
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    small, good = short_key(), issued("127.0.0.1")

    def put(one: Issued) -> None:
        chain.write_bytes(one.chain)
        key.write_bytes(one.key)

    put(small)
    with running(settings_in(tmp_path, certificate=chain, private_key=key, backend=backend)) as world:
        report = world.made.report()
        assert (report.state, "can't be used" in report.reason) == ("problem", True)
        put(good)
        for _ in range(2):
            world.made.look(world.now, world.now)
        assert (world.made.report().state, world.made.report().reason) == ("serving", "")
        put(small)
        for _ in range(2):
            world.made.look(world.now, world.now)
        report = world.made.report()
        assert (report.state, "can't be used" in report.reason) == ("serving", True)
        with Client(world.port, OpenSslClient(good.authority).session("127.0.0.1")) as client:
            establish(client)


def test_an_authority_of_clients_that_is_missing_is_told_and_mended_by_a_reload(tmp_path: Path) -> None:
    from ke_world import client_certificate  # noqa: PLC0415

    own, authority = client_certificate("c", "c.example"), tmp_path / "clients.pem"
    with running(settings_in(tmp_path, client_authority=authority)) as world:
        assert world.made.report().state == "problem"
        assert "client-authority" in world.told.alarms[0]
        authority.write_bytes(own.authority)
        world.made.reload(world.now)
        assert world.made.report().state == "serving"
        session = OpenSslClient(world.made.authority, own.chain, own.key).session("127.0.0.1")
        with Client(world.port, session) as client:
            establish(client)


def test_a_port_that_is_taken_is_told_and_tried_again(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with open_listener("127.0.0.1", settings.port), running(settings) as world:
        assert world.made.report().state == "problem"
        assert "is taken" in world.told.alarms[0]
        assert world.made.alive
    with open_listener("127.0.0.1", settings.port) as blocker, running(settings) as world:
        blocker.close()
        for _ in range(30):
            world.made.look(world.now, world.now)
        assert world.made.report().state == "serving"
        with world.client() as client:
            establish(client)
        until(lambda: world.made.report().counters.outcomes[KeOutcome.ISSUED] == 1)


def test_secrets_never_show_in_what_is_printed(tmp_path: Path) -> None:
    with running(settings_in(tmp_path)) as world:
        report = world.made.report()
        assert report.identity is not None
        shown = repr(report) + repr(world.made.ring) + repr(report.identity)
        assert "PRIVATE" not in shown
        assert all(repr(each.secret) not in shown for each in world.made.ring.accepted)
        assert stat.S_IMODE((tmp_path / "nts-keys").stat().st_mode) == 0o600


_UNDER_MDWE = """
import ctypes, sys, time
from pathlib import Path
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(65, 1, 0, 0, 0):
    sys.exit("no PR_SET_MDWE: " + str(ctypes.get_errno()))
sys.path[:0] = [sys.argv[3], str(Path(sys.argv[3]).parent)]
from test_ntske_establishment import running, settings_in
from ke_world import establish
with running(settings_in(Path(sys.argv[1]), backend=sys.argv[2])) as world:
    report = world.made.report()
    print(report.state, report.reason)
    if report.state == "serving":
        with world.client() as client:
            print(len(establish(client).cookies))
"""


@pytest.mark.parametrize("backend", backends())
def test_under_memory_deny_write_execute(tmp_path: Path, backend: str) -> None:
    """What the unit's sandbox does (PR_SET_MDWE, Linux 6.3): rustls serves, pyOpenSSL says that it can't."""
    here = os.path.dirname(__file__)
    ran = subprocess.run(
        [sys.executable, "-c", _UNDER_MDWE, str(tmp_path), backend, here], capture_output=True, text=True, timeout=50, check=False
    )
    assert ran.returncode == 0, ran.stderr
    if backend == "rustls":
        assert ran.stdout.split() == ["serving", "8"]
    else:
        assert ran.stdout.startswith("problem")
        assert "MemoryDenyWriteExecute" in ran.stdout


def test_what_is_chosen_by_itself() -> None:
    assert choose_backend().name == ("rustls" if "rustls" in backends() else "openssl")
