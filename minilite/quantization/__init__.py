"""Quantizing float models, and everything a quantized model follows from.

    model = minilite.quantize("float.tflite", "int8", samples)
    calibration = calibrate("float.tflite", samples)           # the ranges alone: look at them, change them, keep them
    model = minilite.quantize("float.tflite", "int8", calibration=calibration)

Scales and integers: :mod:`minilite.quantization.numbers`; who shares a scale: :mod:`minilite.quantization.sharing`;
what stays float: :mod:`minilite.quantization.schemes`; ranges: :mod:`minilite.quantization.calibrating`.

Names are imported when they are asked for, so that ``import minilite`` does not wait for them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minilite.quantization.calibrating import calibrate
    from minilite.quantization.calibration import Calibration, recorded
    from minilite.quantization.converter import Converter, OpsSet, Optimize
    from minilite.quantization.quantizer import Quantized, quantize, quantized
    from minilite.quantization.simulation import simulate

_PLACES = {
    "Calibration": "calibration",
    "Converter": "converter",
    "OpsSet": "converter",
    "Optimize": "converter",
    "Quantized": "quantizer",
    "calibrate": "calibrating",
    "quantize": "quantizer",
    "quantized": "quantizer",
    "recorded": "calibration",
    "simulate": "simulation",
}

__all__ = [
    "Calibration",
    "Converter",
    "OpsSet",
    "Optimize",
    "Quantized",
    "calibrate",
    "quantize",
    "quantized",
    "recorded",
    "simulate",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
