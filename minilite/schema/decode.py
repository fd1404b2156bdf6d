"""Bytes to values: a table of the schema read by its rows, every step checked before it is taken.

What is checked is what FlatBuffers' own verifier checks: offsets, vtables, vectors and strings lie inside
the file and are aligned, strings end in a zero byte, and no more than a million tables are visited. On top
of it the vectors that become Python objects are limited in total, so that no small file can ask for much
memory by using the same bytes again and again. The schema is not recursive, so depth needs no limit.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from minilite.model import Operator, OperatorCode, Options
from minilite.schema.layout import SIZES, Field, Kind, Layout, enum_codes, enum_names, layout_of, union_tables
from minilite.schema.records import RECORDS, defaults_of

MAX_TABLES = 1_000_000
"""How many tables may be visited; FlatBuffers' own limit."""

FLATBUFFER_END = 2**31 - 1
"""Offsets are 31 bits; only buffers outside the flatbuffer lie beyond."""

UNKNOWN_OPTIONS = "UnknownOptions"
"""The table name of options whose union tag the schema does not know. Fields: ``tag``, and ``slots``, the raw
bytes of each field that is present, by slot. Without the schema nobody can tell numbers from offsets in
them."""

_U16 = struct.Struct("<H").unpack_from
_I32 = struct.Struct("<i").unpack_from
_U32 = struct.Struct("<I").unpack_from

Read = Callable[["File", int], Any]


class Damage(Exception):
    """Something at ``position`` is not what it must be. ``path`` leads there, innermost first."""

    def __init__(self, position: int, problem: str):
        self.position = position
        self.problem = problem
        self.path: list[str | int] = []


class File:
    """The bytes of one model and what has been read of them so far."""

    def __init__(self, content: Any):
        self.content = memoryview(content)
        self.view = self.content[:FLATBUFFER_END]
        self.size = len(self.view)
        self.visits = 0
        self.budget = 2 * self.size + 2**26
        self.plans: dict[tuple[str, int], list[tuple[str, int, Read]]] = {}
        self.tables: dict[tuple[str, int], tuple[Any, int]] = {}
        self.arrays: dict[int, np.ndarray] = {}

    def target(self, position: int) -> int:
        """Where the offset at ``position`` leads."""
        (offset,) = _U32(self.view, position)
        if not 0 < offset < self.size - position:
            raise Damage(position, f"an offset of {offset} leads out of the file")
        return position + offset

    def vector(self, position: int, size: int) -> tuple[int, int]:
        """Start and number of elements of the vector the offset at ``position`` leads to."""
        start = self.target(position)
        if start % 4:
            raise Damage(start, "a vector is not aligned to 4 bytes")
        (count,) = _U32(self.view, start)
        if count * size >= self.size - start - 3:
            raise Damage(start, f"a vector of {count} x {size} bytes reaches beyond the end of the file")
        return start + 4, count

    def spend(self, position: int, size: int) -> None:
        """Account for ``size`` bytes that become Python objects."""
        self.budget -= size
        if self.budget < 0:
            raise Damage(position, "the file uses the same bytes for too many vectors")

    def vtable(self, position: int) -> tuple[int, int]:
        """Start and size of the vtable of the table at ``position``."""
        if position % 4 or position + 4 > self.size:
            raise Damage(position, "a table is not aligned to 4 bytes, or lies beyond the end of the file")
        start = position - _I32(self.view, position)[0]
        if not 0 <= start < self.size - 1 or start % 2:
            raise Damage(position, f"a vtable at byte {start} lies outside the file or is not aligned")
        (size,) = _U16(self.view, start)
        if size % 2 or size < 4 or start + size >= self.size:
            raise Damage(start, f"a vtable cannot have {size} bytes here")
        return start, size

    def slots(self, vtable: int, size: int) -> tuple[int, ...]:
        """Each slot's offset in its table; 0 means that the field is left out."""
        return struct.unpack_from(f"<{size // 2 - 2}H", self.view, vtable + 4)

    def plan(self, layout: Layout, position: int) -> list[tuple[str, int, Read]]:
        """What to read of the table at ``position``: field, offset, how. Tables with one vtable share it."""
        vtable, size = self.vtable(position)
        key = layout.name, vtable
        plan = self.plans.get(key)
        if plan is None:
            plan = self.plans[key] = _plan(layout, self.slots(vtable, size))
        return plan

    def table(self, layout: Layout, position: int) -> Any:
        """The dataclass or :class:`~minilite.model.Options` of the table at ``position``."""
        known = self.tables.get((layout.name, position))
        if known is None:
            known = self.tables[layout.name, position] = self._new_table(layout, position)
        else:
            self.visits += known[1]
        if self.visits > MAX_TABLES:
            raise Damage(position, f"the file has more than {MAX_TABLES:,} tables")
        return known[0]

    def _new_table(self, layout: Layout, position: int) -> tuple[Any, int]:
        """The table, and how many tables were visited to read it."""
        before = self.visits
        self.visits += 1
        values = defaults(layout.name).copy()
        name, offset = "", 0
        try:
            for name, offset, read in self.plan(layout, position):
                values[name] = read(self, position + offset)
        except struct.error:
            damage = Damage(position + offset, "a field lies beyond the end of the file")
            damage.path.append(name)
            raise damage from None
        except Damage as damage:
            if name:
                damage.path.append(name)
            raise
        return BUILD.get(layout.name, _build)(layout.name, values, self), self.visits - before


