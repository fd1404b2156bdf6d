"""minilite runs TensorFlow Lite (LiteRT) models and shows how every number in them is computed.

import minilite

interpreter = minilite.Interpreter("model.tflite")      # LiteRT's API
outputs = minilite.run("model.tflite", image)           # one call: outputs by name
model = minilite.read("model.tflite")                   # the file as plain data
small = minilite.quantize(model, "int8", samples)       # another one, of integers
print(minilite.explain(small, 5, image))                # why its numbers are what they are
"""

from __future__ import annotations

TYPE_CHECKING = False  # as type checkers know it; the module typing takes its time
if TYPE_CHECKING:
    from typing import Any

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
    from minilite.inspection.arena import MemoryPlan, memory_plan
    from minilite.inspection.carve import Carved, carve
    from minilite.inspection.compare import Comparison, compare
    from minilite.inspection.debugger import Debugger
    from minilite.inspection.explain import Explanation, explain
    from minilite.inspection.mixing import Mixed, mixed_precision
    from minilite.inspection.overflow import Overflow, overflow
    from minilite.inspection.report import report
    from minilite.inspection.sensitivity import Sensitivity, sensitivity
    from minilite.interpreter import (
        Delegate,
        Interpreter,
        InterpreterWithCustomOps,
        OpResolverType,
        SignatureRunner,
        load_delegate,
        run,
    )
    from minilite.limits import Limits
    from minilite.model import Model
    from minilite.quantization import Calibration, Converter, OpsSet, Optimize, calibrate, quantize, simulate
    from minilite.reader import read

__version__ = "0.1.0"

__all__ = [
    "ArgumentError",
    "ArgumentOverflowError",
    "ArgumentTypeError",
    "Calibration",
    "Carved",
    "Comparison",
    "Converter",
    "Debugger",
    "Delegate",
    "DelegateError",
    "Error",
    "Explanation",
    "Interpreter",
    "InterpreterWithCustomOps",
    "Limits",
    "MemoryPlan",
    "Mixed",
    "Model",
    "ModelError",
    "NotAnArrayError",
    "OpResolverType",
    "OperatorError",
    "OpsSet",
    "Optimize",
    "Overflow",
    "ResizeError",
    "Sensitivity",
    "SignatureRunner",
    "StateError",
    "UnresolvedCustomError",
    "UnsupportedBuiltinError",
    "UnsupportedOperatorError",
    "WorkerError",
    "calibrate",
    "carve",
    "compare",
    "explain",
    "load_delegate",
    "memory_plan",
    "mixed_precision",
    "overflow",
    "quantize",
    "read",
    "report",
    "run",
    "sensitivity",
    "simulate",
]

_INTERPRETER = (
    "Delegate",
    "Interpreter",
    "InterpreterWithCustomOps",
    "OpResolverType",
    "SignatureRunner",
    "load_delegate",
    "run",
)
_QUANTIZATION = ("Calibration", "Converter", "OpsSet", "Optimize", "calibrate", "quantize", "simulate")
_HOMES = {
    "Debugger": "inspection.debugger",
    "Limits": "limits",
    "Model": "model",
    "read": "reader",
    "report": "inspection.report",
    **dict.fromkeys(("Carved", "carve"), "inspection.carve"),
    **dict.fromkeys(("MemoryPlan", "memory_plan"), "inspection.arena"),
    **dict.fromkeys(("Comparison", "compare"), "inspection.compare"),
    **dict.fromkeys(_INTERPRETER, "interpreter"),
    **dict.fromkeys(_QUANTIZATION, "quantization"),
    **dict.fromkeys(("Explanation", "explain"), "inspection.explain"),
    **dict.fromkeys(("Mixed", "mixed_precision"), "inspection.mixing"),
    **dict.fromkeys(("Sensitivity", "sensitivity"), "inspection.sensitivity"),
    **dict.fromkeys(("Overflow", "overflow"), "inspection.overflow"),
}
"""Which module has a name that is not in :mod:`minilite.errors`."""


def __getattr__(name: str) -> Any:
    """Names and modules of the package, imported when they are first asked for.

    So the command line, which is part of the package, begins before anything large is imported and sees to interrupts;
    and running models does not wait for the quantizer."""
    from importlib import import_module, util

    if name in __all__:
        value = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
        globals()[name] = value
        return value
    if not name.startswith("_") and util.find_spec(f"{__name__}.{name}"):
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
