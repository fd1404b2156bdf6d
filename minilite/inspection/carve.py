"""``carve``: one operator, or those between two tensors, with their actual inputs, as a small model.

    carved = minilite.carve("model.tflite", 3, inputs=image)           # operator 3
    carved = minilite.carve("model.tflite", "conv/a", "conv/z", image)  # between two tensors
    carved.save("found/conv")       # conv.tflite, conv.npz: its inputs, conv_expected.npz: what it gives

So a difference that was found in a large model is reproduced elsewhere: ``minilite run conv.tflite --input conv.npz``,
or with any other runtime.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from minilite.archives import save_arrays
from minilite.errors import ArgumentError, ArgumentTypeError
from minilite.inspection.carving import Part, cut
from minilite.inspection.places import find, producer, tensor_name
from minilite.inspection.samples import entered, samples_of
from minilite.inspection.sources import Minilite, Values
from minilite.interpreter import Interpreter
from minilite.model import Model, Subgraph
from minilite.quantization.source import as_model

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Carved:
    """A part of a model as a model. ``arrays`` are its inputs by tensor name and ``expected`` its outputs, as the whole
    model had them; both are empty without inputs. ``operators`` are those of the original that it is made of."""

    model: Model
    arrays: dict[str, Array] = field(default_factory=dict)
    expected: dict[str, Array] = field(default_factory=dict)
    subgraph: int = 0
    operators: tuple[int, ...] = ()

    def save(self, path: str | os.PathLike[str]) -> list[Path]:
        """Write ``path.tflite``, and with inputs ``path.npz`` and ``path_expected.npz``. Returns what was written."""
        stem = Path(path)
        stem = stem.with_suffix("") if stem.suffix in (".tflite", ".npz") else stem
        files = [stem.with_name(f"{stem.name}.tflite")]
        self.model.save(files[0])
        for end, arrays in ((".npz", self.arrays), ("_expected.npz", self.expected)):
            if arrays:
                files.append(stem.with_name(f"{stem.name}{end}"))
                save_arrays(files[-1], arrays, compressed=True)
        return files


@np.errstate(all="ignore")  # a damaged file's scales may be anything
def carve(
    model: Model | bytes | str | os.PathLike[str],
    what: int | str | Iterable[int],
    to: str | None = None,
    inputs: Any = None,
    *,
    kernels: str = "reference",
    subgraph: int = 0,
) -> Carved:
    """Cut operators out of a model.

    model     a path, the bytes of a .tflite file, or a :class:`minilite.Model`
    what      an operator's number, several, or what :mod:`minilite.inspection.places` understands: the name of an
              operator that the model has once (``"SOFTMAX"``), or of a tensor, for the operator that computes it
    to        the name of a tensor: then all operators between ``what``, a tensor, and this one, the one that computes
              ``what`` not among them
    inputs    one sample for the whole model, in any form of :mod:`minilite.quantization.representative`, to take the
              part's inputs and outputs from
    kernels   the kernel set that they are computed with
    subgraph  where in the model the operators are

    Raises :class:`ArgumentError` with the nearest name for what is not there, and where nothing lies between."""
    whole = as_model(model)
    if not 0 <= subgraph < len(whole.subgraphs):
        raise ArgumentError(f"expected a subgraph from 0 to {len(whole.subgraphs) - 1}, got {subgraph}.")
    chosen = operators_of(whole, subgraph, what, to)
    if inputs is None:
        part = cut(whole, subgraph, chosen)
        return Carved(part.model, subgraph=subgraph, operators=part.operators)
    values, known = _values(whole, inputs, kernels, subgraph)
    shapes = {t: np.shape(a) for (s, t), a in values.items() if s == subgraph}
    part = cut(whole, subgraph, chosen, known=known, shapes=shapes)
    return _with_arrays(part, values)


def _values(model: Model, inputs: Any, kernels: str, subgraph: int) -> tuple[Values, dict[int, Array]]:
    """All tensors of a run on the first sample; and those of the subgraph that were known before."""
    source = Minilite(model, kernels)
    samples, kind = samples_of(inputs, model)
    values = source.run(entered(next(iter(samples)), kind, model))
    return values, _planned(source.interpreter, subgraph)


def _planned(interpreter: Interpreter, subgraph: int) -> dict[int, Array]:
    infos = interpreter._session(subgraph).plan.infos
    return {info.index: info.value for info in infos if info.value is not None and not info.constant}


def _with_arrays(part: Part, values: Values) -> Carved:
    graph = part.model.subgraphs[0]
    names = [graph.tensors[t].name or "" for t in (*graph.inputs, *graph.outputs)]
    found = [values.get((part.subgraph, t)) for t in (*part.inputs, *part.outputs)]
    arrays = {name: np.array(a) for name, a in zip(names, found, strict=True) if a is not None}
    missing = [name for name, a in zip(names, found, strict=True) if a is None]
    if missing:
        raise ArgumentError(f"in this run subgraph {part.subgraph} was not called: {missing[0]!r} has no value.")
    count = len(graph.inputs)
    fed, shown = dict.fromkeys(names[:count]), dict.fromkeys(names[count:])
    return Carved(part.model, {n: arrays[n] for n in fed}, {n: arrays[n] for n in shown}, part.subgraph, part.operators)


# ---- which operators -------------------------------------------------------------------------------------------------


def operators_of(model: Model, subgraph: int, what: int | str | Iterable[int], to: str | None = None) -> list[int]:
    """The numbers of the operators that are meant; see :func:`carve`."""
    graph = model.subgraphs[subgraph]
    if to is not None:
        if not isinstance(what, str):
            raise ArgumentTypeError(f"between two tensors: expected the name of the first, got {what!r}.")
        return _between(graph, _tensor(model, what, subgraph), _tensor(model, to, subgraph))
    if isinstance(what, str | int):
        return [_operator(model, what, subgraph)]
    numbers = list(what)
    for number in numbers:
        if not isinstance(number, int | np.integer) or isinstance(number, bool):
            raise ArgumentTypeError(f"expected an operator's number or a name, got {number!r}.")
        if not 0 <= number < len(graph.operators):
            raise ArgumentError(f"expected operators from 0 to {len(graph.operators) - 1}, got {number}.")
    if not numbers:
        raise ArgumentError("no operators were chosen.")
    return [int(n) for n in numbers]


def _tensor(model: Model, name: str, subgraph: int) -> int:
    place = find(model, name, subgraph)
    if place.kind != "tensor":
        raise ArgumentError(f"between two tensors: expected the name of a tensor, got operator {place.key[1]}.")
    return place.key[1]


def _operator(model: Model, what: int | str, subgraph: int) -> int:
    """The operator that is meant, or that computes the tensor that is."""
    place = find(model, what, subgraph)
    maker = place.key[1] if place.kind == "operator" else producer(model, place.key)
    if maker is None:
        readers = [i for i, o in enumerate(model.subgraphs[subgraph].operators) if place.key[1] in (o.inputs or ())]
        raise ArgumentError(
            f"no operator computes {tensor_name(model, place.key)!r}: it is an input of the model, or a constant. "
            f"It is read by operator {', '.join(map(str, readers)) or 'none'}."
        )
    return maker


def _between(graph: Subgraph, start: int, end: int) -> list[int]:
    """The operators that depend on one tensor and that another depends on."""
    after, before = {start}, {end}
    later = [i for i, o in enumerate(graph.operators) if _reaches(o.inputs, o.outputs, after)]
    found = [i for i in reversed(later) if _reaches(graph.operators[i].outputs, graph.operators[i].inputs, before)]
    if not found:
        one, other = (graph.tensors[t].name for t in (start, end))
        turn = " It is the other way round." if start != end and _depends(graph, end, start) else ""
        raise ArgumentError(f"no operator lies between: {other!r} does not depend on {one!r}.{turn}")
    return sorted(found)


def _reaches(one: Iterable[int] | None, other: Iterable[int] | None, reached: set[int]) -> bool:
    if not reached.intersection(t for t in one or () if t >= 0):
        return False
    reached.update(t for t in other or () if t >= 0)
    return True


def _depends(graph: Subgraph, start: int, end: int) -> bool:
    after = {start}
    for operator in graph.operators:
        _reaches(operator.inputs, operator.outputs, after)
    return end in after
