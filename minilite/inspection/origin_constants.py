"""Where the scales of weights, biases and other constants come from. For :mod:`.origins`."""

from __future__ import annotations

import numpy as np

from minilite.inspection.feeding import single_grid
from minilite.inspection.inconsistencies import NEAR, is_normalized, scales_of, times
from minilite.inspection.lines import Line, shown
from minilite.inspection.origin import Origin, held, zero_in_file
from minilite.model import Tensor
from minilite.quantization.graph import Graph, Node, Use
from minilite.quantization.numbers import LEAST, f32
from minilite.spec import INTEGER_RANGE


def weights(tensor: Tensor, values: np.ndarray) -> Origin:
    """The file has the integers; the magnitudes they came from are scale * 127."""
    q, type_ = tensor.quantization, str(tensor.type).lower()
    assert q is not None
    assert q.scales is not None
    most = INTEGER_RANGE[type_][1] if type_ != "uint8" else 255
    axis = q.quantized_dimension
    lines = []
    if q.scales.size == 1:
        place = np.unravel_index(int(np.abs(values.astype(np.int64)).argmax()), values.shape) if values.size else ()
        at = f"the largest |q| is at {[int(i) for i in place]}"
        lines.append(_channel("scale", q.scales[0], values, most, at))
        text = "One scale for all channels: the largest magnitude of all of them sets it."
        return Origin("weights", text, tuple(lines))
    if not 0 <= axis < values.ndim or values.shape[axis] != q.scales.size:
        text = (
            f"{q.scales.size} scales along dimension {axis} of weights of shape {list(values.shape)}: that cannot be."
        )
        return Origin("weights", text, agrees=False)
    wide, narrow = int(q.scales.argmax()), int(q.scales.argmin())
    for c, what in ((wide, "widest"), (narrow, "narrowest")):
        lines.append(_channel(f"scale[{c}]", q.scales[c], np.take(values, c, axis), most, f"the {what} channel"))
    spread = float(q.scales[wide]) / max(float(q.scales[narrow]), float(LEAST))
    lines.append(Line("widest / narrowest", "scale / scale", "", f"{spread:.4g}", _spread(spread)))
    text = (
        f"A scale for each of {q.scales.size} channels (dimension {axis}): the largest magnitude in it, zero point 0."
    )
    loose = _loose(q.scales, values, axis, most)
    return Origin("weights", text + loose, tuple(lines), agrees=not loose)


def _spread(spread: float) -> str:
    return f"with one scale for all, the narrowest would lose {np.log2(max(spread, 1)):.1f} bits"


def _channel(name: str, scale: np.float32, q: np.ndarray, most: int, note: str) -> Line:
    largest = int(np.abs(q.astype(np.int64)).max(initial=0))
    numbers = f"{shown(f32(float(scale) * most))} / {most}"
    return Line(name, f"max |w| / {most}", numbers, scale, f"{note}; largest |q| {largest}")


def _loose(scales: np.ndarray, values: np.ndarray, axis: int, most: int) -> str:
    """Channels whose integers do not reach the end of the type: their scale is wider than their values."""
    rest = tuple(i for i in range(values.ndim) if i != axis)
    largest = np.abs(values.astype(np.int64)).max(axis=rest, initial=0)
    loose = np.flatnonzero((largest < most - 1) & (largest > 0))
    if not loose.size:
        return ""
    first = f"{loose.size} channels do not reach {most}, the first is {loose[0]}"
    return f" {first}: their scales are wider than their weights."


def constant(tensor: Tensor, values: np.ndarray) -> Origin:
    """A constant operand that is no weight."""
    grid = single_grid(tensor)
    if grid is None:
        return Origin("constant", "A constant with several scales.")
    reals = grid.dequantize(values)
    low, high = float(reals.min(initial=0)), float(reals.max(initial=0))
    values_ = Line("values", "scale · (q - zero point)", "", f"{low:.6g} to {high:.6g}")
    return Origin(
        "constant", "A constant: its own lowest and highest value.", (values_, zero_in_file(grid), held(grid))
    )


def bias(g: Graph, tensor: Tensor, node: Node, use: Use) -> Origin:
    """``s_input * s_weights[c]`` in float32."""
    if is_normalized(node, use):
        return Origin("bias", "This bias is added behind the layer normalization, on a scale of its own.")
    parts = [node.named(name) for name in use.operand.scale_of]
    scales = [scales_of(g.subgraph.tensors[p.tensor]) for p in parts if p is not None]
    declared = scales_of(tensor)
    if len(scales) != 2 or any(s is None for s in scales) or declared is None:
        return Origin("bias", "A bias has the product of its operands' scales, which are not all there.")
    input_, weights = (s for s in scales if s is not None)
    if 1 not in (weights.size, declared.size) and weights.size != declared.size:
        said = f"The bias of {node} has {declared.size} scales and the weights have {weights.size}: that cannot be."
        return Origin("bias", said, agrees=False)
    declared, weights = np.broadcast_arrays(declared, weights)
    with np.errstate(all="ignore"):
        wanted = np.maximum(input_[0] * weights, LEAST).astype(f32)
    c = int(declared.argmax())
    index = f"[{c}]" if declared.size > 1 else ""
    numbers = f"{shown(input_[0])} · {shown(f32(weights[c]))}"
    lines = (
        Line(f"scale{index}", f"s_input · s_weights{index}", numbers, wanted[c], "float32"),
        Line("zero point", "always", "", 0),
        Line("type", "", "", str(tensor.type).lower(), "added to the accumulator as it is"),
    )
    apart = np.flatnonzero(wanted != declared)
    verdict = "as in the file, bit for bit"
    if apart.size:
        c = int(apart[0])
        factor = float(declared[c]) / float(wanted[c])
        verdict = f"NOT as in the file, first at {c}: {shown(declared[c])} is {times(factor)} {shown(wanted[c])}"
        if abs(factor - 1) < NEAR:
            verdict = f"as in the file but for rounding, first at {c}: {shown(declared[c])}, not {shown(wanted[c])}"
    return Origin(
        "bias",
        f"The bias of {node} has the product of the input's and the weights' scales: {verdict}.",
        lines,
        agrees=not apart.size,
    )
