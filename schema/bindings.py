"""What a package of generated FlatBuffers bindings says about its schema, found by calling it.

Generated Python has no reflection, but it is regular: for a field ``stride_w`` of a table ``Conv2DOptions``
there are ``Conv2DOptionsAddStrideW(builder, value)`` and ``Conv2DOptions.StrideW()``. Calling the first
with a builder that only takes notes shows slot, scalar type and default; calling the second on a table that
only takes notes shows what lies behind an offset. An enumeration is a class of integers; a union is one
whose members are all tables.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

Row = tuple[int, str, str, Any]
"""Slot, name, kind and default of one field; ``tables.py`` explains the kinds."""


@dataclass
class Schema:
    """Enumerations and unions as names by code, tables as rows by slot."""

    enums: dict[str, dict[int, str]] = field(default_factory=dict)
    unions: dict[str, dict[int, str]] = field(default_factory=dict)
    tables: dict[str, list[Row]] = field(default_factory=dict)


class _Builder:
    """Stands in for ``flatbuffers.Builder`` and notes the last call."""

    call: tuple[str, tuple[Any, ...]] = ("", ())

    def __getattr__(self, name: str) -> Any:
        def note(*args: Any) -> int:
            self.call = (name, args)
            return 0

        return note


class _Table:
    """Stands in for ``flatbuffers.table.Table``: every field is there, and empty."""

    Bytes = bytes(16)
    Pos = 0
    seen = ""

    def Offset(self, vtable_offset: int) -> int:
        return vtable_offset

    def Vector(self, offset: int) -> int:
        return 0

    Indirect = Vector

    def Union(self, table: Any, offset: int) -> None:
        self.seen = "union"

    def String(self, offset: int) -> None:
        self.seen = "string"

    def Get(self, flags: Any, offset: int) -> int:
        self.seen = flags.__name__.removesuffix("Flags").lower()
        return 0


def snake_case(name: str) -> str:
    """The schema's spelling of a generated CamelCase name."""
    return {"BuiltinOptions2": "builtin_options_2"}.get(name) or re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _behind_offset(table: type, name: str, is_vector: bool) -> str:
    """The kind of a field that is an offset: string, table, union, or the element of a vector."""
    reader = table()
    reader._tab = notes = _Table()
    found = getattr(reader, name)(*([0] if is_vector else []))
    return notes.seen or type(found).__name__


def _row(namespace: dict[str, Any], table: type, name: str) -> Row:
    builder = _Builder()
    namespace[f"{table.__name__}Add{name}"](builder, 0)
    call, (slot, _, default) = builder.call
    if call != "PrependUOffsetTRelativeSlot":
        kind = call.removeprefix("Prepend").removesuffix("Slot").lower()
        return slot, snake_case(name), kind, bool(default) if kind == "bool" else default
    is_vector = f"{table.__name__}Start{name}Vector" in namespace
    kind = _behind_offset(table, name, is_vector)
    return slot, snake_case(name), f"[{kind}]" if is_vector else kind, None


def _rows(namespace: dict[str, Any], table: type) -> list[Row]:
    prefix = f"{table.__name__}Add"
    names = [name.removeprefix(prefix) for name in namespace if name.startswith(prefix)]
    return sorted(_row(namespace, table, name) for name in names)


def _codes(enum: type) -> dict[int, str]:
    codes = {code: name for name, code in vars(enum).items() if isinstance(code, int)}
    return dict(sorted(codes.items()))


def read_bindings(namespace: dict[str, Any]) -> Schema:
    """The schema behind the generated classes and functions in ``namespace``."""
    classes = {name: value for name, value in namespace.items() if isinstance(value, type)}
    schema = Schema()
    for name, value in classes.items():
        if f"{name}Start" in namespace:
            schema.tables[name] = _rows(namespace, value)
    for name, value in classes.items():
        codes = _codes(value)
        if codes:
            is_union = all(member in schema.tables for member in codes.values() if member != "NONE")
            (schema.unions if is_union else schema.enums)[name] = codes
    return schema
