"""What turns prepared steps into calls.

``numpy``   runs the definitions as they are written.
``numba``   replaces steps by compiled ones where it has one (:mod:`minilite.engines.numba`); the bits stay the same.
``auto``    numba where it can be used and a step is large enough to repay compiling it, else numpy.
"""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from minilite.errors import ArgumentError

if TYPE_CHECKING:
    from minilite.resolve import Step


class Engine(Protocol):
    """Gives a prepared step its callable."""

    name: str

    def compile(self, step: Step) -> Callable[..., Any]:
        """The callable that computes the step from its input arrays."""
        ...


PIECE = 1 << 18
"""Elements that elementwise definitions compute at once: their int64 intermediates then stay in the cache."""


class NumpyEngine:
    """The definitions, as written; large elementwise ones piece by piece."""

    name = "numpy"

    def compile(self, step: Step) -> Callable[..., Any]:
        assert step.definition is not None
        call = functools.partial(step.definition.compute, step.prepared)
        return functools.partial(_in_pieces, call) if _is_large_and_elementwise(step) else call


def _is_large_and_elementwise(step: Step) -> bool:
    assert step.op is not None
    if not step.op.elementwise:
        return False
    output = step.node.outputs[0]
    if math.prod(output.shape) <= PIECE:
        return False
    tensors = (*step.node.inputs, output)
    return all(i is not None and i.shape == output.shape and i.scales.size <= 1 for i in tensors)


def _in_pieces(call: Callable[..., np.ndarray], *arrays: np.ndarray) -> np.ndarray:
    flat = [a.reshape(-1) for a in arrays]
    pieces = [call(*(a[start : start + PIECE] for a in flat)) for start in range(0, flat[0].size, PIECE)]
    return np.concatenate(pieces).reshape(arrays[0].shape)


class NumbaEngine(NumpyEngine):
    """Compiled steps where there is one and it has at least ``least_work`` multiply-accumulates."""

    def __init__(self, name: str = "numba", least_work: int = 0):
        self.name, self.least_work = name, least_work

    def compile(self, step: Step) -> Callable[..., Any]:
        find = _finder() if step.node.sums == "sequential" else None
        call = find(step, self.least_work) if find else None
        return call or super().compile(step)


@functools.cache
def _finder() -> Callable[[Step, int], Callable[..., Any] | None] | None:
    """What finds compiled steps, or None where Numba is missing or unusable; importing it takes half a second."""
    try:
        from minilite.engines.numba import compiled
    except Exception:  # Numba fails to import in many ways: too new a NumPy, a missing library
        return None
    return compiled


def engine(name: str) -> Engine:
    """The engine called ``name``. Raises :class:`ArgumentError` for an unknown one, or for ``numba`` without Numba."""
    if name == "numba":
        try:
            importlib.import_module("minilite.engines.numba")
        except Exception as error:  # Numba fails to import in many ways: too new a NumPy, a missing library
            raise ArgumentError(f"engine 'numba' cannot be used: {error}. Install numba, or use 'numpy'.") from error
        return NumbaEngine("numba", 0)
    if name == "auto":
        return NumbaEngine("auto", AUTO_LEAST_WORK)
    if name == "numpy":
        return NumpyEngine()
    raise ArgumentError(f"unknown engine {name!r}; there are: auto, numba, numpy")


AUTO_LEAST_WORK = 1 << 21
"""Multiply-accumulates of a step from which ``auto`` prefers compiling to running the definition."""
