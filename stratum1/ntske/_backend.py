"""Which TLS does the work: rustls of the native module where there is one, else pyOpenSSL."""

from importlib import import_module

from stratum1.dataplane import MISSING, native
from stratum1.nts.tls import TlsBackend, TlsError

__all__ = ["choose_backend"]


def choose_backend(wanted: str = "auto") -> TlsBackend:
    """wanted: "auto", "rustls" or "openssl". Raises TlsError with the reason where it can't be had."""
    rustls, reason = _rustls()
    if rustls is not None and wanted != "openssl":
        return rustls
    if wanted == "rustls":
        raise TlsError(f"rustls is part of the native module, and {reason}")
    # loaded only when asked for: it takes a tenth of a second and some megabytes
    backend: TlsBackend = import_module("stratum1.ntske._tls_openssl").OPENSSL
    return backend


def _rustls() -> tuple[TlsBackend | None, str]:
    module = native()
    if module is None:
        return None, MISSING
    server, client, error = (getattr(module, name, None) for name in ("TlsServer", "TlsClient", "TlsError"))
    if server is None or client is None or error is None:
        return None, "the one that is there was built without TLS"
    return TlsBackend("rustls", server, client, error), ""
