"""Summaries of models against LiteRT's own details, multiply-accumulates against counted loops."""

from __future__ import annotations

import dataclasses
import itertools
import json

import numpy as np
import pytest
from flatbuffers import flexbuffers
from hypothesis import given
from hypothesis import strategies as st

from minilite import demo, schema
from minilite.errors import Error
from minilite.inspection import listing
from minilite.inspection.macs import FORMULAS, macs, operator_macs
from minilite.inspection.summary import OperatorCount, summarize, to_json
from minilite.model import Buffer, Metadata, Model, Operator, OperatorCode, Quantization, Subgraph, Tensor
from minilite.reader import read
from tests import models, small_models

BOTH = [demo.FLOAT_MODEL, demo.INT8_MODEL]


def every_line(model):
    summary = summarize(model)
    parts = (listing.overview, listing.operators, listing.tensors)
    return [line for part in parts for heading, lines in part(summary) for line in (heading, *lines)]


# ---- multiply-accumulates ------------------------------------------------------------------------------------------


def counted(*ranges):
    """How often the innermost line of nested loops over these ranges is reached."""
    return sum(1 for _ in itertools.product(*map(range, ranges)))


@pytest.mark.parametrize(
    "name, options, inputs, output, expected",
    [
        # batch, rows, columns, output channels; filter rows, filter columns, input channels
        ("CONV_2D", {}, [(2, 5, 5, 3), (4, 3, 2, 3), (4,)], (2, 5, 5, 4), counted(2, 5, 5, 4, 3, 2, 3)),
        ("CONV_2D", {}, [(1, 5, 5, 6), (4, 3, 3, 2), (4,)], (1, 3, 3, 4), counted(1, 3, 3, 4, 3, 3, 2)),
        ("DEPTHWISE_CONV_2D", {}, [(2, 5, 5, 3), (1, 3, 2, 6), (6,)], (2, 5, 5, 6), counted(2, 5, 5, 6, 3, 2)),
        # every input value meets a whole filter of every output channel
        ("TRANSPOSE_CONV", {}, [(4,), (5, 3, 2, 4), (1, 3, 3, 4)], (1, 6, 6, 5), counted(3, 3, 4, 3, 2, 5)),
        ("CONV_3D", {}, [(1, 4, 4, 4, 2), (2, 3, 3, 2, 5), None], (1, 3, 2, 2, 5), counted(3, 2, 2, 5, 2, 3, 3, 2)),
        (
            "CONV_3D_TRANSPOSE",
            {},
            [(5,), (2, 3, 3, 5, 2), (1, 4, 3, 2, 2)],
            (1, 8, 9, 6, 5),
            counted(4, 3, 2, 2, 2, 3, 3, 5),
        ),
        ("FULLY_CONNECTED", {}, [(3, 7), (4, 7), None], (3, 4), counted(3, 4, 7)),
        ("FULLY_CONNECTED", {}, [(2, 3, 7), (4, 7)], (2, 3, 4), counted(2, 3, 4, 7)),
        ("FULLY_CONNECTED", {}, [(2, 1, 7, 1), (4, 7)], (2, 4), counted(2, 4, 7)),
        ("BATCH_MATMUL", {}, [(2, 3, 5), (2, 5, 4)], (2, 3, 4), counted(2, 3, 4, 5)),
        ("BATCH_MATMUL", {"adj_x": True}, [(2, 5, 3), (2, 5, 4)], (2, 3, 4), counted(2, 3, 4, 5)),
        ("SVDF", {}, [(2, 7), (6, 7), (6, 4), None, (2, 24)], (2, 3), 2 * (counted(6, 7) + counted(6, 4))),
        ("RNN", {}, [(2, 7), (5, 7), (5, 5), (5,), (2, 5)], (2, 5), 2 * (counted(5, 7) + counted(5, 5))),
        ("SOFTMAX", {}, [(2, 7)], (2, 7), 0),
        ("ADD", {}, [(2, 7), (7,)], (2, 7), 0),
    ],
)
def test_macs_are_those_of_the_direct_loops(name, options, inputs, output, expected):
    table = schema.make_options(schema.OPTIONS_OF[name], **options) if options else schema_options(name)
    assert macs(name, table, inputs, [output]) == expected


def schema_options(name):
    return schema.make_options(schema.OPTIONS_OF[name]) if name in schema.OPTIONS_OF else None


def test_lstm_uses_every_weight_once_a_step():
    steps, batch, depth, cells, units = 6, 2, 3, 4, 5
    gate, recurrent, peephole, bias = (cells, depth), (cells, units), (cells,), (cells,)
    inputs = [
        (steps, batch, depth), *[gate] * 4, *[recurrent] * 4, *[peephole] * 3, *[bias] * 4, (units, cells), None,
        (batch, units), (batch, cells),
    ]  # fmt: skip
    per_step = 4 * cells * depth + 4 * cells * units + 3 * cells + units * cells
    assert macs("UNIDIRECTIONAL_SEQUENCE_LSTM", None, inputs, [(steps, batch, units)]) == steps * batch * per_step


