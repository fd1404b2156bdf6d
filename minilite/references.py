"""The indices that lead from one part of a model to another: of tensors, buffers, operator codes and subgraphs.

* :func:`check_references` is what reading checks, and what LiteRT refuses to construct an interpreter for.
* :func:`check_carried` are those that LiteRT carries without looking until somebody follows them: in signatures, in the
  options of operators that call subgraphs, in the quantization of blocks. Inspecting and quantizing follow them all.
"""

from __future__ import annotations

from collections.abc import Iterator

from minilite.errors import ModelError
from minilite.model import Model, Operator, Options, Signature, Subgraph, Tensor


def check_references(model: Model) -> None:
    """Raise :class:`~minilite.errors.ModelError` for the first index of a tensor, buffer or operator code that
    leads nowhere."""
    for index, subgraph in enumerate(model.subgraphs):
        where = f"subgraphs[{index}]"
        _check_buffers(model, subgraph, where)
        _check_indices(subgraph.inputs, len(subgraph.tensors), 0, "inputs", where)
        _check_indices(subgraph.outputs, len(subgraph.tensors), 0, "outputs", where)
        for place, operator in enumerate(subgraph.operators):
            _check_operator(model, operator, len(subgraph.tensors), f"{where}.operators[{place}]")


def check_carried(model: Model) -> None:
    """Raise :class:`~minilite.errors.ModelError` for the first index that leads nowhere in a signature, in the options
    of an operator that calls subgraphs, or in the scales of blocks."""
    for index, signature in enumerate(model.signatures):
        _check_signature(model, signature, f"signatures[{index}]")
    for index, subgraph in enumerate(model.subgraphs):
        for place, operator in enumerate(subgraph.operators):
            _check_called(model, operator, f"subgraphs[{index}].operators[{place}]")
        for place, tensor in enumerate(subgraph.tensors):
            _check_scales(tensor, len(subgraph.tensors), f"subgraphs[{index}].tensors[{place}]")


# ---- what LiteRT refuses ---------------------------------------------------------------------------------------------


def _check_buffers(model: Model, subgraph: Subgraph, where: str) -> None:
    count = len(model.buffers)
    for index, tensor in enumerate(subgraph.tensors):
        if not 0 <= tensor.buffer < max(count, 1):
            raise ModelError(
                f"Tensor {index} specifies out of range buffer {tensor.buffer} (only {count} buffers)."
                f" {place_of(tensor, index, where)}"
            )


def place_of(tensor: Tensor, index: int, where: str) -> str:
    """Which tensor is meant, as a sentence."""
    name = f" ({tensor.name!r})" if tensor.name else ""
    return f"This is {where}.tensors[{index}]{name}."


def _check_operator(model: Model, operator: Operator, count: int, where: str) -> None:
    codes = model.operator_codes
    if not 0 <= operator.opcode_index < len(codes):
        raise ModelError(
            f"Missing registration for opcode_index {operator.opcode_index}. {where} is of a kind the model does"
            f" not list; it lists {len(codes)}."
        )
    name = codes[operator.opcode_index].name
    for part in ("inputs", "outputs", "intermediates"):
        _check_indices(getattr(operator, part), count, -1, part, where, name)


def _check_indices(
    indices: tuple[int, ...] | None, count: int, least: int, part: str, where: str, operator: str = ""
) -> None:
    """``least`` is -1 where an index may say that there is no tensor."""
    if indices and not (least <= min(indices) and max(indices) < count):
        wrong = next(index for index in indices if not least <= index < count)
        label, name = (f"node {part}", f" ({operator})") if operator else (part, "")
        raise ModelError(
            f"Invalid tensor index {wrong} in {label}. The subgraph has {count} tensors."
            f" {where}.{part}[{indices.index(wrong)}]{name} must be from {least} to {count - 1}."
        )


# ---- what LiteRT carries ---------------------------------------------------------------------------------------------


def _check_signature(model: Model, signature: Signature, where: str) -> None:
    graphs = model.subgraphs
    if not 0 <= signature.subgraph_index < len(graphs):
        raise ModelError(
            f"Invalid subgraph index {signature.subgraph_index} in signature {signature.key!r}: {where}.subgraph_index"
            f" must be from 0 to {len(graphs) - 1}. Remove the signature, or have it lead to a subgraph."
        )
    count = len(graphs[signature.subgraph_index].tensors)
    for part in ("inputs", "outputs"):
        for name, index in getattr(signature, part):
            if not 0 <= index < count:
                raise ModelError(
                    f"Invalid tensor index {index} for {name!r} in signature {signature.key!r}: {where}.{part} must be"
                    f" from 0 to {count - 1}, the tensors of subgraph {signature.subgraph_index}."
                )


def subgraph_fields(options: Options | None) -> list[str]:
    """The fields of an operator's options that name subgraphs."""
    if options is None:
        return []
    last = ("subgraph", "subgraph_index", "subgraph_indices")
    return [f for f in options if f in last or f.endswith(tuple(f"_{word}" for word in last))]


def subgraphs_called(operator: Operator) -> list[int]:
    """The subgraphs that an operator's options name."""
    return [index for _, index in _called(operator)]


def _called(operator: Operator) -> Iterator[tuple[str, int]]:
    for options in (operator.options, operator.options_2):
        for field in subgraph_fields(options):
            value = None if options is None else options[field]
            indices = () if value is None else (value,) if isinstance(value, int) else value
            yield from ((field, int(i)) for i in indices if i >= 0)


def _check_called(model: Model, operator: Operator, where: str) -> None:
    for field, index in _called(operator):
        if index >= len(model.subgraphs):
            name = model.operator_codes[operator.opcode_index].name
            raise ModelError(
                f"Invalid subgraph index {index} in {field} of {where} ({name}): it must be from 0 to"
                f" {len(model.subgraphs) - 1}. The model was cut short, or put together wrongly."
            )


TENSORS_OF_SCALES = ("BlockwiseQuantization", "MultiAxisQuantization")
"""Ways of quantization whose ``scales`` and ``zero_points`` are tensors."""


def _check_scales(tensor: Tensor, count: int, where: str) -> None:
    details = None if tensor.quantization is None else tensor.quantization.details
    if details is None or details.table not in TENSORS_OF_SCALES:
        return
    for part in ("scales", "zero_points"):
        if not -1 <= details[part] < count:
            raise ModelError(
                f"Invalid tensor index {details[part]} in the {part} of {details.table}: {where} ({tensor.name!r}) has"
                f" them; the subgraph's tensors are 0 to {count - 1}, and -1 is none."
            )
