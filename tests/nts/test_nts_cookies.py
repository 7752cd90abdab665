"""Cookies: what we seal we open, and nothing else; keys come and go without a stale or foreign one ever being believed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum1.nts.aead import Aead, Sealer
from stratum1.nts.cookies import CookieFault, CookieJar, Session, cookie_length, seal_cookie
from stratum1.nts.keyring import KeyRing, MasterKey

OLD, NOW, COMING = (MasterKey(number, bytes([number]) * 32) for number in (1, 2, 3))
RING = KeyRing(NOW, (OLD, NOW, COMING), frozenset({0xFFFFFF}))
NONCE = bytes(range(16))


def session(aead: Aead, version5: bool = False) -> Session:
    return Session(aead, bytes(range(aead.key_length)), bytes(range(100, 100 + aead.key_length)), version5)


@pytest.mark.parametrize("version5", [False, True])
@pytest.mark.parametrize("aead", list(Aead))
def test_what_is_sealed_opens(aead: Aead, version5: bool) -> None:
    jar, held = CookieJar(RING), session(aead, version5)
    cookie = jar.seal(held, NONCE)
    assert cookie == seal_cookie(NOW, held, NONCE)
    assert len(cookie) == cookie_length(aead) == {15: 100, 16: 132, 17: 164, 30: 68}[aead]
    assert cookie[:3] == b"\0\0\2"
    assert cookie[3] == aead | (0x80 if version5 else 0)
    assert cookie[4:20] == NONCE
    assert jar.open(cookie) == held
    # the layout, by hand: AES-SIV over both keys with head and nonce as associated data
    assert Sealer(Aead.AES_SIV_CMAC_256, NOW.secret).open(NONCE, (cookie[:4],), cookie[20:]) == held.c2s + held.s2c


@pytest.mark.parametrize("key", [OLD, NOW, COMING])
def test_every_accepted_key_opens(key: MasterKey) -> None:
    assert CookieJar(RING).open(seal_cookie(key, session(Aead.AES_SIV_CMAC_256), NONCE)) == session(Aead.AES_SIV_CMAC_256)


def test_a_ring_opens_with_its_current_key_also_where_it_is_not_listed() -> None:
    assert isinstance(CookieJar(KeyRing(NOW, ())).open(seal_cookie(NOW, session(Aead.AES_128_GCM_SIV), NONCE)), Session)


def test_why_a_cookie_does_not_open() -> None:
    jar, held = CookieJar(RING), session(Aead.AES_SIV_CMAC_256)
    assert jar.open(seal_cookie(MasterKey(77, bytes(32)), held, NONCE)) is CookieFault.UNKNOWN_KEY
    assert jar.open(seal_cookie(MasterKey(0xFFFFFF, bytes(32)), held, NONCE)) is CookieFault.EXPIRED_KEY
    assert jar.open(seal_cookie(MasterKey(2, bytes(32)), held, NONCE)) is CookieFault.BAD
    good = jar.seal(held, NONCE)
    for bad in (b"", good[:3], good[:-1], good + b"\0", good[:3] + b"\x10" + good[4:], good[:3] + b"\x8f" + good[4:]):
        assert jar.open(bad) is CookieFault.BAD


@given(flip=st.integers(0, 799))
def test_one_changed_bit_spoils_a_cookie(flip: int) -> None:
    jar = CookieJar(RING)
    cookie = bytearray(jar.seal(session(Aead.AES_SIV_CMAC_256), NONCE))
    cookie[flip // 8] ^= 1 << flip % 8
    assert isinstance(jar.open(bytes(cookie)), CookieFault)


@given(st.binary(max_size=300) | st.binary(max_size=170).map(lambda octets: b"\0\0\2\x0f" + octets))
def test_arbitrary_octets_are_no_cookie(octets: bytes) -> None:
    assert isinstance(CookieJar(RING).open(octets), CookieFault)


def test_our_own_mistakes_are_told() -> None:
    with pytest.raises(ValueError, match="nonce: 8 octets, not 16"):
        CookieJar(RING).seal(session(Aead.AES_SIV_CMAC_256), bytes(8))
    with pytest.raises(ValueError, match="keys: 32 and 16 octets"):
        CookieJar(RING).seal(Session(Aead.AES_SIV_CMAC_256, bytes(32), bytes(16)), NONCE)
    with pytest.raises(ValueError, match="its id 16777216"):
        CookieJar(KeyRing(MasterKey(1 << 24, bytes(32)), ()))


def test_keys_do_not_get_into_logs() -> None:
    assert "c2s" not in repr(session(Aead.AES_SIV_CMAC_256))
    assert "secret" not in repr(RING)
