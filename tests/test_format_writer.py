"""Writing: the bytes are what other readers expect, and a value the format has no place for is refused by name."""

from __future__ import annotations

import dataclasses
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest

import minilite
from minilite import ArgumentTypeError, ModelError, writer
from minilite.model import Buffer, Metadata, OperatorCode, Options, Quantization, Tensor
from minilite.schema import make_options
from minilite.schema.decode import UNKNOWN_OPTIONS
from minilite.writer import to_bytes
from tests.format_bytes import change, outside_model, table_at
from tests.small_models import add

FLOATS = np.array([1.5, -2], np.float32)


def test_a_small_model_is_written_small() -> None:
    content = add().to_bytes()
    assert content[4:8] == b"TFL3"
    assert len(content) < 600


def test_the_same_model_is_the_same_bytes() -> None:
    assert add().to_bytes() == add().to_bytes()


@pytest.mark.parametrize("sizes", [(1,), (3, 5), (16, 1, 17), (4, 4, 4)])
def test_constants_begin_at_multiples_of_16(sizes: tuple[int, ...]) -> None:
    constants = [np.random.default_rng(size).integers(0, 256, size, np.uint8) for size in sizes]
    buffers = (*add().buffers, *(Buffer(data) for data in constants))
    content = dataclasses.replace(add(), buffers=buffers).to_bytes()
    for index in range(2, len(buffers)):
        vector = table_at(content, 4, -1 - index, 0)
        assert vector % 16 == 12
        assert content[vector + 4 :][: sizes[index - 2]] == constants[index - 2].tobytes()


def test_fields_at_their_default_are_left_out() -> None:
    content = change(add(), "operators", options=make_options("AddOptions")).to_bytes()
    options = table_at(content, 2, -1, 3, -1, 4)
    vtable = options - struct.unpack_from("<i", content, options)[0]
    assert struct.unpack_from("<HH", content, vtable) == (4, 4)


@pytest.mark.parametrize("value", [-0.0, math.nan, math.inf, 2**-149])
def test_floats_keep_their_bits(value: float) -> None:
    options = make_options("SoftmaxOptions", beta=value)
    read = minilite.read(change(add(), "operators", options=options).to_bytes())
    found = read.subgraphs[0].operators[0].options
    assert found is not None
    assert struct.pack("<f", found.beta) == struct.pack("<f", value)


@pytest.mark.parametrize("shape", [None, (), (1,)])
@pytest.mark.parametrize("signature", [None, (), (-1,)])
def test_absent_and_empty_vectors_differ(shape: Any, signature: Any) -> None:
    model = change(add(), "tensors", shape=shape, shape_signature=signature)
    tensor = minilite.read(model.to_bytes()).subgraphs[0].tensors[0]
    assert (tensor.shape, tensor.shape_signature) == (shape, signature)


def test_absent_and_empty_arrays_differ() -> None:
    quantization = Quantization(scales=FLOATS, zero_points=np.zeros(0, np.int64), min=None)
    model = change(add(), "tensors", quantization=quantization)
    found = minilite.read(model.to_bytes()).subgraphs[0].tensors[0].quantization
    assert found == quantization
    assert found != dataclasses.replace(quantization, zero_points=None)


def test_absent_and_empty_constants_differ() -> None:
    model = dataclasses.replace(add(), buffers=(*add().buffers, Buffer(np.zeros(0, np.uint8)), Buffer()))
    data = [buffer.data for buffer in minilite.read(model.to_bytes()).buffers[2:]]
    assert data[0] is not None
    assert data[0].size == 0
    assert data[1] is None


def test_one_object_is_written_once() -> None:
    data = np.ones(10_000, np.uint8)
    model = dataclasses.replace(add(), buffers=(*add().buffers, Buffer(data), Buffer(data)))
    assert len(model.to_bytes()) < 12_000
    assert minilite.read(model.to_bytes()) == model


def test_constants_outside_are_outside_and_aligned() -> None:
    model = outside_model()
    data = np.array([17, 99, 203], np.uint8)
    twice = (Buffer(data, outside=True), Buffer(data, outside=True))
    model = dataclasses.replace(model, buffers=(*model.buffers, *twice))
    content = model.to_bytes()
    assert minilite.read(content) == model
    assert len(content) % 16 == 3, "the last constant has three bytes"
    assert content.endswith(data.tobytes())
    assert content.count(data.tobytes()) == 1, "one array is written once"


