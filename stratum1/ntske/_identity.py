"""What we prove ourselves with: a certificate chain and its key as values, checked once."""

from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from stratum1.timescale import UtcNs

from ._authority import as_utc
from ._names import UNREADABLE, certificate_names

__all__ = ["Identity", "IdentityError", "fingerprint", "read_identity"]


class IdentityError(ValueError):
    """No certificate and key that fit; the message says what would be right. in_key: whether it is about the key's file."""

    def __init__(self, text: str, *, in_key: bool = False) -> None:
        super().__init__(text)
        self.in_key = in_key


@dataclass(frozen=True, slots=True)
class Identity:
    """chain and key: PEM; leaf first. names: whom it is for. fingerprint: SHA-256 of the leaf. kind: of key, for people.

    authority: PEM of our own authority where it is one that we made, with its SHA-256.
    """

    chain: bytes
    key: bytes = field(repr=False)
    names: tuple[str, ...]
    kind: str
    not_before: UtcNs
    not_after: UtcNs
    fingerprint: str
    authority: bytes = b""
    authority_fingerprint: str = ""

    def good_at(self, now: UtcNs) -> bool:
        """Whether its dates contain now."""
        return self.not_before <= now <= self.not_after


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of a certificate, as `openssl x509 -fingerprint -sha256` prints it."""
    return certificate.fingerprint(SHA256()).hex(":").upper()


def read_identity(chain: bytes, key: bytes, authority: x509.Certificate | None = None) -> Identity:
    """Check that the two belong together. Raises IdentityError."""
    try:
        certificates = x509.load_pem_x509_certificates(chain)
    except UNREADABLE:
        raise IdentityError('no certificates in PEM ("-----BEGIN CERTIFICATE-----"), the server\'s own first') from None
    try:
        private = load_pem_private_key(key, None)
    except TypeError:
        raise IdentityError(
            "the key is encrypted: write it without a passphrase (`openssl pkey`), readable for the daemon only", in_key=True
        ) from None
    except ValueError:
        raise IdentityError('no private key in PEM ("-----BEGIN PRIVATE KEY-----")', in_key=True) from None
    leaf, public = certificates[0], private.public_key()
    if not isinstance(public, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
        raise IdentityError("keys are ECDSA (P-256 is the quickest), RSA or Ed25519", in_key=True)
    plain = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if leaf.public_key().public_bytes(*plain) != public.public_bytes(*plain):
        raise IdentityError("the key is not that of the first certificate: the chain has the server's own certificate first", in_key=True)
    return Identity(
        chain=chain,
        key=key,
        names=certificate_names(leaf),
        kind=_kind(public),
        not_before=as_utc(leaf.not_valid_before_utc),
        not_after=as_utc(leaf.not_valid_after_utc),
        fingerprint=fingerprint(leaf),
        authority=b"" if authority is None else authority.public_bytes(Encoding.PEM),
        authority_fingerprint="" if authority is None else fingerprint(authority),
    )


def _kind(public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> str:
    match public:
        case rsa.RSAPublicKey():
            return f"RSA {public.key_size}"
        case ec.EllipticCurvePublicKey():
            return f"ECDSA {public.curve.name}"
        case _:
            return "Ed25519"
