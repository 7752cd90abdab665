"""Key establishment as the daemon has it: certificate, keys and listener together, looked after once a second."""

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from stratum1.nts.ke_server import KePolicy
from stratum1.nts.keyring import KeyRing, Rotation
from stratum1.nts.tls import TlsBackend, TlsError, TlsServer
from stratum1.timescale import UtcNs

from ._backend import choose_backend
from ._certificates import Certificates, FiledCertificate, OwnCertificate
from ._clients import admission
from ._connection import KeService
from ._cookies import cookie_sealer
from ._files import PrivateFileError, read_private
from ._host_names import host_names
from ._identity import Identity
from ._keys import FleetKeys, KeptKeys, Keys, Tell
from ._listener import KeLimits, KeListener, KeListenError, open_listener
from ._tally import KeCounters

__all__ = ["KeReport", "KeSettings", "KeyEstablishment"]

_LISTEN_AGAIN = 30  # looks


@dataclass(frozen=True, slots=True)
class KeSettings:
    """What is configured. certificate and private_key: None for an authority of our own; names: more names for its leaf.

    shared_secret: of a fleet; client_authority: PEM file, then clients need a certificate, and one of allowed_clients if there are
    any; backend: "auto", "rustls" or "openssl"; built: the day before which no date can be true.
    """

    host: str
    port: int
    state_directory: Path
    built: UtcNs
    policy: KePolicy = field(default_factory=KePolicy)
    limits: KeLimits = field(default_factory=KeLimits)
    rotation: Rotation = field(default_factory=Rotation)
    certificate: Path | None = None
    private_key: Path | None = None
    names: tuple[str, ...] = ()
    shared_secret: Path | None = None
    client_authority: Path | None = None
    allowed_clients: tuple[str, ...] = ()
    backend: str = "auto"

    @property
    def address(self) -> str:
        """Where it listens, as text."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class KeReport:
    """For people. state: "serving", "waiting" (for the time) or "problem"; reason: the sentence, empty while all is well."""

    address: str
    state: str
    reason: str
    backend: str
    counters: KeCounters
    identity: Identity | None
    authority: bytes
    authority_fingerprint: str
    ring: KeyRing = field(repr=False)
    fleet: bool
    rotated_at: UtcNs | None
    next_rotation: UtcNs | None
    ke_port: int


class KeyEstablishment:
    """Owns certificate, keys and listener. All of it but the listener's own work happens in the caller's thread."""

    def __init__(self, settings: KeSettings, tell: Tell, rekeyed: Callable[[KeyRing], None], guess: UtcNs) -> None:
        """tell: told of what is worth a line; rekeyed: given the ring whenever it is another one; guess: what our clock says now.

        Raises nothing for what may mend itself: that is in the report.
        """
        self._settings = settings
        self._tell = tell
        self._rekeyed = rekeyed
        self._trouble = ""  # TLS, or the authority of clients
        self._unusable = ""  # why the certificate of now is not the one in force
        self._backend: TlsBackend | None = None
        self._tls: TlsServer | None = None
        self._client_authority: bytes | None = None
        self._keys: Keys = self._open_keys(guess)
        self._certificates: Certificates = self._open_certificates()
        self._listener: KeListener | None = None
        self._listen_problem = ""
        self._looks = 0
        self._prepare()

    @property
    def ring(self) -> KeyRing:
        """What seals and opens now."""
        return self._keys.ring

    @property
    def alive(self) -> bool:
        """Whether the listener's thread runs, where there is one; for watchdogs."""
        return self._listener is None or self._listener.alive

    @property
    def authority(self) -> bytes:
        """The certificate of our own authority, PEM; empty where there is none."""
        return self._certificates.authority

    def start(self, known: UtcNs | None, guess: UtcNs) -> None:
        """Open the listener and begin. What prevents it is told, and tried again."""
        self.look(known, guess)
        self._listen()
        reason = self._reason
        if reason:
            self._tell(False, f"NTS key establishment refuses its clients: {reason}")

    def stop(self) -> None:
        """Stop at once."""
        if self._listener is not None:
            self._listener.stop()

    def look(self, known: UtcNs | None, guess: UtcNs) -> None:
        """Once a second: renew what is due. known: served time, None while it is not known; guess: what our clock says."""
        self._looks += 1
        ring = self._keys.look(known, guess)
        if ring is not None:
            self._rekey(ring)
        if self._looks % 60 == 1 or self._certificates.identity is None or isinstance(self._certificates, FiledCertificate):
            self._renew(known)
        if self._listener is None and self._listen_problem and self._looks % _LISTEN_AGAIN == 0:
            self._listen()

    def reload(self, known: UtcNs | None) -> None:
        """Look at all files again now."""
        self._prepare()
        self._renew(known, again=True)

    def rotate(self, known: UtcNs | None) -> str:
        """New keys now. What was done, as a sentence."""
        ring = self._keys.rotate(known)
        if ring is None:
            return "the keys are drawn from the fleet's shared secret: give all servers a new one, and restart them"
        self._rekey(ring)
        return f"key {ring.current.key_id:06x} seals cookies from now on; the older ones still open"

    def report(self) -> KeReport:
        """The state of things."""
        certificates, keys = self._certificates, self._keys
        counters = self._listener.counters() if self._listener else KeCounters()
        fault = f"an error of ours ended a connection, please report it: {counters.fault}" if counters.fault else ""
        reason = self._reason
        waiting = not (self._trouble or self._unusable or self._listen_problem) and isinstance(certificates, OwnCertificate)
        return KeReport(
            address=self._settings.address,
            state=("waiting" if waiting else "problem") if reason else "serving",
            reason=reason or certificates.reason or self._unusable or keys.problem or fault,
            backend=self._backend.name if self._backend else "none",
            counters=counters,
            identity=certificates.identity,
            authority=certificates.authority,
            authority_fingerprint=certificates.authority_fingerprint,
            ring=keys.ring,
            fleet=isinstance(keys, FleetKeys),
            rotated_at=keys.rotated_at,
            next_rotation=keys.next_rotation,
            ke_port=self._settings.port,
        )

    @property
    def _reason(self) -> str:
        """Why no client is served, empty where they are."""
        return self._listen_problem or self._trouble or ("" if self._tls is not None else self._certificates.reason or self._unusable)

    def _open_keys(self, guess: UtcNs) -> Keys:
        settings = self._settings
        if settings.shared_secret is not None:
            try:
                return FleetKeys(settings.shared_secret, settings.rotation, self._tell, guess)
            except PrivateFileError as error:
                self._tell(True, f"{error}; until the next start this server has NTS keys of its own")
        return KeptKeys(settings.state_directory / "nts-keys", settings.rotation, self._tell)

    def _open_certificates(self) -> Certificates:
        settings = self._settings
        if settings.certificate is not None and settings.private_key is not None:
            return FiledCertificate(settings.certificate, settings.private_key, self._tell)
        hostname = socket.gethostname()
        return OwnCertificate(
            settings.state_directory, hostname, settings.built, lambda: host_names(settings.host, settings.names), self._tell
        )

    def _prepare(self) -> None:
        """TLS and the authority of clients, which may be mended and tried again."""
        before, self._trouble = self._trouble, ""
        try:
            self._backend = choose_backend(self._settings.backend)
            if self._settings.client_authority is not None:
                self._client_authority = read_private(self._settings.client_authority)
                if self._client_authority is None:
                    raise PrivateFileError(
                        f"{self._settings.client_authority}: there is no such file; client-authority in [nts-ke] names it"
                    )
        except (TlsError, PrivateFileError) as error:
            self._trouble = str(error)
        if self._trouble and self._trouble != before:
            self._tell(True, f"no NTS keys are established: {self._trouble}")

    def _renew(self, known: UtcNs | None, *, again: bool = False) -> None:
        changed = self._certificates.look(known, again=again)
        if not changed and not again:
            return
        identity = self._certificates.identity
        if identity is None or self._backend is None or self._trouble:
            return
        try:
            self._tls = self._backend.server(identity.chain, identity.key, self._client_authority)
        except (self._backend.error, TlsError) as error:
            self._unusable = f"the certificate for {', '.join(identity.names)} can't be used ({self._backend.name}): {error}"
            self._tell(True, self._unusable)
        else:
            self._unusable = ""
        self._configure()

    def _service(self) -> KeService:
        errors = (TlsError,) if self._backend is None else (TlsError, self._backend.error)
        admits = None if self._settings.client_authority is None else admission(self._settings.allowed_clients)
        return KeService(self._tls, errors, self._settings.policy, cookie_sealer(self._keys.ring), admits)

    def _configure(self) -> None:
        if self._listener is not None:
            self._listener.configure(self._service())

    def _rekey(self, ring: KeyRing) -> None:
        self._rekeyed(ring)  # first those who open cookies, then who seals them
        if self._listener is not None:
            self._listener.rekey(cookie_sealer(ring))
        self._tell(False, f"the NTS master key was changed: key {ring.current.key_id:06x} seals cookies, {len(ring.accepted)} open them")

    def _listen(self) -> None:
        try:
            opened = open_listener(self._settings.host, self._settings.port)
        except KeListenError as error:
            if str(error) != self._listen_problem:
                self._tell(True, str(error))
            self._listen_problem = str(error)
            return
        self._listen_problem = ""
        self._listener = KeListener(opened, self._service(), self._settings.limits)
        self._listener.start()