def test_nothing_is_outside_if_there_is_nothing() -> None:
    model = dataclasses.replace(add(), buffers=(*add().buffers, Buffer(None, outside=True)))
    assert minilite.read(model.to_bytes()).buffers[-1] == Buffer()


def test_one_tuple_may_be_vectors_of_two_kinds() -> None:
    numbers = (3, 5)
    options = make_options("StablehloSliceOptions", start_indices=numbers, strides=numbers)
    model = change(change(add(), "operators", options=None, options_2=options), "tensors", shape_signature=numbers)
    assert minilite.read(model.to_bytes()) == model


def test_items_made_anew_each_time_are_not_taken_for_each_other() -> None:
    class Fresh(tuple[Buffer, ...]):
        def __iter__(self) -> Iterator[Buffer]:
            return (Buffer(np.full(2, index, np.uint8)) for index in range(50))

    model = dataclasses.replace(add(), buffers=Fresh())
    assert [buffer.data[0] for buffer in minilite.read(model.to_bytes()).buffers] == [*range(50)]


def test_two_operators_named_by_codes_on_both_sides_of_127() -> None:
    names = ("DENSIFY", "SEGMENT_SUM", "BATCH_MATMUL", "CUMSUM", "STABLEHLO_CASE")
    codes = tuple(OperatorCode(name) for name in names)
    content = dataclasses.replace(add(), operator_codes=codes).to_bytes()
    assert tuple(code.name for code in minilite.read(content).operator_codes) == names


def test_numpy_numbers_are_numbers() -> None:
    model = change(add(), "operators", inputs=tuple(np.array([0, 2], np.int64)))
    assert minilite.read(model.to_bytes()).subgraphs[0].operators[0].inputs == (0, 2)


@pytest.mark.parametrize(
    ("part", "fields", "message"),
    [
        ("operators", {"inputs": (0, 2**31)}, r"subgraphs\[0\]\.operators\[0\]\.inputs: \(0, 2147483648\) cannot be"),
        ("operators", {"inputs": (0, 1.5)}, r"operators\[0\]\.inputs: "),
        ("operators", {"opcode_index": -1}, r"operators\[0\]\.opcode_index: -1 cannot be written"),
        ("operators", {"options": make_options("StablehloCaseOptions")}, r"options: .*but of BuiltinOptions2"),
        ("operators", {"options_2": make_options("AddOptions")}, r"options_2: .* but of BuiltinOptions\."),
        ("operators", {"options": make_options("CustomQuantization")}, r"options: .* but of QuantizationDetails"),
        ("operators", {"options": "AddOptions"}, r"options: 'AddOptions' is no table of the union BuiltinOptions"),
        (
            "operators",
            {"options": Options("AddOptions", {"relu": 1})},
            r"options: AddOptions has no field relu; it has",
        ),
        (
            "operators",
            {"options": make_options("Pool2DOptions", padding="same")},
            r"options\.padding: 'same' is no Padding; it has 'SAME, VALID'",
        ),
        ("operators", {"options": make_options("SoftmaxOptions", beta=1e39)}, r"options\.beta: 1e\+39 cannot be"),
        ("operators", {"options": make_options("SoftmaxOptions", beta=None)}, r"options\.beta: None cannot be"),
        ("operators", {"options": make_options("PackOptions", axis="1")}, r"options\.axis: '1' cannot be written"),
        ("operators", {"options": make_options("AddOptions", pot_scale_int16=None)}, r"None is neither True nor False"),
        ("operators", {"options": make_options("ShapeOptions", out_type=None)}, r"out_type: None cannot be written"),
        ("operators", {"custom_options": b"abc"}, r"custom_options: .*must be uint8"),
        (
            "operators",
            {"custom_options": np.zeros(2, np.float32), "custom_options_outside": True},
            r"must be an array of uint8 with one axis",
        ),
        ("operators", {"options": Options(UNKNOWN_OPTIONS, {"tag": 200, "slots": {0: b"abcd"}})}, r"nobody can tell"),
        ("tensors", {"type": "INT7"}, r"subgraphs\[0\]\.tensors\[0\]\.type: 'INT7' is no TensorType"),
        ("tensors", {"type": 200}, r"tensors\[0\]\.type: 200 cannot be written"),
        ("tensors", {"name": 3}, r"tensors\[0\]\.name: 3 cannot be written"),
        ("tensors", {"name": "\ud800"}, r"tensors\[0\]\.name: .*surrogates not allowed"),
        ("tensors", {"quantization": make_options("AddOptions")}, r"quantization: .*is no Quantization"),
        (
            "tensors",
            {"quantization": Quantization(scales=np.ones(2))},
            r"tensors\[0\]\.quantization\.scales: an array of float64\[2\] must be float32 and have one axis",
        ),
        ("tensors", {"sparsity": make_options("AddOptions")}, r"sparsity: .* is no SparsityParameters"),
        ("subgraph", {"operators": (3,)}, r"subgraphs\[0\]\.operators\[0\]: 3 is no Operator"),
        ("subgraph", {"tensors": 3}, r"subgraphs\[0\]\.tensors: 3 cannot be written"),
    ],
)
def test_what_the_format_has_no_place_for(part: str, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=rf"^The model cannot be written: .*{message}"):
        change(add(), part, **fields).to_bytes()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"buffers": (Buffer([1, 2]),)}, r"buffers\[0\]\.data: "),  # type: ignore[arg-type]  # that is the point
        ({"buffers": (Buffer(np.zeros((2, 2), np.uint8)),)}, r"buffers\[0\]\.data: an array of uint8\[2, 2\]"),
        (
            {"operator_codes": (OperatorCode("ADDD"),)},
            r"operator_codes\[0\]\.builtin_code: 'ADDD' is no BuiltinOperator",
        ),
        ({"operator_codes": (OperatorCode(-129),)}, r"operator_codes\[0\]\.deprecated_builtin_code: -129"),
        ({"metadata": (Metadata("m", -1),)}, r"metadata\[0\]\.buffer: -1"),
        ({"metadata": (("m", 1),)}, r"metadata\[0\]: \('m', 1\) is no Metadata"),
        ({"description": 5}, r"description: 5 cannot be written"),
        ({"version": None}, r"version: None cannot be written"),
    ],
)
def test_what_a_model_cannot_hold(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=rf"^The model cannot be written: {message}"):
        dataclasses.replace(add(), **fields).to_bytes()


