"""A drawn case as a complete model of one operator, with inputs: quantization that exercises it, data, and shapes.

The scale of a quantized output comes from the range of the real results (the row's float definition on the
dequantized operands), because a scale drawn blindly saturates most outputs and hides most bugs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilite import ideal, schema
from minilite.cases import Arg, Case, Draw
from minilite.flexbuffers import decoded
from minilite.model import Model
from minilite.spec import INTEGER_RANGE, QUANTIZED, Definition, Node, Op, Operand, TensorInfo
from minilite.testing.graph_model import graph_model
from minilite.testing.one_model import fed, one_operator_model
from minilite.testing.operands import drawn_data, drawn_operand, intermediates, other_data, product_of_scales

SCALED = (*QUANTIZED, "int4", "uint4", "int2")


@dataclass
class OneOperator:
    """A model of one operator and arrays for its inputs, in the order of the subgraph's inputs.

    ``terms`` is the largest sum of the magnitudes of the products an operator with weights adds up: floats that are
    added in another order differ in proportion to it, even if the products cancel or an activation cuts the sum off.
    ``again`` are the inputs of further invokes, ``definition`` is the row's combination of types.
    """

    model: Model
    inputs: list[np.ndarray]
    node: Node
    definition: Definition
    terms: float = 0.0
    again: tuple[list[np.ndarray], ...] = ()

    @property
    def content(self) -> bytes:
        """The model as a .tflite file."""
        return self.model.to_bytes()

    def __repr__(self) -> str:  # what Hypothesis prints of a falsifying example
        tensors = [
            f"{t.name}: {t.type}{list(t.shape)} scales={t.scales.tolist()} zero_points={t.zero_points.tolist()}"
            + (f" value={t.value.tolist()}" if t.value is not None and t.value.size <= 40 else "")
            for t in (*self.node.inputs, *self.node.outputs)
            if t is not None
        ]
        return f"{self.node.op}({self.node.options or decoded(self.node.custom_options)})\n    " + "\n    ".join(
            tensors
        )

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))


def alike(draw: Draw, op: Op, definition: Definition) -> Definition:
    """One of the row's combinations of types with the label of this one."""
    same = [d for d in op.definitions if (d.label, d.arithmetic) == (definition.label, definition.arithmetic)]
    return draw.choice(same) if len(same) > 1 else definition


def build(draw: Draw, op: Op, definition: Definition, case: Case, version: int = 1) -> OneOperator:
    """The case as a model: operands filled with data, outputs sized by the row and scaled by the real results."""
    version = max(version, op.oldest)
    if case.main is not None:
        return whole_graph(draw, op, definition, case, version)
    types = _expand(definition.input_types, len(case.inputs))
    infos: list[TensorInfo | None] = []
    arrays: list[np.ndarray | None] = []
    for position, (arg, type_) in enumerate(zip(case.inputs, types, strict=True)):
        if arg is None:
            infos.append(None)
            arrays.append(None)
            continue
        operand = op.operand(position)
        if definition.quantized is False:
            operand = dataclasses.replace(operand, role="parameter")
        info, array = drawn_operand(draw, operand, arg, type_.rstrip("?"), infos, op, len(infos))
        infos.append(info)
        arrays.append(array)
    options = _options(op, case)
    node = Node(op.name, options, tuple(infos), (), version=version, custom_options=case.custom_options)
    scales_are_free = definition.quantized is not False and all(a is None or a.scale is None for a in case.inputs)
    if definition.output_types[0] in QUANTIZED and scales_are_free:
        node = _tamed(draw, op, definition, case, node, arrays)
        infos = list(node.inputs)
    node = dataclasses.replace(node, intermediates=intermediates(case))
    again = [other_data(draw, op, case, infos, arrays) for _ in range(case.runs - 1)]
    outputs = _outputs(draw, op, definition, case, node, [arrays, *again])
    node = dataclasses.replace(node, outputs=outputs)
    terms = _terms(op, node, arrays)
    model = one_operator_model(op, version, node, options)
    return OneOperator(model, fed(infos, arrays), node, definition, terms, tuple(fed(infos, other) for other in again))


