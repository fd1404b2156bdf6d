"""What turns prepared steps into calls.

``numpy``   runs the definitions as they are written.
``numba``   replaces steps by compiled ones where it has one (:mod:`minilite.engines.numba`); the bits stay the same.
``auto``    numba where it is installed and a step is large enough to repay compiling it, else numpy.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from minilite.errors import ArgumentError

if TYPE_CHECKING:
    from minilite.plan import Step


class Engine(Protocol):
    """Gives a prepared step its callable."""

    name: str

    def compile(self, step: Step) -> Callable[..., Any]:
        """The callable that computes the step from its input arrays."""
        ...


class NumpyEngine:
    """The definitions, as written."""

    name = "numpy"

    def compile(self, step: Step) -> Callable[..., Any]:
        assert step.definition is not None
        return functools.partial(step.definition.compute, step.prepared)


class NumbaEngine(NumpyEngine):
    """Compiled steps where there is one and it has at least ``least_work`` multiply-accumulates."""

    def __init__(self, name: str = "numba", least_work: int = 0):
        self.name, self.least_work = name, least_work

    def compile(self, step: Step) -> Callable[..., Any]:
        if step.node.sums == "sequential":  # importing Numba takes half a second: not before it can be of use
            from minilite.engines.numba import compiled

            call = compiled(step, self.least_work)
            if call is not None:
                return call
        return super().compile(step)


def engine(name: str) -> Engine:
    """The engine called ``name``. Raises :class:`ArgumentError` for an unknown one, or for ``numba`` without Numba."""
    installed = importlib.util.find_spec("numba") is not None
    if name == "numba" and not installed:
        raise ArgumentError("engine 'numba' needs the package numba: pip install numba, or use engine='numpy'")
    if name == "numpy" or (name == "auto" and not installed):
        return NumpyEngine()
    if name in ("auto", "numba"):
        return NumbaEngine(name, AUTO_LEAST_WORK if name == "auto" else 0)
    raise ArgumentError(f"unknown engine {name!r}; there are: auto, numba, numpy")


AUTO_LEAST_WORK = 1 << 21
"""Multiply-accumulates of a step from which ``auto`` prefers compiling to running the definition."""
