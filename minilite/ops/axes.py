"""Axes as models give them: possibly negative, possibly wrong."""

from __future__ import annotations

from minilite.cases import Draw
from minilite.spec import TensorInfo


def axis_within(axis: int, rank: int, tensor: TensorInfo) -> int:
    """The axis counted from 0. Raises OperatorError, naming ``tensor``, unless it is in [-rank, rank)."""
    axis = int(axis)
    tensor.need(-rank <= axis < rank, f"an axis in [{-rank}, {rank})", axis)
    return axis % rank


def single(tensor: TensorInfo) -> int:
    """The value of a parameter with one element."""
    value = tensor.known()
    tensor.need(value.size == 1, "one element", f"shape {value.shape}")
    return int(value.reshape(-1)[0])


def drawn_axis(draw: Draw, rank: int) -> int:
    """An axis of a tensor of that rank, counted from either end."""
    return draw.integer(-rank, rank - 1)
