"""What an operator should give: its float definition, in float64, on the real numbers that its operands stand for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minilite import ideal
from minilite.resolve import Step

Array = np.ndarray
Real = Callable[[Sequence[Array | None]], Array]


def real_definition(step: Step) -> Real | None:
    """The first result of a prepared operator as a function of its stored operands; None where there is no float
    definition, or its operands are no real numbers."""
    defined = ideal.definition(step.op, step.node)
    if defined.compute is not ideal.compute:
        return None
    prepared = defined.prepare(step.node, *_operands(step), *step.node.outputs)

    def compute(arrays: Sequence[Array | None]) -> Array:
        infos = (*prepared.inputs, *[None] * (len(arrays) - len(prepared.inputs)))
        reals = [a if i is None or a is None else ideal.real(i, a) for i, a in zip(infos, arrays, strict=True)]
        if prepared.floats is None:
            return np.asarray(reals[0], np.float64)
        found = prepared.floats.compute(prepared.prepared, *reals)
        return np.asarray(found[0] if isinstance(found, tuple) else found)

    return compute


def _operands(step: Step) -> list[Any]:
    missing = 0 if step.op.inputs and step.op.inputs[-1].variadic else len(step.op.inputs) - len(step.node.inputs)
    return [*step.node.inputs, *[None] * missing]


def reads(step: Step) -> list[int]:
    """The tensors that a step is called with, -1 for absent ones."""
    return [i for i, _ in step.reads] or list(step.inputs)
