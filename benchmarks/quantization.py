"""Accuracy and noise of every scheme on 10,000 Fashion-MNIST images, beside what Google's quantizers make of them.

    PYTHONPATH=. python benchmarks/quantization.py [--images N] [--write docs/quantization-results.md]

MINILITE_DATA holds fashion_mnist.npz; MINILITE_MODELS a folder fashion_mnist of float models, of what TFLiteConverter
(NAME_tf_*.tflite) and litert-quantizer (NAME_lq_*.tflite) made of them, and the 300 images all of them calibrated with
(representative.npz). The networks of tests/data/networks are run, too. Takes some minutes.

Top-1 is the share of images classified rightly, SQNR that of the logits, 10 log10(sum x**2 / sum (x - y)**2) over all
images, x being the float model's. All models run in kernel set ``builtin``.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

import minilite
from minilite.model import Model

Array = np.ndarray
NETWORKS = Path(__file__).resolve().parent.parent / "tests" / "data" / "networks"
GOOGLE = {
    "int8": ("tf_int8", "lq_static_wi8_ai8"),
    "int16x8": ("tf_16x8", "lq_static_wi8_ai16"),
    "dynamic_range": ("tf_dynamic",),
    "float16": ("tf_float16",),
    "weights_int8": ("lq_weight_only_wi8_afp32",),
    "weights_int4": ("lq_weight_only_wi4_afp32",),
}
OURS: dict[str, dict[str, Any]] = {
    "int8": {"scheme": "int8"},
    "int8, biases corrected": {"scheme": "int8", "bias_correction": True},
    "int8, per tensor": {"scheme": "int8", "per_channel": False},
    "int8, per tensor, equalized": {"scheme": "int8", "per_channel": False, "equalize": "minimum"},
    "int8, ema": {"scheme": "int8", "calibration": "ema"},
    "int16x8": {"scheme": "int16x8"},
    "dynamic_range": {"scheme": "dynamic_range"},
    "float16": {"scheme": "float16"},
    "weights_int8": {"scheme": "weights_int8"},
    "weights_int8, with data": {"scheme": "weights_int8", "data": True},
    "weights_int4": {"scheme": "weights_int4"},
    "weights_int4, nearest": {"scheme": "weights_int4", "rounding": "nearest"},
    "weights_int4, clipped": {"scheme": "weights_int4", "rounding": "clipped"},
    "weights_int4, nearest, per tensor": {"scheme": "weights_int4", "rounding": "nearest", "per_channel": False},
    "weights_int4, with data": {"scheme": "weights_int4", "data": True},
    "weights_int4, with data, blocks of 32": {"scheme": "weights_int4", "data": True, "block_size": 32},
    "weights_int4, with data, hybrid": {"scheme": "weights_int4", "data": True, "arithmetic": "hybrid"},
}
NEEDS_DATA = ("int8", "int16x8")


BATCH = 500
RECURRENT = 500
"""Images for networks with state, whose operators run as they are defined: slowly."""


def logits(model: Model, images: Array) -> Array:
    """The model's output for every image, as real numbers."""
    interpreter = minilite.Interpreter(with_larger_states(model), kernels="builtin")
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    found = []
    for start in range(0, len(images), BATCH):
        part = images[start : start + BATCH]
        interpreter.resize_tensor_input(source["index"], part.shape)
        interpreter.allocate_tensors()
        interpreter.reset_all_variables()
        interpreter.set_tensor(source["index"], _entered(part, source))
        interpreter.invoke()
        found.append(_real(interpreter.get_tensor(target["index"]), target))
    return np.concatenate(found)


def with_larger_states(model: Model) -> Model:
    """The model with state for a whole batch, which no resizing of inputs gives it."""
    graph = model.subgraphs[0]
    tensors = tuple(
        dataclasses.replace(t, shape=(BATCH, *(t.shape or ())[1:])) if t.is_variable else t for t in graph.tensors
    )
    return dataclasses.replace(model, subgraphs=(dataclasses.replace(graph, tensors=tensors), *model.subgraphs[1:]))


def _entered(images: Array, detail: dict[str, Any]) -> Array:
    if detail["dtype"] == np.float32:
        return images
    scale, zero = detail["quantization"]
    limits = np.iinfo(detail["dtype"])
    return np.clip(np.rint(images / np.float32(scale)) + zero, limits.min, limits.max).astype(detail["dtype"])


