"""Digests of symmetric keys against RFC 4493, NIST SP 800-38B and hashlib."""

import hashlib

import pytest

from stratum1.ntp import KeyKind, SymmetricKey

TEXT = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51 30c81c46a35ce411e5fbc1191a0a52ef f69f2445df4f9b17ad2b417be66c3710"
)
AES128 = SymmetricKey(1, KeyKind.AES128, bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"))
AES256 = SymmetricKey(2, KeyKind.AES256, bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"))
VECTORS = [
    (AES128, 0, "bb1d6929e95937287fa37d129b756746"),
    (AES128, 16, "070a16b46b4d4144f79bdd9dd04a287c"),
    (AES128, 40, "dfa66747de9ae63030ca32611497c827"),
    (AES128, 64, "51f0bebf7e3b9d92fc49741779363cfe"),
    (AES256, 0, "028962f61b7bf89efc6b551f4667d983"),
    (AES256, 16, "28a7023f452e8f82bd4bf28d8c37c35c"),
    (AES256, 40, "aaf3d8f1de5640c232f5b169b9c911e6"),
    (AES256, 64, "e1992190549f6ed5696a2c056c315410"),
]


@pytest.mark.parametrize(("key", "size", "digest"), VECTORS)
def test_cmac_vectors(key: SymmetricKey, size: int, digest: str) -> None:
    assert key.digest(TEXT[:size]).hex() == digest


@pytest.mark.parametrize("kind", [kind for kind in KeyKind if not kind.is_cmac])
def test_digest_kinds_hash_the_key_and_then_the_packet(kind: KeyKind) -> None:
    assert SymmetricKey(1, kind, b"secret").digest(b"packet") == hashlib.new(kind.value, b"secretpacket").digest()


def test_lengths() -> None:
    assert {kind.value: kind.lengths for kind in KeyKind} == {
        "md5": (16, 16),
        "sha1": (20, 20),
        "sha256": (20, 32),
        "sha384": (20, 48),
        "sha512": (20, 64),
        "aes128": (16, 16),
        "aes256": (16, 16),
    }


@pytest.mark.parametrize(
    ("key_id", "kind", "secret", "named"),
    [
        (0, KeyKind.MD5, b"x", "key 0: a key id is 1 to 4294967295"),
        (1 << 32, KeyKind.MD5, b"x", "key id"),
        (1, KeyKind.AES128, bytes(32), "key 1: aes128 needs a key of 16 octets, not 32"),
        (1, KeyKind.AES256, bytes(16), "32 octets, not 16"),
        (1, KeyKind.SHA1, b"", "0 octets of secret"),
        (1, KeyKind.SHA1, bytes(257), "257 octets of secret"),
    ],
)
def test_keys_that_cannot_be(key_id: int, kind: KeyKind, secret: bytes, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        SymmetricKey(key_id, kind, secret)
