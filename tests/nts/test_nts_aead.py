"""The AEADs against the vectors of their RFCs, and our own way to the tag of an empty text against the library's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum1.nts import aead as aead_module
from stratum1.nts._empty import gcm_siv_tag, siv_tag
from stratum1.nts.aead import Aead, Sealer

RFC5297_A1 = (
    "fffefdfc fbfaf9f8 f7f6f5f4 f3f2f1f0 f0f1f2f3 f4f5f6f7 f8f9fafb fcfdfeff",
    (),
    "10111213 14151617 18191a1b 1c1d1e1f 20212223 24252627",
    "11223344 55667788 99aabbcc ddee",
    "85632d07 c6e8f37f 950acd32 0a2ecc93 40c02b96 90c4dc04 daef7f6a fe5c",
)
RFC5297_A2 = (
    "7f7e7d7c 7b7a7978 77767574 73727170 40414243 44454647 48494a4b 4c4d4e4f",
    ("00112233 44556677 8899aabb ccddeeff deaddada deaddada ffeeddcc bbaa9988 77665544 33221100", "10203040 50607080 90a0"),
    "09f91102 9d74e35b d84156c5 635688c0",
    "74686973 20697320 736f6d65 20706c61 696e7465 78742074 6f20656e 63727970 74207573 696e6720 5349562d 414553",
    (
        "7bdb6e3b 432667eb 06f4d14b ff2fbd0f cb900f2f ddbe4043 26601965 c889bf17 dba77ceb 094fa663 b7a3f748 ba8af829 ea64ad54 4a272e9c"
        "485b62a3 fd5c0d"
    ),
)
RFC8452_C1 = [
    ("", "", "dc20e2d83f25705bb49e439eca56de25"),
    ("0100000000000000", "", "b5d839330ac7b786578782fff6013b815b287c22493a364c"),
    ("010000000000000000000000", "", "7323ea61d05932260047d942a4978db357391a0bc4fdec8b0d106639"),
    ("0200000000000000", "01", "1e6daba35669f4273b0a1a2560969cdf790d99759abd1508"),
]
KEYS = {aead: bytes(range(aead.key_length)) for aead in Aead}


@pytest.mark.parametrize(("key", "associated", "nonce", "text", "sealed"), [RFC5297_A1, RFC5297_A2])
def test_rfc_5297_vectors(key: str, associated: tuple[str, ...], nonce: str, text: str, sealed: str) -> None:
    sealer = Sealer(Aead.AES_SIV_CMAC_256, bytes.fromhex(key))
    pieces = tuple(bytes.fromhex(piece) for piece in associated)
    assert sealer.seal(bytes.fromhex(nonce), pieces, bytes.fromhex(text)) == bytes.fromhex(sealed)
    assert sealer.open(bytes.fromhex(nonce), pieces, bytes.fromhex(sealed)) == bytes.fromhex(text)


@pytest.mark.parametrize(("text", "associated", "sealed"), RFC8452_C1)
def test_rfc_8452_vectors(text: str, associated: str, sealed: str) -> None:
    sealer = Sealer(Aead.AES_128_GCM_SIV, bytes.fromhex("01" + "00" * 15))
    nonce = bytes.fromhex("03" + "00" * 11)
    assert sealer.seal(nonce, (bytes.fromhex(associated),), bytes.fromhex(text)) == bytes.fromhex(sealed)
    assert sealer.open(nonce, (bytes.fromhex(associated),), bytes.fromhex(sealed)) == bytes.fromhex(text)


def test_an_empty_text_has_the_tag_of_rfc_8452_without_the_library() -> None:
    assert gcm_siv_tag(bytes.fromhex("01" + "00" * 15), bytes.fromhex("03" + "00" * 11), b"").hex() == RFC8452_C1[0][2]


@given(associated=st.binary(max_size=80), nonce=st.binary(min_size=12, max_size=12))
def test_the_tags_of_an_empty_text_are_the_same_with_and_without_the_library(associated: bytes, nonce: bytes) -> None:
    by_library = aead_module._LIBRARY_TAKES_NOTHING
    for aead, key in KEYS.items():
        own = gcm_siv_tag(key, nonce, associated) if aead is Aead.AES_128_GCM_SIV else siv_tag(key, (associated, nonce))
        assert Sealer(aead, key).seal(nonce, (associated,), b"") == own
        aead_module._LIBRARY_TAKES_NOTHING = False
        try:
            assert Sealer(aead, key).seal(nonce, (associated,), b"") == own
            assert Sealer(aead, key).open(nonce, (associated,), own) == b""
            assert Sealer(aead, key).open(nonce, (associated + b"x",), own) is None
        finally:
            aead_module._LIBRARY_TAKES_NOTHING = by_library


@given(aead=st.sampled_from(list(Aead)), text=st.binary(max_size=200), flip=st.integers(0, 10_000))
def test_one_changed_bit_anywhere_opens_nothing(aead: Aead, text: bytes, flip: int) -> None:
    sealer, nonce = Sealer(aead, KEYS[aead]), bytes(aead.nonce_length)
    sealed = sealer.seal(nonce, (b"ad",), text)
    assert len(sealed) == len(text) + aead_module.TAG_LENGTH
    assert sealer.open(nonce, (b"ad",), sealed) == text
    at = flip % (8 * len(sealed))
    changed = bytearray(sealed)
    changed[at // 8] ^= 1 << at % 8
    assert sealer.open(nonce, (b"ad",), bytes(changed)) is None
    assert sealer.open(nonce[:-1] + b"\1", (b"ad",), sealed) is None
    assert sealer.open(nonce, (b"da",), sealed) is None


@given(aead=st.sampled_from(list(Aead)), nonce=st.binary(max_size=40), sealed=st.binary(max_size=100))
def test_arbitrary_octets_open_nothing_and_raise_nothing(aead: Aead, nonce: bytes, sealed: bytes) -> None:
    assert Sealer(aead, KEYS[aead]).open(nonce, (b"x",), sealed) is None


def test_keys_and_nonces_of_the_wrong_length_are_refused() -> None:
    with pytest.raises(ValueError, match="AEAD 16 takes 48 octets, not 32"):
        Sealer(Aead.AES_SIV_CMAC_384, bytes(32))
    with pytest.raises(ValueError, match="AEAD 30 takes 12 octets, not 16"):
        Sealer(Aead.AES_128_GCM_SIV, bytes(16)).seal(bytes(16), (), b"")


def test_sizes_of_the_registry() -> None:
    assert {aead.value: (aead.key_length, aead.nonce_length) for aead in Aead} == {15: (32, 16), 16: (48, 16), 17: (64, 16), 30: (16, 12)}
