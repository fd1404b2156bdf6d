"""A damaged file is a ModelError that says where; one made to ask for much time or memory is refused in time."""

from __future__ import annotations

import dataclasses
import struct
from typing import Any

import numpy as np
import pytest

import minilite
from minilite import ModelError
from minilite.model import Buffer, Model, Operator, OperatorCode, Options, Subgraph, Tensor
from minilite.schema import make_options
from minilite.schema.decode import UNKNOWN_OPTIONS
from minilite.schema.encode import Output, table_writer
from tests.format_bytes import change, patched, table_at
from tests.small_models import add


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


def test_unknown_options_with_endless_fields_are_refused() -> None:
    """Their vtable has 32,765 slots, and a hundred tables use it."""
    empty = {"tag": 200, "slots": {}}
    operators = tuple(Operator(0, (0,), (0,), Options(UNKNOWN_OPTIONS, empty)) for _ in range(100))
    content = bytearray(raw(with_subgraph(operators=operators)))
    content.extend(bytes(-len(content) % 4))
    vtable = len(content)
    content.extend(struct.pack("<HH", 65534, 65535))
    content.extend((np.arange(32765, dtype=np.uint32) * 2 + 4).astype("<u2").tobytes() + bytes(70_000))
    for index in range(100):
        table = table_at(bytes(content), 2, -1, 3, -1 - index, 4)
        struct.pack_into("<i", content, table, table - vtable)
    with pytest.raises(ModelError, match=r"operators\[\d+\]\.options\), the file uses the same bytes for too many"):
        minilite.read(bytes(content))


def test_vectors_and_fields_are_aligned() -> None:
    content = add().to_bytes()
    inputs = table_at(content, 2, -1, 3, -1, 1)
    operator = table_at(content, 2, -1, 3, -1)
    vtable = operator - struct.unpack_from("<i", content, operator)[0]
    place = operator + struct.unpack_from("<H", content, vtable + 4 + 2)[0]
    with pytest.raises(ModelError, match=r"operators\[0\]\.inputs\), a vector is not aligned to 4 bytes"):
        minilite.read(patched(content, place, "I", inputs - place + 2))
    version = table_at(content) - struct.unpack_from("<i", content, table_at(content))[0] + 4
    with pytest.raises(ModelError, match=r"\(version\), a field of 4 bytes is not aligned"):
        minilite.read(patched(content, version, "H", 6))
    with pytest.raises(ModelError, match=r"\(version\), a field lies beyond the end of the file"):
        minilite.read(patched(content, version, "H", 2**16 - 4))


def test_a_tag_beyond_the_file_is_damage() -> None:
    content = add().to_bytes()
    operator = table_at(content, 2, -1, 3, -1)
    tag = operator - struct.unpack_from("<i", content, operator)[0] + 4 + 2 * 3
    with pytest.raises(ModelError, match=r"operators\[0\]\.options\), a field lies beyond the end of the file"):
        minilite.read(patched(content, tag, "H", 2**16 - 4))
