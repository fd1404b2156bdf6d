"""What the kernels are made of: memory by address, and vectors of 16 lanes.

Kernels see numbers and addresses only (int64). Addresses are read and written through the functions here, whose bounds
the lowering has proved before a kernel is launched. Functions that take a ``builder`` emit LLVM's text for others here;
the ``@intrinsic`` ones are called from kernels.

A vector has 16 lanes of 32 bits on every target: LLVM cuts it into what the processor has.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minilite.engines.numba.entry import call_kernel

LANES = 16
I1, I8, I16, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
F32, F64 = ir.FloatType(), ir.DoubleType()
INT64 = types.int64

Builder = Any
Value = Any


def vector(element: ir.Type, lanes: int = LANES) -> ir.Type:
    """The type of a vector."""
    return ir.VectorType(element, lanes)


def constant(type_: ir.Type, value: Any) -> ir.Constant:
    """A constant; for a vector type the value in every lane, or a list of them."""
    if isinstance(type_, ir.VectorType):
        values = list(value) if isinstance(value, Sequence) else [value] * type_.count
        return ir.Constant(type_, [ir.Constant(type_.element, v) for v in values])
    return ir.Constant(type_, value)


def call(builder: Builder, name: str, result: ir.Type, *arguments: Value) -> Value:
    """Call a function of LLVM's own."""
    signature = ir.FunctionType(result, [a.type for a in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, signature, name), arguments)


def suffix(type_: ir.Type) -> str:
    """A type as LLVM writes it in the names of its functions."""
    if isinstance(type_, ir.VectorType):
        return f"v{type_.count}{suffix(type_.element)}"
    return {F32: "f32", F64: "f64"}.get(type_) or f"i{type_.width}"


def pointer(builder: Builder, type_: ir.Type, address: Value) -> Value:
    """An address as a pointer."""
    return builder.inttoptr(address, type_.as_pointer())


def load(builder: Builder, type_: ir.Type, address: Value, offset: int = 0, align: int = 1) -> Value:
    """What is stored ``offset`` bytes behind an address."""
    place = builder.add(address, constant(I64, offset)) if offset else address
    return builder.load(pointer(builder, type_, place), align=align)


def store(builder: Builder, value: Value, address: Value, offset: int = 0) -> None:
    """Store a value ``offset`` bytes behind an address."""
    place = builder.add(address, constant(I64, offset)) if offset else address
    builder.store(value, pointer(builder, value.type, place), align=1)


def masked_store(builder: Builder, value: Value, address: Value, mask: Value) -> None:
    """Store the lanes that the mask lets through."""
    place = pointer(builder, value.type, address)
    void = ir.VoidType()
    call(builder, f"llvm.masked.store.{suffix(value.type)}.p0", void, value, place, constant(I32, 1), mask)


def splat(builder: Builder, value: Value, lanes: int = LANES) -> Value:
    """One value in every lane."""
    type_ = vector(value.type, lanes)
    first = builder.insert_element(ir.Constant(type_, ir.Undefined), value, constant(I32, 0))
    return builder.shuffle_vector(first, ir.Constant(type_, ir.Undefined), constant(vector(I32, lanes), 0))


def lanes_below(builder: Builder, count: Value, first: int = 0, lanes: int = LANES) -> Value:
    """A mask of the lanes whose number, counted from ``first``, is below ``count`` (an i64)."""
    numbers = constant(vector(I32, lanes), list(range(first, first + lanes)))
    return builder.icmp_signed("<", numbers, splat(builder, builder.trunc(count, I32), lanes))


def store_some(builder: Builder, value: Value, address: Value, count: Value) -> None:
    """Store the lanes of a vector whose numbers are below ``count`` (an i64); nothing beside them is written."""
    lanes = value.type.count
    with builder.if_else(builder.icmp_signed(">=", count, constant(I64, lanes))) as (whole, part):
        with whole:
            store(builder, value, address)
        with part:
            masked_store(builder, value, address, lanes_below(builder, count, 0, lanes))


def least(builder: Builder, x: Value, bound: Value, most: bool = False) -> Value:
    """The smaller (``most``: the larger) of each two lanes; of floats ``x`` where it is NaN. (In these very words an
    instruction of x86.)"""
    is_float = x.type in (F32, F64) or (isinstance(x.type, ir.VectorType) and x.type.element in (F32, F64))
    compare = builder.fcmp_ordered if is_float else builder.icmp_signed
    return builder.select(compare(">" if most else "<", bound, x), bound, x)


def clip(builder: Builder, x: Value, low: Value, high: Value) -> Value:
    """``min(max(x, low), high)``."""
    return least(builder, least(builder, x, low, most=True), high)


def sum_of_lanes(builder: Builder, x: Value) -> Value:
    """All lanes added up, floats in any order."""
    if x.type.element != F32:
        return call(builder, f"llvm.vector.reduce.add.{suffix(x.type)}", x.type.element, x)
    name, start = f"llvm.vector.reduce.fadd.{suffix(x.type)}", constant(F32, 0.0)
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(F32, [F32, x.type]), name)
    return builder.call(function, [start, x], fastmath=("reassoc",))


# ---- called from kernels ---------------------------------------------------------------------------------------------


