"""Every table of the schema, both ways: through our own bytes, and through LiteRT's bindings."""

from __future__ import annotations

from typing import Any

import flatbuffers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilite.model import _same
from minilite.schema.decode import Decoder
from minilite.schema.encode import Output, table_writer
from minilite.schema.layout import layout_of, union_tables
from minilite.schema.records import our_name, unbuild
from minilite.schema.tables import OPTIONS_OF, TABLES
from minilite.writer import _with_outside
from tests.format_strategies import tables
from tests.litert_tables import camel_case, differences, fill

OPTIONS = [name for union in ("BuiltinOptions", "BuiltinOptions2") for name in union_tables(union)[1:]]
SELF_CONTAINED = [name for name in TABLES if name not in ("Buffer", "Operator", "OperatorCode")]
"""Tables that say nothing about other places of the file, and nothing twice."""


def encode(table: str, value: Any) -> bytes:
    output = Output(64)
    output.builder.Finish(table_writer(table)(output, value))
    return _with_outside(output)


def decode(table: str, content: bytes) -> Any:
    file = Decoder(content)
    return file.table(layout_of(table), file.target(0))


@pytest.mark.parametrize("table", TABLES)
@given(data=st.data())
def test_what_is_written_is_read(table: str, data: st.DataObject) -> None:
    value = data.draw(tables(table))
    assert _same(decode(table, encode(table, value)), value)


@pytest.mark.parametrize("table", SELF_CONTAINED)
@given(data=st.data())
def test_litert_reads_what_we_write(table: str, data: st.DataObject) -> None:
    bindings = pytest.importorskip("ai_edge_litert.schema_py_generated")
    value = data.draw(tables(table))
    theirs = getattr(bindings, f"{table}T").InitFromPackedBuf(bytearray(encode(table, value)))
    assert differences(layout_of(table), value, theirs) == []


@pytest.mark.parametrize("table", [name for name in SELF_CONTAINED if name in OPTIONS or "Quant" in name])
@given(data=st.data())
def test_we_read_what_litert_writes(table: str, data: st.DataObject) -> None:
    bindings = pytest.importorskip("ai_edge_litert.schema_py_generated")
    value = data.draw(tables(table))
    builder = flatbuffers.Builder(64)
    theirs = fill(bindings, layout_of(table), unbuild(layout_of(table), value))
    builder.Finish(theirs.Pack(builder))
    assert differences(layout_of(table), decode(table, bytes(builder.Output())), theirs) == []


@pytest.mark.parametrize("table", TABLES)
def test_a_table_without_fields_has_litert_s_defaults(table: str) -> None:
    bindings = pytest.importorskip("ai_edge_litert.schema_py_generated")
    builder = flatbuffers.Builder(64)
    builder.StartObject(0)
    builder.Finish(builder.EndObject())
    content = bytes(builder.Output())
    theirs = getattr(bindings, f"{table}T").InitFromPackedBuf(bytearray(content))
    assert differences(layout_of(table), decode(table, content), theirs) == []


@pytest.mark.parametrize("table", OPTIONS)
def test_there_is_an_object_of_theirs_for_each_of_our_fields(table: str) -> None:
    bindings = pytest.importorskip("ai_edge_litert.schema_py_generated")
    theirs = getattr(bindings, f"{table}T")()
    assert {camel_case(our_name(table, field.name)) for field in layout_of(table).fields} == set(vars(theirs))
    assert table in OPTIONS_OF.values()
