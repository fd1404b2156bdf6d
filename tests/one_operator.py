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
from minilite.model import Buffer, Model, Operator, OperatorCode, Quantization, Subgraph, Tensor
from minilite.program import initial
from minilite.spec import INTEGER_RANGE, QUANTIZED, Definition, Node, Op, Operand, TensorInfo
from tests.graph_model import graph_model

NARROW = {"int8": 127, "int4": 7, "int2": 1, "int16": 32767}


@dataclass
class OneOperator:
    """A model of one operator and arrays for its inputs, in the order of the subgraph's inputs.

    ``terms`` is the largest sum of the magnitudes of the products an operator with weights adds up: floats that are
    added in another order differ in proportion to it, even if the products cancel or an activation cuts the sum off.
    ``again`` are the inputs of further invokes.
    """

    model: Model
    inputs: list[np.ndarray]
    node: Node
    terms: float = 0.0
    again: tuple[list[np.ndarray], ...] = ()

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


def build(draw: Draw, op: Op, definition: Definition, case: Case, version: int = 1) -> OneOperator:
    """The case as a model: operands filled with data, outputs sized by the row and scaled by the real results."""
    version = max(version, op.oldest)
    if case.main is not None:
        return whole_graph(draw, op, case, version)
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
        info, array = _operand(draw, operand, arg, type_.rstrip("?"), infos, op, len(infos))
        infos.append(info)
        arrays.append(array)
    options = _options(op, case)
    node = Node(op.name, options, tuple(infos), (), version=version, custom_options=case.custom_options)
    scales_are_free = definition.quantized is not False and all(a is None or a.scale is None for a in case.inputs)
    if definition.output_types[0] in QUANTIZED and scales_are_free:
        node = _tamed(draw, op, definition, case, node, arrays)
        infos = list(node.inputs)
    node = dataclasses.replace(node, intermediates=_intermediates(case))
    again = [_other_data(draw, op, case, infos, arrays) for _ in range(case.runs - 1)]
    outputs = _outputs(draw, op, definition, case, node, [arrays, *again])
    node = dataclasses.replace(node, outputs=outputs)
    terms = _terms(op, node, arrays)
    model = _model(op, version, node, options)
    return OneOperator(model, _fed(infos, arrays), node, terms, tuple(_fed(infos, other) for other in again))


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
            info = dataclasses.replace(info, scales=_product(operand, result))
        result.append(info)
    return tuple(result)


def _product(operand: Operand, before: Sequence[TensorInfo | None]) -> np.ndarray:
    parts = [b for b in before if b is not None and b.name in operand.scale_of and b.quantized]
    scales = np.prod(np.broadcast_arrays(*[p.scales for p in parts]), axis=0) if parts else np.empty(0)
    return scales.astype(np.float32)


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


# ---- operands ------------------------------------------------------------------------------------------------------


def _operand(
    draw: Draw, operand: Operand, arg: Arg, type_: str, before: list[TensorInfo | None], op: Op, index: int
) -> tuple[TensorInfo, np.ndarray]:
    scales, zero_points = _quantization(draw, operand, arg, type_, before, op)
    axis = (operand.axis or 0) % len(arg.shape) if scales.size > 1 else 0
    info = TensorInfo(index, operand.name, type_, arg.shape, scales, zero_points, axis, is_variable=operand.state)
    if operand.state:
        return info, initial(info)
    if arg.block:
        info = _in_blocks(draw, info, arg.block)
    array = arg.value if arg.value is not None else _data(draw, operand, arg, info)
    if arg.nonzero:
        array = _without_zeros(info, array)
    fixed = arg.constant if arg.constant is not None else _is_constant(draw, operand, arg)
    return dataclasses.replace(info, value=array if fixed else None, constant=fixed), array


