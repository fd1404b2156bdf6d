"""Every operator there is, by name. One line here and one file beside it make an operator.

Files are imported when one of their operators is asked for: a model has a dozen kinds of the hundred and eighty.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, MutableMapping

from minilite.spec import Op


class Rows(MutableMapping[str, Op]):
    """Rows by operator name, from a table of ``file.ROW``."""

    def __init__(self, places: dict[str, str]):
        self._places = places
        self._rows: dict[str, Op] = {}

    def __getitem__(self, name: str) -> Op:
        if name not in self._rows:
            file, row = self._places[name].split(".")
            self._rows[name] = getattr(importlib.import_module(f"minilite.ops.{file}"), row)
        return self._rows[name]

    def __setitem__(self, name: str, row: Op) -> None:
        self._places.setdefault(name, "")
        self._rows[name] = row

    def __delitem__(self, name: str) -> None:
        del self._places[name]
        self._rows.pop(name, None)

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


OPS = Rows({
    "ABS": "abs.ABS",
    "ADD": "add.ADD",
    "ADD_N": "add_n.ADD_N",
    "ARG_MAX": "arg_max.ARG_MAX",
    "ARG_MIN": "arg_max.ARG_MIN",
    "ASSIGN_VARIABLE": "variables.ASSIGN_VARIABLE",
    "ATAN2": "atan2.ATAN2",
    "AVERAGE_POOL_2D": "pool.AVERAGE_POOL_2D",
    "AudioSpectrogram": "audio_spectrogram.AUDIO_SPECTROGRAM",
    "BATCH_MATMUL": "batch_matmul.BATCH_MATMUL",
    "BATCH_TO_SPACE_ND": "space_to_batch_nd.BATCH_TO_SPACE_ND",
    "BIDIRECTIONAL_SEQUENCE_LSTM": "bidirectional_sequence_lstm.BIDIRECTIONAL_SEQUENCE_LSTM",
    "BIDIRECTIONAL_SEQUENCE_RNN": "rnn.BIDIRECTIONAL_SEQUENCE_RNN",
    "BITCAST": "bitcast.BITCAST",
    "BITWISE_XOR": "bitwise.BITWISE_XOR",
    "BROADCAST_ARGS": "broadcast_args.BROADCAST_ARGS",
    "BROADCAST_TO": "broadcast_to.BROADCAST_TO",
    "BUCKETIZE": "bucketize.BUCKETIZE",
    "CALL_ONCE": "control.CALL_ONCE",
    "CAST": "cast.CAST",
    "CEIL": "floor.CEIL",
    "COMPLEX_ABS": "complex_parts.COMPLEX_ABS",
    "CONCATENATION": "concatenation.CONCATENATION",
    "CONV_2D": "conv_2d.CONV_2D",
    "CONV_3D": "conv_3d.CONV_3D",
    "CONV_3D_TRANSPOSE": "conv_3d_transpose.CONV_3D_TRANSPOSE",
    "COS": "sin.COS",
    "CUMSUM": "cumsum.CUMSUM",
    "Convolution2DTransposeBias": "convolution_2d_transpose_bias.CONVOLUTION_2D_TRANSPOSE_BIAS",
    "DENSIFY": "densify.DENSIFY",
    "DEPTHWISE_CONV_2D": "depthwise_conv_2d.DEPTHWISE_CONV_2D",
    "DEPTH_TO_SPACE": "space_to_depth.DEPTH_TO_SPACE",
    "DEQUANTIZE": "dequantize.DEQUANTIZE",
    "DILATE": "dilate.DILATE",
    "DIV": "div.DIV",
    "DYNAMIC_UPDATE_SLICE": "dynamic_update_slice.DYNAMIC_UPDATE_SLICE",
    "ELU": "elu.ELU",
    "EMBEDDING_LOOKUP": "embedding_lookup.EMBEDDING_LOOKUP",
    "EMBEDDING_LOOKUP_SPARSE": "embedding_lookup_sparse.EMBEDDING_LOOKUP_SPARSE",
    "EQUAL": "compare.EQUAL",
    "EXP": "exp.EXP",
    "EXPAND_DIMS": "expand_dims.EXPAND_DIMS",
    "FAKE_QUANT": "fake_quant.FAKE_QUANT",
    "FILL": "fill.FILL",
    "FLOOR": "floor.FLOOR",
    "FLOOR_DIV": "floor_div.FLOOR_DIV",
    "FLOOR_MOD": "floor_div.FLOOR_MOD",
    "FULLY_CONNECTED": "fully_connected.FULLY_CONNECTED",
    "GATHER": "gather.GATHER",
    "GATHER_ND": "gather_nd.GATHER_ND",
    "GELU": "gelu.GELU",
    "GREATER": "compare.GREATER",
    "GREATER_EQUAL": "compare.GREATER_EQUAL",
    "HARD_SWISH": "hard_swish.HARD_SWISH",
    "HASHTABLE": "hashtable.HASHTABLE",
    "HASHTABLE_FIND": "hashtable.HASHTABLE_FIND",
    "HASHTABLE_IMPORT": "hashtable.HASHTABLE_IMPORT",
    "HASHTABLE_LOOKUP": "hashtable_lookup.HASHTABLE_LOOKUP",
    "HASHTABLE_SIZE": "hashtable.HASHTABLE_SIZE",
    "IF": "control.IF",
    "IMAG": "complex_parts.IMAG",
    "L2_NORMALIZATION": "l2_normalization.L2_NORMALIZATION",
    "L2_POOL_2D": "pool.L2_POOL_2D",
    "LEAKY_RELU": "leaky_relu.LEAKY_RELU",
    "LESS": "compare.LESS",
    "LESS_EQUAL": "compare.LESS_EQUAL",
    "LOCAL_RESPONSE_NORMALIZATION": "local_response_normalization.LOCAL_RESPONSE_NORMALIZATION",
    "LOG": "log.LOG",
    "LOGICAL_AND": "logical.LOGICAL_AND",
    "LOGICAL_NOT": "logical.LOGICAL_NOT",
    "LOGICAL_OR": "logical.LOGICAL_OR",
    "LOGISTIC": "logistic.LOGISTIC",
    "LOG_SOFTMAX": "log_softmax.LOG_SOFTMAX",
    "LSH_PROJECTION": "lsh_projection.LSH_PROJECTION",
    "LSTM": "lstm.LSTM",
    "MATRIX_DIAG": "matrix_diag.MATRIX_DIAG",
    "MATRIX_SET_DIAG": "matrix_diag.MATRIX_SET_DIAG",
    "MAXIMUM": "maximum.MAXIMUM",
    "MAX_POOL_2D": "pool.MAX_POOL_2D",
    "MEAN": "mean.MEAN",
    "MINIMUM": "maximum.MINIMUM",
    "MIRROR_PAD": "pad.MIRROR_PAD",
    "MUL": "mul.MUL",
    "MULTINOMIAL": "random_numbers.MULTINOMIAL",
    "MaxPoolingWithArgmax2D": "max_pooling_with_argmax_2d.MAX_POOLING_WITH_ARGMAX_2D",
    "MaxUnpooling2D": "max_pooling_with_argmax_2d.MAX_UNPOOLING_2D",
    "Mfcc": "mfcc.MFCC",
    "NEG": "neg.NEG",
    "NON_MAX_SUPPRESSION_V4": "non_max_suppression.NON_MAX_SUPPRESSION_V4",
    "NON_MAX_SUPPRESSION_V5": "non_max_suppression.NON_MAX_SUPPRESSION_V5",
    "NOT_EQUAL": "compare.NOT_EQUAL",
    "NumericVerify": "numeric_verify.NUMERIC_VERIFY",
    "ONE_HOT": "one_hot.ONE_HOT",
    "PACK": "pack.PACK",
    "PAD": "pad.PAD",
    "PADV2": "pad.PADV2",
    "POW": "pow.POW",
    "PRELU": "prelu.PRELU",
    "QUANTIZE": "quantize.QUANTIZE",
    "RANDOM_STANDARD_NORMAL": "random_numbers.RANDOM_STANDARD_NORMAL",
    "RANDOM_UNIFORM": "random_numbers.RANDOM_UNIFORM",
    "RANGE": "range.RANGE",
    "RANK": "shape.RANK",
    "READ_VARIABLE": "variables.READ_VARIABLE",
    "REAL": "complex_parts.REAL",
    "REDUCE_ALL": "reduce.REDUCE_ALL",
    "REDUCE_ANY": "reduce.REDUCE_ANY",
    "REDUCE_MAX": "reduce.REDUCE_MAX",
    "REDUCE_MIN": "reduce.REDUCE_MIN",
    "REDUCE_PROD": "reduce.REDUCE_PROD",
    "REDUCE_WINDOW": "reduce_window.REDUCE_WINDOW",
    "RELU": "relu.RELU",
    "RELU6": "relu.RELU6",
    "RELU_0_TO_1": "relu.RELU_0_TO_1",
    "RELU_N1_TO_1": "relu.RELU_N1_TO_1",
    "RESHAPE": "reshape.RESHAPE",
    "RESIZE_BILINEAR": "resize_bilinear.RESIZE_BILINEAR",
    "RESIZE_NEAREST_NEIGHBOR": "resize_nearest_neighbor.RESIZE_NEAREST_NEIGHBOR",
    "REVERSE_SEQUENCE": "reverse.REVERSE_SEQUENCE",
    "REVERSE_V2": "reverse.REVERSE_V2",
    "RFFT2D": "rfft2d.RFFT2D",
    "RIGHT_SHIFT": "bitwise.RIGHT_SHIFT",
    "RNN": "rnn.RNN",
    "ROUND": "floor.ROUND",
    "RSQRT": "sqrt.RSQRT",
    "SCATTER_ND": "scatter_nd.SCATTER_ND",
    "SEGMENT_SUM": "segment_sum.SEGMENT_SUM",
    "SELECT": "select.SELECT",
    "SELECT_V2": "select.SELECT_V2",
    "SHAPE": "shape.SHAPE",
    "SIGN": "floor.SIGN",
    "SIN": "sin.SIN",
    "SKIP_GRAM": "skip_gram.SKIP_GRAM",
    "SLICE": "slice.SLICE",
    "SOFTMAX": "softmax.SOFTMAX",
    "SPACE_TO_BATCH_ND": "space_to_batch_nd.SPACE_TO_BATCH_ND",
    "SPACE_TO_DEPTH": "space_to_depth.SPACE_TO_DEPTH",
    "SPARSE_TO_DENSE": "scatter_nd.SPARSE_TO_DENSE",
    "SPLIT": "split.SPLIT",
    "SPLIT_V": "split.SPLIT_V",
    "SQRT": "sqrt.SQRT",
    "SQUARE": "square.SQUARE",
    "SQUARED_DIFFERENCE": "squared_difference.SQUARED_DIFFERENCE",
    "SQUEEZE": "squeeze.SQUEEZE",
    "STABLEHLO_ADD": "stablehlo_elementwise.STABLEHLO_ADD",
    "STABLEHLO_AND": "stablehlo_elementwise.STABLEHLO_AND",
    "STABLEHLO_CASE": "control.STABLEHLO_CASE",
    "STABLEHLO_COMPOSITE": "control.STABLEHLO_COMPOSITE",
    "STABLEHLO_GATHER": "stablehlo_gather.STABLEHLO_GATHER",
    "STABLEHLO_MAXIMUM": "stablehlo_elementwise.STABLEHLO_MAXIMUM",
    "STABLEHLO_MINIMUM": "stablehlo_elementwise.STABLEHLO_MINIMUM",
    "STABLEHLO_MULTIPLY": "stablehlo_elementwise.STABLEHLO_MULTIPLY",
    "STABLEHLO_PAD": "stablehlo_pad.STABLEHLO_PAD",
    "STABLEHLO_REDUCE_WINDOW": "stablehlo_reduce_window.STABLEHLO_REDUCE_WINDOW",
    "STABLEHLO_RNG_BIT_GENERATOR": "stablehlo_rng_bit_generator.STABLEHLO_RNG_BIT_GENERATOR",
    "STABLEHLO_SCATTER": "stablehlo_scatter.STABLEHLO_SCATTER",
    "STABLEHLO_SHIFT_LEFT": "stablehlo_elementwise.STABLEHLO_SHIFT_LEFT",
    "STRIDED_SLICE": "strided_slice.STRIDED_SLICE",
    "SUB": "add.SUB",
    "SUM": "mean.SUM",
    "SVDF": "svdf.SVDF",
    "TANH": "logistic.TANH",
    "TFLite_Detection_PostProcess": "detection_postprocess.TFLITE_DETECTION_POSTPROCESS",
    "TILE": "tile.TILE",
    "TOPK_V2": "topk_v2.TOPK_V2",
    "TRANSPOSE": "transpose.TRANSPOSE",
    "TRANSPOSE_CONV": "transpose_conv.TRANSPOSE_CONV",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "lstm.UNIDIRECTIONAL_SEQUENCE_LSTM",
    "UNIDIRECTIONAL_SEQUENCE_RNN": "rnn.UNIDIRECTIONAL_SEQUENCE_RNN",
    "UNIQUE": "unique.UNIQUE",
    "UNPACK": "pack.UNPACK",
    "UNSORTED_SEGMENT_MAX": "segment_sum.UNSORTED_SEGMENT_MAX",
    "UNSORTED_SEGMENT_MIN": "segment_sum.UNSORTED_SEGMENT_MIN",
    "UNSORTED_SEGMENT_PROD": "segment_sum.UNSORTED_SEGMENT_PROD",
    "UNSORTED_SEGMENT_SUM": "segment_sum.UNSORTED_SEGMENT_SUM",
    "VAR_HANDLE": "variables.VAR_HANDLE",
    "WHERE": "where.WHERE",
    "WHILE": "control.WHILE",
    "ZEROS_LIKE": "zeros_like.ZEROS_LIKE",
    "aeq.hadamard_rotation": "hadamard_rotation.HADAMARD_ROTATION",
    "odml.scaled_dot_product_attention": "scaled_dot_product_attention.SCALED_DOT_PRODUCT_ATTENTION",
})  # fmt: skip
