"""Which clients may establish keys, where they have to show a certificate."""

import hashlib
from collections.abc import Callable

from cryptography import x509
from cryptography.x509.oid import NameOID

from ._names import UNREADABLE, certificate_names

__all__ = ["admission"]

_FINGERPRINT = "sha256:"


def admission(rules: tuple[str, ...]) -> Callable[[bytes | None], bool]:
    """The judge of certificates (DER), which TLS has verified by then.

    rules: names (subject alternative names, or the common name where there are none; "*.example.org" for all right below) and
    "sha256:" with a fingerprint in hexadecimal; empty: all that the authority vouches for.
    """
    prints = {each.lower().removeprefix(_FINGERPRINT).replace(":", "") for each in rules if each.lower().startswith(_FINGERPRINT)}
    names = {each.lower() for each in rules if not each.lower().startswith(_FINGERPRINT)}

    def admits(certificate: bytes | None) -> bool:
        if certificate is None:
            return False
        if not rules:
            return True
        if hashlib.sha256(certificate).hexdigest() in prints:
            return True
        try:
            return any(_named(each.lower(), names) for each in _names(x509.load_der_x509_certificate(certificate)))
        except UNREADABLE:
            return False

    return admits


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    found = certificate_names(certificate)
    return found or tuple(str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME))


def _named(name: str, rules: set[str]) -> bool:
    _, dot, rest = name.partition(".")
    return name in rules or bool(dot and f"*.{rest}" in rules)
