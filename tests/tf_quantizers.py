"""TFLiteConverter's quantizers as oracles: what they make of a float model and its samples, in a child that may die.

Both take any float .tflite; the entry points are private ones of TensorFlow 2.21 (extra ``tensorflow``).
"""

from __future__ import annotations

import functools

import numpy as np

import minilite
from minilite.model import Model
from tests.oracle import Oracle, OracleDied, OracleError

Ranges = dict[str, tuple[float, float]]
Samples = list[list[np.ndarray]]


class Converter(Oracle):
    """TensorFlow in one child process."""

    module = "tests.tf_quantizer_child"

    def __init__(self) -> None:
        super().__init__("tf", seconds=120)

    def answer(self, kind: str, model: Model, samples: Samples, *types: str) -> Model:
        """A model with ranges (``calibrated``), or an integer one (``int8``, ``int16x8``)."""
        try:
            reply = self._ask((kind, model.to_bytes(), samples, *types))  # type: ignore[arg-type]  # a tuple does too
        except (EOFError, BrokenPipeError, TimeoutError) as error:
            self.close()
            raise OracleDied(f"tensorflow {kind}: {type(error).__name__}") from None
        if "error" in reply:
            raise OracleError(reply["error"])
        return minilite.read(reply["result"])

    def ranges(self, model: Model, samples: Samples) -> Ranges:
        """What TFLiteConverter's calibration records: a minimum and a maximum for every float tensor it saw."""
        tensors = self.answer("calibrated", model, samples).subgraphs[0].tensors
        found = {str(t.name): (t.quantization.min, t.quantization.max) for t in tensors if t.quantization is not None}
        return {
            n: (float(low[0]), float(high[0]))
            for n, (low, high) in found.items()
            if low is not None and high is not None
        }

    def quantized(self, scheme: str, model: Model, samples: Samples) -> Model:
        """The integer model. 16x8 keeps float inputs and outputs: it refuses integer ones where it leaves an operator
        float."""
        type_ = {"int8": "int8", "int16x8": "float32"}[scheme]
        return self.answer(scheme, model, samples, type_, type_)


@functools.cache
def converter() -> Converter:
    """The shared child of this process."""
    return Converter()
