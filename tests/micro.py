"""TFLite Micro as an oracle: which rows it has, and which drawn models it can be asked about."""

from __future__ import annotations

import dataclasses

from minilite import tflm
from minilite.kernel_sets import TFLM
from minilite.spec import Definition, Op
from minilite.testing.one_operator import OneOperator
from minilite.testing.ours import compute


def has(op: Op, definition: Definition, kernels: str) -> bool:
    """Whether a kernel set's runtime has a row with this label."""
    alternatives = [d for d in op.definitions if d.label == definition.label]
    return kernels != "tflm" or any(tflm.takes(op.name, d) for d in alternatives)


def narrowed(op: Op, definition: Definition) -> tuple[Op, Definition]:
    """The row with only the combinations of types that TFLite Micro has, and one of this label."""
    word = TFLM.arithmetic(op.name, False)
    own = tuple(d for d in op.definitions if tflm.takes(op.name, d) and d.arithmetic in (None, word))
    rest = tuple(d for d in op.definitions if d.label == "float32" and d not in own)  # scales are drawn by it
    alike = sorted((d for d in own if d.label == definition.label), key=lambda d: d.arithmetic != word)
    return dataclasses.replace(op, definitions=own + rest), alike[0]


def is_static(one: OneOperator) -> bool:
    """Whether the file gives all of a drawn model's outputs the shapes they have, which is all TFLite Micro goes by."""
    graph = one.model.subgraphs[0]
    found = compute(one.model, "reference", one.inputs)
    return [f.shape for f in found] == [tuple(graph.tensors[i].shape or ()) for i in graph.outputs]
