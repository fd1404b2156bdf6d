"""The inputs of a model by name, and whether given arrays can be their values."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite.errors import ArgumentError, ArgumentTypeError
from minilite.interpreter.details import signature_called
from minilite.model import Model, Subgraph, Tensor
from minilite.spec import DTYPES

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Inputs:
    """The inputs of one subgraph in the model's order. ``names`` are the signature's, or the tensors' own."""

    subgraph: int
    graph: Subgraph
    names: tuple[str, ...]
    indices: tuple[int, ...]

    @classmethod
    def of(cls, model: Model, key: str | None) -> Inputs:
        """The inputs of a signature; of the first subgraph for a model without."""
        if key is None:
            graph = model.subgraphs[0]
            return cls(0, graph, tuple(_own_name(graph, i) for i in graph.inputs), graph.inputs)
        signature = signature_called(model, key)
        graph = model.subgraphs[signature.subgraph_index]
        called = {index: name for name, index in signature.inputs}
        names = tuple(called.get(i) or _own_name(graph, i) for i in graph.inputs)
        return cls(signature.subgraph_index, graph, names, graph.inputs)

    def __len__(self) -> int:
        return len(self.names)

    def __str__(self) -> str:
        each = [
            f"{n!r} {self.tensor(i).type} {_shape(self.tensor(i))}"
            for n, i in zip(self.names, self.indices, strict=True)
        ]
        return f"The model's inputs: {', '.join(each) or 'none'}."

    def tensor(self, index: int) -> Tensor:
        """An input's declaration."""
        return self.graph.tensors[index]

    def name(self, index: int) -> str:
        """An input's name."""
        return self.names[self.indices.index(index)]

    def index(self, name: Any, where: str = "representative dataset") -> int:
        """The input of that name, or of that tensor name. Raises :class:`ArgumentError`."""
        if name in self.names:
            return self.indices[self.names.index(name)]
        for index in self.indices:
            if self.graph.tensors[index].name == name:
                return index
        raise ArgumentError(f"{where}: no input is called {name!r}{nearest(str(name), self.names)}. {self}")

    def wanted_shape(self, index: int, got: Sequence[int]) -> str:
        """Which shape an input has, and how to come to it."""
        shape = tuple(self.tensor(index).shape or ())
        advice = ""
        if shape[:1] == (1,) and tuple(got) == shape[1:]:
            advice = " Add the batch dimension: array[None]."
        elif shape[-1:] == (1,) and len(got) > 1 and tuple(got[1:]) == shape[1:-1]:
            advice = " Add the last dimension: array[..., None]."
        return f"expected shape {_shape(self.tensor(index))}, got {list(got)}.{advice}"

    def sliced(self, name: str, array: Array) -> Slices:
        """An array cut into samples along axis 0: of the model's batch size, or one by one where it has none."""
        index = self.index(name)
        shape = tuple(self.tensor(index).shape or ())
        check_numbers(array, self.tensor(index), f"input {name!r}")
        if array.shape == shape:
            return Slices(array[None])
        if array.ndim == len(shape) + 1 and shape_fits(array.shape[1:], self.tensor(index)):
            return Slices(array)
        if array.ndim == len(shape) > 0 and shape_fits((shape[0], *array.shape[1:]), self.tensor(index)):
            if shape[0] < 1 or len(array) % shape[0]:
                raise ArgumentError(
                    f"input {name!r}: {len(array)} rows cannot be cut into samples of the batch size {shape[0]}."
                )
            return Slices(array, shape[0])
        as_declared = ", ".join(map(str, shape[1:]))
        advice = ""
        if shape[-1:] == (1,) and array.shape[1:] == shape[1:-1]:
            advice = " Add the last dimension: array[..., None]."
        elif array.size and math.prod(array.shape[1:]) == math.prod(shape[1:]):
            advice = f" If the order of the elements is that: array.reshape(-1, {as_declared})."
        raise ArgumentError(
            f"input {name!r}: expected an array (N, {as_declared}), to be cut into samples of shape "
            f"{_shape(self.tensor(index))}; "
            + (self.wanted_shape(index, array.shape[1:]) if array.ndim > 1 else f"got the shape {list(array.shape)}.")
            + advice
        )


