"""Which nodes LiteRT's XNNPACK delegate takes, operator by operator.

Taking is a matter of the node, not of the operator: types, constant operands, scale ratios and options decide. A node
that is not taken runs on the optimized kernels. Read from the delegate's source and measured on LiteRT 2.3.0.
"""

from __future__ import annotations

from collections.abc import Callable

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


TAKES: dict[str, Callable[[Node], bool]] = {
    "QUANTIZE": _quantize,
}


def takes(node: Node) -> bool:
    """Whether the XNNPACK delegate computes this node."""
    accepts = TAKES.get(node.op)
    return accepts is not None and accepts(node)
