"""minilite, called as plainly as the oracles are."""

from __future__ import annotations

import numpy as np

from minilite.engines import engine as engine_called
from minilite.kernel_sets import kernel_set
from minilite.model import Model
from minilite.plan import Plan


def compute(model: Model, kernels: str, inputs: list[np.ndarray], engine: str = "numpy") -> list[np.ndarray]:
    """The outputs of one run of a model's first subgraph."""
    plan = Plan(model, 0, kernel_set(kernels), engine_called(engine))
    graph = model.subgraphs[0]
    plan.allocate({i: a.shape for i, a in zip(graph.inputs, inputs, strict=True)})  # most are the file's own shapes
    values = dict(zip(graph.inputs, inputs, strict=True))
    plan.run(values)
    return [np.asarray(plan.value(i, values)) for i in graph.outputs]
