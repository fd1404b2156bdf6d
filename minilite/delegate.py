"""Which nodes LiteRT's XNNPACK delegate takes, operator by operator.

Taking is a matter of the node, not of the operator: types, constant operands, scale ratios and options decide. A node
that is not taken runs on the optimized kernels. Read from the delegate's source and measured on LiteRT 2.3.0.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minilite.spec import Node, TensorInfo



def _per_tensor_8_bit(info: TensorInfo | None) -> bool:
    return info is not None and info.type in ("int8", "uint8") and info.scales.size == 1 and info.axis == 0


def _quantize(node: Node) -> bool:
    input, output = node.inputs[0], node.outputs[0]
    if input is None or not _per_tensor_8_bit(output):
        return False
    if input.type == "float32":
        return True
    ratio_fits = _per_tensor_8_bit(input) and 1 / 256 <= input.scale / output.scale <= 128
    return input.type == output.type and bool(ratio_fits)


# ---- element by element ------------------------------------------------------------------------------------------


def _elementwise(node: Node) -> bool:
    """float32 throughout, or one 8-bit type throughout with one scale each; up to 6 dimensions."""
    tensors = (*node.inputs, *node.outputs)
    if any(t is None or t.rank > 6 or t.type != node.outputs[0].type for t in tensors):
        return False
    return node.outputs[0].type == "float32" or all(map(_per_tensor_8_bit, tensors))


def _clips(node: Node) -> bool:
    return str(node.options.fused_activation_function) in ("NONE", "RELU", "RELU_N1_TO_1", "RELU6")


def _scales(node: Node) -> list[np.float32]:
    return [t.scale for t in (*node.inputs, *node.outputs) if t is not None]


def _add(node: Node) -> bool:
    if not (_elementwise(node) and _clips(node)):
        return False
    if node.outputs[0].type == "float32":
        return True
    s1, s2, output = _scales(node)
    return all(bool(2.0**-10 <= s / output < 2.0**8) for s in (s1, s2))


def _mul(node: Node) -> bool:
    if not (_elementwise(node) and _clips(node)):
        return False
    if node.outputs[0].type == "float32":
        return True
    s1, s2, output = _scales(node)
    return bool(2.0**-16 <= s1 * s2 / output < 2.0**8)


TAKES: dict[str, Callable[[Node], bool]] = {
    "ADD": _add,
    "SUB": _add,
    "MUL": _mul,
    "QUANTIZE": _quantize,
    "LOGISTIC": _elementwise,
    "TANH": _elementwise,
}


def takes(node: Node) -> bool:
    """Whether the XNNPACK delegate computes this node."""
    accepts = TAKES.get(node.op)
    return accepts is not None and accepts(node)
