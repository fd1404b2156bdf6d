"""Deliberately broken models, to test what finds faults with: the right file, and the same with one thing wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

import minilite
from minilite import demo
from minilite.constants import constant_array
from minilite.model import Buffer, Model, Quantization, Tensor

FOLDER = Path(demo.__file__).parent
FLOAT, INT8 = FOLDER / "fashion_float.tflite", FOLDER / "fashion_int8.tflite"


def images(count: int = 4) -> np.ndarray:
    """Pictures of the demo as the float model takes them."""
    with np.load(next(FOLDER.glob("*.npz"))) as arrays:
        return (arrays["images"][:count].astype(np.float32) / 255).reshape(-1, 28, 28, 1)


def scaled(model: Model, tensor: int, factor: float) -> Model:
    """The model with one tensor's scales so many times as large."""

    def change(t: Tensor) -> Tensor:
        q = t.quantization or Quantization()
        return dataclasses.replace(t, quantization=dataclasses.replace(q, scales=q.scales * np.float32(factor)))

    return changed(model, tensor, change)


def changed(model: Model, tensor: int, change: Callable[[Tensor], Tensor]) -> Model:
    """The model with one tensor of subgraph 0 declared otherwise."""
    graph = model.subgraphs[0]
    tensors = tuple(change(t) if i == tensor else t for i, t in enumerate(graph.tensors))
    return dataclasses.replace(model, subgraphs=(dataclasses.replace(graph, tensors=tensors), *model.subgraphs[1:]))


def filled(model: Model, tensor: int, value: np.ndarray) -> Model:
    """The model with another value for a constant."""
    buffers = (*model.buffers, Buffer(np.frombuffer(value.tobytes(), np.uint8)))
    found = dataclasses.replace(model, buffers=buffers)
    return changed(found, tensor, lambda t: dataclasses.replace(t, buffer=len(buffers) - 1))


def declared(model: Model, tensor: int, **changes: np.ndarray) -> Model:
    """The model with other ``scales`` or ``zero_points`` for a tensor."""

    def change(t: Tensor) -> Tensor:
        return dataclasses.replace(t, quantization=dataclasses.replace(t.quantization or Quantization(), **changes))

    return changed(model, tensor, change)


def scales(model: Model, tensor: int) -> np.ndarray:
    """A tensor's scales."""
    return np.array(model.subgraphs[0].tensors[tensor].quantization.scales)


def integers(model: Model, tensor: int) -> np.ndarray:
    """A constant of the file."""
    return np.array(constant_array(model, model.subgraphs[0].tensors[tensor], tensor))


def shuffled(count: int) -> np.ndarray:
    """An order of channels in which none is where it was."""
    return np.roll(np.random.default_rng(0).permutation(count), 1)


def operand(model: Model, operator: int, position: int) -> int:
    """The tensor that an operator of subgraph 0 reads there."""
    return (model.subgraphs[0].operators[operator].inputs or ())[position]


def saturating_bias(model: Model, operator: int, channel: int = 0) -> Model:
    """The model with one element of a bias (operand 2) at the end of int32."""
    tensor = operand(model, operator, 2)
    bias = np.array(constant_array(model, model.subgraphs[0].tensors[tensor], tensor))
    bias[channel] = 2**31 - 1
    return filled(model, tensor, bias)


def weights_off(operator: int = 2, factor: float = 4) -> Model:
    """The demo's int8 model with the scales of one layer's weights off."""
    model = minilite.read(INT8)
    return scaled(model, operand(model, operator, 1), factor)
