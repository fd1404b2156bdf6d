"""Bytes to values: a table is read by its rows, into the dataclass or the :class:`~minilite.model.Options` it is."""

from __future__ import annotations

import bisect
import functools
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from minilite.model import Options
from minilite.schema.layout import SIZES, Field, Kind, Layout, enum_names, layout_of, union_tables
from minilite.schema.problems import Damage
from minilite.schema.records import build, defaults_of, our_name
from minilite.schema.verifier import UINT8, UINT16, Flatbuffer

UNKNOWN_OPTIONS = "UnknownOptions"
"""The table name of options whose union tag the schema does not know. Fields: ``tag``, and ``slots``, the raw
bytes of each field that is present, by slot. Without the schema nobody can tell numbers from offsets in them."""

SLOT_COST = 64
"""About how many bytes of memory a raw field costs beside its own."""

MAX_PLANS = 1000
"""How many vtables are remembered. Most files have some tens; one may have as many as tables."""

Read = Callable[["Decoder", int], Any]
Plan = list[tuple[str, int, Read]]
"""Which fields a table has: name, offset in the table, and how to read it."""


class Decoder(Flatbuffer):
    """Reads tables. One that is reached twice is the same object; its tables still count as often as visited."""

    def __init__(self, content: Any):
        super().__init__(content)
        self.plans: dict[tuple[str, int], Plan] = {}
        self.tables: dict[tuple[str, int], tuple[Any, int]] = {}

    def table(self, layout: Layout, position: int) -> Any:
        """What the table at ``position`` says."""
        known = self.tables.get((layout.name, position))
        if known is None:
            known = self.tables[layout.name, position] = self._new_table(layout, position)
        else:
            self.visit(position, known[1])
        return known[0]

    def _new_table(self, layout: Layout, position: int) -> tuple[Any, int]:
        """The table, and how many tables were visited to read it."""
        before = self.visits
        self.visit(position, 1)
        fields = defaults(layout.name).copy()
        name, offset = "", 0
        try:
            for name, offset, read in self.plan(layout, position):
                fields[name] = read(self, position + offset)
        except struct.error:
            damage = Damage(position + offset, "a field lies beyond the end of the file")
            damage.path.append(name)
            raise damage from None
        except Damage as damage:
            if name:
                damage.path.append(name)
            raise
        return build(layout, fields, self), self.visits - before

    def plan(self, layout: Layout, position: int) -> Plan:
        """What to read of the table at ``position``; tables with the same vtable share it."""
        vtable, size = self.vtable(position)
        plan = self.plans.get((layout.name, vtable))
        if plan is None:
            plan = _plan(layout, self.slots(vtable, min(size // 2 - 2, layout.slots)))
            if len(self.plans) < MAX_PLANS:
                self.plans[layout.name, vtable] = plan
        return plan


@functools.cache
def defaults(table: str) -> dict[str, Any]:
    """The fields of a table when the file has none of them."""
    return defaults_of(layout_of(table))


def _plan(layout: Layout, offsets: tuple[int, ...]) -> Plan:
    plan = []
    for field in layout.fields:
        if field.slot < len(offsets) and offsets[field.slot]:
            read = _union(field, offsets) if field.kind.shape == "union" else _reader(field.kind)
            plan.append((our_name(layout.name, field.name), offsets[field.slot], read))
    return plan


def _union(field: Field, offsets: tuple[int, ...]) -> Read:
    """Reads a union's value at its own place, and its tag where this vtable has that."""
    tag_offset = offsets[field.slot - 1]
    to_tag = tag_offset - offsets[field.slot]
    tables = union_tables(field.kind.table)

    def read(file: Decoder, position: int) -> Any:
        tag = UINT8(file.view, position + to_tag)[0] if tag_offset else 0
        start = file.target(position)
        if tag == 0:
            return None
        if tag >= len(tables):
            return _unknown(file, tag, start)
        return file.table(layout_of(tables[tag]), start)

    return read


def _unknown(file: Decoder, tag: int, position: int) -> Options:
    """The raw bytes of each field, up to where the next one begins."""
    file.visit(position, 1)
    vtable, size = file.vtable(position)
    offsets = file.slots(vtable, size // 2 - 2)
    file.spend(position, SLOT_COST * len(offsets))
    ends = sorted({*offsets, *UINT16(file.view, vtable + 2), 2**16}) if offsets else []
    slots = {}
    for slot, offset in enumerate(offsets):
        if offset:
            end = ends[bisect.bisect_right(ends, offset)]
            slots[slot] = bytes(file.view[position + offset : position + end])
            file.spend(position, len(slots[slot]))
    return Options(UNKNOWN_OPTIONS, {"tag": tag, "slots": slots})


@functools.cache
def _reader(kind: Kind) -> Read:
    return {
        "scalar": _scalar,
        "string": lambda kind: Decoder.string,
        "table": _table,
        "tuple": _tuple,
        "array": _array,
        "tables": _tables,
    }[kind.shape](kind)


def _scalar(kind: Kind) -> Read:
    unpack = struct.Struct("<" + kind.format).unpack_from
    size = SIZES[kind.format]
    names = enum_names(kind.enum) if kind.enum else ()

    def number(file: Decoder, position: int) -> Any:
        if position % size:
            raise Damage(position, f"a field of {size} bytes is not aligned")
        return unpack(file.view, position)[0]

    def name(file: Decoder, position: int) -> Any:
        code = number(file, position)
        return names[code] if 0 <= code < len(names) else code

    return name if names else number


def _table(kind: Kind) -> Read:
    layout = layout_of(kind.table)
    return lambda file, position: file.table(layout, file.target(position))


def _tuple(kind: Kind) -> Read:
    size = SIZES[kind.format]
    names = enum_names(kind.enum) if kind.enum else ()

    def numbers(file: Decoder, position: int) -> tuple[Any, ...]:
        start, count = file.vector(position, size)
        file.spend(start, count * size)
        return struct.unpack_from(f"<{count}{kind.format}", file.view, start)

    def enums(file: Decoder, position: int) -> tuple[Any, ...]:
        return tuple(names[code] if 0 <= code < len(names) else code for code in numbers(file, position))

    return enums if names else numbers


def _array(kind: Kind) -> Read:
    size = SIZES[kind.format]

    def read(file: Decoder, position: int) -> np.ndarray:
        return file.array(*file.vector(position, size), kind.format)

    return read


def _tables(kind: Kind) -> Read:
    layout = layout_of(kind.table)

    def read(file: Decoder, position: int) -> tuple[Any, ...]:
        start, count = file.vector(position, 4)
        items = []
        try:
            for place, offset in enumerate(struct.unpack_from(f"<{count}I", file.view, start)):
                items.append(file.table(layout, start + 4 * place + offset))
        except Damage as damage:
            damage.path.append(len(items))
            raise
        return tuple(items)

    return read
