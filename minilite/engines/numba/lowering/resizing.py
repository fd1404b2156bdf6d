"""RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minilite.engines.numba.calls import Call, Place
from minilite.engines.numba.lowering import movers
from minilite.engines.numba.lowering.task import Task

if TYPE_CHECKING:
    from minilite.ops.resize_bilinear import Places

Array = np.ndarray


def resize_bilinear(task: Task) -> list[Call] | None:
    from minilite.ops import resize_bilinear as definitions

    p, input, output = task.prepared, task.input(0), task.output
    kinds = {
        ("float32", definitions.terms): "terms",
        ("int8", definitions.half_away_20): "half away",
        ("int16", definitions.half_away_20): "half away wide",
        ("int8", definitions.half_up_22): "half up",
        ("uint8", definitions.half_up_22): "half up",
        ("uint8", definitions.terms_cut_off): "cut terms",
        ("uint8", definitions.weights_cut_off): "cut weights",
    }
    how = kinds.get((input.type, p.between))
    if how is None or input.value is not None or (how in ("half away", "half up") and not _fits(p, input.type)):
        return None
    depth, size = input.shape[3], np.dtype(input.dtype).itemsize
    pixel, line = depth * size, input.shape[2] * depth * size
    row = (
        *(Place(input.index), Place(output.index), _table(p.rows, line), _table(p.columns, pixel)),
        *(depth, output.shape[1], output.shape[2], input.shape[1] * line),
    )
    units, vectors = output.shape[0] * output.shape[1], -(-depth // 16)
    return [Call(("resize_bilinear", input.type, how), units, row, work=units * output.shape[2] * vectors * 5)]


def _fits(p: object, type_: str) -> bool:
    """Whether int32 holds the sums: weights of places that lie outside of the image may be larger than one."""
    from minilite.ops.resize_bilinear import Prepared

    assert isinstance(p, Prepared)
    rows, columns = (int((np.abs(places.near) + np.abs(places.far)).max()) for places in (p.rows, p.columns))
    return (256 if type_ == "uint8" else 128) * rows * columns + (1 << 21) < 2**31


def _table(places: Places, step: int) -> Array:
    """As the kernel reads it: where both pixels begin, and their weights, in 8 bytes each."""
    table = np.zeros((len(places.lower), 4), np.int64)
    table[:, 0], table[:, 1] = places.lower * step, places.upper * step
    weights = np.stack([places.near, places.far], axis=1)
    table[:, 2:] = weights.view(np.int32) if weights.dtype == np.float32 else weights
    return table


def resize_nearest(task: Task) -> list[Call] | None:
    """Of small pixels element by element."""
    input, output, (rows, columns) = task.input(0), task.output, task.prepared
    pixel = input.shape[3] * np.dtype(input.dtype).itemsize
    found = movers.lower(task) if pixel < LEAST_PIXEL else None
    if found is not None or input.value is not None or input.type != output.type:
        return found
    line = input.shape[2] * pixel
    places = (np.ascontiguousarray(rows * line, np.int64), np.ascontiguousarray(columns * pixel, np.int64))
    row = (Place(input.index), Place(output.index), *places, pixel, *output.shape[1:3], input.shape[1] * line)
    work = output.shape[0] * output.shape[1] * output.shape[2] * (4 + pixel // 32)
    return [Call(("resize_nearest",), output.shape[0] * output.shape[1], row, work=work)]


LEAST_PIXEL = 16
"""Bytes of a pixel from which on it is copied in one piece."""
LOWERINGS = {"RESIZE_BILINEAR": resize_bilinear, "RESIZE_NEAREST_NEIGHBOR": resize_nearest}
