"""A prepared step as lowerings see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from minilite.spec import INTEGER_RANGE, QUANTIZED, Definition, Node, TensorInfo

if TYPE_CHECKING:
    from minilite.resolve import Step


@dataclass(frozen=True)
class Task:
    """The node, the definition that computes it, and what that has prepared."""

    node: Node
    definition: Definition
    prepared: Any

    @classmethod
    def of(cls, step: Step) -> Task | None:
        """A step that kernels may compute: its shapes are known, its tensors hold something, and it is pure but for the
        variables among them, which it assigns, each once."""
        definition = step.definition
        if definition is None or step.op.custom or step.call is None or step.waits or step.open:
            return None
        if not step.node.inputs or not step.node.outputs:
            return None
        tensors = [*(i for i in step.node.inputs if i is not None), *step.node.outputs]
        if any(t.sparsity is not None or 0 in t.shape or _is_no_grid(t) for t in tensors):
            return None
        variables, assigned = [t.index for t in tensors if t.is_variable], step.writes[len(step.outputs) :]
        if tuple(variables) != assigned or len(set(variables)) < len(variables):
            return None
        return cls(step.node, definition, step.prepared)

    def input(self, position: int) -> TensorInfo:
        """An input that is there."""
        found = self.node.inputs[position]
        assert found is not None
        return found

    def optional(self, position: int) -> TensorInfo | None:
        """An input that may be left out."""
        return self.node.inputs[position] if position < len(self.node.inputs) else None

    @property
    def computed_by(self) -> str:
        """The definition's function, ``file.function`` of :mod:`minilite.ops`: asked for by name, for to compare
        functions would be to import all operators."""
        compute = self.definition.compute
        return f"{getattr(compute, '__module__', '').rpartition('.')[2]}.{getattr(compute, '__name__', '')}"

    @property
    def output(self) -> TensorInfo:
        """The first output."""
        return self.node.outputs[0]

    @property
    def types(self) -> tuple[str, ...]:
        """The types of the first two inputs and of the output."""
        return (*(self.input(i).type for i in range(min(2, len(self.node.inputs)))), self.output.type)


def _is_no_grid(info: TensorInfo) -> bool:
    """Whether a zero point is no value of the tensor's type, which kernels keep in a byte and definitions in int64; or
    a scale is no number: nobody says what integer that becomes."""
    if info.type not in QUANTIZED:
        return False
    low, high = INTEGER_RANGE[info.type]
    return not (np.isfinite(info.scales).all() and ((info.zero_points >= low) & (info.zero_points <= high)).all())


def value(info: TensorInfo) -> np.ndarray:
    """The array of a tensor that is known."""
    assert info.value is not None
    return info.value
