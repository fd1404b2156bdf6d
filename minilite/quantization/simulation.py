"""The error of quantization at any width, without integer kernels: a float model that rounds where integers would.

    simulated = simulate(model, bits=6, representative_dataset=images)
    outputs = simulated(image)              # a list of arrays, like the float model's
    simulated.model                         # a float model with FAKE_QUANT operators, for any TFLite runtime

Constants are rounded once. Every tensor that would be integers passes a FAKE_QUANT of ``bits`` bits,

    scale = (max - min) / (2**bits - 1),    q = round((x - min') / scale) * scale + min'

with ``min'`` the multiple of the scale next to ``min``, so that 0 is exact. Which operators those are, which tensors
share a range, and which ranges are fixed is what the scheme ``int8`` says; widths change nothing about it. Biases and
what operators keep from one invoke to the next stay float32.

Source: Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", section 3; FAKE_QUANT is TensorFlow Lite's.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minilite.errors import ArgumentError, ArgumentTypeError
from minilite.interpreter import Interpreter
from minilite.model import Model
from minilite.quantization.calibration import Calibration
from minilite.quantization.fake_quantization import Widths, rounding
from minilite.quantization.quantizer import calibrated
from minilite.quantization.selecting import Pattern, patterns
from minilite.quantization.source import as_model, check_float, with_float32_constants


@dataclass(frozen=True)
class Simulation:
    """A float model that rounds as a quantized one would; call it with the inputs, in order."""

    model: Model
    widths: Widths
    calibration: Calibration = field(repr=False)

    def __post_init__(self) -> None:
        interpreter = Interpreter(model_content=self.model.to_bytes())
        interpreter.allocate_tensors()
        object.__setattr__(self, "_interpreter", interpreter)

    def __call__(self, *inputs: Any) -> list[np.ndarray]:
        """The outputs for one sample."""
        interpreter: Interpreter = self._interpreter  # type: ignore[attr-defined]  # set in __post_init__
        details = interpreter.get_input_details()
        if len(inputs) != len(details):
            raise ArgumentError(f"the model has {len(details)} inputs, got {len(inputs)}.")
        for detail, array in zip(details, inputs, strict=True):
            interpreter.set_tensor(detail["index"], array)
        interpreter.invoke()
        return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def simulate(
    model: Model | bytes | str | os.PathLike[str],
    bits: int = 8,
    representative_dataset: Any = None,
    *,
    weight_bits: int | None = None,
    per_channel: bool = True,
    symmetric: bool = False,
    calibration: str | Calibration | os.PathLike[str] = "minmax",
    ranges: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    exclude: Iterable[Pattern] | Pattern = (),
    executor: Executor | None = None,
    progress: bool = True,
) -> Simulation:
    """Simulate a quantized model; ``weight_bits`` are ``bits`` unless they are given, both 2 to 16. The other arguments
    are those of :func:`minilite.quantize`.

    Raises :class:`ArgumentError` for other widths, and what :func:`minilite.quantize` raises."""
    widths = Widths(bits, bits if weight_bits is None else weight_bits, per_channel, symmetric)
    for name, width in (("bits", widths.bits), ("weight_bits", widths.weight_bits)):
        if isinstance(width, bool) or not isinstance(width, int):
            raise ArgumentTypeError(f"expected {name} from 2 to 16, got {width!r:.60}.")
        if not 2 <= width <= 16:
            raise ArgumentError(f"expected {name} from 2 to 16, got {width}.")
    floats = with_float32_constants(as_model(model))
    check_float(floats)
    found = calibrated(floats, "int8", representative_dataset, calibration, ranges, executor, progress)
    return Simulation(rounding(floats, found.ranges, widths, patterns(exclude)), widths, found)
