"""What TFLite Micro has: the operators of its resolver, their types, and what must stand in the file.

Read from and measured with the package ``tflite-micro`` 0.dev20261023182759 (reference kernels, host build of x86-64).
An operator that is not in :data:`KERNELS` is unsupported in kernel set ``tflm``. Every shape is the file's own: TFLite
Micro works out none.

A pattern reads like :class:`minilite.spec.Definition`'s types, operand by operand: ``|`` separates alternatives,
``any`` is whatever the row has, and operands that are left off at the end are ``any``.
"""

from __future__ import annotations

from dataclasses import dataclass

from minilite.errors import OperatorError
from minilite.spec import Definition, Node, Op

PACKAGE = "tflite-micro 0.dev20261023182759"


@dataclass(frozen=True)
class Kernel:
    """One operator of TFLite Micro.

    types: a pattern, or several. without: labels of definitions that fit a pattern and are refused all the same.
    constant: operands that must be constants of the file. rank: the most dimensions of an operand that holds data.
    unread: options that are taken for 0 whatever the file says, and are refused if they are not. each_dimension:
    operands that are read as if they had an element for each dimension of the first one, and are refused otherwise.
    """

    types: str | tuple[str, ...]
    without: tuple[str, ...] = ()
    constant: tuple[str, ...] = ()
    rank: int | None = None
    unread: tuple[str, ...] = ()
    each_dimension: tuple[str, ...] = ()

    @property
    def patterns(self) -> tuple[str, ...]:
        return (self.types,) if isinstance(self.types, str) else self.types


_COMPARED = "float32|int32|int64|int8"
_MOVED = "float32|int8|int16|int32|int64|bool"

