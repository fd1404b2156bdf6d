"""Rounding weights with data: what every layer sees is measured, and its integers are chosen for that.

:func:`gptq` walks through the float model with representative samples, beside a copy whose layers are quantized one
after the other. Of a layer with weights ``W`` and bias ``b`` it knows the inputs ``x`` in the original and ``x'`` in
the copy, and makes

    E[(W x + b - V x' - b')^2]

small over integers times their scales, ``V``, and biases ``b'``:

1. The float weights that do best on ``x'`` are the least-squares ones, ``W' = W + W (C - H) (H + damping)^-1`` with
   ``H = cov(x', x')`` and ``C = cov(x, x')``: they undo what earlier layers have spoilt.
2. ``V`` is ``W'`` rounded for inputs of energy ``H`` (:mod:`minilite.quantization.hessian_rounding`), for a fan of
   scales, of which each row keeps the best.
3. ``b' = b + W E[x] - V E[x']`` leaves no error on average (Nagel et al. 2019, bias correction with data).

A layer without a bias of its own is measured around 0 instead of around the means. Sources: Frantar et al. 2022,
"GPTQ: Accurate post-training quantization for generative pre-trained transformers"; Nagel et al. 2020, "Up or down?
Adaptive rounding for post-training quantization" (rounding to the nearest is not best; compare results on the inputs of
the quantized network).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite.model import Model
from minilite.quantization.blocks import as_rounded, divided_into, for_energy
from minilite.quantization.clipping import by_channel
from minilite.quantization.editing import with_constants
from minilite.quantization.grid import Array, Grid
from minilite.quantization.hessian_rounding import FRACTIONS, best_of
from minilite.quantization.layers import Layer, layer_of
from minilite.quantization.numbers import LITERT, Numbers
from minilite.quantization.squant import squant
from minilite.quantization.walking import Walk, by_subgraph
from minilite.quantization.weight import Choice, Excluded, Rounded, Weight, nearest
from minilite.quantization.weights_only import weights_of
from minilite.resolve import Step

DAMPING = 0.1
"""Of the mean energy of a layer's inputs, added to each: what was measured counts that much less."""

LEAST = 1e-4
"""Of the mean energy around 0: so much is added at least, for what is left around the means may be only the rounding
of sums."""

Key = tuple[int, int]


@dataclass(frozen=True)
class Fitted:
    """What rounding with data gives: the float ``model`` with corrected biases, and the integers of its ``weights``, by
    (subgraph, tensor). Weights that no sample reached are left to ``otherwise``."""

    model: Model
    weights: Mapping[Key, Rounded]
    otherwise: Choice

    def choose(self, weight: Weight) -> Rounded:
        """For ``weights_int4(fitted.model, choose=fitted.choose)`` and the like."""
        found = self.weights.get((weight.subgraph, weight.tensor))
        return self.otherwise(weight) if found is None else found


def gptq(
    model: Model,
    representative_dataset: Any,
    *,
    bits: int = 4,
    exclude: Excluded = (),
    per_channel: bool = True,
    others: str = "int8",
    block_size: int = 0,
    arithmetic: str = "float",
    numbers: Numbers = LITERT,
    otherwise: Choice | None = None,
    damping: float = DAMPING,
    most: int = 512,
    signature: str | None = None,
) -> Fitted:
    """Integers for the weights of a float model, chosen with samples of its inputs; see the module.

    representative_dataset: in any form of :mod:`minilite.quantization.representative`; ``most`` samples are taken and
    held in memory, with what layers make of them. Some hundreds are enough. bits, exclude, per_channel, others,
    block_size, arithmetic: as in the scheme that the integers are for. otherwise: the choice for weights that no sample
    reaches (in the bodies of loops, for one) or that are needed in two forms; by default
    :func:`minilite.quantization.squant.squant`.

    Raises :class:`minilite.errors.ArgumentError` for data that does not fit the model, and when the model is already
    quantized."""
    wanted = weights_of(model, bits, exclude=exclude, per_channel=per_channel, others=others, arithmetic=arithmetic)
    found: dict[Key, Rounded] = {}
    biases: dict[Key, Array] = {}
    for subgraph, samples in by_subgraph(model, representative_dataset, signature, most).items():
        of_tensor = {w.tensor: w for w in wanted if w.subgraph == subgraph and len(_forms(wanted, w)) == 1}
        walk = Walk(model, subgraph, samples)
        fit = _Fit(walk, numbers, block_size, damping)
        for step in walk:
            for position, weight in _weights_of(step, of_tensor):
                if weight.tensor not in walk.changes:
                    found[subgraph, weight.tensor] = fit.layer(step, position, weight)
        biases |= {(subgraph, t): a for t, a in walk.changes.items() if t not in of_tensor}
    return Fitted(with_constants(model, biases), found, otherwise or squant(numbers))


def _forms(wanted: list[Weight], weight: Weight) -> list[Weight]:
    """The forms in which a constant is wanted."""
    return [w for w in wanted if (w.subgraph, w.tensor) == (weight.subgraph, weight.tensor)]


