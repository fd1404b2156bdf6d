"""minilite, called as plainly as the oracles are."""

from __future__ import annotations

import numpy as np

from minilite.engines import engine as engine_called
from minilite.interpreter.session import Session
from minilite.kernel_sets import kernel_set
from minilite.model import Model
from minilite.program import Program


def compute(
    model: Model,
    kernels: str,
    inputs: list[np.ndarray],
    engine: str = "numpy",
    again: tuple[list[np.ndarray], ...] = (),
) -> list[np.ndarray]:
    """The outputs of a model's first subgraph; of ``again``, the outputs of further runs, one after the other."""
    session = Session(Program(model, kernel_set(kernels), engine_called(engine)).plan(0), keep=False)
    graph = model.subgraphs[0]
    found = []
    for arrays in (inputs, *again):
        session.feed(dict(zip(graph.inputs, arrays, strict=True)))  # most have the file's own shapes
        session.invoke()
        found += [np.array(session.array(i)) for i in graph.outputs]
    return found
