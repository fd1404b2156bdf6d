"""NON_MAX_SUPPRESSION_V4 and NON_MAX_SUPPRESSION_V5: boxes with the best scores that do not overlap too much.

Boxes are rows [y1, x1, y2, x2] of two opposite corners. From the highest score down to ``score_threshold`` (exclusive),
a box is compared with those selected before it, and dropped if it overlaps one by ``iou_threshold`` or more:

    overlap = intersection / (area_i + area_j - intersection)       0 if one of the boxes has no area

With ``soft_nms_sigma`` above 0 (V5), others lose score instead of being selected at once, and wait for their new turn:

    score = score * exp(-0.5 / sigma * overlap * overlap)           for every selected box, the last one first

``selected_indices`` and ``selected_scores`` have ``max_output_size`` elements, 0 after the first ``valid_outputs``.

Equal scores come in the order of the C++ library's heap (:mod:`minilite.ops.priority_queue`). A box stays in the queue
after it was selected, until it overlaps itself; so one without area is selected again and again, and so is every box
when ``iou_threshold`` is above 1.

Source: TensorFlow Lite's non_max_suppression kernel.
"""

from __future__ import annotations

import functools
import operator
from typing import Any

import numpy as np

from minilite.cases import Case, Draw, fed, stated
from minilite.errors import OperatorError
from minilite.ops.elementary import exp
from minilite.ops.priority_queue import Queue, pop, push
from minilite.spec import Definition, Node, Op, Shape, TensorInfo, activation, parameter

Array = np.ndarray


def shapes(
    node: Node, boxes: TensorInfo, scores: TensorInfo, max_output_size: TensorInfo, *thresholds: TensorInfo
) -> tuple[Shape, ...]:
    boxes.need(boxes.rank == 2 and boxes.shape[1] == 4, "shape [boxes, 4]", boxes.shape)
    scores.need(scores.shape == boxes.shape[:1], f"shape {boxes.shape[:1]}, a score for each box", scores.shape)
    for info in (max_output_size, *thresholds):
        info.need(info.rank == 0, "a scalar", f"shape {info.shape}")
    most = int(max_output_size.known())
    max_output_size.need(most >= 0, "0 or more", most)
    return (*[(most,)] * (len(node.outputs) - 1), ())


def select(
    node: Node, boxes: Array, scores: Array, max_output_size: Array, iou_threshold: Array, score_threshold: Array
) -> tuple[Array, Array]:
    no_sigma = np.zeros_like(score_threshold)
    indices, _, count = soft(node, boxes, scores, max_output_size, iou_threshold, score_threshold, no_sigma)
    return indices, count


def soft(
    node: Node,
    boxes: Array,
    scores: Array,
    max_output_size: Array,
    iou_threshold: Array,
    score_threshold: Array,
    soft_nms_sigma: Array,
) -> tuple[Array, Array, Array]:
    if soft_nms_sigma < 0:
        raise OperatorError(f"expected a soft_nms_sigma of 0 or more, got {soft_nms_sigma}.")
    queue: Queue = []
    for index in np.flatnonzero(scores > score_threshold):
        push(queue, (scores[index], int(index), 0))
    most, sides = min(int(max_output_size), len(queue)), _sides(boxes)
    chosen: list[int] = []
    kept: list[Any] = []
    while queue and len(chosen) < most:
        score, index, compared = pop(queue)
        count = len(chosen)
        overlaps = _overlaps(sides, index, chosen[compared:][::-1])
        if (overlaps >= iou_threshold).any():
            continue
        now = _decayed(score, overlaps, soft_nms_sigma)
        if now == score:
            chosen.append(index)
            kept.append(score)
        if now > score_threshold:
            push(queue, (now, index, count))
    padding = (0, int(max_output_size) - len(chosen))
    indices, values = np.array(chosen, np.int32), np.array(kept, scores.dtype)
    return np.pad(indices, padding), np.pad(values, padding), np.array(len(chosen), np.int32)


def _sides(boxes: Array) -> tuple[Array, Array, Array]:
    """The lower and the upper corners [boxes, 2], and the areas."""
    lower, upper = _min(boxes[:, :2], boxes[:, 2:]), _max(boxes[:, :2], boxes[:, 2:])
    sizes = upper - lower
    return lower, upper, sizes[:, 0] * sizes[:, 1]


def _overlaps(sides: tuple[Array, Array, Array], box: int, others: list[int]) -> Array:
    lower, upper, areas = sides
    sizes = _max(_min(upper[box], upper[others]) - _max(lower[box], lower[others]), np.zeros_like(areas, shape=()))
    intersections = sizes[:, 0] * sizes[:, 1]
    overlaps = intersections / (areas[box] + areas[others] - intersections)
    return np.where((areas[box] <= 0) | (areas[others] <= 0), 0, overlaps)


def _decayed(score: Any, overlaps: Array, sigma: Array) -> Any:
    if not sigma > 0 or not overlaps.size:
        return score
    scale = np.asarray(-0.5 / sigma.astype(np.float64)).astype(overlaps.dtype)
    return functools.reduce(operator.mul, exp(scale * overlaps * overlaps), score)


def _min(a: Array, b: Array) -> Array:
    return np.where(b < a, b, a)


def _max(a: Array, b: Array) -> Array:
    return np.where(a < b, b, a)


def case(draw: Draw, definition: Definition) -> Case:
    """Many equal scores; overlaps of exactly the threshold; boxes without area."""
    count = draw.integer(1, draw.choice((6, 40)))
    boxes = draw.random.integers(0, draw.choice((4, 9, 30)), (count, 4))
    few = draw.random.integers(0, 5, count) / 4
    scores = draw.choice((few, draw.random.uniform(0, 1, count)))
    most = stated(draw, draw.integer(1, count + 2))
    iou, score = draw.choice((0.5, 0.25, 1 / 3, 0.0, 1.0, 1.5)), draw.choice((0.0, 0.25, 0.4, -1.0))
    inputs = [fed(boxes), fed(scores), most, fed(iou), fed(score)]
    if len(definition.input_types) == 6:
        inputs.append(fed(draw.choice((0.5, 0.0, 0.1, 3.0))))
    return Case(tuple(inputs), outputs=len(definition.output_types))


INPUTS = (
    activation("boxes"),
    activation("scores"),
    parameter("max_output_size"),
    parameter("iou_threshold"),
    parameter("score_threshold"),
)
NON_MAX_SUPPRESSION_V4 = Op(
    "NON_MAX_SUPPRESSION_V4",
    inputs=INPUTS,
    outputs=(parameter("selected_indices"), parameter("valid_outputs")),
    definitions=(Definition("float32 float32 int32 float32 float32 -> int32 int32", select),),
    shapes=shapes,
    cases=case,
)
NON_MAX_SUPPRESSION_V5 = Op(
    "NON_MAX_SUPPRESSION_V5",
    inputs=(*INPUTS, parameter("soft_nms_sigma")),
    outputs=(parameter("selected_indices"), activation("selected_scores"), parameter("valid_outputs")),
    definitions=(Definition("float32 float32 int32 float32 float32 float32 -> int32 float32 int32", soft),),
    shapes=shapes,
    cases=case,
)