KERNELS: dict[str, Kernel] = {
    "ABS": Kernel("float32|int8|int16"),
    "ADD": Kernel("float32|int8|int16|int32", without=("plain int16",)),
    "ADD_N": Kernel("float32|int8"),
    "ARG_MAX": Kernel("float32|int8 int32 -> int32"),
    "ARG_MIN": Kernel("float32|int8 int32 -> int32"),
    "ASSIGN_VARIABLE": Kernel("any"),
    "AVERAGE_POOL_2D": Kernel("float32|int8|int16"),
    "BATCH_MATMUL": Kernel(("float32 float32", "int8 int8 -> int8", "int16 int16")),
    "BATCH_TO_SPACE_ND": Kernel("float32|int8", rank=4),
    "BROADCAST_ARGS": Kernel("any"),
    "BROADCAST_TO": Kernel("any", constant=("shape",), rank=5, without=("int4",)),
    "CALL_ONCE": Kernel("any"),
    "CAST": Kernel("float32|int8|int16|int32|uint32|bool -> float32|int8|int16|int32|uint32|bool"),
    "CEIL": Kernel("float32"),
    "CONCATENATION": Kernel(_MOVED),
    "CONV_2D": Kernel(("float32 float32", "int8 int8|int4", "int16 int8")),
    "COS": Kernel("float32"),
    "CUMSUM": Kernel("float32|int8"),
    "DEPTHWISE_CONV_2D": Kernel(("float32 float32", "int8 int8|int4", "int16 int8")),
    "DEPTH_TO_SPACE": Kernel("float32|int8"),
    "DEQUANTIZE": Kernel("int8|int16|uint8"),
    "DIV": Kernel("float32|int8|int32"),
    "DYNAMIC_UPDATE_SLICE": Kernel("float32|int8|int16|int32"),
    "ELU": Kernel("float32|int8"),
    "EMBEDDING_LOOKUP": Kernel(("any float32", "any int8 -> int8|float32")),
    "EQUAL": Kernel(f"{_COMPARED}|bool"),
    "EXP": Kernel("float32"),
    "EXPAND_DIMS": Kernel("float32|int8|int16 int32", constant=("axis",)),
    "FILL": Kernel("any float32|int8|int32", constant=("dims",)),
    "FLOOR": Kernel("float32"),
    "FLOOR_DIV": Kernel("float32"),
    "FLOOR_MOD": Kernel("float32"),
    "FULLY_CONNECTED": Kernel(
        ("float32 float32", "int8 int8|int4", "int16 int8"), without=("sparse float32", "sparse int8")
    ),
    "GATHER": Kernel("float32|int8 int32"),
    "GATHER_ND": Kernel("float32|int8 int32"),
    "GREATER": Kernel(_COMPARED),  # it runs int16, too, with multipliers that nothing sets
    "GREATER_EQUAL": Kernel(_COMPARED),
    "HARD_SWISH": Kernel("float32|int8"),
    "IF": Kernel("any"),
    "L2_NORMALIZATION": Kernel("float32|int8", rank=4),
    "L2_POOL_2D": Kernel("float32"),
    "LEAKY_RELU": Kernel("float32|int8|int16"),
    "LESS": Kernel(_COMPARED),
    "LESS_EQUAL": Kernel(_COMPARED),
    "LOG": Kernel("float32"),
    "LOGICAL_AND": Kernel("bool"),
    "LOGICAL_NOT": Kernel("bool"),
    "LOGICAL_OR": Kernel("bool"),
    "LOGISTIC": Kernel("float32|int8|int16"),
    "LOG_SOFTMAX": Kernel("float32|int8"),
    "MAXIMUM": Kernel("float32|int8|int16|int32|int64"),
    "MAX_POOL_2D": Kernel("float32|int8|int16"),
    "MEAN": Kernel("float32|int8|int16"),
    "MINIMUM": Kernel("float32|int8|int16|int32|int64"),
    "MIRROR_PAD": Kernel("float32|int8"),
    "MUL": Kernel(("float32|int32", "int8 int8 -> int8", "int16 int16 -> int16"), without=("plain int16",)),
    "NEG": Kernel("float32"),
    "NOT_EQUAL": Kernel(f"{_COMPARED}|bool"),
    "PACK": Kernel("float32|int8|int16|int32|int64"),
    "PAD": Kernel("float32|int8|int16|int32 int32", constant=("paddings",), rank=5),
    "PADV2": Kernel("float32|int8|int16|int32 int32", constant=("paddings",), rank=5),
    "PRELU": Kernel("float32|int8|int16"),
    "QUANTIZE": Kernel(
        ("float32|int16 -> int8|int16|int32", "int8 -> int8|int16|int32|uint8", "int32 -> int8|int16", "uint8 -> int8")
    ),
    "READ_VARIABLE": Kernel("any"),
    "REDUCE_ALL": Kernel("bool"),
    "REDUCE_MAX": Kernel("float32|int8"),
    "REDUCE_MIN": Kernel("float32|int8"),
    "RELU": Kernel("float32|int8|int16"),
    "RELU6": Kernel("float32|int8|int16"),
    "RESHAPE": Kernel("any", without=("int4",)),
    "RESIZE_BILINEAR": Kernel("float32|int8", constant=("size",)),
    "RESIZE_NEAREST_NEIGHBOR": Kernel("float32|int8|int16", constant=("size",)),
    "REVERSE_V2": Kernel(f"{_MOVED}|uint8"),
    "ROUND": Kernel("float32"),
    "RSQRT": Kernel("float32|int8|int16"),
    "SELECT_V2": Kernel("any float32|int8|int16"),
    "SHAPE": Kernel("any -> int32", without=("int4",)),
    "SIN": Kernel("float32"),
    "SLICE": Kernel("float32|int8|int16|int32|bool", rank=5),
    "SOFTMAX": Kernel(("float32", "int8 -> int8|int16", "int16")),
    "SPACE_TO_BATCH_ND": Kernel("float32|int8", rank=4),
    "SPACE_TO_DEPTH": Kernel("float32|int8"),
    "SPLIT": Kernel("int32 float32|int8|int16|int32", constant=("axis",)),
    "SPLIT_V": Kernel("float32|int8|int16|int32", constant=("axis",)),
    "SQRT": Kernel("float32"),
    "SQUARE": Kernel("float32"),
    "SQUARED_DIFFERENCE": Kernel("float32|int8|int32"),
    "SQUEEZE": Kernel("any", without=("int4",)),
    "STRIDED_SLICE": Kernel(
        "float32|int8|int16|int32|bool",
        constant=("begin", "end", "strides"),
        rank=4,
        unread=("ellipsis_mask", "new_axis_mask", "offset"),
        each_dimension=("begin", "end", "strides"),
    ),
    "SUB": Kernel("float32|int8|int16|int32"),
    "SUM": Kernel("float32|int8|int16"),
    "SVDF": Kernel(("float32 float32", "int8")),
    "TANH": Kernel("float32|int8|int16"),
    "TRANSPOSE": Kernel("float32|int8|int16", constant=("perm",), rank=5),
    "TRANSPOSE_CONV": Kernel("any any float32|int8|int16", without=("hybrid int8", "int16 bias32")),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Kernel(("float32 any float32", "int8 any int8")),
    "UNPACK": Kernel("float32|int8|int16|int32"),
    "VAR_HANDLE": Kernel("any"),
    "WHILE": Kernel("any"),
    "ZEROS_LIKE": Kernel("float32|int32|int64"),
}
"""The operators that kernel set ``tflm`` computes. TFLite Micro has more: the custom TFLite_Detection_PostProcess
(:data:`WRONG`), signal processing, compression and Ethos-U."""


