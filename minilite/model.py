"""A model is plain data: frozen dataclasses that say what a .tflite file says, nothing more.

Names are the schema's in snake_case. Enumerations are the schema's names (``"INT8"``, ``"SAME"``,
``"RELU6"``); a code the schema does not know stays an ``int``, so that nothing is refused until something
must be computed with it.
Editing is building anew: ``dataclasses.replace(model, ...)``.

Two models are equal when their files say the same; arrays are compared bit by bit, so NaN equals itself.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Code = str | int
"""A name of the schema's enumeration, or the number in the file when the schema has no name for it."""


def _same(a: Any, b: Any) -> bool:
    """Equality that looks into arrays, finds NaN equal to itself, and tells -0.0 from 0.0."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return (
            isinstance(a, np.ndarray)
            and isinstance(b, np.ndarray)
            and (a.dtype, a.shape) == (b.dtype, b.shape)
            and a.tobytes() == b.tobytes()
        )
    if isinstance(a, float) and isinstance(b, float):
        return (a == b and math.copysign(1, a) == math.copysign(1, b)) or (a != a and b != b)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    return bool(a == b)


class _Plain:
    """Field-by-field equality for the dataclasses below."""

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(_same(getattr(self, f.name), getattr(other, f.name)) for f in dataclasses.fields(self))  # type: ignore[arg-type]  # every subclass is a dataclass

    __hash__ = None  # type: ignore[assignment]  # models hold arrays


class Options(Mapping[str, Any]):
    """An operator's options: the schema's table name and every field of that table, defaults filled in.

    Fields are attributes and items alike: ``options.stride_w``, ``options["stride_w"]``. Only ``values``, which
    the vectors of sparse tensors have, is a method of every mapping and must be read as an item.
    """

    __slots__ = ("_fields", "table")
    table: str

    def __init__(self, table: str, fields: Mapping[str, Any]):
        object.__setattr__(self, "table", table)
        object.__setattr__(self, "_fields", dict(fields))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._fields[name]
        except KeyError:
            names = ", ".join(self._fields) or "none"
            raise AttributeError(f"{self.table} has no field {name!r}; it has {names}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def __getitem__(self, name: str) -> Any:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Options):
            return NotImplemented
        return (
            self.table == other.table
            and self._fields.keys() == other._fields.keys()
            and all(_same(value, other._fields[name]) for name, value in self._fields.items())
        )

    __hash__ = None  # type: ignore[assignment]  # a mapping of values that may be arrays

    def __repr__(self) -> str:
        return f"{self.table}({', '.join(f'{k}={v!r}' for k, v in self._fields.items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Options, (self.table, self._fields)


@dataclass(frozen=True, eq=False)
class Quantization(_Plain):
    """How integers stand for real numbers: ``real = scale * (q - zero_point)``.

    One scale is per-tensor; several are per-axis, along ``quantized_dimension``. ``details`` carries the
    schema's custom, blockwise or multi-axis quantization as an :class:`Options` table. ``min`` and ``max``
    are what a converter recorded; nothing is computed from them. Absent vectors are ``None``.
    """

    scales: np.ndarray | None = None
    zero_points: np.ndarray | None = None
    quantized_dimension: int = 0
    min: np.ndarray | None = None
    max: np.ndarray | None = None
    details: Options | None = None


@dataclass(frozen=True, eq=False)
class Tensor(_Plain):
    """A tensor's declaration.

    ``shape`` is ``None`` when the file has none; ``shape_signature`` marks free dimensions with -1.
    ``buffer`` indexes :attr:`Model.buffers`; a buffer without data means that the tensor is no constant,
    and so does index 0, whatever is there.
    """

    name: str | None = None
    type: Code = "FLOAT32"
    shape: tuple[int, ...] | None = ()
    shape_signature: tuple[int, ...] | None = None
    has_rank: bool = False
    buffer: int = 0
    external_buffer: int = 0
    is_variable: bool = False
    quantization: Quantization | None = None
    sparsity: Options | None = None
    variant_tensors: tuple[Options, ...] | None = None

    def _repr_html_(self) -> str:
        from minilite.inspection import notebook

        return notebook.tensor(self)


@dataclass(frozen=True, eq=False)
class Operator(_Plain):
    """One node: which code, which tensors (-1 is an absent optional input), which options.

    ``options`` holds a table of the schema's union BuiltinOptions, ``options_2`` one of the later union
    BuiltinOptions2 (StableHLO and others); ``None`` when the file has none, and then every option is at its
    default. A custom operator's options are bytes, usually a FlexBuffer; ``custom_options_outside`` says that
    they follow the flatbuffer (``large_custom_options_offset`` and ``_size`` in the file).
    """

    opcode_index: int = 0
    inputs: tuple[int, ...] | None = ()
    outputs: tuple[int, ...] | None = ()
    options: Options | None = None
    options_2: Options | None = None
    custom_options: np.ndarray | None = None
    custom_options_format: Code = "FLEXBUFFERS"
    custom_options_outside: bool = False
    mutating_variable_inputs: tuple[bool, ...] | None = None
    intermediates: tuple[int, ...] | None = None
    debug_metadata_index: int = -1


@dataclass(frozen=True, eq=False)
class OperatorCode(_Plain):
    """Which operator, in which version. ``builtin_code`` is the larger of the schema's two code fields."""

    builtin_code: Code = "ADD"
    version: int = 1
    custom_code: str | None = None

    @property
    def name(self) -> str:
        """``"CONV_2D"``; for a custom operator its own name; ``"UNKNOWN_500"`` for a code nobody knows."""
        if self.builtin_code == "CUSTOM":
            return self.custom_code or "CUSTOM"
        return self.builtin_code if isinstance(self.builtin_code, str) else f"UNKNOWN_{self.builtin_code}"

    @property
    def is_custom(self) -> bool:
        """Whether the operator is outside the schema's built-in list (Flex operators included)."""
        return self.builtin_code == "CUSTOM"


