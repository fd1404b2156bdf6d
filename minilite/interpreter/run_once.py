"""One call for scripts: inputs as people have them, outputs by name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from minilite.custom import CustomOps
from minilite.errors import ArgumentError
from minilite.interpreter.details import signature_called, signature_details
from minilite.interpreter.interpreter import Interpreter
from minilite.interpreter.session import Session
from minilite.model import Model, Tensor
from minilite.spec import DTYPES

Named = dict[str, int]
"""Tensor indices by name."""


def run(
    model: str | os.PathLike[str] | bytes | Model | Interpreter,
    inputs: Any = None,
    *,
    kernels: str | None = None,
    engine: str | None = None,
    signature: str | None = None,
    custom_ops: CustomOps | None = None,
) -> dict[str, Any]:
    """Run a model once and return its outputs by name.

    model: a path, the bytes of a file, a :class:`Model`, or an :class:`Interpreter` to use again.
    inputs: one array, a sequence of them in the model's order, or a dictionary by input name or tensor name. Any shape
    the model can be resized to will do. Numbers are converted to the input's type as long as they stay the same
    numbers, except that reals are rounded to the input's precision; real numbers for an integer input are an error,
    because they would have to be quantized first. A list or tuple for a model with one input is that input's value,
    unless it holds arrays.
    signature: which signature to run; a model with a single one runs that, a model without runs its first subgraph.
    Names are the signature's, or the tensors' where there is no signature.
    custom_ops: as of :class:`Interpreter`.

    Raises :class:`ArgumentError` when the inputs do not fit, and what :class:`Interpreter` raises.
    """
    interpreter = _interpreter(model, kernels, engine, custom_ops)
    with interpreter._turn:
        session, outs = fed(interpreter, inputs, signature)
        session.invoke()
        subgraph = session.plan.subgraph_index
        return {name: interpreter.get_tensor(index, subgraph) for name, index in outs.items()}


def fed(interpreter: Interpreter, inputs: Any, signature: str | None = None) -> tuple[Session, Named]:
    """The subgraph to run with its inputs set as :func:`run` takes them, and its outputs by name."""
    session, ins, outs = _ends(interpreter, signature)
    arrays = _by_index(inputs, session, ins)
    interpreter._ensure_safe()
    session.feed(arrays)
    return session, outs


def _interpreter(model: Any, kernels: str | None, engine: str | None, custom_ops: CustomOps | None) -> Interpreter:
    if isinstance(model, Interpreter):
        if kernels is not None or engine is not None or custom_ops is not None:
            raise ArgumentError("an Interpreter has its kernels, engine and custom_ops already; leave them out.")
        return model
    source = {"model_content": model} if isinstance(model, bytes) else {"model_path": model}
    return Interpreter(**source, kernels=kernels, engine=engine or "auto", custom_ops=custom_ops)


def _ends(interpreter: Interpreter, key: str | None) -> tuple[Session, Named, Named]:
    """The subgraph to run, and its inputs and outputs by name."""
    model = interpreter._model
    if key is None and len(model.signatures) > 1:
        keys = ", ".join(repr(s.key) for s in model.signatures)
        raise ArgumentError(f"the model has {len(model.signatures)} signatures; choose one: signature= {keys}.")
    if key is not None or model.signatures:
        chosen = signature_called(model, model.signatures[0].key if key is None else key)
        named = signature_details(model)[chosen.key or ""]
        order = {i: n for n, i in chosen.inputs}
        session = interpreter._session(chosen.subgraph_index)
        ins = {order[i]: i for i in session.plan.subgraph.inputs if i in order}
        return session, ins, named["outputs"]
    session = interpreter._main
    graph = session.plan.subgraph
    return session, _named(graph.tensors, graph.inputs), _named(graph.tensors, graph.outputs)


def _named(tensors: tuple[Tensor, ...], indices: tuple[int, ...]) -> Named:
    """Tensor names; a name that is empty or taken gets the tensor's index behind it."""
    named: Named = {}
    for index in indices:
        name = tensors[index].name or ""
        named[name if name and named.get(name, index) == index else f"{name}:{index}"] = index
    return named


