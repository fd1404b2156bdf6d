"""Reading: what a file says is in the model, and a bad file is a ModelError that says where and what to do."""

from __future__ import annotations

import dataclasses
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minilite
from minilite import ArgumentTypeError, ModelError
from minilite.model import Buffer, Model, Operator, OperatorCode, Options, Subgraph, Tensor
from minilite.schema import make_options, verifier
from minilite.schema.decode import UNKNOWN_OPTIONS
from minilite.schema.encode import Output, table_writer
from minilite.schema.layout import union_tables
from tests.small_models import add

FLOATS = np.arange(1, 5, dtype=np.float32)


def change(model: Model, part: str, **fields: Any) -> Model:
    """The model with its first subgraph's first operator or tensor, or the subgraph itself, changed."""
    subgraph = model.subgraphs[0]
    if part != "subgraph":
        items = getattr(subgraph, part)
        fields = {part: (dataclasses.replace(items[0], **fields), *items[1:])}
    return dataclasses.replace(model, subgraphs=(dataclasses.replace(subgraph, **fields), *model.subgraphs[1:]))


def table_at(content: bytes, *path: int) -> int:
    """Where a table lies: slots and indices from the root, a negative number -1-i being index i of a vector."""
    position = struct.unpack_from("<I", content, 0)[0]
    for step in path:
        if step >= 0:
            vtable = position - struct.unpack_from("<i", content, position)[0]
            position += struct.unpack_from("<H", content, vtable + 4 + 2 * step)[0]
        else:
            position += 4 * -step
        position += struct.unpack_from("<I", content, position)[0]
    return position


def patched(content: bytes, position: int, format_: str, value: int) -> bytes:
    changed = bytearray(content)
    struct.pack_into("<" + format_, changed, position, value)
    return bytes(changed)


# --- sources -----------------------------------------------------------------------------------------------------


def test_a_path_and_its_bytes_are_the_same_model(tmp_path: Path) -> None:
    path = tmp_path / "add.tflite"
    path.write_bytes(add().to_bytes())
    models = [minilite.read(path), minilite.read(str(path)), minilite.read(path.read_bytes())]
    assert models == [add()] * 3


def test_constants_are_views_of_the_content_and_read_only() -> None:
    content = add().to_bytes()
    data = minilite.read(content).buffers[1].data
    assert data is not None
    assert np.shares_memory(data, np.frombuffer(content, np.uint8))
    assert data.view(np.float32).tolist() == FLOATS.tolist()
    assert not data.flags.writeable


def test_a_path_is_mapped_and_not_copied(tmp_path: Path) -> None:
    path = tmp_path / "large.tflite"
    data = np.full(2**20, 5, np.uint8)
    dataclasses.replace(add(), buffers=(*add().buffers, Buffer(data))).save(path)
    read = minilite.read(path).buffers[-1].data
    assert read is not None
    place = path.read_bytes().index(data.tobytes())
    with path.open("r+b") as file:
        file.seek(place + 500)
        file.write(b"\7")
    assert read[500] == 7
    assert not read.flags.writeable


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing", None, r"^Could not open '.*missing'\. No such file or directory\.$"),
        ("nul\0byte", None, r"^Could not open '.*'\. embedded null byte\.$"),
        ("empty", b"", r"^mmap of size 0 requested\. '.*empty' is an empty file\.$"),
    ],
)
def test_a_path_without_a_model(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=message):
        minilite.read(path)


def test_a_directory(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"^Mmap of '.*' at offset '0' failed with error '19'\. It is a directory"):
        minilite.read(tmp_path)


@pytest.mark.parametrize("source", [None, 3, bytearray(8), memoryview(b"12345678")])
def test_neither_path_nor_bytes(source: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="takes a path, or the bytes of a file, not"):
        minilite.read(source)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "bytes 4 to 8 are b'' and not b'TFL3'"),
        (b"abcdefgh", "bytes 4 to 8 are b'efgh'"),
        (b"\x1c\0\0\0TFL2" + bytes(64), "bytes 4 to 8 are b'TFL2'"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"<!DOCTYPE html><html>Not found</html>", "web page"),
        (b"PK\x03\x04" + bytes(40), "ZIP archive"),
        (b"\x89HDF\r\n\x1a\n" + bytes(40), "HDF5"),
        (b"\x1f\x8b\x08" + bytes(40), "gzip"),
    ],
)
def test_foreign_content(content: bytes, message: str) -> None:
    with pytest.raises(ModelError) as raised:
        minilite.read(content)
    assert str(raised.value).startswith("The model is not a valid Flatbuffer buffer: ")
    assert message in str(raised.value)