@dataclass(frozen=True, eq=False)
class Subgraph(_Plain):
    """Operators in execution order over a list of tensors. ``inputs`` and ``outputs`` index ``tensors``."""

    tensors: tuple[Tensor, ...] = ()
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    operators: tuple[Operator, ...] = ()
    name: str | None = None
    debug_metadata_index: int = -1


@dataclass(frozen=True, eq=False)
class Buffer(_Plain):
    """Constant bytes, read-only and uncopied from the file. ``data`` is ``None`` when the file has none.

    Bytes that lie outside the flatbuffer (``offset``, ``size`` in the file) are already resolved into
    ``data``; ``outside`` remembers it, and the writer puts them outside again.
    """

    data: np.ndarray | None = None
    outside: bool = False


@dataclass(frozen=True, eq=False)
class Metadata(_Plain):
    """A named buffer that computes nothing."""

    name: str | None = None
    buffer: int = 0


@dataclass(frozen=True, eq=False)
class Signature(_Plain):
    """Names for a subgraph's inputs and outputs: pairs of name and tensor index, in the file's order."""

    key: str | None = None
    inputs: tuple[tuple[str, int], ...] = ()
    outputs: tuple[tuple[str, int], ...] = ()
    subgraph_index: int = 0


@dataclass(frozen=True, eq=False)
class Model(_Plain):
    """A whole .tflite file. Read one with :func:`minilite.read`."""

    operator_codes: tuple[OperatorCode, ...] = ()
    subgraphs: tuple[Subgraph, ...] = ()
    buffers: tuple[Buffer, ...] = field(default_factory=lambda: (Buffer(),))
    signatures: tuple[Signature, ...] = ()
    metadata: tuple[Metadata, ...] = ()
    description: str | None = None
    version: int = 3
    metadata_buffer: tuple[int, ...] | None = None
    external_buffer_groups: tuple[Options, ...] = ()
    external_buffers: tuple[Options, ...] = ()

    def to_bytes(self) -> bytes:
        """The model as a .tflite file; ``read(model.to_bytes()) == model``."""
        from minilite.writer import to_bytes

        return to_bytes(self)

    def _repr_html_(self) -> str:
        from minilite.inspection import notebook

        return notebook.model(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model as a .tflite file; models read from a file of that name keep their constants."""
        from minilite.writer import save

        save(self, path)
