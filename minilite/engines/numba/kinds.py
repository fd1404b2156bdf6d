"""All kernels there are: what :mod:`minilite.engines.numba.lowering` may ask for on this processor."""

from __future__ import annotations

from itertools import product

from minilite.engines.numba.objects import Kind, dot, features
from minilite.engines.numba.packing import TO_FLOATS

FLOATS_OF_TWO = ("add", "sub", "mul", "div", "squared difference", "max", "min", "prelu")
BYTES = ("int8", "uint8")
COMPARISONS = ("equal", "not equal", "less", "less equal")
GRIDS = ("int8", "uint8", "int16")
QUANTIZE = ("division", "reciprocal", "product", "float64")
ROUNDINGS = ("float32", "fixed", "float64")
FUNCTIONS = (
    *("exp", "sigmoid", "fast sigmoid", "sigmoid cut", "tanh", "hard swish", "clip", "leaky relu", "sqrt", "rsqrt"),
    *("fast gelu", "gelu", "gelu by tanh", "neg", "abs", "square", "floor", "ceil", "round"),
)


def every() -> list[Kind]:
    """The kernels, the commonest first."""
    sums = ("separate", "fused")
    floats = [("separate", "none"), *(("fused", activation) for activation in ("none", "swish", "hard swish"))]
    permutes = "vbmi" if {"avx512vbmi", "avx512bw"} <= features() else "portable"
    binary = [("float32", name) for name in FLOATS_OF_TWO]
    binary += product(BYTES, ("add shift", "add fixed", "mul float32", "mul fixed", "max", "min"))
    binary += product(("int16",), ("add fixed", "mul fixed", "max", "min"))
    binary += product(("int32", "int64"), ("plus", "minus", "times", "max", "min"))
    binary += product(("float32", "int32", "int64"), COMPARISONS)
    binary += product(("bool",), ("and", "or"))
    means = [
        *product(BYTES, ("bias", "fixed", "away")),
        ("int16", "fixed"),
        ("int16", "away"),
        ("float32", "sum"),
        ("int32", "sum"),
    ]
    extremes = [*product(("float32", *GRIDS, "int32"), ("max", "min"))]
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
        *(("pooling", type_, what) for type_, what in product(("float32", *GRIDS), ("mean",))),
        *((module, *kind) for module, kind in product(("pooling", "row_extreme"), extremes)),
        *(("pooling", "float32", f"{what} replacing") for what in ("max", "min")),
        *((module, *kind) for module, kind in product(("pooling", "row_mean"), means)),
        ("row_mean", "float32", "mean"),
        ("layer_norm",),
        *(("quantize_rows", way) for way in ("xnnpack", "symmetric", "asymmetric")),
        *(("matmul", "int8", dot(), order) for order in TO_FLOATS),
        ("resize_bilinear", "float32", "terms"),
        *(("resize_bilinear", "int8", how) for how in ("half away", "half up")),
        *(("resize_bilinear", "uint8", how) for how in ("half up", "cut terms", "cut weights")),
        ("resize_bilinear", "int16", "half away wide"),
        ("resize_nearest",),
        ("lstm_int8", dot()),
        *(("softmax", what) for what in ("float32", "fast")),
        *(("softmax_integers", *kind) for kind in product(("table", "gemmlowp"), BYTES, BYTES) if kind[1] == kind[2]),
        *(("softmax_integers", *kind) for kind in product(("table", "gemmlowp"), BYTES, ("int16",))),
        ("softmax_integers", "sixteen", "int16", "int16"),
        *(("lstm", order, "eigen") for order in ("fused", "lanes", "sequential")),
        ("lstm", "sequential", "exact"),
        *((module, way, dot()) for module, way in product(("lstm", "svdf"), ("symmetric", "asymmetric"))),
        *(("svdf", order, "separate") for order in ("four", "sequential")),
        *(("svdf_int8", dot(), state) for state in ("int16", "int8")),
        ("elementwise", "table", permutes),
        *(("elementwise", "unary", name) for name in FUNCTIONS),
        *(("elementwise", "entries", *sizes) for sizes in ("12", "14", "21", "22", "24")),
        *(("elementwise", "convert", f"quantize {how}", "float32", type_) for how, type_ in product(QUANTIZE, GRIDS)),
        *(("elementwise", "convert", "dequantize", type_, "float32") for type_ in GRIDS),
        ("elementwise", "convert", "whole", "int32", "float32"),
        ("elementwise", "convert", "truncated", "float32", "int32"),
        *(("binary", *kind) for kind in binary),
        *(("batch_matmul", "float32", how) for how in sums),
        *(("batch_matmul", "int8", rounding) for rounding in ("float32", "fixed")),
        ("binary", "bytes", "pairs"),
        *(("moving", how) for how in ("pieces", "1", "2", "4", "8")),
    ]