def _reader(type_: ir.Type, result: Any, extend: Callable[..., Value] | None = None) -> Any:
    @intrinsic
    def read(typing: Any, address: Any) -> Any:
        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
            value = load(builder, type_, arguments[0])
            return extend(builder, value) if extend else value

        return result(INT64), generate

    return read


def _writer(type_: ir.Type, source: Any, narrow: Callable[..., Value] | None = None) -> Any:
    @intrinsic
    def write(typing: Any, address: Any, value: Any) -> Any:
        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
            value = narrow(builder, arguments[1]) if narrow else arguments[1]
            store(builder, value, arguments[0])
            return context.get_dummy_value()

        return types.void(INT64, source), generate

    return write


get_i64 = _reader(I64, types.int64)
get_i32 = _reader(I32, types.int64, lambda b, v: b.sext(v, I64))
get_i16 = _reader(I16, types.int64, lambda b, v: b.sext(v, I64))
get_i8 = _reader(I8, types.int64, lambda b, v: b.sext(v, I64))
get_u8 = _reader(I8, types.int64, lambda b, v: b.zext(v, I64))
get_f32 = _reader(F32, types.float32)
put_i64 = _writer(I64, types.int64)
put_i32 = _writer(I32, types.int64, lambda b, v: b.trunc(v, I32))
put_i16 = _writer(I16, types.int64, lambda b, v: b.trunc(v, I16))
put_u8 = _writer(I8, types.int64, lambda b, v: b.trunc(v, I8))
put_f32 = _writer(F32, types.float32)

CHUNK = 64
"""Bytes that are copied at once."""


@intrinsic
def _copy_chunk(typing: Any, target: Any, source: Any, flip: Any) -> Any:
    """Copy 64 bytes, each xor ``flip``."""

    def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
        target, source, flip = arguments
        mask = splat(builder, builder.trunc(flip, I8), CHUNK)
        store(builder, builder.xor(load(builder, vector(I8, CHUNK), source), mask), target)
        return context.get_dummy_value()

    return types.void(INT64, INT64, INT64), generate


@intrinsic
def _fill_chunk(typing: Any, target: Any, value: Any) -> Any:
    """Set 64 bytes."""

    def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
        store(builder, splat(builder, builder.trunc(arguments[1], I8), CHUNK), arguments[0])
        return context.get_dummy_value()

    return types.void(INT64, INT64), generate


copy_chunk, fill_chunk = _copy_chunk, _fill_chunk


def flipped(builder: Builder, bytes_: Value) -> Value:
    """Every byte xor 128: signed numbers as unsigned ones of 128 more, and back."""
    return builder.xor(bytes_, constant(bytes_.type, -128))


@intrinsic
def jump(typing: Any, function: Any, row: Any, first: Any, last: Any, scratch: Any) -> Any:
    """Call a kernel by its address."""

    def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
        call_kernel(builder, *arguments)
        return context.get_dummy_value()

    return types.void(*[INT64] * 5), generate


@intrinsic
def call_c(typing: Any, function: Any, a: Any, b: Any, c: Any) -> Any:
    """What a function of C's library gives for three numbers."""

    def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
        type_ = ir.FunctionType(I64, [I64] * 3)
        return builder.call(builder.inttoptr(arguments[0], type_.as_pointer()), arguments[1:])

    return types.int64(*[INT64] * 4), generate


@intrinsic
def get_atomic(typing: Any, address: Any) -> Any:
    """What another thread may be writing; what it wrote before is seen after."""

    def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
        return builder.load_atomic(pointer(builder, I64, arguments[0]), "acquire", 8)

    return types.int64(INT64), generate


@intrinsic
def put_atomic(typing: Any, address: Any, value: Any) -> Any:
    """For another thread to see, after all that was written before."""

    def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
        builder.store_atomic(arguments[1], pointer(builder, I64, arguments[0]), "release", 8)
        return context.get_dummy_value()

    return types.void(INT64, INT64), generate


@intrinsic
def exchange(typing: Any, address: Any, old: Any, new: Any) -> Any:
    """Put ``new`` where ``old`` is; whether it was."""

    def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
        place = pointer(builder, I64, arguments[0])
        return builder.extract_value(builder.cmpxchg(place, arguments[1], arguments[2], "acq_rel", "acquire"), 1)

    return types.boolean(INT64, INT64, INT64), generate


@intrinsic
def take(typing: Any, address: Any, count: Any) -> Any:
    """Add to a number that threads share; what it was before."""

    def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
        return builder.atomic_rmw("add", pointer(builder, I64, arguments[0]), arguments[1], "acq_rel")

    return types.int64(INT64, INT64), generate


@intrinsic
def pause(typing: Any) -> Any:
    """A moment of waiting."""

    def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
        if platform.machine() in ("x86_64", "AMD64"):
            call(builder, "llvm.x86.sse2.pause", ir.VoidType())
        return context.get_dummy_value()

    return types.void(), generate


def _division(remainder: bool) -> Any:
    @intrinsic
    def divide(typing: Any, a: Any, b: Any) -> Any:
        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Value:
            return builder.srem(*arguments) if remainder else builder.sdiv(*arguments)

        return types.int64(INT64, INT64), generate

    return divide


quotient, remainder = _division(False), _division(True)
"""Of numbers of 0 or more. Python's own would have to raise for a divisor of 0, and a kernel that can raise needs the
interpreter beside it."""
