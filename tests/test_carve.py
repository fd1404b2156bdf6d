"""``minilite.carve``: what is cut out computes in LiteRT and in minilite what it computed in the whole model."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minilite
from minilite.cases import Call, Graph, Value
from minilite.inspection.carving import cut
from minilite.testing.graph_model import graph_model
from tests import broken_pairs, small_models
from tests.broken_pairs import FLOAT, INT8, images
from tests.oracle import oracle
from tests.quantizer_networks import network, samples

needs_litert = pytest.mark.skipif(importlib.util.find_spec("ai_edge_litert") is None, reason="needs ai-edge-litert")
INTEGERS = minilite.read(INT8)


def named(model: minilite.Model) -> list[str]:
    return [model.operator_codes[o.opcode_index].name for o in model.subgraphs[0].operators]


def fed(carved: minilite.Carved) -> list[np.ndarray]:
    """The arrays in the order of the inputs."""
    graph = carved.model.subgraphs[0]
    return [carved.arrays[graph.tensors[t].name] for t in graph.inputs]


def agree(carved: minilite.Carved, results: list[np.ndarray]) -> None:
    graph = carved.model.subgraphs[0]
    for tensor, result in zip(graph.outputs, results, strict=True):
        np.testing.assert_array_equal(result, carved.expected[graph.tensors[tensor].name])


@needs_litert
@pytest.mark.parametrize("path", [FLOAT, INT8])
@pytest.mark.parametrize("operator", range(11))
def test_every_operator_gives_in_litert_what_it_gave_in_the_whole_model(path: Path, operator: int) -> None:
    carved = minilite.carve(path, operator, inputs=images(1))
    content = carved.model.to_bytes()
    assert len(carved.model.subgraphs[0].operators) == 1
    assert len(content) < path.stat().st_size
    assert minilite.read(content) == carved.model
    agree(carved, oracle().run(content, "reference", fed(carved)))


@needs_litert
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("scheme", ["int8", "float16", "dynamic_range"])
@pytest.mark.filterwarnings("ignore::minilite.quantization.lint.CalibrationWarning")
def test_operators_of_networks_give_in_litert_what_they_gave(seed: int, scheme: str) -> None:
    model = minilite.read(network(seed).to_bytes())
    data = samples(model, seed)
    model = minilite.quantize(model, scheme, data if scheme == "int8" else None)
    for number in range(0, len(model.subgraphs[0].operators), 3):
        carved = minilite.carve(model, number, inputs=data[:1], kernels="builtin")
        if carved.arrays:  # not one of constants alone
            agree(carved, list(minilite.run(carved.model, fed(carved), kernels="builtin").values()))
            theirs = oracle().run(carved.model.to_bytes(), "builtin", fed(carved))
            for got, wanted in zip(theirs, carved.expected.values(), strict=True):
                if wanted.dtype.kind == "f":
                    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())
                else:
                    np.testing.assert_array_equal(got, wanted)


@needs_litert
def test_the_operators_between_two_tensors() -> None:
    start, end = "fashion_1/pool_1/MaxPool2d", "fashion_1/sum_1/Relu"
    carved = minilite.carve(INTEGERS, start, end, images(1))
    assert carved.operators == (4, 5, 6)
    assert named(carved.model) == ["DEPTHWISE_CONV_2D", "CONV_2D", "ADD"]
    assert list(carved.arrays) == [start]
    agree(carved, oracle().run(carved.model.to_bytes(), "reference", fed(carved)))


def test_side_inputs_become_inputs_and_what_others_read_becomes_outputs() -> None:
    (inner,) = INTEGERS.subgraphs[0].operators[5].outputs
    name = INTEGERS.subgraphs[0].tensors[inner].name
    carved = minilite.carve(INTEGERS, name, "fashion_1/sum_1/Relu", images(1))
    assert carved.operators == (6,)
    assert len(carved.arrays) == 2
    both = minilite.carve(INTEGERS, [3, 4], inputs=images(1))
    assert len(both.model.subgraphs[0].outputs) == 2  # the pool is read by the sum, too
    agree(both, list(minilite.run(both.model, fed(both)).values()))


def test_a_difference_is_carved_out_with_it() -> None:
    """The operator that compare blames shows the same difference by itself."""
    x = images(1)
    broken = broken_pairs.weights_off(5)
    blamed = minilite.compare(FLOAT, broken, x).worst(1)[0].operator[1]
    whole, part = minilite.carve(INTEGERS, blamed, inputs=x), minilite.carve(broken, blamed, inputs=x)
    found = minilite.compare(whole.model, part.model, [list(whole.arrays.values())])
    assert found.worst(1)[0].isolated.sqnr < 3


def test_without_inputs_there_is_the_model_alone() -> None:
    carved = minilite.carve(INT8, "SOFTMAX")
    assert (carved.arrays, carved.expected, carved.operators) == ({}, {}, (10,))
    assert minilite.carve(INT8, 10).model == carved.model


def test_shapes_that_are_computed_become_constants() -> None:
    """What is known before the run is no input of the part, whose shapes would then depend on values."""
    model = minilite.quantize(FLOAT, "float16")
    carved = minilite.carve(model, "FULLY_CONNECTED", inputs=images(1))
    assert len(carved.model.subgraphs[0].inputs) == 1
    agree(carved, list(minilite.run(carved.model, fed(carved)).values()))


def looping() -> minilite.Model:
    """An ADD, and a WHILE that counts to ten; its subgraphs are the third and the fourth."""
    counter, one, limit = (Value("int32", (1,), v if v is None else np.array([v], np.int32)) for v in (None, 1, 10))
    less = Graph((counter, limit, Value("bool", (1,))), (Call("LESS", (0, 1), (2,)),), (0,), (2,))
    add = Graph((counter, one, counter), (Call("ADD", (0, 1), (2,)),), (0,), (2,))
    loop = Call("WHILE", (2,), (3,), {"cond_subgraph_index": 2, "body_subgraph_index": 3})
    main = Graph((counter, one, counter, counter), (Call("ADD", (0, 1), (2,)), loop), (0,), (3,))
    return graph_model((main, Graph((counter,), (), (0,), (0,)), less, add))


@needs_litert
def test_subgraphs_that_are_called_come_along() -> None:
    carved = minilite.carve(looping(), "WHILE", inputs=[[np.array([3], np.int32)]])
    assert [len(g.operators) for g in carved.model.subgraphs] == [1, 1, 1]
    assert {n: a.tolist() for n, a in (carved.arrays | carved.expected).items()} == {"value_2": [4], "value_3": [10]}
    agree(carved, oracle().run(carved.model.to_bytes(), "reference", fed(carved)))
    inner = minilite.carve(looping(), 0, inputs=[[np.array([3], np.int32)]], subgraph=3)
    assert [a.tolist() for a in inner.arrays.values()] == [[9]]  # of the last round


def test_other_subgraphs_stay_behind() -> None:
    model = small_models.two_signatures()
    part = cut(model, 1, [0])
    assert len(part.model.subgraphs) == 1
    assert named(part.model) == ["SUB"]


@pytest.mark.parametrize(
    "what, to, said",
    [
        (11, None, r"operators 0 to 10, got 11"),
        ([], None, "no operators were chosen"),
        ([3, "x"], None, "expected an operator's number"),
        ("CONV_2D", None, "there are 4 operators called CONV_2D; say which one: 0, 2, 5, 7"),
        ("fashion_1/mean_1/Maen", None, "did you mean 'fashion_1/mean_1/Mean'"),
        (
            "serving_default_image:0",
            None,
            "no operator computes 'serving_default_image:0': .* It is read by operator 0",
        ),
        (
            "PartitionedCall:0",
            "fashion_1/sum_1/Relu",
            "does not depend on 'PartitionedCall:0'. It is the other way round",
        ),
        ("SOFTMAX", "fashion_1/sum_1/Relu", "expected the name of a tensor, got operator 10"),
    ],
)
def test_what_is_not_there_is_an_error(what: Any, to: Any, said: str) -> None:
    with pytest.raises(minilite.Error, match=said):
        minilite.carve(INTEGERS, what, to)


def test_the_command_writes_what_the_others_read(call: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", images(1))
    status, out, _ = call("carve", FLOAT, "MEAN", "--input", tmp_path / "x.npy", "-o", tmp_path / "mean")
    assert status == 0
    files = [tmp_path / name for name in ("mean.tflite", "mean.npz", "mean_expected.npz")]
    assert out.split("\n")[1:4] == [str(f) for f in files]
    status, out, _ = call("run", files[0], "--input", files[1], "-o", tmp_path / "out.npz")
    assert status == 0
    with np.load(files[2]) as wanted, np.load(tmp_path / "out.npz") as got:
        assert [np.array_equal(wanted[n], got[n]) for n in wanted.files] == [True]
    assert call("carve", FLOAT, "MEAN", "-o", tmp_path / "none" / "mean")[0] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x[0], r"expected shape \[-1, 28, 28, 1\], got \[28, 28, 1\]. Add the batch dimension"),
        (lambda x: x[..., 0], r"got \[1, 28, 28\]. Add the last dimension: array\[..., None\]"),
        (lambda x: np.uint8(x * 255), r"INT8 cannot hold the values .*/ 255 for most images"),
    ],
)
def test_what_is_wrong_with_a_sample_is_said(change, message: str) -> None:
    """Real numbers are taken for integers: with floats in a wrong shape it is the shape that is wrong."""
    with pytest.raises(minilite.Error, match=message):
        minilite.carve(INT8, 5, inputs=[change(images(1))])
