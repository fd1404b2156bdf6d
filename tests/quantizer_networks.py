"""Random small float networks for the quantizer's tests, and data for them: both are determined by a seed.

They are what float models are made of: convolutions, residuals, concatenations, gates, attention, recurrent cells,
weights and constants with several users, several inputs and outputs, dead channels, biases that are out of proportion,
operators that no quantizer knows. Every one runs in LiteRT and takes milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minilite.model import Model
from tests.network_blocks import ANY, IMAGE, VECTOR, attention, gated_cell, layer_norm, lstm
from tests.network_parts import Network

SEEDS = 300
SAMPLES = 4
LARGEST = 2000
"""Elements of one activation; beyond, no block is added."""


def network(seed: int) -> Model:
    """The float network of a seed."""
    net = Network(seed)
    FAMILIES[seed % len(FAMILIES)](net)
    return net.model(signed=net.maybe(0.3))


def samples(model: Model, seed: int, count: int = SAMPLES) -> list[list[np.ndarray]]:
    """Inputs for a network: normal, of a scale of their own for each input; now and then never negative."""
    random = np.random.default_rng([seed, 1])
    graph = model.subgraphs[0]
    scales = 10.0 ** random.uniform(-1, 0.7, len(graph.inputs))
    positive = random.random(len(graph.inputs)) < 0.25

    def one(position: int, tensor: int) -> np.ndarray:
        values = random.normal(0, scales[position], graph.tensors[tensor].shape or ())
        return (np.abs(values) if positive[position] else values).astype(np.float32)

    return [[one(position, tensor) for position, tensor in enumerate(graph.inputs)] for _ in range(count)]


def _image(net: Network) -> None:
    size, channels = net.pick([4, 5, 6]), net.pick([1, 2, 4])
    x = net.convolution(net.input((1, size, size, channels)), net.pick([2, 4]), padding="SAME")
    x = _grown(net, x, (*IMAGE, *IMAGE, *ANY), int(net.random.integers(1, 6)))
    if net.maybe():
        x = net.dense(net.reduce("MEAN", x, (1, 2), False), 4) if len(net.shape(x)) == 4 else x
        x = net.unary("SOFTMAX", x, beta=1.0) if net.maybe() else x
    net.outputs.append(x)


def _vector(net: Network) -> None:
    x = net.dense(net.input((net.pick([1, 1, 2]), net.pick([3, 6]))), net.pick([4, 6]))
    x = _grown(net, x, (*VECTOR, *VECTOR, *ANY), int(net.random.integers(2, 7)))
    net.outputs.append(x)


def _bare(net: Network) -> None:
    """No weights: a few operators between input and output."""
    x = net.input(net.pick([(1, 4), (2, 6), (1, 3, 4), (1, 4, 4, 2)]))
    net.outputs.append(_grown(net, x, ANY, int(net.random.integers(1, 6))))


def _two_inputs(net: Network) -> None:
    shape = (1, 4, 4, 2)
    left, right = net.input(shape), net.input(shape)
    if net.maybe():
        right = net.convolution(right, 2, padding="SAME")
    op = net.pick(["ADD", "SUB", "MUL", "MAXIMUM", "CONCATENATION"])
    both = net.concatenation([left, right], 3) if op == "CONCATENATION" else net.binary(op, left, right)
    net.outputs += [_grown(net, both, (*IMAGE, *ANY), 2)]
    if net.maybe() and both not in net.outputs:
        net.outputs.append(both)  # which is consumed as well


def _many_outputs(net: Network) -> None:
    """Heads on one trunk; the trunk is sometimes an output too."""
    x = net.convolution(net.input((1, 4, 4, 2)), 4, padding="SAME")
    net.outputs.append(_grown(net, x, (*IMAGE, *ANY), 1))
    net.outputs.append(net.unary(net.pick(["LOGISTIC", "RELU", "ELU", "TANH"]), x))
    net.outputs.append(net.dense(net.reshape(x, (1, 64)), 3))
    if net.maybe() and x not in net.outputs:
        net.outputs.append(x)
    if net.maybe(0.3):
        net.outputs.append(net.call("ARG_MAX", (x, net.constant(3, np.int32)), (1, 4, 4), "INT32", output_type="INT32"))


def _attention(net: Network) -> None:
    x = net.input((1, net.pick([3, 4]), 4))
    x = attention(net, x)
    if net.maybe():
        x = net.binary("ADD", x, net.dense(net.unary(net.pick(["GELU", "RELU"]), net.dense(x, 6)), 4))
        x = layer_norm(net, x) if net.maybe() else x
    net.outputs.append(x)


def _recurrent(net: Network) -> None:
    x = net.input((1, net.pick([3, 4]), 3))
    cell = net.pick([lstm, gated_cell, gated_cell])
    x = cell(net, net.dense(x, 3) if net.maybe() else x)
    net.outputs.append(net.dense(x, 2) if net.maybe() else x)


def _grown(net: Network, x: int, blocks: tuple[Callable[[Network, int], int], ...], count: int) -> int:
    for _ in range(count):
        if np.prod(net.shape(x)) > LARGEST:
            break
        block = net.pick(blocks)
        if block in IMAGE and len(net.shape(x)) != 4:
            continue
        x = block(net, x)
    return x


FAMILIES = (_image, _image, _image, _vector, _vector, _bare, _two_inputs, _many_outputs, _attention, _recurrent)
