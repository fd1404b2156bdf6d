"""The interpreter, behind the API of ``ai_edge_litert.interpreter``."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

from minilite.custom import CustomOps
from minilite.engines import engine as engine_called
from minilite.errors import ArgumentError, ArgumentTypeError, ModelError, ResizeError, StateError
from minilite.interpreter.delegates import refuse_delegates
from minilite.interpreter.details import operator_details, operator_options, signature_details, tensor_details
from minilite.interpreter.op_resolver import OpResolverType, chosen_kernels, resolver_type
from minilite.interpreter.session import Loans, Session
from minilite.interpreter.signature_runner import SignatureRunner
from minilite.interpreter.turns import BUSY, Turn
from minilite.interpreter.values import size, whole
from minilite.limits import DEFAULT, Limits, check_limits
from minilite.model import Model
from minilite.program import Program
from minilite.reader import IDENTIFIER, read
from minilite.soundness import check

HELD = """There is at least 1 reference to internal data
      in the interpreter in the form of a numpy array or slice. Be sure to
      only hold the function returned from tensor() if you are using raw
      data access."""


class Interpreter:
    """Runs a model. Takes the place of ``ai_edge_litert.interpreter.Interpreter``.

    model_path                              path of a .tflite file, or a :class:`minilite.Model`
    model_content                           the bytes of a .tflite file
    num_threads                             at least 1; the compiled engine uses two at most
    experimental_op_resolver_type           see :class:`OpResolverType`
    experimental_preserve_all_tensors       keep every intermediate result readable; no result changes
    experimental_compress_quantization_zero_points  details show equal zero points of an axis once
    kernels                                 whose arithmetic: see :mod:`minilite.kernel_sets`
    engine                                  what computes: ``"auto"``, ``"numpy"``, ``"numba"``
    limits                                  how much the file may ask for: :class:`minilite.Limits`
    custom_ops                              custom operators by name: functions ``(options, *arrays) -> array or tuple``
                                            or rows (:class:`minilite.spec.Op`); see :mod:`minilite.custom`

    One thread at a time may use an interpreter: while a call is under way, calls of other threads that read or write
    tensors raise :class:`StateError`. Threads with interpreters of their own run at the same time.

    The other experimental arguments are about native delegates and change nothing here. An interpreter that was
    never allocated allocates itself on first use; after ``resize_tensor_input`` call ``allocate_tensors`` as in LiteRT.

    Raises :class:`minilite.ModelError` for a file that is not a sound model, :class:`UnsupportedBuiltinError` for an
    operator minilite has no row for and :class:`ArgumentError` for impossible arguments, all of them ValueErrors.
    """

    def __init__(
        self,
        model_path: str | bytes | os.PathLike[str] | Model | None = None,
        model_content: bytes | None = None,
        experimental_delegates: Any = None,
        num_threads: int | None = None,
        experimental_op_resolver_type: OpResolverType = OpResolverType.AUTO,
        experimental_preserve_all_tensors: bool = False,
        experimental_disable_delegate_clustering: bool = False,
        experimental_default_delegate_latest_features: bool = False,
        experimental_compress_quantization_zero_points: bool = False,
        experimental_disable_delegate_node_fusion: bool = False,
        experimental_force_delegate_node_profiling: bool = False,
        *,
        kernels: str | None = None,
        engine: str = "auto",
        limits: Limits = DEFAULT,
        custom_ops: CustomOps | None = None,
    ):
        self._resolver = resolver_type(experimental_op_resolver_type)
        self._kernels = chosen_kernels(kernels, self._resolver)
        self._num_threads = _threads(num_threads)
        self._engine = engine_called(engine, self._num_threads or 1)
        self._compress_zero_points = bool(experimental_compress_quantization_zero_points)
        self._name, self._model = _load(model_path, model_content, check_limits(limits))
        check(self._model)
        refuse_delegates(experimental_delegates)
        self._program = Program(self._model, self._kernels, self._engine, limits, custom_ops)
        keep = bool(experimental_preserve_all_tensors)
        self._sessions = [Session(self._program.plan(i), keep) for i in range(len(self._model.subgraphs))]
        self._main = self._sessions[0]
        self._loans: Loans = set()
        self._turn = Turn()
        self._signature_defs = self.get_signature_list()

    # ---- running -------------------------------------------------------------------------------------------------

    def allocate_tensors(self) -> None:
        """Work out shapes and prepare every operator. Inputs that keep their shape keep their data.

        Raises :class:`StateError` while arrays from :meth:`tensor` are held, :class:`OperatorError` when an operator
        cannot be prepared and :class:`UnresolvedCustomError` for an unknown custom one, all of them RuntimeErrors."""
        with self._turn:
            self._ensure_safe()
            self._main.allocate()

    def invoke(self) -> None:
        """Compute the outputs from the inputs.

        Raises :class:`StateError` after :meth:`resize_tensor_input` without :meth:`allocate_tensors` and while arrays
        from :meth:`tensor` are held, :class:`OperatorError` when an operator cannot be computed."""
        if not self._turn.acquire(False):
            raise StateError(BUSY)
        try:
            if self._loans:
                self._ensure_safe()
            self._main.invoke()
        finally:
            self._turn.release()

    def reset_all_variables(self) -> None:
        """Set variable tensors back to zero. Resource variables and tables stay, as in LiteRT."""
        with self._turn:
            for session in self._sessions:
                session.reset_variables()
            self._program.reset_variables()

    def resize_tensor_input(self, input_index: int, tensor_size: Any, strict: bool = False) -> None:
        """Give an input another shape; then call :meth:`allocate_tensors`.

        With ``strict`` only dimensions that are -1 in ``shape_signature`` may change. Raises :class:`ResizeError`
        (a RuntimeError) when the tensor cannot take the shape."""
        self._ensure_safe()
        index = whole(input_index, "resize_tensor_input", "input_index")
        if not 0 <= index < len(self._main.plan.subgraph.tensors):
            raise ResizeError(
                "tensor_index < context_.tensors_size && tensor_index >= 0 was not true. "
                f"Expected an index from 0 to {len(self._main.plan.subgraph.tensors) - 1}, got {index}."
            )
        with self._turn:
            self._main.resize(index, size(tensor_size), strict)

    # ---- reading and writing tensors -----------------------------------------------------------------------------

    def set_tensor(self, tensor_index: int, value: Any) -> None:
        """Copy an array of exactly the tensor's type and shape into it.

        Raises :class:`ArgumentError` (a ValueError) when type or shape differ, or the tensor is a constant."""
        session, index = self._find(tensor_index, 0, "set_tensor")
        if not self._turn.acquire(False):
            raise StateError(BUSY)
        try:
            session.set(index, value)
        finally:
            self._turn.release()

    def get_tensor(self, tensor_index: int, subgraph_index: int = 0) -> Any:
        """A copy of the tensor; a NumPy scalar when it has no dimensions.

        Raises :class:`ArgumentError` (a ValueError) when the tensor has no memory: intermediate results are given away
        during :meth:`invoke` unless the interpreter was made with ``experimental_preserve_all_tensors=True``."""
        session, index = self._find(tensor_index, subgraph_index, "get_tensor")
        if not self._turn.acquire(False):
            raise StateError(BUSY)
        try:
            array = session.array(index)
            return array.copy() if array.ndim or array.dtype == object else array[()]
        finally:
            self._turn.release()

    def tensor(self, tensor_index: int) -> Callable[[], Any]:
        """A function that returns a live view of the tensor, writable unless it is a constant.

        Hold the function, not the array: while an array is held, :meth:`invoke`, :meth:`allocate_tensors` and
        :meth:`resize_tensor_input` raise :class:`StateError`."""
        return functools.partial(self._view, tensor_index)

    def _view(self, tensor_index: int) -> Any:
        session, index = self._find(tensor_index, 0, "tensor")
        with self._turn:
            return session.lend(index, self._loans)

    def _find(self, tensor_index: Any, subgraph_index: Any, call: str) -> tuple[Session, int]:
        index, subgraph = whole(tensor_index, call, "tensor_index"), whole(subgraph_index, call, "subgraph_index")
        session = self._session(subgraph)
        count = len(session.plan.subgraph.tensors)
        if not 0 <= index < count:
            raise ArgumentError(f"Invalid tensor index {index} exceeds max tensor index {count}")
        return session, index

    def _session(self, subgraph: int) -> Session:
        if not 0 <= subgraph < len(self._sessions):
            raise ArgumentError(f"Invalid subgraph index {subgraph} exceeds max subgraph index {len(self._sessions)}")
        return self._sessions[subgraph]

    # ---- describing ----------------------------------------------------------------------------------------------

    def num_subgraphs(self) -> int:
        """How many subgraphs the model has."""
        return len(self._sessions)

    def get_input_details(self) -> list[dict[str, Any]]:
        """A dictionary for each input: name, index, shape, shape_signature, dtype, quantization, sparsity."""
        return [self._get_tensor_details(i, 0) for i in self._main.plan.subgraph.inputs]

    def get_output_details(self) -> list[dict[str, Any]]:
        """As :meth:`get_input_details`, for the outputs. A shape that depends on values is right after invoke."""
        return [self._get_tensor_details(i, 0) for i in self._main.plan.subgraph.outputs]

    def get_tensor_details(self, subgraph_index: int = 0) -> list[dict[str, Any]]:
        """As :meth:`get_input_details`, for every tensor of a subgraph whose type NumPy can name."""
        subgraph = whole(subgraph_index, "get_tensor_details", "subgraph_index")
        if not 0 <= subgraph < len(self._sessions):
            raise ArgumentError(
                f"subgraph_index is out of range: {subgraph} for the model, which has {len(self._sessions)} subgraphs."
            )
        found = []
        for index in range(len(self._sessions[subgraph].plan.subgraph.tensors)):
            try:
                found.append(self._get_tensor_details(index, subgraph))
            except ArgumentError:
                continue
        return found

    def get_operator_details(self, subgraph_index: int = 0) -> list[dict[str, Any]]:
        """A dictionary for each operator.

        LiteRT's ``index``, ``op_name``, ``inputs``, ``outputs``, ``operand_types`` and ``result_types``; further
        ``version``, ``options`` (by the schema's field names, defaults filled in), ``custom_options`` (bytes or None)
        and, once allocated, ``arithmetic``: the kernel set's word for how the operator rounds, None where all sets
        agree."""
        session = self._session(whole(subgraph_index, "get_operator_details", "subgraph_index"))
        return [operator_details(session, i) | operator_options(session, i) for i in range(len(session.plan.steps))]

    def get_signature_list(self) -> dict[str, dict[str, list[str]]]:
        """Signature key -> names of its ``inputs`` and ``outputs``."""
        full = self._get_full_signature_list()
        return {key: {kind: list(names) for kind, names in s.items()} for key, s in full.items()}

    def get_signature_runner(self, signature_key: str | None = None) -> SignatureRunner:
        """A function that runs a signature on arrays by name; the key may be left out if the model has one signature.

        Raises :class:`ArgumentError` for an unknown key."""
        if signature_key is None:
            if len(self._signature_defs) != 1:
                raise ArgumentError(
                    f"SignatureDef signature_key is None and model has {len(self._signature_defs)} Signatures. "
                    "None is only allowed when the model has 1 SignatureDef"
                )
            signature_key = next(iter(self._signature_defs))
        return SignatureRunner(self, signature_key)

    @property
    def experimental_compress_quantization_zero_points(self) -> bool:
        """Whether details show equal zero points of an axis once."""
        return self._compress_zero_points

    def __repr__(self) -> str:
        state = "allocated" if self._main.ready else "not allocated"
        auto = "" if self._kernels.name == "xnnpack" else " (not XNNPACK)"
        resolver = self._resolver.name + (auto if self._resolver.value < 2 else "")
        return (
            f"<minilite.Interpreter of {self._name}: kernels={self._kernels.name!r}, engine={self._engine.name!r}, "
            f"resolver {resolver}, {state}>"
        )

    # ---- private names that scripts use --------------------------------------------------------------------------

    def _get_tensor_details(self, tensor_index: int, subgraph_index: int) -> dict[str, Any]:
        session, index = self._find(int(tensor_index), int(subgraph_index), "_get_tensor_details")
        return tensor_details(session, index, self._compress_zero_points)

    def _get_op_details(self, op_index: int) -> dict[str, Any]:
        found = operator_details(self._main, whole(op_index, "_get_op_details", "op_index"))
        nameless = self._resolver is OpResolverType.BUILTIN_REF and self._main.plan.steps[op_index].is_flex
        return found | {"op_name": "Flex"} if nameless else found

    def _get_ops_details(self) -> list[dict[str, Any]]:
        return [self._get_op_details(i) for i in range(len(self._main.plan.steps))]

    def _get_full_signature_list(self) -> dict[str, dict[str, dict[str, int]]]:
        return signature_details(self._model)

    def _native_handle(self) -> int:
        """LiteRT gives the address of its C++ object; here is none, and 0 is the null pointer."""
        return 0

    def _safe_to_run(self) -> bool:
        """Whether no array from :meth:`tensor` is held."""
        return not self._loans

    def _ensure_safe(self) -> None:
        if self._loans:
            raise StateError(HELD)

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise ArgumentTypeError("cannot pickle or copy an Interpreter: make another one from the same model.")


class InterpreterWithCustomOps(Interpreter):
    """LiteRT's way to add native custom operators. minilite loads no native code, so the list must be empty; operators
    in Python are given to :class:`Interpreter` as ``custom_ops``."""

    def __init__(self, custom_op_registerers: Any = None, **kwargs: Any):
        if custom_op_registerers:
            raise ArgumentError(
                f"Looking up symbol {custom_op_registerers[0]!r} failed: minilite loads no native custom operators. "
                "Write them in Python: Interpreter(..., custom_ops={name: function})."
            )
        super().__init__(**kwargs)


def _threads(num_threads: Any) -> int:
    if num_threads is None:
        return 1
    if not isinstance(num_threads, int):
        raise ArgumentError(f"type of num_threads should be int, got {num_threads!r}")
    if num_threads < 1:
        raise ArgumentError(f"num_threads should >= 1, got {num_threads}")
    return num_threads


def _load(path: Any, content: Any, limits: Limits) -> tuple[str, Model]:
    """A name for the model, and the model."""
    given = _is_given(path), _is_given(content)
    if all(given):
        raise ArgumentError("Can't both provide `model_path` and `model_content`")
    if given[1]:
        if not isinstance(content, bytes):
            raise ArgumentTypeError(f"expected bytes, {type(content).__name__} found: model_content must be bytes.")
        return f"{len(content)} bytes", read(content, limits=limits)
    if not given[0]:
        raise ArgumentError("`model_path` or `model_content` must be specified.")
    if isinstance(path, Model):
        return "a Model", path
    if not isinstance(path, str | bytes | os.PathLike):
        raise ArgumentTypeError(f"expected str, bytes or os.PathLike object, not {type(path).__name__}")
    if isinstance(path, bytes):
        _refuse_content(path)
    return repr(os.fsdecode(path)), read(os.fsdecode(path), limits=limits)


def _is_given(argument: Any) -> bool:
    """Whether it says anything. An array does; it has no truth of its own."""
    return hasattr(argument, "__array__") or bool(argument)


def _refuse_content(path: bytes) -> None:
    """Raise :class:`ModelError` for the bytes of a file in place of its path; LiteRT says only the first sentence."""
    if path[4:8] == IDENTIFIER or b"\0" in path:
        raise ModelError(
            f"Could not open {path[:20].decode('latin-1')!r}. These {len(path)} bytes are the content of a file, "
            "not its path: pass them as model_content=."
        )
