"""From configuration to service: settings, reload, keys, and what a listener is told."""

import hashlib
import socket
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from testkit.served import locked_now

from stratum1.config import Config, ConfigError, RateLimitConfig, parse_config
from stratum1.nts.keyring import KeyRing, MasterKey
from stratum1.server import StateCell
from stratum1.server.service import AccessAction, AccessRule, RateLimit, ServiceSettings
from stratum1.serving import KeysError, Serving, fallback_sentences, listener_settings, rate_limit, read_keys, table_slots
from stratum1.startup import listeners

PLAIN = b"\x23" + bytes(39) + b"12345678"


def config(text: str = "", plane: str = "python", port: int = 0) -> Config:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        free = port or probe.getsockname()[1]
    return parse_config(f'[[server]]\nlisten = "127.0.0.1:{free}"\ndata-plane = "{plane}"\n{text}', "test")


def port_of(asked: Config) -> int:
    return int(asked.server[0].listen.rpartition(":")[2])


class Told(list[str]):
    """What is told of the service, alarms with a "!" before."""

    def note(self, alarm: bool, text: str) -> None:
        self.append(("! " if alarm else "") + text)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def serving(told: Told) -> Iterator[Serving]:
    asked = config()
    made = Serving(asked, listeners(asked), StateCell(locked_now()), told.note)
    made.start()
    yield made
    made.stop()


