"""How much a file may ask for: what no real model needs, and a hostile one gets no more of."""

from __future__ import annotations

import dataclasses
import math
import sys
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from minilite.errors import ArgumentError, ArgumentTypeError, ModelError
from minilite.model import Model


@dataclass(frozen=True)
class Limits:
    """How much a file may ask for, as ``limits=`` of :func:`minilite.read`, :class:`minilite.Interpreter` and
    :class:`minilite.Debugger`. ``None`` lifts a limit; ``Limits(max_seconds=5)`` changes one.

    max_tensors     tensors of all subgraphs together
    max_elements    elements of one tensor, be they declared or worked out
    max_memory      bytes that tensors and intermediates take at once, estimated before they are asked for
    max_depth       subgraphs that call each other, one within the other
    max_iterations  rounds of all WHILEs and other calls of subgraphs in one invoke; as many preparations of them
    max_seconds     time for one invoke, or one allocation of tensors. It is looked at between operators, and in loops
                    between rounds: an operator that was begun is ended

    ``max_elements`` and ``max_memory`` hold for the shapes that a file declares. Inputs that a caller resized are the
    caller's own wish, and neither holds then.

    Raises :class:`ArgumentTypeError` or :class:`ArgumentError` unless each is None, or a number of 0 or more.
    """

    max_tensors: int | None = 250_000
    max_elements: int | None = 2**32
    max_memory: int | None = 2 * 2**30
    max_depth: int | None = 32
    max_iterations: int | None = 100_000
    max_seconds: float | None = 3600.0

    def __post_init__(self) -> None:
        for name, limit in vars(self).items():
            _check(name, limit, name == "max_seconds")

    @cached_property
    def seconds(self) -> float:
        """``max_seconds``, as a number to add to a clock's."""
        return math.inf if self.max_seconds is None else float(min(self.max_seconds, sys.float_info.max))

    def as_wished(self) -> Limits:
        """The limits for shapes that the caller asked for."""
        return dataclasses.replace(self, max_elements=None, max_memory=None)


def _check(name: str, limit: object, fractions: bool) -> None:
    if limit is None:
        return
    whole = not isinstance(limit, float | np.floating)
    if isinstance(limit, bool) or not isinstance(limit, int | np.integer | float) or not (whole or fractions):
        raise ArgumentTypeError(
            f"{name} should be a {'number' if fractions else 'whole number'} or None, got {limit!r}"
        )
    if not limit >= 0:
        raise ArgumentError(f"{name} should be 0 or more, got {limit}")


def check_limits(limits: object) -> Limits:
    """The argument ``limits``. Raises :class:`ArgumentTypeError` unless it is a :class:`Limits`."""
    if not isinstance(limits, Limits):
        raise ArgumentTypeError(f"limits should be a minilite.Limits, got {type(limits).__name__}")
    return limits


def to_raise(name: str) -> str:
    """The end of every message about a limit: how to lift it."""
    return f"If the model is to be trusted, pass limits=minilite.Limits({name}=None), or a larger number."


def check_tensors(model: Model, limits: Limits) -> None:
    """Raise :class:`ModelError` when the model has more tensors than ``max_tensors``."""
    count = sum(len(graph.tensors) for graph in model.subgraphs)
    if limits.max_tensors is not None and count > limits.max_tensors:
        raise ModelError(
            f"The model has {count} tensors; expected at most max_tensors={limits.max_tensors}. "
            f"{to_raise('max_tensors')}"
        )


def too_many_elements(shape: tuple[int, ...], limits: Limits) -> str:
    """What is wrong with a shape of more elements than ``max_elements``; empty if nothing is."""
    if limits.max_elements is None or math.prod(shape) <= limits.max_elements:
        return ""
    return (
        f"expected at most max_elements={limits.max_elements} elements, got {math.prod(shape)} (shape {list(shape)}). "
        f"{to_raise('max_elements')}"
    )


def too_deep(most: int) -> str:
    """What is said of subgraphs that call each other more than ``max_depth``."""
    return f"subgraphs call each other more than max_depth={most} deep. {to_raise('max_depth')}"


def time_is_up(limits: Limits) -> str:
    """The end of every message about ``max_seconds``."""
    return f"max_seconds={limits.max_seconds} had passed since the beginning. {to_raise('max_seconds')}"


DEFAULT = Limits()
"""What real models never meet: those known have a few thousand tensors, 2**30 elements and three levels at most."""
