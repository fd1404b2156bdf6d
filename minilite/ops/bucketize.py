"""BUCKETIZE: the number of boundaries that each element reaches.

    output = how many of the boundaries are <= input

``boundaries``, an option, rise or stay the same. int32 and int64 elements are rounded to float32 before they are
compared. NaN lies beyond the last boundary.

Source: TensorFlow Lite's bucketize kernel.
"""

from __future__ import annotations

import numpy as np

from minilite.cases import Case, Draw, data, fed, shape
from minilite.spec import DTYPES, Definition, Node, Op, TensorInfo, activation, each, same_shape

Array = np.ndarray


def prepare(node: Node, input: TensorInfo, output: TensorInfo) -> Array:
    """The boundaries."""
    node.need(node.options.boundaries is not None, "boundaries", "none")
    boundaries = np.asarray(node.options.boundaries, np.float32)
    node.need(bool((boundaries[:-1] <= boundaries[1:]).all()), "boundaries in rising order", boundaries)
    return boundaries


def bucketize(boundaries: Array, input: Array) -> Array:
    values = input if input.dtype.kind == "f" else input.astype(np.float32)
    return np.asarray(np.searchsorted(boundaries, values, "right")).astype(np.int32)


def case(draw: Draw, definition: Definition) -> Case:
    """Often elements that are boundaries themselves."""
    dims, type_ = shape(draw, 0, 4), definition.label
    drawn = draw.random.normal(0, 30, draw.integer(0, 8))
    boundaries = np.sort(np.round(drawn, draw.choice((0, 1)))).astype(np.float32)
    options = {"boundaries": boundaries.tolist()}
    if boundaries.size and draw.choice((True, False)):
        return Case((fed(draw.random.choice(boundaries, dims), DTYPES[type_]),), options)
    return Case((data(dims, low=-100, high=100),), options)


BUCKETIZE = Op(
    "BUCKETIZE",
    inputs=(activation("input"),),
    outputs=(activation("output"),),
    definitions=each(("float32", "float64", "int32", "int64"), "T -> int32", bucketize, prepare=prepare),
    shapes=same_shape,
    cases=case,
    elementwise=True,
)
