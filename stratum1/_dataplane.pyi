"""What Rust shows to Python; `stratum1.dataplane.native()` gives the module where it was built. See `stratum1/dataplane/src/`."""

from collections.abc import Sequence

VERSION: str

# py_responder.rs
STATE_WORDS: int
REASONS: list[str]
RESPONSES: list[str]
PROTECTIONS: list[str]

class Service:
    def __init__(
        self,
        *,
        rate_limit: tuple[int, int, int, int, int] | None,
        interleaved_slots: int,
        ntpv5: bool,
        hash_seed: int,
    ) -> None: ...

class Listener:
    def __init__(
        self,
        *,
        access: Sequence[tuple[bytes, int, str]],
        require_nts: bool,
        nts_only_silence: bool,
        own: Sequence[tuple[bytes, int]],
    ) -> None: ...

class PureResponder:
    def __init__(self, service: Service, listener: Listener, state: Sequence[int]) -> None: ...
    def publish(self, state: Sequence[int]) -> None: ...
    def reply(
        self, request: bytes, sender: tuple[bytes, int], receive_ns: int, transmit_ns: int, entropy: bytes
    ) -> tuple[int, int, int, int, bytes | None, int | None, int]: ...
    def sent(self, key: int, tx_ns: int) -> None: ...
    def clear(self) -> None: ...
