"""Where the certificate comes from: files that the owner names and renews, or an authority of our own in the state directory."""

import os
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from stratum1.timescale import NS, UtcNs, rfc3339

from ._authority import as_utc, key_pem, make_authority, make_leaf
from ._files import PrivateFileError, read_private, write_private
from ._identity import Identity, IdentityError, fingerprint, read_identity
from ._keys import Tell

__all__ = ["Certificates", "FiledCertificate", "OwnCertificate"]

_RENEW_BEFORE = 60 * 86_400 * NS
_WARN_BEFORE = 14 * 86_400 * NS
_Signature = tuple[tuple[int, int, int], ...]


class FiledCertificate:
    """A pair of files. Looked at again when they change; a new pair that is none leaves the old one in force."""

    authority = b""
    authority_fingerprint = ""

    def __init__(self, chain: Path, key: Path, tell: Tell) -> None:
        self._chain, self._key = chain, key
        self._tell = tell
        self._seen: _Signature | None = None
        self._loaded: _Signature | None = None
        self._told_expiry = False
        self.identity: Identity | None = None
        self.reason = "the certificate was not looked at yet"
        """Why there is no certificate, or why the newer files are not in force; empty where all is well."""

    def look(self, known: UtcNs | None, *, again: bool = False) -> bool:
        """Load the files if they have changed (again: in any case). known: served time. Whether the identity is another one.

        A change counts once two looks in a row see the same files: whoever renews them writes two, one after the other.
        """
        seen = (_signature(self._chain), _signature(self._key))
        settled, self._seen = seen == self._seen or self._loaded is None, seen
        changed = (again or (settled and seen != self._loaded)) and self._load(seen)
        self._watch_expiry(known)
        return changed

    def _load(self, seen: _Signature) -> bool:
        self._loaded = seen
        before = self.identity
        try:
            chain, key = _present(self._chain), _present(self._key)
            self.identity = read_identity(chain, key)
        except (PrivateFileError, IdentityError) as error:
            where = "" if isinstance(error, PrivateFileError) else f"{self._key if error.in_key else self._chain}: "
            old = "; the certificate from before stays in force" if before else "; until then no NTS keys are established"
            self._complain(f"{where}{error}{old}")
            return False
        self.reason = ""
        if before is not None and self.identity != before:
            self._tell(False, f"{self._chain}: a new certificate is in force, good until {rfc3339(self.identity.not_after, 0)}")
        self._told_expiry = False
        return self.identity != before

    def _complain(self, text: str) -> None:
        if text != self.reason:
            self._tell(True, text)
        self.reason = text

    def _watch_expiry(self, known: UtcNs | None) -> None:
        if known is None or self.identity is None or self._told_expiry:
            return
        if self.identity.not_after - _WARN_BEFORE < known:
            self._told_expiry = True
            word = "has expired" if self.identity.not_after < known else "expires"
            self._tell(
                True, f"{self._chain}: the certificate {word} ({rfc3339(self.identity.not_after, 0)}); renew it, it is read by itself"
            )