def _tamed(draw: Draw, op: Op, definition: Definition, case: Case, node: Node, arrays: list[np.ndarray | None]) -> Node:
    """The node with smaller input scales where a bounded activation would otherwise flatten nearly every result."""
    bound = {"RELU6": 6.0, "RELU_N1_TO_1": 1.0}.get(str((node.options or {}).get("fused_activation_function")))
    if bound is None:
        return node
    plain = schema.make_options(node.options.table, **{**node.options, "fused_activation_function": "NONE"})
    several = sum(o.role == "activation" for o in op.inputs)
    for _ in range(4):
        blank = dataclasses.replace(node, options=plain, outputs=_blank_outputs(op, definition, case, node, arrays))
        results = real_results(op, blank, arrays, [None] * (len(op.inputs) - len(arrays)))
        spread = 0.0 if not results or not results[0].size else float(np.quantile(np.abs(results[0]), 0.8))
        if spread <= bound or not np.isfinite(spread):
            break
        factor = (bound * draw.random.uniform(0.3, 1) / spread) ** (1 / several)
        node = dataclasses.replace(node, inputs=_shrunk(op, node.inputs, factor))
    return node


def _shrunk(op: Op, inputs: tuple[TensorInfo | None, ...], factor: float) -> tuple[TensorInfo | None, ...]:
    """Inputs with the activations' scales multiplied, and the biases' scales following."""
    result: list[TensorInfo | None] = []
    for position, info in enumerate(inputs):
        operand = op.operand(position)
        if info is not None and info.quantized and operand.role == "activation" and not operand.fixed:
            info = dataclasses.replace(info, scales=(info.scales * factor).astype(np.float32))
        elif info is not None and info.quantized and operand.scale_of:
            info = dataclasses.replace(info, scales=product_of_scales(operand, result))
        result.append(info)
    return tuple(result)


def _expand(types: tuple[str, ...], count: int) -> list[str]:
    if types and types[-1].endswith("*"):
        return [*types[:-1], *[types[-1].rstrip("*")] * (count - len(types) + 1)]
    return list(types[:count])


def _options(op: Op, case: Case) -> Any:
    table = schema.OPTIONS_OF.get(op.name)
    if table is None:
        assert not case.options, f"{op.name} has no options table"
        return None
    return schema.make_options(table, **case.options)


# ---- outputs -------------------------------------------------------------------------------------------------------


def _blank_outputs(
    op: Op, definition: Definition, case: Case, node: Node, arrays: list[np.ndarray | None]
) -> tuple[TensorInfo, ...]:
    """The outputs with the row's shapes, not yet quantized."""
    types = _expand(definition.output_types, case.outputs)
    first = len(node.inputs)
    blank = tuple(TensorInfo(first + i, f"{op.result(i).name}{i or ''}", type_, ()) for i, type_ in enumerate(types))
    known = [i and dataclasses.replace(i, value=a) for i, a in zip(node.inputs, arrays, strict=True)]
    padding = [None] * (len(op.inputs) - len(known)) if not op.inputs[-1].variadic else []
    shapes = op.shapes(dataclasses.replace(node, outputs=blank), *known, *padding)
    sizes = [(0,) if s is None else tuple(map(int, s)) for s in shapes]  # None: only the results tell
    return tuple(dataclasses.replace(b, shape=s) for b, s in zip(blank, sizes, strict=True))


def _outputs(
    draw: Draw, op: Op, definition: Definition, case: Case, node: Node, runs: Sequence[list[np.ndarray | None]]
) -> tuple[TensorInfo, ...]:
    blank = _blank_outputs(op, definition, case, node, runs[0])
    quantized = case.output_scale or any(b.type in SCALED for b in blank)
    if definition.quantized is False or not quantized:
        return blank
    padding = [None] * (len(op.inputs) - len(runs[0])) if not op.inputs[-1].variadic else []
    reals = _results_of(op, dataclasses.replace(node, outputs=blank), runs, padding)
    found = [*(reals or ()), *[None] * len(blank)]  # of several outputs not all need be real numbers
    return tuple(_scaled(draw, op.result(i), b, node, found[i], case) for i, b in enumerate(blank))


def _results_of(
    op: Op, node: Node, runs: Sequence[list[np.ndarray | None]], padding: list[None]
) -> tuple[np.ndarray, ...] | None:
    """The real results of all runs, one behind the other, the state of a run handed to the next."""
    states = [i for i, operand in enumerate(op.inputs) if operand.state]
    if not states:
        return real_results(op, node, runs[0], padding)
    known: dict[int, np.ndarray] = {}
    found = []
    for arrays in runs:
        results = real_results(op, node, arrays, padding, known)
        if results is None:
            return None
        known = dict(zip(states, results[len(node.outputs) :], strict=True))
        found.append([r.reshape(-1) for r in results[: len(node.outputs)]])
    return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))


