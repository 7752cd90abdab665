"""The ciphers of the native module, against the vectors of their RFCs and against Python's cryptography."""

import hashlib

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV, AESSIV
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given
from hypothesis import strategies as st

from stratum1.dataplane import native

dataplane = native()
pytestmark = pytest.mark.skipif(dataplane is None, reason="the native module was not built")

KEY_LENGTHS = {15: 32, 16: 48, 17: 64, 30: 16}
AEADS = st.sampled_from(sorted(KEY_LENGTHS))
TEXTS = st.binary(max_size=300)
MASTER = bytes(range(32))


def keys(aead: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=KEY_LENGTHS[aead], max_size=KEY_LENGTHS[aead])


def nonces(aead: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=12, max_size=12) if aead == 30 else st.binary(min_size=1, max_size=40)


def sealed_by_cryptography(aead: int, key: bytes, nonce: bytes, associated: bytes, text: bytes) -> bytes | None:
    """None for GCM-SIV where OpenSSL does not have it (before 3.2)."""
    if aead != 30:
        return AESSIV(key).encrypt(text, [associated, nonce])
    try:
        return AESGCMSIV(key).encrypt(nonce, text, associated)
    except UnsupportedAlgorithm:
        return None


@given(st.data(), AEADS, TEXTS, TEXTS)
def test_sealed_texts_are_those_of_cryptography(data: st.DataObject, aead: int, associated: bytes, text: bytes) -> None:
    key, nonce = data.draw(keys(aead)), data.draw(nonces(aead))
    sealed = dataplane.aead_seal(aead, key, nonce, associated, text)
    if text:  # older versions of cryptography refuse an empty one
        assert sealed_by_cryptography(aead, key, nonce, associated, text) in {sealed, None}
    assert len(sealed) == len(text) + 16
    assert dataplane.aead_open(aead, key, nonce, associated, sealed) == text


