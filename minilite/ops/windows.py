"""Sliding windows over images ``[batch, height, width, channels]``: padding, output sizes, patches."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from minilite.cases import Draw
from minilite.errors import OperatorError
from minilite.spec import Shape


@dataclass(frozen=True)
class Axis:
    """One spatial dimension of a window: its size, step and dilation, and the padding before and after."""

    size: int
    filter: int
    stride: int
    dilation: int
    before: int
    after: int

    @property
    def output(self) -> int:
        """Positions the window takes."""
        return output_size(self.size, self.filter, self.stride, self.dilation, self.before + self.after)


def output_size(size: int, filter_: int, stride: int, dilation: int, padding: int) -> int:
    """``floor((size + padding - effective filter) / stride) + 1``."""
    return (size + padding - ((filter_ - 1) * dilation + 1)) // stride + 1


def axis(padding: str | int, size: int, filter_: int, stride: int, dilation: int = 1) -> Axis:
    """The window along one dimension. SAME gives ``ceil(size / stride)`` positions and puts the odd padding after."""
    if stride < 1 or dilation < 1 or filter_ < 1:
        raise OperatorError(
            f"expected stride, dilation and filter size of 1 or more, got {stride}, {dilation}, {filter_}."
        )
    if padding not in ("SAME", "VALID"):
        raise OperatorError(f"expected padding SAME or VALID, got {padding}.")
    total = 0
    if padding == "SAME":
        total = max((-(-size // stride) - 1) * stride + (filter_ - 1) * dilation + 1 - size, 0)
    result = Axis(size, filter_, stride, dilation, total // 2, total - total // 2)
    if result.output < 1 and size:
        raise OperatorError(
            f"expected a filter that fits the input, got size {filter_} (dilation {dilation}) over {size}, {padding}."
        )
    return result


def touches(window: Axis, tap: int, start: int = 0, stop: int | None = None) -> tuple[slice, slice]:
    """Where one element of the filter meets the image: which of the windows ``[start, stop)`` see it inside the image,
    counted from ``start``, and which elements of the unpadded image they see."""
    offset = tap * window.dilation - window.before
    stop = window.output if stop is None else stop
    first = max(start, -(offset // window.stride))
    last = min(stop, (window.size - 1 - offset) // window.stride + 1)
    if first >= last:
        return slice(0, 0), slice(0, 0)
    image = slice(first * window.stride + offset, (last - 1) * window.stride + offset + 1, window.stride)
    return slice(first - start, last - start), image


def taps_inside(window: Axis) -> range:
    """The elements of the filter that any window may put inside of the image. What lies before and after them meets
    nothing, however many they are."""
    first = -(-(window.before - (window.output - 1) * window.stride) // window.dilation)
    last = -(-(window.before + window.size) // window.dilation)
    return range(max(0, first), min(window.filter, last))


def cropped(window: Axis) -> tuple[Axis, slice]:
    """The same windows with a filter that has only the elements :func:`taps_inside`, or one if there are none; and
    which they are."""
    taps = taps_inside(window) or range(1)
    before = window.before - taps.start * window.dilation
    after = window.after - (window.filter - taps.stop) * window.dilation
    kept = dataclasses.replace(window, filter=len(taps), before=before, after=after)
    return kept, slice(taps.start, taps.stop)


def axes(options: Any, image: Shape, filter_: Shape) -> tuple[Axis, Axis]:
    """Height and width windows from options with ``padding``, ``stride_*`` and, where it has them, dilation factors."""
    return (
        axis(options.padding, image[1], filter_[0], options.stride_h, options.get("dilation_h_factor", 1)),
        axis(options.padding, image[2], filter_[1], options.stride_w, options.get("dilation_w_factor", 1)),
    )


def window_options(draw: Draw, dilated: bool = True) -> dict[str, Any]:
    """Drawn options of a sliding window."""
    options = {
        "padding": draw.choice(("VALID", "SAME")),
        "stride_h": draw.integer(1, 3),
        "stride_w": draw.integer(1, 3),
    }
    if dilated:
        options |= {"dilation_h_factor": draw.choice((1, 1, 2, 3)), "dilation_w_factor": draw.choice((1, 1, 2, 3))}
    return options


def image_size(draw: Draw, filter_: int, dilation: int = 1) -> int:
    """A drawn image size that the filter fits in."""
    return (filter_ - 1) * dilation + 1 + draw.integer(0, 6)
