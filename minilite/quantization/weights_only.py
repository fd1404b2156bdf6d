"""Schemes that shrink weights and leave the arithmetic float: float16, 8 and 4 bits.

``float16`` is TFLiteConverter's, bit for bit: every float32 constant, biases and scalars included, becomes float16
(rounded to nearest even, saturated at ±65504) with one DEQUANTIZE at the front of its subgraph for all who read it.

``weights_int8`` and ``weights_int4`` quantize the weights of the matrix operators symmetrically, and put a DEQUANTIZE
right before the operator that reads them: litert-quantizer's ``weight_only_wi8_afp32`` and ``weight_only_wi4_afp32``,
bit for bit when asked for its numbers, LITERT. EMBEDDING_LOOKUP needs none: its kernels look up integers and give
floats.
Operators LiteRT has no 4-bit recipe for (DEPTHWISE_CONV_2D, TRANSPOSE_CONV) are float there. Here they get 8 bits
unless ``others`` says float32: next to 4-bit layers their error is nothing, and their size a quarter.

With ``arithmetic="hybrid"`` the operators that have a hybrid kernel for the integers (:data:`minilite.ops.OPS` knows)
read them as they are, and quantize their inputs to 8 bits while running: faster, with a little more error.

``block_size`` gives 4-bit matrices of FULLY_CONNECTED a float16 scale for every so many values of a row. LiteRT has
hybrid kernels for that only, for blocks of a multiple of 32 that divide the row and at least four units; they leave out
the fused activation, so it becomes an operator of its own. LiteRT's reference kernels take such scales for 0. Other
matrices keep a scale for each channel (:mod:`minilite.quantization.blocks`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from minilite import schema
from minilite.errors import ArgumentError
from minilite.model import Model, Operator, Quantization, Tensor
from minilite.ops import OPS
from minilite.quantization.blocks import divided_into, in_blocks, nearest_in_blocks
from minilite.quantization.editing import GraphEdit
from minilite.quantization.grid import packed
from minilite.quantization.numbers import Numbers
from minilite.quantization.squant import squant
from minilite.quantization.weight import Choice, Excluded, Rounded, Weight, float_edit, nearest, weight_axis, weights

WEIGHTS = {
    "FULLY_CONNECTED": 1,
    "CONV_2D": 1,
    "DEPTHWISE_CONV_2D": 1,
    "TRANSPOSE_CONV": 1,
    "BATCH_MATMUL": 1,
    "EMBEDDING_LOOKUP": 1,
}
"""The operators whose weights are quantized, and which input these are."""

NOT_IN_4_BITS = ("DEPTHWISE_CONV_2D", "TRANSPOSE_CONV")
LARGEST_HALF = np.float32(65504)


def float16(model: Model, *, exclude: Excluded = ()) -> Model:
    """The model with float16 constants; see the module. Constants that an operator of ``exclude`` reads, and graph
    outputs, stay. Raises :class:`ArgumentError` when the model is already quantized or has no float constants."""
    edit = float_edit(model)
    for graph in edit.graphs:
        for tensor, values in list(graph.constants()):
            uses = [use for use in graph.uses(tensor) if (graph.index, use[0]) not in exclude]
            if not uses:
                continue
            half = np.clip(values, -LARGEST_HALF, LARGEST_HALF).astype(np.float16)
            old = graph.original.tensors[tensor]
            new = graph.requantized(tensor, uses, "float16", half.tobytes(), old.quantization or Quantization())
            graph.dequantized(new, f"{old.name}1", uses, 3, front=True)
    edit.add_metadata("reduced_precision_support", b"fp16accfp32")
    return edit.finish()


def weights_int8(
    model: Model,
    *,
    exclude: Excluded = (),
    per_channel: bool = True,
    numbers: Numbers | None = None,
    choose: Choice | None = None,
    arithmetic: str = "float",
) -> Model:
    """The model with int8 weights and float activations; see the module.

    exclude: operators to leave float, as (subgraph, operator). choose: what makes integers of a weight; by default
    :func:`minilite.quantization.squant.squant`, or, when ``numbers`` are given, what is nearest by their formulas.
    arithmetic: ``"float"`` or ``"hybrid"``.

    Raises :class:`ArgumentError` when the model is already quantized or has no float constants."""
    return _Scheme(model, 8, "int8", per_channel, numbers, choose, arithmetic).run(exclude)


def weights_int4(
    model: Model,
    *,
    exclude: Excluded = (),
    per_channel: bool = True,
    numbers: Numbers | None = None,
    choose: Choice | None = None,
    arithmetic: str = "float",
    block_size: int = 0,
    others: str = "int8",
) -> Model:
    """The model with int4 weights and float activations; see the module.

    others: ``"int8"``, ``"int4"`` or ``"float32"`` for the weights of DEPTHWISE_CONV_2D and TRANSPOSE_CONV.
    block_size: 0, or a multiple of 32. The rest as in :func:`weights_int8`.

    Raises :class:`ArgumentError` for such a value, and as :func:`weights_int8` does."""
    if others not in ("int8", "int4", "float32"):
        raise ArgumentError(f"others: expected 'int8', 'int4' or 'float32', got {others!r}.")
    if block_size < 0 or block_size % 32:
        raise ArgumentError(
            f"block_size: expected 0 or a multiple of 32, which is what kernels take, got {block_size}."
        )
    return _Scheme(model, 4, others, per_channel, numbers, choose, arithmetic, block_size).run(exclude)


def weights_of(
    model: Model,
    bits: int,
    *,
    exclude: Excluded = (),
    per_channel: bool = True,
    others: str = "int8",
    arithmetic: str = "float",
) -> list[Weight]:
    """The weights that :func:`weights_int8` (``bits`` 8) or :func:`weights_int4` (4) would quantize."""
    scheme = _Scheme(model, bits, others, per_channel, arithmetic=arithmetic)
    return [weight for graph in scheme.edit.graphs for weight in scheme.weights(graph, exclude)]


class _Scheme:
    """A model whose weights are being quantized."""

    def __init__(
        self,
        model: Model,
        bits: int,
        others: str,
        per_channel: bool,
        numbers: Numbers | None = None,
        choose: Choice | None = None,
        arithmetic: str = "float",
        block_size: int = 0,
    ):
        if arithmetic not in ("float", "hybrid"):
            raise ArgumentError(f"arithmetic: expected 'float' or 'hybrid', got {arithmetic!r}.")
        self.edit = float_edit(model)
        self.bits, self.others, self.per_channel = bits, others, per_channel
        self.numbers, self.choose = numbers, choose
        self.otherwise = squant() if numbers is None else nearest(numbers)
        self.hybrid, self.block_size = arithmetic == "hybrid", block_size

    def run(self, exclude: Excluded) -> Model:
        for graph in self.edit.graphs:
            for weight in self.weights(graph, exclude):
                if self._in_blocks(graph, weight):
                    _store_blocks(graph, weight, self._blocks(weight))
                else:
                    self._store(graph, weight, (self.choose or self.otherwise)(weight))
        return self.edit.finish()

    def weights(self, graph: GraphEdit, exclude: Excluded) -> Iterator[Weight]:
        """What is to be quantized."""
        return (dataclasses.replace(w, narrow=self.hybrid) for w in weights(graph, self.form, exclude))

    def form(self, graph: GraphEdit, operator: int, position: int) -> tuple[int | None, int] | None:
        name = graph.name(operator)
        if WEIGHTS.get(name) != position:
            return None
        width = {"int8": 8, "int4": 4, "float32": 0}[self.others] if name in NOT_IN_4_BITS else self.bits
        node = graph.original.operators[operator]
        shape = graph.original.tensors[(node.inputs or ())[position]].shape or ()
        axis = weight_axis(name, node, position, len(shape)) if self.per_channel else None
        return (axis, width) if width else None

    def _store(self, graph: GraphEdit, weight: Weight, rounded: Rounded) -> None:
        type_ = rounded.grid.type
        new = graph.requantized(
            weight.tensor, list(weight.uses), type_, packed(rounded.integers, type_), rounded.grid.quantization()
        )
        through = [use for use in weight.uses if not self._as_it_is(graph, use[0], rounded)]
        if through:
            version = 6 if type_ == "int4" else 5 if rounded.grid.axis is not None else 2
            graph.dequantized(new, f"{weight.name}_dequant", through, version)
        for operator in {i for i, _ in weight.uses} - {i for i, _ in through}:
            graph.version(operator, HYBRID_VERSION[graph.name(operator), type_])

    def _as_it_is(self, graph: GraphEdit, operator: int, rounded: Rounded) -> bool:
        """Whether the operator reads the integers itself."""
        name = graph.name(operator)
        if name == "EMBEDDING_LOOKUP":
            return True
        one_scale = rounded.grid.axis is None
        scales_fit = one_scale != (name != "BATCH_MATMUL")  # one scale there, one for each channel elsewhere
        return self.hybrid and scales_fit and has_hybrid_kernel(name, rounded.grid.type)

    def _blocks(self, weight: Weight) -> Rounded:
        """The choice, where it is one in blocks."""
        chosen = None if self.choose is None else self.choose(weight)
        if chosen is not None and chosen.block_scales is not None:
            return chosen
        return (in_blocks if self.numbers is None else nearest_in_blocks)(weight, self.block_size)

    def _in_blocks(self, graph: GraphEdit, weight: Weight) -> bool:
        names = {graph.name(i) for i, _ in weight.uses}
        return all(divided_into(self.block_size, weight.values, weight.bits, name) for name in names)


HYBRID_VERSION = {
    ("FULLY_CONNECTED", "int8"): 12,
    ("CONV_2D", "int8"): 5,
    ("DEPTHWISE_CONV_2D", "int8"): 6,
    ("TRANSPOSE_CONV", "int8"): 2,
    ("BATCH_MATMUL", "int8"): 1,
    ("EMBEDDING_LOOKUP", "int8"): 4,
    ("FULLY_CONNECTED", "int4"): 10,
    ("CONV_2D", "int4"): 7,
    ("EMBEDDING_LOOKUP", "int4"): 4,
}


def has_hybrid_kernel(name: str, type_: str) -> bool:
    """Whether an operator multiplies float32 activations by weights of the type; :data:`minilite.ops.OPS` says so."""
    return any("float32" in d.input_types and type_ in d.input_types for d in OPS[name].definitions)


# ---- blocks ----------------------------------------------------------------------------------------------------------


def _store_blocks(graph: GraphEdit, weight: Weight, rounded: Rounded) -> None:
    assert rounded.block_scales is not None
    halves = rounded.block_scales.astype(np.float16)
    scales = graph.add(
        Tensor(f"{weight.name}_scales", "FLOAT16", halves.shape, buffer=graph.edit.buffer(halves.tobytes()))
    )
    details = schema.make_options("BlockwiseQuantization", scales=scales, zero_points=-1, block_size=rounded.block_size)
    graph.requantized(
        weight.tensor,
        list(weight.uses),
        "int4",
        packed(rounded.integers, "int4"),
        Quantization(details=details),
    )
    for operator, _ in weight.uses:
        graph.version(operator, HYBRID_VERSION["FULLY_CONNECTED", "int4"])
        graph.option(operator, asymmetric_quantize_inputs=True)
        _split_activation(graph, operator)


def _split_activation(graph: GraphEdit, operator: int) -> None:
    """Make an operator's fused activation one of its own."""
    options = graph.operators[operator].options
    fused = "NONE" if options is None else options.fused_activation_function
    if fused == "NONE":
        return
    (result,) = graph.operators[operator].outputs or ()
    old = graph.original.tensors[result]
    inner = graph.add(dataclasses.replace(old, name=f"{old.name}_sums", buffer=0))
    graph.option(operator, fused_activation_function="NONE")
    graph.operators[operator] = dataclasses.replace(graph.operators[operator], outputs=(inner,))
    graph.after[operator].append(Operator(graph.edit.code(str(fused), 1), (inner,), (result,)))
