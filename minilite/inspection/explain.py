"""Where a number comes from: of a tensor its scale and zero point, of an operator its arithmetic, of one element why it
is what it is.

    print(minilite.explain("int8.tflite", "tensor 16"))
    print(minilite.explain("int8.tflite", 5, image, element=(0, 3, 3, 7)))

Everything is computed from what the file says and what the kernel set prepares; where there are several answers, the
one that the file's numbers fit is named. See ``docs/explaining.md``.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite.errors import ArgumentError
from minilite.inspection.arithmetic import Arithmetic, arithmetic
from minilite.inspection.element import Element, element, has_result, in_other_sets
from minilite.inspection.inconsistencies import Inconsistency, inconsistencies, of_operator
from minilite.inspection.observed import Observed
from minilite.inspection.origins import Origin, origin
from minilite.inspection.places import Key, find, operator_name, producer, tensor_name
from minilite.inspection.ranges import Ranges, ranges
from minilite.kernel_sets import kernel_set
from minilite.model import Model
from minilite.quantization.graph import graph
from minilite.quantization.source import as_model


@dataclass(frozen=True)
class TensorExplanation:
    """A tensor: who makes it, the origin of its scale and zero point, and what in the file contradicts its scale."""

    key: Key
    name: str
    type: str
    shape: tuple[int, ...] | None
    producer: str
    origin: Origin
    contradictions: tuple[str, ...] = ()


@dataclass(frozen=True)
class OperatorExplanation:
    """An operator: its tensors by operand, the row's formula, its arithmetic, and in what the scales of its tensors
    contradict each other (:mod:`.inconsistencies`)."""

    key: Key
    name: str
    operands: tuple[tuple[str, str], ...]
    formula: str
    arithmetic: Arithmetic
    contradictions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """What is known of a ``tensor`` or an ``operator`` (one of them is None), and of one element where there were
    inputs: of the operator's first result, or of the tensor, as its operator computes it."""

    kernels: str
    tensor: TensorExplanation | None = None
    operator: OperatorExplanation | None = None
    element: Element | None = None

    def __str__(self) -> str:
        from minilite.inspection.explain_text import text

        return text(self)

    def _repr_html_(self) -> str:
        from minilite.inspection import notebook
        from minilite.inspection.explain_text import sections

        return notebook.sections(sections(self))


@np.errstate(all="ignore")  # a damaged file's scales may be anything
def explain(
    model: Model | bytes | str | os.PathLike[str],
    what: str | int,
    inputs: Any = None,
    *,
    element: Sequence[int] | None = None,
    kernels: str = "reference",
    calibration: Any = None,
    subgraph: int = 0,
    signature: str | None = None,
) -> Explanation:
    """Explain a tensor or an operator.

    model        a path, the bytes of a .tflite file, or a :class:`Model`
    what         a tensor's name (or a part of it that no other has), ``"tensor 16"``; an operator's number, or its name
                 where there is only one of it
    inputs       values for one run, to compute an element with: an array, a list of them in the model's order, or a
                 dictionary by name. Real numbers for integer inputs are quantized
    element      which element of the result; one in the middle unless said
    kernels      whose arithmetic
    calibration  where ranges were measured: a :class:`Calibration` of the float model, ``{name: (lowest, highest)}``,
                 or the path of either; else the ranges that the file itself has
    subgraph     whose tensors and operators are meant
    signature    which signature to run, if there are several

    Raises :class:`ArgumentError` that names the nearest for a tensor or an operator that does not exist, and for an
    element outside of the result; what running the model raises."""
    loaded = as_model(model)
    kernel_set(kernels)
    known = ranges(calibration)
    place = find(loaded, what, subgraph)
    if element is not None and inputs is None:
        raise ArgumentError("an element is computed from actual values: give inputs=, too (or --input, or --random).")
    if place.kind == "operator":
        observed = Observed(loaded, kernels, inputs, signature)
        operator = _operator(observed, place.key, _faults(loaded, place.key))
        return Explanation(kernels, None, operator, _element(observed, place.key, inputs, element))
    described = _tensor(loaded, place.key, origin(loaded, place.key, known), inconsistencies(loaded))
    maker = producer(loaded, place.key)
    first = maker is not None and _is_first(loaded, place.key, maker)
    if inputs is None or not first or maker is None:
        if element is not None:
            raise ArgumentError(
                f"{described.name!r} is {described.producer}: there is nothing to compute step by step."
            )
        return Explanation(kernels, described)
    observed = Observed(loaded, kernels, inputs, signature)
    return Explanation(kernels, described, None, _element(observed, (place.key[0], maker), inputs, element))


