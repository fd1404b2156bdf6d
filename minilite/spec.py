"""The row: what an operator is, said once, for the interpreter, the quantizer, the tests and the documentation.

An operator lives in one file of :mod:`minilite.ops` and is one :class:`Op`. Its :class:`Operand`\\ s name the tensors
and what quantization must hold for them; each :class:`Definition` is one combination of types and the functions that
compute it. Definitions see arrays and prepared values only, never a model.

    shapes(node, *operands)   -> the output shapes; operands are TensorInfo, None where an optional one is absent;
                                 None instead of a shape that only the result itself will tell
    prepare(node, *operands)  -> whatever compute wants to know, worked out once (scales become integers here);
                                 operands are all inputs, then all outputs
    compute(prepared, *arrays)-> the output array, or a tuple of them; without a prepare, ``prepared`` is the node
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Protocol

import numpy as np

from minilite.errors import OperatorError
from minilite.output_types import SETS_TYPE

Shape = tuple[int, ...]

DTYPES: dict[str, Any] = {
    "float64": np.float64,
    "float32": np.float32,
    "float16": np.float16,
    "bfloat16": np.uint16,
    "float8_e4m3fn": np.int8,
    "float8_e5m2": np.int8,
    "int64": np.int64,
    "int32": np.int32,
    "int16": np.int16,
    "int8": np.int8,
    "uint64": np.uint64,
    "uint32": np.uint32,
    "uint16": np.uint16,
    "uint8": np.uint8,
    "int4": np.int8,
    "uint4": np.uint8,
    "int2": np.int8,
    "bool": np.bool_,
    "complex64": np.complex64,
    "complex128": np.complex128,
    "string": np.object_,
    "resource": np.int32,
}
"""NumPy's type for each of TFLite's. int4, uint4 and int2 are computed on unpacked, one value a byte; of a bfloat16
(:mod:`minilite.bfloat16`) and of 8-bit floats, for which NumPy has no types, it is the bits; a resource is the id of a
variable or table."""

QUANTIZED = ("int8", "uint8", "int16")
"""The types whose values usually stand for real numbers through a scale and a zero point."""

INTEGER_RANGE = {
    "int2": (-2, 1),
    "int4": (-8, 7),
    "uint4": (0, 15),
    "int8": (-128, 127),
    "uint8": (0, 255),
    "int16": (-32768, 32767),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
}


class ValueNeeded(Exception):
    """Raised by ``shapes`` when an output shape depends on a value that is not known before ``invoke``."""


@dataclass(frozen=True, eq=False)
class TensorInfo:
    """A tensor as an operator sees it while it is prepared.

    ``scales`` and ``zero_points`` are 1-D and empty when the tensor is not quantized. ``value`` is the array of a
    constant, or of anything already known; ``constant`` is true only for constants of the file. Of blockwise
    quantization ``block_scales`` holds a scale for every ``block_size`` values along the last dimension. ``sparsity``
    is the schema's description of a constant that the file stores without its zeros; ``value`` has them.
    """

    index: int
    name: str
    type: str
    shape: Shape
    scales: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))
    zero_points: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    axis: int = 0
    value: np.ndarray | None = None
    constant: bool = False
    is_variable: bool = False
    block_size: int = 0
    block_scales: np.ndarray | None = None
    sparsity: Any = None

    def __str__(self) -> str:
        return f"tensor {self.index} {self.name!r}"

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def dtype(self) -> Any:
        return DTYPES[self.type]

    @property
    def quantized(self) -> bool:
        return self.scales.size > 0

    @property
    def scale(self) -> np.float32:
        """The per-tensor scale, float32 as in the file."""
        self.need(self.scales.size == 1, "one scale (per-tensor quantization)", f"{self.scales.size} scales")
        return np.float32(self.scales[0])

    @property
    def zero_point(self) -> int:
        """The per-tensor zero point; 0 when the file leaves it out."""
        return int(self.zero_points[0]) if self.zero_points.size else 0

    def known(self) -> np.ndarray:
        """The value, when it is known before ``invoke``."""
        if self.value is None:
            raise ValueNeeded(str(self))
        return self.value

    def need(self, condition: bool | np.bool_, expected: object, got: object, advice: str = "") -> None:
        """Raise an :class:`OperatorError` about this tensor unless ``condition`` holds."""
        if not condition:
            raise OperatorError(f"{self}: expected {expected}, got {got}." + (f" {advice}" if advice else ""))


class Subroutine(Protocol):
    """A subgraph, as operators that call it see it."""

    @property
    def input_types(self) -> list[str]:
        """The types of its inputs."""
        ...

    @property
    def output_types(self) -> list[str]:
        """The types of its outputs."""
        ...

    @property
    def operators(self) -> list[str]:
        """The names of its operators, for those that compute what it stands for in a way of their own."""
        ...

    def prepare(self, inputs: Sequence[TensorInfo]) -> list[Shape | None]:
        """The output shapes for inputs like these; None for one that depends on values."""
        ...

    def __call__(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """Compute it. How often one invoke may do so is limited."""
        ...

    def compute(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """Compute it without being counted: the condition of a loop whose body is."""
        ...


class Runtime(Protocol):
    """What operators may ask for that call subgraphs or keep something from one invoke to the next.

    ``resources`` lives as long as the interpreter; its entry ``("allocation", subgraph)`` is dropped whenever that
    subgraph's tensors are allocated."""

    resources: dict[Any, Any]

    def subgraph(self, index: int) -> Subroutine:
        """A subgraph of the model."""
        ...


