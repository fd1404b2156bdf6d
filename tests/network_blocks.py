"""Blocks of small networks: each takes a network and a tensor and returns a tensor, of another shape where it likes to.

``IMAGE`` takes (1, height, width, channels), ``ANY`` any shape, ``RECURRENT`` (1, time, features).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tests.network_parts import Network

Block = Callable[[Network, int], int]

OWN = ("RELU", "RELU6", "TANH", "LOGISTIC", "ABS", "LEAKY_RELU", "HARD_SWISH", "GELU", "EXP", "SQRT", "RSQRT", "LOG")
"""Operators of one operand that both quantizers, or one, know."""

FLOAT_ONLY = ("ELU", "NEG", "SQUARE", "SIN", "COS", "FLOOR", "CEIL", "ROUND")
"""Operators that neither quantizes."""

POSITIVE = ("SQRT", "RSQRT", "LOG")


def unary(net: Network, x: int) -> int:
    op = net.pick(OWN)
    if op in POSITIVE:
        x = net.binary("ADD", net.unary("ABS", x), net.constant(np.float32(0.1)))
    if op == "EXP":
        x = net.binary("MINIMUM", x, net.constant(np.float32(2.0)))
    return net.unary(op, x, **({"alpha": 0.2} if op == "LEAKY_RELU" else {}))


def float_only(net: Network, x: int) -> int:
    return net.unary(net.pick(FLOAT_ONLY), x)


def normalized(net: Network, x: int) -> int:
    op = net.pick(["SOFTMAX", "LOG_SOFTMAX", "L2_NORMALIZATION"])
    return net.unary(op, x, **({"beta": 1.0} if op == "SOFTMAX" else {}))


def prelu(net: Network, x: int) -> int:
    channels = net.shape(x)[-1]
    alpha = net.constant(net.random.normal(0, 0.3, (*[1] * (len(net.shape(x)) - 2), channels)), kind="alpha")
    return net.call("PRELU", (x, alpha), net.shape(x))


def with_constant(net: Network, x: int) -> int:
    """An operand that is a scalar, a channel vector, or all of it; constants of one sign and of none."""
    op = net.pick(["ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE"])
    shape = net.pick([(), (net.shape(x)[-1],), net.shape(x)])
    value = np.float32(net.random.normal(net.pick([-3, 0, 3]), 1, shape) * net.pick([0.01, 1, 1]))
    other = net.constant(value)
    # Only where it commutes does TFLiteConverter's optimizer leave the order alone.
    pair = (other, x) if op in ("SUB", "SQUARED_DIFFERENCE") and net.maybe(0.3) else (x, other)
    return net.binary(op, *pair)


def shared_constant(net: Network, x: int) -> int:
    other = net.normal((net.shape(x)[-1],))
    return net.binary("ADD", net.binary("MUL", x, other), other)


def gate(net: Network, x: int) -> int:
    return net.binary("MUL", x, net.unary(net.pick(["LOGISTIC", "TANH", "HARD_SWISH"]), x))


def forked(net: Network, x: int) -> int:
    """One tensor in two groups of one scale."""
    left = net.concatenation([x, net.unary("TANH", x)], -1)
    right = net.concatenation([net.unary("RELU", x), x], -1)
    return net.binary("ADD", left, right)


def with_constant_part(net: Network, x: int) -> int:
    """A constant in a group of one scale: beyond the range of the others or within."""
    part = net.normal((*net.shape(x)[:-1], 1), net.pick([0.1, 5.0]))
    return net.concatenation([x, part], -1)


def maximum_of_two(net: Network, x: int) -> int:
    return net.binary(net.pick(["MAXIMUM", "MINIMUM"]), net.unary("RELU", x), net.binary("MUL", x, x))


def two_operands(net: Network, x: int) -> int:
    other = net.unary(net.pick(["RELU", "TANH", "LEAKY_RELU"]), x)
    return net.binary(net.pick(["ADD", "SUB", "MUL", "SQUARED_DIFFERENCE"]), x, other)


def packed(net: Network, x: int) -> int:
    shape = (2, *net.shape(x))
    both = net.call("PACK", (x, net.unary("RELU6", x)), shape, values_count=2, axis=0)
    first, second = net.calls("UNPACK", (both,), [net.shape(x)] * 2, num=2, axis=0)
    return net.binary("ADD", first, second)


def compared(net: Network, x: int) -> int:
    other = net.unary("TANH", x)
    mask = net.call("LESS", (x, other), net.shape(x), "BOOL")
    return net.call("SELECT_V2", (mask, x, other), net.shape(x))


def moved(net: Network, x: int) -> int:
    """Elements elsewhere, values as they were."""
    shape = net.shape(x)
    last = len(shape) - 1
    kind = net.pick(["reshape", "transpose", "slice", "strided", "gather", "reverse", "tile", "pad", "broadcast"])
    if kind == "reshape":
        return net.reshape(net.reshape(x, (shape[0], math.prod(shape[1:]))), shape)
    if kind == "transpose":
        order = [0, *net.random.permutation(np.arange(1, len(shape)))]
        return net.transpose(x, *map(int, order))
    if kind == "slice" and shape[-1] > 1:
        return net.slice(x, last, 0, shape[-1] - 1)
    if kind == "strided" and shape[-1] > 1:
        bounds = net.ints(*[0] * len(shape)), net.ints(*shape), net.ints(*[1] * last, 2)
        return net.call("STRIDED_SLICE", (x, *bounds), (*shape[:-1], -(-shape[-1] // 2)))
    if kind == "gather":
        indices = net.ints(*map(int, net.random.integers(0, shape[-1], 3)))
        return net.call("GATHER", (x, indices), (*shape[:-1], 3), axis=last)
    if kind == "reverse":
        return net.call("REVERSE_V2", (x, net.ints(last)), shape)
    if kind == "tile":
        return net.call("TILE", (x, net.ints(*[1] * last, 2)), (*shape[:-1], 2 * shape[-1]))
    if kind == "broadcast":
        return net.call("BROADCAST_TO", (x, net.ints(2, *shape[1:])), (2, *shape[1:]))
    return padded(net, x)


def padded(net: Network, x: int) -> int:
    shape = net.shape(x)
    before = np.array([(0, 0)] + [(0, 1)] * (len(shape) - 1), np.int32)
    bigger = (shape[0], *[d + 1 for d in shape[1:]])
    if net.maybe(0.3) and min(shape[1:]) > 1:
        return net.call("MIRROR_PAD", (x, net.constant(before, np.int32)), bigger, mode="SYMMETRIC")
    return net.call("PAD", (x, net.constant(before, np.int32)), bigger)


def split(net: Network, x: int) -> int:
    """Halves, one of which is sometimes not used."""
    shape = net.shape(x)
    if shape[-1] % 2:
        return float_only(net, x)
    halves = [(*shape[:-1], shape[-1] // 2)] * 2
    left, right = net.calls("SPLIT", (net.constant(len(shape) - 1, np.int32), x), halves, num_splits=2)
    return left if net.maybe(0.2) else net.binary("ADD", left, net.unary("RELU", right))


def convolution(net: Network, x: int) -> int:
    return net.convolution(x, net.pick([1, 2, 3, 4, 6]), stride=net.pick([1, 1, 2]))


def depthwise(net: Network, x: int) -> int:
    return net.depthwise(x, net.pick([1, 1, 2]))


def separable(net: Network, x: int) -> int:
    return net.convolution(net.depthwise(x), net.pick([2, 4]), 1)


def residual(net: Network, x: int) -> int:
    hidden = net.convolution(x, net.shape(x)[3], padding="SAME")
    hidden = net.convolution(hidden, net.shape(x)[3], padding="SAME", fused_activation_function="NONE")
    return net.binary("ADD", x, hidden, fused_activation_function=net.pick(["NONE", "RELU", "RELU6"]))


def branches(net: Network, x: int) -> int:
    parts = [net.convolution(x, 2, padding="SAME"), net.convolution(x, 3, padding="SAME")]
    if net.maybe():
        parts.append(x)
    if net.maybe(0.3):
        parts.append(net.unary(net.pick(["LOGISTIC", "RELU"]), x))
    return net.concatenation(parts, 3)


def squeeze_and_excite(net: Network, x: int) -> int:
    channels = net.shape(x)[3]
    hidden = net.convolution(net.reduce("MEAN", x, (1, 2), True), 2, 1, fused_activation_function="RELU")
    hidden = net.convolution(hidden, channels, 1, fused_activation_function="NONE")
    return net.binary("MUL", x, net.unary(net.pick(["LOGISTIC", "TANH"]), hidden))


def shared_weights(net: Network, x: int) -> int:
    """The same weights used twice, of inputs with other scales."""
    channels = net.shape(x)[3]
    weights = net.weights((channels, 1, 1, channels), 0)
    first = net.convolution(x, channels, weights=weights, padding="SAME")
    return net.convolution(first, channels, weights=weights, padding="SAME")


def pooled(net: Network, x: int) -> int:
    return net.pool(net.pick(["MAX_POOL_2D", "AVERAGE_POOL_2D"]), x)


def resized(net: Network, x: int) -> int:
    batch, height, width, channels = net.shape(x)
    op = net.pick(["RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"])
    size = (height + 1, 2 * width) if height < 8 else (height // 2, width // 2 or 1)
    return net.call(op, (x, net.ints(*size)), (batch, *size, channels))


def upsampled(net: Network, x: int) -> int:
    return net.transposed_convolution(x, 2) if net.shape(x)[1] < 6 else pooled(net, x)


def blocks_of_space(net: Network, x: int) -> int:
    batch, height, width, channels = net.shape(x)
    if height % 2 or width % 2:
        return pooled(net, x)
    if net.maybe():
        deep = net.call("SPACE_TO_DEPTH", (x,), (batch, height // 2, width // 2, 4 * channels), block_size=2)
        return net.call("DEPTH_TO_SPACE", (deep,), net.shape(x), block_size=2) if net.maybe() else deep
    block, crops = net.ints(2, 2), net.constant(np.zeros((2, 2)), np.int32)
    apart = net.call("SPACE_TO_BATCH_ND", (x, block, crops), (4 * batch, height // 2, width // 2, channels))
    apart = net.convolution(apart, channels, padding="SAME")
    return net.call("BATCH_TO_SPACE_ND", (apart, block, crops), net.shape(x))


def reduced(net: Network, x: int) -> int:
    op = net.pick(["MEAN", "MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"])
    return net.reduce(op, x, [len(net.shape(x)) - 1] if net.maybe() else [1], True)


def dense(net: Network, x: int) -> int:
    return net.dense(x, net.pick([1, 3, 5, 8]))


def dense_residual(net: Network, x: int) -> int:
    units = net.shape(x)[-1]
    return net.binary("ADD", net.dense(net.dense(x, 6), units, fused_activation_function="NONE"), x)


def constant_product(net: Network, x: int) -> int:
    """BATCH_MATMUL by a constant."""
    shape = net.shape(x)
    return net.matmul(x, net.normal((*[1] * (len(shape) - 2), shape[-1], 4), 0.5))


def layer_norm(net: Network, x: int) -> int:
    mean = net.reduce("MEAN", x, [-1], True)
    variance = net.reduce("MEAN", net.binary("SQUARED_DIFFERENCE", x, mean), [-1], True)
    factor = net.unary("RSQRT", net.binary("ADD", variance, net.constant(np.float32(1e-3))))
    factor = net.binary("MUL", factor, net.constant(net.random.normal(1, 0.1, net.shape(x)[-1:])))
    shift = net.binary("SUB", net.normal(net.shape(x)[-1:], 0.1), net.binary("MUL", mean, factor))
    return net.binary("ADD", net.binary("MUL", x, factor), shift)


def attention(net: Network, x: int) -> int:
    batch, time, features = net.shape(x)
    heads, depth = 2, 3

    def projected() -> int:
        y = net.dense(x, heads * depth, fused_activation_function="NONE")
        return net.transpose(net.reshape(y, (batch, time, heads, depth)), 0, 2, 1, 3)

    query, key, value = projected(), projected(), projected()
    scores = net.binary("MUL", net.matmul(query, key, adj_y=True), net.constant(np.float32(depth**-0.5)))
    mixed = net.matmul(net.unary("SOFTMAX", scores, beta=1.0), value)
    joined = net.reshape(net.transpose(mixed, 0, 2, 1, 3), (batch, time, heads * depth))
    x = net.binary("ADD", x, net.dense(joined, features, fused_activation_function="NONE"))
    return layer_norm(net, x) if net.maybe(0.7) else x


def gated_cell(net: Network, x: int) -> int:
    """A GRU, unrolled over the first three steps; the weights of all steps are the same."""
    batch, time, features = net.shape(x)
    units = 3
    new = [net.weights((units, features), 0) for _ in range(3)]
    old = [net.weights((units, units), 0) for _ in range(3)]
    state = net.dense(net.reshape(net.slice(x, 1, 0, 1), (batch, features)), units, fused_activation_function="NONE")
    for step in range(1, min(time, 3)):
        now = net.reshape(net.slice(x, 1, step, 1), (batch, features))
        update, reset, fresh = (net.dense(now, units, w, fused_activation_function="NONE") for w in new)
        kept, forgotten = (net.dense(state, units, w, fused_activation_function="NONE") for w in old[:2])
        update = net.unary("LOGISTIC", net.binary("ADD", update, kept))
        reset = net.unary("LOGISTIC", net.binary("ADD", reset, forgotten))
        past = net.dense(net.binary("MUL", reset, state), units, old[2], fused_activation_function="NONE")
        fresh = net.unary("TANH", net.binary("ADD", fresh, past))
        left = net.binary("MUL", net.binary("SUB", net.constant(np.float32(1)), update), fresh)
        state = net.binary("ADD", left, net.binary("MUL", update, state))
    return state


def lstm(net: Network, x: int) -> int:
    """UNIDIRECTIONAL_SEQUENCE_LSTM as TFLiteConverter writes it: no peepholes, projection or normalization."""
    batch, time, features = net.shape(x)
    units = net.pick([2, 4])
    kernels = [net.normal((units, features), 0.5, "kernel") for _ in range(4)]
    recurrent = [net.normal((units, units), 0.5, "recurrent") for _ in range(4)]
    biases = [net.normal((units,), 0.3, "bias") for _ in range(4)]
    states = [net.builder.tensor(net.name("state"), (batch, units), is_variable=True) for _ in range(2)]
    inputs = (x, *kernels, *recurrent, -1, -1, -1, *biases, -1, -1, *states, -1, -1, -1, -1)
    shape = (batch, time, units)
    return net.call("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, shape, fused_activation_function="TANH", cell_clip=10.0)


IMAGE: tuple[Block, ...] = (
    *(convolution, depthwise, separable, residual, branches, squeeze_and_excite, shared_weights),
    *(pooled, resized, upsampled, blocks_of_space),
)
VECTOR: tuple[Block, ...] = (dense, dense_residual, constant_product)
ANY: tuple[Block, ...] = (
    *(unary, float_only, normalized, prelu, with_constant, shared_constant, gate, forked, with_constant_part),
    *(maximum_of_two, two_operands, packed, compared, split, reduced),
    *(moved, moved, moved),
)
