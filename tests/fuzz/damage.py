"""Damage to the bytes of a file: anywhere, and where the file's structure is.

In most files nearly every byte is a weight. So the structure's own places (offsets, vtables, lengths of vectors, fields
of tables) are found by reading the file, and most damage is done there.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable
from random import Random

from minilite.errors import Error
from minilite.schema.decode import Decoder
from minilite.schema.layout import layout_of
from minilite.schema.problems import Damage

NUMBERS = (0, 1, 2, 3, 4, 5, 7, 8, 16, 127, 255, 1000, 2**15, 2**16 - 1, 2**20, 2**31 - 1, 2**31, 2**32 - 4, 2**32 - 1)
STEPS = (-64, -16, -8, -4, -2, -1, 1, 2, 4, 8, 16, 64)


class Places(Decoder):
    """Reads a file, and notes where its structure lies."""

    def __init__(self, content: bytes):
        super().__init__(content)
        self.offsets: set[int] = set()
        self.lengths: set[int] = set()
        self.elements: set[int] = set()
        self.slots_: set[int] = set()
        self.fields: set[int] = set()

    def target(self, position: int) -> int:
        self.offsets.add(position)
        return super().target(position)

    def vector(self, position: int, size: int) -> tuple[int, int]:
        start, count = super().vector(position, size)
        self.lengths.add(start - 4)
        self.elements.update(range(start, start + min(count * size, 64), max(size, 4)))
        return start, count

    def vtable(self, position: int) -> tuple[int, int]:
        start, size = super().vtable(position)
        self.offsets.add(position)
        self.slots_.update(range(start, start + size, 2))
        self.fields.update(range(position + 4, position + struct.unpack_from("<H", self.view, start + 2)[0], 4))
        return start, size


def places(content: bytes) -> list[list[int]]:
    """Where offsets, lengths, vectors' first elements, vtables' entries and tables' fields lie."""
    found = Places(content)
    with contextlib.suppress(Damage, Error, struct.error):
        found.table(layout_of("Model"), found.target(0))
    kinds = (found.offsets, found.lengths, found.elements, found.slots_, found.fields)
    return [sorted(p for p in kind if p + 4 <= len(content)) for kind in kinds]


def damaged(random: Random, content: bytes, other: bytes, known: list[list[int]] | None = None) -> bytes:
    """``content`` after one to four wrongs; ``other`` is another file, ``known`` the content's :func:`places`."""
    changed = bytearray(content)
    known = [p for p in (places(content) if known is None else known) if p]
    for _ in range(random.choice((1, 1, 1, 2, 3, 4))):
        if known and random.random() < 0.7:
            place = random.choice(random.choice(known))
        else:
            place = random.randrange(max(len(changed), 1))
        random.choice(WRONGS)(random, changed, place, other)
    return bytes(changed)


def flip(random: Random, changed: bytearray, place: int, other: bytes) -> None:
    if place < len(changed):
        changed[place] ^= 1 << random.randrange(8)


def renumber(random: Random, changed: bytearray, place: int, other: bytes) -> None:
    """A number of 4 bytes becomes a likely wrong one, or any offset into the file."""
    if place + 4 <= len(changed):
        value = random.choice(NUMBERS) if random.random() < 0.7 else random.randrange(len(changed))
        struct.pack_into("<I", changed, place, value)


def shift(random: Random, changed: bytearray, place: int, other: bytes) -> None:
    """An offset, a length or an index becomes a neighbour."""
    if place + 4 <= len(changed):
        number = struct.unpack_from("<I", changed, place)[0] + random.choice(STEPS)
        struct.pack_into("<I", changed, place, number % 2**32)


def reslot(random: Random, changed: bytearray, place: int, other: bytes) -> None:
    """Two bytes, as vtables have them."""
    if place + 2 <= len(changed):
        struct.pack_into("<H", changed, place, random.choice((*range(0, 64, 2), 2**16 - 2)))


def set_byte(random: Random, changed: bytearray, place: int, other: bytes) -> None:
    if place < len(changed):
        changed[place] = random.choice((0, 1, 2, 4, 9, 126, 127, 128, 255, random.randrange(256)))


def cut(random: Random, changed: bytearray, place: int, other: bytes) -> None:
    if random.random() < 0.3:
        del changed[place:]
    else:
        del changed[place : place + random.choice((1, 2, 4, 8, 64))]


def insert(random: Random, changed: bytearray, place: int, other: bytes) -> None:
    changed[place:place] = random.randbytes(random.choice((1, 2, 4, 8, 16)))


def splice(random: Random, changed: bytearray, place: int, other: bytes) -> None:
    """Bytes of another file, or of this one from elsewhere."""
    source = other if random.random() < 0.5 else bytes(changed)
    start, size = random.randrange(max(len(source), 1)), random.choice((4, 8, 16, 64, 200))
    changed[place : place + size] = source[start : start + size]


Wrong = Callable[[Random, bytearray, int, bytes], None]
WRONGS: tuple[Wrong, ...] = (flip, renumber, renumber, shift, shift, reslot, set_byte, cut, insert, splice)
