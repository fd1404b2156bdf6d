"""From a caller's value to an array that a tensor can take, or LiteRT's own words why not."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from minilite.errors import ArgumentError, ArgumentOverflowError, ArgumentTypeError
from minilite.spec import DTYPES, INTEGER_RANGE, Shape

_PACKED = ("INT4", "UINT4", "INT2")
_BITS = {"BFLOAT16": ("uint16",), "FLOAT8_E4M3FN": ("int8", "uint8"), "FLOAT8_E5M2": ("int8", "uint8")}
"""Types that NumPy has not, and those that may hold their bits."""
_NAMES = {
    np.dtype(dtype): name.upper()
    for name, dtype in DTYPES.items()
    if name.upper() not in (*_PACKED, *_BITS, "STRING", "RESOURCE")
}


def whole(value: Any, call: str, what: str) -> int:
    """The value as an int, as Python's own indexing takes it. Raises :class:`ArgumentTypeError` for a float and for
    what an int32 cannot hold."""
    try:
        index = operator.index(value)
    except TypeError:
        index = 2**31
    if not -(2**31) <= index < 2**31:
        raise ArgumentTypeError(f"{call}(): incompatible function arguments. {what} must be an int, got {value!r}.")
    return index


def size(tensor_size: Any) -> Shape:
    """A shape, converted to int32 as LiteRT does it: real numbers are cut off. Raises :class:`ArgumentError`."""
    try:
        array = np.array(tensor_size, np.int32)
    except TypeError as error:
        raise ArgumentTypeError(f"{error}. tensor_size must be a list of ints.") from None
    except OverflowError as error:
        raise ArgumentOverflowError(f"{error}. tensor_size must be a list of ints.") from None
    except ValueError as error:
        raise ArgumentError(f"{error}. tensor_size must be a list of ints.") from None
    if array.ndim != 1:
        raise ArgumentError(f"Shape should be 1D instead of {array.ndim}.")
    return tuple(array.tolist())


def type_name(dtype: np.dtype) -> str:
    """TFLite's name for a NumPy type, ``NOTYPE`` when it has none."""
    if dtype.kind in "OSU":
        return "STRING"
    return _NAMES.get(dtype.newbyteorder("="), "NOTYPE")


def tensor_array(value: Any, type_: str, shape: Shape, index: int, name: str) -> np.ndarray:
    """The value as an array of exactly this type and shape, in the machine's byte order; not a copy when it fits.

    Raises :class:`ArgumentError` beginning with LiteRT's sentence.
    """
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ArgumentError(f"Failed to convert value into readable tensor. {error}") from None
    if type_ in _PACKED:
        return _packed(array, type_, shape, index, name)
    if type_ in _BITS and array.dtype.name in (*_BITS[type_], type_.lower()):  # its bits, or ml_dtypes' type
        _check_shape(array, shape, index)
        return array.view(DTYPES[type_.lower()])
    if type_name(array.dtype) != type_:
        raise ArgumentError(
            f"Cannot set tensor: Got value of type {type_name(array.dtype)} but expected type {type_} for input "
            f"{index}, name: {name} {_conversion(array, type_)}"
        )
    _check_shape(array, shape, index)
    return _strings(value, array) if type_ == "STRING" else array.astype(DTYPES[type_.lower()], copy=False)


def _conversion(array: np.ndarray, type_: str) -> str:
    dtype = DTYPES.get(type_.lower())
    if dtype is None or type_ == "STRING" or array.dtype.kind not in "biufc":
        return ""
    if array.dtype.kind in "fc" and np.dtype(dtype).kind in "iu":
        return "(quantize real numbers first, with the tensor's: round(value / scale) + zero_point)"
    return f"(convert it first: np.asarray(value, np.{np.dtype(dtype).name}))"


def _check_shape(array: np.ndarray, shape: Shape, index: int) -> None:
    advice = f"Expected shape {list(shape)}, got {list(array.shape)}; for another shape call resize_tensor_input()."
    if array.ndim != len(shape):
        raise ArgumentError(
            f"Cannot set tensor: Dimension mismatch. Got {array.ndim} but expected {len(shape)} for input {index}. "
            f"{advice}"
        )
    for dimension, (got, expected) in enumerate(zip(array.shape, shape, strict=True)):
        if got != expected:
            raise ArgumentError(
                f"Cannot set tensor: Dimension mismatch. Got {got} but expected {expected} for dimension "
                f"{dimension} of input {index}. {advice}"
            )


def _packed(array: np.ndarray, type_: str, shape: Shape, index: int, name: str) -> np.ndarray:
    """int4, uint4 and int2 values, one byte each."""
    dtype = np.dtype(DTYPES[type_.lower()])
    if array.dtype != dtype:
        raise ArgumentError(
            f"Cannot set tensor: Expected a numpy array of {dtype.name} for {type_} input {index}, name: {name}, "
            f"but got {type_name(array.dtype)}"
        )
    size = int(np.prod(shape, dtype=np.int64))
    if array.size != size:
        raise ArgumentError(
            f"Cannot set tensor: Numpy array for {type_} input {index}, name: {name}, has {array.size} bytes, but "
            f"expected {size} bytes for {size} elements"
        )
    low, high = INTEGER_RANGE[type_.lower()]
    if array.size and (array.min() < low or array.max() > high):
        raise ArgumentError(f"Cannot set tensor: Values for {type_} input must be between {low} and {high}.")
    return array.reshape(shape)


def _strings(value: Any, array: np.ndarray) -> np.ndarray:
    """Bytes objects, one an element; str is encoded as UTF-8."""
    if not isinstance(value, np.ndarray):
        raise ArgumentError(
            f"Passed in value type is not a numpy array, got type {type(value).__name__}. "
            "Pass np.array(value, object) with str or bytes elements."
        )
    result = np.empty(array.shape, object)
    result.reshape(-1)[:] = [_bytes(item) for item in array.reshape(-1).tolist()]
    return result


def _bytes(item: Any) -> bytes:
    if isinstance(item, str):
        return item.encode()
    if not isinstance(item, bytes):
        raise ArgumentError(
            f"PyBytes_AsStringAndSize() failed. Elements must be str or bytes, got {type(item).__name__}."
        )
    return item