def numbers_of(observed: Observed, key: Key, known: Ranges) -> Explanation:
    """An operator and its first result, without an element, and without what contradicts them. Raises
    :class:`OperatorError` for an operator that only a run can prepare."""
    operator = _operator(observed, key, ())
    results = [t for t in observed.model.subgraphs[key[0]].operators[key[1]].outputs or () if t >= 0]
    tensor = None
    if results:
        place = key[0], results[0]
        tensor = _tensor(observed.model, place, origin(observed.model, place, known), ())
    return Explanation(operator.arithmetic.kernels, tensor, operator)


def _element(observed: Observed, key: Key, inputs: Any, index: Sequence[int] | None) -> Element | None:
    if inputs is None or (index is None and not has_result(observed, key)):
        return None
    found = element(observed, key, index)
    return dataclasses.replace(found, others=tuple(in_other_sets(observed, key, found.index)))


def _tensor(model: Model, key: Key, found: Origin, faults: Iterable[Inconsistency]) -> TensorExplanation:
    tensor, graph = model.subgraphs[key[0]].tensors[key[1]], model.subgraphs[key[0]]
    maker = producer(model, key)
    if maker is not None:
        made = f"the result of operator {maker} {operator_name(model, graph.operators[maker])}"
    elif key[1] in graph.inputs:
        made = "an input of the model" if key[0] == 0 else f"an input of subgraph {key[0]}"
    else:
        made = "a variable" if tensor.is_variable else "a constant"
    wrong = (
        f"operator {i.operator[1]} {i.name}: {i.message}"
        for i in faults
        if key in dict(i.suspects) and not (found.rule == "bias" and i.kind == "bias")
    )
    return TensorExplanation(key, tensor_name(model, key), str(tensor.type), tensor.shape, made, found, tuple(wrong))


def _operator(observed: Observed, key: Key, wrong: tuple[str, ...]) -> OperatorExplanation:
    step = observed.step(key)
    names = [(step.op.operand(p).name, i) for p, i in enumerate(step.inputs)]
    names += [(step.op.result(p).name, i) for p, i in enumerate(step.outputs)]
    operands = tuple((name, _said(observed.model, (key[0], i))) for name, i in names if i >= 0)
    return OperatorExplanation(key, step.op.name, operands, _formula(step.op.description), arithmetic(step), wrong)


def _faults(model: Model, key: Key) -> tuple[str, ...]:
    g = graph(model, key[0])
    return tuple(i.message for i in of_operator(g, g.nodes[key[1]]))


def _said(model: Model, key: Key) -> str:
    tensor = model.subgraphs[key[0]].tensors[key[1]]
    return f"{key[1]} {tensor.type} {list(tensor.shape or ())} {tensor_name(model, key)}"


def _formula(description: str) -> str:
    """The formula of an operator's file: what is set in below its first line."""
    lines = description.splitlines()[1:]
    start = next((i for i, line in enumerate(lines) if line.startswith("    ")), None)
    if start is None:
        return ""
    end = next((i for i in range(start, len(lines)) if not lines[i].strip()), len(lines))
    return "\n".join(line[4:] for line in lines[start:end])


def _is_first(model: Model, key: Key, maker: int) -> bool:
    """Whether the tensor is its operator's first result."""
    return (model.subgraphs[key[0]].operators[maker].outputs or ())[:1] == (key[1],)
