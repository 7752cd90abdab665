"""Whom a certificate is for: the names and addresses in it, and whether it proves one of them."""

import ipaddress

from cryptography import x509

__all__ = ["UNREADABLE", "certificate_names", "is_address", "proves"]

UNREADABLE = (ValueError, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)
"""What the library raises for a certificate that it can't read, although TLS may have believed it."""


def is_address(name: str) -> bool:
    """Whether it is an IP address and no name."""
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True


def certificate_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """The subject alternative names: host names, then addresses; none where they can't be read."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, *UNREADABLE):
        return ()
    return (*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress)))


def proves(certificate: x509.Certificate, name: str) -> bool:
    """Whether the certificate is for this name or address (RFC 9525): the common name counts for nothing."""
    names = certificate_names(certificate)
    if is_address(name):
        wanted = ipaddress.ip_address(name.partition("%")[0])
        return any(is_address(each) and ipaddress.ip_address(each) == wanted for each in names)
    plain = name.rstrip(".").lower()
    return any(_covers(each.rstrip(".").lower(), plain) for each in names if not is_address(each))


def _covers(pattern: str, name: str) -> bool:
    """A star stands for the whole first label, and only for that."""
    if not pattern.startswith("*."):
        return pattern == name
    label, dot, rest = name.partition(".")
    return bool(label and dot) and rest == pattern[2:] and "." in rest
