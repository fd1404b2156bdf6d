"""State, live views and signatures, side by side with LiteRT."""

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


# ---- state ---------------------------------------------------------------------------------------------------------


@script(models.stateful)
def variables_keep_their_values(i: Any) -> Any:
    i.reset_all_variables() if isinstance(i, minilite.Interpreter) else None  # LiteRT refuses before allocation
    i.allocate_tensors()
    i.set_tensor(0, x_of(1, 2))
    seen = []

    def look() -> None:
        i.invoke()
        seen.extend([i.get_tensor(1), i.get_tensor(2)])

    look()
    i.set_tensor(1, x_of(10, 20))
    look()
    look()
    i.allocate_tensors()
    look()
    seen.append(i.reset_all_variables())
    look()
    i.set_tensor(1, x_of(10, 20))
    i.resize_tensor_input(0, [2, 2])
    i.allocate_tensors()
    seen.append(i.get_tensor(1))
    return seen


@script(models.stateful_int8)
def int8_variables_start_at_their_zero_point(i: Any) -> Any:
    i.allocate_tensors()
    i.set_tensor(0, x_of(9, 11, type_=np.int8))
    i.invoke()
    seen = [i.get_tensor(1), i.get_tensor(2)]
    i.set_tensor(1, x_of(1, 2, type_=np.int8))
    i.reset_all_variables()
    return seen, i.get_tensor(1)


# ---- live views ----------------------------------------------------------------------------------------------------


@script(models.add)
def views_are_live(i: Any) -> Any:
    i.allocate_tensors()
    read = i.tensor(1)
    write = i.tensor(0)
    seen = []
    for value in (3, 4):
        write().fill(value)
        i.invoke()
        seen.append(read().copy())
    held = write()
    i.set_tensor(0, x_of(1, 2, 3, 4))
    seen.append(held.copy())
    held[0, 1:] = 7
    seen += [i.get_tensor(0), held.flags.writeable, held.flags.owndata]
    i.reset_all_variables()
    return seen


@script(models.add)
def only_held_views_stop_the_interpreter(i: Any) -> Any:
    i.allocate_tensors()
    seen = [i._safe_to_run(), i._ensure_safe()]
    held = i.tensor(0)()
    seen.append(i._safe_to_run())
    part = held[0, 1:3].T
    del held
    for call in (i.invoke, i.allocate_tensors, lambda: i.resize_tensor_input(0, [1, 4])):
        with pytest.raises(RuntimeError, match="There is at least 1 reference to internal data"):
            call()
    del part
    i.resize_tensor_input(0, [1, 4])
    i.allocate_tensors()
    return seen, i.invoke(), i._safe_to_run()


# ---- signatures ----------------------------------------------------------------------------------------------------


@script(models.add)
def a_signature(i: Any) -> Any:
    run = i.get_signature_runner()
    details = run.get_input_details(), run.get_output_details()
    return i.get_signature_list(), i._get_full_signature_list(), details, run(x=x_of(1, 2, 3, 4))


@script(models.two_signatures)
def signatures_of_two_subgraphs(i: Any) -> Any:
    plus, minus = i.get_signature_runner("add"), i.get_signature_runner("subtract")
    a, b = x_of(5, 6, 7), x_of(1, 2, 3)
    results = plus(a=a, b=b), minus(b=b, a=a), minus(a=b, b=a), plus(b=b, a=b)
    tensors = [i.get_tensor(k, s) for s in (0, 1) for k in (0, 1, 2)]
    lists = i.get_signature_list(), i._get_full_signature_list(), i.num_subgraphs()
    details = [i.get_tensor_details(s) for s in (0, 1)]
    return results, tensors, lists, details, plus._subgraph_index, minus._subgraph_index


@script(models.two_signatures)
def signatures_resize(i: Any) -> Any:
    plus = i.get_signature_runner("add")
    seen = []
    for shape in ((1, 3), (2, 3), (5,), (), (2, 3)):
        one = np.ones(shape, np.float32)
        seen += [plus(a=one, b=one), plus.get_output_details()]
    return seen


@script(models.add)
def a_signature_and_the_interpreter_share_tensors(i: Any) -> Any:
    run = i.get_signature_runner()
    result = run(x=x_of(1, 2, 3, 4))["y"]
    seen = result.copy()
    result[:] = 0
    del run  # LiteRT's runner counts as a reference to internal data
    i.invoke()
    return seen, i.get_tensor(0), i.get_tensor(1)


@pytest.mark.parametrize("name, model, function", [pytest.param(*s, id=s[0]) for s in SCRIPTS])
def test_script_sees_what_it_sees_in_litert(name: str, model: Callable[[], Model], function: Script) -> None:
    expected = function(interpreter(litert, model()))
    found = function(interpreter(minilite, model()))
    assert same(found, expected), f"LiteRT: {expected}\nminilite: {found}"
