"""Weights and biases that are not those of the other model, operator by operator: for :mod:`.hints`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from minilite.inspection.constant_pairs import layers
from minilite.inspection.equalization_seen import Equalized, equalized
from minilite.inspection.places import Key
from minilite.inspection.reals import grid_of
from minilite.inspection.weights_apart import bias_said, weights_said
from minilite.model import Model


def constants_apart(a: Model, b: Model, counterparts: Mapping[Key, Key]) -> dict[Key, tuple[str, ...]]:
    """In words, by operator of ``b``: only what quantization cannot have done."""
    found = {e.layer.key: tuple(_said(b, e)) for e in equalized(b, list(layers(a, b, counterparts)))}
    return {key: said for key, said in found.items() if said}


def _said(model: Model, e: Equalized) -> Iterator[str]:
    layer = e.layer
    if e.factors is not None:
        low, high = e.factors.min(), e.factors.max()
        yield (
            f"the channels of the result are {low:.3g} to {high:.3g} times the other side's, and operator {e.by} takes "
            "that back: cross-layer equalization."
        )
    yield from weights_said(layer.weights)
    if layer.bias is not None:
        (low, high), (least, most) = _range(model, layer.input), _range(model, layer.output)
        yield from bias_said(layer.bias, layer.weights, max(-low, high), most - least)


def _range(model: Model, key: Key) -> tuple[float, float]:
    """What a tensor's grid holds; nothing where it has none."""
    grid = grid_of(model.subgraphs[key[0]].tensors[key[1]]) if key[1] >= 0 else None
    return (0.0, 0.0) if grid is None or grid.axis is not None else grid.range
