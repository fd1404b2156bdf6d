"""RANDOM_UNIFORM, RANDOM_STANDARD_NORMAL and MULTINOMIAL: random numbers, other ones on every invoke.

    RANDOM_UNIFORM          output [*shape]: evenly from [0, 1), in steps of 2 ** -23
    RANDOM_STANDARD_NORMAL  output [*shape]: normal with mean 0 and deviation 1, by Box and Muller's transform
    MULTINOMIAL             output [batch, num_samples]: class k of row n with probability in proportion to
                            exp(logits[n, k]); classes whose logit is infinite or NaN never, unless all are

The numbers come from Philox 4x32-10 (:mod:`minilite.ops.philox`): key ``seed``, counter from ``seed2 * 2 ** 64`` on.
The same seeds give the same numbers as LiteRT's, invoke after invoke since tensors were allocated. Where both seeds are
0, they are chosen at random then.

A uniform number takes 32 random bits, two normal ones take 64, a sample of a class 64. MULTINOMIAL goes on by 512
counters for each sample (their number per row rounded up to 4s), however few it used.

Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"; TensorFlow's random_distributions.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import numpy as np

from minilite.cases import Case, Draw, data, fed, shape, stated
from minilite.fixed_point import wrap32
from minilite.ops.elementary import cos, log, sin
from minilite.ops.philox import MASK, counted, philox
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray
F32 = np.float32


class Generator:
    """A key and the next counter."""

    def __init__(self, seed: int, seed2: int):
        seed, seed2 = int(wrap32(seed)), int(wrap32(seed2))
        if seed == seed2 == 0:
            seed, seed2 = secrets.randbits(64), secrets.randbits(64)
        self.key = (seed & MASK, seed >> 32 & MASK)
        self.counter = (seed2 & (2**64 - 1)) << 64

    def words(self, count: int) -> Array:
        """``count`` random words, uint32, of the counters that follow; what is left of the last one is lost."""
        blocks = -(-count // 4)
        found = philox(self.key, counted(self.counter, blocks)).reshape(-1)[:count]
        self.skip(blocks)
        return found

    def skip(self, blocks: int) -> None:
        """Go on by that many counters."""
        self.counter = (self.counter + blocks) % 2**128


def generator(node: Node) -> Generator:
    """The operator's generator, made when tensors are allocated."""
    assert node.runtime is not None
    kept = node.runtime.resources.setdefault(("allocation", node.subgraph), {})
    return kept.setdefault(node.index, Generator(node.options.seed, node.options.seed2))


# ---- RANDOM_UNIFORM and RANDOM_STANDARD_NORMAL -----------------------------------------------------------------------


def shapes_random(node: Node, shape: TensorInfo) -> tuple[Shape]:
    shape.need(shape.rank == 1, "1 dimension", shape.shape)
    sizes = tuple(int(d) for d in shape.known())
    shape.need(min(sizes, default=0) >= 0, "dimensions of 0 or more", sizes)
    return (sizes,)


def prepare_random(node: Node, shape: TensorInfo, output: TensorInfo) -> tuple[Generator, Shape]:
    return generator(node), output.shape


def uniform(p: tuple[Generator, Shape], shape: Array) -> Array:
    source, dims = p
    return unit(source.words(int(np.prod(dims, dtype=np.int64)))).reshape(dims)


def unit(words: Array) -> Array:
    """float32 in [0, 1): the lower 23 bits as the fraction of a number in [1, 2), less 1."""
    return np.asarray(((words & np.uint32(0x7FFFFF)) | np.uint32(0x3F800000)).view(F32) - F32(1))


def standard_normal(p: tuple[Generator, Shape], shape: Array) -> Array:
    source, dims = p
    count = int(np.prod(dims, dtype=np.int64))
    units = unit(source.words(count + count % 2)).reshape(-1, 2)
    radius = np.sqrt(F32(-2) * log(np.maximum(units[:, 0], F32(1e-7))))
    angle = (2 * np.pi * units[:, 1].astype(np.float64)).astype(F32)
    return np.stack([sin(angle) * radius, cos(angle) * radius], axis=1).reshape(-1)[:count].reshape(dims)


