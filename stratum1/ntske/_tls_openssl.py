"""TLS by pyOpenSSL: what key establishment uses where the native module is missing (Python's own ssl module exports no keys).

OpenSSL calls Python back for ALPN through a page that cffi makes both writable and executable, so that a server of this kind can't be
made under MemoryDenyWriteExecute=; rustls can.
"""

from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL, crypto

from stratum1.nts.tls import ALPN, TlsBackend, TlsError

from ._names import UNREADABLE, is_address, proves

__all__ = ["OPENSSL", "OpenSslClient", "OpenSslServer", "OpenSslSession"]

_CHUNK = 16384


class OpenSslSession:
    """One connection over memory."""

    __slots__ = ("_closed", "_connection", "_expected", "_handshaking", "_plain")

    def __init__(self, connection: SSL.Connection, expected: str = "") -> None:
        """expected: the name or address that the peer has to prove, empty for none."""
        self._connection = connection
        self._expected = expected
        self._handshaking = True
        self._closed = False
        self._plain = bytearray()
        self._advance()

    @property
    def handshaking(self) -> bool:
        """Whether no key can be exported yet."""
        return self._handshaking

    @property
    def alpn(self) -> bytes | None:
        """The protocol agreed upon."""
        return self._connection.get_alpn_proto_negotiated() or None

    @property
    def peer_certificate(self) -> bytes | None:
        """The peer's leaf, DER."""
        found = self._connection.get_peer_certificate()
        return None if found is None else crypto.dump_certificate(crypto.FILETYPE_ASN1, found)

    @property
    def closed(self) -> bool:
        """Whether close_notify has come."""
        return self._closed

    def receive(self, data: bytes) -> None:
        """Take what came. Raises TlsError."""
        while data:
            data = data[self._connection.bio_write(data) :]
            self._advance()

    def plaintext(self) -> bytes:
        """What was said."""
        said = bytes(self._plain)
        self._plain.clear()
        return said

    def send(self, data: bytes) -> None:
        """Say something."""
        try:
            self._connection.sendall(data)
        except SSL.Error as error:
            raise TlsError(_reason(error)) from None

    def outgoing(self) -> bytes:
        """What has to be sent now."""
        parts = []
        while True:
            try:
                parts.append(self._connection.bio_read(1 << 16))
            except SSL.WantReadError:
                return b"".join(parts)

    def close(self) -> None:
        """Queue close_notify."""
        try:
            self._connection.shutdown()
        except SSL.Error as error:
            raise TlsError(_reason(error)) from None

    def export(self, label: bytes, context: bytes, length: int) -> bytes:
        """Key material. Raises TlsError."""
        try:
            return self._connection.export_keying_material(label, length, context)
        except SSL.Error as error:
            raise TlsError(_reason(error)) from None

    def _advance(self) -> None:
        try:
            if self._handshaking:
                self._connection.do_handshake()
                self._check_name()
                self._handshaking = False
            while True:
                self._plain += self._connection.recv(_CHUNK)
        except SSL.WantReadError:
            return
        except SSL.ZeroReturnError:
            self._closed = True
        except SSL.Error as error:
            raise TlsError(_reason(error)) from None

    def _check_name(self) -> None:
        """RFC 9525; OpenSSL's own check is not within pyOpenSSL's reach."""
        if not self._expected:
            return
        try:
            found = self._connection.get_peer_certificate(as_cryptography=True)
        except UNREADABLE as error:
            raise TlsError(f"its certificate can't be read: {error}") from None
        if found is None or not proves(found, self._expected):
            raise TlsError(f"its certificate is not for {self._expected}")


class OpenSslServer:
    """A certificate chain and its key."""

    def __init__(self, chain: bytes, key: bytes, client_authority: bytes | None) -> None:
        """All PEM. client_authority: clients without a certificate from there are refused. Raises TlsError."""
        context = _context(SSL.TLS_SERVER_METHOD)
        try:
            certificates = x509.load_pem_x509_certificates(chain)
            context.use_certificate(certificates[0])
            for each in certificates[1:]:
                context.add_extra_chain_cert(each)
            context.use_privatekey(load_pem_private_key(key, None))  # type: ignore[arg-type]
            context.check_privatekey()
            if client_authority is not None:
                _believe(context, client_authority)
                context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
            context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
            context.set_alpn_select_callback(_choose)
        except (ValueError, TypeError, IndexError, SSL.Error) as error:
            raise TlsError(_reason(error)) from None
        except MemoryError:
            raise TlsError("pyOpenSSL can't be a server under MemoryDenyWriteExecute=: the native module is needed for that") from None
        self._context = context

    def session(self) -> OpenSslSession:
        """A new connection."""
        connection = SSL.Connection(self._context, None)
        connection.set_accept_state()
        return OpenSslSession(connection)


class OpenSslClient:
    """The authorities that are believed."""

    def __init__(self, authorities: bytes, chain: bytes | None = None, key: bytes | None = None) -> None:
        """PEM. chain, key: our own certificate, for servers that ask for one. Raises TlsError."""
        context = _context(SSL.TLS_CLIENT_METHOD)
        try:
            _believe(context, authorities)
            if chain is not None and key is not None:
                context.use_certificate(x509.load_pem_x509_certificates(chain)[0])
                context.use_privatekey(load_pem_private_key(key, None))  # type: ignore[arg-type]
        except (ValueError, TypeError, IndexError, SSL.Error) as error:
            raise TlsError(_reason(error)) from None
        context.set_verify(SSL.VERIFY_PEER)
        context.set_alpn_protos([ALPN])
        self._context = context

    def session(self, server_name: str) -> OpenSslSession:
        """A new connection to a server of this name or address."""
        connection = SSL.Connection(self._context, None)
        connection.set_connect_state()
        if not is_address(server_name):
            connection.set_tlsext_host_name(server_name.encode("ascii"))
        return OpenSslSession(connection, server_name)


def _context(method: int) -> SSL.Context:
    context = SSL.Context(method)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    return context


def _believe(context: SSL.Context, authorities: bytes) -> None:
    store = context.get_cert_store()
    if store is None:
        raise TlsError("OpenSSL has no store for authorities")
    for each in x509.load_pem_x509_certificates(authorities):
        store.add_cert(crypto.X509.from_cryptography(each))


def _choose(_connection: SSL.Connection, offered: list[bytes]) -> Any:
    """ALPN, or what stands for none (whose type is not pyOpenSSL's to tell): then who uses the session ends it."""
    return ALPN if ALPN in offered else SSL.NO_OVERLAPPING_PROTOCOLS


def _reason(error: Exception) -> str:
    """OpenSSL's own words."""
    if isinstance(error, SSL.SysCallError):
        return "the peer has gone"
    if isinstance(error, SSL.Error) and error.args and isinstance(error.args[0], list):
        return "; ".join(str(each[-1]) for each in error.args[0]) or "TLS failed"
    return str(error) or "TLS failed"


OPENSSL = TlsBackend("openssl", OpenSslServer, OpenSslClient, TlsError)
"""How this is chosen."""
