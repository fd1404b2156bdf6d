"""From an operator of the file to the row that computes it, or the error that says there is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from minilite import schema, tflm
from minilite.errors import UnresolvedCustomError, UnsupportedBuiltinError
from minilite.model import Operator, OperatorCode
from minilite.ops import OPS
from minilite.spec import Definition, Node, Op

if TYPE_CHECKING:
    from minilite.program import Program


@dataclass
class Step:
    """One operator, resolved to its row.

    ``call`` is None while the step waits for values to be known. ``reads`` is what it is called with: tensor indices,
    -1 for operands that are absent, each with its constant or None. ``writes`` are the outputs and then the variables
    that are given new values. ``waits`` says that shapes must be worked out anew on every run, ``open`` that only the
    results tell them."""

    op: Op
    node: Node
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    writes: tuple[int, ...] = ()
    definition: Definition | None = None
    prepared: Any = None
    call: Callable[..., Any] | None = None
    reads: tuple[tuple[int, np.ndarray | None], ...] = ()
    waits: bool = False
    open: bool = False
    releases: tuple[int, ...] = ()

    @property
    def is_flex(self) -> bool:
        """Whether it is an operator of TensorFlow's that nobody has a row for."""
        return self.op is None and self.node.op.startswith("Flex")


def resolve(program: Program, subgraph: int, index: int, operator: Operator) -> Step:
    """An operator of a subgraph with its row. Raises :class:`UnsupportedBuiltinError` for a built-in one without."""
    code, kernels = program.model.operator_codes[operator.opcode_index], program.kernels
    op = _row(program, code)
    known = op is not None and op.oldest <= code.version <= op.version
    if not known and not code.is_custom:
        raise _unsupported(code, index, subgraph, op)
    if kernels.micro and not code.is_custom and code.name not in tflm.KERNELS:
        raise _not_in_micro(code, index, subgraph)
    node = Node(
        op=code.name,
        options=options_of(operator, code),
        index=index,
        subgraph=subgraph,
        version=code.version,
        kernels=kernels.name,
        sums=kernels.sums,
        custom_options=None if operator.custom_options is None else operator.custom_options.tobytes(),
        runtime=program,
    )
    op = None if op is None else op.of(node.options)
    step = Step(op if known else None, node, operator.inputs or (), operator.outputs or ())  # type: ignore[arg-type]  # custom: refused in allocate
    if op is not None:
        step.writes = (*step.outputs, *(i for i, o in zip(step.inputs, op.inputs, strict=False) if o.state))
    return step


def _row(program: Program, code: OperatorCode) -> Op | None:
    """The operator's row: the caller's before our own, and built-in ones only for built-in codes."""
    own = OPS.get(code.name)
    there = code.name in tflm.KERNELS or not program.kernels.micro
    own = own if own is not None and own.custom == code.is_custom and (there or not own.custom) else None
    return program.custom_ops.get(code.name, own) if code.is_custom else own


def refuse_custom(steps: Sequence[Step]) -> None:
    """Raise :class:`UnresolvedCustomError` for custom operators that nobody has a row for."""
    flex = sorted({s.node.op for s in steps if s.is_flex})
    if flex:
        raise UnresolvedCustomError(
            "Select TensorFlow op(s), included in the given model, is(are) not supported by this interpreter. "
            f"These need TensorFlow itself: {', '.join(flex)}. Convert the model without SELECT_TF_OPS."
        )
    for step in steps:
        if step.op is None:
            raise UnresolvedCustomError(
                f"Encountered unresolved custom op: {step.node.op}. It is operator {step.node.index}, version "
                f"{step.node.version}, of subgraph {step.node.subgraph}; minilite has no row for it. "
                f"Pass one, or a function: Interpreter(..., custom_ops={{{step.node.op!r}: function}})."
            )


def options_of(operator: Operator, code: OperatorCode) -> Any:
    """The operator's options, or the schema's defaults where the file leaves them out, or has those of another
    operator, which LiteRT reads as none, too."""
    found = operator.options if operator.options is not None else operator.options_2
    table = schema.OPTIONS_OF.get(code.name)
    return schema.default_options(table) if table and (found is None or found.table != table) else found


def _unsupported(code: OperatorCode, index: int, subgraph: int, op: Op | None) -> UnsupportedBuiltinError:
    known = f"minilite knows versions {op.oldest} to {op.version}" if op else "minilite has no row for this operator"
    return UnsupportedBuiltinError(
        f"Didn't find op for builtin opcode '{code.name}' version '{code.version}'. "
        + ("An older version of this builtin might be supported. " if op else "")
        + f"It is operator {index} of subgraph {subgraph}; {known}. Registration failed."
    )


def _not_in_micro(code: OperatorCode, index: int, subgraph: int) -> UnsupportedBuiltinError:
    return UnsupportedBuiltinError(
        f"Didn't find op for builtin opcode '{code.name}'. It is operator {index} of subgraph {subgraph}; minilite's "
        "kernel set 'tflm' does not have it: TFLite Micro lacks it, or computes it in another way. Registration failed."
    )