# ---- MULTINOMIAL -----------------------------------------------------------------------------------------------------


def shapes_multinomial(node: Node, logits: TensorInfo, num_samples: TensorInfo) -> tuple[Shape]:
    logits.need(logits.rank == 2 and logits.shape[1] > 0, "[batch, 1 class or more]", logits.shape)
    num_samples.need(num_samples.rank == 0, "a scalar", num_samples.shape)
    count = int(num_samples.known())
    num_samples.need(count >= 0, "0 samples or more", count)
    return ((logits.shape[0], count),)


def prepare_multinomial(
    node: Node, logits: TensorInfo, num_samples: TensorInfo, output: TensorInfo
) -> tuple[Generator, Any]:
    return generator(node), output.dtype


def multinomial(p: tuple[Generator, Any], logits: Array, num_samples: Array) -> Array:
    source, dtype = p
    rows, count = len(logits), int(num_samples)
    before = source.counter
    words = source.words(2 * rows * count).reshape(rows, count, 2).astype(np.uint64)
    source.counter = before
    source.skip(rows * (-(-count // 4) * 4) * 2 * 256)
    fraction = ((words[..., 0] & np.uint64(0xFFFFF)) << np.uint64(32)) | words[..., 1]
    places = (fraction | np.uint64(1023 << 52)).view(np.float64) - 1
    found = [np.searchsorted(c, at * c[-1], "right") for c, at in zip(_cumulative(logits), places, strict=True)]
    return np.array(found, dtype).reshape(rows, count)


def _cumulative(logits: Array) -> Array:
    """Sums of exp(logit - largest logit) from the first class on, in float64."""
    finite = np.isfinite(logits)
    largest = np.where(finite, logits, np.finfo(F32).min).max(axis=1, keepdims=True).astype(np.float64)
    return np.cumsum(np.where(finite, np.exp(logits.astype(np.float64) - largest), 0.0), axis=1)


# ---- cases -----------------------------------------------------------------------------------------------------------


def seeds(draw: Draw) -> dict[str, int]:
    """Seeds of which at least one is not 0."""
    any_ = int(draw.random.integers(-(2**63), 2**63 - 1))
    return {"seed": draw.choice((1, any_, -1, 0)), "seed2": draw.choice((2, any_ // 3 or 1, -7))}


def case_random(draw: Draw, definition: Definition) -> Case:
    """Three invokes."""
    return Case((stated(draw, shape(draw, 0, 3, 5)),), seeds(draw), runs=3)


def case_multinomial(draw: Draw, definition: Definition) -> Case:
    """Three invokes; logits that differ little and much, some of them infinite, whole rows of them."""
    logits = data((draw.integer(1, 4), draw.integer(1, 6)))
    if draw.choice((False, True)):
        values = draw.random.normal(0, 2, logits.shape)
        values[draw.random.random(logits.shape) < 0.3] = draw.choice((np.inf, -np.inf, np.nan))
        values[draw.random.random(len(values)) < 0.3] = -np.inf
        logits = fed(values)
    return Case((logits, stated(draw, draw.integer(1, 9))), seeds(draw), runs=3)


def _random(name: str, compute: Callable[..., Array], ulp: int) -> Op:
    return Op(
        name,
        inputs=(parameter("shape"),),
        outputs=(activation("output"),),
        definitions=(Definition("int32 -> float32", compute, prepare_random, label="float32", ulp=ulp),),
        shapes=shapes_random,
        cases=case_random,
        foldable=False,
    )


RANDOM_UNIFORM = _random("RANDOM_UNIFORM", uniform, 0)
RANDOM_STANDARD_NORMAL = _random("RANDOM_STANDARD_NORMAL", standard_normal, 2)

MULTINOMIAL = Op(
    "MULTINOMIAL",
    inputs=(activation("logits"), parameter("num_samples")),
    outputs=(parameter("output"),),
    definitions=tuple(
        Definition(f"float32 int32 -> {t}", multinomial, prepare_multinomial, label=t) for t in ("int64", "int32")
    ),
    shapes=shapes_multinomial,
    cases=case_multinomial,
    foldable=False,
)
