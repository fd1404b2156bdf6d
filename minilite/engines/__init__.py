"""What turns prepared steps into calls.

``numpy``   runs the definitions as they are written.
``numba``   compiles the steps it has kernels for (:mod:`minilite.engines.numba`); integers stay the same, and so do
            floats in ``reference``.
``auto``    numba where it can be used and compiling is worth its while, else numpy.
"""

from __future__ import annotations

import functools
import importlib.util
import math
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from minilite.errors import ArgumentError

if TYPE_CHECKING:
    from minilite.engines.numba.linked import Linked, Patient
    from minilite.plan import Plan
    from minilite.resolve import Step


class Engine(Protocol):
    """Gives a prepared step its callable."""

    name: str

    def compile(self, step: Step) -> Callable[..., Any]:
        """The callable that computes the step from its input arrays."""
        ...

    def link(self, plan: Plan, keep: bool) -> Linked | Patient | None:
        """What runs the plan's schedule, or None: step by step. With ``keep`` every tensor stays readable."""
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

    def link(self, plan: Plan, keep: bool) -> Linked | Patient | None:
        return None


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
    """Definitions, and compiled programs of the steps that have a kernel, on one thread or two. ``patient``: only where
    that pays. With ``NUMBA_DISABLE_JIT`` set, definitions only."""

    def __init__(self, name: str, patient: bool, threads: int):
        self.name, self.patient, self.threads = name, patient, min(threads, 2)

    def link(self, plan: Plan, keep: bool) -> Linked | Patient | None:
        from minilite.engines.numba.linked import link

        if is_disabled():
            return None
        return link(plan, keep, self.patient, self.threads)


def is_disabled() -> bool:
    """Whether the environment says that Numba shall compile nothing."""
    return os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")


def engine(name: str, threads: int = 1) -> Engine:
    """The engine called ``name``. Raises :class:`ArgumentError` for an unknown one, or for ``numba`` without Numba."""
    if name in ("numba", "auto"):
        try:
            importlib.import_module("llvmlite.binding")  # Numba itself is not imported before something is compiled
            if importlib.util.find_spec("numba") is None:
                raise ImportError("Numba is not installed")
        except Exception as error:  # llvmlite fails to import in many ways, for want of a library, say
            if name == "auto":
                return NumpyEngine()
            raise ArgumentError(f"engine 'numba' cannot be used: {error}. Install numba, or use 'numpy'.") from error
        return NumbaEngine(name, name == "auto", threads)
    if name == "numpy":
        return NumpyEngine()
    raise ArgumentError(f"unknown engine {name!r}; there are: auto, numba, numpy")


def compiling() -> str:
    """The name of the engine that compiles whatever it can: ``numba``, or ``numpy`` where that cannot be used."""
    return "numpy" if engine("auto").name == "numpy" else "numba"
