"""Cross-layer equalization, recognized: channels of a layer that were rescaled, and rescaled back by the next layer.

    weights_a[o] · e[o]  and  bias_a[o] · e[o]   of the layer are weights_b and bias_b,
    weights_a[:, o] / e[o]                       of the next layer are weights_b

Depthwise layers between the two may rescale once more. The other side's constants are equalized in the same way, so
that what is then left between the two sides is not equalization's doing. A factor that nobody takes back is none.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from minilite.inspection.constant_pairs import Layer, Pair
from minilite.inspection.places import Key, operator_name
from minilite.model import Model
from minilite.quantization.equalization import PASSES

Array = np.ndarray
BETWEEN = (*PASSES, "MINIMUM", "QUANTIZE", "DEQUANTIZE")
"""What channels pass through on their way to the next layer."""
TAKEN_BACK = 0.2
"""How far the logarithms of a factor and of what takes it back may be apart: weights are rounded."""
RESCALED = 0.1
MOST = 0.9
ROUNDS = 10


@dataclass(frozen=True, eq=False)
class Equalized:
    """A layer with the other side's constants equalized alike; ``factors`` are those of its result's channels, None
    where it was not rescaled, and ``by`` is the operator that takes them back."""

    layer: Layer
    factors: Array | None = None
    by: int = -1


def equalized(model: Model, layers: Sequence[Layer]) -> list[Equalized]:
    """All layers of ``b``, whose ``model`` it is."""
    seen = {layer.key: Equalized(layer) for layer in layers}
    readers = _readers(model)
    for layer in layers:
        if seen[layer.key].factors is None:
            chain = [seen[key].layer for key in _chain(model, readers, layer, seen)]
            for found in _undone(chain):
                seen[found.layer.key] = found
    return list(seen.values())


Readers = dict[Key, list[int]]


def _readers(model: Model) -> Readers:
    found: Readers = {}
    for s, graph in enumerate(model.subgraphs):
        for i, operator in enumerate(graph.operators):
            for t in operator.inputs or ():
                found.setdefault((s, t), []).append(i)
    return found


def _chain(model: Model, readers: Readers, layer: Layer, known: Mapping[Key, Equalized]) -> list[Key]:
    """The layer, the depthwise layers behind it, and the first other one."""
    chain, (s, t) = [layer.key], layer.output
    while len(readers.get((s, t), ())) == 1:
        (i,) = readers[s, t]
        operator = model.subgraphs[s].operators[i]
        if (s, i) in known:
            chain.append((s, i))
            if operator_name(model, operator) != "DEPTHWISE_CONV_2D":
                return chain
        elif operator_name(model, operator) not in BETWEEN:
            break
        t = (operator.outputs or (-1,))[0]
    return chain


def _undone(chain: list[Layer]) -> list[Equalized]:
    """The layers of a chain, if what the others did to their channels is taken back in it."""
    if len(chain) < 2:
        return []
    last = None if chain[-1].name == "DEPTHWISE_CONV_2D" else chain[-1]
    rescaling = chain if last is None else chain[:-1]
    gains = [_gains(layer.weights.a, layer.weights.b) for layer in rescaling]
    factors = [gains[0]]
    for gain in gains[1:]:
        if gain.size % factors[-1].size:
            return []
        factors.append(np.repeat(factors[-1], gain.size // factors[-1].size) * gain)
    if not _taken_back(factors, last):
        return []
    found = [
        Equalized(_times(*each), each[2], chain[-1].key[1]) for each in zip(rescaling, gains, factors, strict=True)
    ]
    return found if last is None else [*found, Equalized(_divided(last, factors[-1]))]


def _taken_back(factors: list[Array], last: Layer | None) -> bool:
    """Whether the ``last`` layer, or the last factors where it is None, leave nothing of what was done to channels.

    By how much all weights of the last layer were multiplied may be its own channels' doing, so it is only their
    direction that counts, and how channels differ."""
    channels = factors[-1].size
    if any(not (f > 0).all() for f in factors) or (last is not None and last.weights.shape[-1] % channels):
        return False
    if last is None:
        apart = np.abs(np.log(factors[0])) > RESCALED
        rest = np.log(factors[-1].reshape(factors[0].size, -1)).mean(axis=1)
        return bool(apart.any() and (np.abs(rest[apart]) < TAKEN_BACK).mean() >= MOST)
    done = np.log(factors[-1])
    apart = np.abs(done) > RESCALED
    columns = _columns(last.weights, channels) if apart.any() else np.zeros(channels)
    if not (columns > 0).all():
        return False
    undone = np.log(columns)
    if done.std() > RESCALED / 2:
        rest = done + undone - np.median(done + undone)
        return bool((np.abs(rest[apart]) < TAKEN_BACK).mean() >= MOST)
    overall = float(np.log(np.abs(_gains(last.weights.a.reshape(1, -1), last.weights.b.reshape(1, -1))[0]) + 1e-30))
    return bool(done.mean() * overall < 0 and abs(overall) > RESCALED)


def _gains(x: Array, y: Array) -> Array:
    """By how much rows were multiplied; 1 where there is nothing that could be."""
    xx, xy = (x * x).sum(axis=1), (x * y).sum(axis=1)
    return np.asarray(np.divide(xy, xx, out=np.ones_like(xx), where=xx > 0))


def _columns(pair: Pair, channels: int) -> Array:
    """By how much the weights of an input channel were multiplied, those of the outputs aside."""
    x, y = (v.reshape(len(v), -1, channels) for v in (pair.a, pair.b))
    columns = np.ones(channels)
    for _ in range(ROUNDS):
        fitted = x * columns
        rows = _gains(fitted.reshape(len(x), -1), y.reshape(len(y), -1))[:, None, None]
        ours, theirs = (np.moveaxis(v, 2, 0).reshape(channels, -1) for v in (x * rows, y))
        columns = _gains(ours, theirs)
    return columns


def _times(layer: Layer, gains: Array, factors: Array) -> Layer:
    weights = dataclasses.replace(layer.weights, a=layer.weights.a * gains[:, None])
    bias = layer.bias
    if bias is not None:
        bias = dataclasses.replace(bias, a=bias.a * factors[:, None])
    return dataclasses.replace(layer, weights=weights, bias=bias)


def _divided(layer: Layer, factors: Array) -> Layer:
    a = layer.weights.a.reshape(len(layer.weights.a), -1, factors.size) / factors
    return dataclasses.replace(layer, weights=dataclasses.replace(layer.weights, a=a.reshape(layer.weights.a.shape)))
