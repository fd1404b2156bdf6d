"""All kernels there are: what :mod:`minilite.engines.numba.lowering` may ask for on this processor."""

from __future__ import annotations

from itertools import product

from minilite.engines.numba.objects import Kind, dot, features
from minilite.engines.numba.packing import TO_FLOATS

FLOATS_OF_TWO = ("add", "sub", "mul", "div", "squared difference", "max", "min", "prelu")
BYTES = ("int8", "uint8")
ROUNDINGS = ("float32", "fixed", "float64")
FUNCTIONS = (
    *("exp", "sigmoid", "fast sigmoid", "sigmoid cut", "tanh", "hard swish", "clip", "leaky relu", "sqrt", "rsqrt"),
    *("fast gelu", "neg", "abs", "square", "quantize division", "quantize reciprocal", "dequantize"),
)


def every() -> list[Kind]:
    """The kernels, the commonest first."""
    sums = ("separate", "fused")
    floats = [("separate", "none"), *(("fused", activation) for activation in ("none", "swish", "hard swish"))]
    permutes = "vbmi" if {"avx512vbmi", "avx512bw"} <= features() else "portable"
    binary = [("float32", name) for name in FLOATS_OF_TWO]
    binary += [("int8", name) for name in ("add shift", "add fixed", "mul float32", "mul fixed", "max", "min")]
    return [
        *(("runner", what) for what in ("alone", "shared", "worker")),
        *(("matmul", type_, dot(), rounding) for type_, rounding in product(BYTES, ROUNDINGS)),
        *(("matmul", "float32", *how) for how in floats),
        *(("winograd", size, activation) for size, (_, activation) in product("24", floats[1:])),
        *(
            ("depthwise", type_, dot(), *how)
            for type_, how in product(BYTES, product(("float32", "fixed"), ("3", "0")))
        ),
        *(("depthwise_float", *how, *steps) for how, steps in product(floats, (*product("35", "12"), ("0", "0")))),
        *(("pooling", type_, what) for type_, what in product(("float32", "int8"), ("max", "mean"))),
        *((module, "int8", what) for module, what in product(("pooling", "row_mean"), ("bias", "fixed"))),
        ("row_mean", "float32", "mean"),
        ("layer_norm",),
        *(("quantize_rows", way) for way in ("xnnpack", "symmetric", "asymmetric")),
        *(("matmul", "int8", dot(), order) for order in TO_FLOATS),
        ("resize_bilinear", "float32", "terms"),
        *(("resize_bilinear", "int8", how) for how in ("half away", "half up")),
        ("lstm_int8", dot()),
        *(("softmax", what) for what in ("float32", "fast", "table", "gemmlowp")),
        ("elementwise", "table", permutes),
        *(("elementwise", "unary", name) for name in FUNCTIONS),
        *(("binary", *kind) for kind in binary),
        *(("batch_matmul", "float32", how) for how in sums),
        *(("batch_matmul", "int8", rounding) for rounding in ("float32", "fixed")),
        ("binary", "int8", "pairs"),
        *(("moving", how) for how in ("pieces", "1", "2", "4", "8")),
    ]
