"""LiteRT's own object bindings beside our rows: fill one of their objects, compare one with ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from minilite.schema.layout import Kind, Layout, enum_codes, layout_of, union_tables
from minilite.schema.records import Outside, our_name, unbuild


def camel_case(name: str) -> str:
    """``stride_w`` as their objects call it."""
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)


def new(bindings: Any, table: str) -> Any:
    """One of their objects, every field at its default."""
    return getattr(bindings, f"{table}T")()


def fill(bindings: Any, layout: Layout, fields: Mapping[str, Any]) -> Any:
    """One of their objects with the values of ``fields``."""
    theirs = new(bindings, layout.name)
    for field in layout.fields:
        value = fields[our_name(layout.name, field.name)]
        if value is None:
            continue
        if field.kind.shape == "union":
            setattr(theirs, camel_case(field.name) + "Type", union_tables(field.kind.table).index(value.table))
        setattr(theirs, camel_case(field.name), _their_value(bindings, field.kind, value))
    return theirs


def _their_value(bindings: Any, kind: Kind, value: Any) -> Any:
    if kind.shape == "scalar":
        return _number(kind, value)
    if kind.shape == "tuple":
        return [_number(kind, item) for item in value]
    if kind.shape == "table":
        layout = layout_of(kind.table)
        return fill(bindings, layout, unbuild(layout, value))
    if kind.shape == "union":
        return fill(bindings, layout_of(value.table), value)
    if kind.shape == "tables":
        layout = layout_of(kind.table)
        return [fill(bindings, layout, unbuild(layout, item)) for item in value]
    return value


def differences(layout: Layout, ours: Any, theirs: Any, path: str = "") -> list[str]:
    """Every field in which one of our values and one of their objects disagree."""
    fields = unbuild(layout, ours)
    found: list[str] = []
    for field in layout.fields:
        if layout.name == "OperatorCode" and field.name.endswith("builtin_code"):
            continue
        value = fields[our_name(layout.name, field.name)]
        found += _differ(field.kind, value, theirs, camel_case(field.name), f"{path}.{field.name}")
    if layout.name == "OperatorCode" and fields["builtin_code"] != _name(theirs):
        found.append(f"{path}.builtin_code: {fields['builtin_code']!r}, {_name(theirs)!r}")
    return found


def _name(theirs: Any) -> str | int:
    code = max(theirs.builtinCode, theirs.deprecatedBuiltinCode)
    return {number: name for name, number in enum_codes("BuiltinOperator").items()}.get(code, code)


def _differ(kind: Kind, value: Any, theirs: Any, name: str, path: str) -> list[str]:
    other = getattr(theirs, name)
    if value is None or (isinstance(value, tuple) and not value):
        return [] if other is None or (value is not None and len(other) == 0) else [f"{path}: {value!r}, {other!r}"]
    if other is None:
        return [f"{path}: {value!r}, None"]
    if kind.shape == "union":
        tag = getattr(theirs, name + "Type")
        if union_tables(kind.table)[tag] != value.table:
            return [f"{path}: {value.table}, tag {tag}"]
        return differences(layout_of(value.table), value, other, path)
    if kind.shape == "table":
        return differences(layout_of(kind.table), value, other, path)
    if kind.shape == "tables":
        if len(value) != len(other):
            return [f"{path}: {len(value)}, {len(other)} items"]
        pairs = enumerate(zip(value, other, strict=True))
        return [d for i, (a, b) in pairs for d in differences(layout_of(kind.table), a, b, f"{path}[{i}]")]
    return [] if _same(kind, value, other) else [f"{path}: {value!r}, {other!r}"]


def _same(kind: Kind, value: Any, other: Any) -> bool:
    if isinstance(value, Outside):
        return bool(other % 16 == 0 and other > 0)
    if kind.shape == "string":
        theirs = other.encode() if isinstance(other, str) else other
        return bool(value.encode(errors="surrogateescape") == theirs)
    if kind.shape == "tuple":
        value = [_number(kind, item) for item in value]
    elif kind.shape == "scalar":
        value = _number(kind, value)
    return np.array_equal(np.asarray(value), np.asarray(other), equal_nan=kind.format == "f")


def _number(kind: Kind, value: Any) -> Any:
    return enum_codes(kind.enum).get(value, value) if kind.enum else value
