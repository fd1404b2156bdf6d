"""The rows of :mod:`minilite.schema.tables`, taken apart once for the reader and the writer."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from minilite.schema.tables import ALIGNMENT, ENUMS, TABLES, UNIONS

FORMATS = {
    "bool": "?",
    "int8": "b",
    "uint8": "B",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
}
"""The :mod:`struct` format of each scalar; everything in a flatbuffer is little-endian."""

SIZES = {"?": 1, "b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "q": 8, "Q": 8, "f": 4, "d": 8}


@dataclass(frozen=True)
class Kind:
    """What a field holds.

    ``shape`` is one of ``scalar``, ``string``, ``table``, ``union``, ``tuple`` (a vector of scalars read as
    a tuple), ``array`` (one read as an array) and ``tables`` (a vector of tables). ``format`` is the
    scalar's or the element's, ``enum`` its enumeration if it has one; ``table`` names the table or union.
    """

    shape: str
    format: str = ""
    enum: str = ""
    table: str = ""


@dataclass(frozen=True)
class Field:
    """One field of a table. ``alignment`` is that of a vector's first element, where the schema asks for
    it."""

    slot: int
    name: str
    kind: Kind
    default: Any
    alignment: int


@dataclass(frozen=True)
class Layout:
    """A table's fields in the order of their slots."""

    name: str
    fields: tuple[Field, ...]

    @functools.cached_property
    def slots(self) -> int:
        """How many slots a vtable needs for all fields."""
        return max((field.slot + 1 for field in self.fields), default=0)


@functools.cache
def enum_names(enum: str) -> tuple[str, ...]:
    """The names of an enumeration; a name's index is its code."""
    return tuple(ENUMS[enum][1].split())


@functools.cache
def enum_codes(enum: str) -> dict[str, int]:
    """The codes of an enumeration by name."""
    return {name: code for code, name in enumerate(enum_names(enum))}


@functools.cache
def union_tables(union: str) -> tuple[str, ...]:
    """The tables of a union; a table's index is its tag, and tag 0 is ``NONE``."""
    return tuple(UNIONS[union].split())


@functools.cache
def kind_of(text: str) -> Kind:
    """``"[int32]"`` and the like, taken apart."""
    if text.startswith("array["):
        return Kind("array", FORMATS[text[6:-1]])
    if text.startswith("["):
        item = kind_of(text[1:-1])
        if item.shape == "table":
            return Kind("tables", table=item.table)
        return Kind("tuple", item.format, item.enum)
    if text in FORMATS:
        return Kind("scalar", FORMATS[text])
    if text in ENUMS:
        return Kind("scalar", FORMATS[ENUMS[text][0]], text)
    if text == "string":
        return Kind("string")
    return Kind("union" if text in UNIONS else "table", table=text)


@functools.cache
def layout_of(table: str) -> Layout:
    """The layout of a table of the schema."""
    rows = (
        Field(slot, name, kind_of(kind), default, ALIGNMENT.get(f"{table}.{name}", 1))
        for slot, name, kind, default in TABLES[table]
    )
    return Layout(table, tuple(rows))
