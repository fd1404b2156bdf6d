"""The same request in TFLiteConverter's words.

converter = minilite.Converter.from_file("float.tflite")
converter.optimizations = [Optimize.DEFAULT]
converter.representative_dataset = samples
converter.target_spec.supported_ops = [OpsSet.TFLITE_BUILTINS_INT8]
data = converter.convert()

========================================================================  ==============
optimizations, representative_dataset, target_spec                        scheme
========================================================================  ==============
no optimizations                                                          none: the model as it is
DEFAULT                                                                   dynamic_range
DEFAULT, supported_types = [float16]                                      float16
DEFAULT, a representative dataset                                         int8
... and EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8       int16x8
========================================================================  ==============

Inference types are as in :func:`minilite.quantize`; a type is a NumPy type or its name. With TFLITE_BUILTINS_INT8
alone, an operator that stays float is an error, which TFLiteConverter lets pass. Attributes that are not here are an
AttributeError, which TFLiteConverter takes for its own.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np

from minilite.errors import ArgumentError, ArgumentTypeError
from minilite.model import Model
from minilite.quantization.quantizer import Quantized, quantized
from minilite.quantization.source import as_model
from minilite.quantization.static_model import FLOAT


class Optimize(Enum):
    """What to optimize for. All but DEFAULT are old names of it."""

    DEFAULT = "DEFAULT"
    OPTIMIZE_FOR_SIZE = "OPTIMIZE_FOR_SIZE"
    OPTIMIZE_FOR_LATENCY = "OPTIMIZE_FOR_LATENCY"


class OpsSet(Enum):
    """The operators that the result may have."""

    TFLITE_BUILTINS = "TFLITE_BUILTINS"
    TFLITE_BUILTINS_INT8 = "TFLITE_BUILTINS_INT8"
    EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8 = (
        "EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8"
    )
    SELECT_TF_OPS = "SELECT_TF_OPS"


INT16X8 = OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8


@dataclass(slots=True)
class TargetSpec:
    """Which operators, and which types beside float32, the result may have."""

    supported_ops: Sequence[OpsSet] = (OpsSet.TFLITE_BUILTINS,)
    supported_types: Sequence[Any] = ()


@dataclass(slots=True)
class Converter:
    """TFLiteConverter's attributes over :func:`minilite.quantize`; see the module. ``result`` holds what the last
    :meth:`convert` found: calibration and decisions."""

    model: Model
    optimizations: Sequence[Optimize] = ()
    representative_dataset: Any = None
    target_spec: TargetSpec = field(default_factory=TargetSpec)
    inference_input_type: Any = FLOAT
    inference_output_type: Any = FLOAT
    result: Quantized | None = None

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Converter:
        """A converter of a float .tflite file."""
        return cls(as_model(path))

    @classmethod
    def from_content(cls, content: bytes) -> Converter:
        """A converter of the bytes of a float .tflite file."""
        return cls(as_model(content))

    def convert(self) -> bytes:
        """The bytes of the converted file. Raises what :func:`minilite.quantize` raises, and :class:`ArgumentError` for
        an operator that stays float where only integers are allowed."""
        scheme = self._scheme()
        if scheme is None:
            return self.model.to_bytes()
        static = scheme in ("int8", "int16x8")
        self.result = quantized(
            self.model,
            scheme,
            self.representative_dataset if static else None,
            inference_input_type=_name(self.inference_input_type),
            inference_output_type=_name(self.inference_output_type),
        )
        if static and OpsSet.TFLITE_BUILTINS not in self._ops():
            _refuse_float(self.result)
        return self.result.model.to_bytes()

    def _ops(self) -> set[OpsSet]:
        found = set()
        for ops in self.target_spec.supported_ops:
            if not isinstance(ops, OpsSet):
                raise ArgumentTypeError(f"supported_ops: expected members of OpsSet, got {ops!r}.")
            found.add(ops)
        return found

    def _scheme(self) -> str | None:
        single = isinstance(self.optimizations, Optimize)  # not in a list
        for optimization in [str(self.optimizations)] if single else self.optimizations:
            if not isinstance(optimization, Optimize):
                raise ArgumentTypeError(f"optimizations: expected members of Optimize, got {optimization!r}.")
        types, ops = {_name(t) for t in self.target_spec.supported_types}, self._ops()
        if not types <= {FLOAT, "float16", "int8"}:
            raise ArgumentError(f"supported_types: expected float32, float16 or int8, got {', '.join(sorted(types))}.")
        integers = ops & {OpsSet.TFLITE_BUILTINS_INT8, INT16X8} or "int8" in types
        if integers and self.representative_dataset is None:
            raise ArgumentError("representative_dataset: expected samples for integer operators, got none.")
        if not self.optimizations:
            self._refuse_integer_ends()
            return None
        if "float16" in types:
            return "float16"
        if self.representative_dataset is None:
            return "dynamic_range"
        return "int16x8" if INT16X8 in ops else "int8"

    def _refuse_integer_ends(self) -> None:
        ends = {_name(self.inference_input_type), _name(self.inference_output_type)}
        if ends != {FLOAT}:
            raise ArgumentError(
                f"inference_input_type, inference_output_type: expected float32 without optimizations, got "
                f"{', '.join(sorted(ends - {FLOAT}))}. Set optimizations = [Optimize.DEFAULT]."
            )


def _name(type_: Any) -> str:
    """``"int8"`` for the name, NumPy's type, or TensorFlow's, which has an ``as_numpy_dtype``."""
    try:
        return np.dtype(getattr(type_, "as_numpy_dtype", type_)).name
    except TypeError:
        raise ArgumentTypeError(f"expected a type such as numpy.int8, got {type_!r}.") from None


def _refuse_float(result: Quantized) -> None:
    left = [d for d in result.decisions if d.scheme == FLOAT]
    if left:
        first = left[0]
        raise ArgumentError(
            f"{len(left)} operators have no integer form, the first being {first.name} (operator {first.operator} of "
            f"subgraph {first.subgraph}): {first.reason}. To let them be float, add OpsSet.TFLITE_BUILTINS."
        )
