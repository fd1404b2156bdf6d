"""Small models, written down as data, for tests of everything around the operators."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from minilite import schema
from minilite.model import Buffer, Model, Operator, OperatorCode, Quantization, Signature, Subgraph, Tensor


class Builder:
    """Collects tensors and buffers of one subgraph; constants get a buffer of their own."""

    def __init__(self, buffers: list[Buffer] | None = None):
        self.buffers = [Buffer()] if buffers is None else buffers
        self.tensors: list[Tensor] = []

    def tensor(self, name: str, shape: tuple[int, ...], type_: str = "FLOAT32", **rest: Any) -> int:
        self.tensors.append(Tensor(name, type_, shape, **rest))
        return len(self.tensors) - 1

    def constant(self, name: str, value: np.ndarray, **rest: Any) -> int:
        self.buffers.append(Buffer(np.frombuffer(value.tobytes(), np.uint8)))
        type_ = rest.pop("type_", str(value.dtype).upper())
        return self.tensor(name, rest.pop("shape", value.shape), type_, buffer=len(self.buffers) - 1, **rest)

    def subgraph(self, inputs: tuple[int, ...], outputs: tuple[int, ...], *operators: Operator) -> Subgraph:
        return Subgraph(tuple(self.tensors), inputs, outputs, operators)


def operator(code: int, inputs: tuple[int, ...], outputs: tuple[int, ...], table: str = "", **options: Any) -> Operator:
    return Operator(code, inputs, outputs, schema.make_options(table, **options) if table else None)


def one(
    builder: Builder, name: str, inputs: tuple[int, ...], outputs: tuple[int, ...], table: str, **options: Any
) -> Model:
    """A model of one built-in operator whose inputs without a buffer are the model's."""
    fed = tuple(dict.fromkeys(i for i in inputs if i >= 0 and not builder.tensors[i].buffer))
    fed = tuple(i for i in fed if not builder.tensors[i].is_variable)
    graph = builder.subgraph(fed, outputs, operator(0, inputs, outputs, table, **options))
    return Model((OperatorCode(name),), (graph,), tuple(builder.buffers))


def add(shape: tuple[int, ...] = (1, 4), signature: tuple[int, ...] | None = None) -> Model:
    """y = x + [1, 2, 3, 4], with a signature; -1 in ``signature`` is a free dimension."""
    b = Builder()
    x = b.tensor("x:0", shape, shape_signature=signature)
    y = b.tensor("y:0", shape, shape_signature=signature)
    c = b.constant("c", np.arange(1, 5, dtype=np.float32))
    model = one(b, "ADD", (x, c), (y,), "AddOptions")
    return dataclasses.replace(model, signatures=(Signature("serving_default", (("x", x),), (("y", y),)),))


def scalar() -> Model:
    """y = x + 1, all int32 scalars."""
    b = Builder()
    x, y = b.tensor("x", (), "INT32"), b.tensor("y", (), "INT32")
    return one(b, "ADD", (x, b.constant("one", np.int32(1))), (y,), "AddOptions")


def chain() -> Model:
    """x + 1 -> hidden, hidden + 1 -> y."""
    b = Builder()
    x, hidden, y = (b.tensor(name, (2, 2)) for name in ("x", "hidden", "y"))
    c = b.constant("one", np.float32(1))
    steps = (operator(0, (x, c), (hidden,), "AddOptions"), operator(0, (hidden, c), (y,), "AddOptions"))
    return Model((OperatorCode("ADD"),), (b.subgraph((x,), (y,), *steps),), tuple(b.buffers))


def convolution() -> Model:
    """A float CONV_2D of images of any size with two channels."""
    b = Builder()
    x = b.tensor("image", (1, 4, 4, 2), shape_signature=(-1, -1, -1, 2))
    kernel = b.constant("kernel", np.arange(3 * 2 * 2 * 2, dtype=np.float32).reshape(3, 2, 2, 2))
    y = b.tensor("out", (1, 3, 3, 3), shape_signature=(-1, -1, -1, 3))
    bias = b.constant("bias", np.array([1, 2, 3], np.float32))
    return one(b, "CONV_2D", (x, kernel, bias), (y,), "Conv2DOptions", padding="VALID", stride_w=1, stride_h=1)


