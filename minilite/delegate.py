"""Which nodes LiteRT's XNNPACK delegate takes, operator by operator.

Taking is a matter of the node, not of the operator: types, constant operands, scale ratios and options decide. A node
that is not taken runs on the optimized kernels. Read from the delegate's source and measured on LiteRT 2.3.0.
"""

from __future__ import annotations

from collections.abc import Callable

from minilite.spec import Node

TAKES: dict[str, Callable[[Node], bool]] = {}


def takes(node: Node) -> bool:
    """Whether the XNNPACK delegate computes this node."""
    accepts = TAKES.get(node.op)
    return accepts is not None and accepts(node)
