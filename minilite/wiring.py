"""Whether the operators of a subgraph, in their order, find their operands computed.

LiteRT does not look: it reads whatever memory holds. Here a plan is refused whose operators read what comes later or
from nowhere, or write what they read or what is constant. A tensor may be written by several operators, one after the
other; it then is no constant even if one of them only combines constants.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from minilite.errors import OperatorError
from minilite.spec import INTEGER_RANGE, Node, TensorInfo

MOST_DIMENSIONS = 64
"""NumPy's own limit."""


def written_more_than_once(outputs: Sequence[Sequence[int]]) -> set[int]:
    """The tensors that several operators, or one several times, write."""
    counts = Counter(index for indices in outputs for index in indices)
    return {index for index, count in counts.items() if count > 1}


def check_wiring(
    nodes: Sequence[Node],
    inputs: Sequence[Sequence[int]],
    outputs: Sequence[Sequence[int]],
    infos: Sequence[TensorInfo],
    given: Sequence[int],
) -> None:
    """Raise :class:`OperatorError` for the first operand that is not there when its operator runs, or result that has
    no place. ``inputs`` and ``outputs`` are tensor indices by operator, ``given`` are the subgraph's inputs."""
    first = {i: p for p in reversed(range(len(nodes))) for i in outputs[p]}
    there = {-1, *given, *(i.index for i in infos if i.constant or i.is_variable or math.prod(i.shape) == 0)}
    for position, node in enumerate(nodes):
        for place, index in enumerate(inputs[position]):
            if index not in there:
                source = f"only by operator {first[index]}, which comes later" if index in first else "by nothing"
                _refuse(node, f"input {place} is {infos[index]}, which is computed {source}.")
        for place, index in enumerate(outputs[position]):
            if index < 0:
                _refuse(node, f"output {place}: expected a tensor, got none (index {index}).")
            if index in inputs[position]:
                both = (
                    f"Tensor {index} is both input {list(inputs[position]).index(index)} and output {place} of {node}."
                )
                raise OperatorError(f"{both} AllocateTensors() called on inconsistent model.")
            if infos[index].constant:
                _refuse(node, f"output {place} is {infos[index]}, which is a constant.")
        there.update(outputs[position])


def _refuse(node: Node, said: str) -> None:
    raise OperatorError(f"{node}: {said} AllocateTensors() called on inconsistent model.")


def check_tensor(info: TensorInfo) -> None:
    """Raise :class:`OperatorError` for a declaration that nothing can be computed with."""
    size = math.prod(max(d, 1) for d in info.shape)
    info.need(info.rank <= MOST_DIMENSIONS, f"at most {MOST_DIMENSIONS} dimensions", info.rank)
    info.need(min(info.shape, default=0) >= 0 and size < 2**48, "dimensions of 0 or more that fit memory", info.shape)
    low, high = INTEGER_RANGE["int32"]
    inside = not info.zero_points.size or (info.zero_points.min() >= low and info.zero_points.max() <= high)
    info.need(inside, "zero points within int32", info.zero_points.tolist()[:4])
