"""Changes to a model as data: types, shapes, options, operands, quantization, order, calls. Nothing keeps it sound."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np

from minilite.model import Buffer, Model, Operator, Options, Quantization, Subgraph, Tensor
from minilite.schema import OPTIONS_OF, default_options, enum_names, is_second_union
from minilite.schema.encode import Output, table_writer
from minilite.schema.layout import Field, layout_of
from minilite.schema.problems import Unwritable

DIMENSIONS = (-1, 0, 1, 2, 3, 4, 5, 7, 8, 16, 17, 64, 100, 255, 1000, 2**16, 2**20, 2**31 - 1)
INDICES = (-2, -1, 0, 1, 2, 3, 5, 100)
SCALES = (0.0, -0.0, -1.0, 1e-45, 1e-38, 1e-9, 1e-3, 0.5, 1.0, 2.0, 255.0, 1e9, 3e38, np.inf, -np.inf, np.nan)
ZERO_POINTS = (-(2**63), -(2**31) - 1, -32769, -129, -128, -1, 0, 1, 3, 127, 128, 255, 256, 32768, 2**31, 2**63 - 1)
NUMBERS = (-(2**31), -1000, -128, -2, -1, 0, 1, 2, 3, 4, 5, 7, 16, 100, 1000, 65536, 2**31 - 1)


def changed(random: Random, model: Model, other: Model) -> Model:
    """The model after one to four changes; ``other`` lends tensors and operators."""
    for _ in range(random.choice((1, 1, 1, 2, 3, 4))):
        model = random.choice(CHANGES)(random, model, other)
    return model


def written(model: Model) -> bytes:
    """The model's bytes, sound or not; empty when the format has no place for a value."""
    output = Output(1024)
    try:
        output.builder.Finish(table_writer("Model")(output, model), file_identifier=b"TFL3")
    except (Unwritable, OverflowError, TypeError, ValueError):
        return b""
    return bytes(output.builder.Output())


# ---- parts -----------------------------------------------------------------------------------------------------------


def _at(items: tuple[Any, ...], index: int, item: Any) -> tuple[Any, ...]:
    return (*items[:index], item, *items[index + 1 :])


def _graph(random: Random, model: Model, edit: Callable[[Subgraph], Subgraph]) -> Model:
    if not model.subgraphs:
        return model
    index = random.randrange(len(model.subgraphs))
    return dataclasses.replace(model, subgraphs=_at(model.subgraphs, index, edit(model.subgraphs[index])))


def _tensor(random: Random, model: Model, edit: Callable[[Tensor], Tensor]) -> Model:
    """A tensor that an operator reads or writes, mostly."""

    def change(graph: Subgraph) -> Subgraph:
        if not graph.tensors:
            return graph
        index = random.randrange(len(graph.tensors))
        return dataclasses.replace(graph, tensors=_at(graph.tensors, index, edit(graph.tensors[index])))

    return _graph(random, model, change)


def _operator(random: Random, model: Model, edit: Callable[[Operator, Subgraph], Operator]) -> Model:
    def change(graph: Subgraph) -> Subgraph:
        if not graph.operators:
            return graph
        index = random.randrange(len(graph.operators))
        return dataclasses.replace(graph, operators=_at(graph.operators, index, edit(graph.operators[index], graph)))

    return _graph(random, model, change)


# ---- tensors ---------------------------------------------------------------------------------------------------------


def change_type(random: Random, model: Model, other: Model) -> Model:
    types = enum_names("TensorType")
    return _tensor(random, model, lambda t: dataclasses.replace(t, type=random.choice(types)))