def test_lstm_without_input_gate_peephole_and_projection():
    weights = [None, (4, 3), (4, 3), (4, 3), None, (4, 4), (4, 4), (4, 4), None, None, None, None, (4,), (4,), (4,)]
    inputs = [(2, 3), *weights, None, None, (2, 4), (2, 4)]
    assert macs("LSTM", None, inputs, [(2, 4)]) == 2 * 3 * (4 * 3 + 4 * 4)


@pytest.mark.parametrize("name", sorted(FORMULAS))
@pytest.mark.parametrize("shapes", [[], [None] * 50, [()] * 50, [(-1, 2, 3, 4)] * 50])
def test_macs_of_unknown_shapes_are_unknown(name, shapes):
    assert macs(name, schema_options(name), shapes, shapes) is None


def test_macs_of_a_custom_operator_are_unknown_and_the_total_a_lower_bound():
    model = read(demo.INT8_MODEL)
    codes = (dataclasses.replace(model.operator_codes[0], builtin_code="CUSTOM", custom_code="Mine"),)
    odd = dataclasses.replace(model, operator_codes=codes + model.operator_codes[1:])
    graph = odd.subgraphs[0]
    custom = [o for o in graph.operators if o.opcode_index == 0]
    assert custom
    assert [operator_macs(odd, graph, o) for o in custom] == [None] * len(custom)
    summary = summarize(odd)
    assert not summary.macs_complete
    assert summary.macs == summarize(model).macs - sum(operator_macs(model, graph, o) for o in custom)
    assert any("at least" in line for line in every_line(odd))
    assert any("Mine" in line and "unknown MACs" in line for line in every_line(odd))


@pytest.mark.parametrize(
    "file, millions",  # as published: the MobileNet v1 paper's table, MLPerf Tiny's models
    [
        ("mobilenet_v1_0.25_128_quant.tflite", 14),
        ("mobilenet_v1_0.5_160_quant.tflite", 77),
        ("kws_ref_model.tflite", 2.7),
        ("vww_96_int8.tflite", 7.5),
        ("pretrainedResnet_quant.tflite", 12.5),
    ],
)
def test_macs_of_published_networks(file, millions):
    folder = models.folder()
    found = sorted(folder.rglob(file)) if folder else []
    if not found:
        pytest.skip("needs the folder of real models in MINILITE_MODELS")
    summary = summarize(read(found[0]))
    digits = 0 if millions == int(millions) else 1
    assert round(summary.macs / 1e6, digits) == millions
    assert summary.macs_complete


# ---- summaries -----------------------------------------------------------------------------------------------------


def test_the_demo_network_in_numbers():
    summary = summarize(read(demo.INT8_MODEL))
    convolutions = 14 * 14 * 32 * 9 + 14 * 14 * 64 * 32 + 7 * 7 * 64 * 64 + 5 * 5 * 32 * 9 * 64
    depthwise = 14 * 14 * 32 * 9 + 7 * 7 * 64 * 9
    assert summary.operators[:2] == (
        OperatorCount("CONV_2D", 3, 4, convolutions),
        OperatorCount("DEPTHWISE_CONV_2D", 3, 2, depthwise),
    )
    assert summary.macs == convolutions + depthwise + 320
    assert summary.signatures[0].inputs == {"image": 0}
    assert ("min_runtime_version", "1.14.0") in [(entry.name, entry.text) for entry in summary.metadata]
    assert sum(listing.constant_bytes_by_type(summary.subgraphs[0].tensors).values()) == summary.constant_bytes


