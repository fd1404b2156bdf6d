"""The process in which LiteRT computes: answers what :mod:`minilite.inspection.litert` asks until its input ends."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

import numpy as np

from minilite.inspection.litert import readable, receive, send


def load(content: bytes, resolver: str) -> Any:
    """An interpreter that keeps every tensor."""
    from ai_edge_litert import interpreter as litert

    return litert.Interpreter(
        model_content=content,
        num_threads=1,
        experimental_op_resolver_type=getattr(litert.OpResolverType, resolver),
        experimental_preserve_all_tensors=True,
    )


def run(interpreter: Any, arrays: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
    """All readable tensors after one run from fresh variables."""
    shapes = {d["index"]: tuple(d["shape"]) for d in interpreter.get_input_details()}
    for index, array in arrays.items():
        if shapes[index] != array.shape:
            interpreter.resize_tensor_input(index, array.shape)
    interpreter.allocate_tensors()
    interpreter.reset_all_variables()
    for index, array in arrays.items():
        interpreter.set_tensor(index, array)
    interpreter.invoke()
    return dict(_values(interpreter))


def _values(interpreter: Any) -> Any:
    for detail in interpreter.get_tensor_details():
        try:
            array = readable(interpreter.get_tensor(detail["index"]))
        except (ValueError, RuntimeError):  # it has no memory
            continue
        if array is not None:
            yield detail["index"], array


def main() -> None:
    """Answer requests: ("load", number, model, resolver), ("run", number, inputs)."""
    warnings.simplefilter("ignore")
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what LiteRT prints is no answer
    loaded: dict[int, Any] = {}
    answer: tuple[bool, Any]
    while True:
        try:
            what, number, *rest = receive(requests)
        except EOFError:
            return
        try:
            if what == "load":
                loaded[number] = load(*rest)
                answer = True, None
            else:
                answer = True, run(loaded[number], *rest)
        except Exception as error:  # of any kind: the caller is told
            answer = False, str(error)
        send(answers, answer)


if __name__ == "__main__":
    main()
