"""What a quantizer decided about a float model, in a form that two files can be compared in.

Operators are found by the name of their first result, operands by position; what was put between them (QUANTIZE,
DEQUANTIZE), the order of tensors and the names of constants do not matter.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from minilite.model import Model, Operator, Tensor

BETWEEN = ("QUANTIZE", "DEQUANTIZE")


@dataclass(frozen=True)
class Operand:
    """One operand of one operator of the float model, as the quantized model has it: its type ("" where the operator or
    the operand is gone), scales, zero points, the axis of several scales, and a checksum of constant data."""

    where: str
    type: str = ""
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    axis: int = 0
    data: int = 0

    def __str__(self) -> str:
        constant = f", data {self.data:08x}" if self.data else ""
        return f"{self.type or 'absent'} {self.scales} zero points {self.zero_points} axis {self.axis}{constant}"


def described(floats: Model, quantized: Model) -> list[Operand]:
    """All operands that are float32 in the float model's main subgraph."""
    graph = floats.subgraphs[0]
    found = _by_result(floats, quantized)
    rows = []
    for index, operator in enumerate(graph.operators):
        same = found.get(index)
        label = f"{index} {floats.operator_codes[operator.opcode_index].name}"
        for position, tensor in _float_operands(floats, operator):
            rows.append(_operand(quantized, same, f"{label} {position} {graph.tensors[tensor].name}", position))
    return rows


def form_of(floats: Model) -> list[Operand]:
    """The float model's own operands: where to look, and what was there before."""
    return described(floats, floats)


def between(model: Model) -> tuple[int, int]:
    """How many QUANTIZE and DEQUANTIZE operators a model has."""
    names = [model.operator_codes[o.opcode_index].name for o in model.subgraphs[0].operators]
    return names.count(BETWEEN[0]), names.count(BETWEEN[1])


def _float_operands(model: Model, operator: Operator) -> Iterator[tuple[str, int]]:
    """Positions ("in 0", "out 1") and tensors of the float32 operands."""
    tensors = model.subgraphs[0].tensors
    for kind, indices in (("in", operator.inputs), ("out", operator.outputs)):
        for position, index in enumerate(indices or ()):
            if index >= 0 and tensors[index].type == "FLOAT32":
                yield f"{kind} {position}", index


def _by_result(floats: Model, quantized: Model) -> dict[int, Operator]:
    """The quantized model's operator for each of the float model's, where there is one."""
    names = {_first_name(floats, o): i for i, o in enumerate(floats.subgraphs[0].operators)}
    found: dict[int, Operator] = {}
    for operator in quantized.subgraphs[0].operators:
        if quantized.operator_codes[operator.opcode_index].name in BETWEEN:
            continue
        name = _first_name(quantized, operator)
        index = names.get(name, next((i for n, i in names.items() if name.startswith(n)), None))
        if index is not None:
            found[index] = operator
    return found


def _first_name(model: Model, operator: Operator) -> str:
    return str(model.subgraphs[0].tensors[(operator.outputs or ())[0]].name)


def _operand(model: Model, operator: Operator | None, where: str, position: str) -> Operand:
    kind, number = position.split()
    if operator is None:
        return Operand(where)
    indices = (operator.inputs if kind == "in" else operator.outputs) or ()
    if int(number) >= len(indices) or indices[int(number)] < 0:
        return Operand(where)
    return _form(model, model.subgraphs[0].tensors[indices[int(number)]], where)


def _form(model: Model, tensor: Tensor, where: str) -> Operand:
    data = model.buffers[tensor.buffer].data if tensor.buffer else None
    checksum = zlib.crc32(data.tobytes()) if data is not None and len(data) else 0
    numbers = tensor.quantization
    if numbers is None or numbers.scales is None or not len(numbers.scales):
        return Operand(where, str(tensor.type), data=checksum)
    zero_points = np.zeros(len(numbers.scales), np.int64) if numbers.zero_points is None else numbers.zero_points
    axis = numbers.quantized_dimension if len(numbers.scales) > 1 else 0
    return Operand(
        where, str(tensor.type), tuple(map(float, numbers.scales)), tuple(map(int, zero_points)), axis, checksum
    )