@pytest.mark.parametrize("path", BOTH, ids=lambda p: p.stem)
def test_tensors_and_operators_are_those_litert_lists(path):
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    interpreter = litert.Interpreter(
        str(path), experimental_op_resolver_type=litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    graph = summarize(read(path)).subgraphs[0]
    details = interpreter.get_tensor_details()
    assert [t.name for t in graph.tensors] == [d["name"] for d in details]
    for tensor, detail in zip(graph.tensors, details, strict=True):
        assert tensor.type.lower() == np.dtype(detail["dtype"]).name
        assert tensor.shape == tuple(detail["shape"])
        parameters = detail["quantization_parameters"]
        scales = tensor.quantization.scales if tensor.quantization else ()
        zero_points = tensor.quantization.zero_points if tensor.quantization else ()
        np.testing.assert_array_equal(np.array(scales, np.float32), parameters["scales"])
        np.testing.assert_array_equal(zero_points, parameters["zero_points"])
    ops = interpreter._get_ops_details()
    assert [o.name for o in graph.operators] == [o["op_name"] for o in ops]
    assert [o.inputs for o in graph.operators] == [tuple(o["inputs"]) for o in ops]
    assert {t.index for t in graph.tensors if t.role == "input"} == {
        d["index"] for d in interpreter.get_input_details()
    }


def test_a_shared_buffer_counts_once():
    weights = Buffer(np.zeros(40, np.uint8))
    tensors = (Tensor("a", shape=(10,), buffer=1), Tensor("b", shape=(10,), buffer=1))
    summary = summarize(Model(buffers=(Buffer(), weights), subgraphs=(Subgraph(tensors=tensors),)))
    assert summary.constant_bytes == 40
    assert listing.constant_bytes_by_type(summary.subgraphs[0].tensors) == {"FLOAT32": 40}


@pytest.mark.parametrize(
    "quantization, text",
    [
        (None, ""),
        (Quantization(min=np.zeros(1), max=np.ones(1)), ""),
        (Quantization(np.float32([0.5]), np.int64([-3])), "scale 0.5, zero point -3"),
        (Quantization(np.float32([0.5, 2]), np.int64([0, 0]), 3), "2 scales 0.5 to 2 along dimension 3"),
        (
            Quantization(np.float32([0.5, 2]), np.int64([0, 9]), 1),
            "2 scales 0.5 to 2 along dimension 1, zero points 0 to 9",
        ),
    ],
)
def test_quantization_in_words(quantization, text):
    model = Model(subgraphs=(Subgraph(tensors=(Tensor("t", "INT8", (2,), quantization=quantization),)),))
    tensor = summarize(model).subgraphs[0].tensors[0]
    assert listing.quantization(tensor.quantization) == text
    assert tensor.quantized == bool(text)


def test_json_has_no_nan_or_infinity():
    quantization = Quantization(np.float32([np.nan, np.inf]), np.int64([0, 0]))
    model = Model(subgraphs=(Subgraph(tensors=(Tensor("t", "INT8", (2,), quantization=quantization),)),))

    def refuse(constant):
        raise AssertionError(constant)

    content = json.loads(to_json(summarize(model), file="x"), parse_constant=refuse)
    assert content["subgraphs"][0]["tensors"][0]["quantization"]["scales"] == ["nan", "inf"]
    assert content["file"] == "x"


def test_metadata_that_is_no_text_is_a_size():
    buffers = (Buffer(), Buffer(np.array([7, 200], np.uint8)), Buffer(np.full(100, 65, np.uint8)))
    metadata = (Metadata("binary", 1), Metadata("long", 2), Metadata("missing", 9))
    summary = summarize(Model(buffers=buffers, metadata=metadata))
    assert [(m.name, m.bytes, m.text) for m in summary.metadata] == [
        ("binary", 2, None), ("long", 100, None), ("missing", 0, None),
    ]  # fmt: skip


def test_several_subgraphs_are_told_apart():
    code = (OperatorCode("NEG"),)
    graph = Subgraph((Tensor("x", shape=(2,)), Tensor("y", shape=(2,))), (0,), (1,), (Operator(0, (0,), (1,)),))
    model = Model(code, (graph, dataclasses.replace(graph, name="body")))
    lines = every_line(model)
    assert "Operators of subgraph 1 body" in lines
    assert "1  body: 1 inputs, 1 outputs, 1 operators" in lines


def test_unknown_rank_and_nothing_at_all():
    assert every_line(Model())
    model = Model(subgraphs=(Subgraph(tensors=(Tensor("t", shape=None),), inputs=(0,)),))
    assert "0  FLOAT32 [?]  t" in every_line(model)


@pytest.mark.parametrize("file", models.files())
def test_real_models_can_be_inspected(file):
    try:
        model = read(models.folder() / file)
    except Error:
        pytest.skip("not a sound model")
    json.loads(to_json(summarize(model)))
    assert every_line(model)


@given(st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_damaged_file_is_an_error_or_a_summary(changes):
    content = bytearray(demo.INT8_MODEL.read_bytes())
    for place, value in changes:
        content[place % len(content)] = value
    try:
        model = read(bytes(content))
    except Error:
        return
    assert to_json(summarize(model))
    assert every_line(model)


@pytest.mark.parametrize(
    "content, options, line",
    [
        (flexbuffers.Dumps({"size": 3, "names": ["a"]}), {"names": ["a"], "size": 3}, "names ['a'], size 3"),
        (flexbuffers.Dumps({"table": b"1234"}), {"table": "4 bytes"}, "table 4 bytes"),
        (flexbuffers.Dumps([1, 2]), {"custom_options": [1, 2]}, "custom_options [1, 2]"),
        (b"\1\2\3\0", {"custom_options": "4 bytes"}, "custom_options 4 bytes"),
    ],
)
def test_custom_options_are_shown_as_what_they_hold(content, options, line):
    model = small_models.custom()
    graph = model.subgraphs[0]
    operator = dataclasses.replace(graph.operators[0], custom_options=np.frombuffer(content, np.uint8))
    summary = summarize(dataclasses.replace(model, subgraphs=(dataclasses.replace(graph, operators=(operator,)),)))
    assert summary.subgraphs[0].operators[0].options == options
    assert json.loads(to_json(summary))["subgraphs"][0]["operators"][0]["options"] == options
    assert any(line in printed for _, lines in listing.operators(summary) for printed in lines)
