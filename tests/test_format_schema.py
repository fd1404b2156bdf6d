"""The rows of the format: fresh, and equal to what LiteRT's own bindings say."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from minilite import schema
from minilite.errors import ModelError
from minilite.schema.layout import FORMATS, enum_names, union_tables
from minilite.schema.tables import ALIGNMENT, ENUMS, OPTIONS_OF, TABLES, UNIONS

SCRIPTS = Path(__file__).parents[1] / "schema"
STORED_AS = {name: stored for name, (stored, _) in ENUMS.items()}


def script(name: str) -> ModuleType:
    """A module of the folder schema/, which is not a package."""
    sys.path.insert(0, str(SCRIPTS))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(SCRIPTS))


@pytest.fixture(scope="module")
def litert() -> Any:
    """LiteRT's schema as its bindings say it."""
    bindings = pytest.importorskip("ai_edge_litert.schema_py_generated")
    return script("bindings").read_bindings(vars(bindings))


def as_bindings_say(kind: str) -> str:
    """Our kinds without what bindings do not know: enumerations are numbers, unions are unions."""
    for opening in ("array[", "["):
        if kind.startswith(opening):
            return f"[{as_bindings_say(kind[len(opening) : -1])}]"
    return "union" if kind in UNIONS else STORED_AS.get(kind, kind)


def default_number(kind: str, default: Any) -> Any:
    return enum_names(kind).index(default) if kind in ENUMS else default


def test_tables_are_what_the_generator_writes() -> None:
    pytest.importorskip("tflite")
    generate = script("generate")
    assert generate.TARGET.read_text(encoding="utf-8") == generate.generate()


def test_there_is_the_same_schema_in_litert(litert: Any) -> None:
    assert set(ENUMS) == set(litert.enums)
    assert set(UNIONS) == set(litert.unions)
    assert set(TABLES) == set(litert.tables)


@pytest.mark.parametrize("name", ENUMS)
def test_every_code_is_litert_s(litert: Any, name: str) -> None:
    assert dict(enumerate(enum_names(name))) == litert.enums[name]


@pytest.mark.parametrize("name", UNIONS)
def test_every_union_tag_is_litert_s(litert: Any, name: str) -> None:
    assert dict(enumerate(union_tables(name))) == litert.unions[name]


@pytest.mark.parametrize("name", TABLES)
def test_every_slot_kind_and_default_is_litert_s(litert: Any, name: str) -> None:
    tags = {slot - 1 for slot, _, kind, _ in TABLES[name] if kind in UNIONS}
    theirs = [row for row in litert.tables[name] if row[0] not in tags]
    ours = [
        (slot, field, as_bindings_say(kind), default_number(kind, default))
        for slot, field, kind, default in TABLES[name]
    ]
    assert ours == theirs
    assert {slot: "uint8" for slot in tags} == {row[0]: row[2] for row in litert.tables[name] if row[0] in tags}


def test_every_byte_but_one_is_an_enumeration() -> None:
    """Bindings show an enumeration as a number; all of the schema's single bytes are enumerations."""
    plain = [(table, row[1]) for table, rows in TABLES.items() for row in rows if row[2] in ("int8", "uint8")]
    assert plain == [("OperatorCode", "deprecated_builtin_code")]


def test_kinds_are_known() -> None:
    kinds = {row[2] for rows in TABLES.values() for row in rows}
    inner = {kind.removeprefix("array").strip("[]") for kind in kinds}
    assert inner <= {*FORMATS, *ENUMS, *UNIONS, *TABLES, "string"}


def test_constants_are_aligned() -> None:
    assert ALIGNMENT["Buffer.data"] == 16


def test_every_options_table_belongs_to_an_operator() -> None:
    tables = {name for union in ("BuiltinOptions", "BuiltinOptions2") for name in union_tables(union)[1:]}
    assert set(OPTIONS_OF.values()) == tables
    assert set(OPTIONS_OF) <= set(enum_names("BuiltinOperator"))


def test_options_can_be_named_and_have_defaults() -> None:
    options = schema.make_options("Conv2DOptions", stride_w=2, padding="VALID")
    assert dict(options) == {
        "padding": "VALID",
        "stride_w": 2,
        "stride_h": 0,
        "fused_activation_function": "NONE",
        "dilation_w_factor": 1,
        "dilation_h_factor": 1,
        "quantized_bias_type": "FLOAT32",
    }
    assert schema.default_options("UniqueOptions").idx_out_type == "INT32"
    assert schema.is_second_union("StablehloCaseOptions")
    assert not schema.is_second_union("Conv2DOptions")


def test_a_wrong_option_is_told_from_a_wrong_table() -> None:
    with pytest.raises(ModelError, match=r"Conv2DOptions has no field stride; it has padding, stride_w"):
        schema.make_options("Conv2DOptions", stride=2)
    with pytest.raises(ModelError, match=r"no table 'Conv2dOptions'"):
        schema.make_options("Conv2dOptions")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("struct Pair { a: int; }", "cannot read this part"),
        ("table T { a; }", "not a field: 'a'"),
        ("enum E : byte { A }", "a member needs its value: 'A'"),
    ],
)
def test_additions_are_not_skipped_in_silence(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        script("additions").merge(script("bindings").Schema(), text)


def test_additions_extend_what_is_known() -> None:
    known = script("bindings").Schema({"E": {0: "A"}}, {}, {"T": [(0, "e", "int8", 0)]})
    text = "enum E : byte { B = 1 } table T { e: E; more: [ubyte] (id: 4, force_align: 8, array); } // end"
    assert script("additions").merge(known, text) == {"T.more": 8}
    assert known.enums == {"E": {0: "A", 1: "B"}}
    assert known.tables == {"T": [(0, "e", "E", "A"), (4, "more", "array[uint8]", None)]}