def _in_blocks(draw: Draw, info: TensorInfo, size: int) -> TensorInfo:
    """The operand quantized in blocks instead."""
    scales = draw.random.uniform(0.01, 1.0, (*info.shape[:-1], info.shape[-1] // size)).astype(np.float16)
    empty = {"scales": np.empty(0, np.float32), "zero_points": np.empty(0, np.int64), "axis": 0}
    return dataclasses.replace(info, block_size=size, block_scales=scales, **empty)


def _other_data(
    draw: Draw, op: Op, case: Case, infos: list[TensorInfo | None], arrays: list[np.ndarray | None]
) -> list[np.ndarray | None]:
    """The operands of another run: those that are fed and have no value of their own hold other data."""
    return [
        _data(draw, op.operand(i), arg, info) if arg and info and arg.value is None and _is_fed(info) else array
        for i, (arg, info, array) in enumerate(zip(case.inputs, infos, arrays, strict=True))
    ]


def _intermediates(case: Case) -> tuple[TensorInfo, ...]:
    return tuple(
        TensorInfo(-1, f"intermediate{i}", "int16", (), np.array([scale], np.float32), np.array([zero_point], np.int64))
        for i, (scale, zero_point) in enumerate(case.intermediates)
    )


def _without_zeros(info: TensorInfo, array: np.ndarray) -> np.ndarray:
    zeros = {0, info.zero_point}
    other = next(v for v in (1, 2, 3) if v not in zeros)
    return np.where(np.isin(array, list(zeros)), other, array).astype(array.dtype)


def _is_constant(draw: Draw, operand: Operand, arg: Arg) -> bool:
    if arg.value is not None or operand.role == "bias":
        return True
    return draw.choice((True, True, True, False)) if operand.role == "weight" else False


def _quantization(
    draw: Draw, operand: Operand, arg: Arg, type_: str, before: list[TensorInfo | None], op: Op
) -> tuple[np.ndarray, np.ndarray]:
    if operand.role == "bias" and type_ in ("int32", "int64") and arg.scale is None:
        scales = _product(operand, before)
        return scales, np.zeros(scales.size, np.int64)
    if (type_ not in (*QUANTIZED, "int4", "int2") and arg.scale is None) or operand.role == "parameter":
        return np.empty(0, np.float32), np.empty(0, np.int64)
    if operand.same_as and arg.scale is None:
        other = next((b for b in before if b is not None and b.name == operand.same_as), None)
        if other is not None:
            return other.scales, other.zero_points
    for fixed_type, scale, zero_point in operand.fixed:
        if fixed_type == type_:
            return np.array([scale], np.float32), np.array([zero_point], np.int64)
    count = arg.shape[operand.axis] if _per_axis(draw, operand, arg, type_) else 1
    low, high = INTEGER_RANGE[type_]
    base = draw.choice((0.02, 0.1, 1.0, 0.003, 7.0)) * (1 + draw.random.random())
    if arg.low is not None and arg.high is not None:  # the range asked for should take most of the integers
        base = (arg.high - arg.low) / (high - low) * draw.choice((1.0, 2.0, 0.5))
    scales = (base * draw.random.uniform(0.3, 1.0, count)).astype(np.float32)
    if arg.scale is not None:
        scales = np.full(count, arg.scale, np.float32)
    symmetric = type_ in ("int16", "int4", "int2") or (operand.symmetric and type_ != "uint8")
    zero_point = (
        0 if symmetric else draw.choice((0, low, high, -1, 5, 100)) if type_ == "int8" else draw.integer(0, 255)
    )
    return scales, np.full(count, zero_point if arg.zero_point is None else arg.zero_point, np.int64)


def _per_axis(draw: Draw, operand: Operand, arg: Arg, type_: str) -> bool:
    if operand.axis is None or type_ in ("uint8", "int16"):
        return False
    return draw.choice((True, False)) if arg.per_axis is None else arg.per_axis


def _data(draw: Draw, operand: Operand, arg: Arg, info: TensorInfo) -> np.ndarray:
    random = draw.random
    if info.type == "bool":
        return random.integers(0, 2, arg.shape).astype(bool)
    if info.type == "string":
        return random.choice(np.array([b"", b"a", b"two words", b"\xc3\xa9"], object), arg.shape)
    if info.type.startswith("complex"):
        return (random.normal(size=arg.shape) + 1j * random.normal(size=arg.shape)).astype(info.dtype)
    if info.type.startswith("float"):
        return _floats(draw, arg).astype(info.dtype)
    if operand.role == "bias":
        reach = 1 << draw.choice((4, 10, 14, 18))
        return random.integers(-reach, reach, arg.shape).astype(info.dtype)
    return _integers(draw, operand, arg, info)


def _floats(draw: Draw, arg: Arg) -> np.ndarray:
    random = draw.random
    if arg.low is not None or arg.high is not None:
        low = arg.low if arg.low is not None else (arg.high or 0.0) - 10.0
        high = arg.high if arg.high is not None else low + 10.0
        return random.uniform(low, high, arg.shape)
    spread = draw.choice((1.0, 4.0, 0.01, 50.0))
    values = random.normal(0, spread, arg.shape)
    return np.where(random.random(arg.shape) < 0.1, np.round(values), values)


def _integers(draw: Draw, operand: Operand, arg: Arg, info: TensorInfo) -> np.ndarray:
    bits_low, bits_high = INTEGER_RANGE.get(info.type, (0, 100))
    if operand.role == "weight" and info.type in NARROW and draw.choice((True, True, False)):
        bits_low = -NARROW[info.type]
    if not info.quantized:
        bits_low, bits_high = max(bits_low, -100), min(bits_high, 100)
    scale, zero = (float(info.scales[0]), int(info.zero_points[0])) if info.quantized else (1.0, 0)
    low = bits_low if arg.low is None else max(bits_low, int(np.ceil(arg.low / scale)) + zero)
    high = bits_high if arg.high is None else min(bits_high, int(np.floor(arg.high / scale)) + zero)
    high = max(low, high)
    values = draw.random.integers(low, high, arg.shape, endpoint=True)
    extremes = draw.random.choice([low, high], arg.shape)
    return np.where(draw.random.random(arg.shape) < draw.choice((0.05, 0.0, 0.5)), extremes, values).astype(info.dtype)


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
    quantized = case.output_scale or any(b.type in QUANTIZED for b in blank)
    if definition.quantized is False or not quantized:
        return blank
    padding = [None] * (len(op.inputs) - len(runs[0])) if not op.inputs[-1].variadic else []
    reals = _results_of(op, dataclasses.replace(node, outputs=blank), runs, padding)
    return tuple(
        _scaled(draw, op.result(i), b, node, None if reals is None else reals[i], case) for i, b in enumerate(blank)
    )


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
        assert results is not None
        known = dict(zip(states, results[len(node.outputs) :], strict=True))
        found.append([r.reshape(-1) for r in results[: len(node.outputs)]])
    return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))


