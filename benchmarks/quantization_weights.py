"""Weights in 8 and 4 bits: what each way of choosing the integers is worth, on 10,000 Fashion-MNIST images.

    PYTHONPATH=. python benchmarks/quantization_weights.py [--images N] [--write FILE]

Folders and measures are those of benchmarks/quantization.py: the noise of the logits (SQNR, dB) and top-1 (percent).
Samples are the 300 images of representative.npz. Takes some minutes.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from quantization import logits, sqnr

import minilite
from minilite.model import Model
from minilite.quantization.bias_correction import bias_corrected
from minilite.quantization.clipping import clipped
from minilite.quantization.equalization import equalized
from minilite.quantization.numbers import LITERT
from minilite.quantization.rounding import gptq
from minilite.quantization.weights_only import weights_int4, weights_int8

Array = np.ndarray
Make = Callable[[Model, Array], Model]


def with_gptq(model: Model, samples: Array, bits: int = 4, **settings: Any) -> Model:
    """Integers chosen with data."""
    fitted = gptq(model, samples, bits=bits, **settings)
    scheme = weights_int4 if bits == 4 else weights_int8
    return scheme(fitted.model, choose=fitted.choose, **settings)


def nearest4(model: Model) -> Model:
    return weights_int4(model, numbers=LITERT)


WAYS: dict[str, Make] = {
    "8 bits, nearest": lambda m, x: weights_int8(m, numbers=LITERT),
    "8 bits, SQuant": lambda m, x: weights_int8(m),
    "8 bits, GPTQ": lambda m, x: with_gptq(m, x, 8),
    "8 bits, per tensor": lambda m, x: weights_int8(m, per_channel=False, numbers=LITERT),
    "8 bits, per tensor, equalized": lambda m, x: weights_int8(
        equalized(m, relu6="minimum"), per_channel=False, numbers=LITERT
    ),
    "4 bits, nearest": lambda m, x: nearest4(m),
    "4 bits, nearest, biases corrected": lambda m, x: bias_corrected(m, nearest4(m), x),
    "4 bits, searched clipping": lambda m, x: weights_int4(m, choose=clipped()),
    "4 bits, SQuant": lambda m, x: weights_int4(m),
    "4 bits, SQuant, biases corrected": lambda m, x: bias_corrected(m, weights_int4(m), x),
    "4 bits, SQuant, hybrid": lambda m, x: weights_int4(m, arithmetic="hybrid"),
    "4 bits, GPTQ": with_gptq,
    "4 bits, GPTQ, hybrid": lambda m, x: with_gptq(m, x, arithmetic="hybrid"),
    "4 bits, GPTQ, depthwise, too": lambda m, x: with_gptq(m, x, others="int4"),
    "4 bits in blocks of 32, GPTQ": lambda m, x: with_gptq(m, x, block_size=32),
}
THEIRS = {
    "8 bits, litert-quantizer": "lq_weight_only_wi8_afp32",
    "4 bits, litert-quantizer": "lq_weight_only_wi4_afp32",
}


def rows(path: Path, images: Array, labels: Array, samples: Array) -> list[list[str]]:
    """A row for each way, of one network."""
    model = minilite.read(path)
    shape = model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]].shape or ()
    images, samples = (a.reshape(-1, *shape[1:]) for a in (images, samples))
    expected = logits(model, images)
    models = {name: path.with_name(f"{path.stem}_{suffix}.tflite") for name, suffix in THEIRS.items()}
    made = {name: minilite.read(file) for name, file in models.items()}
    made |= {name: make(model, samples) for name, make in WAYS.items()}
    found = {name: logits(m, images) for name, m in made.items()}
    return [
        [path.stem, name, *_measured(m, expected, found.get(name, expected), labels)]
        for name, m in {"float": model, **made}.items()
    ]


def _measured(model: Model, expected: Array, found: Array, labels: Array) -> list[str]:
    top = 100 * float((found.argmax(axis=1) == labels).mean())
    noise = "" if found is expected else f"{sqnr(expected, found):.1f}"
    return [f"{len(model.to_bytes()) / 1000:.0f}", f"{top:.2f}", noise]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    folder = Path(os.environ["MINILITE_MODELS"]) / "fashion_mnist"
    data = np.load(Path(os.environ["MINILITE_DATA"]) / "fashion_mnist.npz")
    images = data["x_test"][: arguments.images].astype(np.float32) / np.float32(255)
    labels = data["y_test"][: arguments.images]
    samples = np.load(folder / "representative.npz")["images"].astype(np.float32) / np.float32(255)
    found = [["network", "weights", "kB", "top-1, %", "SQNR, dB"], ["---", "---", "---:", "---:", "---:"]]
    for name in ("dense", "cnn", "dsnet"):
        found += rows(folder / f"{name}.tflite", images, labels, samples)
    text = "".join(f"| {' | '.join(row)} |\n" for row in found)
    print(text, end="")
    if arguments.write:
        arguments.write.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
