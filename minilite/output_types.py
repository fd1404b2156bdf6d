"""Operators of LiteRT whose kernels set their output's type, whatever the file declares.

All others compare the two and refuse, or, where nothing compares, write the type they compute into memory that is laid
out for another one. minilite refuses both. Measured on LiteRT 2.3.0, operator by operator (tests/test_output_types.py).
TFLite Micro sets no types.
"""

from __future__ import annotations

WHATEVER_THE_OPTIONS = """
ADD ADD_N BITWISE_XOR BUCKETIZE CEIL DENSIFY DEQUANTIZE DIV DYNAMIC_UPDATE_SLICE EQUAL EXP EXPAND_DIMS
FAKE_QUANT FILL FLOOR FLOOR_DIV FLOOR_MOD GATHER GATHER_ND GREATER GREATER_EQUAL LESS LESS_EQUAL LOGICAL_AND
LOGICAL_OR MATRIX_DIAG MATRIX_SET_DIAG MAXIMUM MINIMUM NEG NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5
NOT_EQUAL NumericVerify ONE_HOT POW PRELU RANGE RANK RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR RFFT2D RIGHT_SHIFT
ROUND SCATTER_ND SELECT SELECT_V2 SPARSE_TO_DENSE SPLIT SPLIT_V SQUARED_DIFFERENCE STABLEHLO_SHIFT_LEFT SUB
TFLite_Detection_PostProcess WHERE ZEROS_LIKE
"""
SETS_TYPE: dict[str, str] = {
    **dict.fromkeys(WHATEVER_THE_OPTIONS.split(), ""),
    "ARG_MAX": "output_type",
    "ARG_MIN": "output_type",
    "SHAPE": "out_type",
}
"""The option that says which type, or nothing where the inputs' types leave one only."""