@functools.cache
def defaults(table: str) -> dict[str, Any]:
    """The values of a table that has no field at all."""
    return defaults_of(table, layout_of(table).fields)


def _plan(layout: Layout, offsets: tuple[int, ...]) -> list[tuple[str, int, Read]]:
    record = RECORDS.get(layout.name)
    plan = []
    for field in layout.fields:
        if field.slot < len(offsets) and offsets[field.slot]:
            read = _union(field, offsets) if field.kind.shape == "union" else _reader(field.kind)
            plan.append((record.name(field.name) if record else field.name, offsets[field.slot], read))
    return plan


def _union(field: Field, offsets: tuple[int, ...]) -> Read:
    """Reads a union's value at its own place, and its tag where this vtable has that."""
    tag_offset = offsets[field.slot - 1]
    to_tag = tag_offset - offsets[field.slot]
    tables = union_tables(field.kind.table)

    def read(file: File, position: int) -> Any:
        tag = file.view[position + to_tag] if tag_offset and position + to_tag < file.size else 0
        start = file.target(position)
        if tag == 0:
            return None
        if tag >= len(tables):
            return _unknown(file, tag, start)
        return file.table(layout_of(tables[tag]), start)

    return read


def _unknown(file: File, tag: int, position: int) -> Options:
    file.visits += 1
    vtable, size = file.vtable(position)
    offsets = file.slots(vtable, size)
    (table_size,) = _U16(file.view, vtable + 2)
    ends = sorted({*offsets, table_size})
    slots = {}
    for slot, offset in enumerate(offsets):
        if offset:
            end = next((end for end in ends if end > offset), offset)
            slots[slot] = bytes(file.view[position + offset : position + end])
            file.spend(position, len(slots[slot]))
    return Options(UNKNOWN_OPTIONS, {"tag": tag, "slots": slots})


@functools.cache
def _reader(kind: Kind) -> Read:
    return {
        "scalar": _scalar,
        "string": lambda kind: _string,
        "table": _table,
        "tuple": _tuple,
        "array": _array,
        "tables": _tables,
    }[kind.shape](kind)


def _scalar(kind: Kind) -> Read:
    unpack = struct.Struct("<" + kind.format).unpack_from
    size = SIZES[kind.format]
    names = enum_names(kind.enum) if kind.enum else ()

    def number(file: File, position: int) -> Any:
        if position % size:
            raise Damage(position, f"a field of {size} bytes is not aligned")
        return unpack(file.view, position)[0]

    def name(file: File, position: int) -> Any:
        code = number(file, position)
        return names[code] if 0 <= code < len(names) else code

    return name if names else number


