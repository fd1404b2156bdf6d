"""A run that can be watched: every tensor of every subgraph, as it is computed.

    with watched(interpreter, see):
        interpreter.invoke()          # see(subgraph, tensor, array) for each tensor

Calibration, comparison and traces are readers of this one stream. Nothing changes in how a model is computed: the
same engine runs the same steps, only that no tensor's memory is given away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from minilite.errors import ArgumentError, StateError
from minilite.interpreter import Interpreter
from minilite.plan import Plan
from minilite.program import Watcher

See = Callable[[int, int, np.ndarray], None]
"""Told the subgraph's index, the tensor's index and its value, which is to be read, and not kept: the next run writes
into the same memory."""


@contextmanager
def watched(interpreter: Interpreter, see: See) -> Iterator[None]:
    """While this lasts, every run of a subgraph ends with ``see`` being told all its tensors.

    A subgraph that is called (the body of a WHILE, a branch of an IF) is one run each time, before its caller's ends.
    Seen are inputs, variables (with their new value), results, and what was computed while planning; constants of the
    file are not. Of a tensor that several operators write it is the last value.

    Raises :class:`ArgumentError` for an interpreter made without ``experimental_preserve_all_tensors=True``,
    and :class:`StateError` when it is watched already."""
    with watched_runs(interpreter, _teller(see)):
        yield


@contextmanager
def watched_runs(interpreter: Interpreter, look: Watcher) -> Iterator[None]:
    """While this lasts, ``look`` is given the plan and the values of every run of a subgraph, when it ends.

    For readers that want an operator's operands and results together; as :func:`watched` otherwise."""
    if not all(session.keep for session in interpreter._sessions):
        raise ArgumentError(
            "this interpreter gives the memory of intermediate results away; to watch them, construct it with "
            "experimental_preserve_all_tensors=True."
        )
    program = interpreter._program
    if program.watcher is not None:
        raise StateError("this interpreter is being watched already.")
    program.watcher = look
    try:
        yield
    finally:
        program.watcher = None


def _teller(see: See) -> Watcher:
    def tell(plan: Plan, values: Mapping[int, np.ndarray]) -> None:
        subgraph = plan.subgraph_index
        for info in plan.infos:
            if info.value is not None and not info.constant:
                see(subgraph, info.index, info.value)
        for index, array in values.items():
            see(subgraph, index, array)

    return tell
