"""Which TLS does the work: rustls of the native module where there is one, else pyOpenSSL."""

from importlib import import_module

from stratum1.dataplane import MISSING, native
from stratum1.nts.tls import TlsBackend, TlsError

__all__ = ["choose_backend"]


def choose_backend(wanted: str = "auto") -> TlsBackend:
    """wanted: "auto", "rustls" or "openssl". Raises TlsError with the reason where it can't be had."""
    module = native()
    if module is not None and wanted != "openssl":
        return TlsBackend("rustls", module.TlsServer, module.TlsClient, module.TlsError)
    if wanted == "rustls":
        raise TlsError(f"rustls is part of the native module, and {MISSING}")
    # loaded only when asked for: it takes a tenth of a second and some megabytes
    backend: TlsBackend = import_module("stratum1.ntske._tls_openssl").OPENSSL
    return backend