def _weights_of(step: Step, of_tensor: Mapping[int, Weight]) -> Iterator[tuple[int, Weight]]:
    for position, tensor in enumerate(step.inputs):
        weight = of_tensor.get(tensor)
        if weight is not None and (step.node.index, position) in weight.uses:
            yield position, weight


@dataclass
class Moments:
    """Means over positions of what a layer's copy sees, ``x'``, and the original, ``x``: for each group of the values,
    of the products ``x' x'`` and of ``x x'``."""

    mean: Array
    mean_original: Array
    energy: Array
    cross: Array

    def centered(self) -> Moments:
        """With covariances in place of the products."""
        own, both = self.mean[:, :, None] * self.mean[:, None], self.mean_original[:, :, None] * self.mean[:, None]
        return dataclasses.replace(self, energy=self.energy - own, cross=self.cross - both)


def moments(walk: Walk, step: Step, layer: Layer, values: Array) -> Moments:
    """Measured on the inputs that a walk has ready for its present operator."""
    total: list[Array] = []
    count = 0
    for original, changed in walk.values(step, 0):
        x = layer.inputs(step.node, changed, values).astype(np.float32)
        y = x if original is changed else layer.inputs(step.node, original, values).astype(np.float32)
        energy = np.swapaxes(x, 1, 2) @ x
        cross = energy if y is x else np.swapaxes(y, 1, 2) @ x
        sums = [x.sum(axis=1, dtype=np.float64), y.sum(axis=1, dtype=np.float64), energy, cross]
        total = [a + b for a, b in zip(total, sums, strict=True)] if total else [s.astype(np.float64) for s in sums]
        count += x.shape[1]
    return Moments(*(t / count for t in total))


@dataclass
class _Fit:
    """Fits the layers of a walk."""

    walk: Walk
    numbers: Numbers
    block_size: int
    damping: float

    def layer(self, step: Step, position: int, weight: Weight) -> Rounded:
        """The integers of one layer; from here on the walk's copy has them, and the bias that goes with them."""
        layer = layer_of(step.node.op, weight.values) if position == 1 else None
        if layer is None:
            plain = nearest(self.numbers)(weight)
            self.walk.change(weight.tensor, plain.values())
            return plain
        bias = None if step.node.op == "BATCH_MATMUL" else self.walk.own_constant(step, 2)
        measured = moments(self.walk, step, layer, weight.values)
        around = measured if bias is None else measured.centered()
        channels = self.walk.infos[step.inputs[0]].shape[-1]
        w = layer.rows(step.node, channels, weight.values).astype(np.float64)
        fitted = self._rounded(step, layer, channels, weight, w, measured, around)
        self.walk.change(weight.tensor, fitted.values())
        if bias is not None:
            v = layer.rows(step.node, channels, fitted.values()).astype(np.float64)
            off = np.einsum("grt,gt->gr", w, measured.mean_original) - np.einsum("grt,gt->gr", v, measured.mean)
            self.walk.change(bias, (self._constant(bias) + off.reshape(-1)).astype(np.float32))
        return fitted

    def _constant(self, tensor: int) -> Array:
        value = self.walk.infos[tensor].value
        assert value is not None
        return value.astype(np.float64)

    def _rounded(
        self, step: Step, layer: Layer, channels: int, weight: Weight, w: Array, measured: Moments, around: Moments
    ) -> Rounded:
        grid = self.numbers.weight(weight.values, weight.axis, weight.bits)
        widest = np.broadcast_to(grid.along(grid.scales, weight.values.ndim), weight.values.shape)
        widest = layer.rows(step.node, channels, widest)[:, :, :1]
        in_blocks = divided_into(self.block_size, weight.values, weight.bits, step.node.op)
        q, scales = np.empty_like(w), np.empty(w.shape, np.float32)
        one_for_all = weight.axis is None and len(w) > 1  # groups would choose on their own
        fractions = np.ones(1) if one_for_all else FRACTIONS[weight.bits]
        for group in range(len(w)):
            least = LEAST * float(np.mean(np.diag(measured.energy[group])))
            h, target = self._energy_and_target(w[group], around.energy[group], around.cross[group], least)
            if in_blocks:
                q[group], blocks = for_energy(target, h, in_blocks)
                scales[group] = blocks.repeat(in_blocks, axis=1)
            else:
                tries = [widest[group] * np.float32(f) for f in fractions]
                q[group], scales[group] = best_of(tries, target, h, weight.limits, weight.axis is None)
        integers = layer.weights(step.node, q, weight.values.shape).astype(np.int64)
        if in_blocks:
            return as_rounded(weight, integers, scales[0][:, ::in_blocks])
        every = by_channel(layer.weights(step.node, scales, weight.values.shape), weight.axis)
        return Rounded(Grid(grid.type, every[:, 0].copy(), grid.zero_points, grid.axis), integers)

    def _energy_and_target(self, w: Array, energy: Array, cross: Array, least: float) -> tuple[Array, Array]:
        """The damped energy, and the float weights that do best on what the copy sees."""
        added = max(self.damping * float(np.mean(np.diag(energy))), least) or 1.0
        h = energy + np.eye(len(energy)) * added
        return h, w + np.linalg.solve(h, (w @ (cross - energy)).T).T
