"""STABLEHLO_RNG_BIT_GENERATOR: random bits, and the state to go on from.

    PHILOX, DEFAULT  Philox 4x32-10: state [2] or [3] uint64 = key, counter (its lower half), counter (upper half, the
                     key where it is left out)
    THREEFRY         Threefry 2x32-20: state [2] uint64 = key, counter

output is filled with the 32-bit words of one counter after the other; an element of 64 bits takes two, the lower one
first. output_state is the state with the counter behind the last one used; counters wrap at 64 bits. The shape of
output is the one the file declares; its type is int32, int64, uint32 or uint64.

Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
"""

from __future__ import annotations

import math

import numpy as np

from minilite.cases import Call, Case, Draw, Graph, Value, shape
from minilite.ops.philox import MASK, counted, philox
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, parameter

Array = np.ndarray
U32, U64 = np.uint32, np.uint64
PARITY = 0x1BD11BDA
ROTATIONS = (13, 15, 26, 6), (17, 29, 16, 24)


def shapes(node: Node, state: TensorInfo) -> tuple[Shape, Shape]:
    sizes = (2,) if node.options.algorithm == "THREEFRY" else (2, 3)
    known = node.options.algorithm in ("DEFAULT", "PHILOX", "THREEFRY")
    node.need(known, "algorithm DEFAULT, PHILOX or THREEFRY", node.options.algorithm)
    state.need(state.rank == 1 and state.shape[0] in sizes, f"1 dimension of size {sizes}", state.shape)
    return state.shape, node.outputs[1].shape


def threefry(key: tuple[int, int], counters: Array) -> Array:
    """Two random words (uint32) for each counter ``[count, 2]``, uint32."""
    keys = [U32(k) for k in (*key, key[0] ^ key[1] ^ PARITY)]
    a, b = counters[:, 0] + keys[0], counters[:, 1] + keys[1]
    for i in range(5):
        for bits in ROTATIONS[i % 2]:
            a = a + b
            b = ((b << U32(bits)) | (b >> U32(32 - bits))) ^ a
        a, b = a + keys[(i + 1) % 3], b + keys[(i + 2) % 3] + U32(i + 1)
    return np.stack([a, b], axis=1)


def generate(node: Node, state: Array) -> tuple[Array, Array]:
    output = node.outputs[1]
    words = math.prod(output.shape) * np.dtype(output.dtype).itemsize // 4
    key, counter = (int(state[0]) & MASK, int(state[0]) >> 32), int(state[1])
    each = 2 if node.options.algorithm == "THREEFRY" else 4
    blocks = -(-words // each)
    counters = counted(counter, blocks, 2)
    if each == 2:
        bits = threefry(key, counters)
    else:
        upper = np.broadcast_to(state[2 if len(state) == 3 else 0 : None][:1].astype("<u8").view(U32), (blocks, 2))
        bits = philox(key, np.concatenate([counters, upper], axis=1))
    after = state.copy()
    after[1] = U64((counter + blocks) & (2**64 - 1))
    return after, bits.reshape(-1)[:words].view(output.dtype).reshape(output.shape)


def case(draw: Draw, definition: Definition) -> Case:
    """All algorithms; counters that carry."""
    algorithm = draw.choice(("DEFAULT", "PHILOX", "THREEFRY"))
    size = 2 if algorithm == "THREEFRY" else draw.choice((2, 3))
    state = draw.random.integers(0, 2**64 - 1, size, np.uint64, endpoint=True)
    state[1] = draw.choice((int(state[1]), 0, 2**32 - 2, 2**64 - 3))
    result = Value(definition.output_types[1], shape(draw, 0, 3, 5))
    graph = Graph(
        (Value("uint64", (size,), state), Value("uint64", (size,)), result),
        (Call("STABLEHLO_RNG_BIT_GENERATOR", (0,), (1, 2), {"algorithm": algorithm}),),
        (),
        (1, 2),
    )
    return Case((), main=graph)


STABLEHLO_RNG_BIT_GENERATOR = Op(
    "STABLEHLO_RNG_BIT_GENERATOR",
    inputs=(parameter("state"),),
    outputs=(parameter("output_state"), parameter("output")),
    definitions=tuple(
        Definition(f"uint64 -> uint64 {t}", generate, label=t) for t in ("int32", "int64", "uint32", "uint64")
    ),
    shapes=shapes,
    cases=case,
)