def absent_bias() -> Model:
    """A FULLY_CONNECTED whose optional bias is index -1."""
    b = Builder()
    x, y = b.tensor("x", (1, 2)), b.tensor("y", (1, 3))
    w = b.constant("w", np.arange(6, dtype=np.float32).reshape(3, 2))
    return one(b, "FULLY_CONNECTED", (x, w, -1), (y,), "FullyConnectedOptions")


def two_signatures() -> Model:
    """Subgraph 0, signature "add": a + b; subgraph 1, signature "subtract": a - b, inputs in the other order."""
    buffers = [Buffer()]
    graphs = []
    for code, table in enumerate(("AddOptions", "SubOptions")):
        b = Builder(buffers)
        left, right, result = (b.tensor(f"{n}{code}", (1, 3)) for n in ("left", "right", "result"))
        fed = (left, right) if code == 0 else (right, left)
        graphs.append(b.subgraph(fed, (result,), operator(code, (left, right), (result,), table)))
    signatures = tuple(
        Signature(key, (("b", 1), ("a", 0)), (("out", 2),), index) for index, key in enumerate(("add", "subtract"))
    )
    return Model((OperatorCode("ADD"), OperatorCode("SUB")), tuple(graphs), tuple(buffers), signatures)


def reshaped_by_value() -> Model:
    """RESHAPE to a shape that is an input: the output's shape is known after invoke only."""
    b = Builder()
    x, shape = b.tensor("x", (2, 3)), b.tensor("shape", (2,), "INT32")
    y = b.tensor("y", (1, 1), shape_signature=(-1, -1))
    return one(b, "RESHAPE", (x, shape), (y,), "ReshapeOptions")


def stateful() -> Model:
    """y = x + state, where state is a variable that set_tensor can reach; tensors x, state, y."""
    b = Builder()
    x, state, y = b.tensor("x", (1, 2)), b.tensor("state", (1, 2), is_variable=True), b.tensor("y", (1, 2))
    return one(b, "ADD", (x, state), (y,), "AddOptions")


def stateful_int8() -> Model:
    """y = x + state in int8, with zero points that are not 0."""
    b = Builder()
    q = Quantization(np.array([0.5], np.float32), np.array([7], np.int64))
    x, y = (b.tensor(n, (1, 2), "INT8", quantization=q) for n in "xy")
    state = b.tensor("state", (1, 2), "INT8", quantization=q, is_variable=True)
    return one(b, "ADD", (x, state), (y,), "AddOptions")


def strings(shape: tuple[int, ...] = (3,)) -> Model:
    """A string input that is the output too; no operator."""
    b = Builder()
    x = b.tensor("text", shape, "STRING")
    return Model((), (b.subgraph((x,), (x,)),), tuple(b.buffers))


def packed_input() -> Model:
    """An INT4 input that is the output too; no operator."""
    b = Builder()
    q = Quantization(np.array([0.5], np.float32), np.array([0], np.int64))
    x = b.tensor("nibbles", (3,), "INT4", quantization=q)
    return Model((), (b.subgraph((x,), (x,)),), tuple(b.buffers))


def mistyped() -> Model:
    """uint8 + uint8 into a tensor that says it is float32."""
    b = Builder()
    q = Quantization(np.array([1], np.float32), np.array([0], np.int64))
    x, hidden, y = (b.tensor(n, (2,), t, quantization=q) for n, t in (("x", "UINT8"), ("h", "FLOAT32"), ("y", "UINT8")))
    steps = (operator(0, (x, x), (hidden,), "AddOptions"), operator(0, (hidden, x), (y,), "AddOptions"))
    return Model((OperatorCode("ADD"),), (b.subgraph((x,), (y, hidden), *steps),), tuple(b.buffers))


def long_buffer() -> Model:
    """The constant 1 with five bytes too many."""
    b = Builder()
    one_and_more = b.constant(
        "c", np.frombuffer(np.float32(1).tobytes() + b"extra", np.uint8), type_="FLOAT32", shape=(1,)
    )
    return one(b, "ADD", (one_and_more, one_and_more), (b.tensor("y", (1,)),), "AddOptions")


