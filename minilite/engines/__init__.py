"""What turns prepared steps into calls.

``numpy``   runs the definitions as they are written.
``numba``   replaces steps by compiled ones where it has one; the bits stay the same.
``auto``    numba where it is installed, else numpy.
"""

from __future__ import annotations

import functools
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


def engine(name: str) -> Engine:
    """The engine called ``name``. Raises :class:`ArgumentError` listing the engines there are."""
    if name in ("numpy", "auto"):
        return NumpyEngine()
    raise ArgumentError(f"unknown engine {name!r}; there are: auto, numba, numpy")
