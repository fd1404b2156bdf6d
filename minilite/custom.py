"""Custom operators of the caller's: rows, or plain functions that are made into rows.

    function(options, *arrays) -> array, or a tuple of arrays

``options`` are the operator's custom options, decoded from flexbuffers: usually a dict; the bytes themselves when they
are no flexbuffer; None when there are none. ``arrays`` are the inputs, read-only, None for an optional one that is
absent; int4 and int2 come as int8, strings as arrays of bytes objects. The results must be as many as the operator has
outputs and have the outputs' types; their shapes may be any.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from minilite.errors import ArgumentError, ArgumentTypeError, OperatorError
from minilite.flexbuffers import decoded
from minilite.locating import is_of_a_signal_handler
from minilite.spec import DTYPES, INTEGER_RANGE, Definition, Node, Op, Shape, TensorInfo, activation

CustomFunction = Callable[..., Any]
CustomOps = Mapping[str, Op | CustomFunction]


def custom_rows(custom_ops: CustomOps | None) -> dict[str, Op]:
    """The caller's custom operators as rows.

    Raises :class:`ArgumentTypeError` for anything but a mapping from names to functions or rows and
    :class:`ArgumentError` for an empty name."""
    if custom_ops is None:
        return {}
    if not isinstance(custom_ops, Mapping):
        raise ArgumentTypeError(f"custom_ops: expected a mapping from names to functions, got {custom_ops!r}.")
    return {_name(name): row(name, given) for name, given in custom_ops.items()}


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise ArgumentTypeError(f"custom_ops: expected an operator's name, got {name!r}.")
    if not name:
        raise ArgumentError("custom_ops: expected an operator's name, got ''.")
    return name


def row(name: str, given: Op | CustomFunction) -> Op:
    """The row itself, or one for a function: any inputs, any outputs, shapes that the results tell."""
    if isinstance(given, Op):
        return dataclasses.replace(given, custom=True)
    if not callable(given):
        raise ArgumentTypeError(f"custom_ops[{name!r}]: expected a function or a minilite.spec.Op, got {given!r}.")
    return Op(
        name,
        inputs=(activation("inputs", variadic=True, optional=True),),
        outputs=(activation("outputs", variadic=True),),
        definitions=(Definition("any?* -> any*", _call, prepare=partial(_prepare, given)),),
        shapes=_shapes,
        cases=_no_cases,
        oldest=-(2**31),
        version=2**31 - 1,
        foldable=False,
        custom=True,
    )


def _no_cases(*_: Any) -> Any:
    raise ArgumentError("only its author knows which inputs a custom function takes.")


def _shapes(node: Node, *inputs: TensorInfo | None) -> tuple[Shape | None, ...]:
    for output in node.outputs:
        output.need(output.type in DTYPES, "a type that NumPy can hold", output.type)
    return (None,) * len(node.outputs)


def _prepare(function: CustomFunction, node: Node, *operands: TensorInfo | None) -> Any:
    return function, decoded(node.custom_options), node.outputs


def _call(prepared: Any, *inputs: np.ndarray | None) -> tuple[np.ndarray, ...]:
    function, options, outputs = prepared
    try:
        result = function(options, *map(_read_only, inputs))
    except Exception as error:  # whatever somebody else's function raises
        if is_of_a_signal_handler(error):
            raise
        raise OperatorError(f"its function raised {type(error).__name__}: {error}.") from error
    results = result if isinstance(result, tuple) else () if result is None and not outputs else (result,)
    if len(results) != len(outputs):
        raise OperatorError(f"expected {len(outputs)} results of its function, got {len(results)}.")
    return tuple(_checked(output, value) for output, value in zip(outputs, results, strict=True))


def _read_only(array: np.ndarray | None) -> np.ndarray | None:
    """A view that the function cannot write to: others read the same memory."""
    if array is None:
        return None
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


def _checked(output: TensorInfo, value: Any) -> np.ndarray:
    """A copy of a result, which the function may still hold, if it is one that the output can take."""
    array = np.array(value, order="C")
    output.need(array.dtype == output.dtype, f"a result of {np.dtype(output.dtype)}", array.dtype)
    if output.type == "string":
        output.need(all(isinstance(s, bytes) for s in array.flat), "bytes objects", "others")
    if output.type in ("int4", "uint4", "int2") and array.size:
        low, high = INTEGER_RANGE[output.type]
        fits = low <= array.min() and array.max() <= high
        output.need(fits, f"values from {low} to {high}", f"{array.min()} to {array.max()}")
    return array
