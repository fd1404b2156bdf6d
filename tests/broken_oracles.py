"""Where a real runtime is wrong, absent or of no use as an oracle: data that the tests read and the table prints.

An entry says which operator, type and kernel set, what is wrong, where it was reported, and which other mode of the
runtime (if any) stands in. ``tests/test_broken_oracles.py`` fails when an entry is no longer true.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from minilite.spec import Node
from minilite.testing.one_operator import OneOperator


@dataclass(frozen=True)
class Broken:
    """One entry. ``label`` is a definition's label, or "*" for all; ``instead`` is the kernel set whose oracle mode is
    used in its place, or None when nothing stands in."""

    op: str
    label: str
    kernels: str
    what: str
    instead: str | None
    thread: str = "none found"


_SUM = "google-ai-edge/LiteRT#4079, google-ai-edge/LiteRT#7855, tensorflow/tensorflow#102490"
_MEDIAPIPE = "tensorflow/tensorflow#33557"
_MULTIPLIERS = "tensorflow/tensorflow#61698"

BROKEN: tuple[Broken, ...] = (
    Broken("SUM", "int8", "reference", "reads and writes the int8 bytes as uint8", "builtin", _SUM),
    Broken(
        "SUM", "int16", "reference", "reads and writes the int16 bytes as uint8, past what was summed", "builtin", _SUM
    ),
    *(
        Broken("NOT_EQUAL", "plain int16", kernels, "writes nothing for int16 without a scale", None)
        for kernels in ("reference", "builtin", "xnnpack")
    ),
    *(
        Broken(
            "SVDF", "int8 state", kernels, "reads an int8 state and int8 time weights as int16, past their ends", None
        )
        for kernels in ("reference", "builtin", "xnnpack")
    ),
    Broken("CEIL", "*", "reference", "BUILTIN_REF does not register it", "builtin"),
    Broken("ELU", "*", "reference", "BUILTIN_REF does not register it", "builtin"),
    Broken("ROUND", "*", "reference", "BUILTIN_REF does not register it", "builtin"),
    *(
        Broken(op, "*", "reference", "BUILTIN_REF does not register it", "builtin")
        for op in ("STABLEHLO_CASE", "HASHTABLE", "HASHTABLE_FIND", "HASHTABLE_IMPORT", "HASHTABLE_SIZE")
    ),
    Broken("aeq.hadamard_rotation", "*", "reference", "BUILTIN_REF does not register it", "builtin"),
    *(
        Broken(op, "*", kernels, "only the XNNPACK delegate has this custom operator", "xnnpack", _MEDIAPIPE)
        for kernels in ("reference", "builtin")
        for op in ("MaxPoolingWithArgmax2D", "MaxUnpooling2D")
    ),
    *(
        Broken(op, "*", "builtin", "only the XNNPACK delegate has this custom operator", "xnnpack", thread)
        for op, thread in (
            ("Convolution2DTransposeBias", _MEDIAPIPE),
            ("odml.scaled_dot_product_attention", "none found"),
        )
    ),
    *(
        Broken(op, "*", "reference", f"only the XNNPACK delegate has this custom operator; {instead}", None, thread)
        for op, instead, thread in (
            ("Convolution2DTransposeBias", "tests/test_mediapipe.py holds it against TRANSPOSE_CONV", _MEDIAPIPE),
            ("odml.scaled_dot_product_attention", "tests/test_attention.py holds it against its formula", "none found"),
        )
    ),
    *(
        Broken(op, label, "xnnpack", "the delegate takes the variable and then fails on a handle of int32", None)
        for op, label in (
            ("VAR_HANDLE", "int32"),
            ("READ_VARIABLE", "float32 by int32"),
            ("READ_VARIABLE", "float16 by int32"),
            ("ASSIGN_VARIABLE", "float32 by int32"),
            ("ASSIGN_VARIABLE", "float16 by int32"),
        )
    ),
    *(
        Broken("FULLY_CONNECTED", label, "xnnpack", "the delegate reads sparse weights as dense ones", "builtin")
        for label in ("sparse float32", "sparse int8", "sparse hybrid")
    ),
    Broken("FULLY_CONNECTED", "blocks of int4", "reference", "takes the scales for 0", "builtin"),
    *(
        Broken(op, "bool", kernels, "the optimized kernels refuse bool, the reference kernels take it", "reference")
        for op in ("REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "SUM")
        for kernels in ("builtin", "xnnpack")
    ),
    *(
        Broken("BROADCAST_TO", "int4", kernels, "writes int4 values one a byte, past the end", None)
        for kernels in ("reference", "builtin", "xnnpack")
    ),
    Broken(
        "GELU",
        "float16",
        "xnnpack",
        "the approximate one's tanh never reaches -1, so that GELU(-72) is -0.0176",
        "builtin",
    ),
    Broken("DENSIFY", "*", "xnnpack", "the delegate takes it and fails where its output is the model's", "builtin"),
    Broken("SEGMENT_SUM", "*", "reference", "BUILTIN_REF does not register it", "builtin"),
    Broken("STABLEHLO_AND", "*", "reference", "BUILTIN_REF does not register it", "builtin"),
    Broken("STABLEHLO_SHIFT_LEFT", "*", "reference", "BUILTIN_REF does not register it", "builtin"),
)


@dataclass(frozen=True)
class Abort:
    """Valid models of ``op`` with ``label`` (or "*") that end a runtime's process: which, in words and as a test of the
    node, and the thread that says so.

    TFLite Micro is never asked about one of them. LiteRT is, and compared where its process survives."""

    op: str
    label: str
    what: str
    when: Callable[[Node], bool]
    runtime: str = "tflm"
    thread: str = "none found"


def _has_5_dimensions(node: Node) -> bool:
    return any(t is not None and t.rank > 4 for t in node.inputs)


def _has_no_bias(node: Node) -> bool:
    return node.inputs[3] is None


def _has_scale_of_1_or_more(node: Node) -> bool:
    return any(t is not None and t.quantized and t.scale >= 1 for t in node.inputs)


def _has_scale_of_1(node: Node) -> bool:
    return any(t is not None and t.quantized and t.scale == 1 for t in node.inputs)


def _has_fine_squares(node: Node) -> bool:
    largest = max(t.scale for t in node.inputs if t is not None)
    return 4 * largest**2 / (2**14 * node.outputs[0].scale) >= 1


COMPARISONS = ("EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL")

ABORTS: tuple[Abort, ...] = (
    Abort("PRELU", "float32", "5 dimensions", _has_5_dimensions),
    Abort("SVDF", "*", "no bias", _has_no_bias),
    *(Abort(op, "int8", "an operand's scale is 1 or more", _has_scale_of_1_or_more) for op in COMPARISONS),
    *(
        Abort(op, label, "an operand's scale is exactly 1", _has_scale_of_1, "litert", _MULTIPLIERS)
        for op in COMPARISONS
        for label in ("int8", "uint8", *(("int16",) if op in ("EQUAL", "NOT_EQUAL") else ()))
    ),
    Abort(
        "SQUARED_DIFFERENCE",
        "int8",
        "4 * max(s1, s2)**2 / (2**14 * s_output) is 1 or more",
        _has_fine_squares,
        "litert",
        _MULTIPLIERS,
    ),
)


def aborts(one: OneOperator, runtime: str) -> bool:
    """Whether a drawn model is one that ends a runtime's process."""
    return any(
        (a.op, a.runtime) == (one.node.op, runtime) and a.label in (one.definition.label, "*") and a.when(one.node)
        for a in ABORTS
    )


def stand_in(op: str, label: str, kernels: str) -> str | None:
    """The oracle mode to compare with: the set's own, another one, or None."""
    for entry in BROKEN:
        if entry.op == op and entry.label in (label, "*") and entry.kernels == kernels:
            return entry.instead
    return kernels
