"""litert-quantizer as an oracle (``litert-quantizer==0.11.0``; an oracle only, it is no extra of this package)."""

from __future__ import annotations

import dataclasses

import numpy as np

import minilite
from minilite.model import Model, Signature

RECIPES = {"ema int8": "static_wi8_ai8", "ema int16x8": "static_wi8_ai16"}
"""Its static recipes, by what they are called in the recording."""


def quantized(
    model: Model, samples: list[list[np.ndarray]], scheme: str
) -> tuple[Model, dict[str, tuple[float, float]]]:
    """What it makes of a float model, and the ranges it took for that: moving averages."""
    from litert_quantizer import quantizer, recipe  # type: ignore[import-not-found, unused-ignore]  # no extra of ours

    made = quantizer.Quantizer(bytearray(signed(model).to_bytes()), getattr(recipe, RECIPES[scheme])())
    named = [{f"in_{i}": array for i, array in enumerate(sample)} for sample in samples]
    statistics = made.calibrate({"serving_default": named}, num_threads=1)
    content = made.quantize(statistics, enable_progress_report=False).quantized_model
    ranges = {name: (float(q["min"].ravel()[0]), float(q["max"].ravel()[0])) for name, q in statistics.items() if q}
    return minilite.read(bytes(content)), ranges


def signed(model: Model) -> Model:
    """The model with a signature, by which its calibration finds inputs."""
    graph = model.subgraphs[0]
    inputs = tuple((f"in_{i}", t) for i, t in enumerate(graph.inputs))
    outputs = tuple((f"out_{i}", t) for i, t in enumerate(graph.outputs))
    return dataclasses.replace(model, signatures=(Signature("serving_default", inputs, outputs),))
