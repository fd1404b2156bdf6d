"""Reading, writing, allocating and resizing, side by side with LiteRT."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minilite
from minilite.model import Model
from tests import small_models as models
from tests.side_by_side import Script, Scripts, interpreter, register, same, x_of

litert = pytest.importorskip("ai_edge_litert.interpreter")

SCRIPTS: Scripts = []
script = functools.partial(register, SCRIPTS)


# ---- reading and writing -------------------------------------------------------------------------------------------


@script(models.add)
def set_invoke_get(i: Any) -> Any:
    i.allocate_tensors()
    i.set_tensor(0, x_of(5, 6, 7, 8))
    nothing = i.invoke()
    return i.get_tensor(1), i.get_tensor(0), nothing


@script(models.add)
def inputs_stay_over_invokes(i: Any) -> Any:
    i.allocate_tensors()
    i.set_tensor(0, x_of(5, 6, 7, 8))
    i.invoke()
    i.invoke()
    return i.get_tensor(0), i.get_tensor(1)


@script(models.add)
def values_are_copied_in_and_out(i: Any) -> Any:
    i.allocate_tensors()
    mine = x_of(5, 6, 7, 8)
    i.set_tensor(0, mine)
    mine[:] = 0
    i.invoke()
    i.get_tensor(0)[:] = -1
    result = i.get_tensor(1)
    result[:] = -1
    return i.get_tensor(0), i.get_tensor(1), result.flags.owndata, result.flags.writeable


@script(models.add)
def any_memory_layout(i: Any) -> Any:
    i.allocate_tensors()
    i.set_tensor(0, np.arange(8, dtype=np.float32)[None, ::2])
    seen = [i.get_tensor(0)]
    i.set_tensor(0, np.asfortranarray(x_of(1, 2, 3, 4)))
    frozen = x_of(4, 3, 2, 1)
    frozen.flags.writeable = False
    i.set_tensor(0, frozen)
    return seen, i.get_tensor(0)


@script(models.add)
def nan_and_infinity(i: Any) -> Any:
    i.allocate_tensors()
    i.set_tensor(0, x_of(np.nan, np.inf, -np.inf, 0))
    i.invoke()
    return np.isnan(i.get_tensor(1)), np.isinf(i.get_tensor(1))


@script(models.scalar)
def scalars_are_numpy_scalars(i: Any) -> Any:
    i.allocate_tensors()
    i.set_tensor(0, np.int32(41))
    i.invoke()
    i.set_tensor(0, np.array(-5, np.int32))
    return i.get_tensor(0), i.get_tensor(1), i.get_tensor(2), i.tensor(1)()


@script(models.add)
def constants_are_readable_before_allocation(i: Any) -> Any:
    return i.get_tensor(2)


@script(models.add)
def indices_of_other_types(i: Any) -> Any:
    i.allocate_tensors()
    i.set_tensor(np.int64(0), x_of(1, 2, 3, 4))
    return i.get_tensor(np.array(0)), i.get_tensor(False), i.get_tensor(np.uint8(0), np.int32(0))


@script(models.add)
def an_output_can_be_set(i: Any) -> Any:
    i.allocate_tensors()
    i.set_tensor(1, x_of(9, 9, 9, 9))
    seen = i.get_tensor(1)
    i.set_tensor(0, x_of(1, 1, 1, 1))
    i.invoke()
    return seen, i.get_tensor(1)


@script(models.strings)
def strings_of_every_kind(i: Any) -> Any:
    i.allocate_tensors()
    seen = []
    for value in (
        np.array(["a", "é", "a\0b"]),
        np.array([b"a", b"b\0c", b"d\0"]),
        np.array(["a", b"b\0", "c\0"], object),
    ):
        i.set_tensor(0, value)
        seen.append(i.get_tensor(0))
    i.resize_tensor_input(0, [1, 2])
    i.allocate_tensors()
    i.set_tensor(0, np.array([["x", "y"]], object))
    i.invoke()
    return seen, i.get_tensor(0), i.get_input_details()[0]["dtype"]


@script(lambda: models.strings(()))
def a_string_without_dimensions(i: Any) -> Any:
    i.allocate_tensors()
    i.set_tensor(0, np.array(b"abc"))
    return i.get_tensor(0)


@script(models.packed_input)
def int4_is_unpacked(i: Any) -> Any:
    i.allocate_tensors()
    i.set_tensor(0, np.array([-8, 7, -1], np.int8))
    i.invoke()
    return i.get_tensor(0)


@script(models.every_detail)
def constants_of_every_kind(i: Any) -> Any:
    i.allocate_tensors()
    names = {d["name"]: d["index"] for d in i.get_tensor_details()}
    return [i.get_tensor(names[name]) for name in ("w", "nibbles", "scalar", "sparse", "axis one")]


@script(models.absent_bias)
def an_absent_operand(i: Any) -> Any:
    i.allocate_tensors()
    i.set_tensor(0, x_of(1, 2))
    i.invoke()
    return i.get_tensor(1)


@script(models.mistyped)
def kernels_decide_the_type(i: Any) -> Any:
    seen = [i.get_tensor_details()]
    i.allocate_tensors()
    i.set_tensor(0, np.array([1, 2], np.uint8))
    i.invoke()
    return seen, i.get_output_details(), i.get_tensor(1), i.get_tensor(2)


@script(models.long_buffer)
def bytes_beyond_the_shape_are_left_alone(i: Any) -> Any:
    i.allocate_tensors()
    i.invoke()
    return i.get_tensor(1)


# ---- allocation and shapes -----------------------------------------------------------------------------------------


@script(models.add)
def allocating_again_keeps_inputs(i: Any) -> Any:
    i.allocate_tensors()
    i.set_tensor(0, x_of(5, 6, 7, 8))
    i.allocate_tensors()
    return i.get_tensor(0)


@script(models.add)
def resizing_to_the_same_shape_changes_nothing(i: Any) -> Any:
    i.allocate_tensors()
    i.set_tensor(0, x_of(5, 6, 7, 8))
    i.resize_tensor_input(0, [1, 4])
    i.resize_tensor_input(2, [4])
    i.invoke()
    return i.get_tensor(0), i.get_tensor(1)


@script(models.add)
def resized_batch(i: Any) -> Any:
    i.resize_tensor_input(0, (3, 4))
    between = i.get_input_details(), i.get_output_details()
    i.allocate_tensors()
    i.set_tensor(0, np.arange(12, dtype=np.float32).reshape(3, 4))
    i.invoke()
    return between, i.get_input_details(), i.get_output_details(), i.get_tensor(1)


@script(models.add)
def resized_to_another_rank(i: Any) -> Any:
    i.resize_tensor_input(0, np.array([2, 1, 4], np.int64))
    i.allocate_tensors()
    i.invoke()
    i.resize_tensor_input(0, [4.9])
    i.allocate_tensors()
    return i.get_tensor(1).shape, i.get_input_details()


@script(models.add)
def batch_of_none(i: Any) -> Any:
    i.resize_tensor_input(0, [0, 4])
    i.allocate_tensors()
    i.set_tensor(0, np.zeros((0, 4), np.float32))
    i.invoke()
    return i.get_tensor(0), i.get_tensor(1)


@script(lambda: models.add(signature=(-1, 4)))
def strict_resizing_of_free_dimensions(i: Any) -> Any:
    i.resize_tensor_input(0, [2, 4], strict=True)
    i.allocate_tensors()
    i.set_tensor(0, np.ones((2, 4), np.float32))
    i.invoke()
    return i.get_input_details(), i.get_output_details(), i.get_tensor(1)


@script(models.add)
def failed_resizing_changes_nothing(i: Any) -> Any:
    i.allocate_tensors()
    i.set_tensor(0, x_of(5, 6, 7, 8))
    for size, strict in (([2, 4], True), ([4], True), (3, False), ("ab", False)):
        with pytest.raises((RuntimeError, ValueError)):
            i.resize_tensor_input(0, size, strict)
    i.invoke()
    return i.get_tensor(1), i.get_input_details()


@script(models.add)
def refused_values_change_nothing(i: Any) -> Any:
    i.allocate_tensors()
    i.set_tensor(0, x_of(5, 6, 7, 8))
    for value in (np.zeros((1, 4)), np.zeros((1, 5), np.float32), None):
        with pytest.raises(ValueError, match="Cannot set tensor"):
            i.set_tensor(0, value)
    return i.get_tensor(0)


@script(models.convolution)
def a_failed_allocation_can_be_repaired(i: Any) -> Any:
    i.resize_tensor_input(0, [4, 4])
    with pytest.raises(RuntimeError):
        i.allocate_tensors()
    with pytest.raises(RuntimeError):
        i.invoke()
    i.resize_tensor_input(0, [1, 3, 3, 2])
    i.allocate_tensors()
    i.set_tensor(0, np.ones((1, 3, 3, 2), np.float32))
    i.invoke()
    return i.get_tensor(i.get_output_details()[0]["index"])


@script(models.reshaped_by_value)
def shapes_that_depend_on_values(i: Any) -> Any:
    i.allocate_tensors()
    seen = [i.get_output_details()]
    i.set_tensor(0, np.arange(6, dtype=np.float32).reshape(2, 3))
    for shape in ([3, 2], [1, 6], [6, 1], [3, 2]):
        i.set_tensor(1, np.array(shape, np.int32))
        i.invoke()
        seen += [i.get_output_details(), i.get_tensor(2)]
    i.resize_tensor_input(0, [2, 4])
    i.allocate_tensors()
    i.set_tensor(1, np.array([4, 2], np.int32))
    i.invoke()
    return seen, i.get_output_details(), i.get_tensor(2).shape


@pytest.mark.parametrize("name, model, function", [pytest.param(*s, id=s[0]) for s in SCRIPTS])
def test_script_sees_what_it_sees_in_litert(name: str, model: Callable[[], Model], function: Script) -> None:
    expected = function(interpreter(litert, model()))
    found = function(interpreter(minilite, model()))
    assert same(found, expected), f"LiteRT: {expected}\nminilite: {found}"
