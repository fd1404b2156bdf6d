"""Prints what :func:`minilite.demo.classify_samples` found: pictures, accuracy, kernel sets, what to try next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from minilite.demo import CLASSES, FLOAT_MODEL, INT8_MODEL, Classification, Demo
from minilite.demo.pictures import in_characters, in_colour

PICTURE_WIDTH = 26
"""28 pixels less the outermost on either side: three pictures fit on a line of 80."""

NEXT = """\
  minilite demo --save fashion                              copy models, images
  minilite inspect fashion/fashion_int8.tflite --operators  what is in it
  minilite run fashion/fashion_int8.tflite --random         run it once
"""


def show(console: Console, demo: Demo) -> None:
    """Print the whole demo, readable on 80 columns, in colour or plain."""
    per_row = max(1, min(3, (console.width + 1) // (PICTURE_WIDTH + 1)))
    images = len(demo.samples.labels)
    console.print(f"Fashion-MNIST: {images} images of clothing the network never saw. The first:\n", style="bold")
    console.print(_pictures(console, demo, range(per_row)))
    _heading(console, "Harder ones, where float32 and int8 disagree or both are wrong:")
    console.print(_pictures(console, demo, hardest(demo, per_row)))
    _heading(console, "All of them, in float32 and quantized to 8-bit integers:")
    console.print(_accuracy(demo))
    console.print(_agreement(demo))
    if len(demo.int8) > 1:
        _heading(console, "The same files, rounded and summed as LiteRT's other kernels do:")
        console.print(_kernel_sets(demo))
    _heading(console, "To try next:")
    console.print(NEXT, markup=False, highlight=False, soft_wrap=True, end="")


def _heading(console: Console, text: str) -> None:
    console.print(f"\n{text}\n", style="bold", highlight=False)


def hardest(demo: Demo, count: int) -> list[int]:
    """Indices of samples: first those on which the two models disagree, then those both get wrong."""
    reference, quantized = _reference(demo)
    disagree = reference.predictions != quantized.predictions
    wrong = ~demo.right(reference) & ~demo.right(quantized)
    return [int(i) for i in (*np.flatnonzero(disagree), *np.flatnonzero(wrong & ~disagree))][:count]


def _reference(demo: Demo) -> tuple[Classification, Classification]:
    """float32 and int8 under the first kernel set, which all others are compared with."""
    return next(iter(demo.float32.values())), next(iter(demo.int8.values()))


def _pictures(console: Console, demo: Demo, indices: Sequence[int]) -> RenderableType:
    grid = Table.grid(padding=(0, 1, 0, 0), pad_edge=False)
    for _ in indices:
        grid.add_column(width=PICTURE_WIDTH, no_wrap=True)
    colours = console.color_system not in (None, "standard") and _unicode(console)
    draw = in_colour if colours else in_characters
    grid.add_row(*(draw(demo.samples.images[i, :, 1:-1]) for i in indices))
    grid.add_row(*(_caption(console, demo, i) for i in indices))
    return grid


def _unicode(console: Console) -> bool:
    return console.encoding.startswith("utf")


def _caption(console: Console, demo: Demo, index: int) -> RenderableType:
    label = int(demo.samples.labels[index])
    float32, int8 = _reference(demo)
    marks = ("✓", "✗") if _unicode(console) else ("", "x")
    return Group(
        Text(f"image {index}: {CLASSES[label]}", style="bold"),
        _verdict("float32", float32, index, label, marks),
        _verdict("int8", int8, index, label, marks),
    )


def _verdict(model: str, classification: Classification, index: int, label: int, marks: tuple[str, str]) -> Text:
    prediction = int(classification.predictions[index])
    percent = classification.probabilities[index, prediction]
    mark, style = (marks[0], "green") if prediction == label else (marks[1], "red")
    return Text(f"{model:8}{CLASSES[prediction]} {percent:.0%} {mark}", style=style)


def _accuracy(demo: Demo) -> Table:
    table = _table("model", "file, bytes", "right", "accuracy")
    for name, path, result in zip(("float32", "int8"), (FLOAT_MODEL, INT8_MODEL), _reference(demo), strict=True):
        right = f"{demo.right(result).sum()} of {len(demo.samples.labels)}"
        table.add_row(name, f"{path.stat().st_size:,}", right, f"{demo.accuracy(result):.1%}")
    return table


def _agreement(demo: Demo) -> str:
    float32, int8 = _reference(demo)
    same = int((float32.predictions == int8.predictions).sum())
    return f"\nBoth say the same of {same} images of {len(demo.samples.labels)}."


def _kernel_sets(demo: Demo) -> Table:
    """Every set against the first, in steps of the int8 output (1/256) and in probability."""
    float32, int8 = _reference(demo)
    table = _table("kernel set", "int8 values changed", "by at most", "classes changed", "float32 by at most")
    for name, result in demo.int8.items():
        steps = np.abs(result.output.astype(np.int32) - int8.output)
        classes = int((result.predictions != int8.predictions).sum())
        real = np.abs(demo.float32[name].output - float32.output).max()
        changed = f"{np.count_nonzero(steps):,} of {steps.size:,}"
        table.add_row(name, changed, f"{steps.max()}/256", str(classes), f"{real:.1g}" if real else "0")
    return table


def _table(first: str, *numbers: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column(first)
    for header in numbers:
        table.add_column(header, justify="right")
    return table
