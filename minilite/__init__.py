"""minilite runs TensorFlow Lite (LiteRT) models and shows how every number in them is computed.

    import minilite

    interpreter = minilite.Interpreter("model.tflite")      # LiteRT's API
    outputs = minilite.run("model.tflite", image)           # one call: outputs by name
    model = minilite.read("model.tflite")                   # the file as plain data
"""

from minilite.errors import (
    ArgumentError,
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
)
from minilite.external_delegate import Delegate, load_delegate
from minilite.interpreter import Interpreter, InterpreterWithCustomOps
from minilite.model import Model
from minilite.op_resolver import OpResolverType
from minilite.reader import read
from minilite.run_once import run
from minilite.signature_runner import SignatureRunner

__version__ = "0.1.0"

__all__ = [
    "ArgumentError",
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
    "load_delegate",
    "read",
    "run",
]