class OwnCertificate:
    """An authority made at the first start, and a leaf that it issues once the time is known."""

    def __init__(self, directory: Path, hostname: str, built: UtcNs, names: Callable[[], tuple[str, ...]], tell: Tell) -> None:
        """names: whom the leaf has to be for by now; hostname: what the authority is called after."""
        self._directory = directory
        self._built = built
        self._names = names
        self._tell = tell
        self._hostname = hostname
        self._certificate, self._key = self._authority()
        self.identity: Identity | None = None
        self.reason = "the time is not known yet, so no certificate can be issued: it would be dated by guess"

    @property
    def authority(self) -> bytes:
        """The authority's certificate, PEM, for clients."""
        return self._certificate.public_bytes(Encoding.PEM)

    @property
    def authority_fingerprint(self) -> str:
        """Its SHA-256."""
        return fingerprint(self._certificate)

    def look(self, known: UtcNs | None, *, again: bool = False) -> bool:
        """Issue a leaf if there is none that is good. known: served time. Whether the identity is another one."""
        if known is None:
            return False
        if not as_utc(self._certificate.not_valid_before_utc) <= known <= as_utc(self._certificate.not_valid_after_utc):
            self._tell(True, "the authority of NTS certificates is not good at this date: a new one is made, clients need its certificate")
            self._certificate, self._key = self._new_authority()
            self.identity = None
        before = self.identity
        if before is None or again:
            before = self._stored()
        if (
            before is None
            or not before.good_at(known)
            or known > before.not_after - _RENEW_BEFORE
            or set(self._names()) - set(before.names)
        ):
            before = self._issue(known)
        changed, self.identity, self.reason = before != self.identity, before, ""
        return changed

    def _issue(self, known: UtcNs) -> Identity:
        names = self._names()
        leaf, key = make_leaf(self._certificate, self._key, names, self._built, known)
        chain, secret = leaf.public_bytes(Encoding.PEM), key_pem(key)
        self._save("nts-leaf.pem", chain + secret)
        self._tell(False, f"a certificate for {', '.join(names)} was issued, good until {rfc3339(as_utc(leaf.not_valid_after_utc), 0)}")
        return read_identity(chain, secret, self._certificate)

    def _stored(self) -> Identity | None:
        """The leaf of an earlier run, if it is one of this authority."""
        try:
            data = read_private(self._directory / "nts-leaf.pem")
            if data is None:
                return None
            chain, _, secret = data.partition(b"-----BEGIN PRIVATE")
            x509.load_pem_x509_certificate(chain).verify_directly_issued_by(self._certificate)
            return read_identity(chain, b"-----BEGIN PRIVATE" + secret, self._certificate)
        except (PrivateFileError, IdentityError, InvalidSignature, ValueError, TypeError):
            return None  # it is issued anew, which mends it

    def _authority(self) -> tuple[x509.Certificate, EllipticCurvePrivateKey]:
        try:
            certificate, key = read_private(self._directory / "nts-ca.pem"), read_private(self._directory / "nts-ca-key.pem")
            if certificate is None and key is None:
                return self._new_authority()
            found, secret = x509.load_pem_x509_certificate(certificate or b""), load_pem_private_key(key or b"", None)
            read_identity(certificate or b"", key or b"")
            if isinstance(secret, EllipticCurvePrivateKey):
                return found, secret
            text = "its key is not one that we made"
        except (PrivateFileError, IdentityError, ValueError, TypeError) as error:
            text = str(error)
        self._tell(True, f"{self._directory}/nts-ca.pem and nts-ca-key.pem: {text}; a new authority is made, clients need its certificate")
        return self._new_authority()

    def _new_authority(self) -> tuple[x509.Certificate, EllipticCurvePrivateKey]:
        certificate, key = make_authority(self._hostname, self._built)
        self._save("nts-ca-key.pem", key_pem(key))
        self._save("nts-ca.pem", certificate.public_bytes(Encoding.PEM), mode=0o644)
        return certificate, key

    def _save(self, name: str, data: bytes, mode: int = 0o600) -> None:
        try:
            write_private(self._directory / name, data, mode)
        except PrivateFileError as error:
            self._tell(True, f"{error}; it is made anew at the next start, and clients then need the new authority")


Certificates = FiledCertificate | OwnCertificate


def _signature(path: Path) -> tuple[int, int, int]:
    try:
        status = os.stat(path)
    except OSError as error:
        return (0, 0, error.errno or 0)
    return (status.st_ctime_ns, status.st_ino, status.st_size)  # it changes with the content, and also when the owner or the mode does


def _present(path: Path) -> bytes:
    data = read_private(path)
    if data is None:
        raise PrivateFileError(f'{path}: there is no such file; give its path in [nts-ke], or leave both paths out for "self-signed"')
    return data