def _scaled(
    draw: Draw, operand: Operand, info: TensorInfo, node: Node, real: np.ndarray | None, case: Case
) -> TensorInfo:
    """The output with a scale: another operand's, the kernel's own, the case's, or one that fits the real results."""
    given = case.output_scale
    if (info.type not in SCALED or operand.role == "parameter") and given is None:
        return info
    source = next((i for i in node.inputs if i is not None and i.name == operand.same_as), None)
    if source is not None and given is None:
        return dataclasses.replace(info, scales=source.scales, zero_points=source.zero_points, axis=source.axis)
    for fixed_type, scale, zero_point in operand.fixed:
        if fixed_type == info.type and given is None:
            return dataclasses.replace(info, scales=np.array([scale], np.float32), zero_points=np.array([zero_point]))
    low = high = 0.0
    if real is not None and real.size and np.isfinite(real).any():
        finite = real[np.isfinite(real)]
        low, high = min(0.0, float(finite.min())), max(0.0, float(finite.max()))
    steps_low, steps_high = INTEGER_RANGE[info.type]
    span = high - low if high - low > 1e-20 else draw.choice((1.0, 0.1, 10.0))
    scale = span / (steps_high - steps_low) * draw.choice((1.0, 1.0, 1.5, 0.7, 4.0, 0.25))
    zero = (
        0 if info.type in ("int16", "int32") else int(np.clip(np.round(steps_low - low / scale), steps_low, steps_high))
    )
    if info.type == "int16":
        scale *= 2
    if given is not None:
        scale = given
    if case.output_zero_point is not None:
        zero = case.output_zero_point
    return dataclasses.replace(info, scales=np.array([scale], np.float32), zero_points=np.array([zero], np.int64))


def _real(info: TensorInfo | None, array: np.ndarray | None) -> np.ndarray | None:
    return array if info is None or array is None or not info.quantized else ideal.real(info, array)


def real_results(
    op: Op, node: Node, arrays: list[np.ndarray | None], padding: list[None], known: Mapping[int, np.ndarray] = {}
) -> tuple[np.ndarray, ...] | None:
    """What the operator computes on real numbers: its float definition in float64; without one, the first operand of
    an operator that only converts it; or None. ``known`` are real numbers of operands instead of their arrays."""
    floats = next((d for d in op.definitions if d.label == "float32"), None)
    reals = [_real(i, a) for i, a in zip(node.inputs, arrays, strict=True)]
    reals = [known.get(i, r) for i, r in enumerate(reals)]
    if floats is None:
        return (reals[0],) if len(reals) == 1 and reals[0] is not None else None
    infos = [
        i and dataclasses.replace(i, type="float32" if i.quantized else i.type, value=r, **ideal.BARE)
        for i, r in zip(node.inputs, reals, strict=True)
    ]
    outputs = tuple(dataclasses.replace(o, type="float32" if o.type in QUANTIZED else o.type) for o in node.outputs)
    real_node = dataclasses.replace(node, inputs=tuple(infos), outputs=outputs, sums="any")
    with np.errstate(all="ignore"):
        prepared = floats.prepare(real_node, *infos, *padding, *outputs)
        result = floats.compute(prepared, *reals, *padding)
    return result if isinstance(result, tuple) else (result,)


def _terms(op: Op, node: Node, arrays: list[np.ndarray | None]) -> float:
    """See :class:`OneOperator`: the real results of all operands' magnitudes, without an activation."""
    if all(o.axis is None for o in op.inputs):
        return 0.0
    quantized = [i is not None and (i.quantized or i.block_scales is not None) for i in node.inputs]
    reals = [
        ideal.real(i, a) if q and i and a is not None else a
        for i, a, q in zip(node.inputs, arrays, quantized, strict=True)
    ]
    magnitudes = [r if r is None or r.dtype.kind not in "fc" else np.abs(r).astype(np.float64) for r in reals]
    inputs = tuple(i and dataclasses.replace(i, **ideal.BARE) for i in node.inputs)
    options = node.options
    if options is not None and "fused_activation_function" in options:
        options = schema.make_options(options.table, **{**options, "fused_activation_function": "NONE"})
    node = dataclasses.replace(node, inputs=inputs, options=options)
    results = real_results(op, node, magnitudes, [None] * (len(op.inputs) - len(arrays)))
    return max((float(r.max(initial=0)) for r in results), default=0.0) if results else 0.0


def whole_graph(draw: Draw, op: Op, definition: Definition, case: Case, version: int) -> OneOperator:
    """The case's own graph as a model, and inputs for every run."""
    assert case.main is not None
    runs = [
        [
            drawn_data(draw, Operand("input"), Arg(v.shape, low=v.low, high=v.high), TensorInfo(0, "", v.type, v.shape))
            for v in (case.main.values[i] for i in case.main.inputs)
        ]
        for _ in range(case.runs)
    ]
    model = graph_model((case.main, *case.subgraphs), {op.name: version})
    return OneOperator(model, runs[0], Node(op.name, case.main.calls), definition, again=tuple(runs[1:]))