@dataclass(frozen=True, eq=False)
class Node:
    """One operator of a model while it is prepared.

    ``arithmetic`` is the word :mod:`minilite.kernel_sets` has for this operator in the chosen set (after asking
    whether the set's delegate takes the node); ``sums`` says how floats are added: ``"sequential"`` in the
    reference kernel's order, float32 by float32, or ``"any"``. ``intermediates`` are tensors that only their
    quantization is read of, ``custom_options`` the bytes of a custom operator's.
    """

    op: str
    options: Any = None
    inputs: tuple[TensorInfo | None, ...] = ()
    outputs: tuple[TensorInfo, ...] = ()
    index: int = 0
    subgraph: int = 0
    version: int = 1
    kernels: str = "reference"
    arithmetic: str | None = None
    delegated: bool = False
    sums: str = "sequential"
    intermediates: tuple[TensorInfo, ...] = ()
    custom_options: bytes | None = None
    runtime: Runtime | None = None

    def __str__(self) -> str:
        return f"{self.op} (operator {self.index} of subgraph {self.subgraph})"

    def need(self, condition: bool | np.bool_, expected: object, got: object, advice: str = "") -> None:
        """Raise an :class:`OperatorError` about the operator as a whole unless ``condition`` holds."""
        if not condition:
            raise OperatorError(f"expected {expected}, got {got}." + (f" {advice}" if advice else ""))


@dataclass(frozen=True)
class Operand:
    """One input or output of an operator, and the quantization the 8-bit specification asks of it.

    role: ``activation``; ``weight`` (usually constant, zero point 0); ``bias`` (its scale is the product of the
    operands in ``scale_of``); ``parameter`` (axes, shapes, indices: never quantized, usually constant).
    axis: the dimension along which a weight may be quantized per-axis. same_as: shares scale and zero point with
    that operand. fixed: type -> (scale, zero point) the kernel insists on. symmetric: the zero point must be 0.
    state: a variable tensor that is read and written; ``compute`` returns its new value behind the outputs.
    """

    name: str
    role: str = "activation"
    optional: bool = False
    variadic: bool = False
    axis: int | None = None
    scale_of: tuple[str, ...] = ()
    same_as: str | None = None
    fixed: tuple[tuple[str, float, int], ...] = ()
    symmetric: bool = False
    state: bool = False


def activation(name: str, **constraints: Any) -> Operand:
    """An operand that holds data; see :class:`Operand` for the constraints."""
    return Operand(name, **constraints)


def weight(name: str, axis: int | None = None, **constraints: Any) -> Operand:
    """A trained operand, quantized symmetrically, per-axis along ``axis`` if that is given."""
    return Operand(name, "weight", axis=axis, symmetric=True, **constraints)


