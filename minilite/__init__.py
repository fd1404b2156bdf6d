"""minilite runs TensorFlow Lite (LiteRT) models and shows how every number in them is computed.

import minilite

interpreter = minilite.Interpreter("model.tflite")      # LiteRT's API
outputs = minilite.run("model.tflite", image)           # one call: outputs by name
model = minilite.read("model.tflite")                   # the file as plain data
small = minilite.quantize(model, "int8", samples)       # another one, of integers
"""

from typing import TYPE_CHECKING, Any

from minilite.errors import (
    ArgumentError,
    ArgumentOverflowError,
    ArgumentTypeError,
    DelegateError,
    Error,
    ModelError,
    NotAnArrayError,
    OperatorError,
    ResizeError,
    StateError,
    UnresolvedCustomError,
    UnsupportedBuiltinError,
    UnsupportedOperatorError,
    WorkerError,
)
from minilite.interpreter import (
    Delegate,
    Interpreter,
    InterpreterWithCustomOps,
    OpResolverType,
    SignatureRunner,
    load_delegate,
    run,
)
from minilite.model import Model
from minilite.reader import read

if TYPE_CHECKING:
    from minilite.quantization import Calibration, Converter, OpsSet, Optimize, calibrate, quantize

__version__ = "0.1.0"

__all__ = [
    "ArgumentError",
    "ArgumentOverflowError",
    "ArgumentTypeError",
    "Calibration",
    "Converter",
    "Delegate",
    "DelegateError",
    "Error",
    "Interpreter",
    "InterpreterWithCustomOps",
    "Model",
    "ModelError",
    "NotAnArrayError",
    "OpResolverType",
    "OperatorError",
    "OpsSet",
    "Optimize",
    "ResizeError",
    "SignatureRunner",
    "StateError",
    "UnresolvedCustomError",
    "UnsupportedBuiltinError",
    "UnsupportedOperatorError",
    "WorkerError",
    "calibrate",
    "load_delegate",
    "quantize",
    "read",
    "run",
]

_QUANTIZATION = ("Calibration", "Converter", "OpsSet", "Optimize", "calibrate", "quantize")


def __getattr__(name: str) -> Any:
    """The quantizer's names, imported when they are asked for: running models does not wait for them."""
    if name not in _QUANTIZATION:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from minilite import quantization

    return getattr(quantization, name)
