"""A :class:`~minilite.model.Model` to the bytes of a .tflite file."""

from __future__ import annotations

import os
import struct

import numpy as np
from flatbuffers.builder import BuilderSizeError

from minilite.errors import ArgumentTypeError, ModelError
from minilite.model import Model
from minilite.schema.encode import Output, table_writer
from minilite.schema.problems import Unwritable
from minilite.writing import replacing

MAX_SIZE = 2**31
"""Of a flatbuffer."""

OUTSIDE_ALIGNMENT = 16
"""Constants outside the flatbuffer begin at a multiple of so many bytes, as those inside do."""


def to_bytes(model: Model) -> bytes:
    """The model as a .tflite file.

    Fields at their default are left out, constants begin at a multiple of 16 bytes, and buffers marked
    ``outside`` follow the flatbuffer.

    Raises :class:`~minilite.errors.ModelError` for a value the format has no place for; the message says
    where.
    """
    if not isinstance(model, Model):
        raise ArgumentTypeError(f"to_bytes() takes a Model, not {type(model).__name__}.")
    try:
        output = Output(_size(model))
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

    The file is there as a whole or not at all. One that is there already is replaced, not overwritten: models read
    from it keep their constants.
    """
    content = to_bytes(model)
    with replacing(path) as beside:
        beside.write_bytes(content)


def _size(model: Model) -> int:
    """About how many bytes the constants take; a good guess saves copies."""
    arrays = (getattr(buffer, "data", None) for buffer in model.buffers or () if not getattr(buffer, "outside", False))
    sizes = {id(array): array.nbytes for array in arrays if isinstance(array, np.ndarray)}
    return min(sum(sizes.values()) + 4096, MAX_SIZE)


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