def custom(name: str = "MyOp") -> Model:
    b = Builder()
    x, y = b.tensor("x", (2,)), b.tensor("y", (2,))
    graph = b.subgraph((x,), (y,), Operator(0, (x,), (y,), custom_options=np.frombuffer(b"\1\2", np.uint8)))
    return Model((OperatorCode("CUSTOM", 1, name),), (graph,), tuple(b.buffers))


def unknown_version() -> Model:
    return dataclasses.replace(convolution(), operator_codes=(OperatorCode("CONV_2D", 99),))


def unknown_type() -> Model:
    b = Builder()
    x = b.tensor("x", (2,), 71)  # type: ignore[arg-type]  # no name for it
    return Model((), (b.subgraph((x,), (x,)),), tuple(b.buffers))


def overlapping() -> Model:
    """An operator that reads the tensor it writes."""
    b = Builder()
    x = b.tensor("x", (2,))
    return one(b, "ADD", (x, x), (x,), "AddOptions")


def every_detail() -> Model:
    """A model whose tensors have all that a detail dictionary shows: axes, int4, sparsity, scalars, free dimensions."""
    b = Builder()
    x = b.tensor("x", (1, 4), "INT8", shape_signature=(-1, 4), quantization=_scales([0.25], [-3]))
    w = b.constant("w", np.ones((2, 4), np.int8), quantization=_scales([0.5, 2.0], [0, 0]))
    bias = b.constant("bias", np.ones(2, np.int32), quantization=_scales([0.125, 0.5], [0, 0]))
    y = b.tensor("y", (1, 2), "INT8", quantization=_scales([0.1], [5]))
    nibbles = np.array([0x7F, 0x81], np.uint8)
    b.constant("nibbles", nibbles, type_="INT4", shape=(2, 2), quantization=_scales([0.5], [0]))
    b.constant("scalar", np.float32(3))
    b.constant("axis one", np.zeros((2, 3), np.int8), quantization=_scales([1, 2, 3], [0, 1, 0], 1))
    b.constant("sparse", np.ones(3, np.float32), shape=(2, 4), sparsity=_sparsity())
    b.constant("block scales", np.arange(1, 5, dtype=np.float16).reshape(2, 2))
    b.constant("blocks", np.ones(32, np.uint8), type_="INT4", shape=(2, 32), quantization=_blocks(len(b.tensors) - 1))
    for type_ in ("FLOAT64", "FLOAT16", "INT64", "UINT8", "UINT16", "UINT32", "UINT64", "BOOL", "COMPLEX64", "STRING"):
        b.tensor(type_.lower(), (2,), type_)
    b.tensor("", ())
    model = one(b, "FULLY_CONNECTED", (x, w, bias), (y,), "FullyConnectedOptions")
    keep = dataclasses.replace(model.subgraphs[0], inputs=(x,))
    return dataclasses.replace(model, operator_codes=(OperatorCode("FULLY_CONNECTED", 4),), subgraphs=(keep,))


def _scales(scales: list[float], zero_points: list[int], axis: int = 0) -> Quantization:
    return Quantization(np.array(scales, np.float32), np.array(zero_points, np.int64), axis)


def _blocks(scales: int) -> Quantization:
    details = schema.make_options("BlockwiseQuantization", scales=scales, zero_points=-1, block_size=16)
    return Quantization(quantized_dimension=1, details=details)


def _sparsity() -> Any:
    dense = schema.make_options("DimensionMetadata", format="DENSE", dense_size=2)
    sparse = schema.make_options(
        "DimensionMetadata",
        format="SPARSE_CSR",
        array_segments=schema.make_options("Uint8Vector", values=np.array([0, 2, 3], np.uint8)),
        array_indices=schema.make_options("Uint16Vector", values=np.array([0, 3, 1], np.uint16)),
    )
    return schema.make_options("SparsityParameters", traversal_order=(0, 1), block_map=(), dim_metadata=(dense, sparse))
