"""TFLite_Detection_PostProcess where drawn cases cannot go: LiteRT leaves outputs unwritten, or refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flatbuffers import flexbuffers

import minilite
from minilite.model import Model, Operator, OperatorCode
from minilite.ops.detection_postprocess import best
from minilite.testing.ours import compute
from tests.oracle import OracleError, oracle
from tests.small_models import Builder

OPTIONS = {
    "max_detections": 4,
    "max_classes_per_detection": 2,
    "num_classes": 3,
    "nms_score_threshold": 0.5,
    "nms_iou_threshold": 0.5,
    **{f"{name}_scale": 1.0 for name in "yxhw"},
}
ANCHORS = np.array([[0.2, 0.2, 0.2, 0.2], [0.21, 0.2, 0.2, 0.2], [0.7, 0.7, 0.2, 0.2]], np.float32)
SCORES = np.array([[[0.9, 0.6, 0.1], [0.8, 0.8, 0.1], [0.3, 0.6, 0.6]]], np.float32)


def model(options: bytes | None = None, boxes: int = 3, detections: int = 8, **changed: Any) -> Model:
    b = Builder()
    inputs = b.tensor("boxes", (1, boxes, 4)), b.tensor("scores", (1, boxes, 3)), b.tensor("anchors", (boxes, 4))
    shapes = {"b": (1, detections, 4), "c": (1, detections), "s": (1, detections), "n": (1,)}
    outputs = tuple(b.tensor(name, shape) for name, shape in shapes.items())
    content = flexbuffers.Dumps({k: v for k, v in (OPTIONS | changed).items() if v is not None})
    custom = np.frombuffer(content if options is None else options, np.uint8)
    graph = b.subgraph(inputs, outputs, Operator(0, inputs, outputs, custom_options=custom))
    codes = (OperatorCode("CUSTOM", 1, "TFLite_Detection_PostProcess"),)
    return Model(codes, (graph,), tuple(b.buffers))


FED = [np.zeros((1, 3, 4), np.float32), SCORES, ANCHORS]


def test_fewer_detections_than_there_is_room_for(runtime: str) -> None:
    """Two boxes are taken, each with two classes; LiteRT writes these and leaves the rest as it was."""
    found, expected = compute(model(), "reference", FED), oracle(runtime).run(model().to_bytes(), "reference", FED)
    assert found[3].tolist() == expected[3].tolist() == [2]
    for got, want in zip(found[:3], expected[:3], strict=True):
        assert np.array_equal(got[:, :4], want[:, :4])
        assert not got[:, 4:].any()
    assert found[1][0, :4].tolist() == [0, 1, 2, 1]  # of equal scores the later class comes first: heaps do that


def test_no_detections_at_all(runtime: str) -> None:
    for regular in (False, True):
        nothing = model(nms_score_threshold=2.0, use_regular_nms=regular, max_classes_per_detection=1, max_detections=8)
        found = compute(nothing, "reference", FED)
        assert not any(f.any() for f in found)
        assert oracle(runtime).run(nothing.to_bytes(), "reference", FED)[3].tolist() == [0]


@pytest.mark.parametrize(
    "changed",
    [
        {"nms_iou_threshold": 0.0},
        {"nms_iou_threshold": 1.5},
        {"num_classes": 5},
        {"num_classes": 1},
        {"max_classes_per_detection": 0},
        {"use_regular_nms": True, "detections_per_class": 0},
        {"h_scale": float("nan"), "y_scale": "1"},
        {"max_detections": 2**40},
        {"max_detections": -1},
        {"max_detections": 2**30},
    ],
)
def test_options_that_are_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(minilite.OperatorError, match=r"TFLite_Detection_PostProcess"):
        compute(model(**changed), "reference", FED)


@pytest.mark.parametrize("options", [b"", b"\0\0\0\0", flexbuffers.Dumps([1])])
def test_options_that_are_no_map(options: bytes) -> None:
    with pytest.raises(minilite.OperatorError, match=r"TFLite_Detection_PostProcess.* (custom options|a map)"):
        compute(model(options), "reference", FED)


def test_boxes_of_a_negative_size_are_refused(runtime: str) -> None:
    fed = [FED[0], SCORES, ANCHORS * np.array([1, 1, -1, 1], np.float32)]
    with pytest.raises(minilite.OperatorError, match="sizes of 0 or more"):
        compute(model(), "reference", fed)
    with pytest.raises(OracleError):
        oracle(runtime).run(model().to_bytes(), "reference", fed)


@pytest.mark.parametrize("count", range(1, 7))
def test_the_best_are_the_largest(count: int) -> None:
    random = np.random.default_rng(count)
    for _ in range(50):
        values = random.integers(0, 5, 6).astype(np.float32)
        found = best(values, count)
        assert len(set(found)) == count
        assert values[found].tolist() == sorted(values.tolist(), reverse=True)[:count]
