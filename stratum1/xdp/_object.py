"""Reads the compiled eBPF program (ELF, as clang writes it) and what has to be put into it before the kernel takes it. Pure."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from ._layout import LAYOUT, MapInfo

__all__ = ["ObjectError", "Program", "read_object"]

_MACHINE_BPF = 247
_LOAD_IMMEDIATE = 0x18
_PSEUDO_MAP_FD = 1
_MAP = struct.Struct("<5I")
_SECTION = struct.Struct("<2I4Q2I2Q")
_SYMBOL = struct.Struct("<I2BH2Q")


class ObjectError(ValueError):
    """The file is not the compiled program that belongs to this version."""


@dataclass(frozen=True, slots=True)
class Program:
    """instructions: with holes where the descriptors of maps go; holes: the offset of each, and the map's name."""

    name: str
    instructions: bytes
    licence: str
    maps: Mapping[str, MapInfo]
    holes: tuple[tuple[int, str], ...]

    def with_maps(self, descriptors: Mapping[str, int]) -> bytes:
        """The instructions with the descriptors in place."""
        code = bytearray(self.instructions)
        for offset, name in self.holes:
            code[offset + 1] = code[offset + 1] & 0x0F | _PSEUDO_MAP_FD << 4
            struct.pack_into("<i", code, offset + 4, descriptors[name])
        return bytes(code)


@dataclass(frozen=True, slots=True)
class _Section:
    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class _Symbol:
    name: str
    section: int
    value: int


def read_object(data: bytes) -> Program:
    """The program of an object file. Raises ObjectError."""
    try:
        return _read(data)
    except (struct.error, IndexError, KeyError, UnicodeDecodeError) as error:
        raise ObjectError(f"the compiled program is damaged ({error})") from error


def _read(data: bytes) -> Program:
    if data[:6] != b"\x7fELF\x02\x01" or struct.unpack_from("<H", data, 18)[0] != _MACHINE_BPF:
        raise ObjectError("no compiled eBPF program for a little-endian machine")
    sections = _sections(data)
    by_name = {section.name: (place, section.content) for place, section in enumerate(sections)}
    symbols = _symbols(by_name[".symtab"][1], by_name[".strtab"][1])
    code_at, code = by_name["xdp"]
    maps_at, shapes = by_name["maps"]
    name = f"stratum1_{LAYOUT}"
    if not any(symbol.name == name and symbol.section == code_at for symbol in symbols):
        raise ObjectError(f"the compiled program is of another version: it has no {name}; build the package anew")
    named = [symbol for symbol in symbols if symbol.section == maps_at and symbol.name]
    maps = {_plain(symbol.name): MapInfo(*_MAP.unpack_from(shapes, symbol.value)) for symbol in named}
    holes = tuple(_hole(code, entry, symbols) for entry in struct.iter_unpack("<2Q", by_name[".relxdp"][1]))
    licence = by_name["license"][1].partition(b"\0")[0].decode()
    return Program(name, code, licence, maps, holes)


def _sections(data: bytes) -> list[_Section]:
    start = struct.unpack_from("<Q", data, 40)[0]
    size, count, names_at = struct.unpack_from("<3H", data, 58)
    heads = [_SECTION.unpack_from(data, start + size * place) for place in range(count)]
    contents = [data[head[4] : head[4] + head[5]] for head in heads]
    return [_Section(_text(contents[names_at], head[0]), content) for head, content in zip(heads, contents, strict=True)]


def _symbols(table: bytes, names: bytes) -> list[_Symbol]:
    rows = _SYMBOL.iter_unpack(table)
    return [_Symbol(_text(names, name), section, value) for name, _, _, section, value, _ in rows]


def _hole(code: bytes, entry: tuple[int, int], symbols: list[_Symbol]) -> tuple[int, str]:
    offset, info = entry
    if code[offset] != _LOAD_IMMEDIATE or info & 0xFFFFFFFF != 1:
        raise ObjectError(f"the compiled program asks for a relocation that is not known (at {offset})")
    return offset, _plain(symbols[info >> 32].name)


def _plain(name: str) -> str:
    return name.removesuffix("_map")


def _text(table: bytes, at: int) -> str:
    return table[at : table.index(b"\0", at)].decode()
