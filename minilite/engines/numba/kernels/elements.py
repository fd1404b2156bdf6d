"""Elements of tensors: how they lie in memory, and what they are in a vector's lanes."""

from __future__ import annotations

from typing import Any, NamedTuple

from llvmlite import ir

from minilite.engines.numba.kernels.vectors import F32, I8, I16, I32, I64, Builder, Value, load, vector


class Element(NamedTuple):
    """Bytes of an element, its type in memory and in a lane; ``signed``: how integers get there."""

    size: int
    stored: ir.Type
    lane: ir.Type
    signed: bool = True

    @property
    def lanes(self) -> ir.Type:
        """The type of a vector."""
        return vector(self.lane)

    def widened(self, builder: Builder, x: Value) -> Value:
        """Elements as they lie in memory, in lanes."""
        if self.stored == self.lane:
            return x
        return (builder.sext if self.signed else builder.zext)(x, vector(self.lane, x.type.count))

    def narrowed(self, builder: Builder, x: Value) -> Value:
        """Lanes that an element can hold, as they lie in memory."""
        return x if self.stored == self.lane else builder.trunc(x, vector(self.stored, x.type.count))

    def load(self, builder: Builder, address: Value, offset: int = 0) -> Value:
        """16 elements, ``offset`` bytes behind an address, in lanes."""
        return self.widened(builder, load(builder, vector(self.stored), address, offset))

    @property
    def lowest(self) -> Any:
        """The least number there is."""
        if self.stored == F32:
            return -float("inf")
        return -(1 << (8 * self.size - 1)) if self.signed else 0

    @property
    def highest(self) -> Any:
        """The greatest number there is."""
        return -self.lowest if self.stored == F32 else self.lowest + (1 << (8 * self.size)) - 1


ELEMENTS = {
    "float32": Element(4, F32, F32),
    "int8": Element(1, I8, I32),
    "uint8": Element(1, I8, I32, signed=False),
    "int16": Element(2, I16, I32),
    "int32": Element(4, I32, I32),
    "int64": Element(8, I64, I64),
    "bool": Element(1, I8, I32, signed=False),
}
"""By the types' names."""
