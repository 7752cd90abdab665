"""Settings on their way to the native data plane: what can't be is refused with a text that names it."""

from ipaddress import ip_network
from typing import Any

import pytest

from stratum1.dataplane import native
from stratum1.nts.keyring import KeyRing, MasterKey
from stratum1.server._native import native_listener, native_service
from stratum1.server.service import AccessAction, AccessRule, ListenerSettings, RateLimit, ServiceSettings

_MODULE = native()
_SERVICE: dict[str, Any] = {
    "keys": [],
    "rate_limit": None,
    "interleaved_slots": 0,
    "ntpv5": False,
    "nts": None,
    "hash_seed": 0,
    "reference_ids": bytes(512),
}
_LISTENER: dict[str, Any] = {"access": [], "require_nts": False, "nts_only_silence": False, "own": []}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"rate_limit": (1, 8, 0, 0, 256)}, "interval of 1 ns"),
        ({"rate_limit": (1 << 30, 0, 0, 0, 256)}, "burst of 0"),
        ({"rate_limit": (1 << 30, 8, 200, 57, 256)}, "leak 200 and kiss 57"),
        ({"rate_limit": (1 << 30, 8, 0, 0, 300)}, "rate limit: 300 is no power of two"),
        ({"interleaved_slots": 128}, "interleaved_slots: 128"),
        ({"keys": [(5, "md6", b"x")]}, "key 5: kind"),
        ({"keys": [(5, "aes128", b"x")]}, "key 5: secret: 16 octets"),
        ({"nts": ((1 << 24, bytes(32)), [], [])}, "id of 24 bits"),
        ({"nts": ((1, bytes(31)), [], [])}, "secret of 32 octets"),
        ({"reference_ids": b""}, "reference_ids: 0 octets"),
    ],
)
def test_a_service_that_cannot_be_is_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        _MODULE.Service(**_SERVICE | changes)
    _MODULE.Service(**_SERVICE)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"access": [(bytes(5), 8, "allow")]}, "address: 5 octets"),
        ({"access": [(bytes(4), 33, "allow")]}, "prefix of 33 bits"),
        ({"access": [(bytes(4), 32, "maybe")]}, '"maybe" is no action'),
        ({"own": [(b"", 123)]}, "address: 0 octets"),
    ],
)
def test_a_listener_that_cannot_be_is_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        _MODULE.Listener(**_LISTENER | changes)
    _MODULE.Listener(**_LISTENER)


def test_a_state_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="state: 31 words, not 32"):
        _MODULE.PureResponder(_MODULE.Service(**_SERVICE), _MODULE.Listener(**_LISTENER), [0] * 31)


def test_what_python_accepts_the_native_plane_accepts() -> None:
    ring = KeyRing(MasterKey(1, bytes(32)), (), frozenset({2}))
    service = ServiceSettings(rate_limit=RateLimit(), nts=ring, ntpv5=True)
    assert isinstance(native_service(service), _MODULE.Service)
    rules = (AccessRule(ip_network("::/0"), AccessAction.DENY), AccessRule(ip_network("10.0.0.0/8"), AccessAction.REQUIRE_NTS))
    listener = ListenerSettings(access=rules, own=frozenset({(bytes(4), 123)}))
    assert isinstance(native_listener(listener), _MODULE.Listener)


def test_what_python_refuses_is_refused_before() -> None:
    with pytest.raises(ValueError, match="interleaved_slots: 300 is no power of two"):
        native_service(ServiceSettings(interleaved_slots=300))
