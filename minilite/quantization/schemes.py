"""What a static scheme turns float32 into, and which operators it leaves alone.

The rows say which types an operator has kernels for; a scheme says which of them are wanted, whose formulas make scales
and integers, and which operators stay float though they could be integers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

import numpy as np

from minilite.quantization.graph import Graph, Node, Use
from minilite.quantization.numbers import LITERT, TFLITE, TFLITE_16, Numbers
from minilite.quantization.recurrent import OPERAND_TYPES, layer_refusal


def _words(text: str) -> list[str]:
    return text.split()


_NOT_BY_CONVERTER = "TFLiteConverter leaves it float"
_RAW = "its kernels move or count integers without regard to scales"
_STATE = "its state would have to be quantized, too"

_NEVER: dict[str, str] = {
    "ASSIGN_VARIABLE": _STATE,
    "BIDIRECTIONAL_SEQUENCE_LSTM": "it has float and hybrid kernels only",
    "BIDIRECTIONAL_SEQUENCE_RNN": "it has float and hybrid kernels only",
    "CAST": "it would cast the integers",
    "DENSIFY": _RAW,
    "DEQUANTIZE": "it already turns integers into reals",
    "EMBEDDING_LOOKUP": _NOT_BY_CONVERTER,
    "FILL": _RAW,
    "HASHTABLE_LOOKUP": _RAW,
    "IF": "its subgraphs take reals",
    "LSH_PROJECTION": _RAW,
    "LSTM": "it has float and hybrid kernels only in LiteRT's present format",
    "NumericVerify": "it compares with reals",
    "ONE_HOT": _RAW,
    "QUANTIZE": "it already turns reals into integers",
    "READ_VARIABLE": _STATE,
    "RNN": "it has float and hybrid kernels only",
    "SPARSE_TO_DENSE": _RAW,
    "UNIDIRECTIONAL_SEQUENCE_RNN": "it has float and hybrid kernels only",
    "UNIQUE": _RAW,
    "WHERE": _RAW,
    "WHILE": "its subgraphs take reals",
    "ZEROS_LIKE": _RAW,
}
_FLOAT_IN_INT8 = dict.fromkeys(
    _words(
        "ADD_N ATAN2 CEIL CONV_3D COS CUMSUM DILATE DYNAMIC_UPDATE_SLICE ELU FLOOR FLOOR_DIV FLOOR_MOD MATRIX_DIAG "
        "MATRIX_SET_DIAG NEG POW RELU_0_TO_1 ROUND SCATTER_ND SIGN SIN SQUARE STABLEHLO_GATHER STABLEHLO_PAD "
        "STABLEHLO_SCATTER"
    ),
    _NOT_BY_CONVERTER,
)
_LITERT_INT8 = frozenset(
    _words(
        "ADD AVERAGE_POOL_2D BATCH_MATMUL BROADCAST_TO CONCATENATION CONV_2D DEPTHWISE_CONV_2D DIV "
        "DYNAMIC_UPDATE_SLICE EQUAL FULLY_CONNECTED GATHER GATHER_ND GELU HARD_SWISH LOGISTIC MAXIMUM "
        "MAX_POOL_2D MEAN MIRROR_PAD MUL NOT_EQUAL PACK PAD PADV2 REDUCE_MIN RELU RESHAPE RESIZE_BILINEAR "
        "RESIZE_NEAREST_NEIGHBOR RSQRT SELECT SELECT_V2 SLICE SOFTMAX SPACE_TO_DEPTH SPLIT SQRT "
        "SQUARED_DIFFERENCE STRIDED_SLICE SUB SUM TANH TRANSPOSE TRANSPOSE_CONV UNPACK"
    )
)


@dataclass(frozen=True, eq=False)
class Scheme:
    """A static scheme. ``activations`` and ``bias`` are types; weights have ``weight_bits``.

    ``pushes`` says how operands that must share a scale come to do so. True: the result's range, or the first known
    one, is pushed up into whoever computes the operands, as TFLiteConverter does for int8, and costs one rounding.
    False: every tensor keeps its own range and is requantized in front of the operator, as TFLiteConverter does for
    int16 and litert-quantizer always; ``meets_halfway`` spares that where nobody else reads the operand, as
    litert-quantizer does. ``adjusts_bias`` names what is done about a bias that its scale does not suffice
    for (:data:`minilite.quantization.operands.ADJUSTMENTS`). ``float_`` gives the reason for operators that stay float;
    with ``only``, all others do. ``otherwise`` is the scheme of nodes whose weights have no kernel in ``weight_bits``,
    and of those without weights."""

    name: str
    activations: str
    bias: str
    numbers: Numbers = TFLITE
    weight_bits: int = 8
    pushes: bool = False
    meets_halfway: bool = False
    adjusts_bias: str = ""
    float_: Mapping[str, str] = field(default_factory=dict)
    only: frozenset[str] | None = None
    otherwise: Scheme | None = None

    @property
    def family(self) -> Hashable:
        """What nodes have in common whose operands and results may share grids, whatever their weights are."""
        return id(self.numbers), self.activations, self.pushes, self.meets_halfway

    def settled(self, graph: Graph, node: Node) -> Scheme:
        """The scheme for a node: this one, or ``otherwise``."""
        other = self.otherwise
        if other is None or (self.refusal(graph, node) is None and self.types(graph, node) != other.types(graph, node)):
            return self
        return other

    def refusal(self, graph: Graph, node: Node) -> str | None:
        """Why a node that holds floats stays float; None if it can be quantized."""
        if node.row is None or node.row.custom:
            return "minilite knows no integer kernel of it"
        if node.name in self.float_:
            return self.float_[node.name]
        if self.only is not None and node.name not in self.only:
            return "litert-quantizer leaves it float"
        for use in graph.floats(node.inputs):
            if use.operand.role == "bias" and use.tensor not in graph.constants:
                return "its bias is computed, not constant"
            if use.operand.role == "weight" and use.tensor not in graph.constants and node.name != "FULLY_CONNECTED":
                return f"its {use.operand.name} is computed, not constant"
            if use.operand.role not in ("weight", "bias") and not np.isfinite(graph.constants.get(use.tensor, 0)).all():
                return f"its {use.operand.name} holds infinities"
        if (reason := layer_refusal(node)) is not None:
            return reason
        types = self.types(graph, node)
        if not node.row.has_kernel(*types):
            return f"there is no {self.activations} kernel ({_listed(types)})"
        return None

    def types(self, graph: Graph, node: Node) -> tuple[list[str | None], list[str]]:
        """The types of a quantized node's operands, None for absent ones, and results."""
        inputs: list[str | None] = [None] * len(node.operator.inputs or ())
        for use in node.inputs:
            inputs[use.position] = self._type(graph, node, use)
        return inputs, [self._type(graph, node, u) for u in node.outputs]

    def _type(self, graph: Graph, node: Node, use: Use) -> str:
        if not graph.is_float(use.tensor):
            return str(graph.subgraph.tensors[use.tensor].type).lower()
        special = OPERAND_TYPES.get(node.name, {}).get(use.operand.name)
        if special is not None:
            return special
        if use.operand.role == "weight" and use.tensor in graph.constants:
            return f"int{self.weight_bits}"
        return self.bias if use.operand.role == "bias" else self.activations