@dataclass(frozen=True, eq=False)
class Slices:
    """Samples in one array, not copied: ``size`` rows each, or a row each that has a dimension less."""

    array: Array
    size: int | None = None

    def __len__(self) -> int:
        return len(self.array) // (self.size or 1)

    def __iter__(self) -> Iterator[Array]:
        size = self.size
        return (self.array[i] if size is None else self.array[i * size : (i + 1) * size] for i in range(len(self)))


def nearest(name: str, known: Iterable[str]) -> str:
    """What may have been meant, as part of a sentence."""
    found = difflib.get_close_matches(name, list(known), 1)
    return f" (did you mean {found[0]!r}?)" if found else ""


def shape_fits(shape: Sequence[int], tensor: Tensor) -> bool:
    """Whether an input can have the shape: its own, with other lengths where ``shape_signature`` leaves them free."""
    declared = tuple(tensor.shape or ())
    free = tensor.shape_signature or declared
    if len(shape) != len(declared) or len(free) != len(declared):
        return tuple(shape) == declared
    return all(got == d or f < 0 for got, d, f in zip(shape, declared, free, strict=True))


def numbers(value: Any, tensor: Tensor, what: str) -> tuple[Array, bool]:
    """A value as an array of an input's type, and whether it came as float64.

    Reals become float32; integers stay integers, of a width that holds them. Raises :class:`ArgumentTypeError` for
    another kind, and :class:`ArgumentError` for NaN and infinities."""
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise ArgumentTypeError(f"{what}: this is no array: {error}.") from None
    dtype = _dtype(tensor)
    if array.dtype.kind not in _TAKES.get(dtype.kind, ""):
        raise ArgumentTypeError(f"{what}: expected {tensor.type}, got {array.dtype}.{_advice(array, dtype)}")
    with np.errstate(over="ignore"):
        result = array if dtype.kind == "O" else array.astype(dtype, copy=False)
    if dtype.kind in "iu" and not np.array_equal(result, array):
        advice = _advice(array, np.dtype(np.float32)) if tensor.quantization else ""
        raise ArgumentError(
            f"{what}: {tensor.type} cannot hold the values from {array.min()} to {array.max()}.{advice}"
        )
    if dtype.kind in "fc" and not np.isfinite(result).all():
        raise ArgumentError(f"{what}: {_not_finite(result)}")
    return result, array.dtype == np.float64 and dtype == np.float32


def _dtype(tensor: Tensor) -> np.dtype:
    return np.dtype(DTYPES.get(str(tensor.type).lower(), np.void))


def check_numbers(array: Array, tensor: Tensor, what: str) -> None:
    """Raise :class:`ArgumentTypeError` for strings and objects where numbers are wanted."""
    if array.dtype.kind in "OSU" and _dtype(tensor).kind not in "OV":
        got = "objects" if array.dtype.kind == "O" else "strings"
        raise ArgumentTypeError(
            f"{what}: expected numbers ({tensor.type}), got {got} ({array.dtype}). Of files give what is in them: "
            "np.load(path)."
        )


_TAKES = {"f": "f", "i": "iu", "u": "iu", "b": "b", "c": "fc", "O": "OSU"}
"""The kinds of arrays that values of a kind can be made from without a choice that is the caller's."""


def _advice(array: Array, dtype: np.dtype) -> str:
    if dtype.kind == "f" and array.dtype.kind in "iub":
        return (
            " Prepare the data as for inference: convert with array.astype(np.float32), and scale as in training "
            "(/ 255 for most images)."
        )
    if dtype.kind in "iu" and array.dtype.kind == "f":
        return f" Convert it first: array.astype(np.{dtype.name})."
    return ""


def _not_finite(array: Array) -> str:
    place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
    count = int((~np.isfinite(array)).sum())
    return (
        f"{count} of {array.size} values are not finite, the first {array[place]} at {list(place)}. "
        "Ranges cannot be measured from them; remove or repair such samples."
    )


def _own_name(graph: Subgraph, index: int) -> str:
    return graph.tensors[index].name or f"input {index}"


def _shape(tensor: Tensor) -> list[int]:
    return list(tensor.shape_signature or tensor.shape or ())
