"""Real models: what we read is what LiteRT's own bindings read, and what we write is read as the same again."""

from __future__ import annotations

from pathlib import Path

import pytest

import minilite
from minilite.model import Model
from minilite.schema.layout import layout_of
from minilite.schema.tables import OPTIONS_OF
from tests.format_bytes import outside_model
from tests.litert_tables import differences
from tests.models import files, folder
from tests.small_models import add, every_detail, stateful, two_signatures

MISLABELLED = {"SEGMENT_SUM": "SubOptions"}
"""Options some file of LiteRT's own tests has for an operator that reads none of them."""

OWN = {model.__name__: model for model in (add, every_detail, two_signatures, stateful, outside_model)}


def path_of(name: str) -> Path:
    where = folder()
    assert where is not None
    return where / name


def disagreements(content: bytes) -> list[str]:
    bindings = pytest.importorskip("ai_edge_litert.schema_py_generated")
    theirs = bindings.ModelT.InitFromPackedBuf(content)
    return differences(layout_of("Model"), minilite.read(content), theirs)


def check_options(model: Model) -> None:
    for subgraph in model.subgraphs:
        for operator in subgraph.operators:
            name = model.operator_codes[operator.opcode_index].name
            for options in (operator.options, operator.options_2):
                assert options is None or options.table in (OPTIONS_OF.get(name), MISLABELLED.get(name))


@pytest.mark.parametrize("name", OWN)
def test_litert_reads_the_same_from_what_we_write(name: str) -> None:
    assert disagreements(OWN[name]().to_bytes()) == []


@pytest.mark.parametrize("name", files())
def test_litert_reads_the_same_from_a_real_model(name: str) -> None:
    assert disagreements(path_of(name).read_bytes()) == []


@pytest.mark.parametrize("name", files())
def test_a_real_model_is_read_as_it_was_written(name: str) -> None:
    model = minilite.read(path_of(name))
    content = model.to_bytes()
    assert minilite.read(content) == model
    assert minilite.read(content).to_bytes() == content
    check_options(model)