def _real(values: Array, detail: dict[str, Any]) -> Array:
    scale, zero = detail["quantization"]
    return (values.astype(np.float32) - zero) * np.float32(scale) if scale else values


def sqnr(x: Array, y: Array) -> float:
    """The signal to quantization noise ratio in dB."""
    signal, error = (x.astype(np.float64) ** 2).sum(), ((x.astype(np.float64) - y) ** 2).sum()
    return float(10 * np.log10(signal / error)) if error else np.inf


class Bench:
    """One float model, and the models made of it."""

    def __init__(self, path: Path, images: Array, labels: Array, samples: Array):
        self.path = path
        self.floats = minilite.read(path)
        graph = self.floats.subgraphs[0]
        count = RECURRENT if any(t.is_variable for t in graph.tensors) else len(images)
        images, self.labels = images[:count], labels[:count]
        self.shape = (graph.tensors[graph.inputs[0]].shape or ())[1:]
        self.images, self.samples = images.reshape(-1, *self.shape), samples.reshape(-1, *self.shape)
        self.reference = logits(self.floats, self.images)

    def rows(self) -> Iterator[list[str]]:
        """name, scheme, whose, top-1, SQNR, bytes."""
        yield self._row("float32", "", self.floats, self.reference)
        for scheme, settings in track(list(OURS.items()), self.path.stem, console=Console(stderr=True)):
            for file in GOOGLE.get(scheme, ()):
                theirs = self.path.with_name(f"{self.path.stem}_{file}.tflite")
                if theirs.exists():
                    whose = "TFLiteConverter" if file.startswith("tf") else "litert-quantizer"
                    yield from self._measured(scheme, whose, lambda p=theirs: minilite.read(p))
            data = self.samples if settings["scheme"] in NEEDS_DATA or settings.get("data") else None
            rest = {k: v for k, v in settings.items() if k != "data"}
            yield from self._measured(
                scheme, "minilite", lambda r=rest, d=data: minilite.quantize(self.floats, representative_dataset=d, **r)
            )

    def _measured(self, scheme: str, whose: str, make: Callable[[], Model]) -> Iterator[list[str]]:
        """One row; none for what the network has nothing for, such as blocks longer than its rows."""
        try:
            model = make()
        except minilite.Error as error:
            print(f"{self.path.stem}: {scheme} is left out: {error}")
            return
        yield self._row(scheme, whose, model, logits(model, self.images))

    def _row(self, scheme: str, whose: str, model: Model, found: Array) -> list[str]:
        top = 100 * float((found.argmax(1) == self.labels).mean())
        noise = "" if found is self.reference else f"{sqnr(self.reference, found):.2f}"
        return [self.path.stem, scheme, whose, f"{top:.2f}", noise, f"{len(model.to_bytes()):,}"]


HEAD = ("network", "scheme", "by", "top-1, %", "SQNR, dB", "bytes")


def table(rows: list[list[str]]) -> str:
    """The rows as a table in Markdown."""
    lines = [HEAD, ("---", "---", "---", "---:", "---:", "---:"), *map(tuple, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--only", nargs="*", help="Names of networks.")
    parser.add_argument("--write", type=Path, help="Replace the table in this page.")
    arguments = parser.parse_args()
    folder = Path(os.environ["MINILITE_MODELS"]) / "fashion_mnist"
    with np.load(Path(os.environ["MINILITE_DATA"]) / "fashion_mnist.npz") as file:
        images, labels = file["x_test"][: arguments.images], file["y_test"][: arguments.images]
    samples = np.load(folder / "representative.npz")["images"]
    paths = [folder / f"{name}.tflite" for name in ("dense", "cnn", "dsnet")] + sorted(NETWORKS.glob("*.tflite"))
    rows: list[list[str]] = []
    for path in paths:
        if not arguments.only or path.stem in arguments.only:
            bench = Bench(path, images / np.float32(255), labels, samples / np.float32(255))
            for row in bench.rows():
                rows.append(row)
                print("  ".join(row), flush=True)
    if arguments.write is not None:
        text = arguments.write.read_text(encoding="utf-8")
        before, _, _ = text.partition("| network")
        arguments.write.write_text(f"{before}{table(rows)}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
