"""Values to bytes: the same rows as :mod:`minilite.schema.decode`, the other way round.

What is one object in the model is one object in the file, so a buffer that is shared is written once.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Mapping
from typing import Any

import flatbuffers
import numpy as np
from flatbuffers import number_types

from minilite.model import Options
from minilite.schema.decode import UNKNOWN_OPTIONS
from minilite.schema.layout import SIZES, Field, Kind, enum_codes, layout_of, union_tables
from minilite.schema.problems import Unwritable
from minilite.schema.records import Outside, our_name, short, unbuild
from minilite.schema.tables import UNIONS

FLAGS = {
    "?": number_types.BoolFlags,
    "b": number_types.Int8Flags,
    "B": number_types.Uint8Flags,
    "h": number_types.Int16Flags,
    "H": number_types.Uint16Flags,
    "i": number_types.Int32Flags,
    "I": number_types.Uint32Flags,
    "q": number_types.Int64Flags,
    "Q": number_types.Uint64Flags,
    "f": number_types.Float32Flags,
    "d": number_types.Float64Flags,
}
NOT_YET = 2
"""Stands for an offset outside the flatbuffer until that is known; 0 and 1 would mean that there is none."""


Placed = tuple[int, Any, Any]
"""Slot, number type and value; the number type is ``None`` for an offset."""


class Output:
    """A flatbuffer under construction, written from its end to its beginning."""

    def __init__(self, size: int):
        self.builder = flatbuffers.Builder(size)
        self.known: dict[tuple[int, Any], tuple[Any, int]] = {}
        self.outside: list[Outside] = []

    def once(self, write: Callable[[Output, Any], int], value: Any) -> int:
        """The offset of ``value``, which is written now if it has not been before."""
        key = id(value), write
        known = self.known.get(key)
        if known is None:
            # The value is kept because a freed one's id may be given to another.
            known = self.known[key] = value, write(self, value)
        return known[1]

    def put(self, slot: int, flags: Any, value: Any) -> None:
        """Add one field to the table that is being built."""
        builder = self.builder
        if flags is None:
            builder.PrependUOffsetTRelative(value)
        elif isinstance(value, Outside):
            builder.Prepend(flags, NOT_YET)
            value.place = builder.Offset()
            self.outside.append(value)
        else:
            builder.Prepend(flags, value)
        builder.Slot(slot)


@functools.cache
def table_writer(table: str) -> Callable[[Output, Any], int]:
    """The function that writes one table and returns its offset."""
    layout = layout_of(table)
    # Large fields first: they need no padding then.
    fields = sorted(layout.fields, key=lambda field: -SIZES.get(field.kind.format, 4))
    prepared = [(our_name(table, field.name), field.kind.shape != "scalar", _preparer(field)) for field in fields]

    def write(output: Output, value: Any) -> int:
        values = unbuild(layout, value)
        places: list[Placed] = []
        for name, may_be_none, prepare in prepared:
            item = values[name]
            if item is not None or not may_be_none:
                places.extend(_at(name, prepare, output, item))
        output.builder.StartObject(layout.slots)
        for slot, flags, item in places:
            output.put(slot, flags, item)
        return int(output.builder.EndObject())

    return write


def _at(step: str | int, write: Callable[[Output, Any], Any], output: Output, item: Any) -> Any:
    """``write(output, item)``, with the way there in the error."""
    try:
        return write(output, item)
    except Unwritable as error:
        error.path.append(step)
        raise
    except (struct.error, TypeError, ValueError, OverflowError, AttributeError) as error:
        wrong = Unwritable(f"{short(item)} cannot be written: {error}")
        wrong.path.append(step)
        raise wrong from None


def _preparer(field: Field) -> Callable[[Output, Any], list[Placed]]:
    """What a field adds to its table: nothing at its default, its value, or an offset to it."""
    shape = field.kind.shape
    if shape == "scalar":
        return _scalar(field)
    if shape == "union":
        return _union(field)
    write = _writer(field.kind, field.alignment)
    if shape == "tables":
        return lambda output, item: [(field.slot, None, write(output, item))]
    return lambda output, item: [(field.slot, None, output.once(write, item))]


def _scalar(field: Field) -> Callable[[Output, Any], list[Placed]]:
    flags = FLAGS[field.kind.format]
    number = _number(field.kind)
    pack = struct.Struct("<" + field.kind.format).pack
    default = pack(number(field.default))

    def prepare(output: Output, item: Any) -> list[Placed]:
        if isinstance(item, Outside):
            return [(field.slot, flags, item)]
        value = number(item)
        # Compared as bytes, so that -0.0 is not taken for 0.0.
        return [] if pack(value) == default else [(field.slot, flags, value)]

    return prepare


def _number(kind: Kind) -> Callable[[Any], Any]:
    """The function that turns an item into the number of the file."""
    if kind.enum:
        return functools.partial(_code, enum_codes(kind.enum), kind.enum)
    return _truth if kind.format == "?" else lambda item: item


def _code(codes: Mapping[str, int], enum: str, item: Any) -> int:
    if not isinstance(item, str):
        return int(item)
    if item not in codes:
        raise Unwritable(f"{item!r} is no {enum}; it has {short(', '.join(codes))}")
    return codes[item]


def _truth(item: Any) -> bool:
    if isinstance(item, bool | int | np.bool_):
        return bool(item)
    raise Unwritable(f"{short(item)} is neither True nor False")


def _union(field: Field) -> Callable[[Output, Any], list[Placed]]:
    tags = {table: tag for tag, table in enumerate(union_tables(field.kind.table)) if tag}

    def prepare(output: Output, item: Any) -> list[Placed]:
        table = getattr(item, "table", None)
        if table == UNKNOWN_OPTIONS:
            tag, offset = item["tag"], output.once(_unknown, item)
        elif table in tags:
            tag, offset = tags[table], output.once(table_writer(table), item)
        else:
            raise Unwritable(_misplaced(item, field.kind.table))
        return [(field.slot - 1, FLAGS["B"], tag), (field.slot, None, offset)]

    return prepare


def _misplaced(item: Any, union: str) -> str:
    homes = [name for name in UNIONS if getattr(item, "table", None) in union_tables(name)]
    return f"{short(item)} is no table of the union {union}" + (f" but of {homes[0]}" if homes else "")


def _unknown(output: Output, item: Options) -> int:
    if item["slots"]:
        raise Unwritable(
            f"options of a kind unknown to this schema (tag {item['tag']}) cannot be written, because"
            " nobody can tell their numbers from their offsets; replace them or set them to None"
        )
    output.builder.StartObject(0)
    return int(output.builder.EndObject())


@functools.cache
def _writer(kind: Kind, alignment: int) -> Callable[[Output, Any], int]:
    """The function that writes what an offset leads to."""
    if kind.shape == "string":
        return _string
    if kind.shape == "table":
        return table_writer(kind.table)
    if kind.shape == "tables":
        return _tables(kind)
    return _vector(kind, alignment)


def _string(output: Output, item: str) -> int:
    return int(output.builder.CreateString(item, errors="surrogateescape"))


def _tables(kind: Kind) -> Callable[[Output, Any], int]:
    write = table_writer(kind.table)

    def write_once(output: Output, item: Any) -> int:
        return output.once(write, item)

    def write_all(output: Output, items: Any) -> int:
        offsets = [_at(index, write_once, output, item) for index, item in enumerate(items)]
        builder = output.builder
        builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            builder.PrependUOffsetTRelative(offset)
        return int(builder.EndVector())

    return write_all


def _vector(kind: Kind, alignment: int) -> Callable[[Output, Any], int]:
    dtype = np.dtype("<" + kind.format)
    number = _number(kind)
    plain = not kind.enum and kind.format != "?"

    def array_of(items: Any) -> np.ndarray:
        if kind.shape == "array":
            array = np.asarray(items)
            if array.dtype != dtype or array.ndim != 1:
                raise Unwritable(f"an array of {array.dtype}{list(array.shape)} must be {dtype} and have one axis")
            return array
        numbers = items if plain else [number(item) for item in items]
        return np.frombuffer(struct.pack(f"<{len(numbers)}{kind.format}", *numbers), dtype)

    def write(output: Output, items: Any) -> int:
        array = array_of(items)
        output.builder.Prep(max(alignment, 4), array.nbytes)
        return int(output.builder.CreateNumpyVector(array))

    return write