# --- damage ------------------------------------------------------------------------------------------------------


def test_every_cut_is_a_model_error() -> None:
    content = add().to_bytes()
    for size in range(len(content)):
        with pytest.raises(ModelError, match=r"^The model is not a valid Flatbuffer buffer: "):
            minilite.read(content[:size])


@pytest.mark.parametrize(
    ("path", "offset", "format_", "value", "message"),
    [
        ((2, -1, 3, -1, 1), 0, "I", 2**30, r"\(subgraphs\[0\]\.operators\[0\]\.inputs\), a vector of 1073741824 x 4"),
        ((2, -1, 0, -1, 3), 0, "I", 2**31, r"\(subgraphs\[0\]\.tensors\[0\]\.name\), a vector of 2147483648 x 1 bytes"),
        ((2, -1, 0, -1, 3), 0, "I", 2, r"\(subgraphs\[0\]\.tensors\[0\]\.name\), a string does not end in a zero"),
        ((2, -1, 3, -1), 0, "i", 2**30, r"\(subgraphs\[0\]\.operators\[0\]\), a vtable at byte -\d+ lies outside"),
        ((2, -1, 3, -1), 0, "i", 1, r"\(subgraphs\[0\]\.operators\[0\]\), a vtable at byte \d+ .*not aligned"),
        ((2,), 4, "I", 2**20, r"\(subgraphs\[0\]\), a table lies beyond the end"),
        ((2,), 4, "I", 5, r"\(subgraphs\[0\]\), a table .*not aligned"),
    ],
)
def test_damage_is_located(path: tuple[int, ...], offset: int, format_: str, value: int, message: str) -> None:
    content = add().to_bytes()
    position = table_at(content, *path)
    with pytest.raises(ModelError, match=rf"^The model is not a valid Flatbuffer buffer: at byte \d+ {message}"):
        minilite.read(patched(content, position + offset, format_, value))


@pytest.mark.parametrize("offset", [0, 2**31, 2**32 - 1])
def test_an_offset_to_nowhere_is_located(offset: int) -> None:
    content = patched(add().to_bytes(), 0, "I", offset)
    with pytest.raises(ModelError, match=rf"at byte 0 \(the model\), an offset of {offset} leads out of the file"):
        minilite.read(content)


def test_an_array_may_end_where_the_file_ends() -> None:
    content = add().to_bytes()
    vector = table_at(content, 4, -2, 0)
    most = len(content) - vector - 4
    data = minilite.read(patched(content, vector, "I", most)).buffers[1].data
    assert data is not None
    assert data.tobytes() == content[vector + 4 :]
    for count in range(most + 1, most + 6):
        with pytest.raises(ModelError, match=r"\(buffers\[1\]\.data\), a vector of \d+ x 1 bytes reaches beyond"):
            minilite.read(patched(content, vector, "I", count))


def test_a_string_must_end_before_the_file_ends() -> None:
    content = add().to_bytes()
    name = table_at(content, 2, -1, 0, -1, 3)
    with pytest.raises(ModelError, match=r"tensors\[0\]\.name\), a string does not end in a zero byte"):
        minilite.read(patched(content, name, "I", len(content) - name - 4))


def test_a_vtable_may_be_shorter_than_its_own_head() -> None:
    """FlatBuffers' verifier lets it pass; such a table has no fields."""
    relu = make_options("AddOptions", fused_activation_function="RELU")
    content = change(add(), "operators", options=relu).to_bytes()
    options = table_at(content, 2, -1, 3, -1, 4)
    vtable = options - struct.unpack_from("<i", content, options)[0]
    for size in (0, 2):
        assert minilite.read(patched(content, vtable, "H", size)) == add()
    with pytest.raises(ModelError, match=r"operators\[0\]\.options\), a vtable cannot have 3 bytes here"):
        minilite.read(patched(content, vtable, "H", 3))
    with pytest.raises(ModelError, match=r"operators\[0\]\.options\), a vtable cannot have 65534 bytes here"):
        minilite.read(patched(content, vtable, "H", 2**16 - 2))


def raw(value: Model) -> bytes:
    """The bytes of a model, without asking whether it can be read."""
    output = Output(64)
    output.builder.Finish(table_writer("Model")(output, value), file_identifier=b"TFL3")
    return bytes(output.builder.Output())


def with_subgraph(**parts: Any) -> Model:
    return Model(operator_codes=(OperatorCode("RELU"),), subgraphs=(Subgraph(tensors=(Tensor(shape=(1,)),), **parts),))