def bias_of(*operands: str, optional: bool = False) -> Operand:
    """A bias: int32 (int64 beside int16 activations) with the product of the operands' scales and zero point 0."""
    return Operand("bias", "bias", optional=optional, scale_of=operands, symmetric=True)


def parameter(name: str, **constraints: Any) -> Operand:
    """An operand that says what to do (axes, shapes, indices) rather than holding data."""
    return Operand(name, "parameter", **constraints)


def _node_itself(node: Node, *operands: TensorInfo | None) -> Any:
    return node


@dataclass(frozen=True)
class Definition:
    """One combination of types and what computes it.

    ``types`` reads like a signature: ``"int8 int8 int32? -> int8"``. ``?`` marks an operand that may be absent, ``*``
    one that stands for any number of operands, ``any`` whatever type it has. ``arithmetic``, when given, limits the
    definition to the sets with that word. ``quantized`` False says that its 8- and 16-bit integers stand for
    themselves; where types alone do not decide, True and False are for nodes whose first operand has, or has no, scale.
    ``label`` names the row in tests and tables (default: the type of the first input). ``ulp`` and ``atol`` bound float
    results against LiteRT's reference kernels: within ``ulp`` units in the last place, or within ``atol``.
    """

    types: str
    compute: Callable[..., Any]
    prepare: Callable[..., Any] = _node_itself
    arithmetic: str | None = None
    label: str = ""
    ulp: int = 0
    atol: float = 0.0
    quantized: bool | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", self.label or self.input_types[0].rstrip("?*"))

    @cached_property
    def input_types(self) -> tuple[str, ...]:
        return tuple(self.types.partition("->")[0].split())

    @cached_property
    def output_types(self) -> tuple[str, ...]:
        return tuple(self.types.partition("->")[2].split())

    def output_type(self, position: int, declared: str) -> str:
        """The type of an output that the file declares to be ``declared``."""
        type_ = self.output_types[min(position, len(self.output_types) - 1)].rstrip("*")
        return declared if type_ == "any" else type_


@lru_cache(maxsize=10_000)
def _match(pattern: tuple[str, ...], types: tuple[str | None, ...]) -> bool:
    """Whether types are those of a definition. (A loop whose shapes follow from values asks for each of its steps.)"""
    if pattern and pattern[-1].endswith("*"):
        missing = max(len(types) - len(pattern) + 1, 0)
        pattern = (*pattern[:-1], *[pattern[-1].rstrip("*")] * missing)
    if len(types) > len(pattern):
        return False
    padded = (*types, *[None] * (len(pattern) - len(types)))
    return all(
        p.endswith("?") if t is None else p.rstrip("?") in (t, "any") for p, t in zip(pattern, padded, strict=True)
    )


def each(names: Sequence[str], types: str, compute: Callable[..., Any], **rest: Any) -> tuple[Definition, ...]:
    """One definition per type name, ``T`` in ``types`` standing for it."""
    return tuple(
        Definition(" ".join(n + w[1:] if w[:1] == "T" else w for w in types.split()), compute, **rest) for n in names
    )


def _of_one_type(able: list[Definition]) -> list[Definition]:
    """These, unless their outputs have different types."""
    return able if len({d.output_types for d in able}) == 1 else []


def _always(options: Any) -> bool:
    return True