def _listed(types: tuple[list[str | None], list[str]]) -> str:
    inputs, outputs = types
    return f"{' '.join(t or 'none' for t in inputs)} -> {' '.join(outputs)}"


INT8 = Scheme("int8", "int8", "int32", pushes=True, adjusts_bias="both", float_=_NEVER | _FLOAT_IN_INT8)
INT16X8 = Scheme("int16x8", "int16", "int64", TFLITE_16, adjusts_bias="weights first", float_=_NEVER)
INT8X4 = dataclasses.replace(INT8, name="int8x4", weight_bits=4, otherwise=INT8)
STATIC = {scheme.name: scheme for scheme in (INT8, INT16X8, INT8X4)}


def as_litert(scheme: Scheme) -> Scheme:
    """The scheme as litert-quantizer has it: its formulas, its operators, no pushing and, of 8-bit weights, no adjusted
    biases."""
    if scheme.otherwise is not None:
        scheme = dataclasses.replace(scheme, otherwise=as_litert(scheme.otherwise))
    missing = frozenset({"HARD_SWISH", "SPACE_TO_DEPTH", "SQUARED_DIFFERENCE"} if scheme is INT16X8 else ())
    only = _LITERT_INT8 - missing
    return dataclasses.replace(
        scheme,
        numbers=LITERT,
        pushes=False,
        meets_halfway=True,
        adjusts_bias="both" if scheme.weight_bits == 4 else "",
        float_=_NEVER,
        only=only,
    )
