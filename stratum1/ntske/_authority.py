"""A certificate authority of our own and the leaf that it issues, for servers that have no other certificate. ECDSA P-256.

Both are good from the day that this program was built: a client without a battery-backed clock starts there too, and a certificate
that begins later would be one from the future to it. The authority is only good for leaves of this one server.
"""

import ipaddress
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from stratum1.timescale import NS, UtcNs

from ._names import is_address

__all__ = ["as_datetime", "as_utc", "key_pem", "make_authority", "make_leaf"]

_AUTHORITY_YEARS = 30
_LEAF_DAYS = 180
_LONGEST_NAME = 64  # of a common name (RFC 5280, appendix A.1)


def as_datetime(instant: UtcNs) -> datetime:
    """An instant to the second, for certificates."""
    return datetime.fromtimestamp(instant // NS, UTC)


def as_utc(moment: datetime) -> UtcNs:
    """A certificate's date."""
    return UtcNs(round(moment.timestamp()) * NS)


def key_pem(key: EllipticCurvePrivateKey) -> bytes:
    """A private key as PKCS 8, not encrypted."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def make_authority(hostname: str, built: UtcNs) -> tuple[x509.Certificate, EllipticCurvePrivateKey]:
    """An authority for one server, good for 30 years from the build date."""
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"stratum1 {hostname}"[:_LONGEST_NAME])])
    begin = as_datetime(built)
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    certificate = (
        _builder(name, name, key, begin, begin + timedelta(days=365.25 * _AUTHORITY_YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    return certificate, key


def make_leaf(
    authority: x509.Certificate, authority_key: EllipticCurvePrivateKey, names: tuple[str, ...], built: UtcNs, now: UtcNs
) -> tuple[x509.Certificate, EllipticCurvePrivateKey]:
    """A server's certificate for host names and addresses (at least one), good from the build date to 180 days from now."""
    key = generate_private_key(SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:_LONGEST_NAME])])
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    end = min(as_datetime(now) + timedelta(days=_LEAF_DAYS), authority.not_valid_after_utc)
    certificate = (
        _builder(subject, authority.subject, key, as_datetime(built), end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general(each) for each in names]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_issuer_of(authority), critical=False)
        .sign(authority_key, SHA256())
    )
    return certificate, key


def _builder(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey, begin: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )


def _issuer_of(authority: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    own = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _general(name: str) -> x509.GeneralName:
    return x509.IPAddress(ipaddress.ip_address(name)) if is_address(name) else x509.DNSName(name)