def _scaled(
    draw: Draw, operand: Operand, info: TensorInfo, node: Node, real: np.ndarray | None, case: Case
) -> TensorInfo:
    """The output with a scale: another operand's, the kernel's own, the case's, or one that fits the real results."""
    given = case.output_scale
    if (info.type not in QUANTIZED or operand.role == "parameter") and given is None:
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


def real_results(
    op: Op, node: Node, arrays: list[np.ndarray | None], padding: list[None], known: Mapping[int, np.ndarray] = {}
) -> tuple[np.ndarray, ...] | None:
    """What the operator computes on real numbers: its float definition in float64; without one, the first operand of
    an operator that only converts it; or None. ``known`` are real numbers of operands instead of their arrays."""
    floats = next((d for d in op.definitions if d.label == "float32"), None)
    reals = [a if i is None or not i.quantized else ideal.real(i, a) for i, a in zip(node.inputs, arrays, strict=True)]
    reals = [known.get(i, r) for i, r in enumerate(reals)]
    if floats is None:
        return (reals[0],) if len(reals) == 1 and reals[0] is not None else None
    bare = {"scales": np.empty(0, np.float32), "zero_points": np.empty(0, np.int64)}
    infos = [
        i and dataclasses.replace(i, type="float32" if i.quantized else i.type, value=r, **bare)
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
    quantized = [i is not None and i.quantized for i in node.inputs]
    reals = [
        ideal.real(i, a) if q and i and a is not None else a
        for i, a, q in zip(node.inputs, arrays, quantized, strict=True)
    ]
    magnitudes = [r if r is None or r.dtype.kind not in "fc" else np.abs(r).astype(np.float64) for r in reals]
    inputs = tuple(i and dataclasses.replace(i, scales=np.empty(0, np.float32)) for i in node.inputs)
    options = node.options
    if options is not None and "fused_activation_function" in options:
        options = schema.make_options(options.table, **{**options, "fused_activation_function": "NONE"})
    node = dataclasses.replace(node, inputs=inputs, options=options)
    results = real_results(op, node, magnitudes, [None] * (len(op.inputs) - len(arrays)))
    return max((float(r.max(initial=0)) for r in results), default=0.0) if results else 0.0


# ---- model ---------------------------------------------------------------------------------------------------------


def _is_fed(info: TensorInfo | None) -> bool:
    return info is not None and not info.constant and not info.is_variable


def _fed(infos: list[TensorInfo | None], arrays: list[np.ndarray | None]) -> list[np.ndarray]:
    return [a for i, a in zip(infos, arrays, strict=True) if _is_fed(i) and a is not None]


def _model(op: Op, version: int, node: Node, options: Any) -> Model:
    buffers, tensors, indices = [Buffer()], [], []
    for info in (*node.inputs, *node.outputs, *node.intermediates):
        if info is None:
            indices.append(-1)
            continue
        buffer = 0
        if info.constant and info.value is not None:
            buffers.append(Buffer(np.frombuffer(pack(info), np.uint8)))
            buffer = len(buffers) - 1
        indices.append(len(tensors))
        tensors.append(_tensor(info, buffer))
    _add_block_scales(node, indices, tensors, buffers)
    after = len(node.inputs) + len(node.outputs)
    inputs, outputs, intermediates = indices[: len(node.inputs)], indices[len(node.inputs) : after], indices[after:]
    fed = [i for i, info in zip(inputs, node.inputs, strict=True) if _is_fed(info)]
    extra = (
        {"options_2": options}
        if options is not None and schema.is_second_union(options.table)
        else {"options": options}
    )
    custom = None if node.custom_options is None else np.frombuffer(node.custom_options, np.uint8)
    extra["custom_options"] = custom
    operator = Operator(0, tuple(inputs), tuple(outputs), intermediates=tuple(intermediates) or None, **extra)
    return Model(
        operator_codes=(OperatorCode("CUSTOM", version, op.name) if op.custom else OperatorCode(op.name, version),),
        subgraphs=(Subgraph(tuple(tensors), tuple(fed), tuple(outputs), (operator,), name="main"),),
        buffers=tuple(buffers),
    )


def _add_block_scales(node: Node, indices: list[int], tensors: list[Tensor], buffers: list[Buffer]) -> None:
    """A tensor of scales behind the others for each operand that is quantized in blocks."""
    for info, index in zip(node.inputs, indices, strict=False):
        if info is None or info.block_scales is None:
            continue
        details = {"scales": len(tensors), "zero_points": -1, "block_size": info.block_size}
        quantization = Quantization(details=schema.make_options("BlockwiseQuantization", **details))
        tensors[index] = dataclasses.replace(tensors[index], quantization=quantization)
        buffers.append(Buffer(np.frombuffer(info.block_scales.tobytes(), np.uint8)))
        tensors.append(Tensor("scales", "FLOAT16", info.block_scales.shape, has_rank=True, buffer=len(buffers) - 1))


def pack(info: TensorInfo) -> bytes:
    """A constant's bytes as the file holds them."""
    assert info.value is not None
    if info.type in ("int4", "int2"):
        bits = int(info.type[3:])
        fields = info.value.reshape(-1).view(np.uint8) & ((1 << bits) - 1)
        fields = np.append(fields, np.zeros(-fields.size % (8 // bits), np.uint8)).reshape(-1, 8 // bits)
        return (fields << np.arange(0, 8, bits, dtype=np.uint8)).sum(1).astype(np.uint8).tobytes()
    return np.ascontiguousarray(info.value).tobytes()


def _tensor(info: TensorInfo, buffer: int) -> Tensor:
    quantization = None
    if info.quantized:
        quantization = Quantization(
            scales=info.scales, zero_points=info.zero_points.astype(np.int64), quantized_dimension=info.axis
        )
    return Tensor(
        name=info.name,
        type=info.type.upper(),
        shape=info.shape,
        has_rank=True,
        buffer=buffer,
        quantization=quantization,
        is_variable=info.is_variable,
    )


def whole_graph(draw: Draw, op: Op, case: Case, version: int) -> OneOperator:
    """The case's own graph as a model, and inputs for every run."""
    assert case.main is not None
    runs = [
        [
            _data(draw, Operand("input"), Arg(v.shape, low=v.low, high=v.high), TensorInfo(0, "", v.type, v.shape))
            for v in (case.main.values[i] for i in case.main.inputs)
        ]
        for _ in range(case.runs)
    ]
    model = graph_model((case.main, *case.subgraphs), {op.name: version})
    return OneOperator(model, runs[0], Node(op.name, case.main.calls), again=tuple(runs[1:]))
