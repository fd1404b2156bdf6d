"""TFLite_Detection_PostProcess: boxes from encodings and anchors, and the best of them that do not overlap.

    y_center = box.y / y_scale * anchor.h + anchor.y        half_h = exp(box.h / h_scale) * anchor.h / 2
    ymin, ymax = y_center - half_h, y_center + half_h       x likewise

Non-maximum suppression goes through the boxes by descending score, those of equal score in their order; it takes a box
unless its score is below nms_score_threshold or its intersection over union with one already taken is above
nms_iou_threshold.

    fast (default)      once, on each box's best score. Every box taken is repeated max_classes_per_detection times,
                        with its best classes.
    regular             (use_regular_nms) for each class, at most detections_per_class boxes; then the max_detections
                        best of all, those of equal score in the order of classes.

box_encodings [1, boxes, 4 or more] as (y, x, h, w), class_predictions [1, boxes, classes or classes + 1], where a first
column more is the background and left out; anchors [boxes, 4] as (y, x, h, w). Outputs: boxes [1, n, 4] as (ymin, xmin,
ymax, xmax), classes [1, n], scores [1, n] with n = max_detections * max_classes_per_detection, and the number of boxes
taken [1]; all float32. What is left of the outputs is 0. (LiteRT writes nothing there with fast suppression, nor, with
regular suppression, behind the first max_detections.)

Options, a flexbuffer: max_detections, max_classes_per_detection, detections_per_class (100), use_regular_nms,
nms_score_threshold, nms_iou_threshold in (0, 1], num_classes, y_scale, x_scale, h_scale, w_scale.

Centers and half sizes are computed in float64 and rounded to float32, everything after them in float32. uint8 operands
are dequantized in float32 first; so are the anchors of uint8 boxes. The best classes of one box are picked with a heap,
which leaves equal scores in an order of its own, but for a single class: that is the first of the largest. NaN scores
are never taken by regular suppression; with fast suppression LiteRT's order depends on where they are, here they come
last. Boxes with a negative size are refused.

Source: TensorFlow Lite's detection_postprocess; Floyd 1964, "Algorithm 245: Treesort 3"; libstdc++'s partial_sort, for
the order of equal scores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite.cases import Case, Draw, boolean, fed
from minilite.errors import OperatorError
from minilite.flexbuffers import encode
from minilite.ops.custom_options import options_map, real, whole
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation

Array = np.ndarray
F = np.float32


@dataclass(frozen=True)
class Options:
    """The custom options, checked. ``scales`` are those of y, x, h and w."""

    max_detections: int
    max_classes: int
    per_class: int
    regular: bool
    score_threshold: float
    iou_threshold: float
    classes: int
    scales: tuple[float, float, float, float]


def read_options(node: Node) -> Options:
    found = options_map(node)
    regular = whole(node, found, "use_regular_nms", -(2**31)) != 0
    per_class = 100 if found.get("detections_per_class") is None else whole(node, found, "detections_per_class")
    y, x, h, w = (real(node, found, f"{name}_scale") for name in "yxhw")
    options = Options(
        whole(node, found, "max_detections", 1 if regular else 0),
        whole(node, found, "max_classes_per_detection", 0 if regular else 1),
        per_class,
        regular,
        real(node, found, "nms_score_threshold"),
        real(node, found, "nms_iou_threshold"),
        whole(node, found, "num_classes", 1),
        (y, x, h, w),
    )
    node.need(not regular or per_class > 0, "option detections_per_class of 1 or more", per_class)
    node.need(0 < options.iou_threshold <= 1, "option nms_iou_threshold above 0, up to 1", options.iou_threshold)
    return options


def shapes(node: Node, boxes: TensorInfo, scores: TensorInfo, anchors: TensorInfo) -> tuple[Shape, ...]:
    options = read_options(node)
    fits = boxes.rank == 3 and boxes.shape[0] == 1 and boxes.shape[2] >= 4
    boxes.need(fits, "[1, boxes, 4 or more]", boxes.shape)
    count, classes = boxes.shape[1], options.classes
    columns = (classes, classes + 1)
    fits = scores.rank == 3 and scores.shape[:2] == (1, count) and scores.shape[2] in columns
    scores.need(fits, f"[1, {count}, {columns[0]} or {columns[1]}]", scores.shape)
    anchors.need(anchors.shape == (count, 4), f"[{count}, 4]", anchors.shape)
    found = options.max_detections * options.max_classes
    node.need(
        not options.regular or found >= options.max_detections,
        "option max_classes_per_detection of 1 or more",
        options.max_classes,
    )
    return ((1, found, 4), (1, found), (1, found), (1,))


# ---- boxes -----------------------------------------------------------------------------------------------------------


def decode_boxes(encodings: Array, anchors: Array, scales: tuple[float, ...]) -> Array:
    """Corners ``[boxes, 4]`` of encoded boxes ``[boxes, 4]``."""
    e, a = encodings.astype(np.float64), anchors.astype(np.float64)
    center = (e[:, :2] / scales[:2] * a[:, 2:] + a[:, :2]).astype(F)
    half = (0.5 * np.exp(e[:, 2:] / scales[2:]) * a[:, 2:]).astype(F)
    return np.concatenate([center - half, center + half], axis=1)


def overlap(box: Array, others: Array) -> Array:
    """Intersection over union of a box with each of others; 0 where one of them has no area."""
    area, areas = (np.prod(b[..., 2:] - b[..., :2], axis=-1, dtype=F) for b in (box, others))
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.prod(np.maximum(sides, F(0)), axis=1, dtype=F)
    return np.where((area <= 0) | (areas <= 0), F(0), shared / (area + areas - shared))


def suppress(boxes: Array, scores: Array, options: Options, most: int) -> Array:
    """The indices of at most ``most`` boxes, best first, that overlap none before them too much."""
    if (boxes[:, :2] > boxes[:, 2:]).any():
        raise OperatorError("expected boxes with sizes of 0 or more, got negative ones.")
    candidates = np.flatnonzero(scores >= F(options.score_threshold))
    candidates = candidates[np.argsort(-scores[candidates], kind="stable")]
    taken: list[int] = []
    while candidates.size and len(taken) < most:
        taken.append(int(candidates[0]))
        rest = candidates[1:]
        candidates = rest[~(overlap(boxes[taken[-1]], boxes[rest]) > F(options.iou_threshold))]
    return np.array(taken, np.intp)


# ---- which boxes and classes -----------------------------------------------------------------------------------------


def regular(boxes: Array, scores: Array, options: Options) -> tuple[Array, Array]:
    """Indices of boxes and their classes, best first."""
    most = min(options.per_class, options.max_detections)
    taken = [suppress(boxes, column, options, most) for column in scores.T]
    index = np.concatenate(taken)
    classes = np.repeat(np.arange(len(taken)), [len(t) for t in taken])
    order = np.argsort(-scores[index, classes], kind="stable")[: options.max_detections]
    return index[order], classes[order]


def fast(boxes: Array, scores: Array, options: Options) -> tuple[Array, Array]:
    """Indices of boxes, best first, and the best classes of each ``[boxes, classes]``."""
    count = min(options.max_classes, options.classes)
    with_numbers = np.where(np.isnan(scores), F(-np.inf), scores)
    index = suppress(boxes, with_numbers.max(axis=1, initial=-np.inf), options, options.max_detections)
    classes = [best(with_numbers[i], count) for i in index]
    return index, np.array(classes, np.intp).reshape(len(index), count)


def best(values: Array, count: int) -> list[int]:
    """The indices of the largest values, largest first; equal ones as a heap leaves them."""
    if count == 1:
        return [int(np.argmax(values))]
    heap = Heap(values, list(range(count)))
    for index in range(count, len(values)):
        if values[index] > values[heap.indices[0]]:
            heap.sink(0, count, index)
    for end in range(count - 1, 0, -1):
        smallest, last = heap.indices[0], heap.indices[end]
        heap.sink(0, end, last)
        heap.indices[end] = smallest
    return heap.indices


class Heap:
    """Indices of values in a binary heap whose first is the smallest value's."""

    def __init__(self, values: Array, indices: list[int]):
        self.values, self.indices = values, indices
        for parent in range(len(indices) // 2 - 1, -1, -1):
            self.sink(parent, len(indices), indices[parent])

    def sink(self, top: int, size: int, index: int) -> None:
        """Put an index into the hole at ``top``: the hole goes down along the smaller children, all the way, and the
        index then up from there. Of equal children the second goes up."""
        indices, values, hole = self.indices, self.values, top
        while (child := 2 * hole + 2) <= size:
            if child == size or values[indices[child]] > values[indices[child - 1]]:
                child -= 1
            indices[hole], hole = indices[child], child
        while hole > top and values[indices[(hole - 1) // 2]] > values[index]:
            indices[hole], hole = indices[(hole - 1) // 2], (hole - 1) // 2
        indices[hole] = index


# ---- definitions -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Prepared:
    """Options, how to make the boxes, scores and anchors real numbers, and how many detections there may be."""

    options: Options
    reals: tuple[Callable[[Array], Array], ...]
    size: int


def prepare(node: Node, boxes: TensorInfo, scores: TensorInfo, anchors: TensorInfo, *outputs: TensorInfo) -> Prepared:
    return Prepared(read_options(node), tuple(map(to_real, (boxes, scores, anchors))), outputs[1].shape[1])


def to_real(info: TensorInfo) -> Callable[[Array], Array]:
    if info.type != "uint8":
        return lambda array: array
    scale, zero_point = info.scale, F(info.zero_point)
    return lambda array: (array.astype(F) - zero_point) * scale


def detect(p: Prepared, encodings: Array, scores: Array, anchors: Array) -> tuple[Array, ...]:
    encodings, scores, anchors = (real(a) for real, a in zip(p.reals, (encodings, scores, anchors), strict=True))
    boxes = decode_boxes(encodings[0, :, :4], anchors, p.options.scales)
    columns = scores[0, :, scores.shape[2] - p.options.classes :]
    index, classes = (regular if p.options.regular else fast)(boxes, columns, p.options)
    found = np.zeros((p.size, 4), F), np.zeros(p.size, F), np.zeros(p.size, F)
    rows = index if classes.ndim == 1 else index[:, None]
    room = p.options.max_classes if classes.ndim == 2 else 1
    places = (np.arange(len(index))[:, None] * room + np.arange(classes.size // max(len(index), 1))).reshape(-1)
    results = boxes[np.broadcast_to(rows, classes.shape)], classes, columns[rows, classes]
    for output, result in zip(found, results, strict=True):
        output[places] = result.reshape(len(places), *output.shape[1:])
    return (*(f[None] for f in found), np.array([len(index)], F))


# ---- cases -----------------------------------------------------------------------------------------------------------


def case(draw: Draw, definition: Definition) -> Case:
    """Boxes that overlap and scores with ties. With fast suppression all detections asked for are found, because LiteRT
    does not write the others."""
    boxes, classes, background = draw.integer(1, 30), draw.choice((1, 2, 3, 7, 20, 40)), draw.choice((0, 1))
    box_type, score_type, anchor_type = definition.input_types
    encodings = _values(draw, box_type, (1, boxes, draw.choice((4, 4, 6))), -2, 2)
    scores = _values(draw, score_type, (1, boxes, classes + background), 0, 1)
    anchors = _values(draw, anchor_type, (boxes, 4), 0.05, 1)
    options: dict[str, Any] = {
        "max_detections": draw.integer(1, 12),
        "max_classes_per_detection": draw.integer(1, min(classes, 9)),
        "num_classes": classes,
        "nms_score_threshold": draw.choice((0.0, 0.3, 0.6)),
        "nms_iou_threshold": draw.choice((0.5, 0.1, 0.9, 1)),
        **{f"{name}_scale": draw.choice((10.0, 5, 1.0)) for name in "yxhw"},
    }
    if boolean(draw):
        options |= {"use_regular_nms": True, "max_classes_per_detection": 1}  # LiteRT fills no further ones
        if boolean(draw):
            options["detections_per_class"] = draw.integer(1, 5)
    else:
        options["nms_score_threshold"] = 0.0
        options["max_detections"] = min(options["max_detections"], _survivors(encodings, scores, anchors, options))
    return Case((encodings, scores, anchors), outputs=4, custom_options=encode(options))


def _survivors(encodings: Any, scores: Any, anchors: Any, options: dict[str, Any]) -> int:
    """How many boxes fast suppression takes when it may take all."""
    node = Node("TFLite_Detection_PostProcess", custom_options=encode(options | {"max_detections": 1000}))
    infos = [
        TensorInfo(0, "", str(a.value.dtype), a.shape, np.array([a.scale or 1], F), np.array([a.zero_point or 0]))
        for a in (encodings, scores, anchors)
    ]
    room = TensorInfo(0, "", "float32", (1, 1000 * options["max_classes_per_detection"]))
    return int(detect(prepare(node, *infos, room, room), *(a.value for a in (encodings, scores, anchors)))[3][0])


def _values(draw: Draw, type_: str, shape: Shape, low: float, high: float) -> Any:
    if type_ == "uint8":
        scale, zero_point = (high - low) / 255 * draw.choice((1.0, 3.0)), 0 if low >= 0 else 128
        bits = draw.random.integers(1, 256, shape) // draw.choice((1, 1, 16)) * draw.choice((1, 1, 5))
        return fed(np.clip(bits, 1, 255), np.uint8, scale=float(F(scale)), zero_point=zero_point)
    values = draw.random.uniform(low, high, shape)
    return fed(np.maximum(np.round(values, draw.choice((6, 1))), low), np.float32)


TYPES = ("float32 float32 float32", "uint8 uint8 uint8", "float32 uint8 float32", "uint8 float32 uint8")
TFLITE_DETECTION_POSTPROCESS = Op(
    "TFLite_Detection_PostProcess",
    inputs=(activation("box_encodings"), activation("class_predictions"), activation("anchors")),
    outputs=(activation("boxes"), activation("classes"), activation("scores"), activation("count")),
    definitions=tuple(
        Definition(f"{t} -> float32 float32 float32 float32", detect, prepare=prepare, label=label)
        for t, label in zip(TYPES, ("float32", "uint8", "float32 by uint8", "uint8 by float32"), strict=True)
    ),
    shapes=shapes,
    cases=case,
    custom=True,
)
