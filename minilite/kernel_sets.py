"""Who rounds how: the kernel sets, as a table.

The same integer model gives different integers in different runtimes. A kernel set names one of them. Sets differ
operator by operator in the word below; operators that are not in the table compute the same everywhere. What a word
means is said where it is used: the requantizing ones are :data:`minilite.fixed_point.ROUNDINGS`, the others belong to
the operator's own file.

Measured against LiteRT 2.3.0 on x86-64 with AVX-512 (VNNI):

reference   OpResolverType.BUILTIN_REF, portable reference kernels. minilite's default.
builtin     OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, optimized kernels (ruy, x86).
xnnpack     OpResolverType.AUTO or BUILTIN: nodes that the XNNPACK delegate takes (:mod:`minilite.delegate`) use the
            third column, all others the second.

Measured against the package tflite-micro 0.dev20261023182759 on x86-64:

tflm        TFLite Micro's reference kernels. What they lack is refused (:mod:`minilite.tflm`).

And of no runtime:

ideal       float64 and one rounding (:mod:`minilite.ideal`): what the others are measured against.

See ``docs/conformance.md`` for what was measured.
"""

from __future__ import annotations

from dataclasses import dataclass

from minilite.errors import ArgumentError

ARITHMETIC: dict[str, tuple[str, str, str, str]] = {
    # operator              reference          builtin            xnnpack, if delegated  tflm
    "ADD":                 ("double rounding", "vectors",         "one shift",       "any scales"),
    "SUB":                 ("double rounding", "double rounding", "one shift",       "any scales"),
    "LEAKY_RELU":          ("double rounding", "signed",          "one shift",       "float64 ratios"),
    "MUL":                 ("double rounding", "vectors",         "float32",         "float64 ratios"),
    "CONV_2D":             ("double rounding", "half up",         "float32",         "double rounding"),
    "DEPTHWISE_CONV_2D":   ("double rounding", "half up by eights", "float32",       "double rounding"),
    "TRANSPOSE_CONV":      ("double rounding", "half up by eights", "float32",       "double rounding"),
    "BATCH_MATMUL":        ("double rounding", "double rounding", "float32",         "float64 ratios"),
    "FULLY_CONNECTED":     ("float64",         "half up",         "float32",         "double rounding"),
    "MEAN":                ("double rounding", "spatial",         "float32",         "double rounding"),
    "SUM":                 ("double rounding", "float32 bias",    "float32",         "integers"),
    "REDUCE_MAX":          ("skips NaN",       "replaces NaN",    "replaces NaN",    "skips NaN"),
    "REDUCE_MIN":          ("skips NaN",       "replaces NaN",    "replaces NaN",    "skips NaN"),
    "REDUCE_PROD":         ("rescales",        "copies",          "copies",          "-"),
    "SOFTMAX":             ("gemmlowp",        "table",           "half precision",  "gemmlowp, short tables"),
    "LOG_SOFTMAX":         ("gemmlowp",        "table",           "table",           "gemmlowp"),
    "LOCAL_RESPONSE_NORMALIZATION": ("windows", "running",        "running",         "-"),
    "RESIZE_BILINEAR":     ("terms",           "weights",         "11 bits",         "terms"),
    "QUANTIZE":            ("division",        "blocks",          "reciprocal",      "division"),
    "ELU":                 ("half away",       "half away",       "half even",       "exp less 1"),
    "LOGISTIC":            ("table",           "gemmlowp",        "half even",       "fixed point"),
    "TANH":                ("table",           "gemmlowp",        "half even",       "fixed point"),
    "RSQRT":               ("table",           "table",           "table",           "Newton"),
    "RELU6":               ("rescales",        "rescales",        "rescales",        "clips"),
    "DEQUANTIZE":          ("every scale",     "every scale",     "every scale",     "first scale"),
    "EMBEDDING_LOOKUP":    ("every scale",     "every scale",     "every scale",     "first scale"),
    "SPACE_TO_BATCH_ND":   ("zero point",      "zero point",      "zero point",      "raw zero"),
    "ABS":                 ("float32 ratios",  "float32 ratios",  "float32 ratios",  "float64 ratios"),
    "RELU":                ("float32 ratios",  "float32 ratios",  "float32 ratios",  "float64 ratios"),
    "PRELU":               ("float32 ratios",  "float32 ratios",  "float32 ratios",  "float64 ratios"),
    "DIV":                 ("float32 ratios",  "float32 ratios",  "float32 ratios",  "float64 ratios"),
    "ARG_MAX":             ("skips NaN",       "skips NaN",       "skips NaN",       "first NaN stays"),
    "ARG_MIN":             ("skips NaN",       "skips NaN",       "skips NaN",       "first NaN stays"),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": ("cells",         "cells",           "cells",           "micro"),
    "CAST":                ("saturates",       "saturates",       "saturates",       "NaN is 0"),
    "SVDF":                ("lanes",           "lanes",           "lanes",           "one by one"),
}  # fmt: skip


@dataclass(frozen=True)
class KernelSet:
    """A column of the table. ``sums`` says how floats are added: in the kernel's own order, or in any; ``ideal`` that
    :mod:`minilite.ideal` computes instead of the rows' integer definitions; ``micro`` that :mod:`minilite.tflm` says
    what there is."""

    name: str
    column: int
    sums: str
    delegate: bool = False
    ideal: bool = False
    micro: bool = False

    def arithmetic(self, op: str, delegated: bool) -> str | None:
        """The word for an operator: the delegate's where it takes the node, else the column the set falls back to."""
        words = ARITHMETIC.get(op)
        if words is None:
            return None
        return words[2] if delegated else words[self.column]


REFERENCE = KernelSet("reference", 0, "sequential")
BUILTIN = KernelSet("builtin", 1, "any")
XNNPACK = KernelSet("xnnpack", 1, "any", delegate=True)

TFLM = KernelSet("tflm", 3, "sequential", micro=True)

IDEAL = KernelSet("ideal", 0, "any", ideal=True)

KERNEL_SETS = {s.name: s for s in (REFERENCE, BUILTIN, XNNPACK, TFLM, IDEAL)}


def kernel_set(name: str) -> KernelSet:
    """The set called ``name``. Raises :class:`ArgumentError` listing the sets there are."""
    try:
        return KERNEL_SETS[name]
    except (KeyError, TypeError):
        raise ArgumentError(f"unknown kernel set {name!r}; there are: {', '.join(KERNEL_SETS)}") from None