WRONG = {
    ("FULLY_CONNECTED", "sparse float32"): "reads the values that are stored as if they were all",
    ("FULLY_CONNECTED", "sparse int8"): "reads the values that are stored as if they were all",
    ("GREATER", "int16"): "compares by multipliers that nothing sets",
    ("MUL", "int16 to uint8"): "leaves the output as it was",
    ("MUL", "plain int16"): "rescales by scales of 0",
    (
        "TFLite_Detection_PostProcess",
        "float32",
    ): "misplaces a second class of a detection, or ends the process",
    ("TRANSPOSE_CONV", "int16 bias32"): "reads an int32 bias as int64, past its end",
}
"""Combinations of types that TFLite Micro runs without an error, and what it does. :data:`KERNELS` leaves them out."""


UNKNOWN = {"string", "bfloat16", "int2", "uint4", "float8_e4m3fn", "float8_e5m2"}
"""Types that TFLite Micro has in no tensor."""


def takes(op: str, definition: Definition) -> bool:
    """Whether TFLite Micro has a kernel for this combination of types."""
    kernel = KERNELS.get(op)
    types = {t.rstrip("?*") for t in (*definition.input_types, *definition.output_types)}
    if kernel is None or definition.label in kernel.without or types & UNKNOWN:
        return False
    return any(_fits(pattern, definition) for pattern in kernel.patterns)


def _fits(pattern: str, definition: Definition) -> bool:
    inputs, _, outputs = pattern.partition("->")
    return _alike(inputs, definition.input_types) and _alike(outputs, definition.output_types)


def _alike(pattern: str, types: tuple[str, ...]) -> bool:
    wanted = (word.split("|") for word in pattern.split())
    return all("any" in words or t.rstrip("?*") in words for words, t in zip(wanted, types, strict=False))


def check(op: Op, node: Node, definition: Definition) -> None:
    """Raise :class:`OperatorError` unless TFLite Micro prepares a node like this."""
    if not takes(op.name, definition):
        there = ", ".join(dict.fromkeys(d.label for d in op.definitions if takes(op.name, d)))
        raise OperatorError(f"TFLite Micro has no kernel for {definition.types}; of this row it has: {there}.")
    for position, output in enumerate(node.outputs):
        computed = definition.output_type(position, output.type)
        output.need(computed == output.type, f"type {computed} (TFLite Micro keeps the file's)", output.type)
    kernel = KERNELS[op.name]
    for option in kernel.unread:
        node.need(not node.options[option], f"{option} 0 (TFLite Micro does not read it)", node.options[option])
    for position, tensor in enumerate(node.inputs):
        operand = op.operand(position)
        if tensor is None:
            continue
        tensor.need(operand.name not in kernel.constant or tensor.constant, "a constant of the file", "a computed one")
        dense = tensor.sparsity is None and tensor.block_scales is None
        tensor.need(dense, "a dense tensor without scales of blocks (TFLite Micro)", "a sparse or blockwise one")
        fits = kernel.rank is None or operand.role == "parameter" or tensor.rank <= kernel.rank
        tensor.need(fits, f"at most {kernel.rank} dimensions (TFLite Micro)", tensor.shape)
        if operand.name in kernel.each_dimension and node.inputs[0] is not None:
            rank = node.inputs[0].rank
            tensor.need(tensor.shape == (rank,), f"{rank} elements, one a dimension (TFLite Micro)", tensor.shape)
