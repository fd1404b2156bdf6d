"""A :class:`~minilite.model.Model` to the bytes of a .tflite file."""

from __future__ import annotations

import os
import shutil
import struct
from pathlib import Path

import numpy as np
from flatbuffers.builder import BuilderSizeError

from minilite.errors import ModelError
from minilite.model import Model
from minilite.schema.encode import Output, table_writer
from minilite.schema.problems import Unwritable

OUTSIDE_ALIGNMENT = 16
"""Constants outside the flatbuffer begin at a multiple of so many bytes, as those inside do."""


def to_bytes(model: Model) -> bytes:
    """The model as a .tflite file.

    Fields at their default are left out, constants begin at a multiple of 16 bytes, and buffers marked
    ``outside`` follow the flatbuffer.

    Raises :class:`~minilite.errors.ModelError` for a value the format has no place for; the message says
    where.
    """
    output = Output(_size(model))
    try:
        root = table_writer("Model")(output, model)
        output.builder.Finish(root, file_identifier=b"TFL3")
    except Unwritable as error:
        raise ModelError(f"The model cannot be written: {error.where}: {error.what}.") from None
    except BuilderSizeError:
        raise ModelError(
            "The model cannot be written: a flatbuffer has at most 2 GB. Mark large buffers outside=True."
        ) from None
    return _with_outside(output)


def save(model: Model, path: str | os.PathLike[str]) -> None:
    """Write the model as a .tflite file.

    A file that is there already is replaced, not overwritten: models read from it keep their constants.
    """
    content = to_bytes(model)
    target = Path(path).resolve()
    if not target.is_file():
        target.write_bytes(content)
        return
    beside = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    try:
        beside.write_bytes(content)
        shutil.copymode(target, beside)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def _size(model: Model) -> int:
    """About how large the flatbuffer will be; a good guess saves copies."""
    constants = {
        id(buffer.data): buffer.data.nbytes
        for buffer in model.buffers
        if isinstance(buffer.data, np.ndarray) and not buffer.outside
    }
    tables = sum(len(subgraph.tensors) + len(subgraph.operators) for subgraph in model.subgraphs)
    return min(sum(constants.values()) + 256 * tables + 2048, 2**31)


def _with_outside(output: Output) -> bytes:
    """The flatbuffer, then the constants outside it, whose offsets are known only now."""
    flatbuffer = output.builder.Output()
    pieces = [flatbuffer]
    starts: dict[int, int] = {}
    end = len(flatbuffer)
    for constant in output.outside:
        start = starts.get(id(constant.data))
        if start is None:
            start = starts[id(constant.data)] = -(-end // OUTSIDE_ALIGNMENT) * OUTSIDE_ALIGNMENT
            pieces += [bytes(start - end), constant.data.tobytes()]
            end = start + constant.data.nbytes
        struct.pack_into("<Q", flatbuffer, len(flatbuffer) - constant.place, start)
    return b"".join(pieces)
