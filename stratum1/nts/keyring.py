"""The master keys of NTS cookies as values. Pure; where they are kept and when they are changed is the shell's."""

from dataclasses import dataclass, field

__all__ = ["KeyRing", "MasterKey"]


@dataclass(frozen=True, slots=True)
class MasterKey:
    """One master key. key_id: 24 bits, the first octets of every cookie that it seals; secret: 32 octets, AES-SIV-CMAC-256."""

    key_id: int
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """current seals new cookies; accepted (current, older ones, the one to come) open them; expired: ids of keys that were ours."""

    current: MasterKey
    accepted: tuple[MasterKey, ...]
    expired: frozenset[int] = frozenset()