def _by_index(inputs: Any, session: Session, ins: Named) -> dict[int, np.ndarray]:
    """The inputs as arrays of their tensors' types, by tensor index; nothing missing, nothing left over."""
    if isinstance(inputs, Mapping):
        given = {_index_of(name, session, ins): value for name, value in inputs.items()}
    else:
        values = _sequence(inputs, len(ins))
        if len(values) != len(ins):
            raise ArgumentError(f"expected {len(ins)} inputs, got {len(values)}. {_wanted(session, ins)}")
        given = dict(zip(ins.values(), values, strict=True))
    missing = [name for name, index in ins.items() if index not in given]
    if missing:
        raise ArgumentError(f"no value for input {', '.join(map(repr, missing))}. {_wanted(session, ins)}")
    return {index: _fitting(value, session.plan.subgraph.tensors[index], index) for index, value in given.items()}


def _index_of(name: Any, session: Session, ins: Named) -> int:
    tensors = session.plan.subgraph.tensors
    index = ins.get(name, next((i for i in ins.values() if tensors[i].name == name), None))
    if index is None:
        raise ArgumentError(f"no input is called {name!r}. {_wanted(session, ins)}")
    return index


def _sequence(inputs: Any, count: int) -> list[Any]:
    """The inputs one by one. For a single input, a list or tuple without arrays in it is the value itself."""
    if inputs is None:
        return []
    if not isinstance(inputs, list | tuple):
        return [inputs]
    if count == 1 and not any(hasattr(value, "shape") for value in inputs):
        return [inputs]
    return list(inputs)


def _wanted(session: Session, ins: Named) -> str:
    tensors = session.plan.subgraph.tensors
    each = [
        f"{name!r} {tensors[i].type} {list(tensors[i].shape_signature or tensors[i].shape or ())}"
        for name, i in ins.items()
    ]
    return f"The model's inputs: {', '.join(each) or 'none'}."


def _fitting(value: Any, tensor: Tensor, index: int) -> np.ndarray:
    """The value as an array of the tensor's type, if that keeps the numbers."""
    what = f"input tensor {index} {tensor.name or ''!r}"
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ArgumentError(f"{what}: this is no array: {error}.") from None
    dtype = np.dtype(DTYPES.get(str(tensor.type).lower(), np.void))
    if array.dtype == dtype or (array.size == 0 and dtype.kind in _KINDS):
        return array.astype(dtype, copy=False)
    if not _widens(array.dtype, dtype):
        raise ArgumentError(f"{what}: expected {tensor.type}, got {array.dtype}.{_how_to_quantize(array, tensor)}")
    if dtype.kind == "O":
        return array
    with np.errstate(all="ignore"):
        result = array.astype(dtype)
    if not np.array_equal(np.isfinite(result), np.isfinite(array)) or (dtype.kind in "iu" and (result != array).any()):
        raise ArgumentError(f"{what}: {tensor.type} cannot hold the values from {array.min()} to {array.max()}.")
    return result


_KINDS = {"b": 0, "i": 1, "u": 1, "f": 2, "c": 3}


def _widens(given: np.dtype, wanted: np.dtype) -> bool:
    """Whether values of one kind are values of the other: integers are reals, never the other way round."""
    if wanted.kind == "O":
        return given.kind in "OSU"
    return given.kind in _KINDS and wanted.kind in _KINDS and _KINDS[given.kind] <= _KINDS[wanted.kind]


def _how_to_quantize(array: np.ndarray, tensor: Tensor) -> str:
    q = tensor.quantization
    if array.dtype.kind != "f" or q is None or q.scales is None or q.scales.size != 1:
        return ""
    zero = int(q.zero_points[0]) if q.zero_points is not None and q.zero_points.size else 0
    return f" Quantize real numbers first: round(value / {q.scales[0]}) + {zero}."
