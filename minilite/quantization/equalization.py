"""Cross-layer equalization: the same float model with weights that are easier to quantize.

Between two layers a channel may be made smaller by the first and larger again by the second, as long as what lies
between passes a positive factor through, as RELU and pooling do:

    W1[i] / s_i,  b1[i] / s_i        W2[:, i] * s_i        s_i = sqrt(r1_i / r2_i)

with ``r1_i`` and ``r2_i`` the largest magnitudes of ``W1[i]`` and ``W2[:, i]``: both become ``sqrt(r1_i * r2_i)``, so
that no channel wastes the range that a tensor shares. Chains of layers are gone through until nothing moves. The
model's results are the same but for the rounding of floats.

RELU6 does not pass factors through: its bound of 6 would have to move with the channel. ``relu6="skip"`` leaves such
pairs alone; ``relu6="minimum"`` makes it a RELU and a MINIMUM with a bound ``6 / s_i`` for each channel, which is exact
and costs an operator. (The paper replaces it by RELU, which is another function.) Source: Nagel et al. 2019, "Data-free
quantization through weight equalization and bias correction", section 4.1.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from minilite.errors import ArgumentError
from minilite.model import Model, Operator, Tensor
from minilite.quantization.editing import GraphEdit
from minilite.quantization.grid import Array
from minilite.quantization.weight import float_edit

LAYERS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}
"""Operators with weights, and along which dimension these have output channels."""

HOMOGENEOUS = ("NONE", "RELU")
PASSES = (
    "RELU",
    "LEAKY_RELU",
    "MAX_POOL_2D",
    "AVERAGE_POOL_2D",
    "MEAN",
    "PAD",
    "RESHAPE",
    "RESIZE_BILINEAR",
    "RESIZE_NEAREST_NEIGHBOR",
)
"""Operators that pass a positive factor of a channel through, where the channels stay in the last dimension."""

SWEEPS = 20
SETTLED = 1e-3
"""Largest logarithm of a factor at which a sweep is the last."""


@dataclass
class _Pair:
    """Two layers, by operator index, with what lies between; ``scales`` are the factors so far."""

    first: int
    second: int
    relu6: bool
    scales: Array


def equalized(model: Model, *, relu6: str = "skip") -> Model:
    """The float model with equalized weights; see the module. Pairs are layers whose results and constants nobody else
    reads. A model without such pairs stays as it is.

    Raises :class:`ArgumentError` when the model is quantized, or ``relu6`` is neither ``"skip"`` nor ``"minimum"``."""
    if relu6 not in ("skip", "minimum"):
        raise ArgumentError(f"relu6: expected 'skip' or 'minimum', got {relu6!r}.")
    edit = float_edit(model)
    for graph in edit.graphs:
        _Equalizer(graph, relu6 == "minimum").run()
    return edit.finish()


class _Equalizer:
    """Equalizes a subgraph."""

    def __init__(self, graph: GraphEdit, with_relu6: bool):
        self.graph, self.with_relu6 = graph, with_relu6
        self.constants: dict[int, Array] = {}
        found = [self._pair(i) for i in range(len(graph.operators))]
        self.pairs = [pair for pair in found if pair is not None]

    def run(self) -> None:
        for _ in range(SWEEPS):
            if max((self._balance(pair) for pair in self.pairs), default=0.0) < SETTLED:
                break
        for tensor, values in self.constants.items():
            old = self.graph.tensors[tensor]
            self.graph.tensors[tensor] = dataclasses.replace(
                old, buffer=self.graph.edit.buffer(values.astype(np.float32).tobytes())
            )
        for pair in self.pairs:
            if pair.relu6:
                _bound_channels(self.graph, pair.first, (6 / pair.scales).astype(np.float32))

    # ---- finding pairs -------------------------------------------------------------------------------------------

    def _pair(self, first: int) -> _Pair | None:
        if not self._has_own_constants(first):
            return None
        fused = self._fused(first)
        if fused not in HOMOGENEOUS and not (fused == "RELU6" and self.with_relu6):
            return None
        channels = self._weights(first).shape[LAYERS[self.graph.name(first)]]
        second = self._next_layer(first, channels)
        if second is None or not self._has_own_constants(second):
            return None
        return _Pair(first, second, fused == "RELU6", np.ones(channels))

    def _has_own_constants(self, operator: int) -> bool:
        """Whether it is a layer whose weights and bias are constants that only it reads, once."""
        if self.graph.name(operator) not in LAYERS:
            return False
        inputs = self.graph.original.operators[operator].inputs or ()
        own = [t for t in inputs[1:] if t >= 0]
        return all(
            self.graph.constant(t) is not None and len(self.graph.uses(t)) == 1 and t not in self.graph.original.outputs
            for t in own
        )

    def _fused(self, operator: int) -> str:
        options = self.graph.original.operators[operator].options
        return "NONE" if options is None else str(options.get("fused_activation_function", "NONE"))

    def _next_layer(self, operator: int, channels: int) -> int | None:
        """The layer that alone reads the results, behind operators that let channels pass."""
        while True:
            (result,) = self.graph.original.operators[operator].outputs or ()
            uses = self.graph.uses(result)
            if len(uses) != 1 or uses[0][1] != 0 or result in self.graph.original.outputs:
                return None
            operator = uses[0][0]
            if self.graph.name(operator) in LAYERS:
                return operator if self._takes(operator, channels) else None
            if not self._passes(operator, channels):
                return None

    def _takes(self, operator: int, channels: int) -> bool:
        shape = self._weights(operator).shape
        return {
            "CONV_2D": shape[-1] == channels,  # one group
            "DEPTHWISE_CONV_2D": shape[-1] % channels == 0,
            "FULLY_CONNECTED": shape[-1] % channels == 0,
        }[self.graph.name(operator)]

    def _passes(self, operator: int, channels: int) -> bool:
        node = self.graph.original.operators[operator]
        if self.graph.name(operator) not in PASSES or self._fused(operator) not in HOMOGENEOUS:
            return False
        if len(node.outputs or ()) != 1:
            return False
        before = self.graph.original.tensors[(node.inputs or ())[0]].shape or ()
        after = self.graph.original.tensors[(node.outputs or ())[0]].shape or ()
        if not before or not after:
            return False
        if self.graph.name(operator) == "RESHAPE":  # channels take turns, also in a longer last dimension
            return after[-1] % channels == 0
        if self.graph.name(operator) == "MEAN":
            return before[-1] == after[-1] == channels and (len(before) == len(after) or channels > 1)
        return before[-1] == after[-1]

    # ---- balancing -----------------------------------------------------------------------------------------------

    def _values(self, tensor: int) -> Array:
        if tensor not in self.constants:
            values = self.graph.constant(tensor)
            assert values is not None
            self.constants[tensor] = values.astype(np.float64)
        return self.constants[tensor]

    def _weights(self, operator: int) -> Array:
        values = self.graph.constant((self.graph.original.operators[operator].inputs or ())[1])
        return np.empty((0, 0)) if values is None else values

    def _balance(self, pair: _Pair) -> float:
        """Move factors from one layer to the other; the largest logarithm of them."""
        inputs = self.graph.original.operators[pair.first].inputs or ()
        weights = self._values(inputs[1])
        axis, channels = LAYERS[self.graph.name(pair.first)], len(pair.scales)
        receiving = (self.graph.original.operators[pair.second].inputs or ())[1]
        by_input = self._by_input_channel(self.graph.name(pair.second), self._values(receiving), channels)
        own = np.abs(np.moveaxis(weights, axis, 0)).reshape(channels, -1).max(axis=1)
        theirs = np.abs(by_input).max(axis=(0, 2))
        usable = (own > 0) & (theirs > 0)
        s = np.sqrt(np.where(usable, own, 1) / np.where(usable, theirs, 1))
        self.constants[inputs[1]] = weights / s.reshape([-1 if i == axis else 1 for i in range(weights.ndim)])
        if len(inputs) > 2 and inputs[2] >= 0:
            self.constants[inputs[2]] = self._values(inputs[2]) / s
        self.constants[receiving] = (by_input * s[None, :, None]).reshape(self._values(receiving).shape)
        pair.scales = pair.scales * s
        return float(np.abs(np.log(s)).max())

    def _by_input_channel(self, name: str, weights: Array, channels: int) -> Array:
        """The second layer's weights as [others, channels, outputs of the channel]. A row of a matrix behind a RESHAPE
        goes through the channels several times."""
        if name == "DEPTHWISE_CONV_2D":
            return weights.reshape(-1, channels, weights.shape[-1] // channels)
        return weights.reshape(-1, channels, 1)


def _bound_channels(graph: GraphEdit, operator: int, bounds: Array) -> None:
    """Make a fused RELU6 a RELU and a MINIMUM with a bound for each channel."""
    (result,) = graph.operators[operator].outputs or ()
    old = graph.original.tensors[result]
    inner = graph.add(dataclasses.replace(old, name=f"{old.name}_unbounded", buffer=0))
    constant = graph.add(
        Tensor(f"{old.name}_bounds", "FLOAT32", bounds.shape, buffer=graph.edit.buffer(bounds.tobytes()))
    )
    graph.option(operator, fused_activation_function="RELU")
    graph.operators[operator] = dataclasses.replace(graph.operators[operator], outputs=(inner,))
    graph.after[operator].append(Operator(graph.edit.code("MINIMUM", 1), (inner, constant), (result,)))
