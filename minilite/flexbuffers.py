"""Flexbuffers, the schema-less format in which custom operators keep their options.

A flexbuffer is read from its end: the last byte is the width of the root value, the one before it the root's type, and
the value stands in front of both. Whatever does not fit into its parent is an offset that points backwards. Nothing is
believed: offsets, sizes and depth are checked before they are followed, and because many values may point to the same
one, the number of values and bytes that are read in all is bounded, too.

Source: FlatBuffers documentation, "FlexBuffers".
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from minilite.errors import ModelError

DEPTH = 64
"""How deep maps and vectors may be nested."""

NULL, INT, UINT, FLOAT, KEY, STRING, INDIRECT_INT, INDIRECT_UINT, INDIRECT_FLOAT, MAP, VECTOR = range(11)
VECTORS_OF = {11: INT, 12: UINT, 13: FLOAT, 14: KEY, 15: KEY, 36: 26}
"""Elements of typed vectors. Those of the deprecated vector of strings (15) are read up to their NUL."""
TUPLES_FROM, TUPLES_TO = 16, 24
BLOB, BOOL = 25, 26
INDIRECT = {INDIRECT_INT: INT, INDIRECT_UINT: UINT, INDIRECT_FLOAT: FLOAT}
FLOATS = {2: "<e", 4: "<f", 8: "<d"}


def decode(data: bytes) -> Any:
    """The value that a flexbuffer holds: None, bool, int, float, str, bytes, list or dict.

    Raises :class:`ModelError` when the bytes are no sound flexbuffer.
    """
    if len(data) < 3:
        raise ModelError(f"a flexbuffer has 3 bytes or more, this has {len(data)}.")
    reader, width = _Reader(data), data[-1]
    start = len(data) - 2 - width
    reader.unsigned(start, width)
    return reader.value(start, width, data[-2], 0)


def decoded(data: bytes | None) -> Any:
    """Custom options as a caller wants them: decoded, or the bytes themselves when they are no flexbuffer."""
    if data is None:
        return None
    try:
        return decode(data)
    except ModelError:
        return data


class _Reader:
    """``left`` is how many values, and bytes of strings, may still be read: a multiple of what the file holds."""

    def __init__(self, data: bytes):
        self.data = data
        self.left = 256 + 16 * len(data)

    def spend(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise ModelError(f"flexbuffer: its {len(self.data)} bytes stand for too many values.")

    def part(self, start: int, size: int) -> bytes:
        if start < 0 or size < 0 or start + size > len(self.data):
            raise ModelError(f"flexbuffer: expected bytes in [0, {len(self.data)}), got [{start}, {start + size}).")
        return self.data[start : start + size]

    def unsigned(self, at: int, width: int) -> int:
        if width not in (1, 2, 4, 8):
            raise ModelError(f"flexbuffer: expected a width of 1, 2, 4 or 8 bytes, got {width}.")
        return int.from_bytes(self.part(at, width), "little")

    def target(self, at: int, width: int) -> int:
        """Where the offset at this place points to."""
        offset = self.unsigned(at, width)
        if offset > at:
            raise ModelError(f"flexbuffer: expected an offset of at most {at} at byte {at}, got {offset}.")
        return at - offset

    def value(self, at: int, width: int, packed: int, depth: int) -> Any:
        """The value at a place, of a width and a type; the type's low bits are the width of what it points to."""
        self.spend(1)
        kind, child = packed >> 2, 1 << (packed & 3)
        if kind == NULL:
            return None
        if kind in SCALARS:
            return SCALARS[kind](self, at, width)
        there = self.target(at, width)
        if kind == KEY:
            return self.key(there)
        if kind in INDIRECT:
            return SCALARS[INDIRECT[kind]](self, there, child)
        if depth >= DEPTH:
            raise ModelError(f"flexbuffer: expected at most {DEPTH} levels, got more.")
        return self.collection(there, child, kind, depth + 1)

    def collection(self, at: int, width: int, kind: int, depth: int) -> Any:
        if TUPLES_FROM <= kind <= TUPLES_TO:
            length, of = divmod(kind - TUPLES_FROM, 3)
            return self.alike(at, width, length + 2, INT + of, depth)
        size = self.unsigned(at - width, width)
        if kind in (STRING, BLOB):
            self.spend(size)
            found = self.part(at, size)
            return text(found) if kind == STRING else found
        if kind in (MAP, VECTOR):
            values = list(self.mixed(at, width, size, depth))
            return values if kind == VECTOR else dict(zip(self.keys(at, width, size), values, strict=True))
        if kind in VECTORS_OF:
            return self.alike(at, width, size, VECTORS_OF[kind], depth)
        raise ModelError(f"flexbuffer: there is no type {kind}.")

    def alike(self, at: int, width: int, size: int, kind: int, depth: int) -> list[Any]:
        """A vector whose elements are all of one type."""
        self.part(at, size * width)
        return [self.value(at + i * width, width, kind << 2, depth) for i in range(size)]

    def mixed(self, at: int, width: int, size: int, depth: int) -> Iterator[Any]:
        """The elements of a vector that has a type for each, behind them."""
        types = self.part(at + size * width, size)
        for i, packed in enumerate(types):
            yield self.value(at + i * width, width, packed, depth)

    def keys(self, at: int, width: int, size: int) -> list[str]:
        """The keys of a map: a vector of its own, whose place and width stand in front of the map's size."""
        there, wide = self.target(at - 3 * width, width), self.unsigned(at - 2 * width, width)
        count = self.unsigned(there - wide, wide)
        if count != size:
            raise ModelError(f"flexbuffer: expected a key for each of {size} values, got {count}.")
        return self.alike(there, wide, size, KEY, 0)

    def key(self, at: int) -> str:
        end = self.data.find(b"\0", at)
        if end < 0:
            raise ModelError(f"flexbuffer: the key at byte {at} does not end.")
        self.spend(end - at)
        return text(self.data[at:end])


def text(found: bytes) -> str:
    try:
        return found.decode()
    except UnicodeDecodeError as error:
        raise ModelError(f"flexbuffer: expected UTF-8 in a string: {error}.") from None


def _signed(reader: _Reader, at: int, width: int) -> int:
    size = 8 * width
    found = reader.unsigned(at, width)
    return found - (1 << size) if found >> (size - 1) else found


def _real(reader: _Reader, at: int, width: int) -> float:
    if width not in FLOATS:
        raise ModelError(f"flexbuffer: expected a float of 2, 4 or 8 bytes, got {width}.")
    found: float = struct.unpack(FLOATS[width], reader.part(at, width))[0]
    return found


def _bool(reader: _Reader, at: int, width: int) -> bool:
    return reader.unsigned(at, width) != 0


SCALARS: dict[int, Callable[[_Reader, int, int], Any]] = {
    INT: _signed,
    UINT: _Reader.unsigned,
    FLOAT: _real,
    BOOL: _bool,
}


def encode(options: Mapping[str, Any]) -> bytes:
    """A map as a flexbuffer, by the library that has a writer. Drawn models of custom operators carry it."""
    from flatbuffers import flexbuffers  # only to write: reading a model need not wait for it

    return bytes(flexbuffers.Dumps(dict(options)))