def test_tables_reached_more_than_a_million_times_are_refused() -> None:
    subgraph = with_subgraph(operators=(Operator(0, (0,), (0,)),) * 2000).subgraphs[0]
    content = raw(Model(operator_codes=(OperatorCode("RELU"),), subgraphs=(subgraph,) * 501))
    assert len(content) < 20_000
    with pytest.raises(ModelError, match=r"\(subgraphs\[\d+\]\), the file has more than 1,000,000 tables"):
        minilite.read(content)


def test_vectors_reached_again_and_again_are_refused() -> None:
    indices = (-1,) * 100_000
    operators = tuple(Operator(0, indices, (0,)) for _ in range(300))
    content = raw(with_subgraph(operators=operators))
    assert len(content) < 500_000
    with pytest.raises(ModelError, match=r"inputs\), the file uses the same bytes for too many vectors"):
        minilite.read(content)


def test_a_constant_used_by_many_buffers_is_one_array() -> None:
    data = np.arange(100_000, dtype=np.uint8)
    model = Model(subgraphs=add().subgraphs, operator_codes=add().operator_codes, buffers=(Buffer(data),) * 1000)
    content = raw(dataclasses.replace(model, buffers=tuple(Buffer(data) for _ in range(1000))))
    assert len(content) < 150_000
    read = minilite.read(content)
    assert len({id(buffer.data) for buffer in read.buffers}) == 1
    assert len(read.to_bytes()) < 150_000


def test_constants_that_overlap_without_end_are_refused() -> None:
    """Many vectors inside the bytes of one: each begins with its length, a little further on."""
    size, count = 4_000_000, 100
    data = np.zeros(size, np.uint8)
    data[: 16 * count].view("<u4")[::4] = size - 16 * count
    buffers = tuple(Buffer(np.full(8, index, np.uint8)) for index in range(count))
    content = bytearray(raw(dataclasses.replace(with_subgraph(), buffers=(Buffer(data), *buffers))))
    start = bytes(content).index(data.tobytes())
    for index in range(count):
        table = table_at(bytes(content), 4, -2 - index)
        vtable = table - struct.unpack_from("<i", content, table)[0]
        place = table + struct.unpack_from("<H", content, vtable + 4)[0]
        if start + 16 * index > place:
            struct.pack_into("<I", content, place, start + 16 * index - place)
    with pytest.raises(ModelError, match=r"\(buffers\[\d+\]\.data\), the file uses the same bytes for too many"):
        minilite.read(bytes(content))


# --- what is carried ---------------------------------------------------------------------------------------------


def test_codes_without_a_name_are_numbers() -> None:
    model = change(add(), "tensors", type=100)
    model = dataclasses.replace(model, operator_codes=(OperatorCode(4000),))
    read = minilite.read(model.to_bytes())
    assert read.subgraphs[0].tensors[0].type == 100
    assert read.operator_codes[0].builtin_code == 4000
    assert read.operator_codes[0].name == "UNKNOWN_4000"


@pytest.mark.parametrize(
    ("old", "new", "name"), [(9, 0, "FULLY_CONNECTED"), (127, 206, "STABLEHLO_COMPOSITE"), (3, 3, "CONV_2D")]
)
def test_the_larger_of_two_operator_codes_is_meant(old: int, new: int, name: str) -> None:
    model = dataclasses.replace(add(), operator_codes=(OperatorCode("STABLEHLO_CASE"),))
    content = model.to_bytes()
    table = table_at(content, 1, -1)
    vtable = table - struct.unpack_from("<i", content, table)[0]
    first, second = (struct.unpack_from("<H", content, vtable + 4 + 2 * slot)[0] for slot in (0, 3))
    content = patched(patched(content, table + first, "b", old), table + second, "i", new)
    assert minilite.read(content).operator_codes[0].name == name


def union_tag(content: bytes) -> int:
    """Where the tag of the first operator's options lies."""
    operator = table_at(content, 2, -1, 3, -1)
    vtable = operator - struct.unpack_from("<i", content, operator)[0]
    return operator + struct.unpack_from("<H", content, vtable + 4 + 2 * 3)[0]


def test_options_of_an_unknown_kind_are_raw_bytes() -> None:
    relu = make_options("AddOptions", fused_activation_function="RELU")
    content = change(add(), "operators", options=relu).to_bytes()
    options = minilite.read(patched(content, union_tag(content), "B", 200)).subgraphs[0].operators[0].options
    assert options is not None
    assert (options.table, options.tag) == (UNKNOWN_OPTIONS, 200)
    assert options.slots[0][0] == 1