@given(st.data(), AEADS, TEXTS)
def test_forged_texts_do_not_open(data: st.DataObject, aead: int, text: bytes) -> None:
    key, nonce = bytes(KEY_LENGTHS[aead]), bytes(12)
    sealed = bytearray(dataplane.aead_seal(aead, key, nonce, b"header", text))
    assert dataplane.aead_open(aead, key, nonce, b"headers", bytes(sealed)) is None
    assert dataplane.aead_open(aead, key, bytes(11) + b"1", b"header", bytes(sealed)) is None
    bit = data.draw(st.integers(0, 8 * len(sealed) - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    assert dataplane.aead_open(aead, key, nonce, b"header", bytes(sealed)) is None


@given(AEADS, st.binary(max_size=100))
def test_arbitrary_octets_do_not_open(aead: int, junk: bytes) -> None:
    assert dataplane.aead_open(aead, bytes(KEY_LENGTHS[aead]), bytes(12), b"", junk) is None
    assert dataplane.open_cookie(MASTER, 1, junk) is None


def test_empty_texts_have_the_tags_of_the_rfcs() -> None:
    # RFC 8452, appendix C.1; SIV's by RFC 5297's S2V with the CMAC of cryptography.
    tag = dataplane.aead_seal(30, bytes.fromhex("01" + 15 * "00"), bytes.fromhex("03" + 11 * "00"), b"", b"")
    assert tag.hex() == "dc20e2d83f25705bb49e439eca56de25"
    for aead, length in KEY_LENGTHS.items():
        if aead != 30:
            key = bytes(range(length))
            assert dataplane.aead_seal(aead, key, b"nonce", b"header", b"") == empty_siv(key[: length // 2], b"header", b"nonce")


def cmac(key: bytes, data: bytes) -> bytes:
    context = CMAC(AES(key))
    context.update(data)
    return context.finalize()


def double(block: bytes) -> int:
    value = int.from_bytes(block, "big") << 1
    return value & ((1 << 128) - 1) ^ (0x87 if value >> 128 else 0)


def empty_siv(key: bytes, *strings: bytes) -> bytes:
    total = cmac(key, bytes(16))
    for each in strings:
        total = (double(total) ^ int.from_bytes(cmac(key, each), "big")).to_bytes(16, "big")
    return cmac(key, (double(total) ^ 0x80 << 120).to_bytes(16, "big"))


@pytest.mark.parametrize(("kind", "length"), [("md5", 16), ("sha1", 20), ("sha256", 20), ("sha384", 20), ("sha512", 20)])
@given(secret=st.binary(min_size=1, max_size=256), packet=st.binary(max_size=200))
def test_digests_are_those_of_hashlib(kind: str, length: int, secret: bytes, packet: bytes) -> None:
    right = hashlib.new(kind, secret + packet, usedforsecurity=False).digest()
    assert dataplane.digest_mac(kind, secret, packet) == right[:length]


@given(secret=st.binary(min_size=32, max_size=32), packet=st.binary(max_size=200))
def test_cmacs_are_those_of_cryptography(secret: bytes, packet: bytes) -> None:
    assert dataplane.digest_mac("aes256", secret, packet) == cmac(secret, packet)
    assert dataplane.digest_mac("aes128", secret[:16], packet) == cmac(secret[:16], packet)


@given(st.data(), AEADS, st.integers(0, (1 << 24) - 1), st.booleans(), st.binary(min_size=16, max_size=16))
def test_cookies_hold_the_keys(data: st.DataObject, aead: int, key_id: int, version5: bool, nonce: bytes) -> None:
    c2s, s2c = data.draw(keys(aead)), data.draw(keys(aead))
    cookie = dataplane.seal_cookie(MASTER, key_id, aead, c2s, s2c, nonce, version5)
    head = (key_id << 8 | aead | (0x80 if version5 else 0)).to_bytes(4, "big")
    assert cookie == head + nonce + AESSIV(MASTER).encrypt(c2s + s2c, [head, nonce])
    assert dataplane.open_cookie(MASTER, key_id, cookie) == (aead, c2s, s2c, version5)
    assert dataplane.open_cookie(MASTER, key_id ^ 1, cookie) is None
    assert dataplane.open_cookie(bytes(32), key_id, cookie) is None
    assert dataplane.open_cookie(MASTER, key_id, cookie + b"\0") is None
    forged = bytearray(cookie)
    forged[data.draw(st.integers(0, len(cookie) - 1))] ^= data.draw(st.integers(1, 255))
    assert dataplane.open_cookie(MASTER, key_id, bytes(forged)) is None


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: dataplane.aead_seal(14, bytes(32), bytes(16), b"", b""), "aead"),
        (lambda: dataplane.aead_seal(15, bytes(31), bytes(16), b"", b""), "key: 32"),
        (lambda: dataplane.aead_open(15, bytes(32), b"", b"", b""), "nonce: at least one"),
        (lambda: dataplane.aead_open(30, bytes(16), bytes(16), b"", b""), "nonce: 12"),
        (lambda: dataplane.seal_cookie(bytes(31), 1, 15, bytes(32), bytes(32), bytes(16)), "master: 32"),
        (lambda: dataplane.seal_cookie(bytes(32), 1 << 24, 15, bytes(32), bytes(32), bytes(16)), "key_id: a number below"),
        (lambda: dataplane.seal_cookie(bytes(32), 1, 15, bytes(16), bytes(32), bytes(16)), "c2s: 32"),
        (lambda: dataplane.seal_cookie(bytes(32), 1, 30, bytes(16), bytes(32), bytes(16)), "s2c: 16"),
        (lambda: dataplane.seal_cookie(bytes(32), 1, 15, bytes(32), bytes(32), bytes(12)), "nonce: 16"),
        (lambda: dataplane.digest_mac("md4", b"secret", b""), "kind: md5, "),
        (lambda: dataplane.digest_mac("sha1", b"", b""), "secret: 1 to 256"),
        (lambda: dataplane.digest_mac("aes128", bytes(32), b""), "secret: 16"),
    ],
)
def test_what_can_not_be_is_refused_by_field(call: object, field: str) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=f"^{field}") as caught:
        call()
    assert "00" not in str(caught.value), "no secret is in the message"
