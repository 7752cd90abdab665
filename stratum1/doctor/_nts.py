"""NTS key establishment: its files and who does TLS."""

import os
from collections.abc import Iterator

from stratum1.config import Config, NtsKeConfig
from stratum1.ntske import Identity, IdentityError, choose_backend, read_identity
from stratum1.timescale import NS, rfc3339

from ._finding import Finding, failure, ok, skipped, warning
from ._host import Host
from ._runner import runner, unit_values

__all__ = ["check_key_certificate", "check_key_files", "check_tls"]

_SOON = 14 * 86_400 * NS


def check_key_certificate(config: Config, host: Host) -> Iterator[Finding]:
    """The certificate and its key: there, readable for the daemon, belonging together, good today."""
    table = config.nts_ke
    if table is None:
        return
    if table.is_self_signed or table.certificate is None or table.private_key is None:
        yield ok("nts.certificate", "an own authority issues the certificate once the time is known; clients need nts-ca.pem of the page")
        return
    faults = list(_unreadable(host, (table.certificate, table.private_key)))
    yield from faults or [_judged(table, host)]


def check_key_files(config: Config, host: Host) -> Iterator[Finding]:
    """The other files that [nts-ke] names."""
    table = config.nts_ke
    if table is not None:
        named = (table.shared_secret, table.client_authority, table.pool_tokens)
        yield from _unreadable(host, tuple(each for each in named if each is not None))


def check_tls(config: Config, host: Host) -> Iterator[Finding]:
    """Who does TLS, and whether it can under the unit's sandbox."""
    table = config.nts_ke
    if table is None:
        return
    native = choose_backend().name == "rustls"
    if native and table.tls != "openssl":
        yield ok("nts.tls", "rustls of the native module does TLS")
    elif table.tls == "rustls":
        yield failure("nts.tls", 'tls = "rustls", and the native module is missing', 'Install it (docs/install.md), or set tls = "auto".')
    elif unit_values(host, "MemoryDenyWriteExecute")[-1:] in (("yes",), ("true",), ("on",), ("1",)):
        yield failure(
            "nts.tls",
            "pyOpenSSL does TLS, and it can't be a server under MemoryDenyWriteExecute= of the unit: no keys will be established",
            "Install stratum1 with its native module (docs/install.md), whose rustls can; or, giving a protection up: "
            "sudo systemctl edit stratum1, [Service] MemoryDenyWriteExecute=no",
        )
    else:
        yield warning(
            "nts.tls", "pyOpenSSL does TLS: it takes twice the processor time of rustls", "Install the native module (docs/install.md)."
        )


def _unreadable(host: Host, paths: tuple[str, ...]) -> Iterator[Finding]:
    daemon = runner(host)
    for path in paths:
        if not host.exists(path):
            yield failure("nts.files", f"[nts-ke] names {path}, and there is no such file", "Put it there, or correct the path.")
        elif daemon is not None and not host.may(daemon.who, path, os.R_OK):
            yield failure(
                "nts.files",
                f"{daemon.who.name} may not read {path} ({daemon.origin})",
                f"sudo setfacl -m u:{daemon.who.name}:r {path}, and x on its folders; or copy it to a folder of the daemon's",
            )


def _judged(table: NtsKeConfig, host: Host) -> Finding:
    found = _identity(table, host)
    if isinstance(found, Finding):
        return found
    names, end = ", ".join(found.names), rfc3339(found.not_after, 0)
    if not found.names:
        return failure("nts.certificate", "the certificate names nobody (no subject alternative names)", "Have one issued with names.")
    if found.not_after < host.now():
        return failure("nts.certificate", f"the certificate for {names} expired at {end}", "Renew it: it is read again by itself.")
    if found.not_after < host.now() + _SOON:
        return warning("nts.certificate", f"the certificate for {names} expires at {end}", "Renew it: it is read again by itself.")
    return ok("nts.certificate", f"the certificate for {names} ({found.kind}) is good until {end}")


def _identity(table: NtsKeConfig, host: Host) -> Identity | Finding:
    chain, key = host.read(table.certificate or ""), host.read(table.private_key or "")
    if chain is None or key is None:
        return skipped("nts.certificate", f"{host.caller().name} may not read the certificate's files, so they can't be checked: sudo does")
    try:
        return read_identity(chain.encode(), key.encode())
    except IdentityError as error:
        path = table.private_key if error.in_key else table.certificate
        return failure("nts.certificate", f"{path}: {error}", "Put certificate and key of the same renewal there.")
