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
from minilite.model import Buffer, Model, OperatorCode, Options, Subgraph, Tensor
from minilite.schema import make_options, verifier
from minilite.schema.decode import UNKNOWN_OPTIONS
from minilite.schema.layout import union_tables
from tests.format_bytes import FLOATS, change, outside_model, patched, table_at
from tests.small_models import add

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


def test_a_path_that_is_too_long_is_not_shown_whole() -> None:
    with pytest.raises(ModelError, match=r"^Could not open 'a+\.\.\.a+'\. .") as raised:
        minilite.read("a" * 100_000)
    assert len(str(raised.value)) < 400


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


# --- what is carried ---------------------------------------------------------------------------------------------


def test_codes_without_a_name_are_numbers() -> None:
    model = change(change(add(), "tensors", type=100), "operators", custom_options_format=-3)
    model = dataclasses.replace(model, operator_codes=(OperatorCode(4000),))
    read = minilite.read(model.to_bytes())
    assert read.subgraphs[0].tensors[0].type == 100
    assert read.subgraphs[0].operators[0].custom_options_format == -3
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


def test_options_without_a_tag_are_none() -> None:
    content = add().to_bytes()
    operator = table_at(content, 2, -1, 3, -1)
    slot = operator - struct.unpack_from("<i", content, operator)[0] + 4 + 2 * 3
    assert minilite.read(patched(content, slot, "H", 0)).subgraphs[0].operators[0].options is None


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
        ("tensors", {"buffer": 2}, "Tensor 0 specifies out of range buffer 2 (only 2 buffers). "),
        ("tensors", {"buffer": 7}, "subgraphs[0].tensors[0] ('x:0')"),
    ],
)
def test_an_index_that_leads_nowhere(part: str, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=re.escape(message)):
        minilite.read(change(add(), part, **fields).to_bytes())


def test_buffer_0_needs_no_buffer() -> None:
    graph = Subgraph(tensors=(Tensor(shape=(1,)),))
    assert minilite.read(Model(subgraphs=(graph,), buffers=()).to_bytes()).buffers == ()


def test_an_absent_optional_input_is_minus_one() -> None:
    model = change(add(), "operators", inputs=(0, -1))
    assert minilite.read(model.to_bytes()) == model


def test_metadata_and_signatures_may_lead_nowhere() -> None:
    signature = dataclasses.replace(add().signatures[0], subgraph_index=8, inputs=(("x", 99),))
    metadata = (minilite.model.Metadata("m", 77),)
    model = dataclasses.replace(add(), signatures=(signature,), metadata=metadata, metadata_buffer=(55,))
    assert minilite.read(model.to_bytes()) == model


# --- outside the flatbuffer --------------------------------------------------------------------------------------


def test_bytes_outside_the_flatbuffer_are_found() -> None:
    content = outside_model().to_bytes()
    assert minilite.read(content) == outside_model()
    assert content.endswith(FLOATS.tobytes())


def test_an_offset_of_one_is_a_placeholder_for_no_data() -> None:
    content = outside_model().to_bytes()
    buffer = table_at(content, 4, -2)
    vtable = buffer - struct.unpack_from("<i", content, buffer)[0]
    offset = buffer + struct.unpack_from("<H", content, vtable + 4 + 2)[0]
    assert minilite.read(patched(content, offset, "Q", 1)).buffers[1] == Buffer()


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