def test_constants_that_fit_no_flatbuffer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real limit is 2 GB; here it is 8 kB."""
    monkeypatch.setattr(flatbuffers.Builder, "MAX_BUFFER_SIZE", 8192)
    monkeypatch.setattr(writer, "MAX_SIZE", 8192)
    model = dataclasses.replace(add(), buffers=(*add().buffers, Buffer(np.ones(9000, np.uint8))))
    with pytest.raises(ModelError, match=r"a flatbuffer has at most 2 GB\. Mark large buffers outside=True"):
        model.to_bytes()
    outside = dataclasses.replace(model, buffers=(*add().buffers, Buffer(np.ones(9000, np.uint8), outside=True)))
    assert minilite.read(outside.to_bytes()) == outside


def test_only_models_are_written() -> None:
    with pytest.raises(ArgumentTypeError, match="takes a Model, not Tensor"):
        to_bytes(Tensor())  # type: ignore[arg-type]  # that is the point


def test_saving_over_the_file_a_model_was_read_from(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    large = np.arange(2**20, dtype=np.uint32).view(np.uint8)
    dataclasses.replace(add(), buffers=(*add().buffers, Buffer(large))).save(path)
    path.chmod(0o640)
    model = minilite.read(path)
    dataclasses.replace(model, buffers=model.buffers[:2]).save(path)
    assert model.buffers[2] == Buffer(large), "the mapped file is still the old one"
    assert minilite.read(path) == add()
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_saving_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for _ in range(2):
        add().save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert minilite.read(tmp_path / "real") == add()


def test_a_model_that_cannot_be_written_harms_no_file(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    add().save(path)
    with pytest.raises(ModelError):
        dataclasses.replace(add(), version=-1).save(path)
    assert minilite.read(path) == add()


def test_a_file_that_cannot_be_replaced_is_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(target)

    path = tmp_path / "model.tflite"
    add().save(path)
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(PermissionError):
        outside_model().save(path)
    assert minilite.read(path) == add()
    assert list(tmp_path.iterdir()) == [path]