@dataclass(frozen=True)
class Op:
    """One operator: its operands, its definitions, its output shapes, and the space of its valid cases.

    ``version`` is the newest version of the operator LiteRT registers, ``oldest`` the oldest.
    ``cases(draw, definition)`` returns a valid :class:`minilite.cases.Case`; the tests draw all their models from it.
    ``float_`` computes the operator on real numbers (float32 or float64 arrays alike); kernel set ``ideal`` is built
    on it. ``elementwise`` says that, where all operands have the output's shape, an output element depends on the
    elements at its own place only (and on that place modulo 64): engines may then compute large tensors in pieces.
    ``kinds`` are rows under the same name with other operands, for nodes whose options each of them ``applies`` to.
    ``custom`` says that files name the operator, with custom options, instead of giving a built-in code.
    ``of_shapes`` says that the result depends on the operands' shapes only.
    """

    name: str
    inputs: tuple[Operand, ...]
    outputs: tuple[Operand, ...]
    definitions: tuple[Definition, ...]
    shapes: Callable[..., Sequence[Shape | None]]
    cases: Callable[..., Any]
    version: int = 1
    foldable: bool = True
    oldest: int = 1
    elementwise: bool = False
    kinds: tuple[Op, ...] = ()
    applies: Callable[[Any], bool] = _always
    custom: bool = False
    of_shapes: bool = False

    @property
    def description(self) -> str:
        """The docstring of the file that holds the operator."""
        import sys

        return sys.modules[self.definitions[0].compute.__module__].__doc__ or ""

    def of(self, options: Any) -> Op:
        """The row for a node with these options: one of the kinds, or this one."""
        return next((kind for kind in self.kinds if kind.applies(options)), self)

    def operand(self, position: int) -> Operand:
        """The operand at an input position; the last one repeats when it is variadic."""
        return self.inputs[min(position, len(self.inputs) - 1)]

    def result(self, position: int) -> Operand:
        """The operand at an output position; the last one repeats when it is variadic."""
        return self.outputs[min(position, len(self.outputs) - 1)]

    def definition(self, node: Node) -> Definition:
        """The definition for a node's types and arithmetic. Raises :class:`OperatorError` when there is none.

        The file's own output types are not asked of operators that set them, see :mod:`minilite.output_types`."""
        inputs = tuple(None if t is None else t.type for t in node.inputs)
        outputs = tuple(t.type for t in node.outputs)
        able = [
            d for d in self.definitions if d.arithmetic in (None, node.arithmetic) and _match(d.input_types, inputs)
        ]
        fitting = [d for d in able if _match(d.output_types, outputs)]
        if self.name in SETS_TYPE and node.kernels != "tflm":
            option = SETS_TYPE[self.name]
            wanted = str(node.options[option]).lower() if option else ""
            fitting = [d for d in able if d.output_types[0] == wanted] if option else fitting or _of_one_type(able)
        if fitting:
            quantized = any(t is not None and t.quantized for t in node.inputs[:1])
            return next((d for d in fitting if d.quantized in (None, quantized)), fitting[0])
        raise self._no_kernel(node)

    def has_kernel(self, inputs: Sequence[str | None], outputs: Sequence[str]) -> bool:
        """Whether a definition takes operands of these types, None for an absent one, and gives results of those,
        its 8- and 16-bit integers standing for real numbers."""
        able = [d for d in self.definitions if d.quantized is not False]
        return any(_match(d.input_types, tuple(inputs)) and _match(d.output_types, tuple(outputs)) for d in able)

    def check_operands(self, node: Node) -> None:
        """Raise :class:`OperatorError` unless the outputs are as many as they should be and a definition takes the
        inputs' types; shapes may then rely on both."""
        least = sum(not o.optional and not o.variadic for o in self.outputs)
        count, open_ = len(node.outputs), any(o.variadic for o in self.outputs)
        names = ", ".join(o.name + ("?" if o.optional else "") for o in self.outputs)
        node.need(least <= count and (open_ or count <= len(self.outputs)), f"the outputs {names}", f"{count} tensors")
        inputs = tuple(None if t is None else t.type for t in node.inputs)
        if not any(_match(d.input_types, inputs) for d in self.definitions):
            raise self._no_kernel(node)

    def _no_kernel(self, node: Node) -> OperatorError:
        known = "; ".join(dict.fromkeys(d.types for d in self.definitions))
        inputs = " ".join("none" if t is None else t.type for t in node.inputs)
        outputs = " ".join(t.type for t in node.outputs)
        return OperatorError(f"no kernel for these types: expected one of: {known}; got {inputs} -> {outputs}.")


def same_shape(node: Node, first: TensorInfo, *rest: TensorInfo | None) -> tuple[Shape, ...]:
    """``shapes`` of an operator whose output looks like its first input."""
    return (first.shape,)
