"""minilite runs TensorFlow Lite (LiteRT) models and shows how every number in them is computed.

import minilite

interpreter = minilite.Interpreter("model.tflite")      # LiteRT's API
outputs = minilite.run("model.tflite", image)           # one call: outputs by name
model = minilite.read("model.tflite")                   # the file as plain data
"""

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

__version__ = "0.1.0"

__all__ = [
    "ArgumentError",
    "ArgumentOverflowError",
    "ArgumentTypeError",
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
    "ResizeError",
    "SignatureRunner",
    "StateError",
    "UnresolvedCustomError",
    "UnsupportedBuiltinError",
    "UnsupportedOperatorError",
    "WorkerError",
    "load_delegate",
    "read",
    "run",
]
