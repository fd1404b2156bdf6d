"""One script, run with LiteRT and with minilite: every value it sees must be the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minilite.model import Model

Script = Callable[[Any], Any]
Scripts = list[tuple[str, Callable[[], Model], Script]]


def register(scripts: Scripts, model: Callable[[], Model]) -> Callable[[Script], Script]:
    """Add a script to a list: a function of an unallocated interpreter that returns what it saw."""

    def add(function: Script) -> Script:
        scripts.append((function.__name__, model, function))
        return function

    return add


def interpreter(api: Any, model: Model) -> Any:
    return api.Interpreter(model_content=model.to_bytes(), experimental_op_resolver_type=api.OpResolverType.BUILTIN_REF)


def same(a: Any, b: Any) -> bool:
    """Equality of types, dtypes, shapes and values, inside lists and dictionaries (in order) too."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tolist() == b.tolist()
    return bool(a == b)


def x_of(*values: float, type_: Any = np.float32) -> np.ndarray:
    return np.array([values], type_)
