"""Which of the schema's tables are which dataclasses of :mod:`minilite.model`; all others are ``Options``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from minilite import model


@dataclass(frozen=True)
class Record:
    """How a dataclass spells a table.

    ``renamed`` maps the schema's name of a field to ours. Vectors in ``never_none`` mean the same absent and
    empty; they are written empty.
    """

    type: type
    renamed: dict[str, str]
    never_none: tuple[str, ...] = ()

    def name(self, field: str) -> str:
        """Our name of a field of the schema."""
        return self.renamed.get(field, field)


RECORDS: dict[str, Record] = {
    "Model": Record(
        model.Model,
        {"signature_defs": "signatures"},
        (
            "operator_codes",
            "subgraphs",
            "buffers",
            "metadata",
            "signatures",
            "external_buffer_groups",
            "external_buffers",
        ),
    ),
    "SubGraph": Record(model.Subgraph, {}, ("tensors", "inputs", "outputs", "operators")),
    "Tensor": Record(model.Tensor, {}),
    "QuantizationParameters": Record(model.Quantization, {"scale": "scales", "zero_point": "zero_points"}),
    "Operator": Record(model.Operator, {"builtin_options": "options", "builtin_options_2": "options_2"}),
    "OperatorCode": Record(model.OperatorCode, {}),
    "Buffer": Record(model.Buffer, {}),
    "Metadata": Record(model.Metadata, {}),
    "SignatureDef": Record(model.Signature, {"signature_key": "key"}, ("inputs", "outputs")),
}

TABLE_OF: dict[type, str] = {record.type: table for table, record in RECORDS.items()}
"""The table of each dataclass."""


def defaults_of(table: str, fields: Any) -> dict[str, Any]:
    """The value of every field that a file leaves out, under our names."""
    record = RECORDS.get(table)
    if record is None:
        return {field.name: field.default for field in fields}
    defaults = {record.name(field.name): field.default for field in fields}
    return defaults | dict.fromkeys(record.never_none, ())
