"""One subgraph at work: its plan, the values of its tensors, and the rules about when they may be touched.

The rules are LiteRT's. Tensors have no memory until they are allocated; a resized tensor loses its memory until they
are allocated again. Allocating again keeps the inputs that kept their shape, and clears variables. One rule is
gentler: a session that was never allocated nor resized allocates itself on first use.
"""

from __future__ import annotations

import copy
import math
import weakref
from collections.abc import Mapping
from typing import Any

import numpy as np

from minilite.constants import constant_array
from minilite.errors import ArgumentError, Error, ResizeError, StateError
from minilite.interpreter.values import tensor_array
from minilite.plan import LARGEST_TENSOR, Plan
from minilite.program import initial, zeros
from minilite.spec import DTYPES, Shape

Loans = set["weakref.ref[Loan]"]
"""The arrays lent out by ``tensor()`` that somebody still holds."""


class Loan:
    """Memory lent to an array. The array and all slices of it keep the loan alive, which is how it is noticed."""

    __slots__ = ("__array_interface__", "__weakref__", "_owner")

    def __init__(self, array: np.ndarray):
        self.__array_interface__ = array.__array_interface__
        self._owner = array


class Session:
    """One subgraph at work.

    ``ready`` says that it is prepared and nothing was resized since, ``untouched`` that it was neither allocated nor
    resized yet. ``values`` holds arrays by tensor index. An array may be shared (a RESHAPE's output is a view of its
    input), so arrays are replaced, not written to, unless their index is in ``owned``, or the array is the tensor's
    home in the memory of compiled programs.
    """

    def __init__(self, plan: Plan, keep: bool):
        self.plan, self.keep = plan, keep
        self.ready = False
        self.untouched = True
        self._allocated = False
        self.values: dict[int, np.ndarray] = {}
        self.owned: set[int] = set()
        self._homes: dict[int, np.ndarray] = {}
        self._running = False
        self._fits: dict[int, tuple[np.dtype, Shape]] = {}
        self._asked: dict[int, Shape] = {}
        self._resized: set[int] = set()

    # ---- shapes --------------------------------------------------------------------------------------------------

    def shape(self, index: int) -> Shape:
        """The tensor's shape as far as it is known: asked for, worked out, or the file's."""
        if index in self._resized:
            return self._asked[index]
        if self.plan.infos:
            return self.plan.infos[index].shape
        return self.plan.subgraph.tensors[index].shape or ()

    def type_of(self, index: int) -> str:
        """The tensor's type: the file's, until a kernel says otherwise while it is prepared."""
        if self.plan.infos:
            return self.plan.infos[index].type.upper()
        return str(self.plan.subgraph.tensors[index].type)

    def resize(self, index: int, shape: Shape, strict: bool = False) -> None:
        """Give a tensor another shape; it has no memory until the next :meth:`allocate`.

        With ``strict`` only dimensions that are -1 in ``shape_signature`` may change. Raises :class:`ResizeError` when
        that is not so, for a constant, and for a shape that no array can have."""
        if strict:
            self._check_free(index, shape)
        if self.constant(index) is None:
            _check_bytes(shape, self.type_of(index))
        elif shape != self.shape(index):
            raise ResizeError(f"Attempting to resize a fixed-size tensor. {self._say(index)} is a constant.")
        self.untouched = False
        if shape == self.shape(index) and (self.ready or index in self.values or self.constant(index) is not None):
            return
        self.ready = False
        self._asked[index] = shape
        self._resized.add(index)
        self._fits.pop(index, None)
        self.values.pop(index, None)

    def _check_free(self, index: int, shape: Shape) -> None:
        present = self.shape(index)
        if len(present) != len(shape):
            raise ResizeError(
                f"tensor->dims->size != dims.size() ({len(present)} != {len(shape)}): {self._say(index)} has "
                f"{len(present)} dimensions {list(present)}, and strict resizing keeps their number."
            )
        signature = self.plan.subgraph.tensors[index].shape_signature or ()
        fixed = (*signature, *present[len(signature) :])  # it may have been resized to more dimensions, or fewer
        for dimension, (old, new) in enumerate(zip(fixed, shape, strict=False)):
            if old not in (-1, new):
                raise ResizeError(
                    f"Attempting to resize dimension {dimension} of tensor {index} with value {old} to {new}. "
                    "ResizeInputTensorStrict only allows mutating unknown dimensions identified by -1."
                )

    # ---- memory --------------------------------------------------------------------------------------------------

    def allocate(self) -> None:
        """Prepare the plan and make room for inputs and variables; nothing to do when nothing was resized since."""
        if self.ready:
            return
        self.untouched = False
        self.plan.program.begin()
        self.plan.allocate(self._asked)
        self._homes = {}
        graph = self.plan.subgraph
        kept = {i: a for i, a in self.values.items() if i in graph.inputs}
        self.values = {i: self._zeros(i) for i in graph.inputs if self.constant(i) is None} | kept
        self.owned.intersection_update(kept)
        self._fits = {i: (a.dtype, a.shape) for i, a in self.values.items() if self._is_plain(i)}
        self._resized.clear()
        self.ready = self._allocated = True
        self.reset_variables()

    def reset_variables(self) -> None:
        """Set variable tensors to zero; int8 ones to their zero point, byte by byte, as LiteRT does."""
        if not self.ready:
            return
        for info in self.plan.infos:
            if info.is_variable:
                self._put(info.index, initial(info))

    def _zeros(self, index: int) -> np.ndarray:
        shape = self.shape(index)
        _check_bytes(shape, self.type_of(index))
        return zeros(shape, self.type_of(index).lower())

    def constant(self, index: int) -> np.ndarray | None:
        """The constant in the file, of a sparse one what is stored, or what planning has already computed."""
        if self.plan.infos and self.plan.infos[index].sparsity is None:
            return self.plan.infos[index].value
        return constant_array(self.plan.model, self.plan.subgraph.tensors[index], index)

    # ---- reading and writing -------------------------------------------------------------------------------------

    def invoke(self) -> None:
        """Compute every step from the present inputs and variables."""
        if not self.ready:
            if not self.untouched:
                raise StateError(
                    "Invoke called on model that is not ready. Call allocate_tensors(): a tensor was resized, or "
                    "allocation failed, since the last call."
                )
            self.allocate()
        if self._running:
            raise StateError("invoke() was called from within itself, by a custom operator or a watcher.")
        try:
            self._running = True
            self._invoke()
        finally:
            self._running = False

    def _invoke(self) -> None:
        linked = self.plan.linked(self.keep)
        self._homes = linked.homes if linked else {}
        if self.owned:
            self.owned.clear()
        self.plan.program.begin()
        self.plan.run(self.values, self.keep)

    def array(self, index: int) -> np.ndarray:
        """The tensor's array, to be read and not kept. Raises :class:`ArgumentError` when it has no memory."""
        value = self.values.get(index)
        return self._other_array(index) if value is None else np.asarray(value)

    def _other_array(self, index: int) -> np.ndarray:
        if (value := self.constant(index)) is not None:
            return value
        if self.untouched:
            self.allocate()
            return self.array(index)
        if self.ready and index in self.plan.subgraph.outputs and index not in self.plan.dynamic:
            return self.values.setdefault(index, self._zeros(index))
        raise ArgumentError(f"Tensor data is null. Run allocate_tensors() first. {self._why_null(index)}")

    def _why_null(self, index: int) -> str:
        if not self.ready:
            return f"{self._say(index)} was resized, or allocation failed, since the last call."
        if index in self.plan.dynamic:
            return f"The shape of {self._say(index)} depends on values: it is there after invoke()."
        if self.keep:
            return f"{self._say(index)} is there after invoke()."
        return (
            f"{self._say(index)} is an intermediate result and its memory is given away during invoke(); to read "
            "it, construct the interpreter with experimental_preserve_all_tensors=True (no result changes)."
        )

    def set(self, index: int, value: Any) -> None:
        """Copy a value into the tensor. Raises :class:`ArgumentError` with LiteRT's words when it does not fit."""
        if type(value) is np.ndarray and self._fits.get(index) == (value.dtype, value.shape):
            self._put(index, value)
        else:
            self._put(index, self._checked(index, value))

    def _put(self, index: int, array: np.ndarray) -> None:
        home = self._homes.get(index)
        if home is not None:
            np.copyto(home, array)
            self.values[index] = home
        elif index in self.owned:
            np.copyto(self.values[index], array)
        else:
            self.values[index] = np.array(array, order="C")
            self.owned.add(index)

    def _is_plain(self, index: int) -> bool:
        """Whether an array of the right dtype and shape needs no further look before it is taken."""
        return self.type_of(index) not in ("INT4", "INT2", "STRING")

    def _checked(self, index: int, value: Any) -> np.ndarray:
        """The value as an array that the tensor can take."""
        if self.untouched:
            self.allocate()
        array = self._typed(index, value, self.shape(index))
        if index in self._resized or not self._allocated:
            raise ArgumentError("Cannot set tensor: Tensor is unallocated. Try calling allocate_tensors() first.")
        return array

    def _typed(self, index: int, value: Any, shape: Shape) -> np.ndarray:
        if self.constant(index) is not None:
            raise ArgumentError(
                f"Cannot set tensor: {self._say(index)} is a constant of the model, which is read-only. To change it, "
                "edit the model: dataclasses.replace() on what minilite.read() returns."
            )
        return tensor_array(value, self.type_of(index), shape, index, self.plan.subgraph.tensors[index].name or "")

    def feed(self, values: Mapping[int, Any]) -> None:
        """Resize tensors to arrays' shapes, allocate, and set them. A failure leaves the session as it was."""
        arrays = {i: self._typed(i, value, tuple(value.shape)) for i, value in values.items()}
        shapes = {i: a.shape for i, a in arrays.items() if a.shape != self.shape(i)}
        if shapes or not self.ready:
            self._reshape(shapes)
        for index, array in arrays.items():
            self._put(index, array)

    def _reshape(self, shapes: Mapping[int, Shape]) -> None:
        before = {name: copy.copy(value) for name, value in vars(self).items() if name not in ("plan", "_running")}
        try:
            for index, shape in shapes.items():
                self.resize(index, shape)
            self.allocate()
        except Error:
            vars(self).update(before)
            if self.ready:
                self.plan.program.begin()
                self.plan.allocate(self._asked)
            raise

    def lend(self, index: int, loans: Loans) -> Any:
        """A live view of the tensor, writable unless it is a constant; a NumPy scalar when it has no dimensions."""
        array = self.array(index)
        is_own = index in self.owned or array is self._homes.get(index)
        if self.constant(index) is None and not is_own:
            array = self.values[index] = np.array(array, order="C")
            self.owned.add(index)
        if array.ndim == 0 and array.dtype != object:
            return array[()]
        loan = Loan(array)
        loans.add(weakref.ref(loan, loans.discard))
        return np.asarray(loan)

    def _say(self, index: int) -> str:
        return f"tensor {index} {self.plan.subgraph.tensors[index].name or ''!r}"


def _check_bytes(shape: Shape, type_: str) -> None:
    dtype = np.dtype(DTYPES.get(type_.lower(), np.uint8))
    if any(d < 0 for d in shape) or math.prod(shape) * dtype.itemsize > LARGEST_TENSOR:
        raise ResizeError(
            f"BytesRequired number of elements overflowed. Expected dimensions of 0 or more and at most "
            f"{LARGEST_TENSOR} bytes, got {list(shape)} of {type_}."
        )