def test_empty_options_of_an_unknown_kind_are_written_again() -> None:
    content = change(add(), "operators", options=make_options("AbsOptions")).to_bytes()
    model = minilite.read(patched(content, union_tag(content), "B", 200))
    assert minilite.read(model.to_bytes()) == model
    assert model.subgraphs[0].operators[0].options == Options(UNKNOWN_OPTIONS, {"tag": 200, "slots": {}})


def test_options_whose_tag_says_none_are_none() -> None:
    content = add().to_bytes()
    assert union_tables("BuiltinOptions")[0] == "NONE"
    assert minilite.read(patched(content, union_tag(content), "B", 0)).subgraphs[0].operators[0].options is None


def test_text_that_is_not_utf_8_survives() -> None:
    content = add().to_bytes().replace(b"x:0", b"\xff:0")
    model = minilite.read(content)
    assert model.subgraphs[0].tensors[0].name == "\udcff:0"
    assert b"\xff:0" in model.to_bytes()
    assert minilite.read(model.to_bytes()) == model


# --- indices -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "fields", "message"),
    [
        ("operators", {"inputs": (0, 9)}, "Invalid tensor index 9 in node inputs. The subgraph has 3 tensors. "),
        ("operators", {"inputs": (0, 9)}, "subgraphs[0].operators[0].inputs[1] (ADD) must be from -1 to 2."),
        ("operators", {"outputs": (-2,)}, "Invalid tensor index -2 in node outputs. "),
        ("operators", {"intermediates": (3,)}, "Invalid tensor index 3 in node intermediates. "),
        ("operators", {"opcode_index": 1}, "Missing registration for opcode_index 1. subgraphs[0].operators[0]"),
        ("subgraph", {"inputs": (-1,)}, "Invalid tensor index -1 in inputs. "),
        ("subgraph", {"inputs": (-1,)}, "subgraphs[0].inputs[0] must be from 0 to 2."),
        ("subgraph", {"outputs": (3,)}, "Invalid tensor index 3 in outputs. "),
        ("tensors", {"buffer": 7}, "Tensor 0 specifies out of range buffer 7 (only 2 buffers). "),
        ("tensors", {"buffer": 7}, "subgraphs[0].tensors[0] ('x:0')"),
    ],
)
def test_an_index_that_leads_nowhere(part: str, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=re.escape(message)):
        minilite.read(change(add(), part, **fields).to_bytes())


def test_an_absent_optional_input_is_minus_one() -> None:
    model = change(add(), "operators", inputs=(0, -1))
    assert minilite.read(model.to_bytes()) == model


def test_metadata_and_signatures_may_lead_nowhere() -> None:
    signature = dataclasses.replace(add().signatures[0], subgraph_index=8, inputs=(("x", 99),))
    metadata = (minilite.model.Metadata("m", 77),)
    model = dataclasses.replace(add(), signatures=(signature,), metadata=metadata, metadata_buffer=(55,))
    assert minilite.read(model.to_bytes()) == model


# --- outside the flatbuffer --------------------------------------------------------------------------------------


def outside_model() -> Model:
    operator = Operator(1, (0,), (2,), custom_options=np.arange(9, dtype=np.uint8), custom_options_outside=True)
    model = change(add(), "subgraph", operators=(*add().subgraphs[0].operators, operator))
    codes = (*model.operator_codes, OperatorCode("CUSTOM", custom_code="Mine"))
    buffers = (Buffer(), Buffer(FLOATS.view(np.uint8), outside=True))
    return dataclasses.replace(model, operator_codes=codes, buffers=buffers)


def test_bytes_outside_the_flatbuffer_are_found() -> None:
    content = outside_model().to_bytes()
    assert minilite.read(content) == outside_model()
    assert content.endswith(FLOATS.tobytes())


def test_bytes_beyond_the_reach_of_offsets_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real reach is 2 GB; here it ends where the bytes outside begin."""
    content = outside_model().to_bytes()
    monkeypatch.setattr(verifier, "FLATBUFFER_END", len(content) - 32)
    assert minilite.read(content) == outside_model()
    monkeypatch.setattr(verifier, "FLATBUFFER_END", len(content) - 200)
    with pytest.raises(ModelError, match=r"^The model is not a valid Flatbuffer buffer"):
        minilite.read(content)


def test_bytes_outside_the_file_are_not() -> None:
    with pytest.raises(ModelError, match=r"\(buffers\[1\]\), 16 bytes outside the flatbuffer reach beyond the end"):
        minilite.read(outside_model().to_bytes()[:-1])