def ask(port: int, request: bytes = PLAIN) -> bytes | None:
    """The reply; None for silence."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.3)
        client.sendto(request, ("127.0.0.1", port))
        try:
            return client.recv(2048)
        except TimeoutError:
            return None


def test_access_rules_of_a_listener() -> None:
    asked = config('allow = ["192.0.2.0/24"]\ndeny = ["::/0", "0.0.0.0/0"]\nignore = ["198.51.100.7"]\nrequire-nts = ["2001:db8::/32"]')
    assert listener_settings(asked.server[0]).access == (
        AccessRule(ip_network("192.0.2.0/24"), AccessAction.ALLOW),
        AccessRule(ip_network("::/0"), AccessAction.DENY),
        AccessRule(ip_network("0.0.0.0/0"), AccessAction.DENY),
        AccessRule(ip_network("198.51.100.7/32"), AccessAction.IGNORE),
        AccessRule(ip_network("2001:db8::/32"), AccessAction.REQUIRE_NTS),
    )
    only_nts = listener_settings(config("require-nts = true\nnts-only-silence = true").server[0])
    assert (only_nts.access, only_nts.require_nts, only_nts.nts_only_silence) == ((), True, True)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('allow = ["192.0.2.1/24"]', "'192.0.2.1/24' has bits set beyond its prefix: \"192.0.2.0/24\" would be the network"),
        ('deny = ["example.org"]', "'example.org' is no network: write it as"),
        ('deny = "192.0.2.0/24"', "must be a list of networks"),
        ("ignore = [1]", "must be a list of networks"),
        ('require-nts = "yes"', "must be true, false or a list of networks"),
        ('allow = ["10.0.0.0/8"]\ndeny = ["10.0.0.0/8"]', '"10.0.0.0/8" stands in allow and in deny'),
        ("workers = 65", "at most 64"),
        ("[rate-limit]\nleak = 0.75\nkod = 0.5", "together at most 1"),
        ("[rate-limit]\nburst = 0", "at least 1"),
        ("[rate-limit]\ninterval = 0.0001", "at least 0.0011"),
        ("[rate-limit]\nrate = 1", "unknown key"),
        ('[service]\nkeys = "ntp.keys"', "must be a path from the root"),
        ("[service]\ninterleaved-clients = -1", "at least 0"),
        ("[service]\nntpv5 = 1", "must be true or false"),
    ],
)
def test_what_can_not_be_is_refused(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as error:
        config(text)
    assert says in str(error.value)


def test_every_limit_that_the_file_allows_is_one_that_planes_can_keep() -> None:
    assert rate_limit(RateLimitConfig()) == RateLimit()
    assert rate_limit(RateLimitConfig(enabled=False)) is None
    edges = [
        RateLimitConfig(interval=interval, burst=burst, leak=leak, kod=kod, clients=clients)
        for interval in (0.0011, 68.0)
        for burst in (1, 255)
        for leak, kod in ((0, 0), (1, 0), (0, 1), (0.5, 0.5), (0.498, 0.502), (0.333, 0.667))
        for clients in (256, 257, 4_194_304)
    ]
    for edge in edges:
        ServiceSettings(rate_limit=rate_limit(edge)).check()
    assert [table_slots(clients) for clients in (0, 1, 256, 257, 65_536, 4_194_304)] == [0, 256, 256, 512, 65_536, 4_194_304]


def test_a_reload_puts_the_service_in_force_and_keeps_what_needs_a_restart(serving: Serving) -> None:
    before = serving.config
    port = port_of(before)
    assert ask(port) is not None
    refusing = config('deny = ["127.0.0.0/8"]', port=port)
    assert serving.reload(refusing) == refusing
    assert (ask(port) or b"")[12:16] == b"DENY"
    other = config('data-plane = "python"\nignore = ["127.0.0.0/8"]\nsmear = "linear"'.replace('data-plane = "python"\n', ""), port=port)
    in_force = serving.reload(other)
    assert (in_force.server, in_force.service) == (refusing.server, other.service)
    assert (ask(port) or b"")[12:16] == b"DENY"
    assert serving.reload(config('ignore = ["127.0.0.0/8"]', port=port)).server[0].ignore == ("127.0.0.0/8",)
    assert ask(port) is None


def test_the_rate_limit_begins_and_ends_with_a_reload(serving: Serving) -> None:
    port = port_of(serving.config)
    serving.reload(config("[rate-limit]\ninterval = 68.0\nburst = 2\nleak = 0\nkod = 1", port=port))
    assert [(ask(port) or b"")[12:16] for _ in range(4)] == [b"GPS\0", b"GPS\0", b"RATE", b"RATE"]
    serving.reload(config("[rate-limit]\nenabled = false", port=port))
    assert (ask(port) or b"")[12:16] == b"GPS\0"


def test_keys_come_and_go_with_a_reload(serving: Serving, told: Told, tmp_path: Path) -> None:
    port, path = port_of(serving.config), tmp_path / "ntp.keys"
    with_keys = config(f'[service]\nkeys = "{path}"', port=port)
    request = PLAIN + (7).to_bytes(4, "big") + hashlib.sha1(b"secret" + PLAIN).digest()
    path.write_text("7 SHA1 ASCII:secret\n")
    path.chmod(0o640)
    assert len(ask(port, request) or b"") == 52  # a crypto-NAK
    serving.reload(with_keys)
    reply = ask(port, request) or b""
    assert reply[48:] == (7).to_bytes(4, "big") + hashlib.sha1(b"secret" + reply[:48]).digest()
    path.write_text("7 SHA1\n7 SHA1 HEX:x\n")
    serving.reload(with_keys)
    assert len(ask(port, request) or b"") == 72
    assert [text for text in told if text.startswith("! ") and "line 2" in text and "the 1 keys read before stay" in text]
    path.unlink()
    serving.reload(with_keys)
    assert "can't be read: No such file" in told[-1]
    serving.reload(config(port=port))
    assert len(ask(port, request) or b"") == 52


def test_keys_that_are_open_to_others_are_used_and_told_of(tmp_path: Path) -> None:
    path = tmp_path / "ntp.keys"
    path.write_text("7 SHA1 secret\n")
    for mode, warned in ((0o600, False), (0o640, False), (0o644, True), (0o660, True)):
        path.chmod(mode)
        keys, warning = read_keys(path)
        assert (len(keys), bool(warning)) == (1, warned)
    path.write_bytes(b"\xff\xff")
    with pytest.raises(KeysError, match="is not UTF-8"):
        read_keys(path)


def test_missing_keys_at_the_start_do_not_keep_the_time_from_others(told: Told, tmp_path: Path) -> None:
    asked = config(f'[service]\nkeys = "{tmp_path}/none"')
    made = Serving(asked, listeners(asked), StateCell(locked_now()), told.note)
    made.start()
    try:
        assert (ask(port_of(asked)) or b"")[12:16] == b"GPS\0"
    finally:
        made.stop()
    assert "no key is known: MACs are answered with a crypto-NAK" in told[0]


def test_a_ring_of_master_keys_is_used_at_once_and_kept_over_a_reload(serving: Serving) -> None:
    key = MasterKey(1, bytes(32))
    serving.use_ring(KeyRing(key, (key,)))
    assert serving.settings.nts is not None
    serving.reload(config(port=port_of(serving.config)))
    assert serving.settings.nts is not None
    serving.use_ring(None)
    assert serving.settings.nts is None


def test_a_plane_that_can_not_be_had_is_an_alarm_when_it_was_asked_for_by_name(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = config(plane="xdp")
    monkeypatch.setattr("stratum1.server._planes._xdp_missing", lambda: "not here")
    made = Serving(asked, listeners(asked), StateCell(locked_now()), told.note)
    made.start()
    try:
        assert ask(port_of(asked)) is not None
        sentences = list(fallback_sentences(made.reports()))
    finally:
        made.stop()
    assert told[:1] == [f"! {sentence}" for sentence in sentences]
    assert f'127.0.0.1:{port_of(asked)}: data-plane = "xdp" can\'t be had' in sentences[0]


def test_the_server_has_a_reference_id_of_its_own(serving: Serving) -> None:
    """By it a version 5 client finds out that it would be steered by itself; a reload keeps it."""
    own = serving.settings.reference_ids
    assert 1 <= sum(octet.bit_count() for octet in own) <= 10
    serving.use_ring(None)
    assert serving.settings.reference_ids == own
