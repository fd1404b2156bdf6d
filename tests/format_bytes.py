"""Small models changed in one place, and the places of their bytes."""

from __future__ import annotations

import dataclasses
import struct
from typing import Any

import numpy as np

from minilite.model import Buffer, Model, Operator, OperatorCode
from tests.small_models import add

FLOATS = np.arange(1, 5, dtype=np.float32)
"""The constant of :func:`tests.small_models.add`."""


def change(model: Model, part: str, **fields: Any) -> Model:
    """The model with its first subgraph's first operator or tensor, or the subgraph itself, changed."""
    subgraph = model.subgraphs[0]
    if part != "subgraph":
        items = getattr(subgraph, part)
        fields = {part: (dataclasses.replace(items[0], **fields), *items[1:])}
    return dataclasses.replace(model, subgraphs=(dataclasses.replace(subgraph, **fields), *model.subgraphs[1:]))


def table_at(content: bytes, *path: int) -> int:
    """Where a table lies: slots and indices from the root, a negative number -1-i being index i of a vector."""
    position = struct.unpack_from("<I", content, 0)[0]
    for step in path:
        if step >= 0:
            vtable = position - struct.unpack_from("<i", content, position)[0]
            position += struct.unpack_from("<H", content, vtable + 4 + 2 * step)[0]
        else:
            position += 4 * -step
        position += struct.unpack_from("<I", content, position)[0]
    return position


def patched(content: bytes, position: int, format_: str, value: int) -> bytes:
    changed = bytearray(content)
    struct.pack_into("<" + format_, changed, position, value)
    return bytes(changed)


def outside_model() -> Model:
    operator = Operator(1, (0,), (2,), custom_options=np.arange(9, dtype=np.uint8), custom_options_outside=True)
    model = change(add(), "subgraph", operators=(*add().subgraphs[0].operators, operator))
    codes = (*model.operator_codes, OperatorCode("CUSTOM", custom_code="Mine"))
    buffers = (Buffer(), Buffer(FLOATS.view(np.uint8), outside=True))
    return dataclasses.replace(model, operator_codes=codes, buffers=buffers)