def _string(file: File, position: int) -> str:
    start, size = file.vector(position, 1)
    if file.view[start + size]:
        raise Damage(start + size, "a string does not end in a zero byte")
    file.spend(start, size)
    return str(file.view[start : start + size], "utf-8", "surrogateescape")


def _table(kind: Kind) -> Read:
    layout = layout_of(kind.table)
    return lambda file, position: file.table(layout, file.target(position))


def _tuple(kind: Kind) -> Read:
    size = SIZES[kind.format]
    names = enum_names(kind.enum) if kind.enum else ()

    def numbers(file: File, position: int) -> tuple[Any, ...]:
        start, count = file.vector(position, size)
        file.spend(start, count * size)
        return struct.unpack_from(f"<{count}{kind.format}", file.view, start)

    def enums(file: File, position: int) -> tuple[Any, ...]:
        return tuple(names[code] if 0 <= code < len(names) else code for code in numbers(file, position))

    return enums if names else numbers


def _array(kind: Kind) -> Read:
    dtype = np.dtype("<" + kind.format)

    def read(file: File, position: int) -> np.ndarray:
        start, count = file.vector(position, dtype.itemsize)
        known = file.arrays.get(start)
        if known is None or known.dtype != dtype:
            known = file.arrays[start] = np.frombuffer(file.view, dtype, count, start)
        return known

    return read


def _tables(kind: Kind) -> Read:
    layout = layout_of(kind.table)

    def read(file: File, position: int) -> tuple[Any, ...]:
        start, count = file.vector(position, 4)
        file.spend(start, 4 * count)
        items = []
        try:
            for place, offset in enumerate(struct.unpack_from(f"<{count}I", file.view, start)):
                items.append(file.table(layout, start + 4 * place + offset))
        except Damage as damage:
            damage.path.append(len(items))
            raise
        return tuple(items)

    return read


def _build(table: str, values: dict[str, Any], file: File) -> Any:
    record = RECORDS.get(table)
    return record.type(**values) if record else Options(table, values)


def _operator_code(table: str, values: dict[str, Any], file: File) -> OperatorCode:
    """Codes over 126 do not fit the older of the two fields; the larger one is meant."""
    older = values.pop("deprecated_builtin_code")
    newer = values["builtin_code"]
    code = max(older, enum_codes("BuiltinOperator").get(newer, newer))
    names = enum_names("BuiltinOperator")
    return OperatorCode(**values | {"builtin_code": names[code] if 0 <= code < len(names) else code})


def _outside(file: File, offset: int, size: int, what: str) -> np.ndarray:
    if offset + size > len(file.content):
        raise Damage(offset, f"{what} outside the flatbuffer, {size} bytes, reaches beyond the end of the file")
    return np.frombuffer(file.content, np.uint8, size, offset)


def _buffer(table: str, values: dict[str, Any], file: File) -> Any:
    offset, size = values.pop("offset"), values.pop("size")
    outside = values["data"] is None and offset > 1
    if outside:
        values["data"] = _outside(file, offset, size, "a buffer")
    return RECORDS[table].type(**values, outside=outside)


def _operator(table: str, values: dict[str, Any], file: File) -> Operator:
    offset, size = values.pop("large_custom_options_offset"), values.pop("large_custom_options_size")
    outside = values["custom_options"] is None and offset > 1
    if outside:
        values["custom_options"] = _outside(file, offset, size, "a custom operator's options")
    return Operator(**values, custom_options_outside=outside)


def _tensor_map(table: str, values: dict[str, Any], file: File) -> tuple[str, int]:
    return values["name"], values["tensor_index"]


BUILD: dict[str, Callable[[str, dict[str, Any], File], Any]] = {
    "Buffer": _buffer,
    "Operator": _operator,
    "OperatorCode": _operator_code,
    "TensorMap": _tensor_map,
}
"""Tables that are said differently in a :class:`~minilite.model.Model`."""
