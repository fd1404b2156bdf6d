"""Ranges as TFLiteConverter records them.

Its calibrator looks at every input of an operator before and again after running it, and the interpreter under it lets
some operators write their result over an input. That input's range then holds the result's values as well: a sigmoid
that enters an ADD may be recorded with a minimum of -0.98. Which input it is follows from the graph alone.

Source: ``ArenaPlanner::IdentifyInPlaceTensors`` of TensorFlow Lite; checked against what TensorFlow 2.21 records.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from minilite.constants import constant_array
from minilite.model import Model, Subgraph, Tensor
from minilite.spec import DTYPES

OVERWRITES = {"ADD": 2, "SUB": 2, "MUL": 2, "DIV": 2, "SOFTMAX": 1}
"""Operators that may write over one of their first so many inputs."""

RENAMES = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "BITCAST")
"""Operators whose result may be their input under another name."""

SMALLEST = 4
"""Bytes. A tensor that is no larger is never written over."""

LEAST_HIGHEST = 1.1754943508222875e-38
"""Where recorded maxima begin: the smallest normal float32. Tensors without positive values keep it."""


def overwritten(model: Model, subgraph: int) -> Iterator[tuple[int, int]]:
    """Pairs (input, output) of tensors: the output is written over the input."""
    graph = model.subgraphs[subgraph]
    uses = Counter(i for operator in graph.operators for i in operator.inputs or ())
    uses.update((*graph.inputs, *graph.outputs))
    root: dict[int, int] = {}
    for operator in graph.operators:
        name = model.operator_codes[operator.opcode_index].name
        if not operator.outputs or not (name in OVERWRITES or name in RENAMES):
            continue
        output, writes = operator.outputs[0], name in OVERWRITES
        candidates = (operator.inputs or ())[: OVERWRITES.get(name, 1)]
        shared = next((i for i in candidates if _may_share(model, graph, i, output, writes, uses[i])), None)
        if shared is None:
            continue
        memory = root.get(shared, shared)
        if writes and uses[memory] > 1:
            continue
        root[output] = memory
        if writes:
            yield shared, output


def _may_share(model: Model, graph: Subgraph, input_: int, output: int, writes: bool, uses: int) -> bool:
    if input_ < 0 or input_ in graph.inputs or output in graph.outputs:
        return False
    tensor = graph.tensors[input_]
    if tensor.is_variable or constant_array(model, tensor, input_) is not None:
        return False
    size = _bytes(tensor)
    return not writes or (size == _bytes(graph.tensors[output]) and size > SMALLEST and uses == 1)


def _bytes(tensor: Tensor) -> int:
    dtype = DTYPES.get(str(tensor.type).lower())
    return math.prod(tensor.shape or ()) * (0 if dtype is None else dtype().itemsize)
