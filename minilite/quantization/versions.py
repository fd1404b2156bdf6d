"""The operator versions that quantized files need.

A version says from which LiteRT on an operator has a kernel for the types and options a file uses. A quantized operator
keeps its float version where that is higher, because its options (``half_pixel_centers``, groups, more than four
dimensions) stay.

Source: LiteRT's tools/versioning/op_version.cc, held against LiteRT's registrations by tests/test_versions.py and
against the files of TFLiteConverter by tests/test_quantizer_parity.py.
"""

from __future__ import annotations

from collections.abc import Mapping

_OF_8_AND_16_BITS: Mapping[str, tuple[int, int]] = {
    "ABS": (2, 3),
    "ADD": (2, 3),
    "ARG_MAX": (2, 2),
    "ARG_MIN": (2, 2),
    "AVERAGE_POOL_2D": (2, 3),
    "BATCH_MATMUL": (2, 3),
    "BATCH_TO_SPACE_ND": (2, 4),
    "BROADCAST_TO": (3, 3),
    "CONCATENATION": (2, 3),
    "CONV_2D": (3, 3),
    "DEPTH_TO_SPACE": (2, 2),
    "DEPTHWISE_CONV_2D": (3, 3),
    "DEQUANTIZE": (2, 3),
    "EQUAL": (2, 5),
    "EXP": (2, 2),
    "FULLY_CONNECTED": (4, 4),
    "GATHER": (2, 4),
    "GATHER_ND": (1, 3),
    "GELU": (2, 2),
    "GREATER": (2, 2),
    "GREATER_EQUAL": (2, 3),
    "L2_NORMALIZATION": (2, 2),
    "LEAKY_RELU": (1, 2),
    "LESS": (2, 3),
    "LESS_EQUAL": (2, 2),
    "LOG": (2, 2),
    "LOGISTIC": (2, 3),
    "LOG_SOFTMAX": (2, 2),
    "MAXIMUM": (2, 4),
    "MAX_POOL_2D": (2, 3),
    "MEAN": (2, 3),
    "MINIMUM": (2, 4),
    "MIRROR_PAD": (2, 3),
    "MUL": (2, 4),
    "NOT_EQUAL": (2, 4),
    "PACK": (2, 3),
    "PAD": (2, 3),
    "PADV2": (2, 3),
    "QUANTIZE": (1, 2),
    "REDUCE_MAX": (2, 3),
    "REDUCE_MIN": (2, 3),
    "REDUCE_PROD": (2, 2),
    "RELU": (2, 3),
    "RELU6": (2, 3),
    "RESIZE_BILINEAR": (2, 4),
    "RESIZE_NEAREST_NEIGHBOR": (2, 4),
    "REVERSE_V2": (3, 3),
    "RSQRT": (2, 3),
    "SELECT": (2, 2),
    "SLICE": (2, 4),
    "SOFTMAX": (2, 3),
    "SPACE_TO_BATCH_ND": (2, 4),
    "SPACE_TO_DEPTH": (2, 2),
    "SPLIT": (2, 4),
    "SPLIT_V": (2, 2),
    "SQRT": (2, 2),
    "SQUARED_DIFFERENCE": (2, 2),
    "STRIDED_SLICE": (2, 4),
    "SUB": (2, 5),
    "SUM": (2, 2),
    "SVDF": (3, 3),
    "TANH": (2, 3),
    "TILE": (3, 3),
    "TOPK_V2": (2, 3),
    "TRANSPOSE": (2, 5),
    "TRANSPOSE_CONV": (3, 3),
    "UNPACK": (2, 4),
}
"""The least version for int8, and for int16 activations; operators that are not listed have one version for all."""


_OF_4_BIT_WEIGHTS: Mapping[str, int] = {"CONV_2D": 7, "DEPTHWISE_CONV_2D": 7, "FULLY_CONNECTED": 10}
"""The least version for int8 activations with int4 weights."""


_OF_16_BIT_WEIGHTS = 7
_OF_BIAS_TYPE = 11
"""The least versions of FULLY_CONNECTED with computed int16 weights, and with the option ``quantized_bias_type``, which
older runtimes do not read: LiteRT's tool lets 7 do for both."""


def version(name: str, activations: str, present: int, weight_bits: int = 8, bias_type: bool = False) -> int:
    """The version of an operator whose float form has version ``present``, with int8 or int16 activations; with
    ``bias_type`` the option ``quantized_bias_type`` is set."""
    of_weights = _OF_4_BIT_WEIGHTS.get(name, 1) if weight_bits == 4 else 1
    if weight_bits == 16:
        of_weights = _OF_BIAS_TYPE if bias_type else _OF_16_BIT_WEIGHTS
    return max(present, of_weights, _OF_8_AND_16_BITS.get(name, (1, 1))[activations == "int16"])
