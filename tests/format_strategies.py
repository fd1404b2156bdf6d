"""Hypothesis strategies that draw any value of any table, from the rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from minilite import model
from minilite.model import Options
from minilite.schema.layout import Field, Kind, enum_names, layout_of, union_tables
from minilite.schema.records import RECORDS, our_name

RANGES = {"b": 8, "h": 16, "i": 32, "q": 64}
TEXT = st.text(max_size=8)


def integers(format_: str) -> st.SearchStrategy[int]:
    bits = RANGES[format_.lower()]
    least, most = (0, 2**bits - 1) if format_.isupper() else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return st.integers(least, most) | st.sampled_from((least, most, 0, 1))


def scalars(kind: Kind) -> st.SearchStrategy[Any]:
    """Any value of the field; of an enumeration also codes it has no name for."""
    if kind.enum:
        names = enum_names(kind.enum)
        unnamed = st.integers(len(names), len(names) + 20) | st.integers(-5, -1).filter(lambda _: kind.format.islower())
        return st.sampled_from(names) | unnamed
    if kind.format == "?":
        return st.booleans()
    return st.floats(width=32) if kind.format == "f" else integers(kind.format)


@st.composite
def arrays(draw: st.DrawFn, kind: Kind) -> np.ndarray:
    values = draw(st.lists(scalars(kind), max_size=5))
    return np.array(values, "<" + kind.format)


def values(kind: Kind) -> st.SearchStrategy[Any]:
    """Any value of a field that is not left out."""
    return {
        "scalar": lambda: scalars(kind),
        "string": lambda: TEXT,
        "table": lambda: tables(kind.table),
        "union": lambda: st.sampled_from(union_tables(kind.table)[1:]).flatmap(tables),
        "tuple": lambda: st.lists(scalars(kind), max_size=4).map(tuple),
        "array": lambda: arrays(kind),
        "tables": lambda: st.lists(tables(kind.table), max_size=3).map(tuple),
    }[kind.shape]()


def _field(table: str, field: Field) -> st.SearchStrategy[Any]:
    record = RECORDS.get(table)
    if field.kind.shape == "scalar" or (record and our_name(table, field.name) in record.never_none):
        return values(field.kind)
    return st.none() | values(field.kind)


def tables(table: str) -> st.SearchStrategy[Any]:
    """Any dataclass or options that a model says the table is."""
    special = {
        "Buffer": buffers,
        "Operator": operators,
        "OperatorCode": operator_codes,
        "TensorMap": lambda: st.tuples(st.none() | TEXT, integers("I")),
    }
    return special[table]() if table in special else plain_tables(table)


def plain_tables(table: str, leave_out: tuple[str, ...] = (), **more: Any) -> st.SearchStrategy[Any]:
    fields = {
        our_name(table, field.name): _field(table, field)
        for field in layout_of(table).fields
        if field.name not in leave_out
    }
    record = RECORDS.get(table)
    if record is None:
        return st.fixed_dictionaries(fields).map(lambda drawn: Options(table, drawn))
    return st.builds(record.type, **fields, **more)


def _bytes() -> st.SearchStrategy[np.ndarray]:
    return arrays(Kind("array", "B"))


def buffers() -> st.SearchStrategy[model.Buffer]:
    inside = st.builds(model.Buffer, st.none() | _bytes())
    return inside | st.builds(model.Buffer, _bytes(), outside=st.just(True))


def operators() -> st.SearchStrategy[model.Operator]:
    large = ("large_custom_options_offset", "large_custom_options_size", "custom_options")
    inside = plain_tables("Operator", large, custom_options=st.none() | _bytes())
    return inside | plain_tables("Operator", large, custom_options=_bytes(), custom_options_outside=st.just(True))


def operator_codes() -> st.SearchStrategy[model.OperatorCode]:
    codes = st.sampled_from(enum_names("BuiltinOperator")) | st.integers(210, 2**31 - 1) | st.integers(-128, -1)
    return plain_tables("OperatorCode", ("builtin_code", "deprecated_builtin_code"), builtin_code=codes)
