"""The .tflite schema: which options table an operator has, and options with every default filled in."""

from __future__ import annotations

from typing import Any

from minilite.errors import ModelError
from minilite.model import Options
from minilite.schema.layout import enum_codes, enum_names, layout_of, union_tables
from minilite.schema.tables import ENUMS, OPTIONS_OF, TABLES, UNIONS

__all__ = [
    "ENUMS",
    "OPTIONS_OF",
    "TABLES",
    "UNIONS",
    "default_options",
    "enum_codes",
    "enum_names",
    "is_second_union",
    "make_options",
]


def default_options(table: str) -> Options:
    """Every field of an options table at the schema's default.

    Raises :class:`~minilite.errors.ModelError` for a table the schema does not have.
    """
    if table not in TABLES:
        raise ModelError(f"The schema has no table {table!r}; minilite.schema.OPTIONS_OF has operators' tables.")
    return Options(table, {field.name: field.default for field in layout_of(table).fields})


def make_options(table: str, **fields: Any) -> Options:
    """An options table with some fields set and the others at the schema's default.

    Raises :class:`~minilite.errors.ModelError` for a field the table does not have.
    """
    options = default_options(table)
    unknown = fields.keys() - options.keys()
    if unknown:
        names = ", ".join(options) or "none"
        raise ModelError(f"{table} has no field {', '.join(sorted(unknown))}; it has {names}.")
    return Options(table, {**options, **fields})


def is_second_union(table: str) -> bool:
    """Whether an options table goes into ``Operator.options_2`` (StableHLO and later) and not ``options``."""
    return table in union_tables("BuiltinOptions2")
