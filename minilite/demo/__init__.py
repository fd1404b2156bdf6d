"""A small trained network and real images to try it on; ``minilite demo`` shows them.

The network sorts 28 x 28 grey pictures of clothing (Fashion-MNIST) into ten classes. It is here twice, in float32
and quantized to int8, with 300 images that had no part in its training. ``benchmarks/train_demo.py`` made all three.

    from minilite import demo

    result = demo.classify_samples()
    result.accuracy(result.int8["reference"])
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
FLOAT_MODEL = FOLDER / "fashion_float.tflite"
INT8_MODEL = FOLDER / "fashion_int8.tflite"
SAMPLES = FOLDER / "fashion_samples.npz"
LICENSE = FOLDER / "FASHION_MNIST_LICENSE.txt"

CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
"""What the labels 0 to 9 mean."""

KERNELS = ("reference", "builtin", "xnnpack")
"""The kernel sets the demo compares."""


@dataclass(frozen=True, eq=False)
class Samples:
    """``images`` uint8 (n, 28, 28) with 0 for the background; ``labels`` uint8 (n,)."""

    images: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True, eq=False)
class Classification:
    """What one model says under one kernel set. ``output`` is the model's own, float32 or int8, (n, 10);
    ``probabilities`` the same as real numbers, and ``predictions`` the likeliest class of each image."""

    output: np.ndarray
    probabilities: np.ndarray

    @property
    def predictions(self) -> np.ndarray:
        """(n,) class numbers; of equally likely classes the first."""
        return self.output.argmax(axis=1)


@dataclass(frozen=True, eq=False)
class Demo:
    """Both models' classifications of the samples, by the name of the kernel set."""

    samples: Samples
    float32: dict[str, Classification]
    int8: dict[str, Classification]

    def right(self, classification: Classification) -> np.ndarray:
        """For every sample, whether its prediction is its label."""
        return classification.predictions == self.samples.labels

    def accuracy(self, classification: Classification) -> float:
        """Share of the samples whose prediction is their label."""
        return float(self.right(classification).mean())


def load_samples() -> Samples:
    """The samples that ship with minilite."""
    with np.load(SAMPLES) as data:
        return Samples(data["images"], data["labels"])


def classify(
    model_path: str | Path, images: np.ndarray, kernels: str = "reference", engine: str = "auto"
) -> Classification:
    """Classify uint8 images (n, 28, 28) with a model that takes (n, 28, 28, 1) in [0, 1], all in one batch.

    A quantized model's input becomes ``round(real / scale + zero_point)``, and its probabilities are
    ``scale * (q - zero_point)``.
    """
    from minilite import Interpreter

    interpreter = Interpreter(model_path=str(model_path), kernels=kernels, engine=engine)
    source, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    interpreter.resize_tensor_input(source["index"], (len(images), 28, 28, 1))
    interpreter.allocate_tensors()
    interpreter.set_tensor(source["index"], _input(images[..., np.newaxis], source["dtype"], source["quantization"]))
    interpreter.invoke()
    output = interpreter.get_tensor(result["index"])
    return Classification(output, _real(output, result["quantization"]))


def classify_samples(kernels: Sequence[str] = KERNELS, engine: str = "auto") -> Demo:
    """Classify the shipped samples with both models under every kernel set named."""
    samples = load_samples()
    return Demo(
        samples,
        {name: classify(FLOAT_MODEL, samples.images, name, engine) for name in kernels},
        {name: classify(INT8_MODEL, samples.images, name, engine) for name in kernels},
    )


def copy(folder: str | Path) -> list[Path]:
    """Copy models, samples and their licence to a folder, made if it is not there. Returns the copies."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    return [Path(shutil.copy(path, target)) for path in (FLOAT_MODEL, INT8_MODEL, SAMPLES, LICENSE)]


def _input(images: np.ndarray, dtype: type, quantization: tuple[float, int]) -> np.ndarray:
    real = (images / np.float32(255)).astype(np.float32)
    if dtype is np.float32:
        return real
    scale, zero_point = quantization
    limits = np.iinfo(dtype)
    return np.clip(np.round(real / scale + zero_point), limits.min, limits.max).astype(dtype)


def _real(output: np.ndarray, quantization: tuple[float, int]) -> np.ndarray:
    scale, zero_point = quantization
    if not scale:
        return output
    return (np.float32(scale) * (output.astype(np.int32) - zero_point)).astype(np.float32)