def _shape(random: Random, shape: tuple[int, ...]) -> tuple[int, ...]:
    dimensions = list(shape)
    how, place = random.randrange(5), random.randrange(len(shape) + 1)
    if how == 0 or not shape:
        dimensions.insert(place, random.choice(DIMENSIONS[:12]))
    elif how == 1:
        del dimensions[min(place, len(shape) - 1)]
    elif how == 2:
        random.shuffle(dimensions)
    else:
        place = min(place, len(shape) - 1)
        near = (dimensions[place] + random.choice((-1, 1)), dimensions[place] * 2, dimensions[place] // 2)
        dimensions[place] = random.choice(near if how == 3 else DIMENSIONS)
    return tuple(dimensions)


def change_shape(random: Random, model: Model, other: Model) -> Model:
    return _tensor(random, model, lambda t: dataclasses.replace(t, shape=_shape(random, t.shape or ())))


def change_role(random: Random, model: Model, other: Model) -> Model:
    """A constant becomes a result, a variable, another constant; a result becomes one."""
    buffers = len(model.buffers)

    def change(tensor: Tensor) -> Tensor:
        if random.random() < 0.3:
            return dataclasses.replace(tensor, is_variable=not tensor.is_variable)
        return dataclasses.replace(tensor, buffer=random.choice((0, 0, random.randrange(buffers + 1))))

    return _tensor(random, model, change)


def change_quantization(random: Random, model: Model, other: Model) -> Model:
    return _tensor(random, model, lambda t: dataclasses.replace(t, quantization=_quantization(random, t)))


def _quantization(random: Random, tensor: Tensor) -> Quantization | None:
    old = tensor.quantization or Quantization()
    count = random.choice((0, 1, 1, 2, *(d for d in tensor.shape or () if 0 <= d < 1000)))
    scales = np.array([random.choice(SCALES) for _ in range(count)], "<f4")
    zero_points = np.array([random.choice(ZERO_POINTS) for _ in range(count)], "<i8")
    return random.choice((
        None,
        dataclasses.replace(old, scales=scales),
        dataclasses.replace(old, zero_points=zero_points),
        dataclasses.replace(old, quantized_dimension=random.choice(INDICES)),
        dataclasses.replace(old, scales=scales, zero_points=zero_points),
        dataclasses.replace(old, scales=np.repeat(np.float32(0.1), count), zero_points=np.zeros(count, "<i8")),
        dataclasses.replace(old, details=_details(random)),
    ))  # fmt: skip


def _details(random: Random) -> Options:
    table = random.choice(("BlockwiseQuantization", "MultiAxisQuantization", "CustomQuantization"))
    return _options(random, default_options(table), 3)


def change_sparsity(random: Random, model: Model, other: Model) -> Model:
    def change(tensor: Tensor) -> Tensor:
        old = tensor.sparsity
        new = default_options("SparsityParameters") if old is None else old
        levels = tuple(
            _options(random, default_options("DimensionMetadata"), random.randrange(4))
            for _ in range(random.randrange(1, 5))
        )
        fields = {**new, "dim_metadata": levels} if random.random() < 0.5 else dict(_options(random, new, 1))
        order = tuple(range(len(tensor.shape or ())))
        return dataclasses.replace(tensor, sparsity=Options(new.table, {"traversal_order": order, **fields}))

    return _tensor(random, model, change)


def change_constant(random: Random, model: Model, other: Model) -> Model:
    """Other numbers in a buffer (shapes and axes above all), or another size of it."""
    sizes = {i: b.data.size for i, b in enumerate(model.buffers) if b.data is not None and b.data.size}
    if not sizes:
        return model
    filled, short = list(sizes), [i for i, size in sizes.items() if size <= 64]
    index = random.choice(short if short and random.random() < 0.7 else filled)
    data = np.array(model.buffers[index].data)
    if random.random() < 0.3:
        data = np.resize(data, random.choice((0, 1, data.size // 2, data.size - 1, data.size + 1, data.size * 2)))
    elif data.size >= 4:
        number = np.array([random.choice(NUMBERS)], "<i4") if random.random() < 0.7 else np.array([np.nan], "<f4")
        place = 4 * random.randrange(data.size // 4)
        data[place : place + 4] = number.view(np.uint8)
    return dataclasses.replace(model, buffers=_at(model.buffers, index, Buffer(data)))


# ---- operators -------------------------------------------------------------------------------------------------------


def change_operands(random: Random, model: Model, other: Model) -> Model:
    def change(operator: Operator, graph: Subgraph) -> Operator:
        part = random.choice(("inputs", "inputs", "outputs", "intermediates"))
        indices = list(getattr(operator, part) or ())
        how = random.randrange(4)
        index = random.choice((-1, random.randrange(len(graph.tensors) + 1)))
        if how == 0 or not indices:
            indices.insert(random.randrange(len(indices) + 1), index)
        elif how == 1:
            del indices[random.randrange(len(indices))]
        elif how == 2:
            random.shuffle(indices)
        else:
            indices[random.randrange(len(indices))] = index
        return dataclasses.replace(operator, **{part: tuple(indices)})

    return _operator(random, model, change)


def _options(random: Random, options: Options, count: int) -> Options:
    """Options with ``count`` fields changed."""
    layout, fields = layout_of(options.table), dict(options)
    for _ in range(count if layout.fields else 0):
        field = random.choice(layout.fields)
        fields[field.name] = _value(random, field, fields.get(field.name))
    return Options(options.table, fields)


def _value(random: Random, field: Field, old: Any) -> Any:
    kind = field.kind
    if kind.enum and kind.shape == "scalar":
        return random.choice((*enum_names(kind.enum), 100))
    if kind.format == "?":
        return not old if kind.shape == "scalar" else (True, False)
    if kind.shape == "string":
        return random.choice((None, "", "a", "\u00fc" * 20))
    if kind.shape in ("table", "union", "tables"):
        return None
    if kind.format in "fd":
        number: Any = random.choice(SCALES)
    else:
        low, high = (0, 2**8 - 1) if kind.format in "bB" else (0, 2**31 - 1)
        low = -(2**7) if kind.format == "b" else low if kind.format.isupper() else -(2**31)
        number = min(max(random.choice(NUMBERS), low), high if kind.format != "b" else 127)
    if kind.shape == "scalar":
        return number
    if kind.shape == "array":
        return np.array([number] * random.randrange(4), "<" + kind.format)
    return (number,) * random.randrange(4)


def change_options(random: Random, model: Model, other: Model) -> Model:
    def change(operator: Operator, graph: Subgraph) -> Operator:
        if operator.custom_options is not None and random.random() < 0.7:
            return _custom_options(random, operator)
        code = (
            model.operator_codes[operator.opcode_index] if operator.opcode_index < len(model.operator_codes) else None
        )
        table = OPTIONS_OF.get(str(code.builtin_code) if code else "", "")
        part = "options_2" if operator.options_2 is not None or (table and is_second_union(table)) else "options"
        old = getattr(operator, part) or (default_options(table) if table else None)
        if old is None or old.table not in _KNOWN or random.random() < 0.1:
            return dataclasses.replace(operator, **{part: None})
        return dataclasses.replace(operator, **{part: _options(random, old, random.choice((1, 1, 2)))})

    return _operator(random, model, change)


_KNOWN = frozenset(t for t in OPTIONS_OF.values() if t)


def _custom_options(random: Random, operator: Operator) -> Operator:
    data = np.array(operator.custom_options)
    for _ in range(random.choice((1, 1, 2, 4)) if data.size else 0):
        data[random.randrange(data.size)] = random.randrange(256)
    return dataclasses.replace(operator, custom_options=data[: random.choice((data.size, data.size, data.size // 2))])


def change_code(random: Random, model: Model, other: Model) -> Model:
    """Another operator, or another version of it, in a place made for this one."""
    if not model.operator_codes:
        return model
    if random.random() < 0.3:
        indices = range(len(model.operator_codes) + 1)
        return _operator(random, model, lambda o, g: dataclasses.replace(o, opcode_index=random.choice(indices)))
    index = random.randrange(len(model.operator_codes))
    code = model.operator_codes[index]
    if random.random() < 0.3:
        code = dataclasses.replace(code, version=random.choice((0, 1, 2, 3, 5, 9, 1000)))
    else:
        code = dataclasses.replace(code, builtin_code=random.choice(enum_names("BuiltinOperator")))
    return dataclasses.replace(model, operator_codes=_at(model.operator_codes, index, code))


def change_order(random: Random, model: Model, other: Model) -> Model:
    """Operators swapped, dropped or doubled."""

    def change(graph: Subgraph) -> Subgraph:
        operators = list(graph.operators)
        if not operators:
            return graph
        index, how = random.randrange(len(operators)), random.randrange(3)
        if how == 0:
            second = random.randrange(len(operators))
            operators[index], operators[second] = operators[second], operators[index]
        elif how == 1:
            del operators[index]
        else:
            operators.insert(index, operators[index])
        return dataclasses.replace(graph, operators=tuple(operators))

    return _graph(random, model, change)


def change_ends(random: Random, model: Model, other: Model) -> Model:
    """Other inputs and outputs of a subgraph."""

    def change(graph: Subgraph) -> Subgraph:
        part = random.choice(("inputs", "outputs"))
        indices = list(getattr(graph, part))
        if indices and random.random() < 0.4:
            del indices[random.randrange(len(indices))]
        else:
            indices.insert(random.randrange(len(indices) + 1), random.randrange(len(graph.tensors) + 1))
        return dataclasses.replace(graph, **{part: tuple(indices)})

    return _graph(random, model, change)


def change_graphs(random: Random, model: Model, other: Model) -> Model:
    """A subgraph doubled, dropped or swapped with another; signatures lead elsewhere."""
    graphs, how = list(model.subgraphs), random.randrange(4)
    if not graphs:
        return model
    if how == 0:
        graphs.append(random.choice(graphs))
    elif how == 1 and len(graphs) > 1:
        del graphs[random.randrange(len(graphs))]
    elif how == 2:
        random.shuffle(graphs)
    else:
        moved = tuple(
            dataclasses.replace(
                s,
                subgraph_index=random.choice((0, 1, 7)),
                inputs=tuple((name, random.choice((i, 0, 99))) for name, i in s.inputs),
            )
            for s in model.signatures
        )
        return dataclasses.replace(model, signatures=moved)
    return dataclasses.replace(model, subgraphs=tuple(graphs))


def take_tensor(random: Random, model: Model, other: Model) -> Model:
    """A tensor's declaration from another model, or from elsewhere in this one."""
    graphs = (random.choice((model, other))).subgraphs
    lent = random.choice(graphs).tensors if graphs else ()
    if not lent:
        return model
    donor = random.choice(lent)
    return _tensor(random, model, lambda t: dataclasses.replace(donor, buffer=t.buffer, name=t.name))


Change = Callable[[Random, Model, Model], Model]
CHANGES: tuple[Change, ...] = (
    *(change_type, change_type, change_shape, change_shape, change_shape, change_role),
    *(change_quantization, change_quantization, change_sparsity, change_constant, change_constant),
    *(change_operands, change_operands, change_options, change_options, change_options),
    *(change_code, change_code, change_order, change_ends, change_graphs, take_tensor),
)
