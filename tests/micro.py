"""TFLite Micro as an oracle: which rows it has, and which drawn models it can be asked about."""

from __future__ import annotations

import dataclasses

from minilite import tflm
from minilite.kernel_sets import TFLM
from minilite.ops import OPS
from minilite.spec import Definition, Node, Op
from minilite.testing.one_operator import OneOperator
from minilite.testing.ours import compute
from tests.broken_oracles import aborts


def has(op: Op, definition: Definition, kernels: str) -> bool:
    """Whether a kernel set's runtime has a row with this label."""
    alternatives = [d for d in op.definitions if d.label == definition.label]
    return kernels != "tflm" or any(tflm.takes(op.name, d) for d in alternatives)


def narrowed(op: Op, definition: Definition) -> tuple[Op, Definition]:
    """The row with only the combinations of types that TFLite Micro has, and one of this label."""
    word = TFLM.arithmetic(op.name, False)
    own = tuple(d for d in op.definitions if tflm.takes(op.name, d) and d.arithmetic in (None, word))
    scales_by = tuple(d for d in op.definitions if d.label == "float32")
    rest = () if any(d in own for d in scales_by) else scales_by
    alike = sorted((d for d in own if d.label == definition.label), key=lambda d: d.arithmetic != word)
    return dataclasses.replace(op, definitions=own + rest), alike[0]


def askable(one: OneOperator) -> bool:
    """Whether a drawn model is one that TFLite Micro takes by what :data:`minilite.tflm.KERNELS` says of operands and
    options, that its process survives, and whose shapes are the file's."""
    return _fits(one) and not aborts(one, "tflm") and _is_static(one)


def _fits(one: OneOperator) -> bool:
    node, op = one.node, OPS[one.node.op].of(one.node.options)
    kernel = tflm.KERNELS[node.op]
    operands = [(op.operand(i), tensor) for i, tensor in enumerate(node.inputs) if tensor is not None]
    return (
        all(tensor.constant for operand, tensor in operands if operand.name in kernel.constant)
        and all(tensor.rank <= (kernel.rank or 99) for operand, tensor in operands if operand.role != "parameter")
        and all(tensor.shape == (_rank(node),) for operand, tensor in operands if operand.name in kernel.each_dimension)
        and not any(node.options[option] for option in kernel.unread)
    )


def _rank(node: Node) -> int | None:
    return node.inputs[0].rank if node.inputs[0] else None


def _is_static(one: OneOperator) -> bool:
    """Whether the file gives all of a drawn model's outputs the shapes they have, which is all TFLite Micro goes by."""
    graph = one.model.subgraphs[0]
    found = compute(one.model, "reference", one.inputs)
    return [f.shape for f in found] == [tuple(graph.tensors[i].shape or ()) for i in graph.outputs]
