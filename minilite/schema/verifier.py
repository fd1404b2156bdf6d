"""The bytes of a model, where every step is checked before it is taken.

What is checked is what FlatBuffers' own verifier checks: offsets, vtables, vectors and strings lie inside the
file and are aligned, strings end in a zero byte, and no more than a million tables are visited. On top of it the
vectors are limited in total, so that no small file can ask for much memory by using the same bytes again and
again. The schema is not recursive, so depth needs no limit.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from minilite.schema.problems import Damage

MAX_TABLES = 1_000_000
"""How many tables may be visited, one reached twice counting twice; FlatBuffers' own limit."""

REUSE = 2**26
"""Vectors may have in total so many bytes more than the file. Without reuse they have fewer than the file."""

FLATBUFFER_END = 2**31 - 1
"""Offsets are 31 bits; only buffers outside the flatbuffer lie beyond."""

UINT8 = struct.Struct("<B").unpack_from
UINT16 = struct.Struct("<H").unpack_from
INT32 = struct.Struct("<i").unpack_from
UINT32 = struct.Struct("<I").unpack_from


class Flatbuffer:
    """The bytes of one model, and how much has been read of them so far.

    ``content`` is all of the file, ``view`` the part that offsets can reach. Reading a scalar past the end of
    ``view`` is a :class:`struct.error`; every other false step is a :class:`Damage`.
    """

    def __init__(self, content: Any):
        self.content = memoryview(content).toreadonly()
        self.view = self.content[:FLATBUFFER_END]
        self.size = len(self.view)
        self.visits = 0
        self.budget = len(self.content) + REUSE
        self.arrays: dict[tuple[int, int, str], np.ndarray] = {}

    def target(self, position: int) -> int:
        """Where the offset at ``position`` leads."""
        (offset,) = UINT32(self.view, position)
        if not 0 < offset < self.size - position:
            raise Damage(position, f"an offset of {offset} leads out of the file")
        return position + offset

    def vector(self, position: int, size: int) -> tuple[int, int]:
        """First element and number of elements of the vector that the offset at ``position`` leads to."""
        start = self.target(position)
        if start % 4:
            raise Damage(start, "a vector is not aligned to 4 bytes")
        (count,) = UINT32(self.view, start)
        if count * size > self.size - start - 4:
            raise Damage(start, f"a vector of {count} x {size} bytes reaches beyond the end of the file")
        return start + 4, count

    def string(self, position: int) -> str:
        """The string that the offset at ``position`` leads to; bytes that are not UTF-8 become surrogates."""
        start, size = self.vector(position, 1)
        if start + size >= self.size or self.view[start + size]:
            raise Damage(start + size, "a string does not end in a zero byte")
        self.spend(start, size)
        return str(self.view[start : start + size], "utf-8", "surrogateescape")

    def vtable(self, position: int) -> tuple[int, int]:
        """Start and size of the vtable of the table at ``position``."""
        if position % 4 or position + 4 > self.size:
            raise Damage(position, "a table lies beyond the end of the file or is not aligned")
        start = position - INT32(self.view, position)[0]
        if not 0 <= start <= self.size - 2 or start % 2:
            raise Damage(position, f"a vtable at byte {start} lies outside the file or is not aligned")
        (size,) = UINT16(self.view, start)
        if size % 2 or start + size > self.size:
            raise Damage(start, f"a vtable cannot have {size} bytes here")
        return start, size

    def slots(self, vtable: int, count: int) -> tuple[int, ...]:
        """The first slots' offsets in their table; 0 means that the field is left out."""
        return struct.unpack_from(f"<{count}H", self.view, vtable + 4) if count > 0 else ()

    def outside(self, offset: int, size: int) -> np.ndarray:
        """Bytes of the file that lie outside the flatbuffer."""
        if offset + size > len(self.content):
            raise Damage(offset, f"{size} bytes outside the flatbuffer reach beyond the end of the file")
        return self.array(offset, size, "B")

    def array(self, start: int, count: int, format: str) -> np.ndarray:
        """``count`` elements as an array over the file; the same ones are the same array."""
        array = self.arrays.get((start, count, format))
        if array is None:
            array = np.frombuffer(self.content, "<" + format, count, start)
            self.arrays[start, count, format] = array
            self.spend(start, array.nbytes)
        return array

    def spend(self, position: int, size: int) -> None:
        """Account for ``size`` bytes of vectors."""
        self.budget -= size
        if self.budget < 0:
            raise Damage(position, "the file uses the same bytes for too many vectors")

    def visit(self, position: int, tables: int) -> None:
        """Account for tables visited."""
        self.visits += tables
        if self.visits > MAX_TABLES:
            raise Damage(position, f"the file has more than {MAX_TABLES:,} tables")
