"""Running a signature: arrays by name in, arrays by name out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minilite.errors import ArgumentError, NotAnArrayError
from minilite.interpreter.details import signature_called

if TYPE_CHECKING:
    from minilite.interpreter.interpreter import Interpreter


class SignatureRunner:
    """A signature of a model as a function of keyword arguments; see :meth:`Interpreter.get_signature_runner`.

    Every call resizes the inputs to the arrays' shapes and allocates again where that changed something.
    """

    def __init__(self, interpreter: Interpreter | None = None, signature_key: str | None = None):
        if not interpreter:
            raise ArgumentError("None interpreter provided.")
        if not signature_key:
            raise ArgumentError("None signature_key provided.")
        signature = signature_called(interpreter._model, signature_key)
        self._interpreter = interpreter
        self._signature_key = signature_key
        self._signature_def = interpreter._get_full_signature_list()[signature_key]
        self._inputs, self._outputs = self._signature_def["inputs"], self._signature_def["outputs"]
        self._subgraph_index = signature.subgraph_index
        for index in (*self._inputs.values(), *self._outputs.values()):
            interpreter._find(index, signature.subgraph_index, "SignatureRunner")
        self._session = interpreter._session(signature.subgraph_index)

    def __call__(self, **kwargs: Any) -> dict[str, Any]:
        """The outputs by name, as copies.

        Raises :class:`ArgumentError` for a missing or unknown name and for a wrong type,
        :class:`NotAnArrayError` (an AttributeError) for a value that is no array."""
        self._check(kwargs)
        with self._interpreter._turn:
            self._session.feed({self._inputs[name]: value for name, value in kwargs.items()})
            self._session.invoke()
            return {name: self._interpreter.get_tensor(i, self._subgraph_index) for name, i in self._outputs.items()}

    def _check(self, arrays: dict[str, Any]) -> None:
        names = f"The inputs are: {', '.join(self._inputs) or 'none'}."
        if len(arrays) != len(self._inputs):
            raise ArgumentError(
                "Invalid number of inputs provided for running a SignatureDef, "
                f"expected {len(self._inputs)} vs provided {len(arrays)}. {names}"
            )
        for name, value in arrays.items():
            if name not in self._inputs:
                raise ArgumentError(f"Invalid Input name ({name}) for SignatureDef. {names}")
            if not hasattr(value, "shape"):
                raise NotAnArrayError(f"'{type(value).__name__}' object has no attribute 'shape'. Pass a NumPy array.")

    def get_input_details(self) -> dict[str, dict[str, Any]]:
        """The inputs' details by name; the dictionaries of :meth:`Interpreter.get_input_details`."""
        return self._details(self._inputs)

    def get_output_details(self) -> dict[str, dict[str, Any]]:
        """The outputs' details by name."""
        return self._details(self._outputs)

    def _details(self, indices: dict[str, int]) -> dict[str, dict[str, Any]]:
        return {name: self._interpreter._get_tensor_details(i, self._subgraph_index) for name, i in indices.items()}
