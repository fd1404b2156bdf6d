"""Which of the schema's tables are which dataclasses of :mod:`minilite.model`; all others are ``Options``.

Most fields only change their name. The few tables that a model says differently have a function for each
direction: ``build`` from the fields of the file, ``unbuild`` to them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minilite import model
from minilite.schema.layout import Layout, enum_codes, enum_names
from minilite.schema.problems import Unwritable
from minilite.schema.verifier import Flatbuffer

Fields = dict[str, Any]


class Outside:
    """The value of an offset field whose bytes will follow the flatbuffer; ``place`` counts from its end."""

    def __init__(self, data: np.ndarray):
        if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 1:
            raise Unwritable(f"{short(data)} must be an array of uint8 with one axis")
        self.data = data
        self.place = 0


@dataclass(frozen=True)
class Record:
    """How a dataclass says a table.

    ``renamed`` maps the schema's name of a field to ours. Vectors in ``never_none`` mean the same absent and
    empty; they are written empty.
    """

    type: Any
    renamed: dict[str, str] = field(default_factory=dict)
    never_none: tuple[str, ...] = ()
    build: Callable[[Fields, Flatbuffer], Any] | None = None
    unbuild: Callable[[Any], Fields] = vars

    def name(self, field: str) -> str:
        """Our name of a field of the schema."""
        return self.renamed.get(field, field)


def _build_operator_code(fields: Fields, file: Flatbuffer) -> model.OperatorCode:
    """Codes over 126 do not fit the older of the two fields; the larger one is meant."""
    older, newer = fields.pop("deprecated_builtin_code"), fields["builtin_code"]
    code = max(older, enum_codes("BuiltinOperator").get(newer, newer))
    names = enum_names("BuiltinOperator")
    return model.OperatorCode(**{**fields, "builtin_code": names[code] if 0 <= code < len(names) else code})


def _unbuild_operator_code(value: model.OperatorCode) -> Fields:
    code = value.builtin_code
    number = enum_codes("BuiltinOperator").get(code, 0) if isinstance(code, str) else code
    return {**vars(value), "deprecated_builtin_code": min(number, 127)}


def _build_buffer(fields: Fields, file: Flatbuffer) -> model.Buffer:
    offset, size = fields["offset"], fields["size"]
    # An offset of 1 is a placeholder some writers leave behind.
    if fields["data"] is None and offset > 1:
        return model.Buffer(file.outside(offset, size), outside=True)
    return model.Buffer(fields["data"])


def _unbuild_buffer(value: model.Buffer) -> Fields:
    if value.outside and value.data is not None:
        return {"data": None, "offset": Outside(value.data), "size": value.data.nbytes}
    return {"data": value.data, "offset": 0, "size": 0}


def _build_operator(fields: Fields, file: Flatbuffer) -> model.Operator:
    offset, size = fields.pop("large_custom_options_offset"), fields.pop("large_custom_options_size")
    if fields["custom_options"] is None and offset > 1:
        fields["custom_options"] = file.outside(offset, size)
        return model.Operator(**fields, custom_options_outside=True)
    return model.Operator(**fields)


def _unbuild_operator(value: model.Operator) -> Fields:
    fields = {**vars(value), "large_custom_options_offset": 0, "large_custom_options_size": 0}
    if value.custom_options_outside and value.custom_options is not None:
        fields["custom_options"] = None
        fields["large_custom_options_offset"] = Outside(value.custom_options)
        fields["large_custom_options_size"] = value.custom_options.nbytes
    return fields


def _build_tensor_map(fields: Fields, file: Flatbuffer) -> tuple[str, int]:
    return fields["name"], fields["tensor_index"]


def _unbuild_tensor_map(value: tuple[str, int]) -> Fields:
    name, tensor_index = value
    return {"name": name, "tensor_index": tensor_index}


MODEL_VECTORS = (
    "operator_codes",
    "subgraphs",
    "buffers",
    "metadata",
    "signatures",
    "external_buffer_groups",
    "external_buffers",
)

RECORDS: dict[str, Record] = {
    "Model": Record(model.Model, {"signature_defs": "signatures"}, MODEL_VECTORS),
    "SubGraph": Record(model.Subgraph, never_none=("tensors", "inputs", "outputs", "operators")),
    "Tensor": Record(model.Tensor),
    "QuantizationParameters": Record(model.Quantization, {"scale": "scales", "zero_point": "zero_points"}),
    "Operator": Record(
        model.Operator,
        {"builtin_options": "options", "builtin_options_2": "options_2"},
        build=_build_operator,
        unbuild=_unbuild_operator,
    ),
    "OperatorCode": Record(model.OperatorCode, build=_build_operator_code, unbuild=_unbuild_operator_code),
    "Buffer": Record(model.Buffer, build=_build_buffer, unbuild=_unbuild_buffer),
    "Metadata": Record(model.Metadata),
    "SignatureDef": Record(model.Signature, {"signature_key": "key"}, ("inputs", "outputs")),
    "TensorMap": Record(tuple, build=_build_tensor_map, unbuild=_unbuild_tensor_map),
}


def our_name(table: str, field: str) -> str:
    """What a model calls a field of the schema."""
    record = RECORDS.get(table)
    return record.name(field) if record else field


def defaults_of(layout: Layout) -> Fields:
    """The value of every field that a file may leave out, under our names."""
    defaults = {our_name(layout.name, field.name): field.default for field in layout.fields}
    record = RECORDS.get(layout.name)
    return defaults | dict.fromkeys(record.never_none, ()) if record else defaults


def build(layout: Layout, fields: Fields, file: Flatbuffer) -> Any:
    """What a model says a table with these fields is."""
    record = RECORDS.get(layout.name)
    if record is None:
        return model.Options(layout.name, fields)
    return record.build(fields, file) if record.build else record.type(**fields)


def unbuild(layout: Layout, value: Any) -> Mapping[str, Any]:
    """The fields of ``value``, which must be what the model says this table is."""
    record = RECORDS.get(layout.name)
    if record:
        if not isinstance(value, record.type):
            raise Unwritable(f"{short(value)} is no {record.type.__name__}")
        return record.unbuild(value)
    if not isinstance(value, model.Options) or value.table != layout.name:
        raise Unwritable(f"{short(value)} is no {layout.name}")
    names = [field.name for field in layout.fields]
    unknown = sorted(value.keys() - set(names))
    if unknown:
        raise Unwritable(f"{layout.name} has no field {', '.join(unknown)}; it has {', '.join(names) or 'none'}")
    return {field.name: value.get(field.name, field.default) for field in layout.fields}


def short(value: Any) -> str:
    """A value in an error message."""
    text = repr(value)
    return text if len(text) < 80 else f"{text[:76]} ..."
